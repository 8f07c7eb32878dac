"""The sum of influences under clipping: zero, and beside it the sum with the clip factor held constant."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ikd.config import build_config
from ikd.events import RunStarted, StepTaken
from ikd.protocols import Feedback
from ikd.teaching.exam import exam_on
from ikd.teaching.forward import mode
from ikd.teaching.hypergradients import HYPERGRADIENTS
from ikd.teaching.lesson import Lesson
from ikd.teaching.policies import exam_step
from ikd.teaching.student_update import StudentUpdate, global_norm
from ikd.trace.recorder import Recorder
from ikd.ui.run_step import CLIPPED, was_clipped
from tests.synthetic import synthetic_run
from tests.test_hypergradients import CLIP, COURSE, EXAM, course_of, lesson_of
from tests.test_pages_run import opened, words

METHODS = sorted(HYPERGRADIENTS)


def feedback_of(lesson: Lesson, method: str, **switches: str) -> Feedback:
    """Return one exam's feedback on COURSE; nothing is updated."""
    course = course_of(lesson)
    with mode(lesson.student, training=lesson.dropout):
        return HYPERGRADIENTS[method](course, exam_on(lesson.student, EXAM.student_inputs, labels=EXAM.labels), **switches)


def slope_with_constant_factor(lesson: Lesson, step: float = 1e-3) -> float:
    """Return dL_e/da of theta - U(a c g) at a = 1 by differences, the clip factor c of g held constant."""
    gradients = course_of(lesson).gradients
    factor = min(1.0, CLIP / (float(global_norm(gradients)) + 1e-6))
    free = StudentUpdate(lesson.update.optimizer, lesson.update.parameters)
    exam = exam_on(lesson.student, EXAM.student_inputs, labels=EXAM.labels)

    def loss(share: float) -> float:
        scaled: dict[str, Tensor] = {name: share * factor * slope for name, slope in gradients.items()}
        with torch.no_grad():
            return float(exam(free(scaled)))

    near, far = loss(1 + step) - loss(1 - step), loss(1 + 2 * step) - loss(1 - 2 * step)
    return (8 * near - far) / (12 * step)


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("method", METHODS)
def test_under_clipping_influences_sum_to_zero_and_the_sum_before_it_is_kept(method: str, optimizer: str, dropout: bool) -> None:
    lesson = lesson_of("bert", optimizer=optimizer, warm=20, clip=CLIP, dropout=dropout)
    feedback = feedback_of(lesson, method)
    wanted = slope_with_constant_factor(lesson)
    assert feedback.unclipped_sum == pytest.approx(wanted, rel=1e-6)
    # Not to the last digit: torch adds 1e-6 to the norm that it divides by. Central differences err along w.
    assert abs(float(feedback.influence.sum())) < (1e-3 if method == "finite_difference" else 1e-4) * abs(wanted)


@pytest.mark.parametrize("method", METHODS)
def test_plain_sgd_has_it_in_closed_form(method: str) -> None:
    """The first-order change of the exam loss by the step taken: - lr c v . g, each parameter group with its own rate."""
    lesson = lesson_of("bert", optimizer="sgd", warm=5, clip=CLIP, dropout=False)
    course = course_of(lesson)
    factor = CLIP / (float(global_norm(course.gradients)) + 1e-6)
    moved = {name: weight.detach().clone() for name, weight in course.parameters.items()}
    changes: dict[str, Tensor] = {}
    for group in lesson.update.optimizer.param_groups:
        owned = {id(weight) for weight in group["params"]}
        for name, weight in course.parameters.items():
            if id(weight) in owned:
                changes[name] = group["lr"] * factor * course.gradients[name]
                moved[name] = weight.detach() * (1 - group["lr"] * group["weight_decay"]) - changes[name]
    leaves = {name: weight.requires_grad_() for name, weight in moved.items()}
    loss = exam_on(lesson.student, EXAM.student_inputs, labels=EXAM.labels)(leaves)
    slopes = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True)
    wanted = -sum(float((slope * changes[name]).sum()) for name, slope in zip(leaves, slopes, strict=True))
    assert feedback_of(lesson, method).unclipped_sum == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("clip", [None, 1e6])
def test_where_clipping_is_not_active_both_sums_are_one(method: str, clip: float | None) -> None:
    feedback = feedback_of(lesson_of("bert", optimizer="adamw", warm=20, clip=clip, dropout=True), method)
    assert feedback.unclipped_sum == float(feedback.influence.sum()) != 0


@pytest.mark.parametrize("method", ["finite_difference", "jvp"])
def test_an_update_taken_for_plain_sgd_knows_of_no_clipping(method: str) -> None:
    feedback = feedback_of(lesson_of("bert", optimizer="adamw", warm=20, clip=CLIP, dropout=False), method, inner_update="sgd")
    assert feedback.unclipped_sum == float(feedback.influence.sum()) != 0


def test_both_sums_are_recorded() -> None:
    scalars = exam_step(lesson_of("bert", optimizer="adamw", warm=5, clip=CLIP, dropout=False), COURSE, EXAM).scalars
    assert abs(scalars["influence_sum"]) < 1e-3 * abs(scalars["influence_sum_unclipped"])


@pytest.mark.parametrize(("norm", "settings", "clipped"), [
    (2.0, {}, True), (0.5, {}, False), (2.0, {"training.max_gradient_norm": None}, False), (2.0, {"policy.inner_update": "sgd"}, False),
])  # fmt: skip
def test_the_page_says_where_clipping_takes_the_sum_away(norm: float, settings: dict[str, object], clipped: bool) -> None:
    config = build_config({"training.steps": 60, "training.max_gradient_norm": 1.0, **settings})
    assert was_clipped({"course_gradient_norm": norm}, config) == clipped and not was_clipped({"course_gradient_norm": norm}, None)


def test_a_paused_run_shows_both_sums() -> None:
    folder = synthetic_run(3, n_steps=60, stop_before=30, state="running")
    folder.write_state(replace(folder.state(), state="paused"))
    with Recorder(folder, resume=True) as recorder:
        recorder.record(RunStarted(label_names=["a", "b", "c"], n_steps=60, temperature=2.0, probe=[], facts={}))
        recorder.record(StepTaken(step=30, scalars={"course_loss": 1.0, "course_gradient_norm": 7.0, "exam_loss": 0.5,
                                                    "influence_sum": 1e-12, "influence_sum_unclipped": -0.25}))  # fmt: skip
    page = opened(folder)
    shown = {one.label: one.value for one in page.metric}
    assert shown["Sum of influences"] == "1e-12" and shown["Sum before clipping"] == "-0.25" and CLIPPED in words(page)
