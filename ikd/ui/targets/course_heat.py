"""Training examples x steps: when soft targets were issued, and what the student's exams said of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from ikd.events import Integers
from ikd.plots.palettes import BLUE_ORANGE, BLUE_ORANGE_DARK, CIVIDIS
from ikd.trace.measures import course_cells
from ikd.ui.heat_map import Picked, heat_map
from ikd.ui.targets.heat import raster
from ikd.ui.targets.look import Look
from ikd.ui.timeline import marks_of
from ikd.ui.wording import visible

SMALLEST_REACH = 1e-12
NAME_LENGTH = 24
PICKED_KEY = "course-picked"
MEASURES = {"influence": "influence, sum in a bin", "asked": "asked |f|, mean in a bin"}


def draw_course_heat(look: Look, shown: pd.DataFrame) -> Picked:
    """Draw the rows of the log as a heat map over the steps up to the cursor; return the training example and step picked."""
    measure = st.selectbox("Colour is", list(MEASURES), format_func=MEASURES.__getitem__, key="course-heat-measure", width=240)
    ids = shown["example"].to_numpy(dtype=np.int64)
    ends = shown_ends(look)
    values = course_cells(sizes_until(look), ids, ends, measure)
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
        raster(values, low, reach), key="course-heat", rows=ids, row_words=words, columns=ends,
        palette=diverging if signed else CIVIDIS, low=f"{low:.2g}{' helps' if signed else ''}",
        high=f"{reach:.2g}{' harms' if signed else ''}", span=(low, reach), what=MEASURES[measure],
        selected=selected if selected in set(ids.tolist()) else None, step=None,
        shown="Course log", spoken=spoken, run=look.folder.id, moves=False,
        marks=marks_of(look.timeline, look.n_steps)[0],
    )  # fmt: skip


def shown_ends(look: Look) -> Integers:
    """Return the columns: ends of the bins up to the cursor, and the cursor itself where it stands within a bin."""
    ends = look.digest.bin_ends
    return np.unique([*ends[ends <= look.cursor].tolist(), look.cursor])


def sizes_until(look: Look) -> pd.DataFrame:
    """Return what was asked of every soft target issued up to the cursor."""
    sizes = look.tail.sizes()
    return sizes[sizes["step"] <= look.cursor]


def cells_frame(look: Look, ids: Integers) -> pd.DataFrame:
    """Return the picture as a table: one row a cell with an exam; columns example, until_step (of the bin), influence, asked."""
    ends = shown_ends(look)
    found = {name: course_cells(sizes_until(look), ids, ends, name) for name in MEASURES}
    rows, columns = np.nonzero(~np.isnan(found["influence"]))
    return pd.DataFrame({"example": ids[rows], "until_step": ends[columns], **{name: one[rows, columns] for name, one in found.items()}})
