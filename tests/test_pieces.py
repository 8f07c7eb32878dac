"""A batch in pieces teaches what the whole batch does, and layers that are computed again teach what kept ones do."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ikd.classroom import Classroom, build_lesson
from ikd.config import build_config
from ikd.protocols import Batch, Feedback, Outputs
from ikd.teaching.exam import exam_on
from ikd.teaching.forward import outputs_of, recomputed
from ikd.teaching.hypergradients import HYPERGRADIENTS
from ikd.teaching.lesson import Lesson, Taught, say, soft_targets_of
from ikd.teaching.policies import POLICIES, fixed_step
from tests.tiny import padded_batch, tiny_bert, tiny_room

COURSE, EXAM = padded_batch(16, seed=11), padded_batch(16, seed=12)
ODD = padded_batch(7, seed=13)


@cache
def models() -> tuple[nn.Module, nn.Module]:
    return tiny_bert(2, 32, seed=1), tiny_bert(2, 16, seed=2)


def room_of() -> Classroom:
    teacher, student = copy.deepcopy(models())
    return tiny_room(teacher, student)


def lesson_of(**values: Any) -> Lesson:
    """Return a lesson without dropout whose teacher moves by its gradient, with a student's optimizer that has steps behind it."""
    fixed = {
        "policy.teacher_optimizer": "sgd", "policy.teacher_learning_rate": 1.0, "policy.teacher_max_gradient_norm": None,
        "teacher.name": "builtin/2x32", "student.name": "builtin/2x16", "student.dropout": False, "training.max_gradient_norm": 0.05,
        "objective.pkd_weight": 0.5, "objective.tinybert_weight": 0.3,
    }  # fmt: skip
    lesson = build_lesson(room_of(), build_config({**fixed, **{name.replace("__", "."): value for name, value in values.items()}}))
    whole = replace(lesson, pieces=1)  # the same start, whatever the pieces
    for step in range(3):
        fixed_step(whole, padded_batch(5, seed=100 + step))
    return lesson


@dataclass(frozen=True, kw_only=True)
class Done:
    """What one step did, and by how much the teacher's weights went down: by its gradient."""

    taught: Taught
    gradient: dict[str, Tensor]
    student: dict[str, Tensor]


def done(lesson: Lesson, policy: str, course: Batch = COURSE, exam: Batch = EXAM) -> Done:
    before = {name: weight.detach().clone() for name, weight in lesson.teacher.named_parameters()}
    taught = POLICIES[policy](lesson, course, exam, None)
    gradient = {name: before[name] - weight.detach() for name, weight in lesson.teacher.named_parameters()}
    return Done(taught=taught, gradient=gradient, student={name: one.detach() for name, one in lesson.student.named_parameters()})


def assert_near(got: Tensor, wanted: Tensor, relative: float = 1e-10, where: str = "") -> None:
    off, size = float((got - wanted).norm()), float(wanted.norm())
    assert off <= relative * size + 1e-16, f"{where}: off by {off:.1e} of {size:.1e}"


def assert_all_near(got: dict[str, Tensor], wanted: dict[str, Tensor], relative: float = 1e-10) -> None:
    """Fail where tensors of the same names differ by more than so much of the size of all of them together."""
    assert got.keys() == wanted.keys() and wanted
    size = float(torch.stack([one.norm() for one in wanted.values()]).norm())
    for name, one in wanted.items():
        assert float((got[name] - one).norm()) <= relative * size, name


def assert_same_feedback(got: Feedback, wanted: Feedback, relative: float) -> None:
    for at, (one, other) in enumerate(zip(got.cotangent.leaves, wanted.cotangent.leaves, strict=True)):
        assert_near(one, other, relative, f"leaf {at}")
    assert_near(got.influence, wanted.influence, relative, "influence")
    assert_near(got.exam_loss, wanted.exam_loss, where="exam loss")


