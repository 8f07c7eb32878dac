"""The soft confusion: which classes the teacher blurs, at the start, now, and what has changed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from ikd.plots.confusion import confusion_chart, soft_confusion_table
from ikd.trace.measures import soft_confusion, softmax
from ikd.ui.figures import show_figure
from ikd.ui.targets.look import Look
from ikd.ui.targets.panel import draw_words
from ikd.ui.targets.words import VIEWS
from ikd.ui.wording import visible

MOST_CLASSES = 10


def draw_confusion(look: Look) -> int | None:
    """Draw the matrix of the frozen teacher, of the teacher at the cursor, and their difference."""
    frozen, teacher, _ = look.both()
    n_classes = len(look.names)
    before, now = (soft_confusion(softmax(one, look.temperature), look.labels, n_classes) for one in (frozen, teacher))
    kept = kept_classes(before, now)
    counts = np.bincount(look.labels, minlength=n_classes)
    own = int(look.labels[look.example])
    names = [visible(look.names[one], longest=40) for one in kept]
    marked = [f"▸ {name}" if one == own else name for one, name in zip(kept, names, strict=True)]
    square = np.ix_(kept, kept)
    parts = {"Start: the frozen teacher": before[square], f"Now: step {look.cursor}": now[square]}
    change = now[square] - before[square]
    largest = float(np.nanmax(np.abs(change))) if np.isfinite(change).any() else 0.0
    limit = next(one for one in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if one >= min(largest, 1.0))
    figures = {}
    for place, (title, matrix) in zip(st.columns(3, gap="small"), {**parts, "Change": change}.items(), strict=True):
        is_change = title == "Change"
        table = soft_confusion_table(matrix, names, change=is_change, counts=counts[kept], rows=marked,
                                     digits=2 if not is_change or limit > 0.05 else 3 if limit > 0.01 else 4)  # fmt: skip
        with place:
            st.markdown(f"**{title}**")
            figures[f"{title.split(':')[0]} as SVG"] = show_figure(
                confusion_chart, table, key=f"confusion-{title.split(':')[0]}-{limit if is_change else 1}", era=look.era,
                spoken=_spoken(title, matrix, names), change=is_change, limit=limit if is_change else 1.0,
            )  # fmt: skip
    if own in kept:
        st.caption(f"▸ the row of example {look.example}: it is one of the {counts[own]} examples whose mean stands there.")
    if len(kept) < n_classes:
        st.caption(f"Of {n_classes} classes those {len(kept)} whose rows changed most: the other columns are left out, so rows "
                   "need not sum to 1.")  # fmt: skip
    whole = pd.DataFrame([(look.names[a], look.names[b], before[a, b], now[a, b], now[a, b] - before[a, b])
                          for a in range(n_classes) for b in range(n_classes) if not np.isnan(now[a, b])],
                         columns=["label", "class", "frozen", "now", "change"])  # fmt: skip
    draw_words("confusion", VIEWS["confusion"], look, make_table=lambda: whole, figures=figures)
    return None


def kept_classes(before: NDArray[np.float64], now: NDArray[np.float64]) -> list[int]:
    """Return the classes shown: all up to ten; of more, the ten with examples whose rows changed most, in their order."""
    if len(now) <= MOST_CLASSES:
        return list(range(len(now)))
    moved = np.nan_to_num(np.abs(now - before), nan=-1.0).sum(axis=1)
    return sorted(int(one) for one in np.argsort(-moved, kind="stable")[:MOST_CLASSES])


def _spoken(title: str, matrix: NDArray[np.float64], names: list[str]) -> str:
    cells = [f"{row}: " + ("no example" if np.isnan(values).any() else
                           ", ".join(f"{name} {value:.2f}" for name, value in zip(names, values, strict=True)))
             for row, values in zip(names, matrix.tolist(), strict=True)]  # fmt: skip
    return f"{title}. " + "; ".join(cells)
