"""Three ways to the hypergradient dL_e/do at the teacher's outputs o, of one signature.

    L_e(o) = exam( theta - U( grad_theta L_c(theta, o) ) )

`unrolled` differentiates that line. `jvp` and `finite_difference` follow the README (*The method in formulas*): with
v = grad L_e at theta' and w = (dU/dg)^T v,

    dL_e/do = d/do h(o),    h(o) = - < dL_c/ds (s, o, y), s_dot >,    s_dot = directional derivative of s along w

so that no graph of the student's update is kept. s stands for all of the student's outputs that the objective looks at, logits and
hidden states, and o for those of the teacher. The summands of h, one for each example, are the influences of the course examples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from ikd.protocols import ExamLoss, Feedback, Inputs, Objective, Outputs, Parameters, joined
from ikd.teaching.course import CoursePart, CourseStep
from ikd.teaching.forward import Randomness, autocast, course_attention, forward_mode_attention, outputs_of
from ikd.teaching.products import Products, products_known
from ikd.teaching.student_update import PulledBack, global_norm

RELATIVE_STEP = 0.01
"""Length of the finite-difference step in weight space, however long w is."""


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


Tangent = Callable[[CourseStep, CoursePart, Parameters], Outputs]


def jvp(course: CourseStep, exam: ExamLoss, *, inner_update: str = "exact") -> Feedback:
    """Exact, by one forward-mode pass of the student."""
    return _along(course, exam, inner_update=inner_update, tangent=_course_tangent)


def finite_difference(course: CourseStep, exam: ExamLoss, *, inner_update: str = "exact") -> Feedback:
    """Nearly exact, by two forwards of the student along w without a graph."""
    return _along(course, exam, inner_update=inner_update, tangent=_course_difference)


def unrolled(course: CourseStep, exam: ExamLoss, *, inner_update: str = "exact") -> Feedback:
    """Exact, by differentiating through the whole update (the reference).

    Raises:
        ValueError: `inner_update` other than "exact".
    """
    if inner_update != "exact":
        raise ValueError(f"unrolled has only inner_update exact, got {inner_update}")
    theta, teachers, shares = course.parameters, list[Outputs](), list[Tensor]()
    total = torch.zeros((), device=course.labels.device)
    with course.randomness.replayed(), forward_mode_attention():
        for part in course.parts:
            teachers.append(part.teacher_outputs.replaced([leaf.clone().requires_grad_() for leaf in part.teacher_outputs.leaves]))
            shares.append(torch.ones_like(part.teacher_outputs.logits[:, 0]).requires_grad_())
            with autocast(course.labels.device, course.precision):
                student = _gradient_scaled(outputs_of(course.student, part.inputs), shares[-1])
            total = total + course.objective(student, teachers[-1], part.labels).sum() / len(course.labels)
    gradients = torch.autograd.grad(total, list(theta.values()), create_graph=True)
    with forward_mode_attention():
        exam_loss = exam(course.update(dict(zip(theta, gradients, strict=True))))
    leaves = [leaf for teacher in teachers for leaf in teacher.leaves]
    slopes = torch.autograd.grad(exam_loss, [*leaves, *shares], allow_unused=True, materialize_grads=True)
    rate, found = course.update.learning_rate, iter(slopes)
    cotangent = joined([teacher.replaced([next(found) / rate for _ in teacher.leaves]) for teacher in teachers])
    influence = torch.cat(list(found))
    # No w is formed on this way, so what clipping takes from its sum is computed as in the others.
    along = course.update.transposed(course.gradients, exam_gradient(course, exam)[1]).along_gradient
    return Feedback(
        cotangent=cotangent, influence=influence, unclipped_sum=float(influence.sum()) if along is None else -rate * along,
        exam_loss=exam_loss.detach(), direction=None, scale=rate,
    )  # fmt: skip


def _gradient_scaled(outputs: Outputs, shares: Tensor) -> Outputs:
    """Return outputs of the same value through which each example's gradient goes multiplied by its share (b,), all of them 1."""
    return outputs.replaced(
        [leaf.detach() + shares.view(-1, *[1] * (leaf.ndim - 1)) * (leaf - leaf.detach()) for leaf in outputs.leaves]
    )


def forward_tangent(
    student: nn.Module, inputs: Inputs, theta: Parameters, direction: Parameters, precision: str = "fp32", products: Products | None = None
) -> Outputs:
    """Return s_dot: the exact directional derivative of the student's outputs along a direction in weight space.

    Args:
        student: in the mode of the forward that is differentiated.
        inputs: of that forward.
        theta: weights that move; the others stay.
        direction: how they move.
        precision: "fp32" or "bf16".
        products: those of the same forward, where they were kept; they are not computed again.
    """
    device = next(iter(theta.values())).device
    with (
        forward_mode_attention(), autocast(device, precision), products_known(student, products), torch.no_grad(),
        forward_ad.dual_level(),
    ):  # fmt: skip
        weights = {name: forward_ad.make_dual(weight.detach(), direction[name]) for name, weight in theta.items()}
        dual = outputs_of(student, inputs, weights)
        # An output that no moved weight reaches has no tangent at all.
        parts = [forward_ad.unpack_dual(leaf) for leaf in dual.leaves]
        return dual.replaced([torch.zeros_like(part.primal) if part.tangent is None else part.tangent for part in parts])


