"""One example's belief over all steps: what teacher, student and frozen teacher think of it, as lines or as areas."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ikd.plots.belief import short_name, slot_colour
from ikd.plots.ribbons import frame_layers, only, step_hover, steps_base, zoom
from ikd.plots.theme import FROZEN, INK, PADDING, PAPER, ROLES, STAR

COLUMNS = ["kind", "who", "step", "value", "low", "high", "name", "slot", "label", "lane"]
TIMELINE_HEIGHT_PIXELS = 340
NAME_GAP_PIXELS = 9
LABEL_WORD = " (label)"
CLEAR_GAP = 0.055
"""Names at the line ends stand at least so far apart, on an axis of 0 to 1."""

Doubles = NDArray[np.float64]


def timeline_table(
    steps: ArrayLike,
    teacher: ArrayLike,
    student: ArrayLike,
    frozen: ArrayLike,
    *,
    names: Sequence[str],
    slots: Sequence[int],
    n_steps: int,
    label_slot: int | None,
    truth: ArrayLike | None = None,
    frame: Sequence[pd.DataFrame] = (),
) -> pd.DataFrame:
    """Return the one table of both charts, lines and stacked areas.

    Args:
        steps: (R,) of the readings.
        teacher, student: (R, K) probabilities, K up to 7.
        frozen: (K,) the frozen teacher's probabilities, drawn along all steps.
        names: of the K rows.
        slots: their colour slots.
        n_steps: steps of the whole run.
        label_slot: slot of the hard label, None where there is none; its area is the lowest and its line the thickest.
        truth: (K,) the true posterior, drawn as stars at the right end.
        frame: what stands around the lines, of `ikd.plots.ribbons.frame_rows`.
    """
    rows = _Rows(names, slots, label_slot)
    places, taught = np.asarray(steps, dtype=np.float64), np.asarray(teacher, dtype=np.float64).reshape(-1, len(names))
    still = np.asarray(frozen, dtype=np.float64)[None]
    ends = np.asarray([0.0, n_steps])
    parts = [
        rows.of("line", "teacher", places, taught, stacked=True),
        rows.of("line", "student", places, np.asarray(student, dtype=np.float64).reshape(taught.shape)),
        rows.of("line", "frozen teacher", ends, still.repeat(2, axis=0)),
    ]
    if truth is not None:
        parts.append(rows.of("truth", "truth", ends[1:], np.asarray(truth, dtype=np.float64)[None]))
    parts += rows.ends(places[-1:], taught[-1:])
    around = [part.assign(who="", slot="", label=False) for part in frame if len(part)]
    return pd.concat([*parts, *around], ignore_index=True)[COLUMNS]


def timeline_chart(
    table: pd.DataFrame, *, n_steps: int, stacked: bool, zoom_name: str, title: str = "probability"
) -> alt.LayerChart:
    """Return the probabilities over the steps, 0 to 1: colour is the class, dash the role.

    Stacked, the areas are the teacher's soft target; the edge over the hard label, at the bottom, is the only one that
    is read off fairly, so it alone is a line, beside the frozen teacher's and the student's probability of the label.

    Args:
        table: of `timeline_table`.
        n_steps: steps of the whole run, the right end of the axis.
        stacked: whether the soft target is drawn as stacked areas.
        zoom_name: name of the zoom along the steps.
        title: of the vertical axis.
    """
    base = steps_base(table, (0, n_steps))
    y = alt.Y("value:Q", title=title, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=5, format=".2~f"))
    layers = _stacked_layers(base, y, title, zoom_name) if stacked else _line_layers(base, y, zoom_name)
    # The names beside the plot count as part of the figure, so it needs no padding for them.
    return alt.LayerChart(layer=[*layers, *frame_layers(base)]).properties(height=TIMELINE_HEIGHT_PIXELS, padding=PADDING)


class _Rows:
    """The rows of one example's classes."""

    def __init__(self, names: Sequence[str], slots: Sequence[int], label_slot: int | None) -> None:
        if label_slot is not None and label_slot not in slots:
            raise ValueError(f"label_slot is {label_slot}, which is none of the slots {list(slots)}")
        self.names = np.asarray(names, dtype=object)
        self.slots = np.asarray(slots, dtype=np.int64)
        self.label = self.slots == label_slot

    def of(self, kind: str, who: str, steps: Doubles, values: Doubles, *, stacked: bool = False) -> pd.DataFrame:
        """Return lines (R, K) step by step, with the edges of stacked areas where asked for."""
        low, high = _edges(values, self.label) if stacked else (np.full(values.shape, np.nan),) * 2
        n_steps, n_rows = values.shape
        return pd.DataFrame({
            "kind": kind, "who": who, "step": steps.repeat(n_rows), "value": values.reshape(-1), "low": low.reshape(-1),
            "high": high.reshape(-1), "name": np.tile(self.names, n_steps), "slot": np.tile(self.slots.astype(str), n_steps),
            "label": np.tile(self.label, n_steps), "lane": 0,
        })  # fmt: skip

    def ends(self, step: Doubles, values: Doubles) -> list[pd.DataFrame]:
        """Return the newest points, and the names beside the lines and beside the areas, moved apart."""
        if not len(step):
            return []
        end = self.of("end", "teacher", step, values, stacked=True)
        said = [short_name(name) + (LABEL_WORD if label else "") for name, label in zip(self.names, self.label, strict=True)]
        beside = end.assign(kind="word", name=said, value=_apart(end["value"].to_numpy()))
        within = end.assign(kind="area word", name=said, value=_apart((end["low"] + end["high"]).to_numpy() / 2))
        return [end, beside, within]


