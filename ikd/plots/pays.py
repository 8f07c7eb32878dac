"""Where feedback pays, drawn: a map of gains over the strongest control, and curves of scores over what was spent so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import altair as alt
import pandas as pd

from ikd.plots.compare import SHAPES
from ikd.plots.theme import CHART_HEIGHT_PIXELS, CLASS_COLOURS, FROZEN, MARK, PADDING

CELL_PIXELS, LINE_PIXELS = 78, 17
WHITE_BELOW, WHITE_ABOVE = -0.78, 0.86
"""Shares of the scale beyond which white letters are easier to read than black ones."""
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [1, 4])


def cell_table(cells: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each cell of a map, with the places of its row and column: the columns given, row_order, column_order.

    Args:
        cells: columns row, column (any values), gain, low, high, gain_words, interval_words, control, in the unit that is drawn.
    """
    table = cells.reset_index(drop=True)
    for name in ("row", "column"):
        order = {value: number for number, value in enumerate(sorted(set(table[name]), key=_by_size))}
        table[f"{name}_order"] = [order[value] for value in table[name]]
        table[name] = table[name].map(str)
    return table


def map_chart(table: pd.DataFrame, *, rows: str, columns: str, title: str, limit: float) -> alt.LayerChart:
    """Return the cells of a map, the gain with its interval written in each and the strongest control below.

    Colour never stands alone: every gain has its sign.

    Args:
        table: of `cell_table`.
        rows, columns: names of the axes.
        title: of the colours: the score and its unit.
        limit: the colours go from -limit to limit.
    """
    scale = alt.Scale(domain=[-limit, limit], scheme="blueorange", clamp=True)
    legend = alt.Legend(title=title, orient="top", gradientLength=200, gradientThickness=8, titleLimit=400, tickCount=5, format="+.2~f")
    hover = [alt.Tooltip("row:N", title=rows), alt.Tooltip("column:N", title=columns), alt.Tooltip("gain_words:N", title="Gain"),
             alt.Tooltip("interval_words:N", title="95 % interval"), alt.Tooltip("control:N", title="Strongest control")]  # fmt: skip
    x = alt.X("column:N", sort=_order("column"), axis=_axis(columns), scale=alt.Scale(padding=0))
    y = alt.Y("row:N", sort=_order("row", "descending"), axis=_axis(rows), scale=alt.Scale(padding=0))
    base = alt.Chart(table).encode(x=x, y=y, tooltip=hover)
    cell = base.mark_rect(stroke=FROZEN, strokeWidth=0.5).encode(color=alt.Color("gain:Q", scale=scale, legend=legend))
    dark = f"datum.gain < {WHITE_BELOW * limit} || datum.gain > {WHITE_ABOVE * limit}"
    letters = alt.condition(dark, alt.value("white"), alt.value("black"))
    within = alt.ExprRef(expr="bandwidth('x') - 6")
    gain = base.mark_text(dy=-LINE_PIXELS, fontSize=15, fontWeight="bold", limit=within).encode(text="gain_words:N", color=letters)
    interval = base.mark_text(dy=2, fontSize=12, limit=within).encode(text="interval_words:N", color=letters)
    control = base.mark_text(dy=LINE_PIXELS + 2, fontSize=11, limit=within).encode(text="control:N", color=letters)
    return alt.LayerChart(layer=[cell, gain, interval, control]).properties(height=alt.Step(CELL_PIXELS), padding=PADDING)


def largest(gains: Sequence[float]) -> float:
    """Return the largest size of some gains, by which the maps of a study share their colours; 1 where there is none."""
    return max((abs(one) for one in gains if math.isfinite(one)), default=0.0) or 1.0


def spent_chart(table: pd.DataFrame, *, methods: Sequence[str], x_title: str, title: str) -> alt.LayerChart:
    """Return mean curves over what was spent so far, each with its band and a mark at its end.

    Args:
        table: columns method, spent, value, low, high, last (whether it is the end of its curve).
        methods: names in the order of the legend.
        x_title, title: of the axes.
    """
    names = list(methods)
    colours = [CLASS_COLOURS[number % len(CLASS_COLOURS)] for number in range(len(names))]
    dashes = [DASHES[number % len(DASHES)] for number in range(len(names))]
    legend = alt.Legend(title=None, orient="top", columns=2, labelLimit=260, symbolOpacity=1, symbolSize=140)
    colour = alt.Color("method:N", scale=alt.Scale(domain=names, range=colours), legend=legend)
    dash = alt.StrokeDash("method:N", scale=alt.Scale(domain=names, range=dashes), legend=legend)
    shape = alt.Shape("method:N", scale=alt.Scale(domain=names, range=[SHAPES[number % len(SHAPES)] for number in range(len(names))]),
                      legend=None)  # fmt: skip
    base = alt.Chart(table)
    x = alt.X("spent:Q", title=x_title, axis=alt.Axis(format="~s", grid=False), scale=alt.Scale(zero=True, nice=False))
    y = alt.Y("value:Q", title=title, scale=alt.Scale(zero=False, nice=True))
    hover = [alt.Tooltip("method:N", title="Method"), alt.Tooltip("spent:Q", title=x_title, format=",.3~s"),
             alt.Tooltip("value:Q", title=title, format=".4f"), alt.Tooltip("low:Q", title="From", format=".4f"),
             alt.Tooltip("high:Q", title="To", format=".4f")]  # fmt: skip
    band = base.mark_area(opacity=0.15).encode(x=x, y=alt.Y("low:Q", title=title), y2="high:Q", color=colour)
    line = base.mark_line(strokeWidth=2).encode(x=x, y=y, color=colour, strokeDash=dash, tooltip=hover)
    ends = base.transform_filter("datum.last").mark_point(filled=True, size=90, opacity=1)
    end = ends.encode(x=x, y=y, color=colour, shape=shape, tooltip=hover)
    return alt.LayerChart(layer=[band, line, end]).properties(height=CHART_HEIGHT_PIXELS, padding=PADDING)


def _axis(title: str) -> alt.Axis:
    return alt.Axis(title=title, labelAngle=0, labelLimit=200, ticks=False, domainColor=MARK)


def _order(name: str, order: Literal["ascending", "descending"] = "ascending") -> alt.EncodingSortField:
    return alt.EncodingSortField(field=f"{name}_order", op="min", order=order)


def _by_size(value: object) -> tuple[bool, float, str]:
    """Return a place among numbers by their size, and behind them among words by their letters."""
    number = isinstance(value, int | float)
    return not number, float(value) if isinstance(value, int | float) else 0.0, str(value)
