"""Which probe examples stand on the board. Once chosen they stay until a person asks for others."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ikd.events import Floats
from ikd.trace.cues import cues_of
from ikd.trace.measures import drift, entropy, feedback_on_simplex, softmax
from ikd.ui import state
from ikd.ui.shell import notice
from ikd.ui.tail import Tail
from ikd.ui.wording import snippet

N_CARDS = 4
MOST_OFFERED = 1000
WAYS = {
    "drift": "largest drift",
    "feedback": "strongest feedback",
    "unsure": "least sure teacher",
    "disagree": "student furthest from teacher",
}
MISLED = {"misled": "misled by the cue word"}
"""The first way where the task has a shortcut: it is known before the first step, so the board stands from the start."""
_PICKED = "board-picked"


def choose_examples(tail: Tail, cursor: int, *, live: bool) -> list[int]:
    """Draw the choice and return the ids of the probe examples on the board.

    What the lab chose early in a live run is chosen anew when the run ends, as other examples have drifted farther by then.
    """
    texts, ways = tail.probe()["text"].tolist(), ways_of(tail)
    shown, complaint = state.examples_in_address(len(texts))
    notice(complaint)
    early: list[int] | None = st.session_state.get(state.BOARD_EARLY)
    if not shown or (not live and shown == early):
        shown = _keep(ranked(tail, next(iter(ways)), shared_moment(cursor) if live else cursor)[:N_CARDS])
        st.session_state[state.BOARD_EARLY] = shown if live else None
    offered = list(dict.fromkeys([*shown, *range(min(len(texts), MOST_OFFERED))]))
    st.session_state[_PICKED] = shown
    with st.container(horizontal=True, vertical_alignment="bottom", key="board-choice"):
        st.multiselect("Examples on the board", offered, key=_PICKED, max_selections=state.MOST_EXAMPLES, on_change=_picked,
                       format_func=lambda one: f"{one}: {snippet(texts[one], longest=40)}")  # fmt: skip
        way = st.selectbox("Choose by", list(ways), format_func=ways.__getitem__, width=230,
                           key="board-way" if ways is WAYS else "board-way-cues")  # fmt: skip
        st.button("Choose anew", icon=":material/autorenew:", key="board-anew", on_click=_choose_anew, args=(tail, way, cursor),
                  help="Puts the first four by this measure on the board, as things stand now. They then stay.")  # fmt: skip
    return shown


def ways_of(tail: Tail) -> dict[str, str]:
    """Return the ways to choose by that a run has, by their names; the first one is taken where nobody has chosen."""
    return MISLED | WAYS if cues_of(tail.meta.get("facts", {})) is not None else WAYS


def shared_moment(cursor: int) -> int:
    """Return the step by which the lab chooses in a live run: the last power of two, so that a class that comes in sees the same board.

    What many see is held once for all of them: `Tail.readings`.
    """
    return 2 ** (cursor.bit_length() - 1) if cursor > 0 else 0


def ranked(tail: Tail, way: str, cursor: int) -> list[int]:
    """Return all probe examples, the foremost by one of `ways_of` first.

    While nothing has drifted and no feedback was given, the teacher's uncertainty decides. Behind the misled ones, the drift does.
    """
    if way == "misled":
        cues, moved = cues_of(tail.meta.get("facts", {})), ranked(tail, "drift", cursor)
        first = [one for one in cues.misled if one < len(moved)] if cues is not None else []
        return list(dict.fromkeys([*first, *moved]))
    reader, t = tail.reader, float(tail.meta["temperature"])
    now, frozen = reader.reading_at("teacher", cursor), reader.reading_at("teacher", 0)
    if now is None or frozen is None:
        return list(range(len(tail.probe())))
    unsure = entropy(softmax(now, t))
    score = {"drift": lambda: drift(now, frozen, t), "feedback": lambda: _pull_sizes(tail, now, cursor),
             "unsure": lambda: unsure, "disagree": lambda: _distance(tail, now, cursor)}[way]()  # fmt: skip
    return [int(one) for one in np.argsort(-(score if np.any(score > 0) else unsure), kind="stable")]


def _pull_sizes(tail: Tail, now: Floats, cursor: int) -> NDArray[np.float64]:
    feedback = tail.reader.reading_at("feedback", cursor)
    if feedback is None:
        return np.zeros(len(now))
    return np.asarray(np.abs(feedback_on_simplex(now, feedback, float(tail.meta["temperature"]))).max(axis=-1))


def _distance(tail: Tail, now: Floats, cursor: int) -> NDArray[np.float64]:
    student = tail.reader.reading_at("student", cursor)
    return np.zeros(len(now)) if student is None else drift(now, student, float(tail.meta["temperature"]))


def _choose_anew(tail: Tail, way: str, cursor: int) -> None:
    _keep(ranked(tail, way, cursor)[:N_CARDS])


def _picked() -> None:
    # An emptied choice is answered with a fresh one: a board always has examples.
    st.session_state[state.BOARD_EARLY] = None
    _keep(st.session_state[_PICKED])


def _keep(ids: list[int]) -> list[int]:
    state.keep_examples(ids)
    return ids
