"""Teacher policies: what happens to student and teacher at one step (README, *What can be chosen*).

Every policy takes one `Lesson` and the step's batches, updates the models in place and reports what was done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor

from ikd.protocols import UNLABELLED, Batch, ExamLoss, Feedback, Outputs
from ikd.teaching.course import CourseStep
from ikd.teaching.exam import exam_on
from ikd.teaching.forward import mode
from ikd.teaching.hypergradients import exam_gradient, predicted_change
from ikd.teaching.lesson import Lesson, Taught, course_of, course_scalars, say, soft_targets_of, with_graph
from ikd.teaching.probe import ProbeAsked, ProbeReading, ask_of_probe
from ikd.teaching.teacher_update import Pull, update_teacher


def fixed_step(lesson: Lesson, batch: Batch, exam_batch: Batch | None = None, probe: ProbeReading | None = None) -> Taught:
    """One course step under a teacher that does not change; exam batch and probe are not looked at."""
    course = course_of(lesson, batch, soft_targets_of(lesson, batch))
    lesson.update.take(course.gradients)
    return Taught(course=course, scalars=course_scalars(course))


def exam_step(lesson: Lesson, batch: Batch, exam_batch: Batch | None = None, probe: ProbeReading | None = None) -> Taught:
    """One course step and, where an exam batch is given, the exam step that trains the teacher (IKD).

    With a probe reading, its feedback, its influence and the predicted change of the exam loss are measured too.
    """
    if exam_batch is None or lesson.teacher_optimizer is None:
        return fixed_step(lesson, batch)
    kept = _kept(lesson, batch) if lesson.correction is None else None
    exam = exam_on(
        lesson.student, exam_batch.student_inputs, labels=exam_batch.labels, precision=lesson.precision, pieces=lesson.pieces
    )
    course = course_of(lesson, batch, kept or soft_targets_of(lesson, batch), examined=lesson.hypergradient is not None)
    feedback = None
    if lesson.hypergradient is not None:
        with mode(lesson.student, training=lesson.dropout):
            feedback = lesson.hypergradient(course, exam, inner_update=lesson.inner_update)
    scalars = course_scalars(course) | _exam_scalars(course, exam, feedback, measured=probe is not None)
    asked = _probe_asked(lesson, course, exam, feedback=feedback, probe=probe)
    if not lesson.redo:
        lesson.update.take(course.gradients)
    anchored: list[float] = []
    if lesson.correction is None:
        pulls = _exam_pulls(lesson, batch, kept, feedback=feedback, anchored=anchored)
    else:
        pulls = _number_pulls(lesson, course, batch, feedback=feedback, anchored=anchored)
    scalars |= _teach(lesson, pulls)
    if anchored:
        scalars["anchor_loss"] = sum(anchored)
    if lesson.redo:
        again = course_of(lesson, batch, soft_targets_of(lesson, batch), again=course)
        lesson.update.take(again.gradients)
    return Taught(course=course, scalars=scalars, feedback=feedback, probe_asked=asked)


def peer_step(lesson: Lesson, batch: Batch, exam_batch: Batch | None = None, probe: ProbeReading | None = None) -> Taught:
    """One course step, and one step of the teacher on its own loss, towards the labels and towards the student; no exam.

        L_t = a CE(y, o) + b KL( softmax(s) || softmax(o) )

    with the logits s that the student gave in the course step, held constant. Both learn from what the other said at this step.
    `mutual`: a = 1, b the peer weight (Zhang et al. 2018, deep mutual learning); `online`: a = 1 - b (Shi et al. 2021, ProKT).
    """
    assert lesson.teacher_optimizer is not None
    kept = _kept(lesson, batch)
    course = course_of(lesson, batch, kept or soft_targets_of(lesson, batch))
    lesson.update.take(course.gradients)
    losses: list[float] = []
    scalars = course_scalars(course) | _teach(lesson, _peer_pulls(lesson, batch, kept, course=course, losses=losses))
    scalars["teacher_loss"] = sum(losses)
    return Taught(course=course, scalars=scalars)


def direct_step(lesson: Lesson, batch: Batch, exam_batch: Batch | None = None, probe: ProbeReading | None = None) -> Taught:
    """One course step and, where an exam batch is given, one step of the teacher on its labels; the student is not asked.

        L_t = CE(y_e, o(x_e)) + lambda L_anchor

    with the anchor of the course batch, if any.
    """
    if exam_batch is None or lesson.teacher_optimizer is None:
        return fixed_step(lesson, batch)
    anchored: list[float] = []
    kept = _kept(lesson, batch) if lesson.anchoring is not None else None
    course = course_of(lesson, batch, kept or soft_targets_of(lesson, batch))
    lesson.update.take(course.gradients)
    losses: list[float] = []
    pulls = [_direct_pulls(lesson, exam_batch, losses=losses)]
    if lesson.anchoring is not None:
        pulls.append(_exam_pulls(lesson, batch, kept, feedback=None, anchored=anchored))
    scalars = course_scalars(course) | _teach(lesson, chain(*pulls))
    scalars["teacher_loss"] = sum(losses)
    if anchored:
        scalars["anchor_loss"] = sum(anchored)
    return Taught(course=course, scalars=scalars)


Policy = Callable[[Lesson, Batch, Batch | None, ProbeReading | None], Taught]

POLICIES: dict[str, Policy] = {
    "exam": exam_step, "fixed": fixed_step, "direct": direct_step, "mutual": peer_step, "online": peer_step, "annealed": fixed_step,
}  # fmt: skip


def _kept(lesson: Lesson, batch: Batch) -> Outputs | None:
    """Return the teacher's outputs with their graph, to be pulled back later; None where the batch goes through in pieces."""
    return say(lesson, batch.teacher_inputs) if lesson.pieces == 1 else None


