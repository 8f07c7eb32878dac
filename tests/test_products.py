"""The tangent pass with the course step's matrix products: the same hypergradient for less arithmetic."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ikd.protocols import Outputs
from ikd.teaching.course import CourseStep, course_step
from ikd.teaching.exam import exam_on
from ikd.teaching.forward import forward_mode_attention, mode, outputs_of
from ikd.teaching.hypergradients import forward_tangent, jvp
from ikd.teaching.products import products_kept, products_known
from ikd.teaching.student_update import StudentUpdate
from tests.test_hypergradients import OBJECTIVE
from tests.tiny import FAMILIES, padded_batch, tiny

COURSE, EXAM = padded_batch(5, seed=11), padded_batch(6, seed=12)


def course_of(student: nn.Module, *, keep: bool, said: Outputs) -> CourseStep:
    theta = dict(student.named_parameters())
    torch.manual_seed(7)
    with mode(student, training=True):
        return course_step(
            student, COURSE.student_inputs, labels=COURSE.labels, teacher_outputs=said, objective=OBJECTIVE, keep_products=keep,
            update=StudentUpdate(torch.optim.SGD(student.parameters(), lr=1e-2), theta),
        )  # fmt: skip


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_hypergradient_is_the_same_with_products_kept(family: str) -> None:
    """ALBERT calls one layer several times: its products come in the order of the calls."""
    student, teacher = tiny(family, layers=2, seed=2), tiny(family, layers=2, seed=1)
    said = outputs_of(teacher, COURSE.teacher_inputs)
    exam = exam_on(student, EXAM.student_inputs, labels=EXAM.labels)
    found = []
    for keep in (False, True):
        course = course_of(student, keep=keep, said=said)
        assert bool(course.parts[0].products) == keep
        with mode(student, training=True):
            found.append(jvp(course, exam))
        assert not course.parts[0].products, "they are let go once they are used"
    plain, quick = found
    torch.testing.assert_close(quick.cotangent.logits, plain.cotangent.logits, rtol=1e-9, atol=1e-14)
    torch.testing.assert_close(quick.influence, plain.influence, rtol=1e-9, atol=1e-14)


def test_a_third_of_the_products_of_linear_maps_is_saved() -> None:
    student = tiny("bert", layers=2, seed=2)
    theta = dict(student.named_parameters())
    along = {name: torch.randn_like(weight) for name, weight in theta.items()}
    with torch.no_grad(), products_kept(student) as kept, FlopCounterMode(display=False) as once:
        outputs_of(student, COURSE.student_inputs)
    with FlopCounterMode(display=False) as whole:
        forward_tangent(student, COURSE.student_inputs, theta, along)
    with FlopCounterMode(display=False) as less:
        forward_tangent(student, COURSE.student_inputs, theta, along, products=kept)
    linear = sum(2 * module.weight.numel() * kept[module][0].flatten(0, -2).shape[0] for module in kept if isinstance(module, nn.Linear))
    assert whole.get_total_flops() - less.get_total_flops() == linear
    assert linear > 0.8 * once.get_total_flops()


def test_afterwards_every_linear_map_is_its_own_again_even_after_a_fault() -> None:
    student = tiny("bert", layers=1, seed=2)
    before = outputs_of(student, COURSE.student_inputs).logits
    with products_kept(student) as kept, forward_mode_attention():
        outputs_of(student, COURSE.student_inputs)
    with pytest.raises(RuntimeError, match="on the way"), products_known(student, kept):
        raise RuntimeError("on the way")
    assert not [name for name, module in student.named_modules() if "forward" in vars(module) or module._forward_hooks]
    assert torch.equal(outputs_of(student, COURSE.student_inputs).logits, before)
