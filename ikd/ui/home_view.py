"""The Home page: the method in one drawing and three sentences, two doors, and the newest runs."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from ikd.config import PRESETS, build_config
from ikd.trace.store import list_recorded, list_runs
from ikd.ui import state
from ikd.ui.drawing import draw_method
from ikd.ui.run_table import draw_runs
from ikd.ui.shell import go_to_run, page_link
from ikd.ui.start import draw_start_button

SENTENCES = (
    "In ordinary distillation a small student learns from the soft targets of a big teacher that never changes. "
    "In Interactive Knowledge Distillation the teacher learns too: after a **course step** the student sits an exam, and the "
    "**exam step** moves the teacher one step in the direction in which, to first order, its soft targets would have helped "
    "this student. This lab shows it: how the soft targets shift step by step, which way the student asks each of them to "
    "move, and whether the student gains by it."
)
DEMO = "demo"
NEWEST = 5
SHOWN_FIRST = "reviews-exam"
"""The recorded run with the most to see: three classes, and soft targets that move far."""
PAIRS = {"Reviews": "reviews", "Pairs": "pairs", "Irony": "irony"}
"""Recorded pairs by the title of their link: NAME-fixed and NAME-exam."""


def show_home() -> None:
    """Draw the page."""
    st.title("A teacher that learns to teach", anchor=False)
    draw_method()
    st.markdown(SENTENCES)
    _doors()
    runs = list_runs()[:NEWEST]
    st.subheader("Recent runs", anchor=False)
    if runs:
        draw_runs(runs)
        page_link("runs", label="All runs", icon=":material/list:")
    else:
        st.caption("None yet.")


def _pairs(recorded: Mapping[str, str]) -> None:
    """Draw links to the recorded pairs beside each other: feedback, and the same teacher fixed, under one seed."""
    there = {title: ids for title, name in PAIRS.items() if (ids := [recorded[one] for one in _pair(name) if one in recorded])[1:]}
    if there:
        st.caption("Feedback beside ordinary distillation, same seed:")
        with st.container(horizontal=True, gap="small", key="home-pairs"):
            for title, ids in there.items():
                page_link("compare", label=title, icon=":material/compare_arrows:", more={state.RUNS: ",".join(ids)})


def _pair(name: str) -> tuple[str, str]:
    return f"{name}-fixed", f"{name}-exam"


def _doors() -> None:
    recorded = list_recorded()
    left, right, _ = st.columns([2, 2, 1], gap="medium")
    with left:
        if st.button("Watch a recorded run", icon=":material/play_circle:", key="watch", width="stretch", disabled=not recorded,
                     type="primary" if recorded else "secondary"):  # fmt: skip
            go_to_run(next((one.id for one in recorded if one.path.name == SHOWN_FIRST), recorded[0].id))
        st.caption("No training: a run that comes with the lab, shown step by step." if recorded else
                   "No recorded run comes with this copy of the lab; the demo takes its place.")  # fmt: skip
        _pairs({one.path.name: one.id for one in recorded})
    with right:
        draw_start_button(build_config(PRESETS[DEMO].values), label="Start the demo", key="demo")
        st.caption(f"Trains small models on this machine. {PRESETS[DEMO].look_for}")
