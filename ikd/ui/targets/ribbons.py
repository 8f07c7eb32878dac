"""Ribbons over the steps: how sure the teacher is, how far it has moved, and how far the student is from it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from ikd.events import Floats, Integers
from ikd.plots.ribbons import ribbon_table
from ikd.plots.stack import SHARES as SHARES_PANEL
from ikd.plots.stack import Panel, shares_table, stack_chart, stack_table
from ikd.plots.theme import ROLES, TRUTH
from ikd.trace.thin import thin
from ikd.ui.figures import show_figure
from ikd.ui.policies import WITHOUT_EXAMS
from ikd.ui.targets.look import Look
from ikd.ui.targets.panel import draw_words
from ikd.ui.targets.words import VIEWS
from ikd.ui.timeline import exam_span, exams_of, marks_of

MOST_POINTS = 180
QUANTILES = ("q05", "q25", "median", "q75", "q95")
BANDS = {
    "entropy": ("Entropy of the soft targets", "nats", "teacher"),
    "drift": ("Drift: divergence from the frozen teacher", "nats", "teacher"),
    "gap": ("Divergence of the student from the teacher", "nats", "student"),
    "truth_gap": ("Divergence of the teacher from the truth", "nats", "exam loss"),
}
LOOKS = {"teacher": ROLES["teacher"], "student": ROLES["student"], "agreement": (TRUTH, [1, 2])}
SHARES = {"student": "student_accuracy", "teacher": "teacher_accuracy", "agreement": "agreement"}


def ribbon_frame(look: Look, name: str) -> pd.DataFrame:
    """Return the quantiles of a measure at every reading: columns step, q05, q25, median, q75, q95; empty where unknown."""
    steps, quantiles = look.digest.bands(name, look.scale)
    frame = pd.DataFrame(quantiles.astype(np.float64), columns=list(QUANTILES))
    frame.insert(0, "step", steps)
    return frame if not frame["median"].isna().all() else frame.iloc[:0]


def kept_places(quantiles: NDArray[np.float64]) -> list[int]:
    """Return the rows of (R, 5) quantiles worth drawing: those that hold the spikes of the median and of both ends."""
    rows = np.arange(len(quantiles))
    kept = {int(one) for column in (0, 2, 4) for one in thin(rows, quantiles[:, column], MOST_POINTS // 3 + 4)[0]}
    return sorted(kept)


def example_line(look: Look, name: str) -> tuple[Integers, Floats]:
    """Return a measure of the selected example: steps (S,) of the ends of bins with its values (S,), up to the newest reading."""
    return look.digest.bin_ends, look.digest.measure(name, look.scale)[:, look.example]


def draw_ribbons(look: Look) -> int | None:
    """Draw accuracy and agreement, and under them, on the same steps, every ribbon that is known."""
    frames = {name: frame for name in BANDS if not (frame := ribbon_frame(look, name)).empty}
    series = {who: look.tail.reader.series(name) for who, name in SHARES.items()}
    window = _draw_window(look)
    parts = {SHARES_PANEL: _shares_part(look, series), **{name: _ribbon_part(look, name, frame) for name, frame in frames.items()}}
    panels = tuple(Panel(name=name, title=BANDS[name][0], unit=BANDS[name][1], colour_of=BANDS[name][2]) for name in frames)
    with st.container(key="ribbons-box"):
        shown = show_figure(
            stack_chart, stack_table(parts), key="ribbons", era=look.era, zoom="zoom_ribbons", zoom_name="zoom_ribbons", window=window,
            panels=panels, looks=LOOKS, spoken=_spoken(series, frames),
        )  # fmt: skip
    st.caption(_marks_words(look) + ("" if "truth_gap" in frames else
               " This task knows neither its true posterior nor people's votes, so there is no divergence from the truth."))  # fmt: skip
    draw_words("ribbons", VIEWS["ribbons"], look, make_table=lambda: whole_frame(series, frames), figures={"Figure as SVG": shown})
    return None


def whole_frame(series: Mapping[str, tuple[Integers, NDArray[np.float64]]], frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return all panels as one table: columns measure, step, value (of a share), and the quantiles of a ribbon."""
    shares = [pd.DataFrame({"measure": SHARES[who], "step": steps, "value": values}) for who, (steps, values) in series.items()]
    ribbons = [frame.assign(measure=name) for name, frame in frames.items()]
    return pd.concat([*shares, *ribbons], ignore_index=True)[["measure", "step", "value", *QUANTILES]]


def _draw_window(look: Look) -> tuple[float, float]:
    key = f"ribbon-steps-{look.folder.id}-{look.n_steps}"
    if look.n_steps < 2:
        return (0.0, 1.0)
    first, last = st.slider("Steps shown", 0, look.n_steps, (0, look.n_steps), key=key, help="All panels have the same steps. "
                            "Dragging and scrolling in a panel moves all of them too; a double-click goes back.")  # fmt: skip
    # A little room before step 0, so that its marks are whole.
    return (first - 0.01 * look.n_steps if first == 0 else float(first), float(max(last, first + 1)))


def _shares_part(look: Look, series: Mapping[str, tuple[Integers, NDArray[np.float64]]]) -> pd.DataFrame:
    marks, exams = marks_of(look.timeline, look.n_steps)
    thinned = {who: thin(steps, values, MOST_POINTS) for who, (steps, values) in series.items()}
    return shares_table(thinned, cursor=look.cursor if look.pinned else None, marks=marks, exams=exams,
                        span=exam_span(look.timeline, look.n_steps), n_steps=look.n_steps)  # fmt: skip


def _ribbon_part(look: Look, name: str, frame: pd.DataFrame) -> pd.DataFrame:
    marks, _ = marks_of(look.timeline, look.n_steps)
    values = frame[list(QUANTILES)].to_numpy()
    kept = kept_places(values)
    steps, own = example_line(look, name)
    line = None if np.isnan(own).any() else thin(steps, own, MOST_POINTS // 2)
    return ribbon_table(frame["step"].to_numpy()[kept], values[kept], cursor=look.cursor if look.pinned else None, marks=marks,
                        exams=[], n_steps=look.n_steps, line=line, line_name=f"example {look.example}")  # fmt: skip


def _marks_words(look: Look) -> str:
    exams = exams_of(look.timeline, look.n_steps)
    if look.config is None:
        return "The settings of this run cannot be read, so its exams are not marked."
    if not exams or look.config.policy.name == "direct":
        none = "No exam in this run." if look.config.policy.name == "exam" else WITHOUT_EXAMS[look.config.policy.name]
        return f"A course step at every step, 0 to {look.n_steps - 1}. {none} Yellow: example {look.example}."
    return (f"A course step at every step, 0 to {look.n_steps - 1}; an exam step {exams.often()} from {exams.first} to {exams.last}, "
            f"marked at the foot of the first panel. Yellow: example {look.example}.")  # fmt: skip


def _spoken(series: Mapping[str, tuple[Integers, NDArray[np.float64]]], frames: Mapping[str, pd.DataFrame]) -> str:
    said = [f"{who} {values[-1]:.3f} at step {steps[-1]}" for who, (steps, values) in series.items() if len(steps)]
    parts = [f"Shares of the probe set: {'; '.join(said)}."]
    for name, frame in frames.items():
        first, last = frame.iloc[0], frame.iloc[-1]
        parts.append(f"{BANDS[name][0]}: median {first['median']:.4f} at step {first['step']:.0f}, {last['median']:.4f} at step "
                     f"{last['step']:.0f}; 5 % to 95 % there {last['q05']:.4f} to {last['q95']:.4f} nats.")  # fmt: skip
    return " ".join(parts)
