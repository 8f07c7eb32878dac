"""The two canvases above every view: the simplex player and the heat map. A click in either is a wish for all views."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ikd.events import Integers
from ikd.plots.palettes import CIVIDIS
from ikd.plots.theme import CLASS_COLOURS, REST_SLOT
from ikd.trace.measures import drift, softmax
from ikd.ui import state
from ikd.ui.heat_map import heat_map
from ikd.ui.shell import notice
from ikd.ui.simplex_player import Frames, simplex_player
from ikd.ui.targets import heat, places
from ikd.ui.targets.bar import order_of_examples
from ikd.ui.targets.frames import Moved, moved
from ikd.ui.targets.look import Look
from ikd.ui.targets.panel import draw_words
from ikd.ui.targets.places import Plane
from ikd.ui.targets.words import TOP
from ikd.ui.timeline import marks_of
from ikd.ui.wording import plain, visible

NAME_LENGTH = 24
MOST_CLASSES = 10
PLAYER_ROWS = "Both files have every frame of the player, which are at most 120 of all readings, and the examples drawn in it."


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a person asked of all views by touching one of them; nothing where a part is missing."""

    example: int | None = None
    step: int | None = None
    follow: bool = False


def draw_player(look: Look) -> Wish:
    """Draw the simplex player and return what was asked of it."""
    st.subheader(TOP["player"].title, anchor=False)
    plane = _plane(look)
    seen = moved(look, plane)
    names = [visible(name, longest=NAME_LENGTH) for name in look.names]
    frames = Frames(
        steps=seen.steps, corners=[(visible(name, longest=NAME_LENGTH), float(x), float(y))
                                   for name, (x, y) in zip(plane.names, plane.corners.tolist(), strict=True)],
        teacher=seen.teacher, student=seen.student, ghosts=seen.ghosts, truth=seen.truth,
        arrows=None if np.isnan(seen.arrows).all() else seen.arrows, arrow_scale=seen.arrow_scale, ids=seen.ids,
        slots=np.minimum(look.labels[seen.ids], REST_SLOT), legend=_legend(names),
        texts=[str(one) for one in look.probe["text"].to_numpy()[seen.ids]],
    )  # fmt: skip
    picked = simplex_player(
        frames, key="player", selected=look.example, step=look.cursor if look.pinned else None, latest=look.newest,
        shown=f"Soft targets {look.scale_words()}", spoken=_spoken_player(look), run=look.folder.id, every=_every(look, seen.steps),
        order=order_of_examples(look),
    )  # fmt: skip
    if plane.strip:
        st.caption(f"With two classes only the place from left to right says something, the probability of “{plain(look.names[1])}”; "
                   "heights keep the points apart.")  # fmt: skip
    draw_words("player", TOP["player"], look, make_table=lambda: places_frame(look, seen), rows=PLAYER_ROWS)
    return Wish(example=picked.example, step=picked.step, follow=picked.follow)


def draw_heat(look: Look) -> Wish:
    """Draw the heat map with its choices and return what was asked of it."""
    st.subheader(TOP["heat"].title, anchor=False)
    measure, order = heat.draw_choice()
    low, high = heat.limits(look.digest, measure, look.scale, len(look.names))
    sorted_at = heat.sorting_step(look)
    ids = heat.row_order(look, order, sorted_at)
    values = look.digest.measure(measure, look.scale)[:, ids].T
    names = [visible(name, longest=NAME_LENGTH) for name in look.names]
    words = [f"{one} · {names[label] if 0 <= label < len(names) else label}"
             for one, label in zip(ids.tolist(), look.labels[ids].tolist(), strict=True)]  # fmt: skip
    now = look.now.measure(measure, look.scale)
    spoken = (f"Heat map of {len(ids)} examples by {len(look.digest.bin_ends)} bins of steps, {heat.MEASURES[measure]}: at step "
              f"{look.cursor} the median is {np.median(now):.3f}, example {look.example} has {now[look.example]:.3f}.")  # fmt: skip
    picked = heat_map(
        heat.raster(values, low, high), key="heat", rows=ids, row_words=words, columns=look.digest.bin_ends, palette=CIVIDIS,
        low=f"{low:g}", high=f"{high:.3g}", span=(low, high), what=heat.MEASURES[measure], selected=look.example,
        step=look.cursor if look.pinned else None, shown=f"Every example, at every step, {look.scale_words()}", spoken=spoken,
        run=look.folder.id, marks=marks_of(look.timeline, look.n_steps)[0],
    )  # fmt: skip
    if words_of_order := heat.order_words(look, order, sorted_at):
        st.caption(words_of_order)
    if len(ids) < len(look.labels):
        st.caption(f"The first {len(ids)} of {len(look.labels)} examples in this order.")
    draw_words("heat", TOP["heat"], look, make_table=lambda: heat.heat_frame(look, measure))
    return Wish(example=picked.example, step=picked.step)


