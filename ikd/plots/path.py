"""How the belief about one example moved over the steps, as lines: colour is the class, dash the role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ikd.plots.belief import slot_colour
from ikd.plots.theme import CARD_HEIGHT_PIXELS, FROZEN, INK, PADDING, ROLES, STAR

NAME_LENGTH = 18
CLEAR_GAP = 0.09


def path_table(
    paths: Mapping[str, tuple[ArrayLike, ArrayLike]],
    frozen: ArrayLike,
    *,
    names: Sequence[str],
    slots: Sequence[int],
    n_steps: int,
    truth: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return the one table of a path chart.

    Args:
        paths: "teacher" and "student" to steps (R,) and probabilities (R, K).
        frozen: (K,) the frozen teacher's probabilities, drawn along all steps.
        names: of the K lines.
        slots: their colour slots.
        n_steps: steps of the whole run.
        truth: (K,) the true posterior, drawn as a star at the right end.
    """
    rows: list[dict[str, object]] = []
    for who, (steps, values) in paths.items():
        for place, p in zip(np.asarray(steps).tolist(), np.asarray(values, dtype=np.float64), strict=True):
            rows += [_row("line", who, place, p[k], names[k], slots[k]) for k in range(len(names))]
    for k, p_frozen in enumerate(np.asarray(frozen, dtype=np.float64).tolist()):
        rows += [_row("line", "frozen teacher", place, p_frozen, names[k], slots[k]) for place in (0, n_steps)]
        if truth is not None:
            rows.append(_row("truth", "truth", n_steps, float(np.asarray(truth)[k]), names[k], slots[k]))
    table = pd.DataFrame(rows, columns=["kind", "who", "step", "p", "name", "slot"])
    return pd.concat([table, _end_labels(table)], ignore_index=True)


def path_chart(table: pd.DataFrame, *, n_steps: int, title: str = "probability") -> alt.LayerChart:
    """Return lines of probability over the steps, 0 to 1.

    Args:
        table: of `path_table`.
        n_steps: steps of the whole run, the right end of the axis.
        title: of the vertical axis.
    """
    x = alt.X("step:Q", title=None, scale=alt.Scale(domain=[0, n_steps], nice=False), axis=alt.Axis(grid=False, tickCount=5))
    y = alt.Y("p:Q", title=title, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(values=[0, 0.5, 1], format=".1f"))
    dashes = [dash for _, dash in ROLES.values()]
    dash = alt.StrokeDash("who:N", scale=alt.Scale(domain=list(ROLES), range=dashes), legend=None)
    wide = alt.StrokeWidth("who:N", scale=alt.Scale(domain=list(ROLES), range=[2.2, 1.6, 1.4]), legend=None)
    base = alt.Chart(table).encode(x=x, y=y)
    hover = [alt.Tooltip("name:N", title="Class"), alt.Tooltip("who:N", title="Who"), alt.Tooltip("step:Q", title="Step"),
             alt.Tooltip("p:Q", title="Probability", format=".3f")]  # fmt: skip
    line = base.mark_line().encode(color=slot_colour(), strokeDash=dash, strokeWidth=wide, detail="name:N", tooltip=hover)
    dot = base.mark_point(filled=True, size=26).encode(color=slot_colour())
    star = base.mark_text(text="★", fontSize=13, color=STAR, stroke=INK, strokeWidth=0.6).encode()
    word = base.mark_text(align="left", dx=6, fontSize=10.5, color=FROZEN).encode(x=alt.value("width"), text="name:N")
    layers = [(line, "line"), (dot, "end"), (star, "truth"), (word, "word")]
    chart = alt.LayerChart(layer=[one.transform_filter(alt.datum.kind == kind) for one, kind in layers])
    return chart.properties(height=CARD_HEIGHT_PIXELS, padding=PADDING)


def _end_labels(table: pd.DataFrame) -> pd.DataFrame:
    """Return the newest teacher points, and the class names beside them, moved apart where they would overlap."""
    teacher: pd.DataFrame = table[(table["kind"] == "line") & (table["who"] == "teacher")]
    if teacher.empty:
        return teacher
    ends = teacher[teacher["step"] == teacher["step"].max()].assign(kind="end")
    words = ends.assign(kind="word", name=[_short(name) for name in ends["name"]]).sort_values("p")
    words["p"] = _spread(words["p"].to_numpy(dtype=np.float64))
    both: pd.DataFrame = pd.concat([ends, words], ignore_index=True)
    return both


def _spread(heights: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[float]:
    placed = heights.copy()
    for k in range(1, len(placed)):
        placed[k] = max(placed[k], placed[k - 1] + CLEAR_GAP)
    excess = max(0.0, placed[-1] - 1.0)
    for k in range(len(placed) - 1, -1, -1):
        top = 1.0 if k == len(placed) - 1 else placed[k + 1] - CLEAR_GAP
        placed[k] = min(placed[k], top) if excess else placed[k]
    return [float(one) for one in placed]


def _short(name: str) -> str:
    return name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…"


def _row(kind: str, who: str, step: float, p: float, name: str, slot: int) -> dict[str, object]:
    return {"kind": kind, "who": who, "step": float(step), "p": float(p), "name": name, "slot": str(slot)}
