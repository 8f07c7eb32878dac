"""train(): one run as a generator of events. Stop = stop iterating, pause = stop asking, single step = ask once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ikd.classroom import Classroom, LabelledSource, build_lesson
from ikd.config import RunConfig, student_rate
from ikd.errors import TrainingError
from ikd.events import Course, Event, Example, Reading, RunFinished, RunStarted, Stage, StepTaken
from ikd.protocols import Batch
from ikd.teaching.optimizers import set_learning_rate
from ikd.teaching.policies import POLICIES, Lesson, Taught
from ikd.teaching.probe import ProbeAsked, ProbeReading
from ikd.teaching.reading import on_device, read_probe, read_split, whole_split
from ikd.teaching.schedule import learning_rate_factor, shuffled_batches
from ikd.teaching.scores import scores_of

SCORED = ("validation", "test")


def train(room: Classroom, config: RunConfig) -> Iterator[Event]:
    """Teach the student, yielding every fact of the run as plain values.

    Each step s: read the probe set (every `record.probe_every` steps), take one course step and, where one is due, one
    exam step (METHOD section 2), report. A last reading follows the last step.

    Raises:
        TrainingError: a loss that is not finite, or a teacher below its accuracy floor.
    """
    lesson = build_lesson(room, config)
    probe_batches = _probe_batches(room, config)
    course, exams = _course_batches(room, config), _exam_batches(room, config)
    known: set[int] = set()
    yield _started(room, config)
    yield Stage(name="scoring the teacher")
    before = _scores("frozen_teacher", lesson.teacher, room, config) if config.policy.name == "exam" else {}

    yield Stage(name="teaching", total=config.training.steps)
    torch.manual_seed(config.seed)
    for step in range(config.training.steps):
        _set_rates(lesson, step, config)
        probe = _read(lesson, probe_batches, config) if step % config.record.probe_every == 0 else None
        _check_floor(probe, config, step)
        batch = on_device(next(course), room.device)
        exam = on_device(next(exams), room.device) if exam_is_due(step, config) else None
        taught = POLICIES[config.policy.name](lesson, batch, exam, probe)
        _check_finite(taught, step)
        yield _taken(step, taught, batch, probe=probe, texts=room.splits["course"], known=known)

    last = _read(lesson, probe_batches, config)
    yield StepTaken(step=config.training.steps, scalars={}, reading=_reading(last, None))
    yield Stage(name="final scores")
    after = _scores("teacher", lesson.teacher, room, config) | _scores("student", lesson.student, room, config)
    yield RunFinished(scores=before | after)


def exam_is_due(step: int, config: RunConfig) -> bool:
    """Return whether an exam follows the course step of this index."""
    policy = config.policy
    frozen = policy.teacher_freeze_at is not None and step >= policy.teacher_freeze_at
    return policy.name == "exam" and step >= policy.exam_start and step % policy.exam_every == 0 and not frozen


def _course_batches(room: Classroom, config: RunConfig) -> Iterator[Batch]:
    source = room.splits["course"]
    for indices in shuffled_batches(len(source), batch_size=config.training.batch_size, seed=(config.seed, 2)):
        yield source.batch(indices)


def _exam_batches(room: Classroom, config: RunConfig) -> Iterator[Batch]:
    source = room.splits["course" if config.policy.exam_source == "train" else "exam"]
    for indices in shuffled_batches(len(source), batch_size=config.policy.exam_batch_size, seed=(config.seed, 3)):
        yield source.batch(indices)


def _probe_batches(room: Classroom, config: RunConfig) -> list[Batch]:
    return whole_split(room.splits["validation"], room.device, first=config.record.probe_size)


def _set_rates(lesson: Lesson, step: int, config: RunConfig) -> None:
    training = config.training
    factor = learning_rate_factor(
        step, n_steps=training.steps, warmup_steps=training.warmup_steps, schedule=training.schedule
    )
    set_learning_rate(lesson.update.optimizer, student_rate(config) * factor)


def _read(lesson: Lesson, batches: Sequence[Batch], config: RunConfig) -> ProbeReading:
    return read_probe(lesson.student, lesson.teacher, batches, precision=config.machine.precision)


def _started(room: Classroom, config: RunConfig) -> RunStarted:
    validation = room.splits["validation"].split
    size = min(config.record.probe_size, len(validation))
    return RunStarted(
        label_names=list(room.label_names),
        n_steps=config.training.steps,
        temperature=config.objective.temperature,
        probe=[_example(room.splits["validation"], index, "probe") for index in range(size)],
        facts=room.facts,
    )


def _example(source: LabelledSource, index: int, split: str) -> Example:
    data = source.split
    return Example(
        id=index, split=split, text=data.texts[index], label=int(data.labels[index]),
        text_pair=data.text_pairs[index] if data.text_pairs is not None else None,
        truth=tuple(data.truth[index]) if data.truth is not None else None,
    )  # fmt: skip


def _taken(
    step: int, taught: Taught, batch: Batch, *, probe: ProbeReading | None, texts: LabelledSource, known: set[int]
) -> StepTaken:
    examples = batch.examples.numpy()
    new = [index for index in dict.fromkeys(examples.tolist()) if index not in known]
    known.update(new)
    feedback = taught.feedback
    course = Course(
        examples=examples,
        teacher_logits=_array(taught.course.teacher_outputs.logits),
        student_logits=_array(taught.course.student_outputs.logits),
        feedback=_array(-feedback.scale * feedback.cotangent.logits) if feedback else None,
        influence=_array(feedback.influence) if feedback else None,
    )
    return StepTaken(
        step=step, scalars=taught.scalars, course=course,
        reading=_reading(probe, taught.probe_asked) if probe is not None else None,
        new_examples=[_example(texts, index, "course") for index in new],
    )  # fmt: skip


def _reading(probe: ProbeReading, asked: ProbeAsked | None) -> Reading:
    return Reading(
        teacher_logits=_array(probe.in_order(probe.teacher_logits)),
        student_logits=_array(probe.in_order(probe.student_logits)),
        feedback=_array(asked.feedback) if asked else None,
        influence=_array(asked.influence) if asked else None,
    )


def _array(tensor: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return tensor.detach().float().cpu().numpy()


def _scores(role: str, model: nn.Module, room: Classroom, config: RunConfig) -> dict[str, float]:
    """Return the scores of one model on every scored split, named role/split/score."""
    named: dict[str, float] = {}
    for split in SCORED:
        if split not in room.splits:
            continue
        source = room.splits[split]
        logits = read_split(model, role, whole_split(source, room.device), precision=config.machine.precision)
        truth = torch.tensor(source.split.truth, dtype=torch.float64) if source.split.truth is not None else None
        scores = scores_of(logits, torch.tensor(list(source.split.labels)), truth)
        named |= {f"{role}/{split}/{name}": value for name, value in scores.items()}
    return named


def _check_finite(taught: Taught, step: int) -> None:
    for name, value in taught.scalars.items():
        if not math.isfinite(value):
            raise TrainingError(
                f"At step {step} the {name.replace('_', ' ')} is {value}: the run cannot go on. Lower "
                "training.learning_rate or policy.teacher_learning_rate, or set a gradient clipping, and start again."
            )


def _check_floor(probe: ProbeReading | None, config: RunConfig, step: int) -> None:
    floor = config.machine.teacher_accuracy_floor
    if probe is None or floor is None:
        return
    right = sum(int((x.argmax(-1) == b.labels).sum()) for x, b in zip(probe.teacher_logits, probe.batches, strict=True))
    accuracy = right / sum(len(batch.labels) for batch in probe.batches)
    if accuracy < floor:
        raise TrainingError(
            f"At step {step} the teacher's accuracy is {accuracy:.2f}, below the floor of {floor:.2f}: it has collapsed. "
            "Lower policy.teacher_learning_rate, add an anchor, or freeze the teacher earlier."
        )
