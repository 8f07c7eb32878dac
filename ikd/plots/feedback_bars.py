"""What the student's exam said about one example: the feedback on its soft target, class by class, and its influence."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ikd.plots.belief import short_name, slot_colour
from ikd.plots.curves import Window
from ikd.plots.ribbons import frame_layers, only, step_hover, steps_base, zoom
from ikd.plots.theme import FROZEN, MARK, PADDING, STUDENT, TRUTH

COLUMNS = ["kind", "step", "since", "until", "value", "low", "high", "row", "slot", "name", "lane"]
ROW_PIXELS = 48
AXIS_PIXELS = 48
"""Height of the steps below the rows, which a page counts as part of the figure."""

INFLUENCE_HEIGHT_PIXELS = 180
SHARE_OF_ROW = 0.42
"""The largest bar reaches so far from the middle of its row; the rest parts it from its neighbours."""

HEADROOM = 0.4
"""Room above the first row, in rows, for the words of the marks."""

SHARE_OF_GAP = 0.8
HELPS, HARMS = "helps the exam", "harms the exam"
SMALLEST_LIMIT = 1e-12

Doubles = NDArray[np.float64]


def feedback_table(
    steps: ArrayLike,
    feedback: ArrayLike | None,
    influence: ArrayLike | None,
    *,
    names: Sequence[str],
    slots: Sequence[int],
    limit: float | None = None,
    frame: Sequence[pd.DataFrame] = (),
) -> pd.DataFrame:
    """Return the one table of both charts, of the feedback and of the influence.

    Args:
        steps: (R,) of the readings.
        feedback: (R, K) the pull on each class, a row of NaN where there was no exam; or None.
        influence: (R,) the example's influence on the exam loss, negative where it helps; or None.
        names: of the K rows.
        slots: their colour slots.
        limit: value of a bar that fills its row, the same for all rows; None takes the largest.
        frame: what stands around the bars, of `ikd.plots.ribbons.frame_rows`.
    """
    places = np.asarray(steps, dtype=np.float64)
    pulls = np.full((len(places), len(names)), np.nan) if feedback is None else np.asarray(feedback, dtype=np.float64)
    effect = np.full(len(places), np.nan) if influence is None else np.asarray(influence, dtype=np.float64)
    largest = max(float(np.nanmax(np.abs(pulls), initial=0.0)) if limit is None else limit, SMALLEST_LIMIT)
    half = _half_width(places[~np.isnan(effect) | ~np.isnan(pulls).all(axis=1)])
    return pd.concat([
        _row_heads(names, slots, largest if np.isfinite(pulls).any() else np.nan),
        *(_pull_bars(places, pulls[:, k], half, largest, row=k).assign(name=name, slot=str(slot))
          for k, (name, slot) in enumerate(zip(names, slots, strict=True))),
        _influence_bars(places, effect, half),
        *(part.assign(slot="") for part in frame if len(part)),
    ], ignore_index=True)[COLUMNS]  # fmt: skip


def feedback_chart(table: pd.DataFrame, *, n_rows: int, window: Window, zoom_name: str) -> alt.LayerChart:
    """Return the feedback as bars: a row a class, up for more of it, down for less, all rows on one scale.

    Args:
        table: of `feedback_table`.
        n_rows: number K of classes.
        window: first and last step shown, or None for those of the table.
        zoom_name: name of the zoom along the steps.
    """
    base = steps_base(table, window)
    scale = alt.Scale(domain=[0.5 - n_rows, 0.5 + HEADROOM], nice=False)
    y, low = (alt.Y(f"{field}:Q", title=None, scale=scale, axis=None) for field in ("row", "low"))
    hover = [alt.Tooltip("name:N", title="Class"), step_hover(), alt.Tooltip("value:Q", title="Feedback", format="+.4~g")]
    bar = steps_base(table, window, "since").mark_bar(clip=True).encode(
        x2="until:Q", y=low, y2="high:Q", color=slot_colour(), tooltip=hover
    )
    rows = alt.Chart(table).encode(y=y)
    middle = rows.mark_rule(color=MARK, strokeWidth=1, opacity=0.7)
    name = rows.mark_text(clip=False, align="right", dx=-8, fontSize=11.5, color=FROZEN).encode(x=alt.value(0), text="name:N")
    end = rows.mark_text(clip=False, align="left", dx=6, fontSize=10, color=FROZEN).encode(x=alt.value("width"), text="name:N")
    layers = [only(middle, "row"), only(bar, "bar").add_params(zoom(zoom_name)), only(name, "row"), only(end, "scale")]
    figure = alt.LayerChart(layer=[*layers, *frame_layers(base)])
    return figure.properties(height=round((n_rows + HEADROOM) * ROW_PIXELS) + AXIS_PIXELS, padding=PADDING)


def influence_chart(
    table: pd.DataFrame, *, window: Window, zoom_name: str, title: str = "influence on the exam"
) -> alt.LayerChart:
    """Return the influence as bars: down, in the colour of the truth, where the example helps the exam; up where it harms.

    Args:
        table: of `feedback_table`.
        window: first and last step shown, or None for those of the table.
        zoom_name: name of the zoom along the steps.
        title: of the vertical axis.
    """
    base = steps_base(table, window)
    y = alt.Y("value:Q", title=title, axis=alt.Axis(tickCount=4, format="~g"))
    colour = alt.Color("name:N", scale=alt.Scale(domain=[HELPS, HARMS], range=[TRUTH, STUDENT]), legend=None)
    hover = [step_hover(), alt.Tooltip("value:Q", title="Influence", format="+.4~g"), alt.Tooltip("name:N", title="This example")]
    bar = steps_base(table, window, "since").mark_bar(clip=True).encode(x2="until:Q", y=y, y2="low:Q", color=colour, tooltip=hover)
    zero = alt.Chart(table).mark_rule(color=MARK, strokeWidth=1).encode(y="value:Q")
    said = alt.Chart(table).mark_text(align="right", dx=-4, dy=alt.expr("datum.kind == 'above' ? 8 : -8"), fontSize=11, color=MARK,
                                      fontStyle="italic")  # fmt: skip
    upper = said.encode(x=alt.value("width"), y=alt.value(0), text="name:N")
    lower = said.encode(x=alt.value("width"), y=alt.value({"expr": "height - 8"}), text="name:N")
    layers = [only(zero, "zero"), only(bar, "influence").add_params(zoom(zoom_name)), only(upper, "above"), only(lower, "below")]
    return alt.LayerChart(layer=[*layers, *frame_layers(base, words=False)]).properties(height=INFLUENCE_HEIGHT_PIXELS, padding=PADDING)


def _row_heads(names: Sequence[str], slots: Sequence[int], largest: float) -> pd.DataFrame:
    """Return the rows' middle lines, the ends of their one scale beside the first of them, and the ground of the influence."""
    heads = pd.DataFrame({"kind": "row", "name": [short_name(one) for one in names], "slot": [str(one) for one in slots],
                          "row": -np.arange(len(names), dtype=np.float64)})  # fmt: skip
    ends = [] if np.isnan(largest) else [(f"{sign}{largest:.2g}", side * SHARE_OF_ROW) for sign, side in (("+", 1), ("−", -1))]
    scale = pd.DataFrame(ends, columns=["name", "row"]).assign(kind="scale", slot="")
    ground = pd.DataFrame({"kind": ["zero", "above", "below"], "name": ["", f"▲ {HARMS}", f"▼ {HELPS}"], "value": [0.0, 0.0, 0.0]})
    parts = [heads, *([scale] if len(scale) else []), ground.assign(slot="")]
    return pd.concat([part.reindex(columns=COLUMNS) for part in parts], ignore_index=True)


def _pull_bars(steps: Doubles, values: Doubles, half: float, largest: float, *, row: int) -> pd.DataFrame:
    bars = _bars("bar", steps, values, half)
    return bars.assign(row=-float(row), low=-float(row), high=bars["value"] / largest * SHARE_OF_ROW - row)


def _influence_bars(steps: Doubles, values: Doubles, half: float) -> pd.DataFrame:
    bars = _bars("influence", steps, values, half)
    return bars.assign(low=0.0, name=np.where(bars["value"] < 0, HELPS, HARMS), slot="")


def _bars(kind: str, steps: Doubles, values: Doubles, half: float) -> pd.DataFrame:
    """Return bars around their steps, none where there is no value."""
    there = np.isfinite(values)
    places = steps[there]
    bars = {"kind": kind, "step": places, "since": places - half, "until": places + half, "value": values[there]}
    return pd.DataFrame(bars).reindex(columns=COLUMNS)


def _half_width(steps: Doubles) -> float:
    """Return half the width of a bar in steps: they never touch."""
    gaps = np.diff(np.unique(steps))
    return float(gaps.min() if len(gaps) else 1.0) * SHARE_OF_GAP / 2
