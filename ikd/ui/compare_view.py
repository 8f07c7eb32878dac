"""The Compare page: any runs beside each other, or a study of methods over tasks and seeds."""

from __future__ import annotations

import streamlit as st

from ikd.trace.comparing import differences_in_words, settings_that_differ
from ikd.ui import state
from ikd.ui.compare_figures import draw_curves, draw_frontier, draw_scores
from ikd.ui.compare_report import draw_report
from ikd.ui.compare_runs import RUNS, STUDY, Compared, choose_runs
from ikd.ui.compare_texts import draw_teachers, draw_texts
from ikd.ui.downloads import draw_downloads
from ikd.ui.shell import notice, page_link, sentences
from ikd.ui.study_view import show_study
from ikd.ui.wording import plain

MOST_IN_WORDS = 6


def show_compare() -> None:
    """Draw the page."""
    st.header("Compare", anchor=False)
    st.session_state.setdefault(state.COMPARED, STUDY if state.STUDY in st.query_params else RUNS)
    what = st.segmented_control("What is compared", [RUNS, STUDY], key=state.COMPARED, required=True, label_visibility="collapsed")
    if what == STUDY:
        show_study()
        return
    state.keep(state.STUDY, None)
    _show_runs()


def _show_runs() -> None:
    runs, complaint = choose_runs()
    notice(complaint)
    if len(runs) < 2:
        st.info("Choose two runs or more. Those with the same texts, as a run and its fork or runs of one task and seed, can be held "
                "against each other text by text.")  # fmt: skip
        return
    _warn(runs)
    for title, draw in (("What differs", _draw_settings), ("Over the run", draw_curves), ("In the end", draw_scores),
                        ("Scores against cost", draw_frontier), ("Won and lost", draw_texts), ("What the teachers say", draw_teachers),
                        ("Take it home", draw_report)):  # fmt: skip
        with st.container(key=f"compare-{title.replace(' ', '-').lower()}"), sentences():
            st.subheader(title, anchor=False)
            draw(runs)


def _warn(runs: list[Compared]) -> None:
    live = [one for one in runs if one.folder.state().live]
    if live:
        names = ", ".join(plain(one.name) for one in live)
        st.caption(f"At work: {names}. What is shown is what was recorded when the page was drawn; reload it for more.")  # fmt: skip
    marks = {one.fingerprint for one in runs}
    if len(marks) > 1 or "" in marks:
        notice("These runs do not have the same texts, labels and splits, or one of them has not begun: their scores can be set beside "
               "each other, but not held against each other text by text.")  # fmt: skip
    with st.container(horizontal=True, gap="small"):
        for one in runs:
            page_link("run", label=plain(one.name, longest=70), icon=":material/monitoring:", run=one.folder.id)


def _draw_settings(runs: list[Compared]) -> None:
    known = {one.name: one.config for one in runs if one.config is not None}
    table = settings_that_differ(known, {one.name: one.changes for one in runs})
    if table.empty:
        st.caption("No setting differs: the same config gives the same run.")
        return
    if len(known) == 2 and len(table) <= MOST_IN_WORDS:
        st.markdown("\n".join(f"- {plain(line, longest=300)}" for line in differences_in_words(table)))
    st.dataframe(table, hide_index=True, key="compare-settings-table")
    draw_downloads(lambda: table, name="settings", key="compare-settings", rows="Every setting that is not the same in all.")
