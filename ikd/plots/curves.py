"""Curves over the steps of a run: scores of student and teacher, and the drift of the soft targets.

Every chart draws from one table with a column `kind`, so that its specification never changes while data arrive:
a browser then only swaps the data, and neither blinks nor forgets a zoom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ikd.plots.marks import beside, lanes
from ikd.plots.theme import CHART_HEIGHT_PIXELS, FROZEN, MARK, PADDING, ROLES, TEACHER, Look

COLUMNS = ["kind", "who", "step", "value", "low", "high", "name", "lane"]
Window = tuple[float, float] | None
SMALLEST_CEILING = 0.01
FEW_POINTS = 40


def score_table(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    n_steps: int,
    frozen: float | None = None,
    marks: Mapping[str, int] | None = None,
    exams: Sequence[int] = (),
    thin: Sequence[str] = (),
    halo: tuple[ArrayLike, ArrayLike] | None = None,
    levels: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Return the one table of a score chart.

    Args:
        series: who ("student", "teacher") to steps (N,) and values (N,).
        n_steps: steps of the whole run, the right end of the frozen teacher's line.
        frozen: the frozen teacher's value, drawn as a dotted line.
        marks: words such as "first exam" to the step they belong to.
        exams: steps of single exams, drawn as ticks; leave empty where every step has one.
        thin: those of the series that are drawn thinner, as belonging to another run.
        levels: who to a value, drawn as a thin line of the same look from end to end.
        halo: steps (N,) and values (N,) that are marked with a broad pale line, whatever line is there.
    """
    parts = [_rows("thin" if who in thin else "line", who, steps, values) for who, (steps, values) in series.items()]
    parts += [part.assign(kind="point") for part in parts if len(part) <= FEW_POINTS and not (part["kind"] == "thin").any()]
    if frozen is not None:
        parts.append(_rows("line", "frozen teacher", [0, n_steps], [frozen, frozen]))
    parts += [_rows("thin", who, [0, n_steps], [value, value]) for who, value in (levels or {}).items()]
    marked = [] if halo is None else [_rows("halo", "", *halo)]
    return _joined([*parts, *marked, *_mark_rows(marks, exams, reach=n_steps)])


def drift_table(
    bands: pd.DataFrame,
    *,
    ceiling: float = 0.0,
    marks: Mapping[str, int] | None = None,
    exams: Sequence[int] = (),
    n_steps: int = 0,
    parent: tuple[ArrayLike, ArrayLike] | None = None,
) -> pd.DataFrame:
    """Return the one table of a drift chart.

    Args:
        bands: columns step, q05, q25, median, q75, q95, in nats.
        ceiling: the axis reaches at least this far, so that a replay keeps its scale.
        marks: words to the step they belong to.
        exams: steps of single exams, or none.
        n_steps: of the whole run: how near two marks are.
        parent: steps (S,) and medians (S,) of the run this one was forked from.
    """
    steps = bands["step"].to_numpy()
    wide = _rows("wide", "5 % to 95 %", steps, bands["median"]).assign(low=bands["q05"].to_numpy(), high=bands["q95"].to_numpy())
    middle = _rows("middle", "middle half", steps, bands["median"]).assign(
        low=bands["q25"].to_numpy(), high=bands["q75"].to_numpy()
    )
    line = _rows("line", "median", steps, bands["median"])
    points = line.assign(kind="point") if len(line) <= FEW_POINTS else line.iloc[:0]
    top = _rows("ceiling", "", [0], [max(ceiling, SMALLEST_CEILING)])
    beside_it = []
    if parent is not None and len(np.asarray(parent[0])):
        of_parent = _rows("thin", "parent", *parent).assign(name="parent")
        beside_it = [of_parent, of_parent.iloc[-1:].assign(kind="word")]
    return _joined([wide, middle, line, points, top, *beside_it, *_mark_rows(marks, exams, reach=n_steps)])


def score_chart(
    table: pd.DataFrame,
    *,
    window: Window,
    title: str,
    zoom_name: str,
    looks: Mapping[str, Look] = ROLES,
    unit_interval: bool = True,
    columns: int = 3,
    from_zero: bool = False,
) -> alt.LayerChart:
    """Return curves over steps.

    Args:
        table: of `score_table`.
        window: first and last step shown, or None for those of the table.
        title: of the vertical axis.
        zoom_name: name of the zoom along the steps, to be listed in the page's selection modes.
        looks: who to colour and dash, in the order of the legend.
        columns: of the legend, where it has more than three names.
        unit_interval: whether the vertical axis is 0 to 1; otherwise it fits the values.
        from_zero: whether an axis that fits the values begins at zero.
    """
    scale = alt.Scale(domain=[0, 1]) if unit_interval else alt.Scale(zero=from_zero, nice=True)
    y = alt.Y("value:Q", title=title, scale=scale)
    legend = alt.Legend(title=None, orient="top", symbolType="stroke", symbolStrokeWidth=2.5, symbolSize=420,
                        columns=columns if len(looks) > 3 else alt.Undefined)  # fmt: skip
    colours, dashes = zip(*looks.values(), strict=True)
    colour = alt.Color("who:N", scale=alt.Scale(domain=list(looks), range=list(colours)), legend=legend)
    dash = alt.StrokeDash("who:N", scale=alt.Scale(domain=list(looks), range=list(dashes)), legend=legend)
    base = _base(table, window)
    hover = [alt.Tooltip("who:N", title="Who"), _step_hover(), alt.Tooltip("value:Q", title=title, format=".4f")]
    line = base.mark_line(clip=True, strokeWidth=2).encode(y=y, color=colour, strokeDash=dash, tooltip=hover)
    point = base.mark_point(clip=True, size=22, filled=True).encode(y=y, color=colour, tooltip=hover)
    thin = base.mark_line(clip=True, strokeWidth=1.2).encode(y=y, color=colour, strokeDash=dash, tooltip=hover)
    halo = base.mark_line(clip=True, strokeWidth=11, strokeCap="round", opacity=0.3, color=MARK).encode(y=y)
    return _layered([_only(line, "line").add_params(_zoom(zoom_name)), _only(halo, "halo"), _only(thin, "thin"), _only(point, "point"),
                     *_mark_layers(base, words_at="bottom")])  # fmt: skip


