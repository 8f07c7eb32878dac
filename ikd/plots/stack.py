"""Shares and ribbons under each other on one axis of steps: what moves together stands together.

One figure, so that a zoom in one panel is a zoom in all of them, and one table with a column `panel`, so that its
specification never changes while data arrive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ikd.plots.curves import FEW_POINTS, Window
from ikd.plots.ribbons import (
    COLUMNS,
    frame_layers,
    frame_rows,
    joined,
    only,
    ribbon_layers,
    step_hover,
    steps_base,
)
from ikd.plots.theme import PADDING, Look

SHARES = "shares"
PANEL_PIXELS, SHARES_PIXELS = 120, 150
AXIS_PIXELS = 56
"""Every vertical axis takes the same room, so that the steps of all panels stand under each other."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One ribbon of the stack: its name in the table, its title, the unit of its axis, and whose colour it wears."""

    name: str
    title: str
    unit: str
    colour_of: str


def shares_table(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    cursor: int | None,
    marks: Mapping[str, int],
    exams: Sequence[int],
    span: tuple[int, int, str] | None = None,
    n_steps: int = 0,
) -> pd.DataFrame:
    """Return the table of the panel of shares.

    Args:
        series: whose share ("student", "teacher", "agreement") to steps (N,) and values (N,).
        cursor: the pinned step, or None.
        marks: words to the step they belong to.
        exams: steps of single exams, drawn as ticks.
        span: first and last step of exams that are too many for ticks, and words about them.
        n_steps: of the whole run.
    """
    lines = [pd.DataFrame({"kind": "share", "step": np.asarray(steps, dtype=np.float64), "value": np.asarray(values, dtype=np.float64),
                           "low": np.nan, "high": np.nan, "name": who, "lane": 0}, columns=COLUMNS)
             for who, (steps, values) in series.items()]  # fmt: skip
    points = [one.assign(kind="share point") for one in lines if len(one) <= FEW_POINTS]
    return joined([*lines, *points, *frame_rows(cursor, marks, exams, reach=float(n_steps), span=span)])


def stack_table(parts: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the one table of the stack from the table of each panel by its name: `SHARES` and those of the ribbons."""
    return pd.concat([part.assign(panel=name) for name, part in parts.items()], ignore_index=True)


def stack_chart(
    table: pd.DataFrame, *, panels: Sequence[Panel], window: Window, zoom_name: str, looks: Mapping[str, Look]
) -> alt.VConcatChart:
    """Return the panel of shares and, under it, a ribbon for each panel, all on the same steps.

    Args:
        table: of `stack_table`.
        panels: the ribbons, the first one at the top.
        window: first and last step shown, or None for those of the table.
        zoom_name: name of the zoom along the steps, to be listed in the page's selection modes.
        looks: whose share to colour and dash, in the order of the legend.
    """
    views = [_shares(steps_base(table, window, words=not panels), looks)]
    for panel in panels:
        base = steps_base(table, window, words=panel is panels[-1]).transform_filter(alt.datum.panel == panel.name)
        y = alt.Y("value:Q", title=panel.unit)
        first, *layers = ribbon_layers(base, title=panel.unit, colour_of=panel.colour_of)
        layers = [first.properties(name=_unit(panel.name)), *layers, *frame_layers(base, y, words=False)]
        views.append(alt.LayerChart(layer=layers).properties(height=PANEL_PIXELS, title=_title(panel.title)))
    # Written out: Altair would give each view a parameter of its own and then warn that they are alike. It numbers the names.
    together = alt.TopLevelSelectionParameter(
        name=zoom_name, select=alt.IntervalSelectionConfig(type="interval", encodings=["x"]), bind="scales",
        views=[f"{_unit(one)}_{number}" for number, one in enumerate((SHARES, *(panel.name for panel in panels)))],
    )  # fmt: skip
    stacked: alt.VConcatChart = alt.vconcat(*views, spacing=14, padding=PADDING, params=[together]).resolve_scale(x="shared")
    even: alt.VConcatChart = stacked.configure_axisY(minExtent=AXIS_PIXELS, maxExtent=AXIS_PIXELS)
    return even


def _unit(panel: str) -> str:
    return f"zoomed_{panel}"


def _shares(base: alt.Chart, looks: Mapping[str, Look]) -> alt.LayerChart:
    own = base.transform_filter(alt.datum.panel == SHARES)
    colours, dashes = zip(*looks.values(), strict=True)
    legend = alt.Legend(title=None, orient="top", symbolType="stroke", symbolStrokeWidth=2.5, symbolSize=420)
    colour = alt.Color("name:N", scale=alt.Scale(domain=list(looks), range=list(colours)), legend=legend)
    dash = alt.StrokeDash("name:N", scale=alt.Scale(domain=list(looks), range=list(dashes)), legend=legend)
    y = alt.Y("value:Q", title="share", scale=alt.Scale(domain=[0, 1]))
    hover = [alt.Tooltip("name:N", title="Share"), step_hover(), alt.Tooltip("value:Q", title="Value", format=".3f")]
    line = own.mark_line(clip=True, strokeWidth=2).encode(y=y, color=colour, strokeDash=dash, tooltip=hover)
    point = own.mark_point(clip=True, size=22, filled=True).encode(y=y, color=colour, tooltip=hover)
    layers = [only(line, "share").properties(name=_unit(SHARES)), only(point, "share point"), *frame_layers(own)]
    return alt.LayerChart(layer=layers).properties(height=SHARES_PIXELS, title=_title("Accuracy and agreement"))


def _title(words: str) -> alt.TitleParams:
    return alt.TitleParams(text=words, anchor="start", fontSize=13, offset=6)