def _plane(look: Look) -> Plane:
    names = look.names
    if len(names) == 2:
        return places.strip(names)
    if len(names) == 3:
        return places.triangle(names)
    return _chosen_plane(look)


def _chosen_plane(look: Look) -> Plane:
    names = look.names
    offered = ["three classes and the rest", *(["all classes on a circle"] if len(names) <= places.MOST_ON_A_CIRCLE else [])]
    with st.container(horizontal=True, vertical_alignment="bottom", key="plane-choice"):
        form = st.selectbox("Corners", offered, key="plane-form", width=230)
        if form != offered[0]:
            return places.circle(names)
        kept = st.session_state.get(state.CORNERS)
        if kept is None or any(one >= len(names) for one in kept):  # of a run with more classes
            st.session_state[state.CORNERS] = _moving_classes(look)
        chosen = st.multiselect("Classes at the corners", range(len(names)), key=state.CORNERS, max_selections=3,
                                format_func=lambda one: visible(names[one], longest=NAME_LENGTH))  # fmt: skip
    if len(chosen) != 3:
        notice("A square needs three classes at its corners: choose three. Until then those that move most are shown.")
        chosen = _moving_classes(look)
    return places.square(names, chosen, rest="all others")


def _moving_classes(look: Look) -> list[int]:
    """Return the three classes that hold most of the soft targets of the examples that drifted most."""
    frozen, teacher, _ = look.both()
    foremost = np.argsort(-drift(teacher, frozen, look.temperature), kind="stable")[:20]
    p = softmax(teacher[foremost], look.temperature) + softmax(frozen[foremost], look.temperature)
    return sorted(int(one) for one in np.argsort(-p.sum(axis=0), kind="stable")[:3])


def _legend(names: list[str]) -> list[str]:
    if len(names) <= len(CLASS_COLOURS):
        return names
    return [*names[:REST_SLOT], "other labels"]


def places_frame(look: Look, seen: Moved) -> pd.DataFrame:
    """Return what the player shows as a table, one row an example and frame.

    Columns: step, example, label; then for teacher, student, frozen and truth the place (x, y) in the plane drawn, with the
    feedback's displacement (x, y), unscaled; and the probabilities of at most `MOST_CLASSES` classes, `teacher: NAME` and
    `student: NAME`.
    """
    n_frames, n_shown = len(seen.steps), len(seen.ids)
    columns: dict[str, Any] = {"step": np.repeat(seen.steps, n_shown), "example": np.tile(seen.ids, n_frames)}
    columns["label"] = np.tile([look.names[one] if 0 <= one < len(look.names) else str(one) for one in look.labels[seen.ids]], n_frames)
    still = {"frozen": seen.ghosts, **({} if seen.truth is None else {"truth": seen.truth})}
    moving = {"teacher": seen.teacher, "student": seen.student, "feedback": seen.arrows}
    for name, values in {**moving, **{name: np.broadcast_to(one, seen.teacher.shape) for name, one in still.items()}}.items():
        columns |= {f"{name}_{axis}": values[..., at].reshape(-1) for at, axis in enumerate("xy")}
    if len(look.names) <= MOST_CLASSES:
        for role in ("teacher", "student"):
            _, logits = look.tail.reader.readings_at(role, seen.steps.tolist())
            p = softmax(logits[:, seen.ids], look.temperature)
            columns |= {f"{role}: {name}": p[..., at].reshape(-1) for at, name in enumerate(look.names)}
    return pd.DataFrame(columns)


def _every(look: Look, steps: Integers) -> int:
    """Return the usual number of steps between two frames, 0 where every reading is a frame."""
    return int(np.median(np.diff(steps))) if 2 < len(steps) < len(look.digest.steps) else 0


def _spoken_player(look: Look) -> str:
    one, label = look.example, int(look.labels[look.example])
    start, teacher, student = (float(softmax(logits[one], look.temperature)[label]) for logits in look.both())
    name = visible(look.names[label], longest=NAME_LENGTH) if 0 <= label < len(look.names) else str(label)
    return (f"{len(look.labels)} probe examples in the plane of {len(look.names)} classes at step {look.cursor}. Example {one}, label "
            f"{name}: the teacher gives it {start:.2f} at step {look.digest.steps[0]} and {teacher:.2f} at step {look.cursor}, the "
            f"student {student:.2f}.")  # fmt: skip
