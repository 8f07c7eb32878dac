"""What a study has found, drawn: each method's gain with its interval, and scores against what they cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

import altair as alt
import pandas as pd

from ikd.plots.compare import SHAPES
from ikd.plots.theme import CHART_HEIGHT_PIXELS, CLASS_COLOURS, FROZEN, INK, MARK, PADDING, PAPER

LINE_PIXELS = 36
ABOVE_LINES, BELOW_LINES = 1.3, 0.45
"""Room above the first line, where the directions are named, and below the last one, in lines."""
AXIS_PIXELS = 60
"""A page fits the axis with its title into a figure's height too: without it the lines of a short figure would be squeezed."""
ABOVE_ZERO, BELOW_ZERO = -6, 13
"""From where to where about an interval zero is marked: the words of its line and of the next one are left out."""
LETTERS_BESIDE = 18
"""A longer name does not stand beside the other direction on a narrow screen."""
DASHED = "equal compute"
OF_GAIN = "datum.kind === 'gain'"
LEGEND_LINE_PIXELS, LEGEND_COLUMNS = 26, 2
LETTER_PIXELS, SYMBOL_PIXELS, COLUMN_PADDING = 7, 30, 20
APART_PIXELS, SAME_PLACE = 14, 0.02
"""Marks that are nearer to each other than this share of the axis are set so far apart."""
TICKS_A_DECADE = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0), tuple(1 + number / 10 for number in range(90)))
FEWEST_TICKS, MOST_TICKS = 3, 7
FORESTS = ["task", "method", "label", "at", "gain", "low", "high"]


def forest_table(gains: pd.DataFrame) -> pd.DataFrame:
    """Return a line for each row, and before those of a task one with its name: the columns given, `kind` and `place`.

    Args:
        gains: columns task, method, label, at, gain, low, high; the rows of a task follow each other.
    """
    parts = []
    for task, own in gains.groupby("task", sort=False):
        head = pd.DataFrame({"task": [task], "label": [task], "kind": ["task"]})
        parts += [head, own[FORESTS].assign(kind="gain")]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["kind"])
    table = table.reindex(columns=[*FORESTS, "kind"]).astype({"gain": float, "low": float, "high": float})
    return table.assign(place=range(len(table)))


def forest_chart(
    table: pd.DataFrame, *, methods: Sequence[str], slots: Sequence[int], n_lines: int, x_title: str, than: str = ""
) -> alt.LayerChart:
    """Return each gain as a point on its interval, under its words, with zero marked.

    Args:
        table: of `forest_table`.
        methods: names, in any order.
        slots: colour slot of each.
        n_lines: of the table.
        x_title: name and unit of the gain.
        than: what all are held against, where that is one method.
    """
    colour, shape = _looks(methods, slots, legend=None)
    base = alt.Chart(table)
    x = alt.X("gain:Q", title=x_title, axis=alt.Axis(format=",f", tickCount=6), scale=alt.Scale(zero=True, nice=True, padding=14))
    y = alt.Y("place:Q", axis=None, scale=alt.Scale(domain=[n_lines - 1 + BELOW_LINES, -ABOVE_LINES], zero=False, nice=False))
    dash = alt.condition(f"datum.at === '{DASHED}'", alt.value([5, 3]), alt.value([1, 0]))
    hover = [alt.Tooltip("task:N", title="Task"), alt.Tooltip("label:N", title="Gain"), alt.Tooltip("gain:Q", format="+.4f", title="Mean"),
             alt.Tooltip("low:Q", format="+.4f", title="From"), alt.Tooltip("high:Q", format="+.4f", title="To")]  # fmt: skip
    once = base.transform_filter("datum.place === 0")
    at_zero = base.transform_filter(OF_GAIN).mark_rule(color=MARK, strokeWidth=1.5, yOffset=ABOVE_ZERO, y2Offset=BELOW_ZERO)
    zero = at_zero.encode(x=alt.XDatum(0, type="quantitative"), y=y, y2="place:Q")
    rule = base.mark_rule(strokeWidth=2.5).encode(x=alt.X("low:Q", title=x_title), x2="high:Q", y=y, color=colour, strokeDash=dash)
    point = base.mark_point(filled=True, size=95, opacity=1).encode(x=x, y=y, color=colour, shape=shape, tooltip=hover)
    halo, *words = _words(base, y)
    return alt.LayerChart(layer=[_guides(base, y), zero, halo, rule, point, *words, *_directions(once, than)]).properties(
        height=AXIS_PIXELS + round(LINE_PIXELS * (n_lines - 1 + ABOVE_LINES + BELOW_LINES)), padding=PADDING
    )


def beside_each_other(costs: Sequence[float]) -> list[float]:
    """Return by how many pixels the mark at each cost is moved, so that marks at the same one, on a logarithmic axis, can all be seen."""
    places = [math.log(cost) for cost in costs]
    near = SAME_PLACE * ((max(places) - min(places)) or 1.0) if places else 0.0
    several: list[list[int]] = []
    for number in sorted(range(len(places)), key=places.__getitem__):
        if several and places[number] - places[several[-1][0]] <= near:
            several[-1].append(number)
        else:
            several.append([number])
    moved = {number: APART_PIXELS * (at - (len(own) - 1) / 2) for own in several for at, number in enumerate(own)}
    return [moved[number] for number in range(len(places))]


def cost_ticks(costs: Sequence[float]) -> list[float]:
    """Return round numbers for a logarithmic axis over some costs: all between the least and the greatest one, where there are any."""
    low, high = min(costs), max(costs)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for several in TICKS_A_DECADE:
        ticks = [tick for power in decades for one in several if low <= (tick := float(f"{one:g}e{power}")) <= high]
        if len(ticks) >= FEWEST_TICKS:
            break
    return ticks[:: max(1, math.ceil(len(ticks) / MOST_TICKS))] or [float(f"{low:.2g}")]


