"""The data map of teacher and student: which examples are easy, ambiguous or hard, and whether that moves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from ikd.plots.data_map import data_map_chart, data_map_table
from ikd.trace.binning import Bin
from ikd.trace.measures import moments
from ikd.ui import state
from ikd.ui.figures import Shown, show_figure
from ikd.ui.targets.look import Look
from ikd.ui.targets.panel import draw_words
from ikd.ui.targets.words import VIEWS
from ikd.ui.wording import snippet

ROLES = ("teacher", "student")
MOST_ARROWS = 25
REACHES = (0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)


def map_frame(look: Look, role: str) -> pd.DataFrame:
    """Return one row a probe example: confidence, variability and correctness over all readings up to the cursor.

    Columns: example, confidence, variability, correctness, and the same with the endings _early and _late, over the first half
    of the readings (to the end of the bin that holds it) and over the others. Of one reading alone, all three are the same.
    """
    now = look.now
    half = look.digest.half(now)
    spans = {"": (None, now), "_early": (None, half), "_late": (None if half is now else half, now)}
    frame = pd.DataFrame({"example": np.arange(len(look.labels))})
    for ending, (start, end) in spans.items():
        n = end.readings - (start.readings if start else 0)
        total, squares, right = _sums(end, role, look.scale) - (_sums(start, role, look.scale) if start else 0)
        frame[f"confidence{ending}"], frame[f"variability{ending}"] = moments(total, squares, n)
        frame[f"correctness{ending}"] = right / n
    return frame


def draw_maps(look: Look) -> int | None:
    """Draw both maps beside each other and return the example picked in one of them since the last run."""
    frames = {role: map_frame(look, role) for role in ROLES}
    widest = max(float(np.nanmax(frame[["variability_early", "variability_late"]].to_numpy())) for frame in frames.values())
    reach = next(one for one in REACHES if one >= min(widest, REACHES[-1]))
    picks, figures = [], {}
    for role, column in zip(ROLES, st.columns(2, gap="medium"), strict=True):
        with column:
            st.markdown(f"**{role.capitalize()}**")
            shown = _draw_map(look, role, frames[role], reach)
        figures[f"{role.capitalize()} as SVG"] = shown
        picks.append(state.fresh_pick(f"map-{role}", shown.picked))
    st.caption(f"Points: the readings after step {look.digest.half(look.now).last_step}, up to step {look.now.last_step}. Arrows lead "
               f"to them from the readings before, for the {MOST_ARROWS} examples that moved farthest and the selected one.")  # fmt: skip
    whole = pd.concat([frame.assign(role=role) for role, frame in frames.items()], ignore_index=True)
    draw_words("map", VIEWS["map"], look, make_table=lambda: whole, figures=figures)
    return next((one for one in picks if one is not None), None)


def _draw_map(look: Look, role: str, frame: pd.DataFrame, reach: float) -> Shown:
    moved = np.hypot(frame["confidence_late"] - frame["confidence_early"], frame["variability_late"] - frame["variability_early"])
    farthest = np.argsort(-np.asarray(moved), kind="stable")[:MOST_ARROWS].tolist()
    texts = [snippet(one, longest=60) for one in look.probe["text"].tolist()]
    table = data_map_table(
        frame[["variability_early", "confidence_early"]].to_numpy(), frame[["variability_late", "confidence_late"]].to_numpy(),
        frame["correctness_late"], frame["example"], selected=look.example, arrows=sorted({*farthest, look.example}), words=texts,
    )  # fmt: skip
    spoken = (f"Data map of the {role}: mean confidence {frame['confidence_early'].mean():.3f} early, "
              f"{frame['confidence_late'].mean():.3f} late; mean variability {frame['variability_late'].mean():.3f} late; example "
              f"{look.example} has confidence {frame['confidence_late'].iloc[look.example]:.3f}.")  # fmt: skip
    return show_figure(data_map_chart, table, key=state.pick_key(f"map-{role}", look.example), spoken=spoken, era=look.era,
                       picked="picked", title=f"confidence of the {role}", reach=reach)  # fmt: skip


def _sums(one: Bin, role: str, scale: str) -> NDArray[np.float64]:
    """Return the sums (3, P) since step 0 of p(label), of its square, and of the readings at which the role was right."""
    return np.stack([one.total(f"{role}_label", scale), one.total(f"{role}_label_squared", scale), one.count(f"{role}_right")])
