"""An invented run: the events a real one would report, made of drawn numbers in a blink and with no model.

For tests, and for working on pages. Its facts say `rehearsal`, so it is never taken for a result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ikd.events import (
    Course,
    Event,
    Example,
    Floats,
    Notice,
    Predicted,
    Reading,
    RunFinished,
    RunStarted,
    ScoredSplit,
    Stage,
    StepTaken,
    TeacherProgress,
)
from ikd.trace.measures import accuracy, agreement, drift, nll, quantile_bands, softmax

SCORED = {"validation": 30, "test": 50}
"""Sizes of the splits on which the invented models are scored."""

_DRIFT_NAMES = ("drift_q05", "drift_q25", "drift_median", "drift_q75", "drift_q95")


def rehearsal(
    n_steps: int,
    *,
    n_classes: int = 3,
    n_probe: int = 120,
    batch_size: int = 8,
    reading_every: int = 5,
    exam_start: int = 3,
    seed: int = 0,
    shown: Sequence[str] = (),
) -> Iterator[Event]:
    """Yield the events of an invented run of `n_steps` steps, from its first stage to its scores.

    The teacher drifts once exams begin and the student follows it; the last step has a reading, as every
    `reading_every`-th has. With names of hidden states `shown`, an exam asks something of these too.
    """
    sizes = np.random.default_rng(seed)
    for event in _events(n_steps, n_classes, n_probe, batch_size, reading_every, exam_start, seed):
        match event:
            case RunStarted():
                yield replace(event, shown=tuple(shown))
            case StepTaken(course=Course(feedback=np.ndarray() as asked) as course, reading=reading) if shown:
                course = replace(course, hidden_feedback=_norms(len(asked), len(shown), sizes))
                if reading is not None:
                    reading = replace(reading, hidden_feedback=_norms(n_probe, len(shown), sizes))
                yield replace(event, course=course, reading=reading)
            case _:
                yield event


def _norms(n_examples: int, n_shown: int, draw: np.random.Generator) -> Floats:
    return (0.001 * np.abs(draw.normal(size=(n_examples, n_shown)))).astype(np.float32)


def _events(
    n_steps: int, n_classes: int, n_probe: int, batch_size: int, reading_every: int, exam_start: int, seed: int
) -> Iterator[Event]:
    draw = np.random.default_rng(seed)
    probe = [_example(number, "probe", n_classes, draw) for number in range(n_probe)]
    course = [_example(number, "course", n_classes, draw) for number in range(4 * batch_size)]
    yield from _before_teaching(probe, n_steps=n_steps, n_classes=n_classes)
    yield from _splits(n_classes, seed)
    yield from _said(n_classes, seed, "frozen_teacher")
    teacher = _logits([one.label for one in probe], n_classes, draw)
    frozen, issued = teacher, set[int]()
    for step in range(n_steps):
        exam = step >= exam_start
        teacher = teacher + (0.05 * draw.normal(size=teacher.shape).astype(np.float32) if exam else np.float32(0))
        scalars, reading = {"course_loss": 1 / (1 + step), "course_gradient_norm": 1.0, "student_learning_rate": 1e-3}, None
        if exam:
            scalars["exam_loss"] = float(1 / (1 + step) + 0.1 * draw.random())
        if step % reading_every == 0 or step == n_steps - 1:
            reading = _reading(teacher, learned=step / n_steps, exam=exam, draw=draw)
            scalars |= _reading_scalars(reading, frozen, [one.label for one in probe])
        batch = draw.choice(len(course), size=batch_size, replace=False)
        new = tuple(course[number] for number in batch.tolist() if number not in issued)
        issued.update(batch.tolist())
        labels = [course[number].label for number in batch.tolist()]
        yield StepTaken(step=step, scalars=scalars, reading=reading, seconds=0.01, new_examples=new,
                        course=_course(batch, labels, n_classes, exam=exam, draw=draw))
    yield Stage(name="final scores")
    yield from _said(n_classes, seed, "teacher")
    yield from _said(n_classes, seed, "student")
    yield RunFinished(scores={"student/test/accuracy": 0.7, "teacher/test/accuracy": 0.8})


def _before_teaching(probe: list[Example], *, n_steps: int, n_classes: int) -> Iterator[Event]:
    yield Stage(name="fine-tuning the teacher", total=12)
    for step in range(12):
        yield TeacherProgress(step=step, total=12, loss=1.1 / (1 + step))
    yield Notice(text="This run is a rehearsal: its numbers are drawn, not learned.", warning=True)
    yield RunStarted(label_names=[f"class {number}" for number in range(n_classes)], n_steps=n_steps, temperature=2.0,
                     probe=probe, facts={"rehearsal": 1})
    yield Stage(name="teaching", total=n_steps)


def _splits(n_classes: int, seed: int) -> Iterator[ScoredSplit]:
    draw = np.random.default_rng((seed, 1))
    for split, n in SCORED.items():
        examples = [_example(number, split, n_classes, draw) for number in range(n)]
        yield ScoredSplit(split=split, labels=np.array([one.label for one in examples]), texts=[one.text for one in examples],
                          truth=np.array([one.truth for one in examples]))


def _said(n_classes: int, seed: int, role: str) -> Iterator[Predicted]:
    draw = np.random.default_rng((seed, 2, len(role)))
    for one in _splits(n_classes, seed):
        yield Predicted(role=role, split=one.split, logits=_logits(one.labels.tolist(), n_classes, draw))


def _example(number: int, split: str, n_classes: int, draw: np.random.Generator) -> Example:
    truth = tuple(softmax(draw.normal(size=n_classes)).tolist())
    return Example(id=number, split=split, text=f"{split} text {number}", text_pair=None,
                   label=int(np.argmax(truth)), truth=truth)


def _logits(labels: list[int], n_classes: int, draw: np.random.Generator) -> Floats:
    return (draw.normal(size=(len(labels), n_classes)) + 2 * np.eye(n_classes)[labels]).astype(np.float32)


def _course(batch: NDArray[np.int64], labels: list[int], n_classes: int, *, exam: bool, draw: np.random.Generator) -> Course:
    feedback = (0.01 * draw.normal(size=(len(batch), n_classes))).astype(np.float32)
    return Course(
        examples=batch,
        teacher_logits=_logits(labels, n_classes, draw),
        student_logits=_logits(labels, n_classes, draw),
        feedback=feedback if exam else None,
        influence=feedback[:, 0] if exam else None,
    )


def _reading(teacher: Floats, *, learned: float, exam: bool, draw: np.random.Generator) -> Reading:
    noise = draw.normal(size=teacher.shape).astype(np.float32)
    feedback = (0.01 * draw.normal(size=teacher.shape)).astype(np.float32) if exam else None
    return Reading(teacher_logits=teacher, student_logits=np.float32(learned) * teacher + noise, feedback=feedback,
                   influence=None if feedback is None else feedback[:, 0])


def _reading_scalars(reading: Reading, frozen: Floats, labels: list[int]) -> dict[str, float]:
    scalars = {
        "student_accuracy": float(accuracy(reading.student_logits, labels)),
        "teacher_accuracy": float(accuracy(reading.teacher_logits, labels)),
        "student_nll": float(nll(reading.student_logits, labels)),
        "teacher_nll": float(nll(reading.teacher_logits, labels)),
        "agreement": float(agreement(reading.student_logits, reading.teacher_logits)),
    }
    bands = quantile_bands(drift(reading.teacher_logits, frozen, 2.0)[np.newaxis])[0]
    return scalars | dict(zip(_DRIFT_NAMES, bands.tolist(), strict=True))
