"""The course step: the student's gradient on the teacher's soft targets, kept with all that the exam needs of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ikd.protocols import Inputs, Objective, Outputs, Parameters, detached
from ikd.teaching.forward import Randomness, autocast, course_attention, outputs_of
from ikd.teaching.student_update import StudentUpdate


@dataclass(frozen=True, kw_only=True)
class CourseStep:
    """One course step before its update is taken.

    Attributes:
        student: the classifier, in the mode (dropout on or off) of the course step.
        inputs, labels: the course batch, (B, T) and (B,).
        student_outputs, teacher_outputs: both without graph.
        objective: per-example losses; the course loss is their mean.
        loss: scalar course loss.
        gradients: g by parameter name, before clipping; weights the loss does not reach are left out.
        update: theta - U(g), not yet taken.
        randomness: state from which the course forward drew its dropout.
        precision: "fp32" or "bf16".
    """

    student: nn.Module
    inputs: Inputs
    labels: Tensor
    student_outputs: Outputs
    teacher_outputs: Outputs
    objective: Objective
    loss: Tensor
    gradients: Parameters
    update: StudentUpdate
    randomness: Randomness
    precision: str = "fp32"

    @property
    def parameters(self) -> Parameters:
        """Return theta, the weights that the gradient reaches."""
        return {name: self.update.parameters[name] for name in self.gradients}


def course_step(
    student: nn.Module,
    inputs: Inputs,
    *,
    labels: Tensor,
    teacher_outputs: Outputs,
    objective: Objective,
    update: StudentUpdate,
    precision: str = "fp32",
    randomness: Randomness | None = None,
) -> CourseStep:
    """Compute L_c and g = grad_theta L_c at theta; nothing is updated.

    Args:
        student: in the mode of the course step.
        inputs: the student's encoding of the course batch.
        labels: (B,) hard labels.
        teacher_outputs: soft targets as logits (B, C); any graph is ignored.
        objective: per-example losses.
        update: wraps the student's optimizer.
        precision: "fp32" or "bf16".
        randomness: draw dropout from here instead of from the present state (to redo a step with the same masks).
    """
    device = labels.device
    start = randomness or Randomness.now(device)
    if randomness is not None:
        randomness.restore()
    teacher = detached(teacher_outputs)
    with autocast(device, precision), course_attention(student, device):
        answered = outputs_of(student, inputs)
    loss = objective(answered, teacher, labels).mean()
    names, tensors = zip(*update.parameters.items(), strict=True)
    gradients = torch.autograd.grad(loss, tensors, allow_unused=True)
    return CourseStep(
        student=student, inputs=inputs, labels=labels, student_outputs=detached(answered), teacher_outputs=teacher,
        objective=objective, loss=loss.detach(), update=update, randomness=start, precision=precision,
        gradients={name: g for name, g in zip(names, gradients, strict=True) if g is not None},
    )  # fmt: skip
