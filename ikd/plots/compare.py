"""Several runs in one figure: curves over a common axis, and final scores against what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ikd.plots.theme import CHART_HEIGHT_PIXELS, CLASS_COLOURS, DASHES, MARK, PADDING

SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "stroke")
MOST_RUNS = 6
CURVES = ["run", "x", "value"]


def curve_table(series: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> pd.DataFrame:
    """Return one row a point: run, x, value.

    Args:
        series: by run's name, places (N,) on the axis and values (N,).
    """
    parts = [pd.DataFrame({"run": run, "x": np.asarray(x, dtype=np.float64), "value": np.asarray(values, dtype=np.float64)})
             for run, (x, values) in series.items()]  # fmt: skip
    return pd.concat(parts, ignore_index=True)[CURVES] if parts else pd.DataFrame(columns=CURVES)


def curve_chart(
    table: pd.DataFrame, *, runs: Sequence[str], slots: Sequence[int], x_title: str, title: str, zoom_name: str
) -> alt.LayerChart:
    """Return a line for each run; each has its colour and its dash.

    Args:
        table: of `curve_table`.
        runs: names in the order of the legend.
        slots: colour slot of each.
        x_title, title: of the axes.
        zoom_name: name of the zoom along x.
    """
    colour, dash, _ = _looks(runs, slots)
    hover = [alt.Tooltip("run:N", title="Run"), alt.Tooltip("x:Q", title=x_title, format=",.4~g"),
             alt.Tooltip("value:Q", title=title, format=".4f")]  # fmt: skip
    line = alt.Chart(table).mark_line(clip=True, strokeWidth=2).encode(
        x=alt.X("x:Q", title=x_title, axis=alt.Axis(format="~s", grid=False), scale=alt.Scale(nice=False, zero=False)),
        y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=False)), color=colour, strokeDash=dash, tooltip=hover,
    )  # fmt: skip
    zoom = alt.selection_interval(name=zoom_name, bind="scales", encodings=["x"])
    return alt.LayerChart(layer=[line.add_params(zoom)]).properties(height=CHART_HEIGHT_PIXELS, padding=PADDING)


def frontier_table(points: pd.DataFrame, *, larger_is_better: bool) -> pd.DataFrame:
    """Return the points with whether each is on the frontier: no other run is at least as good for less.

    Args:
        points: columns run, cost, value, low, high.
        larger_is_better: of the score.
    """
    sign = 1 if larger_is_better else -1
    cost, value = points["cost"].to_numpy(dtype=np.float64), sign * points["value"].to_numpy(dtype=np.float64)
    beaten = [bool(((cost <= c) & (value >= v) & ((cost < c) | (value > v))).any()) for c, v in zip(cost, value, strict=True)]
    return points.assign(frontier=[not one for one in beaten]).sort_values("cost").reset_index(drop=True)


def frontier_chart(table: pd.DataFrame, *, runs: Sequence[str], slots: Sequence[int], x_title: str, title: str) -> alt.LayerChart:
    """Return final scores with their intervals against what was spent; a line joins those that no other run beats at their cost."""
    colour, _, shape = _looks(runs, slots)
    base = alt.Chart(table)
    x = alt.X("cost:Q", title=x_title, axis=alt.Axis(format="~s"), scale=alt.Scale(zero=True))
    y = alt.Y("value:Q", title=title, scale=alt.Scale(zero=False))
    hover = [alt.Tooltip("run:N", title="Run"), alt.Tooltip("cost:Q", title=x_title, format=",.4~g"),
             alt.Tooltip("value:Q", title=title, format=".4f")]  # fmt: skip
    stairs = base.mark_line(color=MARK, strokeDash=[4, 3], interpolate="step-after")
    front = stairs.transform_filter("datum.frontier").encode(x=x, y=y)
    rule = base.mark_rule().encode(x=x, y=alt.Y("low:Q", title=title), y2="high:Q", color=colour)
    point = base.mark_point(filled=True, size=110, opacity=1).encode(x=x, y=y, color=colour, shape=shape, tooltip=hover)
    return alt.LayerChart(layer=[front, rule, point]).properties(height=CHART_HEIGHT_PIXELS, padding=PADDING)


def _looks(runs: Sequence[str], slots: Sequence[int]) -> tuple[alt.Color, alt.StrokeDash, alt.Shape]:
    legend = alt.Legend(title=None, orient="top", columns=2, labelLimit=320, symbolStrokeWidth=2.5, symbolSize=200)
    names = list(runs)
    return (
        alt.Color("run:N", scale=alt.Scale(domain=names, range=[CLASS_COLOURS[at % len(CLASS_COLOURS)] for at in slots]), legend=legend),
        alt.StrokeDash("run:N", scale=alt.Scale(domain=names, range=[DASHES[slot % len(DASHES)] for slot in slots]), legend=legend),
        alt.Shape("run:N", scale=alt.Scale(domain=names, range=[SHAPES[slot % len(SHAPES)] for slot in slots]), legend=legend),
    )
