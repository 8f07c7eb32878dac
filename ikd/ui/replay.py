"""Replay: a recorded or finished run revealed step by step, from its trace alone."""

from __future__ import annotations

import time

import streamlit as st

from ikd.ui import state
from ikd.ui.shell import sentences

TICK_SECONDS = 0.5
SPEEDS = {"slow (60 s)": 60.0, "normal (25 s)": 25.0, "fast (10 s)": 10.0}
NORMAL = "normal (25 s)"


def playing() -> bool:
    """Return whether the replay moves on by itself."""
    return bool(st.session_state.get(state.PLAYING, False))


def under_way() -> bool:
    """Return whether the run is shown as it stood at a step, moving or standing."""
    return playing() or st.session_state.get(state.CURSOR) is not None


def cursor(n_steps: int) -> int:
    """Return the step up to which the run is revealed; the end where nobody replays."""
    standing = st.session_state.get(state.CURSOR)
    if not playing():
        return n_steps if standing is None else min(int(standing), n_steps)
    # Reckoned from the clock and not counted up, so that slow ticks and several fragments agree.
    began, first = st.session_state[state.PLAYED_FROM]
    whole = SPEEDS.get(st.session_state.get(state.SPEED, NORMAL), SPEEDS[NORMAL])
    return min(n_steps, int(first + (time.monotonic() - began) / whole * n_steps))


def reset(n_steps: int) -> str:
    """Begin anew with the step of the address, as when another run is opened; return a notice about a bad one."""
    step, complaint = state.step_in_address(n_steps)
    st.session_state[state.PLAYING] = False
    st.session_state[state.CURSOR] = step
    return complaint


def draw_player(n_steps: int) -> None:
    """Draw the controls of a replay: play or pause, to the end, speed, and the step."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="player"):
        if playing():
            st.button("Pause", icon=":material/pause:", key="replay-pause", on_click=_pause, args=(n_steps,))
        else:
            st.button("Replay", icon=":material/play_arrow:", key="replay-play", type="primary", on_click=_play, args=(n_steps,),
                      help="Shows the recorded run as if it were going on now. Nothing is trained.")  # fmt: skip
        st.button("To the end", icon=":material/last_page:", key="replay-end", on_click=_to_end,
                  disabled=not playing() and st.session_state.get(state.CURSOR) is None)  # fmt: skip
        st.session_state.setdefault(state.SPEED, NORMAL)
        st.selectbox("Speed", list(SPEEDS), key=state.SPEED, disabled=playing(), width=160)
        # Timed only while it plays: a standing replay costs nothing.
        st.fragment(_scrubber, run_every=TICK_SECONDS if playing() else None)(n_steps, playing())


def _scrubber(n_steps: int, was_playing: bool) -> None:
    with sentences():
        if was_playing and cursor(n_steps) >= n_steps:
            _to_end()
        if playing() != was_playing or st.session_state.pop(state.MOVED, False):
            st.rerun()
        # While it plays, a slider that listens would take its own last position, sent back by the browser, for a person's.
        key = "replay-step-moving" if was_playing else _standing_key()
        st.session_state[key] = cursor(n_steps)
        st.slider("Step", 0, max(n_steps, 1), key=key, disabled=was_playing, on_change=None if was_playing else _moved,
                  help="Shows the run as it stood at this step.")  # fmt: skip


def _play(n_steps: int) -> None:
    start = cursor(n_steps)
    st.session_state[state.PLAYED_FROM] = (time.monotonic(), 0 if start >= n_steps else start)
    st.session_state[state.PLAYING] = True
    _renew_slider()
    state.keep_step(None)


def _pause(n_steps: int) -> None:
    _renew_slider()
    _stand_at(cursor(n_steps))


def _to_end() -> None:
    st.session_state[state.PLAYING], st.session_state[state.CURSOR] = False, None
    _renew_slider()
    state.keep_step(None)


def _moved() -> None:
    place = st.session_state.get(_standing_key())
    if place is None:  # another click has just taken this slider's place
        return
    st.session_state[state.MOVED] = True
    _stand_at(int(place))


def _standing_key() -> str:
    return f"replay-step-{st.session_state.get(state.SLIDERS, 0)}"


def _renew_slider() -> None:
    # A browser remembers where a slider of the same name stood, and would report it as a person's move.
    st.session_state[state.SLIDERS] = st.session_state.get(state.SLIDERS, 0) + 1


def _stand_at(step: int) -> None:
    st.session_state[state.PLAYING], st.session_state[state.CURSOR] = False, step
    state.keep_step(step)