def drift_chart(table: pd.DataFrame, *, window: Window, zoom_name: str) -> alt.LayerChart:
    """Return the drift of the teacher's soft targets: its median and two bands of quantiles, from zero.

    Args:
        table: of `drift_table`.
        window: first and last step shown, or None for those of the table.
        zoom_name: name of the zoom along the steps.
    """
    title = "drift, KL (nats)"
    base = _base(table, window)
    low = alt.Y("low:Q", title=title, scale=alt.Scale(zero=True, domainMin=0))
    wide = base.mark_area(clip=True, opacity=0.18, color=TEACHER).encode(y=low, y2="high:Q")
    middle = base.mark_area(clip=True, opacity=0.32, color=TEACHER).encode(y=low, y2="high:Q")
    y = alt.Y("value:Q", title=title)
    line = base.mark_line(clip=True, strokeWidth=2, color=TEACHER).encode(
        y=y, tooltip=[_step_hover(), alt.Tooltip("value:Q", title="Median (nats)", format=".5f")]
    )
    point = base.mark_point(clip=True, size=22, filled=True, color=TEACHER).encode(y=y)
    top = base.mark_point(opacity=0, size=1).encode(y=y)
    thin = base.mark_line(clip=True, strokeWidth=1.2, strokeDash=[2, 2], color=FROZEN).encode(
        y=y, tooltip=[alt.Tooltip("who:N", title="Who"), _step_hover(), alt.Tooltip("value:Q", title="Median (nats)", format=".5f")]
    )
    word = base.mark_text(clip=True, color=FROZEN, baseline="bottom", dy=-3, fontSize=11, **beside(4)).encode(y=y, text="name:N")
    layers = [_only(thin, "thin"), _only(word, "word"), _only(line, "line").add_params(_zoom(zoom_name)), _only(wide, "wide"),
              _only(middle, "middle"), _only(point, "point"), _only(top, "ceiling")]  # fmt: skip
    return _layered([*layers, *_mark_layers(base, words_at="top")])


def _base(table: pd.DataFrame, window: Window) -> alt.Chart:
    # A moving window must come from the data: a new domain would be a new specification, and the chart would blink.
    scale = alt.Scale(nice=False, zero=False) if window is None else alt.Scale(domain=list(window), nice=False)
    x = alt.X("step:Q", title="step", scale=scale, axis=alt.Axis(grid=False))
    return alt.Chart(table).encode(x=x)


def _zoom(name: str) -> alt.Parameter:
    return alt.selection_interval(name=name, bind="scales", encodings=["x"])


def _only(chart: alt.Chart, kind: str) -> alt.Chart:
    return chart.transform_filter(alt.datum.kind == kind)


def _layered(layers: Sequence[alt.Chart]) -> alt.LayerChart:
    return alt.LayerChart(layer=list(layers)).properties(height=CHART_HEIGHT_PIXELS, padding=PADDING)


def _mark_layers(base: alt.Chart, *, words_at: Literal["top", "bottom"]) -> list[alt.Chart]:
    rule = base.mark_rule(clip=True, color=MARK, strokeDash=[2, 2]).encode(tooltip=["name:N", "step:Q"])
    height, line = (0, "2 + 13 * datum.lane") if words_at == "top" else ("height", "-8 - 13 * datum.lane")
    word = base.mark_text(clip=True, color=MARK, baseline=words_at, dy=alt.expr(line), fontSize=11, **beside(4)).encode(
        y=alt.value(height), text="name:N"
    )
    tick = base.mark_tick(clip=True, color=MARK, orient="vertical", height=6).encode(y=alt.value("height"))
    return [_only(rule, "rule"), _only(word, "rule"), _only(tick, "exam")]


def _mark_rows(marks: Mapping[str, int] | None, exams: Sequence[int], *, reach: float) -> list[pd.DataFrame]:
    rules = [_rows("rule", "", [step], [np.nan]).assign(name=name, lane=lane) for name, step, lane in lanes(marks or {}, reach)]
    return [*rules, _rows("exam", "", list(exams), [np.nan] * len(exams))]


def _rows(kind: str, who: str, steps: ArrayLike, values: ArrayLike) -> pd.DataFrame:
    places, heights = np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64)
    columns = {"kind": kind, "who": who, "step": places, "value": heights, "low": np.nan, "high": np.nan, "name": "", "lane": 0}
    return pd.DataFrame(columns, columns=COLUMNS, index=range(len(places)))


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else _rows("line", "", [], [])


def _step_hover() -> alt.Tooltip:
    return alt.Tooltip("step:Q", title="Step", format=",.0f")
