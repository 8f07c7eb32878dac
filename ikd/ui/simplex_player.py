"""The simplex player: soft targets as points that move in the plane, with play, pause, step and selection in the browser."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import ArrayLike, NDArray

from ikd.plots.theme import CLASS_COLOURS, ON_DARK
from ikd.ui.canvas import Parcel, Picked, as_text, asked_number, carry, component, parcel, quantised
from ikd.ui.wording import snippet

__all__ = ["FRAMES_PER_PARCEL", "LONGEST_ARROW", "STRONG_ARROW", "Frames", "Picked", "message_bytes", "parcels_of", "simplex_player"]

FRAMES_PER_PARCEL = 25
"""While a run goes on only the last parcel is new: 25 frames of 500 examples are 0.2 MB."""

STRONG_ARROW = 0.12
"""Length in the plane of an arrow that is strong for its run."""

LONGEST_ARROW = 1.5 * STRONG_ARROW
"""No arrow is drawn longer: the few strongest ones would reach over all others."""

LONGEST_NAME = 60
SLACK = 1e-6
Doubles = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Frames:
    """What the player plays; all places are in the unit square, y upwards.

    Attributes:
        steps: (F,) of the readings, growing.
        corners: name and place of each corner: 2 are a strip, 3 a triangle, more a polygon.
        teacher, student: (F, P, 2) places; NaN where there was no reading.
        ghosts: (P, 2) places of the frozen teacher.
        truth: (P, 2) places of the true posterior, NaN where it is unknown; None where it is for all.
        arrows: (F, P, 2) displacements in the same plane, the feedback at that frame, NaN for none; None for no arrows.
        arrow_scale: an arrow is its displacement times this one factor for all frames, and at most `LONGEST_ARROW` long.
        slots: (P,) slot of the hard label: its colour and its inner mark.
        ids: (P,) of the examples.
        legend: names of labels by slot.
        texts: (P,) short words of the examples, or none.

    Raises:
        ValueError: shapes do not fit together, places lie outside the unit square, or the factor is not a positive number.
    """

    steps: ArrayLike
    corners: Sequence[tuple[str, float, float]]
    teacher: ArrayLike
    student: ArrayLike
    ghosts: ArrayLike
    truth: ArrayLike | None = None
    arrows: ArrayLike | None = None
    arrow_scale: float = 1.0
    slots: ArrayLike
    ids: ArrayLike
    legend: Sequence[str]
    texts: Sequence[str] = ()

    def __post_init__(self) -> None:
        steps, ids, slots = np.asarray(self.steps), np.asarray(self.ids), np.asarray(self.slots)
        if steps.ndim != 1 or not len(steps) or (np.diff(steps) <= 0).any():
            raise ValueError(f"steps must be at least one number, each larger than the one before; got shape {steps.shape}.")
        if ids.ndim != 1 or len(np.unique(ids)) != len(ids):
            raise ValueError(f"ids must be different numbers (P,); got shape {ids.shape}.")
        if slots.shape != ids.shape or (len(slots) and not 0 <= slots.min() <= slots.max() < len(self.legend)):
            raise ValueError(f"slots must be (P,) = {ids.shape} places in the legend of {len(self.legend)}; got shape {slots.shape}.")
        if len(self.texts) not in (0, len(ids)):
            raise ValueError(f"texts must be none or one an example, {len(ids)}; got {len(self.texts)}.")
        if len(self.corners) < 2:
            raise ValueError(f"corners must be at least 2; got {len(self.corners)}.")
        moving, still = (len(steps), len(ids), 2), (len(ids), 2)
        _check("teacher", self.teacher, moving)
        _check("student", self.student, moving)
        _check("ghosts", self.ghosts, still)
        _check("corners", [place for _, *place in self.corners], (len(self.corners), 2))
        if self.truth is not None:
            _check("truth", self.truth, still)
        if self.arrows is not None:
            _check("arrows", self.arrows, moving, inside=False)
        if not (math.isfinite(self.arrow_scale) and self.arrow_scale > 0):
            raise ValueError(f"arrow_scale must be a finite number above 0; got {self.arrow_scale}.")


def _check(name: str, values: ArrayLike, shape: tuple[int, ...], *, inside: bool = True) -> None:
    found = np.asarray(values, dtype=np.float64)
    if found.shape != shape:
        raise ValueError(f"{name} must have the shape {shape}; got {found.shape}.")
    known = found[~np.isnan(found)]
    if np.isinf(known).any() or (inside and known.size and not -SLACK <= known.min() <= known.max() <= 1 + SLACK):
        raise ValueError(f"{name} must be {'in the unit square' if inside else 'finite'}; got {known.min():g} to {known.max():g}.")


def parcels_of(frames: Frames) -> list[Parcel]:
    """Return the data of the player: first what stands still, then `FRAMES_PER_PARCEL` frames each."""
    truth = None if frames.truth is None else as_text(quantised(frames.truth))
    ground = parcel(
        kind="ground", corners=[[snippet(name, longest=LONGEST_NAME), float(x), float(y)] for name, x, y in frames.corners],
        ghosts=as_text(quantised(frames.ghosts)), truth=truth, slots=np.asarray(frames.slots).tolist(),
        ids=np.asarray(frames.ids).tolist(), legend=[snippet(name, longest=LONGEST_NAME) for name in frames.legend],
        texts=[snippet(one, longest=LONGEST_NAME) for one in frames.texts],
        light=list(CLASS_COLOURS), dark=[ON_DARK.get(one, one) for one in CLASS_COLOURS],
    )  # fmt: skip
    teacher, student = np.asarray(frames.teacher, dtype=np.float64), np.asarray(frames.student, dtype=np.float64)
    arrows = None if frames.arrows is None else np.asarray(frames.arrows, dtype=np.float64)
    spans = [slice(start, start + FRAMES_PER_PARCEL) for start in range(0, len(teacher), FRAMES_PER_PARCEL)]
    return [ground, *(_part(teacher[one], student[one], None if arrows is None else arrows[one]) for one in spans)]


def _part(teacher: Doubles, student: Doubles, arrows: Doubles | None) -> Parcel:
    # The displacements as they are, in 16 bits of a reach of the parcel's own: neither a stronger arrow later on nor another
    # `arrow_scale`, which changes while a run goes on and travels beside the parcels, may change the parcels before.
    reach = 1.0 if arrows is None else float(np.nan_to_num(np.abs(arrows)).max(initial=0.0)) or 1.0
    return parcel(
        kind="frames", frames=len(teacher), points=teacher.shape[1], teacher=as_text(quantised(teacher)),
        student=as_text(quantised(student)), reach=reach,
        arrows=None if arrows is None else as_text(quantised((arrows / reach + 1) / 2)),
    )  # fmt: skip


def message_bytes(frames: Frames) -> int:
    """Return how many bytes a browser is sent that has nothing yet; later only parcels that have changed are sent."""
    return sum(one.size_bytes for one in parcels_of(frames))


def simplex_player(
    frames: Frames, *, key: str, selected: int | None, step: int | None, latest: int, shown: str, spoken: str, run: str = "",
    every: int = 0, order: Sequence[int] = (),
) -> Picked:  # fmt: skip
    """Show the player, and return what a person asked for on it since the last run.

    Args:
        frames: what it plays.
        key: stable name on the page.
        selected: id of the selected example.
        step: the pinned step; None follows the newest frame.
        latest: newest step of the run.
        shown: what is shown, for the saved picture.
        spoken: description with numbers, for screen readers.
        run: id of the run, for the name of the saved picture and the words beneath it.
        every: usual number of steps between two frames where not every reading is a frame; 0 says nothing of it.
        order: ids of the examples in the order in which the keys N and P walk; by number where none is given.
    """
    parcels = parcels_of(frames)
    steps, ids = np.asarray(frames.steps).tolist(), np.asarray(frames.ids).tolist()
    ground, *parts = (one.digest for one in parcels)
    mount = component(
        "ikd-simplex-player", "simplex_player.html",
        ("canvas.js", "simplex_marks.js", "simplex_draw.js", "simplex_words.js", "simplex_player.js"), "canvas.css",
    )  # fmt: skip
    with st.container(gap=None, key=f"{key}-canvas"):
        found = mount(
            key=key, on_example_change=_nothing, on_cursor_change=_nothing,
            data={"ground": ground, "parts": parts, "steps": steps, "selected": None if selected is None else int(selected),
                  "step": None if step is None else int(step), "latest": int(latest), "shown": shown, "spoken": spoken, "run": run,
                  "every": int(every), "order": [int(one) for one in order],
                  "arrows": {"scale": float(frames.arrow_scale), "longest": LONGEST_ARROW}},
        )  # fmt: skip
        carry(parcels, key=key)
    cursor = found.get("cursor")
    asked = cursor if isinstance(cursor, dict) else {}
    return Picked(example=asked_number(found.get("example"), ids), step=asked_number(asked.get("step"), steps),
                  follow=asked.get("follow") is True)  # fmt: skip


def _nothing() -> None:
    """Stand for a reaction: only a trigger that has one is in the result."""
