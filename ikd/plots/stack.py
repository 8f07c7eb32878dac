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
from ikd.plots.marks import beside
from ikd.plots.ribbons import (
    COLUMNS,
    frame_layers,
    frame_rows,
    joined,
    only,
    step_hover,
    steps_base,
)
from ikd.plots.theme import INK, LOSSES, MARK, PADDING, ROLES, STAR, Look

SHARES = "shares"
PANEL_PIXELS, SHARES_PIXELS = 120, 150
FROM_ZERO = alt.Scale(zero=True, domainMin=0, nice=True)
LOOKS: dict[str, Look] = {**ROLES, **LOSSES}
"""Whose colour and dash a ribbon may wear."""

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
    # The first panel has the numbers of the steps too: zoomed, they must be in sight, and the last panel may not be.
    views = [_shares(steps_base(table, window), looks)]
    for panel in panels:
        layers = _ribbon(steps_base(table, window, words=panel is panels[-1]), panel)
        views.append(_of_panel(layers, panel.name).properties(height=PANEL_PIXELS, title=_title(panel.title)))
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


def _ribbon(base: alt.Chart, panel: Panel) -> list[alt.Chart]:
    """Return what draws a ribbon: few layers for many kinds of rows, as each one costs a browser some milliseconds."""
    colour, dash = LOOKS[panel.colour_of]
    kind, extra, pinned = alt.datum.kind, alt.datum.kind == "extra", alt.datum.kind == "cursor"
    low, y = (alt.Y(f"{field}:Q", title=panel.unit, scale=FROM_ZERO) for field in ("low", "value"))
    hover = [step_hover(), alt.Tooltip("name:N", title="Line"), alt.Tooltip("value:Q", title=panel.unit, format=".4f")]
    between = [step_hover(), alt.Tooltip("name:N", title="Band"), alt.Tooltip("low:Q", title="From", format=".4f"),
               alt.Tooltip("high:Q", title="To", format=".4f")]  # fmt: skip
    bands = base.mark_area(clip=True, color=colour).encode(
        y=low, y2="high:Q", tooltip=between, detail="kind:N", opacity=alt.condition(kind == "wide", alt.value(0.18), alt.value(0.32))
    )
    lines = base.mark_line(clip=True, strokeWidth=2).encode(
        y=y, tooltip=hover, detail="kind:N", color=alt.condition(extra, alt.value(STAR), alt.value(colour)),
        strokeDash=alt.condition(extra, alt.value([8, 2, 2, 2]), alt.value(dash)),
    )  # fmt: skip
    points = base.mark_point(clip=True, size=22, filled=True, color=colour).encode(
        y=y, tooltip=hover, opacity=alt.condition(kind == "ceiling", alt.value(0), alt.value(1))
    )
    word = base.mark_text(clip=True, color=INK, fontSize=11, baseline="bottom", **beside(9)).encode(y=y, text="name:N")
    rules = base.mark_rule(clip=True).encode(
        tooltip=[alt.Tooltip("name:N", title="Mark"), step_hover()], color=alt.condition(pinned, alt.value(INK), alt.value(MARK)),
        strokeDash=alt.condition(pinned, alt.value([1, 0]), alt.value([2, 2])),
    )  # fmt: skip
    named = _either(bands, "wide", "middle").properties(name=_unit(panel.name))
    return [named, _either(lines, "line", "extra"), _either(points, "point", "ceiling"), only(word, "word"),
            _either(rules, "rule", "cursor")]  # fmt: skip


def _either(chart: alt.Chart, *kinds: str) -> alt.Chart:
    first, second = kinds
    return chart.transform_filter((alt.datum.kind == first) | (alt.datum.kind == second))


def _shares(base: alt.Chart, looks: Mapping[str, Look]) -> alt.LayerChart:
    colours, dashes = zip(*looks.values(), strict=True)
    legend = alt.Legend(title=None, orient="top", symbolType="stroke", symbolStrokeWidth=2.5, symbolSize=420)
    colour = alt.Color("name:N", scale=alt.Scale(domain=list(looks), range=list(colours)), legend=legend)
    dash = alt.StrokeDash("name:N", scale=alt.Scale(domain=list(looks), range=list(dashes)), legend=legend)
    y = alt.Y("value:Q", title="share", scale=alt.Scale(domain=[0, 1]))
    hover = [alt.Tooltip("name:N", title="Share"), step_hover(), alt.Tooltip("value:Q", title="Value", format=".3f")]
    line = base.mark_line(clip=True, strokeWidth=2).encode(y=y, color=colour, strokeDash=dash, tooltip=hover)
    point = base.mark_point(clip=True, size=22, filled=True).encode(y=y, color=colour, tooltip=hover)
    layers = [only(line, "share").properties(name=_unit(SHARES)), only(point, "share point"), *frame_layers(base)]
    return _of_panel(layers, SHARES).properties(height=SHARES_PIXELS, title=_title("Accuracy and agreement"))


def _of_panel(layers: Sequence[alt.Chart], name: str) -> alt.LayerChart:
    # Once for all its layers: each of them would otherwise go through the rows of every panel.
    own: alt.LayerChart = alt.LayerChart(layer=list(layers)).transform_filter(alt.datum.panel == name)
    return own


def _title(words: str) -> alt.TitleParams:
    return alt.TitleParams(text=words, anchor="start", fontSize=13, offset=6)