def _exam_pulls(
    lesson: Lesson, batch: Batch, kept: Outputs | None, *, feedback: Feedback | None, anchored: list[float]
) -> Iterator[Pull]:
    """Yield what pulls at the teacher, piece by piece: the cotangent of its outputs, and the anchor."""
    n_pieces = 1 if kept is not None else min(lesson.pieces, len(batch.labels))
    cotangents = feedback.cotangent.cut(n_pieces) if feedback else [None] * n_pieces
    before: list[Outputs | None] = [None] * n_pieces
    if lesson.anchoring is not None and lesson.anchoring.initial_teacher is not None:
        before = [*soft_targets_of(lesson, batch, lesson.anchoring.initial_teacher).cut(n_pieces)]
    labels = batch.labels.tensor_split(n_pieces)
    for said, cotangent, first, truth in zip(with_graph(lesson, batch, kept), cotangents, before, labels, strict=True):
        pairs = [] if cotangent is None else list(zip(said.leaves, cotangent.leaves, strict=True))
        yield [*pairs, *_anchor_pull(lesson, said, first, truth, share=len(truth) / len(batch.labels), anchored=anchored)]


def _direct_pulls(lesson: Lesson, exam_batch: Batch, *, losses: list[float]) -> Iterator[Pull]:
    labels = exam_batch.labels.tensor_split(min(lesson.pieces, len(exam_batch.labels)))
    for said, truth in zip(with_graph(lesson, exam_batch, None), labels, strict=True):
        loss = F.cross_entropy(said.logits, truth, reduction="sum") / len(exam_batch.labels)
        losses.append(float(loss.detach()))
        yield [(loss, torch.ones_like(loss))]


