"""What changed on the way through a run, as every figure over the steps marks it: exams, changes of settings, the fork."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from ikd.config import (
    EXAM_POLICIES,
    MOVING_POLICIES,
    PlannedChange,
    RunConfig,
    Timeline,
    all_settings,
    exam_is_due,
    teacher_learns,
    temperature_at,
)
from ikd.config.plan import FREEZE
from ikd.config.timeline import values_of
from ikd.errors import ConfigError
from ikd.trace.notes import read_notes
from ikd.ui.tail import Tail
from ikd.ui.wording import number, visible

MOST_EXAM_TICKS = 150
MOST_WORDS = 2
WORDS = {
    "objective.temperature": "temperature", "objective.alpha": "alpha", "training.learning_rate": "student's rate",
    "policy.teacher_learning_rate": "teacher's rate", "policy.exam_every": "exam every", "policy.anchor_weight": "anchor weight",
    "record.probe_every": "reading every", "training.steps": "steps",
}  # fmt: skip


class RunTimeline(Timeline):
    """The settings of a run at each step.

    Attributes:
        fork: step at which the run was forked from another one, None where it was not.
        planned: how many of the changes stood in the config from its start.
    """

    fork: int | None = None
    planned: tuple[PlannedChange, ...] = ()


@dataclass(frozen=True)
class Exams:
    """The steps of a run's exams.

    Attributes:
        parts: stretches of steps at equal distances, none of them empty, in order.
    """

    parts: tuple[range, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is any exam."""
        return bool(self.parts)

    @property
    def count(self) -> int:
        """Return how many exams there are."""
        return sum(map(len, self.parts))

    @property
    def first(self) -> int:
        """Return the step of the first exam."""
        return self.parts[0][0]

    @property
    def last(self) -> int:
        """Return the step of the last exam."""
        return self.parts[-1][-1]

    def ticks(self) -> list[int]:
        """Return the steps of single exams where they are few and not simply all steps, else none."""
        every = len(self.parts) == 1 and self.parts[0].step == 1
        return [] if every or self.count > MOST_EXAM_TICKS else [step for part in self.parts for step in part]

    def often(self) -> str:
        """Return how often there is an exam, in words."""
        if len({part.step for part in self.parts if len(part) > 1}) > 1:
            return "at a distance that changes"
        step = max(part.step for part in self.parts)
        gaps = ", with gaps" if len(self.parts) > 1 else ""
        return ("at every step" if step == 1 else f"every {step} steps") + gaps


def timeline_of(tail: Tail, config: RunConfig | None) -> RunTimeline | None:
    """Return what holds at each step of a run with all its changes so far, None where its settings are damaged."""
    if config is None:
        return None
    changes = [PlannedChange(step=one.step, path=one.path, value=one.value) for one in tail.reader.interventions()]
    found: RunTimeline = tail.once("timeline", (config, changes), lambda: _timeline(tail, config, changes))
    return found


def _timeline(tail: Tail, config: RunConfig, changes: list[PlannedChange]) -> RunTimeline:
    try:
        timeline = RunTimeline(config, changes)
    except ConfigError:  # written by other hands: the figures stand without their marks
        timeline = RunTimeline(config.model_copy(update={"plan": ()}))
    notes = read_notes(tail.folder.path)
    timeline.fork, timeline.planned = notes.parent_step if notes.parent else None, config.plan
    return timeline


def exams_of(timeline: RunTimeline | None, n_steps: int) -> Exams:
    """Return the steps of a run's exams, as `exam_is_due` gives them step by step."""
    if timeline is None:
        return Exams()
    edges = sorted({0, n_steps, *(one.step for one in timeline.changes if one.step < n_steps)})
    parts: list[range] = []
    for start, end in zip(edges, edges[1:], strict=False):
        found = _stretch(timeline.at(start), start, end)
        if len(found) and parts and found[0] == parts[-1][-1] + found.step and parts[-1].step == found.step:
            parts[-1] = range(parts[-1][0], found.stop, found.step)
        elif len(found):
            parts.append(found)
    return Exams(tuple(parts))


