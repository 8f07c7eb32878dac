"""What is believed of one example now: soft target, frozen teacher, student, truth, and the feedback's pull."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ikd.plots.theme import CLASS_COLOURS, FROZEN, INK, PADDING, PAPER, REST_SLOT, STAR

MOST_CLASSES = 6
SHOWN_OF_MANY = 4
REST = "all others"
FAINT_PULL = 0.005
NAME_LENGTH = 18
LABEL_PADDING_PIXELS = 11
"""A star at zero reaches so far to the left, and must not cover the name of its class."""


def shown_classes(*beliefs: ArrayLike, label: int) -> NDArray[np.int64]:
    """Return the classes worth a line of their own, in the order of the label names.

    All of them up to six; of more, the four most probable in any of the beliefs, the hard label always among them.

    Args:
        beliefs: probabilities (C,) each.
        label: the hard label.
    """
    highest = np.max([np.asarray(one, dtype=np.float64) for one in beliefs], axis=0)
    if len(highest) <= MOST_CLASSES:
        return np.arange(len(highest))
    weight = highest.copy()
    weight[label] = np.inf
    return np.sort(np.argsort(-weight, kind="stable")[:SHOWN_OF_MANY])


def gathered(p: ArrayLike, shown: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (..., C) as (..., shown classes), with the sum of all others at the end where there are others."""
    values = np.asarray(p, dtype=np.float64)
    kept = values[..., shown]
    if values.shape[-1] == len(shown):
        return np.asarray(kept)
    rest = values.sum(axis=-1, keepdims=True) - kept.sum(axis=-1, keepdims=True)
    return np.concatenate([kept, rest], axis=-1)


def slots_of(n_rows: int, n_classes: int) -> list[int]:
    """Return the colour slot of each row of a card; the last row of many classes is the rest."""
    return list(range(n_rows)) if n_rows == n_classes else [*range(n_rows - 1), REST_SLOT]


def belief_table(
    names: Sequence[str],
    slots: Sequence[int],
    *,
    teacher: ArrayLike,
    frozen: ArrayLike,
    student: ArrayLike,
    truth: ArrayLike | None = None,
    pull: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return the table of one belief chart, one row a shown class.

    Args:
        names: of the K shown classes.
        slots: their colour slots.
        teacher, frozen, student: (K,) probabilities.
        truth: (K,) the true posterior, where it is known.
        pull: (K,) feedback on the simplex, 1 for the strongest of the reading, or None with no exam.
    """
    blank = np.full(len(names), np.nan)
    pulls = blank if pull is None else np.asarray(pull, dtype=np.float64)
    return pd.DataFrame({
        "label": list(names), "order": range(len(names)), "slot": [str(one) for one in slots],
        "teacher": np.asarray(teacher, dtype=np.float64), "frozen": np.asarray(frozen, dtype=np.float64),
        "student": np.asarray(student, dtype=np.float64),
        "truth": blank if truth is None else np.asarray(truth, dtype=np.float64),
        "pull": pulls, "arrow": [arrow(one) for one in pulls.tolist()],
    })  # fmt: skip


def arrow(pull: float) -> str:
    """Return the pull as a sign, a direction and a size: up arrow for more, down arrow for less."""
    if np.isnan(pull):
        return ""
    if abs(pull) < FAINT_PULL:
        return "· 0"
    return f"{'▲ +' if pull > 0 else '▼ −'}{abs(pull):.2f}"


def belief_chart(table: pd.DataFrame) -> alt.LayerChart:
    """Return what is believed of one example now, by class.

    A bar is the soft target, a dotted outline the frozen teacher, a diamond the student, a star the truth; the feedback
    stands in words at the right.

    Args:
        table: of `belief_table`.
    """
    y = alt.Y("label:N", sort=alt.EncodingSortField(field="order", op="min", order="ascending"), title=None,
              axis=alt.Axis(labelLimit=110, ticks=False, domain=False, labelPadding=LABEL_PADDING_PIXELS))  # fmt: skip
    hover = [alt.Tooltip("label:N", title="Class")] + [
        alt.Tooltip(f"{name}:Q", title=title, format=".3f")
        for name, title in (("teacher", "Soft target now"), ("frozen", "Frozen teacher"), ("student", "Student"),
                            ("truth", "Truth"), ("pull", "Feedback (relative)"))
    ]  # fmt: skip
    base = alt.Chart(table).encode(y=y, tooltip=hover)
    axis = alt.Axis(values=[0, 0.5, 1], grid=True, format=".1f")
    bar = base.mark_bar(height=15, opacity=0.85).encode(x=_probability("teacher", axis=axis), color=slot_colour())
    outline = base.mark_bar(height=21, filled=False, stroke=FROZEN, strokeWidth=1.5, strokeDash=[2, 2]).encode(
        x=_probability("frozen", axis=axis)
    )
    student = base.mark_point(shape="diamond", filled=True, size=90, stroke=PAPER, strokeWidth=1, color=INK).encode(
        x=_probability("student", axis=axis)
    )
    star = base.mark_text(text="★", fontSize=15, color=STAR, stroke=INK, strokeWidth=0.6, dy=-1).encode(
        x=_probability("truth", axis=axis)
    )
    word = base.mark_text(align="left", dx=8, fontSize=12, fontWeight="bold", color=FROZEN).encode(
        x=alt.value("width"), text="arrow:N"
    )
    return alt.LayerChart(layer=[bar, outline, star, student, word]).properties(height=alt.Step(27), padding=PADDING)


def slot_colour() -> alt.Color:
    """Return the colour of a class by its slot, the same in every figure of a card."""
    domain = [str(slot) for slot in range(len(CLASS_COLOURS))]
    return alt.Color("slot:N", scale=alt.Scale(domain=domain, range=list(CLASS_COLOURS)), legend=None)


def short_name(name: str) -> str:
    """Return the name of a class as it stands beside a figure, where a long one would take the room of the figure."""
    return name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…"


def _probability(field: str, *, axis: alt.Axis) -> alt.X:
    return alt.X(f"{field}:Q", scale=alt.Scale(domain=[0, 1]), axis=axis, title=None)
