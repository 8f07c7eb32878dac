"""Which classes, or groups, does a model miss? The score of each with its interval, beside how many examples it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ikd.plots.theme import PADDING, ROLE_SHAPES, ROLES

COLUMNS = ["who", "row", "order", "value", "low", "high", "count"]
ROW_PIXELS = 26
AROUND_PIXELS = 132
"""Height of the legend above the rows and of the axis below them."""

NAME_LETTERS = 24


def recall_table(names: Sequence[str], counts: ArrayLike, recall: Mapping[str, ArrayLike]) -> pd.DataFrame:
    """Return the one table of the figure, a row a class and model.

    Args:
        names: of the K classes shown, the first one at the top.
        counts: (K,) their examples, written behind the names.
        recall: who ("teacher", "student") to (K, 3): value and the ends of its interval.
    """
    numbers = np.asarray(counts, dtype=np.int64)
    rows = [f"{_short(name)} ({count:,})" for name, count in zip(names, numbers.tolist(), strict=True)]
    rows = [row if rows.count(row) == 1 else f"{row} · {place + 1}" for place, row in enumerate(rows)]
    parts = []
    for who, given in recall.items():
        value, low, high = np.asarray(given, dtype=np.float64).reshape(-1, 3).T
        parts.append(pd.DataFrame({"who": who, "row": rows, "order": np.arange(len(rows)), "value": value, "low": low, "high": high,
                                   "count": numbers}, columns=COLUMNS))  # fmt: skip
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def recall_chart(
    table: pd.DataFrame, *, n_rows: int, roles: Sequence[str] = tuple(ROLE_SHAPES), title: str = "recall", rows: str = "Class"
) -> alt.LayerChart:
    """Return a row a class with a point and a bar of its interval for each model.

    Args:
        table: of `recall_table`.
        n_rows: number K of classes.
        roles: in the order of the legend.
        title: of the value.
        rows: what a row is of, where it is another thing than a class.
    """
    domain = list(roles)
    legend = alt.Legend(title=None, orient="top", symbolSize=90)
    colour = alt.Color("who:N", scale=alt.Scale(domain=domain, range=[ROLES[one][0] for one in domain]), legend=legend)
    shape = alt.Shape("who:N", scale=alt.Scale(domain=domain, range=[ROLE_SHAPES[one] for one in domain]), legend=legend)
    order = alt.EncodingSortField(field="order", op="min", order="ascending")
    y = alt.Y("row:N", sort=order, title=None, axis=alt.Axis(labelLimit=190, labelOverlap=False, ticks=False, domain=False))
    aside = alt.YOffset("who:N", scale=alt.Scale(domain=domain))
    hover = [alt.Tooltip("row:N", title=f"{rows} (examples)"), alt.Tooltip("who:N", title="Who"),
             alt.Tooltip("value:Q", title=title.capitalize(), format=".3f"), alt.Tooltip("low:Q", title="From", format=".3f"),
             alt.Tooltip("high:Q", title="To", format=".3f")]  # fmt: skip
    base = alt.Chart(table).encode(y=y, yOffset=aside, color=colour, tooltip=hover)
    x = alt.Scale(domain=[0, 1])
    span = base.mark_rule(strokeWidth=1.5).encode(x=alt.X("low:Q", title=title, scale=x), x2="high:Q")
    point = base.mark_point(filled=True, size=55, opacity=1).encode(x=alt.X("value:Q", title=title, scale=x), shape=shape)
    return alt.LayerChart(layer=[span, point]).properties(height=n_rows * ROW_PIXELS + AROUND_PIXELS, padding=PADDING)


def _short(name: str) -> str:
    return name if len(name) <= NAME_LETTERS else f"{name[: NAME_LETTERS - 1]}…"