def assert_same_step(got: Done, wanted: Done, relative: float = 1e-10) -> None:
    ours, theirs = got.taught, wanted.taught
    assert_near(ours.course.loss, theirs.course.loss, where="course loss")
    assert_all_near(ours.course.gradients, theirs.course.gradients)
    assert torch.equal(ours.course.labels, theirs.course.labels)
    assert_near(ours.course.student_logits, theirs.course.student_logits, where="student logits")
    for one, other in zip(ours.course.teacher_outputs.leaves, theirs.course.teacher_outputs.leaves, strict=True):
        assert_near(one, other, where="teacher outputs")
    assert (ours.feedback is None) == (theirs.feedback is None)
    if ours.feedback is not None and theirs.feedback is not None:
        assert_same_feedback(ours.feedback, theirs.feedback, relative)
    assert_all_near(got.gradient, wanted.gradient, relative)
    assert_all_near(got.student, wanted.student, 1e-8)
    assert ours.scalars == pytest.approx(theirs.scalars, rel=1e-8)


@pytest.mark.parametrize("objective", ["kd", "sum", "minilm", "cosine"])
@pytest.mark.parametrize("method", HYPERGRADIENTS)
@pytest.mark.parametrize("update", ["keep", "redo"])
def test_four_pieces_of_four_are_one_batch_of_sixteen(objective: str, method: str, update: str) -> None:
    choice = dict(objective__name=objective, policy__hypergradient=method, policy__student_update=update)
    whole, pieces = (done(lesson_of(training__pieces=n, **choice), "exam") for n in (1, 4))
    assert [len(part.labels) for part in pieces.taught.course.parts] == [4, 4, 4, 4] and len(whole.taught.course.parts) == 1
    # Differences divide the rounding of two forwards by a short step.
    assert_same_step(pieces, whole, 1e-8 if method == "finite_difference" else 1e-10)


@pytest.mark.parametrize("policy", ["mutual", "online", "fixed"])
@pytest.mark.parametrize("objective", ["kd", "sum"])
def test_pieces_are_the_whole_batch_without_exams_too(policy: str, objective: str) -> None:
    choice: dict[str, Any] = dict(policy__name=policy, objective__name=objective)
    whole, pieces = (done(lesson_of(training__pieces=n, **choice), policy) for n in (1, 4))
    assert ("teacher_loss" in whole.taught.scalars) == (policy != "fixed")
    assert len(pieces.taught.course.parts) == 4
    if policy == "fixed":
        assert not any(change.any() for change in (*whole.gradient.values(), *pieces.gradient.values()))
    else:
        assert_same_step(pieces, whole)


@pytest.mark.parametrize("method", HYPERGRADIENTS)
@pytest.mark.parametrize("n", [2, 3, 5, 7, 100])
def test_a_batch_that_does_not_divide_is_the_same_batch(method: str, n: int) -> None:
    whole, pieces = (done(lesson_of(training__pieces=one, policy__hypergradient=method), "exam", ODD, padded_batch(5, seed=3))
                     for one in (1, n))  # fmt: skip
    sizes = [len(part.labels) for part in pieces.taught.course.parts]
    assert sum(sizes) == 7 and len(sizes) == min(n, 7) and max(sizes) - min(sizes) <= 1
    assert_same_step(pieces, whole, 1e-8 if method == "finite_difference" else 1e-10)


@pytest.mark.parametrize("n", [1, 4, 5])
def test_an_exams_gradient_is_that_of_the_whole_batch(n: int) -> None:
    student = copy.deepcopy(models()[1])
    wanted = nn.functional.cross_entropy(student(**EXAM.student_inputs).logits, EXAM.labels)
    theta = dict(student.named_parameters())
    slopes = torch.autograd.grad(wanted, list(theta.values()))
    exam = exam_on(student, EXAM.student_inputs, labels=EXAM.labels, pieces=n)
    loss, got = exam.gradient(dict(theta))
    assert_near(loss, wanted.detach())
    assert_near(exam(dict(theta)).detach(), wanted.detach())
    assert_all_near(got, dict(zip(theta, slopes, strict=True)))


