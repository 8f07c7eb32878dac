"""The path of one example's belief in a triangle whose corners are three classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ikd.plots.theme import FROZEN, INK, ROLES, STAR, TEACHER

CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3) / 2]])
WIDTH_PIXELS, HEIGHT_PIXELS = 215, 192
ARROW_LENGTH = 0.22
NAME_LENGTH = 14


def simplex_table(
    paths: Mapping[str, ArrayLike],
    *,
    names: Sequence[str],
    frozen: ArrayLike,
    truth: ArrayLike | None = None,
    pull: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return the one table of a triangle.

    Args:
        paths: "teacher" and "student" to probabilities (R, 3), oldest first.
        names: of the three classes.
        frozen: (3,) the frozen teacher, where the path begins.
        truth: (3,) the true posterior, where it is known.
        pull: (3,) feedback on the simplex at the teacher's last point; drawn as an arrow whose length is its size
            relative to 1.
    """
    rows: list[dict[str, object]] = []
    for k in (0, 1, 2, 0):
        rows.append(_row("edge", "", CORNERS[k], len(rows)))
    rows += [_row("corner", _short(name), CORNERS[k], k) for k, name in enumerate(names)]
    for who, values in paths.items():
        places = _places(values)
        rows += [_row("path", who, place, order) for order, place in enumerate(places)]
        rows += [_row("end", who, place, 0) for place in places[-1:]]
    rows.append(_row("ghost", "frozen teacher", _places(frozen), 0))
    if truth is not None:
        rows.append(_row("truth", "truth", _places(truth), 0))
    if pull is not None and len(np.asarray(paths["teacher"])):
        rows += _arrow_rows(_places(paths["teacher"])[-1], np.asarray(pull, dtype=np.float64) @ CORNERS)
    return pd.DataFrame(rows, columns=["kind", "who", "x", "y", "order", "angle"])


def simplex_chart(table: pd.DataFrame) -> alt.LayerChart:
    """Return the triangle with the paths of teacher and student.

    Solid path and dot: the teacher. Dashed path and diamond: the student. Hollow ghost: the frozen teacher. Star: the
    truth. Arrow: the feedback.

    Args:
        table: of `simplex_table`.
    """
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-0.14, 1.14]))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[-0.13, 1.015]))
    base = alt.Chart(table).encode(x=x, y=y)
    colours, dashes = zip(*ROLES.values(), strict=True)
    colour = alt.Color("who:N", scale=alt.Scale(domain=list(ROLES), range=list(colours)), legend=None)
    dash = alt.StrokeDash("who:N", scale=alt.Scale(domain=list(ROLES), range=list(dashes)), legend=None)
    shape = alt.Shape("who:N", scale=alt.Scale(domain=list(ROLES), range=["circle", "diamond", "circle"]), legend=None)
    line, corner = "path", "corner"
    layers = [
        (base.mark_line(color=FROZEN, strokeWidth=1).encode(order="order:Q"), "edge"),
        (base.mark_line(strokeWidth=2).encode(order="order:Q", color=colour, strokeDash=dash), line),
        (base.mark_point(size=110, color=FROZEN, strokeWidth=1.5, strokeDash=[2, 2]), "ghost"),
        (base.mark_line(color=TEACHER, strokeWidth=3).encode(order="order:Q"), "shaft"),
        (base.mark_point(shape="triangle", filled=True, size=90, color=TEACHER, opacity=1).encode(
            angle=alt.Angle("angle:Q", scale=None)), "head"),
        (base.mark_point(filled=True, size=85, opacity=1).encode(color=colour, shape=shape), "end"),
        (base.mark_text(text="★", fontSize=15, color=STAR, stroke=INK, strokeWidth=0.6), "truth"),
    ]  # fmt: skip
    # Words grow inwards from the two lower corners, so that long names stay inside.
    places = ({"align": "left", "dx": -20, "dy": 13}, {"align": "right", "dx": 20, "dy": 13}, {"align": "center", "dy": -10})
    words = [
        base.mark_text(fontSize=11, color=FROZEN, **place)  # type: ignore[arg-type]
        .encode(text="who:N")
        .transform_filter((alt.datum.kind == corner) & (alt.datum.order == k))
        for k, place in enumerate(places)
    ]
    chart = alt.LayerChart(layer=[*(one.transform_filter(alt.datum.kind == kind) for one, kind in layers), *words])
    triangle: alt.LayerChart = chart.properties(width=WIDTH_PIXELS, height=HEIGHT_PIXELS, padding=0).configure_view(stroke=None)
    return triangle


def _arrow_rows(start: NDArray[np.float64], direction: NDArray[np.float64]) -> list[dict[str, object]]:
    size = float(np.hypot(*direction))
    if size < 1e-9:
        return []
    tip = start + direction / size * ARROW_LENGTH * min(1.0, 0.25 + 0.75 * size)
    # Vega turns a mark clockwise from pointing up, and its vertical axis points down on the screen.
    angle = float(np.degrees(np.arctan2(direction[0], direction[1])))
    return [_row("shaft", "feedback", start, 0), _row("shaft", "feedback", tip, 1),
            {**_row("head", "feedback", tip, 0), "angle": angle}]  # fmt: skip


def _places(p: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(np.asarray(p, dtype=np.float64) @ CORNERS)


def _short(name: str) -> str:
    return name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…"


def _row(kind: str, who: str, place: NDArray[np.float64], order: int) -> dict[str, object]:
    return {"kind": kind, "who": who, "x": float(place[0]), "y": float(place[1]), "order": order, "angle": 0.0}
