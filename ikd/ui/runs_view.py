"""The page of all runs: those of this lab, kept up to date while it is open, and the recorded ones."""

from __future__ import annotations

import streamlit as st

from ikd.runs import tend_queue
from ikd.runs.permission import read_only
from ikd.trace.store import list_recorded, list_runs
from ikd.ui import state
from ikd.ui.run_manage import draw_import, draw_manage
from ikd.ui.run_table import draw_runs
from ikd.ui.shell import page_link, sentences

AT_ONCE = 20
LOOK_SECONDS = 5.0
"""A run that another process has started is listed after so long."""


def show_runs() -> None:
    """Draw the page."""
    st.header("Runs", anchor=False)
    st.fragment(_own, run_every=LOOK_SECONDS)()
    if not read_only():
        draw_import()
    st.subheader("Recorded runs", anchor=False)
    recorded = list_recorded()
    if recorded:
        st.caption("They come with the lab and replay with no training.")
        draw_runs(recorded)
    else:
        st.caption("No recorded run comes with this copy of the lab.")


def _own() -> None:
    with sentences():
        tend_queue()
        folders = list_runs()
        shown = st.session_state.setdefault(state.SHOWN_RUNS, AT_ONCE)
        if folders:
            draw_runs(folders[:shown], manage=None if read_only() else draw_manage)
        else:
            st.info("There is no run yet.")
            if not read_only():
                page_link("train", label="Start one", icon=":material/tune:")
        if len(folders) > shown and st.button(f"Show more ({len(folders) - shown} older)"):
            st.session_state[state.SHOWN_RUNS] = shown + AT_ONCE
            st.rerun(scope="fragment")
