"""Three ways to the hypergradient dL_e/do at the teacher's outputs o, of one signature.

    L_e(o) = exam( theta - U( grad_theta L_c(theta, o) ) )

`unrolled` differentiates that line. `jvp` and `finite_difference` use METHOD section 2: with v = grad L_e at theta' and
w = (dU/dg)^T v,

    dL_e/do = d/do h(o),    h(o) = - < dL_c/ds (s, o, y), s_dot >,    s_dot = directional derivative of s along w

so that no graph of the student's update is kept. The summands of h are the influences of the course examples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from ikd.protocols import ExamLoss, Feedback, Inputs, Objective, Outputs, Parameters
from ikd.teaching.course import CourseStep
from ikd.teaching.forward import Randomness, autocast, course_attention, forward_mode_attention, outputs_of
from ikd.teaching.student_update import global_norm

RELATIVE_STEP = 0.01
"""Length of the finite-difference step in weight space (METHOD section 2, traps)."""


class Hypergradient(Protocol):
    """The signature shared by all members of HYPERGRADIENTS."""

    def __call__(self, course: CourseStep, exam: ExamLoss, *, inner_update: str = "exact") -> Feedback:
        """Return the exam's feedback on a course step.

        Args:
            course: the step, not yet taken.
            exam: loss of the exam batch at given student weights.
            inner_update: "exact" through the optimizer, or "sgd" as if U(g) were the learning rate times g.
        """
        ...


Tangent = Callable[[nn.Module, Inputs, Parameters, Parameters, str], Tensor]


def jvp(course: CourseStep, exam: ExamLoss, *, inner_update: str = "exact") -> Feedback:
    """Exact, by one forward-mode pass of the student."""
    return _along(course, exam, inner_update=inner_update, tangent=forward_tangent)


def finite_difference(course: CourseStep, exam: ExamLoss, *, inner_update: str = "exact") -> Feedback:
    """Nearly exact, by two forwards of the student along w without a graph."""
    return _along(course, exam, inner_update=inner_update, tangent=difference_tangent)


def unrolled(course: CourseStep, exam: ExamLoss, *, inner_update: str = "exact") -> Feedback:
    """Exact, by differentiating through the whole update (the reference).

    Raises:
        ValueError: `inner_update` other than "exact".
    """
    if inner_update != "exact":
        raise ValueError(f"unrolled has only inner_update exact, got {inner_update}")
    device = course.labels.device
    teacher = Outputs(course.teacher_outputs.logits.clone().requires_grad_())
    shares = torch.ones(len(course.labels), device=device, dtype=teacher.logits.dtype, requires_grad=True)
    theta = course.parameters
    with course.randomness.replayed(), forward_mode_attention(), autocast(device, course.precision):
        student = outputs_of(course.student, course.inputs)
    loss = (shares * course.objective(student, teacher, course.labels)).mean()
    gradients = torch.autograd.grad(loss, list(theta.values()), create_graph=True)
    with forward_mode_attention():
        exam_loss = exam(course.update(dict(zip(theta, gradients, strict=True))))
    cotangent, influence = torch.autograd.grad(exam_loss, (teacher.logits, shares))
    rate = course.update.learning_rate
    return Feedback(
        cotangent=Outputs(cotangent / rate), influence=influence, exam_loss=exam_loss.detach(), direction=None, scale=rate
    )


def forward_tangent(
    student: nn.Module, inputs: Inputs, theta: Parameters, direction: Parameters, precision: str = "fp32"
) -> Tensor:
    """Return s_dot (B, C): the exact directional derivative of the student's logits along a direction in weight space."""
    device = next(iter(theta.values())).device
    with forward_mode_attention(), autocast(device, precision), torch.no_grad(), forward_ad.dual_level():
        weights = {name: forward_ad.make_dual(weight.detach(), direction[name]) for name, weight in theta.items()}
        tangent: Tensor | None = forward_ad.unpack_dual(outputs_of(student, inputs, weights).logits).tangent
    assert tangent is not None, "no weight along the direction reaches the logits"
    return tangent


def difference_tangent(
    student: nn.Module, inputs: Inputs, theta: Parameters, direction: Parameters, precision: str = "fp32"
) -> Tensor:
    """Return s_dot (B, C) by central differences; always in full precision."""
    device = next(iter(theta.values())).device
    step = RELATIVE_STEP / max(float(global_norm(direction)), torch.finfo(torch.float32).tiny)
    ends = []
    randomness = Randomness.now(device)
    for sign in (step, -step):
        randomness.restore()
        moved = {name: torch.add(weight.detach(), direction[name], alpha=sign) for name, weight in theta.items()}
        with torch.no_grad(), course_attention(student, device):
            ends.append(outputs_of(student, inputs, moved).logits)
    return (ends[0] - ends[1]) / (2 * step)


def feedback_through(
    objective: Objective, student: Outputs, teacher: Outputs, labels: Tensor, tangent: Tensor
) -> tuple[Tensor, Tensor]:
    """Return dh/do (B, C) and the influences (B,), for a loss that is the mean over the B examples."""
    answered = Outputs(student.logits.detach().requires_grad_())
    targets = Outputs(teacher.logits.detach().requires_grad_())
    loss = objective(answered, targets, labels).mean()
    (slope,) = torch.autograd.grad(loss, answered.logits, create_graph=True)
    influence = -(slope * tangent).sum(dim=-1)
    (cotangent,) = torch.autograd.grad(influence.sum(), targets.logits)
    return cotangent, influence.detach()


def _along(course: CourseStep, exam: ExamLoss, *, inner_update: str, tangent: Tangent) -> Feedback:
    exam_loss, v = exam_gradient(course, exam)
    w = v if inner_update == "sgd" else course.update.transposed(course.gradients, v)
    with course.randomness.replayed():
        s_dot = tangent(course.student, course.inputs, course.parameters, w, course.precision)
    cotangent, influence = feedback_through(
        course.objective, course.student_outputs, course.teacher_outputs, course.labels, s_dot
    )
    rate = course.update.learning_rate
    return Feedback(
        cotangent=Outputs(cotangent), influence=rate * influence, exam_loss=exam_loss, direction=w, scale=rate
    )


def exam_gradient(course: CourseStep, exam: ExamLoss) -> tuple[Tensor, Parameters]:
    """Return the exam loss at theta' and v, its gradient there."""
    with torch.no_grad():
        moved = course.update(course.gradients)
    leaves = {name: weight.requires_grad_() for name, weight in moved.items()}
    loss = exam(leaves)
    slopes = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return loss.detach(), dict(zip(leaves, slopes, strict=True))


def predicted_change(course: CourseStep, exam: ExamLoss) -> tuple[Tensor, Tensor]:
    """Return the exam loss at theta, and its first-order change -v . U(g) with v taken at theta (METHOD section 2)."""
    theta = {name: weight.detach().clone().requires_grad_() for name, weight in course.parameters.items()}
    loss = exam(theta)
    slopes = torch.autograd.grad(loss, list(theta.values()), allow_unused=True, materialize_grads=True)
    with torch.no_grad():
        moved = course.update(course.gradients)
        change = sum(torch.sum(v * (moved[name] - theta[name])) for name, v in zip(theta, slopes, strict=True))
    return loss.detach(), torch.as_tensor(change)


HYPERGRADIENTS: dict[str, Hypergradient] = {"jvp": jvp, "finite_difference": finite_difference, "unrolled": unrolled}
