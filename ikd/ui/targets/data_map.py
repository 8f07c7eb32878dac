"""The data map of teacher and student: which examples are easy, ambiguous or hard, and whether that moves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from ikd.plots.data_map import data_map_chart, data_map_table
from ikd.trace.measures import moments
from ikd.ui.figures import show_figure
from ikd.ui.targets.look import Look
from ikd.ui.targets.panel import draw_words
from ikd.ui.targets.words import VIEWS

ROLES = ("teacher", "student")
MOST_ARROWS = 40


def map_frame(look: Look, role: str) -> pd.DataFrame:
    """Return one row a probe example: confidence and variability of the early and the late half of the readings so far.

    Columns: example, confidence, variability, correctness (of all readings up to the bin of the cursor), and the same with
    the endings _early and _late. While there is one bin alone, early and late are the same.
    """
    last = look.bin
    halfway = int(np.searchsorted([look.digest.readings_until(one) for one in range(last + 1)],
                                  look.digest.readings_until(last) / 2)) if last else -1  # fmt: skip
    spans = {"": (-1, last), "_early": (-1, halfway if last else last), "_late": (halfway, last)}
    frame = pd.DataFrame({"example": np.arange(len(look.labels))})
    for ending, (start, end) in spans.items():
        if end <= start:
            start = end - 1
        frame[f"confidence{ending}"], frame[f"variability{ending}"] = _span(look, role, start, end)
        n = look.digest.readings_until(end) - look.digest.readings_until(start)
        right = look.digest.count(f"{role}_right", end) - look.digest.count(f"{role}_right", start)
        frame[f"correctness{ending}"] = right / max(n, 1)
    return frame


def draw_maps(look: Look) -> int | None:
    """Draw both maps beside each other and return the example picked in one of them."""
    frames = {role: map_frame(look, role) for role in ROLES}
    picked, figures = None, {}
    widest = max(float(np.nanmax(frame[["variability_early", "variability_late"]].to_numpy())) for frame in frames.values())
    reach = next(one for one in (0.05, 0.1, 0.2, 0.3, 0.5) if one >= min(widest, 0.5))
    for role, column in zip(ROLES, st.columns(2, gap="medium"), strict=True):
        frame = frames[role]
        moved = np.hypot(frame["confidence_late"] - frame["confidence_early"], frame["variability_late"] - frame["variability_early"])
        farthest = np.argsort(-np.asarray(moved), kind="stable")[:MOST_ARROWS].tolist()
        table = data_map_table(
            frame[["variability_early", "confidence_early"]].to_numpy(), frame[["variability_late", "confidence_late"]].to_numpy(),
            frame["correctness_late"], frame["example"], selected=look.example, arrows=sorted({*farthest, look.example}),
        )  # fmt: skip
        sure = float(frame["confidence_late"].mean())
        spoken = (f"Data map of the {role}: mean confidence {frame['confidence_early'].mean():.3f} early, {sure:.3f} late; mean "
                  f"variability {frame['variability_late'].mean():.3f} late; example {look.example} has confidence "
                  f"{frame['confidence_late'].iloc[look.example]:.3f}.")  # fmt: skip
        with column:
            st.markdown(f"**{role.capitalize()}**")
            shown = show_figure(data_map_chart, table, key=f"map-{role}", spoken=spoken, era=look.era, picked="picked",
                                title=f"confidence of the {role}", reach=reach)  # fmt: skip
        figures[f"{role.capitalize()} as SVG"] = shown
        picked = shown.picked if picked is None else picked
    whole = pd.concat([frame.assign(role=role) for role, frame in frames.items()], ignore_index=True)
    draw_words("map", VIEWS["map"], look, make_table=lambda: whole, figures=figures)
    return picked


def _span(look: Look, role: str, start: int, end: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    total, squares = (look.digest.total(name, look.scale, end) - look.digest.total(name, look.scale, start)
                      for name in (f"{role}_label", f"{role}_label_squared"))  # fmt: skip
    return moments(total, squares, look.digest.readings_until(end) - look.digest.readings_until(start))
