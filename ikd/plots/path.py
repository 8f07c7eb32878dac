"""How the belief about one example moved over the steps, as lines: colour is the class, dash the role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ikd.plots.belief import slot_colour
from ikd.plots.theme import CARD_HEIGHT_PIXELS, FROZEN, INK, MARK, PADDING, ROLES, STAR

NAME_LENGTH = 18
CLEAR_GAP = 0.09
COLUMNS = ["kind", "who", "step", "p", "name", "slot"]
Values = NDArray[Any]
Columns = dict[str, Values]


def path_table(
    paths: Mapping[str, tuple[ArrayLike, ArrayLike]],
    frozen: ArrayLike,
    *,
    names: Sequence[str],
    slots: Sequence[int],
    n_steps: int,
    truth: ArrayLike | None = None,
    marks: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """Return the one table of a path chart.

    Args:
        paths: "teacher" and "student" to steps (R,) and probabilities (R, K).
        frozen: (K,) the frozen teacher's probabilities, drawn along all steps.
        names: of the K lines.
        slots: their colour slots.
        n_steps: steps of the whole run.
        truth: (K,) the true posterior, drawn as a star at the right end.
        marks: words of what happened at single steps.
    """
    classes, colours = np.asarray(names, dtype=object), np.asarray([str(slot) for slot in slots], dtype=object)
    parts = [_lines(who, np.asarray(steps), np.asarray(values), classes, colours) for who, (steps, values) in paths.items()]
    still = np.asarray(frozen, dtype=np.float64)[None]
    parts.append(_lines("frozen teacher", np.asarray([0, n_steps]), still.repeat(2, axis=0), classes, colours))
    if truth is not None:
        parts.append(_lines("truth", np.asarray([n_steps]), np.asarray(truth)[None], classes, colours, kind="truth"))
    teacher = next((part for part in parts if part["who"][:1] == ["teacher"]), None)
    if teacher is not None:
        parts += _end_labels(teacher, len(classes))
    said = np.asarray(list(marks or {}), dtype=object)
    blank = np.full(len(said), "", dtype=object)
    parts.append({"kind": np.full(len(said), "mark", dtype=object), "who": blank, "name": said, "slot": blank,
                  "step": np.asarray(list((marks or {}).values()), np.float64), "p": np.full(len(said), np.nan)})  # fmt: skip
    return pd.DataFrame({column: np.concatenate([part[column] for part in parts]) for column in COLUMNS})


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
    wide = alt.StrokeWidth("who:O", scale=alt.Scale(domain=list(ROLES), range=[2.2, 1.6, 1.4]), legend=None)
    base = alt.Chart(table).encode(x=x, y=y)
    hover = [alt.Tooltip("name:N", title="Class"), alt.Tooltip("who:N", title="Who"), alt.Tooltip("step:Q", title="Step"),
             alt.Tooltip("p:Q", title="Probability", format=".3f")]  # fmt: skip
    line = base.mark_line().encode(color=slot_colour(), strokeDash=dash, strokeWidth=wide, detail="name:N", tooltip=hover)
    dot = base.mark_point(filled=True, size=26).encode(color=slot_colour())
    star = base.mark_text(text="★", fontSize=13, color=STAR, stroke=INK, strokeWidth=0.6).encode()
    word = base.mark_text(align="left", dx=6, fontSize=10.5, color=FROZEN).encode(x=alt.value("width"), text="name:N")
    rule = alt.Chart(table).mark_rule(color=MARK, strokeDash=[2, 2]).encode(x=x, tooltip=["name:N", "step:Q"])
    layers = [(line, "line"), (dot, "end"), (star, "truth"), (word, "word"), (rule, "mark")]
    chart = alt.LayerChart(layer=[one.transform_filter(alt.datum.kind == kind) for one, kind in layers])
    return chart.properties(height=CARD_HEIGHT_PIXELS, padding=PADDING)


def _lines(who: str, steps: Values, values: Values, names: Values, slots: Values, kind: str = "line") -> Columns:
    """Return the rows of lines (R, K), step by step."""
    n_steps, n_lines = len(steps), len(names)
    step, p = steps.astype(np.float64).repeat(n_lines), values.astype(np.float64).reshape(-1)
    return {"kind": np.full(len(p), kind, dtype=object), "who": np.full(len(p), who, dtype=object), "step": step, "p": p,
            "name": np.tile(names, n_steps), "slot": np.tile(slots, n_steps)}  # fmt: skip


def _end_labels(teacher: Columns, n_lines: int) -> list[Columns]:
    """Return the newest teacher points, and the class names beside them, moved apart where they would overlap."""
    newest = {column: values[-n_lines:] for column, values in teacher.items()}
    ends = newest | {"kind": np.full(n_lines, "end", dtype=object)}
    order = np.argsort(newest["p"], kind="stable")
    words = {column: values[order] for column, values in newest.items()}
    words |= {"kind": np.full(n_lines, "word", dtype=object), "p": np.asarray(_spread(words["p"])),
              "name": np.asarray([_short(name) for name in words["name"]], dtype=object)}  # fmt: skip
    return [ends, words]


def _spread(heights: Values) -> list[float]:
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
