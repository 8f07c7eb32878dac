"""The course step: the student's gradient on the teacher's soft targets, kept with all that the exam needs of it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ikd.protocols import Inputs, Objective, Outputs, Parameters, cut, detached, joined
from ikd.teaching.corrections import Corrected
from ikd.teaching.forward import Randomness, autocast, course_attention, outputs_of
from ikd.teaching.products import Products, products_kept
from ikd.teaching.student_update import StudentUpdate


@dataclass(frozen=True, kw_only=True)
class CoursePart:
    """A piece of a course batch that goes through the student at one time, (b, T) and (b,); outputs without graph.

    `products` are those of the student's linear maps, where a tangent pass may use them; empty otherwise. `said` is what the teacher says
    before a correction, and `corrected` that correction, where there is one.
    """

    inputs: Inputs
    labels: Tensor
    student_outputs: Outputs
    teacher_outputs: Outputs
    said: Outputs | None = None
    corrected: Corrected | None = None
    products: Products = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CourseStep:
    """One course step before its update is taken.

    Attributes:
        student: the classifier, in the mode (dropout on or off) of the course step.
        parts: the course batch, in one piece or several.
        objective: per-example losses; the course loss is their mean over the whole batch.
        loss: scalar course loss.
        gradients: g by parameter name, before clipping; weights the loss does not reach are left out.
        update: theta - U(g), not yet taken.
        randomness: state from which the course forward drew its dropout.
        precision: "fp32" or "bf16".
    """

    student: nn.Module
    parts: tuple[CoursePart, ...]
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

    @property
    def labels(self) -> Tensor:
        """Return the labels of the whole batch, (B,), or (B, C) probabilities."""
        return torch.cat([part.labels for part in self.parts])

    @property
    def student_logits(self) -> Tensor:
        """Return what the student answered, (B, C)."""
        return torch.cat([part.student_outputs.logits for part in self.parts])

    @property
    def teacher_outputs(self) -> Outputs:
        """Return what the teacher gave for the whole batch."""
        return joined([part.teacher_outputs for part in self.parts])


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
    pieces: int = 1,
    keep_products: bool = False,
    corrected: Corrected | None = None,
) -> CourseStep:
    """Compute L_c and g = grad_theta L_c at theta; nothing is updated.

    Args:
        student: in the mode of the course step.
        inputs: the student's encoding of the course batch.
        labels: (B,) hard labels, or (B, C) probabilities.
        teacher_outputs: of the whole batch; any graph is ignored.
        objective, precision: per-example losses; "fp32" or "bf16".
        update: wraps the student's optimizer.
        randomness: draw dropout from here instead of from the present state (to redo a step with the same masks).
        pieces: in how many pieces the batch goes through the student: gradients are summed, activations are not.
        keep_products: keep what the linear maps gave out, for the tangent pass.
        corrected: makes soft targets of what the teacher says and of what the student answers; None: they are what the teacher says.
    """
    start = randomness or Randomness.now(labels.device)
    start.restore()
    n_pieces = min(pieces, len(labels))
    said = zip(detached(teacher_outputs).cut(n_pieces), corrected.cut(n_pieces) if corrected else [None] * n_pieces, strict=True)
    parts, gradients, total = [], Parameters(), torch.zeros((), device=labels.device)
    for own_inputs, own, (spoken, correction) in zip(cut(inputs, n_pieces), labels.tensor_split(n_pieces), said, strict=True):
        answered, products = _answered(student, own_inputs, precision, keep_products)
        parts.append(_part(own_inputs, own, answered=answered, said=spoken, corrected=correction, products=products))
        total = total + _add(gradients, objective(answered, parts[-1].teacher_outputs, own).sum() / len(labels), update.parameters)
    return CourseStep(student=student, parts=tuple(parts), objective=objective, loss=total, gradients=gradients, update=update,
                      randomness=start, precision=precision)  # fmt: skip


def _part(
    inputs: Inputs, labels: Tensor, *, answered: Outputs, said: Outputs, corrected: Corrected | None, products: Products
) -> CoursePart:
    if corrected is None:
        return CoursePart(inputs=inputs, labels=labels, student_outputs=detached(answered), teacher_outputs=said, products=products)
    with torch.no_grad():
        target = corrected(said, answered.logits)
    return CoursePart(inputs=inputs, labels=labels, student_outputs=detached(answered), teacher_outputs=target, said=said,
                      corrected=corrected, products=products)  # fmt: skip


def _answered(student: nn.Module, inputs: Inputs, precision: str, keep_products: bool) -> tuple[Outputs, Products]:
    device = next(iter(inputs.values())).device
    keeping = products_kept(student) if keep_products else nullcontext(Products())
    with autocast(device, precision), course_attention(student, device), keeping as products:
        return outputs_of(student, inputs), products


def _add(gradients: Parameters, loss: Tensor, parameters: Parameters) -> Tensor:
    """Add a loss's gradient to the sums by name, and return the loss without graph; weights that no loss reaches stay out."""
    slopes = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    for name, slope in zip(parameters, slopes, strict=True):
        if slope is not None:
            gradients[name] = gradients[name].add_(slope) if name in gradients else slope
    return loss.detach()