def _line_layers(base: alt.Chart, y: alt.Y, zoom_name: str) -> list[alt.Chart]:
    line = base.mark_line(clip=True).encode(
        y=y, color=slot_colour(), strokeDash=_dash(), strokeWidth=_width(), detail="name:N", tooltip=_hover()
    )
    dot = base.mark_point(clip=True, filled=True, size=36, opacity=1).encode(y=y, color=slot_colour(), tooltip=_hover())
    star = base.mark_text(clip=False, text="★", fontSize=15, stroke=INK, strokeWidth=0.7).encode(y=y, color=slot_colour(), tooltip=_hover())
    return [only(line, "line").add_params(zoom(zoom_name)), only(dot, "end"), only(star, "truth"), *_words(base, y, "word")]


def _stacked_layers(base: alt.Chart, y: alt.Y, title: str, zoom_name: str) -> list[alt.Chart]:
    low = alt.Y("low:Q", title=title, scale=alt.Scale(domain=[0, 1]))
    areas = base.mark_area(clip=True, opacity=0.6, stroke=PAPER, strokeWidth=0.5).encode(
        y=low, y2="high:Q", color=slot_colour(), detail="name:N", tooltip=_hover()
    )
    taught = only(areas, "line").transform_filter(alt.datum.who == "teacher").add_params(zoom(zoom_name))
    edge = base.mark_line(clip=True, color=INK).encode(y=y, strokeDash=_dash(), strokeWidth=_width(), tooltip=_hover())
    star = base.mark_text(clip=False, text="★", fontSize=15, stroke=INK, strokeWidth=0.7, color=STAR).encode(y=y, tooltip=_hover())
    of_label = [only(one, kind).transform_filter("datum.label") for one, kind in ((edge, "line"), (star, "truth"))]
    return [taught, *of_label, *_words(base, y, "area word")]


def _words(base: alt.Chart, y: alt.Y, kind: str) -> list[alt.Chart]:
    # A zoom along the steps would clip these names, which stand beside the plot.
    word = base.mark_text(clip=False, align="left", dx=NAME_GAP_PIXELS, fontSize=11, color=FROZEN).encode(
        x=alt.value("width"), y=y, text="name:N"
    )
    bold = word.mark_text(clip=False, align="left", dx=NAME_GAP_PIXELS, fontSize=11, fontWeight="bold", color=INK)
    return [only(word, kind).transform_filter("!datum.label"), only(bold, kind).transform_filter("datum.label")]


def _dash() -> alt.StrokeDash:
    dashes = [dash for _, dash in ROLES.values()]
    legend = alt.Legend(title=None, orient="top", symbolType="stroke", symbolStrokeWidth=2, symbolSize=420, symbolStrokeColor=FROZEN)
    return alt.StrokeDash("who:N", scale=alt.Scale(domain=list(ROLES), range=dashes), legend=legend)


def _width() -> alt.StrokeWidth:
    return alt.StrokeWidth("label:O", scale=alt.Scale(domain=[True, False], range=[3.2, 1.5]), legend=None)


def _hover() -> list[alt.Tooltip]:
    return [alt.Tooltip("name:N", title="Class"), alt.Tooltip("who:N", title="Who"), step_hover(),
            alt.Tooltip("value:Q", title="Probability", format=".3f")]  # fmt: skip


def _edges(values: Doubles, label: NDArray[np.bool_]) -> tuple[Doubles, Doubles]:
    """Return the lower and upper edges of stacked areas (R, K), the label's at the bottom."""
    order = np.argsort(~label, kind="stable")
    tops = values[:, order].cumsum(axis=1)
    high = np.empty_like(tops)
    high[:, order] = tops
    return high - values, high


def _apart(heights: Doubles) -> Doubles:
    """Return heights between 0 and 1, moved as little as needed for their names not to overlap."""
    order = np.argsort(heights, kind="stable")
    placed = heights[order].copy()
    for k in range(1, len(placed)):
        placed[k] = max(placed[k], placed[k - 1] + CLEAR_GAP)
    roof = 1.0
    for k in range(len(placed) - 1, -1, -1):
        placed[k] = min(placed[k], roof)
        roof = placed[k] - CLEAR_GAP
    moved = np.empty_like(placed)
    moved[order] = placed
    return moved
