"""What a teacher policy works with: both models, their updates, and the switches of `PolicySettings`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ikd.protocols import Batch, Feedback, Inputs, Objective, Outputs, cut, joined
from ikd.teaching.corrections import Corrected
from ikd.teaching.course import CourseStep, course_step
from ikd.teaching.forward import autocast, mode, outputs_of, recomputed
from ikd.teaching.hypergradients import Hypergradient
from ikd.teaching.probe import ProbeAsked
from ikd.teaching.student_update import StudentUpdate, global_norm
from ikd.teaching.taming import Taming
from ikd.teaching.teacher_update import Anchor


@dataclass(frozen=True, kw_only=True)
class Anchoring:
    """An anchor with its weight and, where it looks at it, the teacher as it was before the first exam."""

    loss: Anchor
    weight: float
    initial_teacher: nn.Module | None = None


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What stays from step to step until a setting is changed.

    Attributes:
        student, teacher: classifiers, `Tapped` where the objective looks at more than logits.
        soft_targets: (n, C) logits of a fixed teacher for every course example, on the device; None: it is asked each time.
        pieces: in how many pieces a batch goes through the models (gradient accumulation).
        recomputed_layers: layers of the teacher whose activations are computed again in its backward pass instead of kept.
        keeps_products: whether the course step's matrix products are kept for the tangent pass: one student forward less for the
            memory of its activations.
        hypergradient: one of HYPERGRADIENTS; None: the exam does not reach the teacher (inner update off).
        teacher_optimizer: holds the weights that learn, or the numbers of the correction; None: a fixed teacher.
        correction: the few numbers that learn over what the teacher says, one of CORRECTIONS; None: its own weights learn.
        initial_correction: the correction before its first exam, where an anchor needs it.
        temperature: of the soft targets, at which a correction mixes probabilities.
        taming: what is done against the noise of single exams; None: nothing.
        dropout: whether the student's dropout is on in course steps.
        redo: repeat the course step with the improved teacher.
        initial_teacher: the teacher before its first exam, where an anchor needs it now or later.
        label_weight, peer_weight: of the labels and of the student in the teacher's own loss (policies mutual and online).
    """

    student: nn.Module
    teacher: nn.Module
    objective: Objective
    update: StudentUpdate
    dropout: bool = True
    precision: str = "fp32"
    soft_targets: Tensor | None = None
    pieces: int = 1
    recomputed_layers: Sequence[nn.Module] = ()
    keeps_products: bool = False
    teacher_optimizer: Optimizer | None = None
    correction: nn.Module | None = None
    initial_correction: nn.Module | None = None
    temperature: float = 1.0
    taming: Taming | None = None
    teacher_max_gradient_norm: float | None = None
    hypergradient: Hypergradient | None = None
    inner_update: str = "exact"
    redo: bool = False
    anchoring: Anchoring | None = None
    initial_teacher: nn.Module | None = None
    label_weight: float = 1.0
    peer_weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What one step did. `feedback` and `probe_asked` are None at a step with no exam."""

    course: CourseStep
    scalars: dict[str, float]
    feedback: Feedback | None = None
    probe_asked: ProbeAsked | None = None


def say(lesson: Lesson, inputs: Inputs, teacher: nn.Module | None = None) -> Outputs:
    """Return what the teacher, or another one, says to one piece of a batch; with its graph where gradients are on."""
    device = next(iter(inputs.values())).device
    with ExitStack() as held:
        held.enter_context(autocast(device, lesson.precision))
        if torch.is_grad_enabled():
            held.enter_context(recomputed(lesson.recomputed_layers))
        return outputs_of(teacher or lesson.teacher, inputs)


def soft_targets_of(lesson: Lesson, batch: Batch, teacher: nn.Module | None = None) -> Outputs:
    """Return what the teacher, or another one, says to a whole batch, before any correction and without graph."""
    if lesson.soft_targets is not None and teacher is None:
        return Outputs(lesson.soft_targets[batch.examples.to(lesson.soft_targets.device)])
    with torch.no_grad():
        return joined([say(lesson, inputs, teacher) for inputs in in_pieces(lesson, batch.teacher_inputs)])


def with_graph(lesson: Lesson, batch: Batch, kept: Outputs | None) -> Iterator[Outputs]:
    """Yield what the teacher says to each piece of a batch, with its graph: what was kept of one piece, or else said again."""
    if kept is not None:
        yield kept
        return
    for inputs in in_pieces(lesson, batch.teacher_inputs):
        yield say(lesson, inputs)


def in_pieces(lesson: Lesson, inputs: Inputs) -> list[dict[str, Tensor]]:
    """Return the inputs of a batch in the lesson's pieces."""
    return cut(inputs, min(lesson.pieces, len(next(iter(inputs.values())))))


def course_of(
    lesson: Lesson, batch: Batch, soft_targets: Outputs, again: CourseStep | None = None, *, examined: bool = False
) -> CourseStep:
    """Return the course step on a batch, not yet taken.

    Args:
        lesson: the models and their switches.
        batch: the course batch.
        soft_targets: what the teacher says to it.
        again: a step that is taken again, with the same dropout.
        examined: a hypergradient will go through it.
    """
    with mode(lesson.student, training=lesson.dropout):
        return course_step(
            lesson.student, batch.student_inputs, labels=batch.studied, teacher_outputs=soft_targets,
            objective=lesson.objective, update=lesson.update, precision=lesson.precision, pieces=lesson.pieces,
            randomness=again.randomness if again else None,
            keep_products=examined and lesson.keeps_products and lesson.pieces == 1, corrected=corrected_on(lesson, batch),
        )  # fmt: skip


def corrected_on(lesson: Lesson, batch: Batch, correction: nn.Module | None = None, *, course: bool = True) -> Corrected | None:
    """Return the lesson's correction, or another one, with what it is told of a batch; None where there is none.

    Args:
        lesson: its correction and temperature.
        batch: of the course split, or of another one.
        correction: taken instead of the lesson's own.
        course: whether the batch is of the course split, of whose texts a memory has a place.
    """
    chosen = lesson.correction if correction is None else correction
    if chosen is None:
        return None
    return Corrected(correction=chosen, temperature=lesson.temperature, sources=batch.sources, examples=batch.examples if course else None)


def course_scalars(course: CourseStep) -> dict[str, float]:
    """Return what is recorded of every course step."""
    return {
        "course_loss": float(course.loss),
        "course_gradient_norm": float(global_norm(course.gradients)),
        "student_learning_rate": course.update.learning_rate,
    }
