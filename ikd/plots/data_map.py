"""The data map: which examples are easy, ambiguous or hard, and where the feedback moved them (Swayamdipta et al. 2020).

Confidence is the mean probability of the hard label over the readings, variability its standard deviation, correctness
the share of readings at which the hard label was the most probable class (arXiv 2009.10795, section 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ikd.plots.ribbons import only
from ikd.plots.theme import FROZEN, INK, PADDING, PAPER, STUDENT, TEACHER

COLUMNS = ["kind", "example", "x", "y", "x0", "y0", "share", "bin", "name"]
MAP_HEIGHT_PIXELS = 360
LARGEST_DEVIATION = 0.5
"""No standard deviation of numbers between 0 and 1 is larger."""

BINS = {"mostly wrong": (STUDENT, "cross"), "in between": (FROZEN, "diamond"), "mostly right": (TEACHER, "circle")}
"""Correctness in three thirds: colour and shape."""

PICKED = "picked"
"""Name of the selection of a point, to be listed in the page's selection modes."""

SMALLEST_MOVE = 0.01
NARROW_PIXELS = 320
TEXT_LENGTH = 80
HEAD_GAP_PIXELS = 7


def data_map_table(
    early: ArrayLike,
    late: ArrayLike,
    correctness: ArrayLike,
    ids: ArrayLike,
    *,
    selected: int | None,
    words: Sequence[str] | None = None,
    arrows: Sequence[int] = (),
) -> pd.DataFrame:
    """Return the one table of a data map.

    Args:
        early: (P, 2) variability and confidence over the early readings, where the arrows begin.
        late: (P, 2) the same over the late readings, where the points are.
        correctness: (P,) share of the late readings that are right, 0 to 1.
        ids: (P,) numbers of the examples.
        selected: number of the ringed example, or None.
        words: (P,) text of each example, for its tooltip.
        arrows: numbers of the few examples whose way is drawn; the selected one's is drawn besides.
    """
    first, last = np.asarray(early, dtype=np.float64).reshape(-1, 2), np.asarray(late, dtype=np.float64).reshape(-1, 2)
    numbers, share = np.asarray(ids, dtype=np.int64), np.asarray(correctness, dtype=np.float64)
    texts = [""] * len(numbers) if words is None else [short_text(one) for one in words]
    points = pd.DataFrame({
        "kind": "point", "example": numbers, "x": last[:, 0], "y": last[:, 1], "x0": first[:, 0], "y0": first[:, 1],
        "share": share, "bin": np.asarray(list(BINS), dtype=object)[np.clip((share * 3).astype(int), 0, 2)], "name": texts,
    }, columns=COLUMNS)  # fmt: skip
    drawn = np.isin(numbers, [*arrows, *([] if selected is None else [selected])])
    moved = np.hypot(*(last - first).T) >= SMALLEST_MOVE
    ring = points[numbers == selected] if selected is not None else points.iloc[:0]
    ring = ring.assign(kind="ring", name=f"example {selected}")
    parts: list[pd.DataFrame] = [points[drawn & moved].assign(kind="arrow"), points, ring]
    return pd.concat(parts, ignore_index=True)