def difference_tangent(
    student: nn.Module, inputs: Inputs, theta: Parameters, direction: Parameters
) -> Outputs:
    """Return s_dot by central differences; always in full precision."""
    device = next(iter(theta.values())).device
    step = RELATIVE_STEP / max(float(global_norm(direction)), torch.finfo(torch.float32).tiny)
    ends = []
    randomness = Randomness.now(device)
    for sign in (step, -step):
        randomness.restore()
        moved = {name: torch.add(weight.detach(), direction[name], alpha=sign) for name, weight in theta.items()}
        with torch.no_grad(), course_attention(student, device):
            ends.append(outputs_of(student, inputs, moved))
    return ends[0].replaced([(up - down) / (2 * step) for up, down in zip(ends[0].leaves, ends[1].leaves, strict=True)])


def feedback_through(
    objective: Objective, student: Outputs, teacher: Outputs, labels: Tensor, tangent: Outputs
) -> tuple[Outputs, Tensor]:
    """Return the gradient of h at the teacher's outputs, and the influences (b,), for a loss that is the sum over these examples."""
    answered = student.replaced([leaf.detach().requires_grad_() for leaf in student.leaves])
    targets = teacher.replaced([leaf.detach().requires_grad_() for leaf in teacher.leaves])
    loss = objective(answered, targets, labels).sum()
    slopes = torch.autograd.grad(loss, answered.leaves, create_graph=True, allow_unused=True, materialize_grads=True)
    influence = -torch.stack([(slope * moved).flatten(1).sum(1) for slope, moved in zip(slopes, tangent.leaves, strict=True)]).sum(0)
    if not influence.requires_grad:  # an objective that looks at labels alone
        return teacher.replaced([torch.zeros_like(leaf) for leaf in teacher.leaves]), influence
    cotangents = torch.autograd.grad(influence.sum(), targets.leaves, allow_unused=True, materialize_grads=True)
    return teacher.replaced(cotangents), influence.detach()


def _along(course: CourseStep, exam: ExamLoss, *, inner_update: str, tangent: Tangent) -> Feedback:
    exam_loss, v = exam_gradient(course, exam)
    w, along = PulledBack(v, None) if inner_update == "sgd" else course.update.transposed(course.gradients, v)
    del v
    cotangents, influences, share = [], [], 1 / len(course.labels)
    with course.randomness.replayed():
        for part in course.parts:
            s_dot = tangent(course, part, w)
            part.products.clear()  # they are large, and spent
            through = feedback_through(course.objective, part.student_outputs, part.teacher_outputs, part.labels, s_dot)
            cotangents.append(through[0].replaced([share * leaf for leaf in through[0].leaves]))
            influences.append(share * through[1])
    rate = course.update.learning_rate
    influence = rate * torch.cat(influences)
    return Feedback(
        cotangent=joined(cotangents), influence=influence, unclipped_sum=float(influence.sum()) if along is None else -rate * along,
        exam_loss=exam_loss, direction=w, scale=rate,
    )  # fmt: skip


def _course_tangent(course: CourseStep, part: CoursePart, w: Parameters) -> Outputs:
    return forward_tangent(course.student, part.inputs, course.parameters, w, course.precision, part.products)


def _course_difference(course: CourseStep, part: CoursePart, w: Parameters) -> Outputs:
    return difference_tangent(course.student, part.inputs, course.parameters, w)


def exam_gradient(course: CourseStep, exam: ExamLoss) -> tuple[Tensor, Parameters]:
    """Return the exam loss at theta' and v, its gradient there."""
    with torch.no_grad():
        moved = course.update(course.gradients)
    return exam.gradient(moved)


def predicted_change(course: CourseStep, exam: ExamLoss) -> tuple[Tensor, Tensor]:
    """Return the exam loss at theta, and its first-order change -v . U(g) with v taken at theta."""
    loss, slopes = exam.gradient(course.parameters)
    with torch.no_grad():
        moved = course.update(course.gradients)
        change = sum(torch.sum(v * (moved[name] - course.parameters[name])) for name, v in slopes.items())
    return loss, torch.as_tensor(change).detach()


HYPERGRADIENTS: dict[str, Hypergradient] = {"jvp": jvp, "finite_difference": finite_difference, "unrolled": unrolled}
