"""How often live figures are drawn anew: often on an idle machine, seldom where drawing would starve the run itself.

A visitor alone goes by what its own drawing takes. Where many watch, what they take together counts: a register of this
process holds what each page takes of the processor, and no page is drawn quicker than their sum allows.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import streamlit as st

from ikd.runs.memory import give_back_freed_memory
from ikd.trace.state import RunState
from ikd.ui import state

PACES_SECONDS = (2.0, 5.0, 10.0)
CROWD_PACES_SECONDS = (*PACES_SECONDS, 20.0, 30.0, 45.0, 60.0)
GREATEST_SHARE = 0.1
LOOKS_A_DRAWING = 3
LOOKED_AT = 3
LOST_SECONDS = 5.0
MAY_RETURN_SECONDS = 600.0
LEFT_AFTER_DRAWINGS, LEFT_AFTER_SECONDS = 3, 15.0
QUICKER_WITH_ROOM = 0.6
SPREAD = 0.25
"""In a crowd a page's timers are longer by its own share of this: pages that took a pace together would stay together."""
SEAT_DIGITS = 16
_SEAT, _CROWD_PACE, _WATCHES = "pace_seat", "pace_of_the_crowd", "pace_watches_live"


@dataclass
class Crowd:
    """What the pages that are drawn in this process take of its processor; a hot reload forgets it, and it fills again.

    Attributes:
        taken: by page and part, the seconds of the last drawings.
        until: when a page that is not drawn again counts as left.
    """

    taken: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    until: dict[str, float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, seat: str, part: str, seconds: float, *, pace: float, now: float) -> None:
        """Note one drawing of a part of a page."""
        with self.lock:
            parts = self.taken.setdefault(seat, {})
            parts[part] = [*parts.get(part, [])[1 - LOOKED_AT :], seconds]
            self.until[seat] = now + max(LEFT_AFTER_DRAWINGS * pace, LEFT_AFTER_SECONDS)

    def leave(self, seat: str) -> None:
        """Forget a page."""
        with self.lock:
            self.taken.pop(seat, None)
            self.until.pop(seat, None)

    def seconds(self, *, now: float) -> float:
        """Return what it takes to draw every page once, and forget those that have left.

        The first drawing of a page is always slow: until its second one it counts as the mean of the others.
        """
        with self.lock:
            for seat in [one for one, until in self.until.items() if until < now]:
                del self.taken[seat], self.until[seat]
            known = [sum(min(times) for times in parts.values()) for parts in self.taken.values()
                     if min(len(times) for times in parts.values()) > 1]  # fmt: skip
            return sum(known) * len(self.taken) / max(len(known), 1)

    def pages(self) -> int:
        """Return how many pages there are."""
        return len(self.until)


crowd = Crowd()


def pace_seconds() -> float:
    """Return the seconds between two drawings of the live figures."""
    own = float(st.session_state.get(state.PACE, PACES_SECONDS[0]))
    if _CROWD_PACE not in st.session_state:
        # A visitor who joins a crowd begins at its pace.
        st.session_state[_CROWD_PACE] = _crowd_pace(PACES_SECONDS[0])
    return max(own, float(st.session_state[_CROWD_PACE]))


def every(run: RunState, live_seconds: float) -> float | None:
    """Return the seconds between two looks at a run, None where nothing can change any more."""
    st.session_state[_WATCHES] = run.live
    if run.live:
        drawing = pace_seconds()
        if float(st.session_state[_CROWD_PACE]) > PACES_SECONDS[0]:
            # Thirty visitors who look each second take more than their figures do; and what is due together is one rerun, not four.
            return float(max(live_seconds, drawing) * (1 + SPREAD * int(_seat(), 16) / 16**SEAT_DIGITS))
        return max(live_seconds, drawing / LOOKS_A_DRAWING)
    if run.state == "queued":
        return LOST_SECONDS
    # On a starved machine a heart can miss its beats, and the run go on.
    returns = run.state == "lost" and time.time() - run.heartbeat < MAY_RETURN_SECONDS
    return LOST_SECONDS if returns else None


@contextmanager
def timed(part: str) -> Iterator[None]:
    """Measure how long one part of a page takes to draw."""
    began, worked = time.perf_counter(), time.thread_time()
    yield
    taken: dict[str, list[float]] = st.session_state.setdefault(state.TAKEN, {})
    taken[part] = [*taken.get(part, [])[1 - LOOKED_AT :], time.perf_counter() - began]
    # By the processor's clock: on a crowded machine a drawing also waits for others, and is not dearer for it.
    if st.session_state.get(_WATCHES):
        crowd.add(_seat(), part, time.thread_time() - worked, pace=pace_seconds(), now=time.monotonic())
    give_back_freed_memory()


def slow_down() -> bool:
    """Take another pace where drawing takes too large a share of the time, or where a crowd has left; return whether one was taken.

    Only the quickest of the last few drawings counts: the first one of a page is always slow.
    """
    before = pace_seconds()  # also takes up the crowd's, where there is none yet
    st.session_state[_CROWD_PACE] = _crowd_pace(float(st.session_state[_CROWD_PACE]))
    if st.session_state[_CROWD_PACE] == PACES_SECONDS[0]:  # in a crowd a drawing's time is mostly waiting
        _slow_down_alone()
    return pace_seconds() != before


def reset() -> None:
    """Begin with the quickest pace, as for another run."""
    crowd.leave(_seat())
    for key in (state.PACE, state.TAKEN, _CROWD_PACE, _WATCHES):
        st.session_state.pop(key, None)


def _slow_down_alone() -> None:
    taken: dict[str, list[float]] = st.session_state.get(state.TAKEN, {})
    if not taken or min(len(times) for times in taken.values()) < LOOKED_AT:
        return
    now = float(st.session_state.get(state.PACE, PACES_SECONDS[0]))
    slower = [one for one in PACES_SECONDS if one > now]
    if slower and sum(min(times) for times in taken.values()) > GREATEST_SHARE * now:
        st.session_state[state.PACE] = slower[0]


def _crowd_pace(now: float) -> float:
    """Return the pace that leaves the run its share with all pages drawn; a quicker one than now only where it has room to spare."""
    seconds = crowd.seconds(now=time.monotonic())
    if crowd.pages() <= 1:
        return PACES_SECONDS[0]
    fitting = [one for one in CROWD_PACES_SECONDS if seconds <= GREATEST_SHARE * one] or [CROWD_PACES_SECONDS[-1]]
    roomy = [one for one in CROWD_PACES_SECONDS if seconds <= QUICKER_WITH_ROOM * GREATEST_SHARE * one] or fitting[-1:]
    return fitting[0] if fitting[0] > now else min(now, roomy[0])


def _seat() -> str:
    return str(st.session_state.setdefault(_SEAT, secrets.token_hex(SEAT_DIGITS // 2)))
