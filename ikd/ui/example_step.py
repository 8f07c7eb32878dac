"""At which step the Example page stands: it follows the newest data, or is pinned to a step that a person chose."""

from __future__ import annotations

import numpy as np
import streamlit as st

from ikd.events import Integers
from ikd.ui import state

_PIN = "example-pin"
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


def place_of(steps: Integers) -> int:
    """Return the place in the steps with data (R,) that is shown: the last one, or the one nearest to the chosen step."""
    step = pinned()
    return len(steps) - 1 if step is None else nearest(steps, step)


def nearest(steps: Integers, wanted: int) -> int:
    """Return the place of the step nearest to a wanted one, the earlier of two."""
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
    state.keep_step(step)


def draw_steps(steps: Integers, place: int, *, n_steps: int, live: bool) -> None:
    """Draw the words about where the page stands, and the controls to move.

    Args:
        steps: (R,) with data of the example.
        place: of the shown one.
        n_steps: of the whole run.
        live: whether new steps are still to come.
    """
    shown, newest = int(steps[place]), int(steps[-1])
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
    st.markdown(_words(shown, newest, n_steps, len(steps), live=live))
    wanted = pinned()
    if wanted is not None and wanted != shown:
        st.info(f"There are no data of this example at step {wanted}: the nearest, of step {shown}, are shown.",
                icon=":material/info:")  # fmt: skip


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
