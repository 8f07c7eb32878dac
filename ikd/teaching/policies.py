"""Teacher policies: what happens to student and teacher at one step (METHOD section 5).

Every policy takes one `Lesson` and the step's batches, updates the models in place and reports what was done.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import Optimizer

from ikd.protocols import Batch, ExamLoss, Feedback, Objective, Outputs
from ikd.teaching.course import CourseStep, course_step
from ikd.teaching.exam import exam_on
from ikd.teaching.forward import autocast, mode, outputs_of
from ikd.teaching.hypergradients import Hypergradient, exam_gradient, predicted_change
from ikd.teaching.probe import ProbeAsked, ProbeReading, ask_of_probe
from ikd.teaching.student_update import StudentUpdate, global_norm
from ikd.teaching.teacher_update import Anchor, update_teacher


@dataclass(frozen=True, kw_only=True)
class Anchoring:
    """An anchor with its weight and the teacher as it was before the first exam."""

    loss: Anchor
    weight: float
    initial_teacher: nn.Module


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What stays from step to step until a setting is changed: both models, their updates, the switches of METHOD section 3.

    Attributes:
        hypergradient: one of HYPERGRADIENTS; None: the exam does not reach the teacher (inner update off).
        teacher_optimizer: holds the weights that learn; None: a fixed teacher.
        dropout: whether the student's dropout is on in course steps.
        redo: repeat the course step with the improved teacher.
        initial_teacher: the teacher before its first exam, where an anchor needs it now or later.
    """

    student: nn.Module
    teacher: nn.Module
    objective: Objective
    update: StudentUpdate
    dropout: bool = True
    precision: str = "fp32"
    teacher_optimizer: Optimizer | None = None
    teacher_max_gradient_norm: float | None = None
    hypergradient: Hypergradient | None = None
    inner_update: str = "exact"
    redo: bool = False
    anchoring: Anchoring | None = None
    initial_teacher: nn.Module | None = None


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What one step did. `feedback` and `probe_asked` are None at a step with no exam."""

    course: CourseStep
    scalars: dict[str, float]
    feedback: Feedback | None = None
    probe_asked: ProbeAsked | None = None


def fixed_step(lesson: Lesson, batch: Batch, exam_batch: Batch | None = None, probe: ProbeReading | None = None) -> Taught:
    """One course step under a teacher that never changes; exam batch and probe are not looked at."""
    with torch.no_grad():
        soft_targets = _teacher_outputs(lesson.teacher, lesson, batch)
    with mode(lesson.student, training=lesson.dropout):
        course = _course(lesson, batch, soft_targets)
    lesson.update.take(course.gradients)
    return Taught(course=course, scalars=_course_scalars(course))


def exam_step(lesson: Lesson, batch: Batch, exam_batch: Batch | None = None, probe: ProbeReading | None = None) -> Taught:
    """One course step and, where an exam batch is given, the exam step that trains the teacher (IKD).

    With a probe reading, its feedback, its influence and the predicted change of the exam loss are measured too.
    """
    if exam_batch is None or lesson.teacher_optimizer is None:
        return fixed_step(lesson, batch)
    soft_targets = _teacher_outputs(lesson.teacher, lesson, batch)
    exam = exam_on(lesson.student, exam_batch.student_inputs, labels=exam_batch.labels, precision=lesson.precision)
    with mode(lesson.student, training=lesson.dropout):
        course = _course(lesson, batch, soft_targets)
        feedback = lesson.hypergradient(course, exam, inner_update=lesson.inner_update) if lesson.hypergradient else None
    scalars = _course_scalars(course) | _exam_scalars(course, exam, feedback, measured=probe is not None)
    asked = _probe_asked(course, exam, feedback, probe)
    if not lesson.redo:
        lesson.update.take(course.gradients)
    scalars |= _teach_teacher(lesson, soft_targets, batch, feedback)
    if lesson.redo:
        _redo(lesson, batch, course)
    return Taught(course=course, scalars=scalars, feedback=feedback, probe_asked=asked)


POLICIES = {"fixed": fixed_step, "exam": exam_step}


def _teacher_outputs(teacher: nn.Module, lesson: Lesson, batch: Batch) -> Outputs:
    with autocast(batch.labels.device, lesson.precision):
        return outputs_of(teacher, batch.teacher_inputs)


def _course(lesson: Lesson, batch: Batch, soft_targets: Outputs, again: CourseStep | None = None) -> CourseStep:
    return course_step(
        lesson.student, batch.student_inputs, labels=batch.labels, teacher_outputs=soft_targets,
        objective=lesson.objective, update=lesson.update, precision=lesson.precision,
        randomness=again.randomness if again else None,
    )  # fmt: skip


def _redo(lesson: Lesson, batch: Batch, first: CourseStep) -> None:
    """Take the course step from theta again, with the improved teacher and the same dropout."""
    with torch.no_grad():
        soft_targets = _teacher_outputs(lesson.teacher, lesson, batch)
    with mode(lesson.student, training=lesson.dropout):
        lesson.update.take(_course(lesson, batch, soft_targets, again=first).gradients)


def _teach_teacher(lesson: Lesson, soft_targets: Outputs, batch: Batch, feedback: Feedback | None) -> dict[str, float]:
    assert lesson.teacher_optimizer is not None
    scalars, anchored = {}, None
    if lesson.anchoring is not None:
        anchoring = lesson.anchoring
        with torch.no_grad():
            before = _teacher_outputs(anchoring.initial_teacher, lesson, batch)
        term = anchoring.loss(soft_targets, before, batch.labels)
        scalars["anchor_loss"], anchored = float(term.detach()), anchoring.weight * term
    moved = update_teacher(
        lesson.teacher_optimizer, soft_targets.logits, anchor_loss=anchored,
        cotangent=feedback.cotangent.logits if feedback else None, max_gradient_norm=lesson.teacher_max_gradient_norm,
    )  # fmt: skip
    scalars["teacher_gradient_norm"], scalars["teacher_update_ratio"] = moved.gradient_norm, moved.update_ratio
    scalars["teacher_learning_rate"] = float(lesson.teacher_optimizer.param_groups[0]["lr"])
    return scalars


def _probe_asked(
    course: CourseStep, exam: ExamLoss, feedback: Feedback | None, probe: ProbeReading | None
) -> ProbeAsked | None:
    if feedback is None or probe is None:
        return None
    direction = feedback.direction
    if direction is None:  # unrolled forms no w
        direction = course.update.transposed(course.gradients, exam_gradient(course, exam)[1])
    return ask_of_probe(course, direction, probe)


def _course_scalars(course: CourseStep) -> dict[str, float]:
    return {
        "course_loss": float(course.loss),
        "course_gradient_norm": float(global_norm(course.gradients)),
        "student_learning_rate": course.update.learning_rate,
    }


def _exam_scalars(course: CourseStep, exam: ExamLoss, feedback: Feedback | None, *, measured: bool) -> dict[str, float]:
    scalars = {}
    if feedback is not None:
        scalars["exam_loss"] = float(feedback.exam_loss)
        scalars["influence_sum"] = float(feedback.influence.sum())
    if measured:
        before, change = predicted_change(course, exam)
        scalars["exam_loss_before"], scalars["exam_loss_predicted_change"] = float(before), float(change)
    return scalars


__all__ = ["POLICIES", "Anchoring", "Lesson", "Taught", "exam_step", "fixed_step"]
