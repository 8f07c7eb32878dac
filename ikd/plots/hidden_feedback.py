"""How strongly the student's exam asked each hidden state and attention to change: at one step as bars, over all steps as a strip."""

from __future__ import annotations

import re
from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ikd.plots.curves import Window
from ikd.plots.palettes import CIVIDIS
from ikd.plots.ribbons import frame_layers, only, step_hover, steps_base, zoom
from ikd.plots.theme import INK, PADDING, TEACHER

COLUMNS = ["kind", "step", "since", "until", "value", "share", "high", "row", "order", "name", "lane"]
ROW_PIXELS = 24
AXIS_PIXELS, LEGEND_PIXELS = 48, 84
"""Heights of the axis below the rows and of the legend above, which a page counts as part of the figure."""

ROOM_PIXELS = 64
"""Room at the right of the bars for their numbers."""

_NAME = re.compile(r"(hidden state|attention) (\d+) of the student, (\d+) of the teacher")


def layer_word(name: str) -> str:
    """Return the short name of a layer: "hidden 1 · 2" for the student's hidden state 1 beside the teacher's 2."""
    found = _NAME.fullmatch(name)
    return f"{found[1].removesuffix(' state')} {found[2]} · {found[3]}" if found else name[:24]


def layer_words(names: Sequence[str]) -> list[str]:
    """Return short names of which no two are the same: a sum of objectives can look at one layer twice."""
    words = [layer_word(name) for name in names]
    return [word if words.count(word) == 1 else f"{word} ({words[: place + 1].count(word)})" for place, word in enumerate(words)]


def layers_table(norms: ArrayLike, *, names: Sequence[str]) -> pd.DataFrame:
    """Return the norms (K,) of one step, one row a layer: columns row, order, value."""
    return pd.DataFrame({"row": layer_words(names), "order": range(len(names)), "value": np.asarray(norms, dtype=np.float64)})


def strip_table(
    steps: ArrayLike, norms: ArrayLike, *, names: Sequence[str], frame: Sequence[pd.DataFrame] = ()
) -> pd.DataFrame:
    """Return the norms over the steps, one row a layer and step; shares are of the layer's own largest.

    Args:
        steps: (R,) with feedback, in order.
        norms: (R, K).
        names: of the K layers.
        frame: what stands around it, of `ikd.plots.ribbons.frame_rows`.
    """
    places, values = np.asarray(steps, dtype=np.float64), np.asarray(norms, dtype=np.float64)
    half = 0.5 * float(np.diff(np.unique(places)).min(initial=np.inf))
    half = half if np.isfinite(half) else 0.5
    largest = values.max(axis=0, initial=0.0)
    shares = np.divide(values, largest, out=np.zeros_like(values), where=largest > 0)
    cells = [
        pd.DataFrame({"kind": "cell", "step": places, "since": places - half, "until": places + half, "value": values[:, k],
                      "share": shares[:, k], "row": word, "order": k, "name": names[k]})
        for k, word in enumerate(layer_words(names))
    ]  # fmt: skip
    return pd.concat([part.reindex(columns=COLUMNS) for part in [*cells, *frame] if len(part)], ignore_index=True)


def layers_chart(table: pd.DataFrame, *, n_rows: int) -> alt.LayerChart:
    """Return the norms of one step as bars, with their numbers.

    Args:
        table: of `layers_table`.
        n_rows: number K of layers.
    """
    base = alt.Chart(table).encode(y=_rows(), tooltip=[alt.Tooltip("row:N", title="Student's · teacher's"),
                                                       alt.Tooltip("value:Q", title="Norm", format=".3~g")])  # fmt: skip
    x = alt.X("value:Q", title="norm of the feedback", axis=alt.Axis(format=".1~e", tickCount=2), scale=alt.Scale(zero=True, nice=False))
    bar = base.mark_bar(color=TEACHER, height=13, opacity=0.85).encode(x=x)
    word = base.mark_text(align="left", dx=4, fontSize=10.5, color=INK).encode(x=x, text=alt.Text("value:Q", format=".2~e"))
    right = {**PADDING, "right": ROOM_PIXELS}
    return alt.LayerChart(layer=[bar, word]).properties(height=n_rows * ROW_PIXELS + AXIS_PIXELS, padding=right)


def strip_chart(table: pd.DataFrame, *, n_rows: int, window: Window, zoom_name: str) -> alt.LayerChart:
    """Return the norms over the steps as a strip for each layer: the lighter, the nearer to that layer's strongest.

    Args:
        table: of `strip_table`.
        n_rows: number K of layers.
        window: first and last step shown, or None for those of the table.
        zoom_name: name of the zoom along the steps.
    """
    colour = alt.Color("share:Q", scale=alt.Scale(domain=[0, 1], range=list(CIVIDIS)), title="of its largest",
                       legend=alt.Legend(orient="top", gradientLength=120, gradientThickness=8, tickCount=2))  # fmt: skip
    hover = [alt.Tooltip("name:N", title="Layer"), step_hover(), alt.Tooltip("value:Q", title="Norm", format=".3~g")]
    cell = steps_base(table, window, "since").mark_rect(clip=True).encode(x2="until:Q", y=_rows(), color=colour, tooltip=hover)
    layers = [only(cell, "cell").add_params(zoom(zoom_name)), *frame_layers(steps_base(table, window), words=False)]
    return alt.LayerChart(layer=layers).properties(height=n_rows * ROW_PIXELS + AXIS_PIXELS + LEGEND_PIXELS, padding=PADDING)


def _rows() -> alt.Y:
    order = alt.EncodingSortField(field="order", op="min", order="ascending")
    return alt.Y("row:N", sort=order, title=None, axis=alt.Axis(labelLimit=120, labelOverlap=False, ticks=False, domain=False))
