"""The frames of the simplex player: where every probe example stands at up to a hundred and twenty readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ikd.events import Floats, Integers
from ikd.trace.measures import arrow_scale, feedback_on_simplex, softmax
from ikd.ui.simplex_player import STRONG_ARROW
from ikd.ui.tail import Tail
from ikd.ui.targets.look import Look
from ikd.ui.targets.places import Plane

MOST_FRAMES = 120
MOST_NUMBERS = 3_000_000
MOST_POINTS = 500
MOST_KNOWN = 2 * MOST_FRAMES
AT_ONCE = 8

Singles = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Moved:
    """Places of the shown examples over the frames.

    Attributes:
        steps: (F,) of the frames; ids: (P,) shown examples.
        teacher, student: (F, P, 2); arrows: (F, P, 2) displacements by the feedback, unscaled, NaN where there was no exam.
        arrow_scale: an arrow is drawn as its displacement times this, so that the strong ones of all frames (95 % quantile)
            are `STRONG_ARROW` long.
        ghosts: (P, 2) of the frozen teacher; truth: (P, 2) with NaN where it is not known, or None.
    """

    steps: Integers
    ids: Integers
    teacher: Singles
    student: Singles
    arrows: Singles
    arrow_scale: float
    ghosts: Singles
    truth: Singles | None


def moved(look: Look, plane: Plane) -> Moved:
    """Return the frames up to the newest reading; those seen before are not read again."""
    ids = shown_ids(len(look.labels), look.example)
    steps = frame_steps(look)
    key = (plane.names, look.scale, tuple(ids.tolist()))
    placed = _all_placed(look, steps.tolist(), plane, ids, look.tail.frames(key))
    kept = [step for step in steps.tolist() if step in placed]
    teacher, student, arrows = (np.stack([placed[step][part] for step in kept]) for part in range(3))
    frozen = look.reading("teacher", int(look.digest.steps[0]))
    assert frozen is not None
    return Moved(
        steps=np.asarray(kept, dtype=np.int64), ids=ids, teacher=teacher, student=student, arrows=arrows,
        arrow_scale=arrow_scale(arrows, STRONG_ARROW),
        ghosts=plane.places(softmax(frozen, look.temperature))[ids].astype(np.float32), truth=_truth(look, plane, ids),
    )  # fmt: skip


def shown_ids(n_probe: int, selected: int) -> Integers:
    """Return the examples drawn: all up to five hundred; of more, evenly spaced ones and the selected one."""
    if n_probe <= MOST_POINTS:
        return np.arange(n_probe)
    spaced = np.linspace(0, n_probe - 1, MOST_POINTS - 1).round().astype(np.int64)
    return np.unique([*spaced.tolist(), selected])


def frame_steps(look: Look) -> Integers:
    """Return the steps of the frames: ends of bins evenly spaced, with the first reading, the newest and the one shown."""
    ends = look.digest.bin_ends
    most = max(2, min(MOST_FRAMES, MOST_NUMBERS // max(len(look.labels) * len(look.names), 1)))
    # Powers of two: while a run grows, the frames that stay are those that were there.
    stride = 1
    while len(ends) // stride > most - 2:
        stride *= 2
    return np.unique([int(look.digest.steps[0]), *ends[stride - 1 :: stride].tolist(), look.newest, look.cursor])


def _all_placed(
    look: Look, steps: Sequence[int], plane: Plane, ids: Integers, known: dict[int, tuple[Singles, Singles, Singles]]
) -> dict[int, tuple[Singles, Singles, Singles]]:
    """Return the places at some steps; those that were not known are read and become known."""
    # Of a run that has ended, `known` is every visitor's: nothing of it is counted on to stay.
    own = {step: one for step in steps if (one := known.get(step)) is not None}
    fresh = _read(look.tail, [step for step in steps if step not in own], look.temperature, plane, ids)
    known.update(fresh)
    if len(known) > MOST_KNOWN:
        for step in set(known) - set(steps):
            known.pop(step, None)
    return own | fresh


def _read(
    tail: Tail, steps: Sequence[int], t: float, plane: Plane, ids: Integers
) -> dict[int, tuple[Singles, Singles, Singles]]:
    found: dict[int, tuple[Singles, Singles, Singles]] = {}
    for first in range(0, len(steps), AT_ONCE):
        some = steps[first : first + AT_ONCE]
        roles = {role: tail.reader.readings_at(role, some) for role in ("teacher", "student", "feedback")}
        logits = {role: dict(zip(at.tolist(), values, strict=True)) for role, (at, values) in roles.items()}
        found |= {step: _placed(logits["teacher"][step], logits["student"][step], logits["feedback"].get(step), t, plane, ids)
                  for step in some if step in logits["teacher"] and step in logits["student"]}  # fmt: skip
    return found


def _placed(
    teacher: Floats, student: Floats, feedback: Floats | None, t: float, plane: Plane, ids: Integers
) -> tuple[Singles, Singles, Singles]:
    where = [plane.places(softmax(one, t))[ids].astype(np.float32) for one in (teacher, student)]
    if feedback is None:
        return where[0], where[1], np.full((len(ids), 2), np.nan, np.float32)
    return where[0], where[1], plane.moves(feedback_on_simplex(teacher, feedback, t))[ids].astype(np.float32)


def _truth(look: Look, plane: Plane, ids: Integers) -> Singles | None:
    truths = look.probe["truth"].tolist()
    if all(one is None for one in truths):
        return None
    blank = (np.nan,) * len(look.names)
    known = np.asarray([blank if one is None else one for one in truths], dtype=np.float64)
    return np.asarray(plane.places(known)[ids], dtype=np.float32)
