"""The exam step is exact: against differentiation through the update, against brute force, against first order.

The truths used here share no code with `jvp`: `unrolled` differentiates the update itself, and the brute-force check
perturbs the teacher's weights and runs the whole two-step pipeline with the real torch optimizer.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor

from ikd.objectives import CourseObjective, KnowledgeDistillation, Term
from ikd.protocols import Batch, Objective, Outputs
from ikd.teaching.course import CourseStep, course_step
from ikd.teaching.exam import exam_on
from ikd.teaching.forward import forward_mode_attention, mode, outputs_of
from ikd.teaching.hypergradients import HYPERGRADIENTS, predicted_change
from ikd.teaching.lesson import Lesson
from ikd.teaching.policies import exam_step, fixed_step
from ikd.teaching.probe import ProbeAsked, ProbeReading
from ikd.teaching.reading import read_probe
from ikd.teaching.student_update import StudentUpdate
from tests.tiny import Flat, padded_batch, tiny

OBJECTIVE = CourseObjective(alpha=0.7, terms=(Term(weight=1.0, objective=KnowledgeDistillation(temperature=2.0)),))
COURSE, EXAM = padded_batch(5, seed=11), padded_batch(6, seed=12)
FAMILIES = ["bert", "roberta", "distilbert", "electra"]
CLIP = 0.05  # well below the norm of these gradients


@cache
def _warmed(family: str, optimizer: str, warm: int) -> Lesson:
    """Return a lesson of a 2-layer teacher and a 1-layer student after `warm` course steps, two parameter groups."""
    teacher, student = tiny(family, layers=2, seed=1), tiny(family, layers=1, seed=2)
    theta = dict(student.named_parameters())
    groups = [
        {"params": [p for p in theta.values() if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in theta.values() if p.ndim <= 1], "weight_decay": 0.0, "lr": 4e-3},
    ]
    # At step 1 Adam's update is a sign function of width epsilon: brute force can only feel its slope if that is wide.
    epsilon = 1e-2 if warm == 0 else 1e-8
    built = torch.optim.AdamW(groups, lr=2e-3, eps=epsilon) if optimizer == "adamw" else torch.optim.SGD(groups, lr=2e-2)
    lesson = Lesson(
        student=student, teacher=teacher, objective=OBJECTIVE, update=StudentUpdate(built, theta),
        hypergradient=HYPERGRADIENTS["jvp"], teacher_optimizer=torch.optim.SGD(teacher.parameters(), lr=1.0),
    )  # fmt: skip
    torch.manual_seed(3)
    for step in range(warm):
        fixed_step(lesson, padded_batch(5, seed=100 + step))
    return lesson


def lesson_of(family: str, *, optimizer: str, warm: int, clip: float | None, dropout: bool) -> Lesson:
    """Return a lesson of its own after `warm` course steps, with the clipping and dropout asked for."""
    lesson = twin(_warmed(family, optimizer, warm), dropout=dropout)
    lesson.update.max_gradient_norm = clip
    return lesson


def twin(lesson: Lesson, **switches: object) -> Lesson:
    """Return an independent copy of a lesson: models, optimizer state and all."""
    pair = copy.deepcopy((lesson.student, lesson.teacher, lesson.update.optimizer))
    student, teacher, optimizer = pair
    update = StudentUpdate(
        optimizer, dict(student.named_parameters()), max_gradient_norm=lesson.update.max_gradient_norm
    )
    return replace(
        lesson, student=student, teacher=teacher, update=update,
        teacher_optimizer=torch.optim.SGD(teacher.parameters(), lr=1.0), **switches,
    )  # fmt: skip


def taken(lesson: Lesson) -> tuple[Tensor, Tensor]:
    """Take one exam step with the same dropout each time; return the teacher's gradient and the student's weights."""
    torch.manual_seed(7)
    before = Flat(model=lesson.teacher).get()
    exam_step(lesson, COURSE, EXAM)
    return before - Flat(model=lesson.teacher).get(), Flat(model=lesson.student).get()


def pipeline(lesson: Lesson, phi: Tensor) -> float:
    """Return the exam loss after a course step under a teacher with weights phi: real optimizer, nothing shared."""
    whole = twin(lesson)
    Flat(model=whole.teacher).set(phi)
    torch.manual_seed(7)
    fixed_step(whole, COURSE)
    with torch.no_grad(), mode(whole.student, training=False):
        logits = whole.student(**EXAM.student_inputs).logits
    return float(torch.nn.functional.cross_entropy(logits, EXAM.labels))


def course_of(lesson: Lesson, batch: Batch = COURSE, objective: Objective = OBJECTIVE) -> CourseStep:
    torch.manual_seed(7)
    with torch.no_grad():
        teacher = outputs_of(lesson.teacher, batch.teacher_inputs)
    with mode(lesson.student, training=lesson.dropout):
        return course_step(
            lesson.student, batch.student_inputs, labels=batch.labels, teacher_outputs=teacher, objective=objective,
            update=lesson.update,
        )  # fmt: skip


def close(got: Tensor, wanted: Tensor, relative: float) -> None:
    error = float((got - wanted).norm() / wanted.norm())
    assert error < relative, f"relative error {error:.2e}, allowed {relative:.0e}"


GRID = [
    pytest.param(family, optimizer, warm, clip, dropout, id=f"{family}-{optimizer}-step{warm + 1}-clip{clip}-dropout{dropout}")
    for family in FAMILIES
    for optimizer in ("sgd", "adamw")
    for warm in (0, 49)
    for clip in (None, CLIP)
    for dropout in (False, True)
]


@pytest.mark.parametrize(("family", "optimizer", "warm", "clip", "dropout"), GRID)
def test_exam_step_is_exact(family: str, optimizer: str, warm: int, clip: float | None, dropout: bool) -> None:
    start = lesson_of(family, optimizer=optimizer, warm=warm, clip=clip, dropout=dropout)
    start.teacher.train(dropout)  # a teacher in train mode must be handled too
    for redo in (False, True):
        wanted, student_wanted = taken(twin(start, hypergradient=HYPERGRADIENTS["unrolled"], redo=redo))
        got, student_got = taken(twin(start, redo=redo))
        close(got, wanted, 1e-8)
        close(student_got, student_wanted, 1e-8)
    _check_brute_force(start, taken(twin(start))[0])


def _check_brute_force(start: Lesson, gradient: Tensor) -> None:
    """Compare slopes of the whole pipeline with the gradient, along itself and along random directions."""
    phi, rate = Flat(model=start.teacher).get(), start.update.learning_rate
    generator = torch.Generator().manual_seed(5)
    for direction in (gradient, *(torch.randn(len(phi), generator=generator, dtype=phi.dtype) for _ in range(2))):
        unit = direction / direction.norm()
        slope = _five_point(lambda at: pipeline(start, phi + at * unit), 2e-4)  # noqa: B023
        wanted = rate * float(gradient @ unit)
        assert abs(slope - wanted) < 1e-5 * rate * float(gradient.norm())


def _five_point(function, step: float) -> float:  # type: ignore[no-untyped-def]
    near, far = function(step) - function(-step), function(2 * step) - function(-2 * step)
    return (8 * near - far) / (12 * step)


@pytest.mark.parametrize("dropout", [False, True])
def test_jvp_is_exact_at_the_very_first_step_of_plain_adamw(dropout: bool) -> None:
    start = lesson_of("bert", optimizer="adamw", warm=0, clip=None, dropout=dropout)
    for group in start.update.optimizer.param_groups:
        group["eps"] = 1e-8
    wanted, _ = taken(twin(start, hypergradient=HYPERGRADIENTS["unrolled"]))
    close(taken(twin(start))[0], wanted, 1e-8)


@pytest.mark.parametrize(("family", "optimizer", "warm", "clip", "dropout"), GRID[:16])
def test_influences_sum_to_minus_w_g(family: str, optimizer: str, warm: int, clip: float | None, dropout: bool) -> None:
    lesson = lesson_of(family, optimizer=optimizer, warm=warm, clip=clip, dropout=dropout)
    course = course_of(lesson)
    with mode(lesson.student, training=dropout):
        feedback = HYPERGRADIENTS["jvp"](course, exam_on(lesson.student, EXAM.student_inputs, labels=EXAM.labels))
    assert feedback.direction is not None
    along = sum(float((feedback.direction[name] * g).sum()) for name, g in course.gradients.items())
    scale = float(feedback.influence.abs().sum())
    assert abs(float(feedback.influence.sum()) + feedback.scale * along) < 1e-8 * scale


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("clip", [None, CLIP])
def test_influence_is_what_reweighting_one_example_does(optimizer: str, clip: float | None) -> None:
    lesson = lesson_of("bert", optimizer=optimizer, warm=20, clip=clip, dropout=True)
    course = course_of(lesson)
    exam = exam_on(lesson.student, EXAM.student_inputs, labels=EXAM.labels)
    with mode(lesson.student, training=True):
        influence = HYPERGRADIENTS["jvp"](course, exam).influence

    def exam_loss(example: int, weight: float) -> float:
        def weighted(student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
            shares = torch.ones(len(labels), dtype=torch.float64)
            shares[example] += weight
            return shares * OBJECTIVE(student, teacher, labels)

        again = course_of(lesson, objective=weighted)
        return float(exam(lesson.update(again.gradients)))

    for example in range(len(COURSE.labels)):
        slope = _five_point(lambda weight: exam_loss(example, weight), 1e-3)  # noqa: B023
        assert slope == pytest.approx(float(influence[example]), rel=1e-6, abs=1e-11)


def asked_of(lesson: Lesson, pieces: list[Batch], method: str = "jvp") -> tuple[ProbeReading, ProbeAsked]:
    """Return a reading of a probe set and what an exam step on COURSE asks of it; the lesson stays as it is."""
    whole = twin(lesson, hypergradient=HYPERGRADIENTS[method])
    probe = read_probe(whole.student, whole.teacher, pieces, precision="fp32")
    torch.manual_seed(7)
    asked = exam_step(whole, COURSE, EXAM, probe).probe_asked
    assert asked is not None
    return probe, asked


def cut(batch: Batch, rows: list[int]) -> Batch:
    """Return some rows of a batch, in an order of their own."""
    inputs = {name: tensor[rows] for name, tensor in batch.student_inputs.items()}
    return Batch(batch.examples[rows], batch.labels[rows], inputs, inputs)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("clip", [None, CLIP])
def test_a_probe_example_that_has_a_place_in_the_batch_is_asked_what_the_batch_is(optimizer: str, clip: float | None) -> None:
    """With the batch itself as probe set, in pieces of other sizes and out of order, against the update unrolled."""
    lesson = lesson_of("bert", optimizer=optimizer, warm=20, clip=clip, dropout=False)
    exam = exam_on(lesson.student, EXAM.student_inputs, labels=EXAM.labels)
    wanted = HYPERGRADIENTS["unrolled"](course_of(lesson), exam)
    _, asked = asked_of(lesson, [cut(COURSE, [3, 0]), cut(COURSE, [4]), cut(COURSE, [2, 1])])
    close(asked.influence, wanted.influence, 1e-8)
    close(asked.feedback, -wanted.scale * wanted.cotangent.logits, 1e-8)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("clip", [None, CLIP])
@pytest.mark.parametrize("method", HYPERGRADIENTS)
def test_other_probe_examples_are_asked_what_a_share_of_their_gradient_does(optimizer: str, clip: float | None, method: str) -> None:
    """The exam loss differentiated through the update, dropout in the course step alone; nothing shared with w or s_dot."""
    lesson = lesson_of("bert", optimizer=optimizer, warm=20, clip=clip, dropout=True)
    strangers = padded_batch(3, seed=13)
    probe, asked = asked_of(lesson, [strangers], method)
    exam = exam_on(lesson.student, EXAM.student_inputs, labels=EXAM.labels)
    g = {name: slope.clone().requires_grad_() for name, slope in course_of(lesson).gradients.items()}
    theta, targets = [lesson.update.parameters[name] for name in g], probe.teacher_logits[0].clone().requires_grad_()
    with forward_mode_attention():
        along = torch.autograd.grad(exam(lesson.update(g)), list(g.values()), allow_unused=True, materialize_grads=True)
        losses = OBJECTIVE(outputs_of(lesson.student, strangers.student_inputs), Outputs(targets), strangers.labels)
        for row in range(3):
            own = torch.autograd.grad(losses[row] / len(COURSE.labels), theta, create_graph=True)
            influence = torch.stack([(slope * change).sum() for slope, change in zip(along, own, strict=True)]).sum()
            (cotangent,) = torch.autograd.grad(influence, targets, retain_graph=True)
            close(asked.influence[row], influence.detach(), 1e-8)
            close(asked.feedback[row], -cotangent[row], 1e-8)


def test_without_an_exam_nothing_is_asked_of_the_probe_set() -> None:
    lesson = lesson_of("bert", optimizer="sgd", warm=0, clip=None, dropout=False)
    probe = read_probe(lesson.student, lesson.teacher, [COURSE], precision="fp32")
    assert exam_step(lesson, COURSE, None, probe).probe_asked is None


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_predicted_change_is_first_order(optimizer: str) -> None:
    """The gap between predicted and actual change falls with the square of the learning rate."""
    lesson = lesson_of("bert", optimizer=optimizer, warm=20, clip=None, dropout=False)
    exam = exam_on(lesson.student, EXAM.student_inputs, labels=EXAM.labels)
    gaps = []
    for rate in (1e-3, 1e-4):
        for group in lesson.update.optimizer.param_groups:
            group["lr"] = rate
        course = course_of(lesson)
        before, predicted = predicted_change(course, exam)
        after = exam({name: weight.detach() for name, weight in lesson.update(course.gradients).items()})
        gaps.append(abs(float(after - before - predicted)))
    assert gaps[0] / gaps[1] == pytest.approx(100, rel=0.1)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("clip", [None, CLIP])
def test_the_pure_update_is_the_real_optimizer_step(optimizer: str, clip: float | None) -> None:
    lesson = lesson_of("bert", optimizer=optimizer, warm=3, clip=None, dropout=False)
    reference = twin(lesson)
    course = course_of(lesson)
    moved = StudentUpdate(lesson.update.optimizer, lesson.update.parameters, max_gradient_norm=clip)(course.gradients)
    for name, weight in reference.update.parameters.items():
        weight.grad = course.gradients[name].clone()
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(reference.student.parameters(), clip)
    reference.update.optimizer.step()
    for name, weight in reference.update.parameters.items():
        torch.testing.assert_close(moved[name], weight.detach(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("family", [*FAMILIES, "albert"])
def test_finite_difference_agrees(family: str) -> None:
    lesson = lesson_of(family, optimizer="adamw", warm=49, clip=None, dropout=True)
    exact, _ = taken(twin(lesson))
    near, _ = taken(twin(lesson, hypergradient=HYPERGRADIENTS["finite_difference"]))
    close(near, exact, 1e-2)


def test_the_sgd_surrogate_ignores_adam() -> None:
    """`inner_update` sgd is exact for SGD without clipping and something else for AdamW."""
    for optimizer, same in (("sgd", True), ("adamw", False)):
        lesson = lesson_of("bert", optimizer=optimizer, warm=10, clip=None, dropout=False)
        if same:
            for group in lesson.update.optimizer.param_groups:
                group["lr"] = 1e-2
        exact, _ = taken(twin(lesson))
        surrogate, _ = taken(twin(lesson, inner_update="sgd"))
        gap = float((surrogate - exact).norm() / exact.norm())
        assert (gap < 1e-12) == same
