"""Rankings of the examples of a run, the foremost first: along them the Example page goes from one to the next."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ikd.config import RunConfig
from ikd.trace.measures import course_log, gain
from ikd.ui import board_choice
from ikd.ui.example_words import NOT_WEIGHED
from ikd.ui.tail import Tail
from ikd.ui.timeline import marks_of, timeline_of

PROBE_WAYS = {
    **board_choice.WAYS,
    "gain": "gain of the student",
    "flips": "flips of the teacher's class",
    "first_flip": "first flip",
    "helped": "influence: helped most",
    "harmed": "influence: harmed most",
    "label": "label",
    "id": "number",
}
COURSE_WAYS = {
    "helped": "influence: helped most",
    "harmed": "influence: harmed most",
    "asked": "strongest feedback",
    "issued": "times issued",
    "id": "number",
}
NO_INFLUENCE = f"{NOT_WEIGHED} The ranking is by number."
NO_EXAM = "No exam has reached the probe set so far, so none of its examples has an influence. The ranking is by number."
NO_READING = "The probe set has not been read yet. The ranking is by number."
NO_FLIP = "Up to step {} the teacher's class of no example has flipped. The ranking is by number."
Scores = NDArray[np.float64]


def ranked_probe(tail: Tail, way: str, cursor: int, config: RunConfig | None) -> tuple[list[int], str]:
    """Return all probe examples by one of `PROBE_WAYS`, and why they stand by their id where that way says nothing yet.

    Args:
        tail: what was read of the run.
        way: of the ranking.
        cursor: nothing later than this step counts; the influence is that of the last reading with an exam before it.
        config: the run's settings, None where they are damaged: gains then count from the first reading.
    """
    if way in board_choice.WAYS:
        return board_choice.ranked(tail, way, cursor), ""
    scores, fault = _SCORES[way](tail, cursor, config)
    # A stable order leaves examples of one score by their id.
    return [int(one) for one in np.argsort(-scores, kind="stable")], fault


def ranked_course(tail: Tail, way: str) -> list[int]:
    """Return all course examples issued so far, the foremost by one of `COURSE_WAYS` first; those never in an exam last."""
    log = course_log(tail.sizes(), upto=tail.reader.last_step())
    if way == "id":
        return [int(one) for one in log.index]
    score = {"helped": -log["influence"], "harmed": log["influence"], "asked": log["asked"], "issued": log["issued"]}[way]
    return [int(one) for one in score.sort_values(ascending=False, kind="stable", na_position="last").index]


def _by_id(tail: Tail, cursor: int, config: RunConfig | None) -> tuple[Scores, str]:
    return np.zeros(len(tail.probe())), ""


def _by_label(tail: Tail, cursor: int, config: RunConfig | None) -> tuple[Scores, str]:
    return -tail.probe()["label"].to_numpy(dtype=np.float64), ""


def _by_gain(tail: Tail, cursor: int, config: RunConfig | None) -> tuple[Scores, str]:
    """Return the growth of the student's probability of the label since the first exam."""
    digest, labels = tail.digest(), tail.probe()["label"].to_numpy(dtype=np.int64)
    first = marks_of(timeline_of(tail, config), int(tail.meta["n_steps"]))[0].get("first exam", 0)
    since = 0 if digest is None else digest.reading_at(min(first, cursor))
    now, before = (tail.reader.reading_at("student", step) for step in (cursor, since))
    if now is None or before is None:
        return np.zeros(len(labels)), NO_READING
    return gain(now, before, labels, float(tail.meta["temperature"])), ""


def _by_flips(tail: Tail, cursor: int, config: RunConfig | None) -> tuple[Scores, str]:
    return _of_state(tail, "teacher_flips", cursor)


def _by_first_flip(tail: Tail, cursor: int, config: RunConfig | None) -> tuple[Scores, str]:
    steps, fault = _of_state(tail, "first_flip", cursor)
    return np.where(steps < 0, -np.inf, -steps), fault


def _of_state(tail: Tail, name: str, cursor: int) -> tuple[Scores, str]:
    digest = tail.digest()
    if digest is None:
        return np.zeros(len(tail.probe())), NO_READING
    state = digest.state(cursor)
    fault = "" if (state.count("first_flip") >= 0).any() else NO_FLIP.format(state.last_step)
    return state.count(name).astype(np.float64), fault


def _by_help(tail: Tail, cursor: int, config: RunConfig | None) -> tuple[Scores, str]:
    effect, fault = _by_harm(tail, cursor, config)
    return -effect, fault


def _by_harm(tail: Tail, cursor: int, config: RunConfig | None) -> tuple[Scores, str]:
    asked = tail.last_asked(cursor)
    effect = None if asked is None else tail.reader.influence_at(asked[0])
    if effect is not None:
        return effect.astype(np.float64), ""
    return np.zeros(len(tail.probe())), NO_EXAM if asked is None else NO_INFLUENCE


_SCORES: dict[str, Callable[[Tail, int, RunConfig | None], tuple[Scores, str]]] = {
    "gain": _by_gain, "flips": _by_flips, "first_flip": _by_first_flip, "helped": _by_help, "harmed": _by_harm,
    "label": _by_label, "id": _by_id,
}  # fmt: skip
