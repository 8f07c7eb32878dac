"""All that a trace holds of one example, probe or course, in one shape: the Example page draws nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ikd.config import RunConfig
from ikd.events import Floats, Integers
from ikd.trace.measures import feedback_on_simplex, softmax
from ikd.trace.reader import TraceReader
from ikd.trace.thin import thin
from ikd.ui.tail import Tail
from ikd.ui.timeline import RunTimeline, first_learning, timeline_of

SPLITS = ("probe", "course")


@dataclass(frozen=True, kw_only=True)
class Story:
    """One example over the steps at which the trace knows it. R such steps, C classes.

    Attributes:
        split: "probe" or "course".
        example: its id.
        text, text_pair, label, truth: as the data give them; truth (C,) or None.
        steps: (R,). A course example can stand twice in one batch.
        teacher, student: (R, C) logits.
        feedback: (R, C), not a number at steps with no exam.
        influence: (R,), not a number where there is none: at steps with no exam, and for probe examples in traces before
            version 3. A probe example's feedback and influence are what they would be in that step's course batch.
        shown: names of the K hidden states and attentions that the objective looks at beside the logits.
        hidden: (R, K) norms of the feedback there, not a number where none were recorded.
        frozen: (C,) the teacher's logits before the first exam, None where it was not asked then.
    """

    split: str
    example: int
    text: str
    text_pair: str | None
    label: int
    truth: NDArray[np.float64] | None
    steps: Integers
    teacher: Floats
    student: Floats
    feedback: Floats
    influence: NDArray[np.float64]
    frozen: Floats | None
    shown: tuple[str, ...] = ()
    hidden: Floats | None = None

    @property
    def asked_layers(self) -> Integers:
        """Return the places at which there is feedback at hidden states."""
        return np.zeros(0, np.int64) if self.hidden is None else np.flatnonzero(np.isfinite(self.hidden).all(axis=-1))

    @property
    def exams(self) -> Integers:
        """Return the places (E,) at which there is feedback."""
        return np.flatnonzero(~np.isnan(self.feedback).any(axis=-1))

    @property
    def weighed(self) -> bool:
        """Return whether the influence is recorded at any step."""
        return bool(np.isfinite(self.influence).any())

    def history(self, label_names: Sequence[str], temperatures: NDArray[np.float64]) -> pd.DataFrame:
        """Return everything known of the example, one row a step: lists have one number a class.

        Args:
            label_names: of the classes.
            temperatures: (R,) of the training, at each step.
        """
        known, t = set(self.exams.tolist()), temperatures[:, np.newaxis]
        asked = feedback_on_simplex(self.teacher / t, self.feedback / t, 1.0)
        name = label_names[self.label] if 0 <= self.label < len(label_names) else None
        return pd.DataFrame({
            "split": self.split, "example": self.example, "step": self.steps, "text": self.text,
            "text_pair": self.text_pair, "label": self.label, "label_name": name,
            "truth": _repeated(None if self.truth is None else self.truth.tolist(), len(self.steps)),
            "soft_target": _lists(softmax(self.teacher / t)), "student": _lists(softmax(self.student / t)),
            "teacher_logits": _lists(self.teacher), "student_logits": _lists(self.student),
            "feedback": _lists(self.feedback, known), "feedback_on_simplex": _lists(asked, known),
            "influence": self.influence,
            **({"hidden_feedback": _lists(self.hidden, set(self.asked_layers.tolist()))} if self.hidden is not None else {}),
        }, index=range(len(self.steps)))  # fmt: skip


def read_story(tail: Tail, split: str, example: pd.Series, config: RunConfig | None) -> Story:
    """Return all that is recorded so far of one example.

    Args:
        tail: what was read of the run.
        split: one of `SPLITS`.
        example: its row of `TraceReader.examples`.
        config: the run's settings, None where they are damaged.
    """
    one, n_classes = int(example["id"]), len(tail.meta["label_names"])
    shown = tuple(str(name) for name in tail.meta.get("shown", ()))
    parts = _probe(tail, one, n_classes, len(shown)) if split == "probe" else _course(tail.reader, one, n_classes, len(shown))
    steps, teacher, student, feedback, influence, hidden = parts
    frozen = _frozen(split, steps, teacher, timeline_of(tail, config), int(tail.meta["n_steps"]))
    return Story(
        split=split, example=one, text=str(example["text"]), text_pair=_text(example["text_pair"]), label=int(example["label"]),
        truth=None if example["truth"] is None else np.asarray(example["truth"], dtype=np.float64),
        steps=steps, teacher=teacher, student=student, feedback=feedback, influence=influence, frozen=frozen,
        shown=shown, hidden=hidden if shown else None,
    )  # fmt: skip


def kept_places(story: Story, at: int, most: int) -> Integers:
    """Return at most about `most` places of a story to draw, with the ends, the shown one and every spike among them."""
    places = np.arange(len(story.steps))
    if len(places) <= most:
        return places
    rows = (story.teacher[:, story.label], story.student[:, story.label], np.abs(story.feedback).max(axis=-1), story.influence)
    kept = [thin(places, row, most // len(rows))[0] for row in rows if not np.isnan(row).all()]
    return np.unique(np.concatenate([*kept, [at]])).astype(np.int64)


Parts = tuple[Integers, Floats, Floats, Floats, NDArray[np.float64], Floats]


def _probe(tail: Tail, example: int, n_classes: int, n_shown: int) -> Parts:
    steps, teacher = tail.readings("teacher", [example])
    student_steps, student = tail.readings("student", [example])
    asked_steps, asked = tail.readings("feedback", [example])
    # Between two questions a run at work can add a reading: only what all have is shown.
    n_common = min(len(steps), len(student_steps))
    steps = steps[:n_common]
    feedback, influence = np.full((n_common, n_classes), np.nan, np.float32), np.full(n_common, np.nan)
    known = np.isin(asked_steps, steps)
    feedback[np.searchsorted(steps, asked_steps[known])] = asked[known].reshape(-1, n_classes)
    newest = int(asked_steps[-1]) if len(asked_steps) else -1
    weighed_steps, weighed = tail.once("probe-influence", (example, newest), lambda: tail.reader.influences([example]))
    known = np.isin(weighed_steps, steps)
    influence[np.searchsorted(steps, weighed_steps[known])] = weighed[known, 0]
    rows = (teacher[:n_common].reshape(n_common, n_classes), student[:n_common].reshape(n_common, n_classes))
    return steps, *rows, feedback, influence, _hidden(tail, example, steps, n_shown)


def _course(reader: TraceReader, example: int, n_classes: int, n_shown: int) -> Parts:
    issued = reader.course_of(example)
    blank = np.full(n_classes, np.nan, np.float32)
    feedback = [blank if one is None else one for one in issued["feedback"]]
    rows = [np.asarray(part, dtype=np.float32).reshape(len(issued), n_classes)
            for part in (issued["teacher_logits"].tolist(), issued["student_logits"].tolist(), feedback)]  # fmt: skip
    unasked = np.full(n_shown, np.nan, np.float32)
    hidden = [unasked if one is None else one for one in issued["hidden_feedback"]]
    norms = np.asarray(hidden, dtype=np.float32).reshape(len(issued), n_shown)
    return issued["step"].to_numpy(), rows[0], rows[1], rows[2], issued["influence"].to_numpy(), norms


def _hidden(tail: Tail, example: int, steps: Integers, n_shown: int) -> Floats:
    """Return the norms (R, K) of the feedback at hidden states of a probe example, not a number at steps without."""
    norms = np.full((len(steps), n_shown), np.nan, np.float32)
    if not n_shown:
        return norms
    newest = int(steps[-1]) if len(steps) else -1
    asked_steps, asked = tail.once("probe-hidden", (example, newest), lambda: tail.reader.hidden_feedback_of([example]))
    known = np.isin(asked_steps, steps)
    if known.any():
        norms[np.searchsorted(steps, asked_steps[known])] = asked[known, 0]
    return norms


def _frozen(split: str, steps: Integers, teacher: Floats, timeline: RunTimeline | None, n_steps: int) -> Floats | None:
    """Return what the teacher said before it first learned: at the step of its first update it still is as it was."""
    if not len(steps):
        return None
    if split == "probe":
        return teacher[0] if steps[0] == 0 else None
    learned = first_learning(timeline, n_steps)
    return teacher[0] if learned is not None and steps[0] <= learned else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _lists(rows: NDArray[np.floating], known: set[int] | None = None) -> pd.Series:
    return pd.Series([row if known is None or at in known else None for at, row in enumerate(rows)], dtype=object)


def _repeated(value: object, times: int) -> pd.Series:
    return pd.Series([value] * times, dtype=object)
