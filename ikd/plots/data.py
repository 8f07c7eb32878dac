"""What a task looks like before it is taught: how many texts of each class stand in each split, and how long they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from ikd.plots.theme import FROZEN, PADDING, STUDENT, TEACHER

MOST_CLASSES = 30
ROW_PIXELS, LENGTH_HEIGHT_PIXELS = 22, 260
AROUND_PIXELS = 100
"""Of legend and axis, which Streamlit fits into the height of a figure."""
BINS = 40
SPLIT_COLOURS = {"course": TEACHER, "exam": STUDENT, "validation": "#009E73", "test": "#CC79A7"}


def balance_table(classes: Mapping[str, Sequence[int]], names: Sequence[str]) -> pd.DataFrame:
    """Return a row for each class and split: its texts, and its share of the split; the largest and the smallest classes of many.

    Args:
        classes: by split, texts of each of the C classes.
        names: of the classes, made safe to show.
    """
    total = np.sum([list(counts) for counts in classes.values()], axis=0)
    order = np.argsort(-total, kind="stable")
    if len(order) > MOST_CLASSES:
        order = np.concatenate([order[: MOST_CLASSES // 2], order[-MOST_CLASSES // 2 :]])
    rows = [
        {"class": f"{names[at]}", "place": place, "split": split, "texts": int(counts[at]),
         "share": counts[at] / max(sum(counts), 1)}
        for split, counts in classes.items() for place, at in enumerate(order.tolist())
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["class", "place", "split", "texts", "share"])


def balance_chart(table: pd.DataFrame, *, n_classes: int, splits: Sequence[str]) -> alt.LayerChart:
    """Return bars of each class's share by split: equal where a split keeps the proportions."""
    base = alt.Chart(table).encode(
        y=alt.Y("class:N", sort=alt.EncodingSortField("place", op="min"), title=None, axis=alt.Axis(labelLimit=150)),
        yOffset=alt.YOffset("split:N", sort=list(splits)),
        tooltip=[alt.Tooltip("class:N"), alt.Tooltip("split:N"), alt.Tooltip("texts:Q", format=","), alt.Tooltip("share:Q", format=".1%")],
    )  # fmt: skip
    scale = alt.Scale(domain=list(splits), range=[SPLIT_COLOURS.get(split, FROZEN) for split in splits])
    bars = base.mark_bar().encode(
        x=alt.X("share:Q", title="share of the split", axis=alt.Axis(format="%", tickCount=5)),
        color=alt.Color("split:N", scale=scale, legend=alt.Legend(title=None, orient="top")),
    )  # fmt: skip
    words = base.mark_text(align="left", dx=4, fontSize=10, color=FROZEN).encode(
        x="share:Q", text=alt.Text("texts:Q", format=","), yOffset=alt.YOffset("split:N", sort=list(splits), bandPosition=0.5)
    )
    height = AROUND_PIXELS + min(n_classes, MOST_CLASSES) * max(ROW_PIXELS, 13 * len(splits))
    return alt.LayerChart(layer=[bars, words]).properties(height=height, padding=PADDING)


def length_table(lengths: Mapping[str, Sequence[int]], limits: Mapping[str, int]) -> pd.DataFrame:
    """Return a histogram of the tokens of texts for each role, with the longest input of its model.

    Args:
        lengths: by role, tokens of each text before cutting.
        limits: by role, tokens the model takes.
    """
    most = max([*limits.values(), *(int(np.quantile(counts, 0.999)) for counts in lengths.values() if len(counts))]) + 1
    edges = np.unique(np.linspace(0, most, BINS + 1).astype(int))
    rows = []
    for role, counts in lengths.items():
        found, _ = np.histogram(np.minimum(counts, most - 1), edges)
        rows += [{"kind": "bar", "role": role, "low": int(low), "high": int(high), "texts": int(n), "cut": bool(low >= limits[role])}
                 for low, high, n in zip(edges[:-1], edges[1:], found, strict=True)]  # fmt: skip
        rows.append({"kind": "limit", "role": role, "low": limits[role], "high": limits[role], "texts": 0, "cut": False})
    return pd.DataFrame(rows, columns=["kind", "role", "low", "high", "texts", "cut"])


def length_chart(table: pd.DataFrame) -> alt.LayerChart:
    """Return the histogram, with what is cut in another colour and the limit as a line."""
    base = alt.Chart(table)
    bars = base.transform_filter("datum.kind == 'bar'").mark_bar(binSpacing=1).encode(
        x=alt.X("low:Q", title="tokens of a text", bin="binned"), x2="high:Q", y=alt.Y("texts:Q", title="texts"),
        color=alt.Color("cut:N", title=None, scale=alt.Scale(domain=[False, True], range=[TEACHER, STUDENT]),
                        legend=alt.Legend(orient="top", labelExpr="datum.value ? 'longer than the limit: cut' : 'read whole'")),
        tooltip=[alt.Tooltip("low:Q", title="from"), alt.Tooltip("high:Q", title="below"), alt.Tooltip("texts:Q", format=",")],
    )  # fmt: skip
    rule = base.transform_filter("datum.kind == 'limit'").mark_rule(strokeDash=[4, 3], color=FROZEN, strokeWidth=2).encode(x="low:Q")
    return alt.LayerChart(layer=[bars, rule]).properties(height=LENGTH_HEIGHT_PIXELS, padding=PADDING)
