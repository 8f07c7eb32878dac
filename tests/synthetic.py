"""Runs written by the real recorder from drawn numbers: plausible enough to look at, in a blink, with no model."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ikd.config import RunConfig, build_config
from ikd.events import (
    Course,
    Event,
    Example,
    Predicted,
    Reading,
    RunFinished,
    RunStarted,
    ScoredSplit,
    Stage,
    StepTaken,
)
from ikd.trace.folder import RunFolder
from ikd.trace.measures import accuracy, agreement, drift, nll, quantile_bands, softmax
from ikd.trace.recorder import Recorder
from ikd.trace.store import new_run

HOSTILE = (
    "<script>document.title='taken over'</script><b>bold</b> **stars** $x^2$",
    "\u202eright to left override\u202c and :red[colour] [link](https://example.org)",
)
DRIFTS = ("drift_q05", "drift_q25", "drift_median", "drift_q75", "drift_q95")
TEMPERATURE = 2.0


def synthetic_run(
    n_classes: int = 3,
    *,
    n_steps: int = 60,
    n_probe: int = 40,
    state: str = "finished",
    texts: Sequence[str] = (),
    settings: dict[str, object] | None = None,
    stop_before: int | None = None,
    shown: Sequence[str] = (),
    groups: Sequence[str] = (),
    sources: Sequence[str] = (),
) -> RunFolder:
    """Return the folder of a run that never took place.

    Args:
        n_classes: of the task.
        n_steps: of the run.
        n_probe: probe examples.
        state: what state.json says at the end.
        texts: of the first probe examples.
        settings: of the config, by dotted path.
        stop_before: record only the steps before this one.
        shown: names of hidden states that its exams ask something of.
        groups, sources: those of its examples, in turn; none where they are empty.
    """
    config = build_config({"training.steps": n_steps, "record.probe_size": n_probe, **(settings or {})})
    folder = new_run(config)
    steps_done = n_steps if stop_before is None else stop_before
    with Recorder(folder) as recorder:
        for event in events(config, n_classes, texts=texts):
            late = isinstance(event, Predicted) and event.role != "frozen_teacher"
            if stop_before is not None and (late or isinstance(event, StepTaken) and event.step >= stop_before):
                continue
            recorder.record(with_groups(with_layers(event, shown), groups, sources))
    scores = {f"{role}/{split}/{name}": value for role, value in (("frozen_teacher", 0.71), ("teacher", 0.72), ("student", 0.64))
              for split in ("validation", "test") for name in ("accuracy", "nll")}  # fmt: skip
    now = folder.state()
    folder.write_state(replace(now, state=state, stage="teaching" if state == "running" else "done", step=steps_done,
                               ended=None if state == "running" else now.started + 12.0, device="cpu",
                               scores=scores if state == "finished" else {}))  # type: ignore[arg-type]  # fmt: skip
    return folder


def without_config(folder: RunFolder) -> None:
    """Take the settings away from a run: its config.json, and the copy that its trace keeps."""
    (folder.path / "config.json").unlink()
    with closing(sqlite3.connect(folder.trace_path)) as trace:
        trace.execute("DELETE FROM meta WHERE key = 'config'")
        trace.commit()


def events(config: RunConfig, n_classes: int, *, texts: Sequence[str] = (), seed: int = 0) -> Iterator[Event]:
    """Yield the events of a run whose teacher softens towards the truth and whose student follows it."""
    draw = np.random.default_rng(seed)
    n_probe, n_steps = config.record.probe_size, config.training.steps
    truth_logits = 1.2 * draw.normal(size=(n_probe, n_classes)) + (1.0 if n_classes > 10 else 0.0)
    truth = softmax(truth_logits)
    labels = np.array([draw.choice(n_classes, p=p) for p in truth])
    examples = [
        Example(id=one, split="probe", label=int(labels[one]), truth=tuple(truth[one].tolist()) if n_classes < 10 else None,
                text=texts[one] if one < len(texts) else f"The soup was not really warm, but the waiter of table {one} smiled.",
                text_pair=None)
        for one in range(n_probe)
    ]
    names = {2: ["negative", "positive"], 3: ["negative", "neutral", "positive"]}.get(
        n_classes, [f"intent number {one}" for one in range(n_classes)]
    )
    yield Stage(name="teaching", total=n_steps)
    yield RunStarted(label_names=names, n_steps=n_steps, temperature=TEMPERATURE, probe=examples, facts={"task": "synthetic"})
    yield from _said(n_classes, 2 * n_probe, ("frozen_teacher",))
    first = truth_logits + 3.0 * np.eye(n_classes)[labels] + 0.8 * draw.normal(size=truth_logits.shape)
    start = 0.3 * draw.normal(size=truth_logits.shape)
    for step in range(n_steps + 1):
        yield _step(step, config, truth_logits=truth_logits, first=first, start=start, labels=labels, draw=draw)
    yield from _said(n_classes, 2 * n_probe, ("teacher", "student"))
    yield RunFinished(scores={"student/validation/accuracy": 0.64})


def _said(n_classes: int, n: int, roles: Sequence[str]) -> Iterator[Event]:
    for number, split in enumerate(("validation", "test")):
        draw = np.random.default_rng((number, n))
        truth_logits = 1.2 * draw.normal(size=(n, n_classes))
        truth = softmax(truth_logits)
        labels = np.array([draw.choice(n_classes, p=p) for p in truth])
        if "frozen_teacher" in roles:
            yield ScoredSplit(split=split, labels=labels, truth=truth if n_classes < 10 else None,
                              texts=[f"{split} text {one}" for one in range(n)])
        for role in roles:
            noise = np.random.default_rng((number, n, len(role))).normal(size=truth_logits.shape)
            said = truth_logits * {"frozen_teacher": 2.0, "teacher": 1.2, "student": 0.9}[role] + 0.5 * noise
            yield Predicted(role=role, split=split, logits=said.astype(np.float32))


def _step(
    step: int, config: RunConfig, *, truth_logits: NDArray[np.float64], first: NDArray[np.float64],
    start: NDArray[np.float64], labels: NDArray[np.int64], draw: np.random.Generator,
) -> StepTaken:  # fmt: skip
    n_steps, exams_from = config.training.steps, config.policy.exam_start
    exam = config.policy.name == "exam" and step >= exams_from and step < n_steps
    moved = max(0, step - exams_from) / n_steps if config.policy.name == "exam" else 0.0
    teacher = first + 0.7 * moved * (truth_logits - first)
    learned = 1 - np.exp(-4 * step / n_steps)
    student = start + 0.8 * learned * (teacher - start) + 0.15 * draw.normal(size=start.shape)
    reading = scalars = None
    feedback = (truth_logits - teacher + 0.5 * draw.normal(size=start.shape)) * 0.01
    if step % config.record.probe_every == 0 or step == n_steps:
        reading = Reading(teacher_logits=teacher.astype(np.float32), student_logits=student.astype(np.float32),
                          feedback=feedback.astype(np.float32) if exam else None,
                          influence=-feedback[np.arange(len(labels)), labels].astype(np.float32) if exam else None)  # fmt: skip
        scalars = _scores(reading, first, labels)
    scalars = {**(scalars or {}), "course_loss": float(1.1 - 0.5 * learned + 0.05 * draw.normal()), "student_learning_rate": 1e-3}
    if exam:
        scalars |= {"exam_loss": float(1.0 - 0.3 * learned + 0.05 * draw.normal()), "teacher_update_ratio": 1e-4}
    batch = np.arange(4)
    n_classes = first.shape[-1]
    course = Course(examples=batch, teacher_logits=np.zeros((4, n_classes), np.float32),
                    student_logits=np.zeros((4, n_classes), np.float32))  # fmt: skip
    new = [Example(id=one, split="course", text=f"course text {one}", text_pair=None, label=0) for one in range(4)] if step == 0 else []
    return StepTaken(step=step, scalars=scalars, reading=reading, course=course if step < n_steps else None, seconds=0.01,
                     new_examples=new)  # fmt: skip


def with_layers(event: Event, shown: Sequence[str]) -> Event:
    """Return an event with feedback at hidden states of these names where it has an exam: of layer k, k + 1 times a thousandth."""
    if isinstance(event, RunStarted):
        return replace(event, shown=tuple(shown))
    if not shown or not isinstance(event, StepTaken) or "exam_loss" not in event.scalars:
        return event
    norms = 0.001 * (1 + np.arange(len(shown), dtype=np.float32)) * (1 + event.step)
    course, reading = (part and replace(part, hidden_feedback=np.tile(norms, (len(part.student_logits), 1)))
                       for part in (event.course, event.reading))  # fmt: skip
    return replace(event, course=course, reading=reading)


def with_groups(event: Event, groups: Sequence[str], sources: Sequence[str] = ()) -> Event:
    """Return an event whose examples belong to groups and sources, example i to the one at i modulo their number."""
    def one_of(names: Sequence[str], number: int) -> str:
        return names[number % len(names)] if names else ""

    def marked(examples: Sequence[Example]) -> list[Example]:
        return [replace(one, group=one_of(groups, one.id), source=one_of(sources, one.id)) for one in examples]

    if isinstance(event, RunStarted):
        return replace(event, probe=marked(event.probe))
    if isinstance(event, StepTaken):
        return replace(event, new_examples=marked(event.new_examples))
    if isinstance(event, ScoredSplit) and groups:
        return replace(event, groups=[one_of(groups, number) for number in range(len(event.labels))])
    return event


def _scores(reading: Reading, first: NDArray[np.float64], labels: NDArray[np.int64]) -> dict[str, float]:
    bands = quantile_bands(drift(reading.teacher_logits, first, TEMPERATURE)[np.newaxis])[0]
    return {
        "student_accuracy": float(accuracy(reading.student_logits, labels)),
        "teacher_accuracy": float(accuracy(reading.teacher_logits, labels)),
        "student_nll": float(nll(reading.student_logits, labels)), "teacher_nll": float(nll(reading.teacher_logits, labels)),
        "agreement": float(agreement(reading.student_logits, reading.teacher_logits)),
        **dict(zip(DRIFTS, bands.tolist(), strict=True)),
    }  # fmt: skip
