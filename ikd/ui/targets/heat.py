"""Examples x steps: every probe example a row, every bin of steps a column."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import ArrayLike, NDArray

from ikd.events import Floats, Integers
from ikd.trace.digest import Digest
from ikd.trace.measures import feedback_size
from ikd.ui import state
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
ORDERS = {
    "drift": "drift", "flip": "first flip", "label": "label", "influence": "influence, helpful first", "feedback": "strongest feedback",
    "number": "number",
}  # fmt: skip


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


def sorting_step(look: Look) -> int:
    """Return the reading by which the rows are sorted: it stands until a person asks for a newer one, so that no row jumps."""
    kept: dict[str, int] = st.session_state.setdefault(state.SORTED_AT, {})
    at = kept.setdefault(look.folder.id, look.newest)
    if at == look.newest:
        return at
    words = f"The rows are sorted as at step {at}: they stay while data arrive."
    if not look.live or st.button(f"Sort again at step {look.newest}", icon=":material/refresh:", key="heat-sort", help=words):
        at = kept[look.folder.id] = look.newest
    return at


def row_order(look: Look, order: str, step: int) -> Integers:
    """Return the ids of the rows as things stood at a step, at most `MOST_ROWS`, first row first; ties keep their numbers' order."""
    n_probe, then = len(look.labels), look.digest.state(step)
    by: dict[str, Callable[[], NDArray[np.float64]]] = {
        "drift": lambda: -then.measure("drift", look.scale).astype(np.float64),
        "flip": lambda: _late_where_never(then.count("first_flip")),
        "label": lambda: look.labels.astype(np.float64),
        "influence": lambda: _known(look.influence(step), n_probe),
        "feedback": lambda: -feedback_size(_known(look.asked(step), n_probe).reshape(n_probe, -1)),
        "number": lambda: np.arange(n_probe, dtype=np.float64),
    }
    return np.argsort(by[order](), kind="stable")[:MOST_ROWS].astype(np.int64)


def heat_frame(look: Look, measure: str) -> pd.DataFrame:
    """Return the heat map as a table: one row an example, one column a bin, named by the step of its last reading."""
    values = look.digest.measure(measure, look.scale).T
    table = pd.DataFrame(values, columns=[f"step {step}" for step in look.digest.bin_ends.tolist()])
    table.insert(0, "example", np.arange(len(values)))
    table.insert(1, "label", [look.names[one] if 0 <= one < len(look.names) else str(one) for one in look.labels.tolist()])
    return table


def order_words(look: Look, order: str, step: int) -> str:
    """Return of which step an order is, in words; nothing for an order that knows no step."""
    if order in ("label", "number"):
        return ""
    if order in ("drift", "flip"):
        return f"Rows sorted by {ORDERS[order]} as at step {step}."
    found = look.influence(step) if order == "influence" else look.asked(step)
    if found is None:
        return f"No {order} of probe examples is recorded up to step {step}: the rows stand by number."
    return f"Rows sorted by the {order} of step {found[0]}, the last reading with an exam."


def _known(found: tuple[int, Floats] | None, n_probe: int) -> NDArray[np.float64]:
    return np.zeros(n_probe) if found is None else found[1].astype(np.float64)


def _late_where_never(first: Integers) -> NDArray[np.float64]:
    return np.where(first < 0, np.inf, first.astype(np.float64))
