"""The figures of one example: what is believed of it at the shown step, over all steps, and what the student asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from ikd.plots.belief import REST, belief_chart, belief_table, gathered, shown_classes, slots_of
from ikd.plots.feedback_bars import feedback_chart, feedback_table, influence_chart
from ikd.plots.ribbons import frame_rows
from ikd.plots.timeline import timeline_chart, timeline_table
from ikd.trace.measures import drift, feedback_on_simplex, softmax
from ikd.ui.example_story import Story, kept_places
from ikd.ui.example_words import FIGURES, NOT_WEIGHED
from ikd.ui.figures import Shown, show_figure
from ikd.ui.wording import visible

MOST_POINTS = 600
UNKNOWN_FROZEN = " It is not known what the frozen teacher said of this example: it was first asked after it had begun to learn."
Doubles = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Look:
    """What all figures of the page share.

    Attributes:
        names: of all classes.
        shown: (S,) the classes with a line of their own.
        n_steps: of the whole run.
        temperature: at which probabilities are drawn.
        stacked: areas instead of lines.
        era: while the run goes on, a number that changes ten times in it; None while it stands.
        marks, exams, span: of the run's exams, as `frame_rows` takes them.
    """

    names: Sequence[str]
    shown: NDArray[np.int64]
    n_steps: int
    temperature: float
    stacked: bool
    era: int | None
    marks: Mapping[str, int]
    exams: Sequence[int]
    span: tuple[int, int, str] | None

    @property
    def rows(self) -> list[str]:
        """Return the names of the lines (K,), the rest last where there is one."""
        return [visible(self.names[one], longest=40) for one in self.shown] + ([REST] if self.many else [])

    @property
    def slots(self) -> list[int]:
        """Return the colour slots of the lines (K,)."""
        return slots_of(len(self.rows), len(self.names))

    @property
    def many(self) -> bool:
        """Whether some classes have no line of their own."""
        return len(self.shown) < len(self.names)

    def frame(self, cursor: int) -> list[pd.DataFrame]:
        """Return what stands around the curves of every figure over the steps: the exams, and the shown step."""
        return frame_rows(cursor, self.marks, self.exams, reach=self.n_steps, span=self.span)

    def p(self, logits: NDArray[np.floating]) -> Doubles:
        """Return logits (..., C) as the probabilities (..., K) of the lines."""
        return gathered(softmax(logits, self.temperature), self.shown)

    def frozen(self, story: Story) -> Doubles:
        """Return the frozen teacher's probabilities (K,), not a number where they are not known."""
        return np.full(len(self.rows), np.nan) if story.frozen is None else self.p(story.frozen)

    def truth(self, story: Story) -> Doubles | None:
        """Return the true posterior (K,), None where it is not known."""
        return None if story.truth is None else gathered(story.truth, self.shown)

    def pull(self, story: Story, row: int) -> Doubles | None:
        """Return the feedback at a place as a direction of the soft target (K,), 1 the strongest ever; None with no exam."""
        exams = story.exams
        if row not in exams:
            return None
        directions = feedback_on_simplex(story.teacher[exams], story.feedback[exams], self.temperature)
        strongest = float(np.abs(directions).max())
        here = directions[int(np.searchsorted(exams, row))]
        return gathered(here / strongest if strongest > 0 else here, self.shown)


def classes_of(story: Story, temperature: float) -> NDArray[np.int64]:
    """Return the classes with a line of their own: up to six, or the four most probable at any step, with the label."""
    highest = [softmax(logits, temperature).max(axis=0) for logits in (story.teacher, story.student)]
    return shown_classes(*highest, label=min(max(story.label, 0), story.teacher.shape[-1] - 1))