def cost_chart(
    table: pd.DataFrame, *, methods: Sequence[str], slots: Sequence[int], x_title: str, title: str, ticks: Sequence[float] = ()
) -> alt.LayerChart:
    """Return mean scores with their intervals against what was spent, on a logarithmic axis; a line joins those that no other beats.

    Args:
        table: of `ikd.plots.compare.frontier_table`, with columns method and moved (`beside_each_other`).
        methods: names in the order of the legend.
        slots: colour slot of each.
        x_title, title: of the axes.
        ticks: of the cost, none: as the axis chooses.
    """
    each = SYMBOL_PIXELS + COLUMN_PADDING + LETTER_PIXELS * max((len(name) for name in methods), default=1)
    columns = alt.ExprRef(expr=f"max({LEGEND_COLUMNS}, min({len(methods)}, floor(width / {each})))")
    legend = alt.Legend(title=None, orient="top", columns=columns, columnPadding=COLUMN_PADDING, labelLimit=200, symbolSize=140)
    colour, shape = _looks(methods, slots, legend=legend)
    base = alt.Chart(table)
    plain = "datum.value >= 1e5 ? format(datum.value, '~s') : format(datum.value, ',.4~r')"
    axis = alt.Axis(labelExpr=plain, tickCount=len(ticks) or 5, labelOverlap=True, grid=False, values=list(ticks) or alt.Undefined)
    x = alt.X("cost:Q", title=x_title, axis=axis, scale=alt.Scale(type="log", nice=False, padding=24))
    y = alt.Y("value:Q", title=title, scale=alt.Scale(zero=False, padding=12))
    moved = alt.ExprRef(expr="datum.moved")
    hover = [alt.Tooltip("method:N", title="Method"), alt.Tooltip("cost:Q", title=x_title, format=",.4~g"),
             alt.Tooltip("value:Q", title=title, format=".4f"), alt.Tooltip("low:Q", title="From", format=".4f"),
             alt.Tooltip("high:Q", title="To", format=".4f")]  # fmt: skip
    stairs = base.mark_line(color=MARK, strokeDash=[4, 3], interpolate="step-after")
    front = stairs.transform_filter("datum.frontier").encode(x=x, y=y)
    rule = base.mark_rule(strokeWidth=2, xOffset=moved).encode(x=x, y=alt.Y("low:Q", title=title), y2="high:Q", color=colour)
    point = base.mark_point(filled=True, size=110, opacity=1, xOffset=moved).encode(x=x, y=y, color=colour, shape=shape, tooltip=hover)
    height = CHART_HEIGHT_PIXELS + LEGEND_LINE_PIXELS * math.ceil(len(methods) / LEGEND_COLUMNS)
    return alt.LayerChart(layer=[front, rule, point]).properties(height=height, padding=PADDING)


def _guides(base: alt.Chart, y: alt.Y) -> alt.Chart:
    """Return a faint line under the words of each gain, on which its interval lies."""
    lines: alt.Chart = base.transform_filter(OF_GAIN).mark_rule(color=MARK, strokeOpacity=0.18)
    return lines.encode(x=alt.value(0), x2=alt.value("width"), y=y)


def _words(base: alt.Chart, y: alt.Y) -> list[alt.Chart]:
    """Return the ground behind the words of each gain, which stops the line at zero there; these words; and the tasks' names."""
    left, whole, words = alt.value(2), alt.ExprRef(expr="width - 4"), alt.Text("label:N")
    gains, tasks = base.transform_filter(OF_GAIN), base.transform_filter("datum.kind === 'task'")
    ground = gains.mark_text(align="left", dy=-14, fontSize=12, color=PAPER, stroke=PAPER, strokeWidth=5, limit=whole)
    of_gain = gains.mark_text(align="left", dy=-14, fontSize=12, color=INK, limit=whole)
    of_task = tasks.mark_text(align="left", dy=-4, fontSize=14, fontWeight="bold", color=INK, limit=whole)
    return [one.encode(x=left, y=y, text=words) for one in (ground, of_gain, of_task)]


def _directions(once: alt.Chart, than: str) -> list[alt.Chart]:
    beside = f" than {than}" if than and len(than) <= LETTERS_BESIDE else ""
    half = alt.ExprRef(expr="width / 2 - 4")
    worse = once.mark_text(align="left", fontSize=12, color=FROZEN, limit=half, text=f"← worse{beside}")
    better = once.mark_text(align="right", fontSize=12, color=FROZEN, limit=half, text=f"better{beside} →")
    return [worse.encode(x=alt.value(2), y=alt.value(11)), better.encode(x=alt.value("width"), y=alt.value(11))]


def _looks(methods: Sequence[str], slots: Sequence[int], *, legend: alt.Legend | None) -> tuple[alt.Color, alt.Shape]:
    """Return colour and shape of each method: methods that share a colour have different shapes."""
    names = list(methods)
    colours = [CLASS_COLOURS[slot % len(CLASS_COLOURS)] for slot in slots]
    shapes = [SHAPES[(slot + slot // len(CLASS_COLOURS)) % (len(SHAPES) - 1)] for slot in slots]  # without the stroke, which is thin
    return (alt.Color("method:N", scale=alt.Scale(domain=names, range=colours), legend=legend),
            alt.Shape("method:N", scale=alt.Scale(domain=names, range=shapes), legend=legend))  # fmt: skip