@pytest.mark.parametrize("method", HYPERGRADIENTS)
def test_with_dropout_each_method_draws_the_masks_of_the_pieces_again(method: str) -> None:
    """The three ways agree on a step in pieces as they do on a whole one; other masks would give another gradient."""
    answers = []
    for name in ("unrolled", method):
        lesson = lesson_of(training__pieces=3, student__dropout=True, policy__hypergradient=name, objective__name="sum")
        torch.manual_seed(7)
        answers.append(done(lesson, "exam"))
    assert_all_near(answers[1].gradient, answers[0].gradient, 1e-2 if method == "finite_difference" else 1e-9)


def test_redoing_a_step_in_pieces_draws_the_same_masks() -> None:
    """A teacher that does not move (learning rate 0) has the same step taken twice."""
    ends = []
    for update in ("keep", "redo"):
        lesson = lesson_of(training__pieces=3, student__dropout=True, policy__student_update=update, policy__teacher_learning_rate=0.0)
        torch.manual_seed(7)
        ends.append(done(lesson, "exam").student)
    assert all(torch.equal(one, ends[1][name]) for name, one in ends[0].items())


@contextmanager
def kept_bytes() -> Iterator[Callable[[], int]]:
    """Count the bytes of the tensors that a graph keeps."""
    sizes: dict[int, int] = {}
    alive: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in sizes:
            alive.append(tensor)
        sizes[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        yield lambda: sum(sizes.values())


@pytest.mark.parametrize("objective", ["kd", "sum"])
@pytest.mark.parametrize("policy", ["exam", "mutual"])
@pytest.mark.parametrize("n", [1, 3])
def test_layers_computed_again_teach_the_same(objective: str, policy: str, n: int) -> None:
    choice: dict[str, Any] = dict(objective__name=objective, policy__name=policy, training__pieces=n)
    kept, again = (done(lesson_of(machine__recompute_teacher=on, **choice), policy) for on in (False, True))
    assert_same_step(again, kept, 1e-13)


@pytest.mark.parametrize("scope", ["all", "top_layers", "head"])
def test_layers_computed_again_teach_the_same_in_every_scope(scope: str) -> None:
    kept, again = (done(lesson_of(machine__recompute_teacher=on, policy__teacher_scope=scope), "exam") for on in (False, True))
    assert_same_step(again, kept, 1e-13)
    assert any(change.any() for change in again.gradient.values())


def test_layers_computed_again_keep_less() -> None:
    """Hardly more than their inputs; their calls in the backward pass are in the mode of the first, which is that of readings."""
    sizes = {}
    for on in (False, True):
        lesson = lesson_of(machine__recompute_teacher=on)
        layers = list(lesson.recomputed_layers)
        assert len(layers) == (2 if on else 0)
        with kept_bytes() as total:
            said = say(lesson, COURSE.teacher_inputs)
            sizes[on] = total()
        assert said.logits.grad_fn is not None
    weights = sum(weight.numel() * 8 for weight in models()[0].parameters())
    assert sizes[True] - weights < 0.5 * (sizes[False] - weights)


def test_layers_are_recomputed_with_gradients_alone_and_in_eval_mode() -> None:
    lesson = lesson_of(machine__recompute_teacher=True)
    modes: list[tuple[bool, bool]] = []
    layer = lesson.recomputed_layers[0]
    handle = layer.get_submodule("intermediate").register_forward_hook(
        lambda module, args, output: modes.append((module.training, torch.is_grad_enabled()))
    )
    said = soft_targets_of(lesson, COURSE)
    assert modes == [(False, False)] and isinstance(said, Outputs)
    modes.clear()
    done(lesson, "exam")
    handle.remove()
    assert modes == [(False, True)] * 2, "once for the soft targets, once in the backward pass"


def test_layers_have_their_own_forward_again_even_where_a_call_fails() -> None:
    teacher = copy.deepcopy(models()[0])
    layers: Any = teacher.get_submodule("bert.encoder.layer")
    with recomputed(list(layers)):
        assert all("forward" in vars(layer) for layer in layers)
        outputs_of(teacher, COURSE.teacher_inputs)
    with pytest.raises(IndexError), recomputed(list(layers)):
        outputs_of(teacher, {"input_ids": torch.full((1, 3), 1000)})
    for layer in layers:
        assert "forward" not in vars(layer) and layer.forward.__func__ is type(layer).forward
