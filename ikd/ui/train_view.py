"""The Train page: presets, controls by group, and the panel that starts a run."""

from __future__ import annotations

import streamlit as st

from ikd.config import PRESETS, build_config, remarks_on
from ikd.config.names import N_CLASSES
from ikd.errors import ConfigError
from ikd.runs import tend_queue
from ikd.ui import state
from ikd.ui.controls import applicable, draw_group, put_values, values_of_session
from ikd.ui.shell import notice, sentences
from ikd.ui.start import draw_start, labelled
from ikd.ui.uploads import draw_uploads

COLUMNS = (
    {"task": "Task", "teacher": "Teacher", "student": "Student"},
    {"policy": "Teacher policy (teacher's update)", "training": "Student's update (course step)", "objective": "Objective"},
)
LESSER = {"record": "Recording", "machine": "Machine", "": "Run"}
NO_PRESET = "A preset fills in every control below; change what you like."
_CHOICE = "preset-choice"


def show_train() -> None:
    """Draw the page."""
    tend_queue()
    st.header("Train", anchor=False)
    _presets()
    *columns, panel = st.columns([4, 4, 4], gap="medium")
    for column, groups in zip(columns, COLUMNS, strict=True):
        with column:
            for group, title in groups.items():
                _group(group, title)
    with panel, st.container(key="panel"):
        # Filled last, so that it judges what the controls below it say now.
        start = st.container()
        for group, title in LESSER.items():
            with st.expander(title, key=f"lesser-{group or 'run'}"), sentences():
                draw_group(group)
        with start:
            draw_start()


def _group(group: str, title: str) -> None:
    with st.container(border=True, key=f"group-{group}"), sentences():
        st.markdown(f"**{title}**")
        draw_group(group)
        if group == "objective":
            _remarks()
        if group == "task" and values_of_session().get("task.name") == "files":
            draw_uploads()


def _remarks() -> None:
    """Draw what a person should know of a choice that is allowed; a refused one has its sentence beside the start button."""
    try:
        config = build_config(applicable(values_of_session()))
    except ConfigError:
        return
    for remark in remarks_on(config, n_classes=N_CLASSES.get(config.task.name)):
        st.info(labelled(remark), icon=":material/info:")


def _presets() -> None:
    named, complaint = state.preset_in_address()
    notice(complaint)
    if named is not None and st.session_state.get(state.PRESET_APPLIED) != named:
        st.session_state[state.PRESET_APPLIED] = named
        put_values(PRESETS[named].values)
        st.session_state[_CHOICE] = named
    st.session_state.setdefault(_CHOICE, st.session_state.get("preset-shown"))
    with st.container(horizontal=True, vertical_alignment="center", key="presets"):
        chosen = st.selectbox("Preset", list(PRESETS), index=None, key=_CHOICE, on_change=_apply, width=300,
                              placeholder="your own settings", format_func=lambda name: PRESETS[name].title)  # fmt: skip
        st.session_state["preset-shown"] = chosen
        with st.container():
            st.markdown(f"**Look for:** {PRESETS[chosen].told}" if chosen else NO_PRESET)


def _apply() -> None:
    chosen = st.session_state[_CHOICE]
    if chosen:
        put_values(PRESETS[chosen].values)
        st.query_params[state.PRESET] = chosen
        st.session_state[state.PRESET_APPLIED] = chosen
