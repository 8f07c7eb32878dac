"""The heat map: examples x steps as one raster, with a step cursor and a selected row that a person moves in the browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import ArrayLike, NDArray

from ikd.ui.canvas import Parcel, Picked, as_text, asked_number, carry, component, parcel
from ikd.ui.wording import snippet

__all__ = ["NOTHING", "Picked", "heat_map", "raster_parcel"]

NOTHING = 255
"""Level of a cell without a value; the others are 0 to 254."""

MOST_ROWS, MOST_COLUMNS = 500, 400
LONGEST_WORDS = 60


def heat_map(
    values: NDArray[np.uint8], *, key: str, rows: ArrayLike, row_words: Sequence[str], columns: ArrayLike,
    palette: Sequence[str], low: str, high: str, span: tuple[float, float], what: str, selected: int | None,
    step: int | None, shown: str, spoken: str, run: str = "", moves: bool = True, marks: Mapping[str, int] | None = None,
) -> Picked:  # fmt: skip
    """Show the heat map, and return the cell a person picked on it since the last run.

    Args:
        values: (R, S) levels 0 to 254, `NOTHING` for no value.
        key: stable name on the page.
        rows: (R,) ids of the examples, first row first.
        row_words: short names of the rows, for example number and label.
        columns: (S,) steps, growing.
        palette: at least two colours #RRGGBB, low first; the levels lie evenly between them.
        low, high: words of the ends of the colour scale.
        span: values of the levels 0 and 254.
        what: what the colour is, for example "drift".
        selected: id of the selected example.
        step: the pinned step; None follows the last column.
        shown: what is shown, for the saved picture.
        spoken: description with numbers, for screen readers.
        run: id of the run, for the name of the saved picture and the words beneath it.
        moves: whether it has the line of a step: one that a person sets with a click, and that the player of the same run moves
            while it plays.
        marks: words of what happened at single steps, drawn at their columns and said at their cells.

    Raises:
        ValueError: shapes do not fit together, or there are too many rows or columns.
    """
    raster = raster_parcel(values, rows=rows, row_words=row_words, columns=columns)
    small = {
        "raster": raster.digest, "palette": list(palette), "low": low, "high": high, "span": [float(one) for one in span],
        "what": what, "selected": None if selected is None else int(selected), "step": None if step is None else int(step),
        "shown": shown, "spoken": spoken, "run": run, "moves": moves,
        "marks": [[snippet(name, longest=LONGEST_WORDS), int(at)] for name, at in (marks or {}).items()],
    }  # fmt: skip
    return _mounted(raster, small, key)


def _mounted(raster: Parcel, small: dict[str, Any], key: str) -> Picked:
    mount = component("ikd-heat-map", "heat_map.html", ("canvas.js", "heat_draw.js", "heat_map.js"), "canvas.css")
    with st.container(gap=None, key=f"{key}-canvas"):
        found = mount(key=key, on_cell_change=_nothing, data=small)
        carry([raster], key=key)
    cell = found.get("cell")
    asked = cell if isinstance(cell, dict) else {}
    return Picked(example=asked_number(asked.get("example"), raster.content["ids"]),
                  step=asked_number(asked.get("step"), raster.content["steps"]))  # fmt: skip


def raster_parcel(values: NDArray[np.uint8], *, rows: ArrayLike, row_words: Sequence[str], columns: ArrayLike) -> Parcel:
    """Return the data of a heat map (see `heat_map`), as they travel.

    Raises:
        ValueError: shapes do not fit together, or there are too many rows or columns.
    """
    levels, ids, steps = np.asarray(values), np.asarray(rows), np.asarray(columns)
    if levels.ndim != 2 or levels.dtype != np.uint8:
        raise ValueError(f"values must be a uint8 array (rows, columns); got {levels.dtype} {levels.shape}.")
    if not (0 < levels.shape[0] <= MOST_ROWS and 0 < levels.shape[1] <= MOST_COLUMNS):
        raise ValueError(f"values must be at least 1 x 1 and at most {MOST_ROWS} x {MOST_COLUMNS}; got {levels.shape}.")
    if ids.shape != levels.shape[:1] or len(row_words) != len(ids) or len(np.unique(ids)) != len(ids):
        raise ValueError(f"rows and row_words must be {levels.shape[0]} different ids and their names; "
                         f"got {ids.shape} and {len(row_words)}.")  # fmt: skip
    if steps.shape != levels.shape[1:] or (np.diff(steps) <= 0).any():
        raise ValueError(f"columns must be {levels.shape[1]} growing steps; got shape {steps.shape}.")
    return parcel(kind="raster", values=as_text(levels), columns=len(steps), steps=steps.tolist(), ids=ids.tolist(),
                  words=[snippet(one, longest=LONGEST_WORDS) for one in row_words])  # fmt: skip


def _nothing() -> None:
    """Stand for a reaction: only a trigger that has one is in the result."""
