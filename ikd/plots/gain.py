"""Did moving the teacher help the student? Drift of an example's soft target against the student's gain on it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ikd.plots.data_map import MAP_HEIGHT_PIXELS, PICKED, pick, ring_layers, short_text
from ikd.plots.marks import LETTER_PIXELS
from ikd.plots.ribbons import only
from ikd.plots.theme import CLASS_COLOURS, MARK, PADDING

COLUMNS = ["kind", "example", "x", "y", "slot", "label", "name"]
CLASS_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")
"""Shapes of classes by slot, beside `CLASS_COLOURS`: some pairs of those look alike to some eyes."""

HELPED, HARMED = "moved and helped", "moved and harmed"
SYMBOL_PIXELS = 36
SMALLEST_TOLD_APART = 0.001
"""Nats; a logarithmic axis is straight below this."""


def gain_table(
    drift: ArrayLike,
    gain: ArrayLike,
    labels: ArrayLike,
    ids: ArrayLike,
    *,
    names: Sequence[str],
    slots: Sequence[int],
    selected: int | None,
    words: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return the one table of a gain chart.

    Args:
        drift: (P,) KL of the soft target from the frozen teacher's, in nats.
        gain: (P,) change in the student's probability of the hard label, -1 to 1.
        labels: (P,) hard label of each example.
        ids: (P,) numbers of the examples.
        names: of the C labels.
        slots: colour slot of each of the C labels.
        selected: number of the ringed example, or None.
        words: (P,) text of each example, for its tooltip.
    """
    numbers, hard = np.asarray(ids, dtype=np.int64), np.asarray(labels, dtype=np.int64)
    texts = [""] * len(numbers) if words is None else [short_text(one) for one in words]
    points = pd.DataFrame({
        "kind": "point", "example": numbers, "x": np.asarray(drift, dtype=np.float64), "y": np.asarray(gain, dtype=np.float64),
        "slot": [str(slots[one]) for one in hard], "label": [names[one] for one in hard], "name": texts,
    }, columns=COLUMNS)  # fmt: skip
    ring = points[numbers == selected] if selected is not None else points.iloc[:0]
    parts: list[pd.DataFrame] = [points, ring.assign(kind="ring", name=f"example {selected}"), _ground()]
    return pd.concat(parts, ignore_index=True)


def gain_chart(
    table: pd.DataFrame,
    *,
    names: Sequence[str],
    slots: Sequence[int],
    reach: float | None = None,
    limit: float = 1.0,
    log: bool = False,
    title: str = "change in the student's p(label)",
    picked: str = PICKED,
) -> alt.LayerChart:
    """Return the scatter: to the right the teacher moved, above the line the student gained.

    Args:
        table: of `gain_table`.
        names: of the legend, one a slot in use; the rest of many classes under one name.
        slots: colour slots of these names.
        reach: right end of the horizontal axis in nats, the same for all steps; None fits the table.
        limit: the vertical axis goes from -limit to limit.
        log: whether the drift is drawn on a symmetric log scale, which has a place for zero.
        title: of the vertical axis.
        picked: name of the selection by click, whose field `example` is the number of the example.
    """
    x = alt.X("x:Q", title="drift, KL (nats)", scale=_across(reach, log), axis=_ticks(reach, log))
    signed = alt.Axis(labelExpr="datum.value == 0 ? '0' : format(datum.value, '+.2~f')", grid=True)
    y = alt.Y("y:Q", title=title, scale=alt.Scale(domain=[-limit, limit]), axis=signed)
    ground = alt.Chart(table).encode(y=y)
    base = ground.encode(x=x, tooltip=_hover())
    colour, shape = _by_slot(names, slots)
    point = base.mark_point(clip=True, filled=True, size=40, opacity=0.65, cursor="pointer").encode(color=colour, shape=shape)
    zero = ground.mark_rule(color=MARK, strokeWidth=1.5)
    word = alt.Chart(table).mark_text(align="right", fontSize=12, fontStyle="italic", color=MARK, dx=-6,
                                      dy=alt.expr("datum.kind == 'helped' ? 10 : -10"))  # fmt: skip
    upper = word.encode(x=alt.value("width"), y=alt.value(0), text="name:N")
    lower = word.encode(x=alt.value("width"), y=alt.value("height"), text="name:N")
    layers = [only(zero, "zero"), only(point, "point").add_params(pick(picked)), only(upper, "helped"),
              only(lower, "harmed"), *ring_layers(base)]  # fmt: skip
    return alt.LayerChart(layer=layers).properties(height=MAP_HEIGHT_PIXELS, padding=PADDING)


def _ground() -> pd.DataFrame:
    """Return the rows of the zero line and of the words over and under it."""
    named = {"zero": "", "helped": f"▲ {HELPED}", "harmed": f"▼ {HARMED}"}
    rows = [{"kind": kind, "y": 0.0 if kind == "zero" else np.nan, "name": name} for kind, name in named.items()]
    return pd.DataFrame(rows, columns=COLUMNS).astype({"x": np.float64, "example": np.float64})


def _by_slot(names: Sequence[str], slots: Sequence[int]) -> tuple[alt.Color, alt.Shape]:
    said = json.dumps({str(slot): name for slot, name in zip(slots, names, strict=True)}, ensure_ascii=False)
    # As many beside each other as the width has room for.
    entry = LETTER_PIXELS * max(map(len, names), default=1) + SYMBOL_PIXELS
    columns = alt.ExprRef(expr=f"max(1, min({len(names)}, floor(width / {entry:.0f})))")
    legend = alt.Legend(title=None, orient="top", symbolOpacity=1, symbolSize=70, labelExpr=f"({said})[datum.label]", columns=columns)
    domain = [str(slot) for slot in slots]
    colours, shapes = [CLASS_COLOURS[slot] for slot in slots], [CLASS_SHAPES[slot] for slot in slots]
    return (alt.Color("slot:N", scale=alt.Scale(domain=domain, range=colours), legend=legend),
            alt.Shape("slot:N", scale=alt.Scale(domain=domain, range=shapes), legend=legend))  # fmt: skip


def _across(reach: float | None, log: bool) -> alt.Scale:
    kind = {"type": "symlog", "constant": SMALLEST_TOLD_APART} if log else {"type": "linear"}
    end = {"domainMin": 0} if reach is None else {"domain": [0, reach], "nice": False}
    return alt.Scale(**kind, **end)


def _ticks(reach: float | None, log: bool) -> alt.Axis:
    if not log or reach is None:
        return alt.Axis(format="~g", tickCount=6)
    return alt.Axis(format="~g", values=[one for one in (0, 0.001, 0.01, 0.1, 1, 10) if one <= reach])


def _hover() -> list[alt.Tooltip]:
    return [alt.Tooltip("example:Q", title="Example", format=".0f"), alt.Tooltip("name:N", title="Text"),
            alt.Tooltip("label:N", title="Hard label"), alt.Tooltip("x:Q", title="Drift (nats)", format=".4f"),
            alt.Tooltip("y:Q", title="Gain in p(label)", format="+.3f")]  # fmt: skip