def _stretch(config: RunConfig, start: int, end: int) -> range:
    policy = config.policy
    freeze = policy.teacher_freeze_at
    first = -(-max(start, policy.exam_start) // policy.exam_every) * policy.exam_every
    found = range(first, end if freeze is None else min(freeze, end), policy.exam_every)
    return found if len(found) and exam_is_due(found[0], config) else range(0)


def marks_of(timeline: RunTimeline | None, n_steps: int) -> tuple[dict[str, int], list[int]]:
    """Return the words at single steps (exams begin and end, changes, the fork), and the steps of single exams where they are few."""
    exams = exams_of(timeline, n_steps)
    said: dict[int, list[str]] = {}
    if timeline is not None:
        if timeline.fork is not None:
            said.setdefault(timeline.fork, []).append("fork")
        for one in timeline.changes:
            said.setdefault(one.step, []).append(change_word(one))
    marks: dict[str, int] = {"first exam": exams.first} if exams else {}
    if timeline is not None and (end := _end_of_learning(timeline)) is not None and end < n_steps:
        marks["exams end" if timeline.last.policy.name == "exam" else "teacher frozen"] = end
    for step, words in sorted(said.items()):
        word = _joined(words)
        while word in marks:
            word += " again"
        if step <= n_steps:
            marks[word] = step
    return marks, exams.ticks()


def first_learning(timeline: RunTimeline | None, n_steps: int) -> int | None:
    """Return the first step at which the teacher is updated, `n_steps` where it never is, None where the settings are damaged."""
    if timeline is None:
        return None
    if timeline.at(0).policy.name in EXAM_POLICIES:
        exams = exams_of(timeline, n_steps)
        return exams.first if exams else n_steps
    edges = sorted({0, *(one.step for one in timeline.changes if one.step < n_steps)})
    return next((step for step in edges if teacher_learns(step, timeline.at(step))), n_steps)


def temperature_moves(timeline: RunTimeline | None, n_steps: int) -> bool:
    """Return whether the training temperature is not the same at all steps."""
    if timeline is None:
        return False
    edges = {0, n_steps - 1, *(one.step for one in timeline.changes if one.step < n_steps)}
    steps = {max(step, 0) for edge in edges for step in (edge - 1, edge)}
    return len({temperature_at(step, timeline.at(step)) for step in steps}) > 1


def temperature_words(temperature: float, *, moves: bool) -> str:
    """Return the temperature at which a run's measures are taken, in words: that of its start where it changes on the way."""
    shown = number(temperature)
    return f"temperature {shown}, that of the training's start" if moves else f"the training temperature {shown}"


def exam_span(timeline: RunTimeline | None, n_steps: int) -> tuple[int, int, str] | None:
    """Return first and last step of a run's exams with words about them, where they are too many for ticks of their own."""
    exams = exams_of(timeline, n_steps)
    if not exams or exams.ticks():
        return None
    return exams.first, exams.last, f"an exam {exams.often()}, {exams.first} to {exams.last}"


def change_word(one: PlannedChange) -> str:
    """Return a change in a few words: "alpha 0.5", "teacher frozen"."""
    if one.path == FREEZE:
        if one.value is None:
            return "teacher thawed"
        return "teacher frozen" if int(one.value) <= one.step else f"teacher frozen from {one.value}"
    name = WORDS.get(one.path, one.path.rpartition(".")[2].replace("_", " "))
    return visible(f"{name} {value_word(one.value)}", longest=40)


def value_word(value: object) -> str:
    """Return a setting's value in a word."""
    if value is None:
        return "by default"
    return number(value) if isinstance(value, float) else str(value)


def draw_changes(timeline: RunTimeline | None) -> None:
    """Draw the table of the changes made on the way, where there are any."""
    if timeline is None or not timeline.changes:
        return
    st.markdown("**Changes made on the way**")
    st.dataframe(changes_frame(timeline), hide_index=True, key="changes-table", width="content",
                 alt=f"{len(timeline.changes)} changes of settings, by step.")  # fmt: skip


def changes_frame(timeline: RunTimeline) -> pd.DataFrame:
    """Return the changes by step: columns step, setting, before, after, made."""
    start = timeline.record().model_copy(update={"plan": ()})
    values, labels = values_of(start), {one.path: one.label for one in all_settings()}
    rows: list[Mapping[str, object]] = []
    for one in timeline.changes:
        rows.append({"step": one.step, "setting": f"{labels.get(one.path, '')} ({one.path})", "before": _cell(values.get(one.path)),
                     "after": _cell(one.value), "made": "planned" if one in timeline.planned else "while it went on"})  # fmt: skip
        values[one.path] = one.value
    return pd.DataFrame(rows)


def _cell(value: object) -> str:
    return "empty" if value is None else visible(value_word(value), longest=80)


def _joined(words: list[str]) -> str:
    fork, rest = words[:1] if words[0] == "fork" else [], words[1:] if words[0] == "fork" else words
    if len(rest) > MOST_WORDS:
        rest = [f"{len(rest)} changes"]
    return ", ".join([*fork, *rest])


def _end_of_learning(timeline: RunTimeline) -> int | None:
    """Return the step at which the teacher stops learning as the settings say from afar; a freeze at its own step has its own word."""
    last = timeline.last.policy
    own = any(one.path == FREEZE and one.value is not None and int(one.value) <= one.step for one in timeline.changes)
    return None if last.name not in MOVING_POLICIES or own else last.teacher_freeze_at
