"""Examples x steps: every probe example a row, every bin of steps a column."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import ArrayLike, NDArray

from ikd.events import Integers
from ikd.trace.digest import Digest
from ikd.trace.measures import feedback_size
from ikd.ui.targets.look import Look

MOST_ROWS = 500
NOTHING = 255
LEVELS = 254
MEASURES = {
    "teacher_label": "teacher's p(label)",
    "student_label": "student's p(label)",
    "drift": "drift, last reading of a bin",
    "drift_most": "drift, largest in a bin",
    "entropy": "teacher's entropy",
    "gap": "KL(teacher ‖ student)",
}
ORDERS = {"drift": "drift", "flip": "first flip", "label": "label", "feedback": "strongest feedback", "number": "number"}


def draw_choice() -> tuple[str, str]:
    """Draw the choice of measure and order, and return both."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="heat-choice"):
        measure = st.selectbox("Colour is", list(MEASURES), format_func=MEASURES.__getitem__, key="heat-measure", width=250)
        order = st.selectbox("Rows sorted by", list(ORDERS), format_func=ORDERS.__getitem__, key="heat-order", width=190)
    return measure, order


def limits(digest: Digest, measure: str, scale: str, n_classes: int) -> tuple[float, float]:
    """Return the ends of the colour scale: fixed for the whole run, so that no frame has a scale of its own."""
    if measure.endswith("_label"):
        return 0.0, 1.0
    if measure == "entropy":
        return 0.0, float(np.log(n_classes))
    highest = float(np.nanmax(digest.measure("drift_most" if measure == "drift" else measure, scale)))
    return 0.0, max(highest, 1e-6)


def raster(values: ArrayLike, low: float, high: float) -> NDArray[np.uint8]:
    """Return values (rows, columns) as levels 0 to 254 between two limits; 255 where there is no number."""
    share = np.clip((np.asarray(values, dtype=np.float64) - low) / (high - low), 0, 1)
    return np.where(np.isnan(share), NOTHING, np.round(np.nan_to_num(share) * LEVELS)).astype(np.uint8)


def row_order(look: Look, order: str) -> Integers:
    """Return the ids of the rows, at most `MOST_ROWS`, first row first; ties keep their numbers' order."""
    n_probe = len(look.labels)
    by: dict[str, Callable[[], NDArray[np.float64]]] = {
        "drift": lambda: -look.digest.measure("drift", look.scale)[look.bin].astype(np.float64),
        "flip": lambda: _late_where_never(look.digest.count("first_flip", look.bin)),
        "label": lambda: look.labels.astype(np.float64),
        "feedback": lambda: -_feedback(look),
        "number": lambda: np.arange(n_probe, dtype=np.float64),
    }
    return np.argsort(by[order](), kind="stable")[:MOST_ROWS].astype(np.int64)


def heat_frame(look: Look, measure: str) -> pd.DataFrame:
    """Return the heat map as a table: one row an example, one column a bin, named by the step of its last reading."""
    values = look.digest.measure(measure, look.scale).T
    table = pd.DataFrame(values, columns=[f"step {step}" for step in look.digest.bin_ends.tolist()])
    table.insert(0, "example", np.arange(len(values)))
    return table


def _feedback(look: Look) -> NDArray[np.float64]:
    feedback = look.reading("feedback")
    return np.zeros(len(look.labels)) if feedback is None else feedback_size(feedback)


def _late_where_never(first: Integers) -> NDArray[np.float64]:
    return np.where(first < 0, np.inf, first.astype(np.float64))