def draw_timeline(story: Story, row: int, look: Look) -> Shown:
    """Draw teacher, student and frozen teacher over the steps."""
    kept = kept_places(story, row, MOST_POINTS)
    steps, teacher, student = story.steps[kept], look.p(story.teacher[kept]), look.p(story.student[kept])
    label = np.flatnonzero(look.shown == story.label)
    table = timeline_table(
        steps, teacher, student, look.frozen(story), names=look.rows, slots=look.slots, n_steps=look.n_steps,
        truth=look.truth(story), label_slot=look.slots[int(label[0])] if len(label) else None if story.label < 0 else look.slots[0],
        frame=look.frame(int(story.steps[row])),
    )  # fmt: skip
    said = "; ".join(f"{name}: teacher {teacher[0, at]:.2f} to {teacher[-1, at]:.2f}, student {student[0, at]:.2f} to "
                     f"{student[-1, at]:.2f}" for at, name in enumerate(look.rows))  # fmt: skip
    _head("timeline")
    shown = show_figure(
        timeline_chart, table, key=f"example-timeline-{'areas' if look.stacked else 'lines'}", zoom="zoom_example", era=look.era,
        spoken=f"Probability over steps {steps[0]} to {steps[-1]}, at temperature {look.temperature:g}. {said}.",
        n_steps=look.n_steps, stacked=look.stacked, zoom_name="zoom_example", title=f"probability at temperature {look.temperature:g}",
    )  # fmt: skip
    missing = "" if story.frozen is not None else UNKNOWN_FROZEN
    thinned = f" Drawn: {len(kept):,} of {len(story.steps):,} steps, every spike kept." if len(kept) < len(story.steps) else ""
    st.caption(f"{FIGURES['timeline'].sentence} Shown at temperature {look.temperature:g}.{missing}{thinned}")
    return shown


def draw_now(story: Story, row: int, look: Look) -> Shown:
    """Draw what is believed of the example at the shown step."""
    table = belief_table(
        look.rows, look.slots, teacher=look.p(story.teacher[row]), student=look.p(story.student[row]), truth=look.truth(story),
        frozen=look.frozen(story), pull=look.pull(story, row),
    )  # fmt: skip
    said = [f"{one['label']}: teacher {one['teacher']:.3f}, student {one['student']:.3f}"
            + ("" if np.isnan(one["frozen"]) else f", frozen teacher {one['frozen']:.3f}")
            + (f", feedback {one['pull']:+.2f}" if one["arrow"] else "") for one in table.to_dict("records")]  # fmt: skip
    moved = "" if story.frozen is None else f" · drift {drift(story.teacher[row], story.frozen, look.temperature):.4f} nats"
    _head("now", f"At step {story.steps[row]}{moved}")
    shown = show_figure(belief_chart, table, key="example-now", era=look.era, spoken=f"At step {story.steps[row]}, {'; '.join(said)}.")
    st.caption(FIGURES["now"].sentence)
    return shown


def draw_asked(story: Story, row: int, look: Look) -> dict[str, Shown]:
    """Draw the recorded feedback by class and the influence, over the steps with an exam; return the figures by their names."""
    exams = story.exams
    if not len(exams):
        return {}
    kept = np.intersect1d(kept_places(story, row, MOST_POINTS), exams)
    feedback = gathered(story.feedback[kept], look.shown)
    table = feedback_table(story.steps[kept], feedback, story.influence[kept] if story.weighed else None, names=look.rows,
                           slots=look.slots, frame=look.frame(int(story.steps[row])))  # fmt: skip
    strongest = np.unravel_index(int(np.abs(feedback).argmax()), feedback.shape)
    spoken = (f"Feedback at {len(kept)} steps with an exam; the strongest is {feedback[strongest]:+.2e} for "
              f"{look.rows[int(strongest[1])]} at step {story.steps[kept][int(strongest[0])]}.")  # fmt: skip
    _head("feedback")
    shown = {"feedback": show_figure(feedback_chart, table, key="example-feedback", zoom="zoom_feedback", era=look.era, spoken=spoken,
                                     n_rows=len(look.rows), window=(0, look.n_steps), zoom_name="zoom_feedback")}  # fmt: skip
    nothing = "" if feedback.any() else " It is zero at every step: the objective looks at layers alone, and is felt there (see below)."
    st.caption(FIGURES["feedback"].sentence + nothing + ("" if story.weighed or story.split == "course" else f" {NOT_WEIGHED}"))
    if story.weighed:
        total = float(np.nansum(story.influence))
        _head("influence")
        shown["influence"] = show_figure(
            influence_chart, table, key="example-influence", zoom="zoom_influence", era=look.era, window=(0, look.n_steps),
            zoom_name="zoom_influence", title="influence",
            spoken=f"Influence at {len(kept)} steps, {total:+.2e} in all; negative helped the exam.",
        )  # fmt: skip
        where = f"exam{'' if len(exams) == 1 else 's'}{'' if story.split == 'course' else ' at which the probe set was read'}"
        st.caption(f"{FIGURES['influence'].sentence} The sum over {len(exams)} {where} is {total:+.2e}.")
    return shown


def _head(figure: str, words: str = "") -> None:
    st.markdown(f"**{words or FIGURES[figure].title}**")