def _number_pulls(
    lesson: Lesson, course: CourseStep, batch: Batch, *, feedback: Feedback | None, anchored: list[float]
) -> Iterator[Pull]:
    """Yield what pulls at the numbers of a correction, piece by piece, as `_exam_pulls`; the teacher itself is not asked again."""
    cotangents = feedback.cotangent.cut(len(course.parts)) if feedback else [None] * len(course.parts)
    labels = batch.labels.tensor_split(len(course.parts))
    for part, cotangent, truth in zip(course.parts, cotangents, labels, strict=True):
        assert part.said is not None and part.corrected is not None
        target = part.corrected(part.said, part.student_outputs.logits)
        pairs = [] if cotangent is None else [(target.logits, cotangent.logits)]
        first = None
        if lesson.anchoring is not None and lesson.initial_correction is not None:
            with torch.no_grad():
                first = replace(part.corrected, correction=lesson.initial_correction)(part.said, part.student_outputs.logits)
        yield [*pairs, *_anchor_pull(lesson, target, first, truth, share=len(truth) / len(batch.labels), anchored=anchored)]


def _anchor_pull(
    lesson: Lesson, now: Outputs, before: Outputs | None, labels: Tensor, *, share: float, anchored: list[float]
) -> Pull:
    """Return how the anchor pulls at a piece of the course batch, and keep its unweighted term; nothing where there is no anchor."""
    if lesson.anchoring is None:
        return []
    term = lesson.anchoring.loss(now, before, labels) * share
    anchored.append(float(term.detach()))
    return [(lesson.anchoring.weight * term, torch.ones_like(term))]


def _peer_pulls(
    lesson: Lesson, batch: Batch, kept: Outputs | None, *, course: CourseStep, losses: list[float]
) -> Iterator[Pull]:
    for said, part in zip(with_graph(lesson, batch, kept), course.parts, strict=True):
        hard = F.cross_entropy(said.logits, part.labels, reduction="sum", ignore_index=UNLABELLED)
        student, teacher = F.log_softmax(part.student_outputs.logits, dim=-1), F.log_softmax(said.logits, dim=-1)
        towards = F.kl_div(teacher, student, log_target=True, reduction="sum")
        loss: Tensor = (lesson.label_weight * hard + lesson.peer_weight * towards) / len(batch.labels)
        losses.append(float(loss.detach()))
        yield [(loss, torch.ones_like(loss))]


def _teach(lesson: Lesson, pulls: Iterator[Pull]) -> dict[str, float]:
    assert lesson.teacher_optimizer is not None
    moved = update_teacher(
        lesson.teacher_optimizer, pulls, max_gradient_norm=lesson.teacher_max_gradient_norm, taming=lesson.taming,
        correction=lesson.correction,
    )  # fmt: skip
    return {
        "teacher_gradient_norm": moved.gradient_norm,
        **({} if moved.update_ratio is None else {"teacher_update_ratio": moved.update_ratio}),
        "teacher_learning_rate": float(lesson.teacher_optimizer.param_groups[0]["lr"]),
    }


def _probe_asked(
    lesson: Lesson, course: CourseStep, exam: ExamLoss, *, feedback: Feedback | None, probe: ProbeReading | None
) -> ProbeAsked | None:
    if feedback is None or probe is None:
        return None
    direction = feedback.direction
    if direction is None:  # unrolled forms no w
        direction = course.update.transposed(course.gradients, exam_gradient(course, exam)[1]).direction
    return ask_of_probe(course, direction, probe, teacher=lesson.teacher)


def _exam_scalars(course: CourseStep, exam: ExamLoss, feedback: Feedback | None, *, measured: bool) -> dict[str, float]:
    scalars = {}
    if feedback is not None:
        scalars["exam_loss"] = float(feedback.exam_loss)
        scalars["influence_sum"] = float(feedback.influence.sum())
        scalars["influence_sum_unclipped"] = feedback.unclipped_sum
    if measured:
        before, change = predicted_change(course, exam)
        scalars["exam_loss_before"], scalars["exam_loss_predicted_change"] = float(before), float(change)
    return scalars


__all__ = ["POLICIES", "direct_step", "exam_step", "fixed_step", "peer_step"]
