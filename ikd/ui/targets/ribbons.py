"""Ribbons over the steps: how sure the teacher is, how far it has moved, and how far the student is from it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from ikd.plots.curves import score_chart, score_table
from ikd.plots.ribbons import ribbon_chart, ribbon_table
from ikd.plots.theme import ROLES, TRUTH
from ikd.trace.thin import thin
from ikd.ui.figures import Shown, show_figure
from ikd.ui.run_curves import marks_of
from ikd.ui.targets.look import Look
from ikd.ui.targets.panel import draw_words
from ikd.ui.targets.words import VIEWS

MOST_POINTS = 240
QUANTILES = ("q05", "q25", "median", "q75", "q95")
BANDS = {
    "entropy": ("Entropy of the soft targets", "entropy (nats)", "teacher"),
    "drift": ("Divergence from the frozen teacher", "drift (nats)", "teacher"),
    "gap": ("Divergence of the student from the teacher", "KL (nats)", "student"),
    "truth_gap": ("Divergence of the teacher from the truth", "KL (nats)", "exam loss"),
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


def draw_ribbons(look: Look) -> int | None:
    """Draw accuracy and agreement, and below it every ribbon that is known."""
    marks, exams = marks_of(look.config, look.n_steps)
    frames = {name: ribbon_frame(look, name) for name in BANDS}
    shown: dict[str, Shown] = {}
    cursor = look.cursor if look.pinned else None
    window = (-0.01 * look.n_steps, float(look.n_steps))
    places = [*st.columns(2, gap="medium"), *st.columns(2, gap="medium"), st.container()]
    series = {who: thin(*look.tail.reader.series(name), MOST_POINTS) for who, name in SHARES.items()}
    with places[0]:
        st.markdown("**Accuracy and agreement**")
        pinned = {"pinned": cursor} if cursor is not None else {}
        table = score_table(series, n_steps=look.n_steps, marks={**marks, **pinned}, exams=exams)
        said = "; ".join(f"{who} {values[-1]:.3f} at step {steps[-1]}" for who, (steps, values) in series.items() if len(steps))
        shown["Shares as SVG"] = show_figure(score_chart, table, key="ribbon-shares", spoken=f"Shares of the probe set: {said}.",
                                             era=look.era, zoom="zoom_shares", window=window, title="share", zoom_name="zoom_shares",
                                             looks=LOOKS)  # fmt: skip
    for place, (name, (title, axis, colour)) in zip(places[1:], BANDS.items(), strict=True):
        frame = frames[name]
        if frame.empty:
            continue
        values = frame[list(QUANTILES)].to_numpy()
        kept = kept_places(values)
        table = ribbon_table(frame["step"].to_numpy()[kept], values[kept], cursor=cursor, marks=marks, exams=exams,
                             n_steps=look.n_steps)  # fmt: skip
        with place:
            st.markdown(f"**{title}**")
            shown[f"{title} as SVG"] = show_figure(
                ribbon_chart, table, key=f"ribbon-{name}", era=look.era, zoom=f"zoom_{name}", window=window, title=axis, colour_of=colour,
                zoom_name=f"zoom_{name}", spoken=_spoken(title, frame),
            )  # fmt: skip
    if frames["truth_gap"].empty:
        st.caption("This task does not know its true posterior, so there is no divergence from the truth.")
    whole = pd.concat([frame.assign(measure=name) for name, frame in frames.items()], ignore_index=True)
    draw_words("ribbons", VIEWS["ribbons"], look, make_table=lambda: whole, figures=shown)
    return None


def _spoken(title: str, frame: pd.DataFrame) -> str:
    first, last = frame.iloc[0], frame.iloc[-1]
    return (f"{title}: median {first['median']:.4f} at step {first['step']:.0f}, {last['median']:.4f} at step {last['step']:.0f}; "
            f"5 % to 95 % there {last['q05']:.4f} to {last['q95']:.4f} nats.")  # fmt: skip
