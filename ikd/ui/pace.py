"""How often live figures are drawn anew: often on an idle machine, seldom where drawing would starve the run itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from ikd.trace.state import RunState
from ikd.ui import state

PACES_SECONDS = (2.0, 5.0, 10.0)
GREATEST_SHARE = 0.1
LOOKED_AT = 3
LOST_SECONDS = 5.0
MAY_RETURN_SECONDS = 600.0


def pace_seconds() -> float:
    """Return the seconds between two drawings of the live figures."""
    return float(st.session_state.get(state.PACE, PACES_SECONDS[0]))


def every(run: RunState, live_seconds: float) -> float | None:
    """Return the seconds between two looks at a run, None where nothing can change any more."""
    if run.live:
        return live_seconds
    # On a starved machine a heart can miss its beats, and the run go on.
    returns = run.state == "lost" and time.time() - run.heartbeat < MAY_RETURN_SECONDS
    return LOST_SECONDS if returns else None


@contextmanager
def timed(part: str) -> Iterator[None]:
    """Measure how long one part of a page takes to draw."""
    began = time.perf_counter()
    yield
    taken: dict[str, list[float]] = st.session_state.setdefault(state.TAKEN, {})
    taken[part] = [*taken.get(part, [])[1 - LOOKED_AT :], time.perf_counter() - began]


def slow_down() -> bool:
    """Take the next slower pace where drawing takes too large a share of the time; return whether it was taken.

    Only the quickest of the last few drawings counts: the first one of a page is always slow.
    """
    taken: dict[str, list[float]] = st.session_state.get(state.TAKEN, {})
    if not taken or min(len(times) for times in taken.values()) < LOOKED_AT:
        return False
    now = pace_seconds()
    slower = [one for one in PACES_SECONDS if one > now]
    if not slower or sum(min(times) for times in taken.values()) <= GREATEST_SHARE * now:
        return False
    st.session_state[state.PACE] = slower[0]
    return True


def reset() -> None:
    """Begin with the quickest pace, as for another run."""
    st.session_state.pop(state.PACE, None)
    st.session_state.pop(state.TAKEN, None)
