"""The Home page: the method in one drawing, two demos with what went wrong with their teachers, recorded runs, and the newest runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

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
    "**exam step** moves the teacher the way that would have made this student do better in it. This feedback has something to say "
    "only where the course misleads the teacher and a few trusted exam texts reveal it."
)


class Demo(NamedTuple):
    """A demo as Home offers it.

    Attributes:
        preset: its key.
        title: over the button.
        button: words on it.
        story: what went wrong with the teacher, who notices, and what to watch; Markdown.
    """

    preset: str
    title: str
    button: str
    story: str


DEMOS = (
    Demo(
        "demo", "A teacher that fell for a shortcut", "Start the demo",
        "**What went wrong:** the opening word of its course texts (*Yesterday*, *Recently*, *Lately*) often gives the label away, so the "
        "teacher listens to that word instead of the sentence. **Who notices:** the student, in exams where the word means nothing. "
        "**What to watch:** whether its feedback makes the teacher let go of the word, and whether the student follows.",
    ),
    Demo(
        "sources", "Whom to trust", "Start the second demo",
        "**What went wrong:** six sources labelled the course texts; two are good, two guess, two name the wrong class, and nobody says "
        "which. **Who notices:** the student, in exams on 30 texts with true labels. **What to watch:** how its feedback moves the trust "
        "in each source.",
    ),
)  # fmt: skip
NEWEST = 5
SHOWN_FIRST = "reviews-exam"
"""The recorded run with the most to see: a teacher that unlearns a shortcut."""
PAIRS = {"A shortcut": "reviews", "Whom to trust": "sources", "Pairs of sentences": "pairs", "Irony": "irony"}
"""Recorded pairs by the title of their link: NAME-fixed and NAME-exam."""


def show_home() -> None:
    """Draw the page."""
    st.title("A teacher that learns to teach", anchor=False)
    draw_method()
    st.markdown(SENTENCES)
    _demos()
    _recorded()
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


def _demos() -> None:
    for column, demo in zip(st.columns(len(DEMOS), gap="medium"), DEMOS, strict=True):
        with column, st.container(border=True, height="stretch", key=f"home-{demo.preset}"):
            st.subheader(demo.title, anchor=False)
            st.markdown(demo.story)
            draw_start_button(build_config({**PRESETS[demo.preset].values, "label": demo.title}), label=demo.button, key=demo.preset)
            st.caption(f"Trains small models on this machine, in about two minutes. {PRESETS[demo.preset].verdict}")


def _recorded() -> None:
    recorded = list_recorded()
    st.subheader("Without training", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center", key="home-watch"):
        if st.button("Watch a recorded run", icon=":material/play_circle:", key="watch", disabled=not recorded):
            go_to_run(next((one.id for one in recorded if one.path.name == SHOWN_FIRST), recorded[0].id))
        st.caption("A run that comes with the lab, shown step by step." if recorded else
                   "No recorded run comes with this copy of the lab; the demos take its place.")  # fmt: skip
    _pairs({one.path.name: one.id for one in recorded})
