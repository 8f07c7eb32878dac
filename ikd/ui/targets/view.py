"""The page of all soft targets of a run: canvases above, one of six views below, one example and one step in all of them."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ikd.trace.folder import RunFolder
from ikd.ui import pace, state
from ikd.ui.run_head import badge
from ikd.ui.run_view import name_of
from ikd.ui.shell import notice, page_link, sentences
from ikd.ui.tail import tail_of
from ikd.ui.targets.bar import draw_bar, follow, pin, select
from ikd.ui.targets.canvases import Wish, draw_heat, draw_player
from ikd.ui.targets.confusion import draw_confusion
from ikd.ui.targets.course import draw_course
from ikd.ui.targets.data_map import draw_maps
from ikd.ui.targets.gain import draw_gain
from ikd.ui.targets.look import Look, look_at
from ikd.ui.targets.ribbons import draw_ribbons
from ikd.ui.targets.table import draw_table
from ikd.ui.targets.words import VIEWS
from ikd.ui.wording import plain

DRAWN: dict[str, Callable[[Look], int | None]] = {
    "ribbons": draw_ribbons, "confusion": draw_confusion, "map": draw_maps, "gain": draw_gain, "table": draw_table,
    "course": draw_course,
}  # fmt: skip
VIEW_KEY = "targets-view"


def show_targets(folder: RunFolder) -> None:
    """Draw the page of a run's soft targets."""
    state.take_up(folder.id)
    run = folder.state()
    if st.session_state.get(state.LOOK) != folder.id:
        st.session_state[state.LOOK] = folder.id
        pace.reset()
    with st.container(horizontal=True, vertical_alignment="center", key="run-title"):
        st.header("Soft targets", width="content", anchor=False)
        badge(folder, run)
        page_link("run", label=f"Run {plain(name_of(folder))}", icon=":material/monitoring:", run=folder.id,
                  more=state.carried(state.STEP))  # fmt: skip
    if run.error and not run.live:
        st.error(plain(run.error, longest=1000), icon=":material/error:")
    st.fragment(_body, run_every=pace.every(run, pace.pace_seconds()))(folder, (run.state, tail_of(folder).started()))


def _body(folder: RunFolder, drawn: tuple[str, bool]) -> None:
    with sentences(), pace.timed("targets"):
        run, tail = folder.state(), tail_of(folder)
        if (run.state, tail.started()) != drawn or (run.live and pace.slow_down()):
            st.rerun()
        look = look_at(folder, run)
        if look is None:
            st.info("The first reading of the probe set is not there yet." if run.live or run.state == "queued" else
                    "This run ended before the first reading of its probe set: there are no soft targets to show.")  # fmt: skip
            return
        draw_bar(look)
        state.remember(folder.id)
        left, right = st.columns(2, gap="medium")
        with left:
            wishes = [draw_player(look)]
        with right:
            wishes.append(draw_heat(look))
        wishes.append(Wish(example=DRAWN[_draw_choice()](look)))
        _grant(wishes, look)


def _draw_choice() -> str:
    view, complaint = state.choice_in_address(state.VIEW, list(VIEWS))
    notice(complaint)
    st.session_state.setdefault(VIEW_KEY, view)
    st.segmented_control("View", list(VIEWS), format_func=lambda one: VIEWS[one].title, key=VIEW_KEY, required=True,
                                       on_change=_chosen_view, label_visibility="collapsed")  # fmt: skip
    return str(st.session_state[VIEW_KEY])


def _chosen_view() -> None:
    state.keep(state.VIEW, st.session_state[VIEW_KEY])


def _grant(wishes: list[Wish], look: Look) -> None:
    changed = False
    for wish in wishes:
        if wish.example is not None and wish.example != look.example:
            select(wish.example)
            changed = True
        if wish.follow and look.pinned:
            follow()
            changed = True
        elif wish.step is not None and not (look.pinned and wish.step == look.cursor):
            pin(wish.step)
            changed = True
    if changed:
        # Every view stands on the same example and step: what was drawn above the click is drawn again.
        st.rerun()
