"""Training examples x steps: when soft targets were issued, and what the student's exams said of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from ikd.events import Integers
from ikd.plots.palettes import BLUE_ORANGE, BLUE_ORANGE_DARK, CIVIDIS
from ikd.ui.heat_map import Picked, heat_map
from ikd.ui.targets.heat import raster
from ikd.ui.targets.look import Look
from ikd.ui.wording import visible

SMALLEST_REACH = 1e-12
NAME_LENGTH = 24
PICKED_KEY = "course-picked"
MEASURES = {"influence": "influence, sum in a bin", "asked": "asked |f|, mean in a bin"}


def draw_course_heat(look: Look, shown: pd.DataFrame) -> Picked:
    """Draw the rows of the log as a heat map over the steps and return what was picked: a training example and a step."""
    measure = st.selectbox("Colour is", list(MEASURES), format_func=MEASURES.__getitem__, key="course-heat-measure", width=240)
    ids = shown["example"].to_numpy(dtype=np.int64)
    values = issued_raster(look.tail.sizes(), ids, look.digest.bin_ends, measure)
    reach = max(float(np.nanmax(np.abs(values), initial=0.0)), SMALLEST_REACH)
    signed = measure == "influence"
    low = -reach if signed else 0.0
    words = [f"{one} · {visible(str(label), longest=NAME_LENGTH)}" for one, label in zip(ids.tolist(), shown["label"], strict=True)]
    known = int(np.isfinite(values).sum())
    spoken = (f"Heat map of {len(ids)} training examples by {values.shape[1]} bins of steps, {MEASURES[measure]}: {known} cells with an "
              f"exam, from {np.nanmin(values):.2e} to {np.nanmax(values):.2e}." if known else
              f"Heat map of {len(ids)} training examples: no exam yet, so every cell is empty.")  # fmt: skip
    selected = st.session_state.get(PICKED_KEY)
    diverging = BLUE_ORANGE_DARK if st.context.theme.type == "dark" else BLUE_ORANGE
    return heat_map(
        raster(values, low, reach), key="course-heat", rows=ids, row_words=words, columns=look.digest.bin_ends,
        palette=diverging if signed else CIVIDIS, low=f"{low:.2g}{' helps' if signed else ''}",
        high=f"{reach:.2g}{' harms' if signed else ''}", span=(low, reach), what=MEASURES[measure],
        selected=selected if selected in set(ids.tolist()) else None, step=look.cursor if look.pinned else None,
        shown=f"Course log of {visible(look.folder.id)}", spoken=spoken,
    )  # fmt: skip


def issued_raster(sizes: pd.DataFrame, ids: Integers, bin_ends: Integers, measure: str) -> NDArray[np.float64]:
    """Return what was asked of training examples (R,) in each bin of steps (S,), as (R, S).

    Args:
        sizes: of `TraceReader.course_sizes`.
        ids: of the rows.
        bin_ends: last step of each bin; what was issued after the last of them counts for it.
        measure: "influence", summed in a bin, or "asked", the mean of a bin; NaN where there was no exam.
    """
    known = sizes[sizes["example"].isin(ids) & sizes[measure].notna()]
    order = np.argsort(ids, kind="stable")
    rows = order[np.searchsorted(ids[order], known["example"].to_numpy())]
    columns = np.minimum(np.searchsorted(bin_ends, known["step"].to_numpy(), side="left"), len(bin_ends) - 1)
    total, count = np.zeros((2, len(ids), len(bin_ends)))
    np.add.at(total, (rows, columns), known[measure].to_numpy(dtype=np.float64))
    np.add.at(count, (rows, columns), 1)
    if measure == "asked":
        total = total / np.maximum(count, 1)
    return np.where(count > 0, total, np.nan)

