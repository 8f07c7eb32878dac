"""Ribbons over the steps: how a quantity is spread over all examples, and plain shares, with the pinned step.

Every chart draws from one table with a column `kind`, so that its specification never changes while data arrive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ikd.plots.curves import FEW_POINTS, SMALLEST_CEILING, Window
from ikd.plots.marks import beside, lanes
from ikd.plots.theme import INK, MARK

COLUMNS = ["kind", "step", "value", "low", "high", "name", "lane"]


def ribbon_table(
    steps: ArrayLike,
    quantiles: ArrayLike,
    *,
    cursor: int | None,
    marks: Mapping[str, int],
    exams: Sequence[int],
    ceiling: float = 0.0,
    n_steps: int = 0,
    line: tuple[ArrayLike, ArrayLike] | None = None,
    line_name: str = "selected example",
) -> pd.DataFrame:
    """Return the one table of a ribbon chart.

    Args:
        steps: (R,) of the readings.
        quantiles: (R, 5) over the examples: 5 %, 25 %, median, 75 %, 95 %.
        cursor: the pinned step, or None.
        marks: words such as "first exam" to the step they belong to.
        exams: steps of single exams, drawn as ticks; leave empty where every step has one.
        ceiling: the axis reaches at least this far, so that a replay keeps its scale.
        n_steps: steps shown in all, where they are more than those of the readings: how near two marks are.
        line: steps (S,) and values (S,) of one series besides, such as the selected example's.
        line_name: what that series is.
    """
    values = np.asarray(quantiles, dtype=np.float64).reshape(-1, 5)
    bands = [
        _rows("wide", steps, values[:, 2], low=values[:, 0], high=values[:, 4], name="5 % to 95 %"),
        _rows("middle", steps, values[:, 2], low=values[:, 1], high=values[:, 3], name="middle half"),
        _rows("line", steps, values[:, 2], name="median"),
    ]
    if line is not None:
        bands.append(_rows("extra", *line, name=line_name))
        bands.append(_rows("word", np.asarray(line[0])[-1:], np.asarray(line[1])[-1:], name=line_name))
    return joined([*bands, _points(bands[2]), *frame_rows(cursor, marks, exams, reach=_reach(steps, n_steps), ceiling=ceiling)])


def frame_rows(
    cursor: int | None, marks: Mapping[str, int], exams: Sequence[int], *, reach: float = 0.0, ceiling: float | None = None,
    span: tuple[int, int, str] | None = None,
) -> list[pd.DataFrame]:  # fmt: skip
    """Return the rows of what stands around the curves: marks with words, exam ticks, the pinned step, the ceiling.

    Args:
        cursor: the pinned step, or None.
        marks: words to the step they belong to.
        exams: steps of single exams.
        reach: the last step shown.
        ceiling: how far a vertical axis from zero reaches at least; None draws no such row.
        span: first and last step of exams that are too many for ticks, and words about them.
    """
    rules = [_rows("rule", [step], [np.nan], name=name, lane=lane) for name, step, lane in lanes(marks, reach)]
    pinned = [] if cursor is None else [_rows("cursor", [cursor], [np.nan], name="pinned step")]
    top = [] if ceiling is None else [_rows("ceiling", [0], [max(ceiling, SMALLEST_CEILING)])]
    many = [] if span is None else [_rows("span", [span[0]], [np.nan], high=[float(span[1])], name=span[2])]
    return [*top, *rules, _rows("exam", list(exams), [np.nan] * len(exams), name="exam"), *many, *pinned]


def frame_layers(base: alt.Chart, y: alt.Y | None = None, *, words: bool = True) -> list[alt.Chart]:
    """Return what draws `frame_rows`.

    A mark is a dashed rule with its words at the top, an exam a tick at the bottom, a span of many exams a bar there, the
    pinned step a solid rule under a filled triangle.

    Args:
        base: of `steps_base`.
        y: channel of `value` that the ceiling stretches, or None with no ceiling.
        words: whether the marks have their words; of figures under each other, one is enough.
    """
    hover = [alt.Tooltip("name:N", title="Mark"), step_hover()]
    rule = base.mark_rule(clip=True, color=MARK, strokeDash=[2, 2]).encode(tooltip=hover)
    word = base.mark_text(clip=True, color=MARK, baseline="top", dy=alt.expr("2 + 13 * datum.lane"), fontSize=11, **beside(4))
    tick = base.mark_tick(clip=True, color=MARK, orient="vertical", height=6).encode(y=alt.value("height"), tooltip=hover)
    bar = base.mark_rule(clip=True, color=MARK, strokeWidth=5, yOffset=-3).encode(x2="high:Q", y=alt.value("height"), tooltip=hover)
    pin = base.mark_rule(clip=True, color=INK, strokeWidth=1.5).encode(tooltip=hover)
    head = base.mark_point(clip=True, shape="triangle-down", filled=True, size=70, color=INK, opacity=1).encode(
        y=alt.value(3), tooltip=hover
    )
    often = base.mark_text(clip=True, color=MARK, baseline="bottom", dy=-8, fontSize=11, **beside(4))
    said = [only(word.encode(y=alt.value(0), text="name:N"), "rule"),
            only(often.encode(y=alt.value("height"), text="name:N"), "span")] if words else []  # fmt: skip
    layers = [only(rule, "rule"), *said, only(tick, "exam"), only(bar, "span"),
              only(pin, "cursor"), only(head, "cursor")]  # fmt: skip
    top = [] if y is None else [only(base.mark_point(opacity=0, size=1, tooltip=None).encode(y=y), "ceiling")]
    return [*top, *layers]


def steps_base(table: pd.DataFrame, window: Window, field: str = "step", *, words: bool = True) -> alt.Chart:
    """Return a chart whose horizontal axis, of `field`, are the steps of `window`, or of the table where that is None.

    Args:
        table: what is drawn.
        window: first and last step shown.
        field: column of the steps.
        words: whether the axis has numbers and a title; of figures under each other, the last one has.
    """
    # A moving window must come from the data: a new domain would be a new specification, and the chart would blink.
    scale = alt.Scale(nice=False, zero=False) if window is None else alt.Scale(domain=list(window), nice=False)
    x = alt.X(f"{field}:Q", title="step" if words else None, scale=scale, axis=alt.Axis(grid=False, labels=words))
    return alt.Chart(table).encode(x=x)


def only(chart: alt.Chart, kind: str) -> alt.Chart:
    """Return a layer that draws the rows of one kind."""
    return chart.transform_filter(alt.datum.kind == kind)


def zoom(name: str) -> alt.Parameter:
    """Return a zoom along the steps that a page can name, so that it survives new data."""
    return alt.selection_interval(name=name, bind="scales", encodings=["x"])


def step_hover() -> alt.Tooltip:
    """Return the step for a tooltip."""
    return alt.Tooltip("step:Q", title="Step", format=",.0f")


def _reach(steps: ArrayLike, n_steps: int) -> float:
    return float(max(np.max(np.asarray(steps), initial=0), n_steps))


def _points(line: pd.DataFrame) -> pd.DataFrame:
    # A line of one reading is invisible, and a few readings are better seen as what they are.
    return line.assign(kind="point") if len(line) <= FEW_POINTS else line.iloc[:0]


def _rows(
    kind: str, steps: ArrayLike, values: ArrayLike, *, low: ArrayLike = np.nan, high: ArrayLike = np.nan, name: str = "", lane: int = 0
) -> pd.DataFrame:
    places, heights = np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64)
    columns = {"kind": kind, "step": places, "value": heights, "low": low, "high": high, "name": name, "lane": lane}
    return pd.DataFrame(columns, columns=COLUMNS, index=range(len(places)))


def joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the parts of a table as one."""
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else _rows("line", [], [])
