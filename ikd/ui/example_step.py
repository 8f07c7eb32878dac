"""At which step the Example page stands: it follows the newest data, or is pinned to a step that a person chose."""

from __future__ import annotations

import numpy as np
import streamlit as st

from ikd.events import Integers
from ikd.ui import state

_PIN = "example-pin"
_EARLY = "example-pinned-early"
_SHOWN = "example-step-shown"
STEPS_HELP = "Earlier and later step with data of this example: the arrow keys left and right. L jumps to the latest."


def begin(n_steps: int) -> str:
    """Take the step of the address, as a whole page is drawn; return a notice about a bad one."""
    step, complaint = state.step_in_address(n_steps)
    st.session_state[_PIN] = step
    return complaint


def pinned() -> int | None:
    """Return the step that a person chose, None while the page follows."""
    step = st.session_state.get(_PIN)
    return None if step is None else int(step)


def place_of(steps: Integers, *, newest: int, growing: bool) -> int:
    """Return the place in the steps with data (R,) that is shown, which data that come later never move while it is pinned.

    A pin that waits for a step of the future would be moved by all data until then: it is moved to the newest data at once.

    Args:
        steps: with data of the example.
        newest: newest recorded step of the run, asked for before the steps were.
        growing: whether more steps may come.
    """
    wanted = pinned()
    if wanted is None:
        return len(steps) - 1
    if growing and wanted > max(newest, int(steps[-1])):
        found = int(steps[-1])
        pin(found)
        st.session_state[_EARLY] = (wanted, found)
        wanted = found
    return last_before(steps, wanted)


def last_before(steps: Integers, wanted: int) -> int:
    """Return the place of the last step that is not later than a wanted one, of the first step where none is."""
    return max(int(np.searchsorted(steps, wanted, side="right")) - 1, 0)


def nearest(steps: Integers, wanted: int) -> int:
    """Return the place of the step nearest to a wanted one, the earlier of two: where a slider snaps to."""
    return int(np.abs(steps - wanted).argmin())


def snapped(steps: Integers, place: int, wanted: int) -> int:
    """Return the place that a slider moved to a step means: the nearest, but never the one it was moved away from."""
    found = nearest(steps, wanted)
    if found == place and wanted != steps[place]:
        found = place + (1 if wanted > steps[place] else -1)
    return min(max(found, 0), len(steps) - 1)


def pin(step: int | None) -> None:
    """Stand at a step from now on; None follows the newest data."""
    st.session_state[_PIN] = step
    st.session_state.pop(_EARLY, None)
    state.keep_step(step)


def draw_steps(steps: Integers, place: int, *, newest: int, n_steps: int, live: bool) -> None:
    """Draw the words about where the page stands, and the controls to move.

    Args:
        steps: (R,) with data of the example.
        place: of the shown one.
        newest: newest recorded step of the run.
        n_steps: of the whole run.
        live: whether new steps are still to come.
    """
    shown = int(steps[place])
    with st.container(horizontal=True, vertical_alignment="bottom", key="example-steps"):
        st.button("Earlier", icon=":material/chevron_left:", key="example-earlier", shortcut="Left", disabled=place == 0,
                  on_click=pin, args=(int(steps[max(place - 1, 0)]),), help=STEPS_HELP)  # fmt: skip
        key = _slider_key(shown)
        st.slider("Step", 0, max(n_steps, 1), value=shown, key=key, on_change=_moved, args=(key, steps, place),
                  help="Snaps to the steps at which there are data of this example, and pins the page to that step.")  # fmt: skip
        st.button("Later", icon=":material/chevron_right:", icon_position="right", key="example-later", shortcut="Right",
                  disabled=place == len(steps) - 1, on_click=pin, args=(int(steps[min(place + 1, len(steps) - 1)]),),
                  help=STEPS_HELP)  # fmt: skip
        st.button("Jump to latest", icon=":material/last_page:", key="example-latest", shortcut="L", disabled=pinned() is None,
                  on_click=pin, args=(None,), help="Follows the newest data again.")  # fmt: skip
    st.markdown(_words(shown, int(steps[-1]), n_steps, len(steps), live=live))
    said = _elsewhere(shown, newest)
    if said:
        st.info(said, icon=":material/info:")


def _elsewhere(shown: int, newest: int) -> str:
    """Return why another step is shown than the one that was asked for, or nothing."""
    wanted = pinned()
    early: tuple[int, int] | None = st.session_state.get(_EARLY)
    if early is not None and early[1] == wanted and early[0] > newest:
        return f"Step {early[0]} is not there yet: this page is pinned at step {shown}, the newest with data of this example."
    if wanted is None or wanted == shown:
        return ""
    which = "the last before it" if shown < wanted else "the first"
    return f"There are no data of this example at step {wanted}: those of step {shown}, {which}, are shown."


def _words(shown: int, newest: int, n_steps: int, n_data: int, *, live: bool) -> str:
    count = f"{n_data:,} step{'' if n_data == 1 else 's'} with data of this example, the newest {newest}, of {n_steps} in the run"
    if pinned() is not None:
        return f":orange-badge[:material/keep: Pinned at step {shown}] New data do not move this view. {count}."
    if live:
        return f":blue-badge[:material/moving: Following, step {shown}] It moves on as new data arrive. {count}."
    return f":blue-badge[:material/last_page: Latest, step {shown}] {count}."


def _moved(key: str, steps: Integers, place: int) -> None:
    pin(int(steps[snapped(steps, place, int(st.session_state[key]))]))


def _slider_key(shown: int) -> str:
    # A browser remembers where a slider of the same name stood, and would report that as a person's move: a new step, a new name.
    before, number = st.session_state.get(_SHOWN, (shown, 0))
    if before != shown:
        number += 1
    st.session_state[_SHOWN] = (shown, number)
    return f"example-step-{number}"
