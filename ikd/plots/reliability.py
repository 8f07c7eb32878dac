"""Is a model as often right as it is sure? Accuracy against confidence, bin by bin, over the number of examples in each bin."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from ikd.plots.ribbons import only
from ikd.plots.theme import CHART_HEIGHT_PIXELS, MARK, PADDING, ROLE_SHAPES, ROLES

COLUMNS = ["kind", "who", "x", "y", "until", "count", "name"]
COUNTS_PIXELS = 130
AXIS_PIXELS = 36
"""Both figures give their vertical axis the same room, so that the confidences stand under each other."""

UNIT = alt.Scale(domain=[0, 1])
GAP = 0.12
"""Share of a bin left free at its right, so that the bars of two bins do not touch."""

CAREFUL, RASH = "right more often than it is sure", "surer than it is right"


def reliability_table(bins: pd.DataFrame) -> pd.DataFrame:
    """Return the one table of both figures.

    Args:
        bins: columns role ("teacher", "student"), low, high, count, confidence, accuracy; a row a bin, empty ones with count 0.
    """
    names = [f"{low:.2f} to {high:.2f}" for low, high in zip(bins["low"], bins["high"], strict=True)]
    rows = pd.DataFrame({"who": bins["role"], "x": bins["confidence"], "y": bins["accuracy"], "count": bins["count"], "name": names})
    points = rows[rows["count"] > 0].assign(kind="point")
    roles = list(dict.fromkeys(bins["role"]))
    wide = (bins["high"] - bins["low"]) * (1 - GAP) / max(len(roles), 1)
    left = bins["low"] + wide * bins["role"].map({role: place for place, role in enumerate(roles)}).astype(float)
    bars = rows.assign(kind="bar", x=left, until=left + wide, y=bins["count"].astype(float))
    ground = pd.DataFrame({"kind": ["diagonal", "diagonal", "above", "below"], "x": [0.0, 1.0, np.nan, np.nan],
                           "y": [0.0, 1.0, np.nan, np.nan], "name": ["as sure as right", "as sure as right", f"▲ {CAREFUL}", f"▼ {RASH}"]})
    parts = [one.reindex(columns=COLUMNS) for one in (ground, points, bars[bars["count"] > 0]) if len(one)]
    return pd.concat(parts, ignore_index=True)


def reliability_chart(table: pd.DataFrame, *, roles: Sequence[str] = tuple(ROLE_SHAPES)) -> alt.LayerChart:
    """Return accuracy against confidence, with the diagonal on which a model is as often right as it is sure.

    Args:
        table: of `reliability_table`.
        roles: in the order of the legend.
    """
    base = alt.Chart(table)
    colour, dash, shape = _looks(roles)
    x = alt.X("x:Q", title="confidence", scale=UNIT)
    y = alt.Y("y:Q", title="accuracy", scale=UNIT, axis=alt.Axis(minExtent=AXIS_PIXELS))
    hover = [*_hover(), alt.Tooltip("x:Q", title="Mean confidence", format=".3f"), alt.Tooltip("y:Q", title="Accuracy", format=".3f")]
    diagonal = base.mark_line(color=MARK, strokeDash=[2, 2]).encode(x=x, y=y)
    line = base.mark_line(strokeWidth=1.6).encode(x=x, y=y, color=colour, strokeDash=dash)
    point = base.mark_point(filled=True, size=60, opacity=1).encode(x=x, y=y, color=colour, shape=shape, tooltip=hover)
    upper = base.mark_text(fontSize=11, fontStyle="italic", color=MARK, align="left").encode(
        x=alt.value(6), y=alt.value(12), text="name:N")
    lower = base.mark_text(fontSize=11, fontStyle="italic", color=MARK, align="right", baseline="bottom", dx=-6, dy=-5).encode(
        x=alt.value("width"), y=alt.value("height"), text="name:N")
    layers = [only(diagonal, "diagonal"), only(line, "point"), only(point, "point"), only(upper, "above"), only(lower, "below")]
    return alt.LayerChart(layer=layers).properties(height=CHART_HEIGHT_PIXELS, padding=PADDING)


def counts_chart(table: pd.DataFrame, *, roles: Sequence[str] = tuple(ROLE_SHAPES)) -> alt.LayerChart:
    """Return how many examples stand behind each point of the diagram, to be shown under it.

    Args:
        table: of `reliability_table`.
        roles: in the order of their bars within a bin.
    """
    colour = alt.Color("who:N", scale=alt.Scale(domain=list(roles), range=[ROLES[one][0] for one in roles]), legend=None)
    y = alt.Y("y:Q", title="examples", axis=alt.Axis(tickCount=3, format="~s", minExtent=AXIS_PIXELS))
    bar = alt.Chart(table).mark_bar(opacity=0.85).encode(
        x=alt.X("x:Q", title="confidence", scale=UNIT), x2="until:Q", y=y, y2=alt.Y2Datum(0), color=colour, tooltip=_hover()
    )
    return alt.LayerChart(layer=[only(bar, "bar")]).properties(height=COUNTS_PIXELS, padding=PADDING)


def _hover() -> list[alt.Tooltip]:
    return [alt.Tooltip("who:N", title="Who"), alt.Tooltip("name:N", title="Confidence from"),
            alt.Tooltip("count:Q", title="Examples", format=",.0f")]  # fmt: skip


def _looks(roles: Sequence[str]) -> tuple[alt.Color, alt.StrokeDash, alt.Shape]:
    domain = list(roles)
    legend = alt.Legend(title=None, orient="top", symbolSize=90, symbolStrokeWidth=0)  # no dashes around the filled shapes
    return (alt.Color("who:N", scale=alt.Scale(domain=domain, range=[ROLES[one][0] for one in domain]), legend=legend),
            alt.StrokeDash("who:N", scale=alt.Scale(domain=domain, range=[ROLES[one][1] for one in domain]), legend=legend),
            alt.Shape("who:N", scale=alt.Scale(domain=domain, range=[ROLE_SHAPES[one] for one in domain]), legend=legend))  # fmt: skip