def data_map_chart(
    table: pd.DataFrame, *, title: str = "confidence: mean p(label)", reach: float = LARGEST_DEVIATION, picked: str = PICKED
) -> alt.LayerChart:
    """Return the map: a point an example, its way from early to late as an arrow, the selected one ringed and named.

    Args:
        table: of `data_map_table`.
        title: of the vertical axis, which is 0 to 1.
        reach: right end of the horizontal axis, the same for all steps.
        picked: name of the selection by click, whose field `example` is the number of the example.
    """
    x = alt.X("x:Q", title="variability: deviation of p(label)", scale=alt.Scale(domain=[0, reach], nice=False))
    y = alt.Y("y:Q", title=title, scale=alt.Scale(domain=[0, 1]))
    base = alt.Chart(table).encode(x=x, y=y, tooltip=_hover())
    colours, shapes = zip(*BINS.values(), strict=True)
    # On a telephone the names of three kinds have no room beside each other.
    columns = alt.ExprRef(expr=f"width < {NARROW_PIXELS} ? 2 : 3")
    legend = alt.Legend(title=None, orient="top", symbolOpacity=1, symbolSize=70, columns=columns, columnPadding=8)
    colour = alt.Color("bin:N", scale=alt.Scale(domain=list(BINS), range=list(colours)), legend=legend)
    shape = alt.Shape("bin:N", scale=alt.Scale(domain=list(BINS), range=list(shapes)), legend=legend)
    point = base.mark_point(clip=True, filled=True, size=34, opacity=0.6, cursor="pointer").encode(color=colour, shape=shape)
    shaft = base.mark_rule(clip=True, color=INK, strokeWidth=1, opacity=0.5).encode(x="x0:Q", y="y0:Q", x2="x:Q", y2="y:Q")
    head = base.mark_point(shape="triangle", filled=True, size=30, color=INK, opacity=0.7, clip=True, **_arrow_head())
    return alt.LayerChart(
        layer=[only(shaft, "arrow"), only(head, "arrow"), only(point, "point").add_params(pick(picked)), *ring_layers(base)]
    ).properties(height=MAP_HEIGHT_PIXELS, padding=PADDING)


def ring_layers(base: alt.Chart) -> list[alt.Chart]:
    """Return what draws the rows of kind `ring`: a ring around the selected example, and its name beside it."""
    ring = base.mark_point(size=190, color=INK, strokeWidth=2, opacity=1)
    late = "scale('x', datum.x) > width - 90"
    place: dict[str, Any] = dict(
        fontSize=12, fontWeight="bold", baseline="bottom",
        align=alt.ExprRef(expr=f"{late} ? 'right' : 'left'"), dx=alt.ExprRef(expr=f"{late} ? -10 : 10"),
        # A name above the topmost point would leave the chart.
        dy=alt.ExprRef(expr="scale('y', datum.y) < 14 ? 16 : -5"),
    )  # fmt: skip
    # Paper behind the letters: the points around them would make them unreadable.
    behind = base.mark_text(color=PAPER, stroke=PAPER, strokeWidth=4, strokeJoin="round", opacity=0.85, **place).encode(text="name:N")
    word = base.mark_text(color=INK, **place).encode(text="name:N")
    return [only(ring, "ring"), only(behind, "ring"), only(word, "ring")]


def pick(name: str) -> alt.Parameter:
    """Return a selection of one point by click, which holds the number of its example."""
    return alt.selection_point(name=name, fields=["example"], toggle=False)


def short_text(text: str) -> str:
    """Return the beginning of an example's text, for a tooltip."""
    return text if len(text) <= TEXT_LENGTH else text[: TEXT_LENGTH - 1] + "…"


def _hover() -> list[alt.Tooltip]:
    return [alt.Tooltip("example:Q", title="Example", format=".0f"), alt.Tooltip("name:N", title="Text"),
            alt.Tooltip("x:Q", title="Variability", format=".3f"), alt.Tooltip("y:Q", title="Confidence", format=".3f"),
            alt.Tooltip("x0:Q", title="Variability, early", format=".3f"),
            alt.Tooltip("y0:Q", title="Confidence, early", format=".3f"),
            alt.Tooltip("share:Q", title="Share right", format=".0%")]  # fmt: skip


def _arrow_head() -> dict[str, Any]:
    """Return where a head stands and points: along its shaft as drawn, and just before the point it leads to."""
    # Only the browser knows the width of the chart, and so the angle of a shaft.
    across, down = "(scale('x', datum.x) - scale('x', datum.x0))", "(scale('y', datum.y) - scale('y', datum.y0))"
    length = f"max(1e-6, sqrt({across} * {across} + {down} * {down}))"
    return {
        "angle": alt.ExprRef(expr=f"atan2({across}, -{down}) * 180 / PI"),
        "xOffset": alt.ExprRef(expr=f"-{HEAD_GAP_PIXELS} * {across} / {length}"),
        "yOffset": alt.ExprRef(expr=f"-{HEAD_GAP_PIXELS} * {down} / {length}"),
    }
