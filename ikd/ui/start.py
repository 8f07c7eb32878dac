"""Starting a run from a page: what it will cost, its config in three forms, and the button."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from ikd.config import RunConfig, all_settings, build_config
from ikd.errors import ConfigError, IKDError
from ikd.runs import Estimate, active_run, estimate_later, start_run
from ikd.runs.permission import read_only
from ikd.runs.uploads import files_of
from ikd.study.longer import longer_words
from ikd.ui.controls import applicable, values_of_session
from ikd.ui.policies import teacher_moves
from ikd.ui.shell import go_to_run, page_link, sentences
from ikd.ui.wording import duration, plain

POLL_SECONDS = 1.0
BUSY_POLL_SECONDS = 3.0


def draw_start() -> None:
    """Draw the panel: refused settings as a sentence, else cost, start button and config."""
    values = applicable(values_of_session())
    try:
        config = build_config(values)
    except ConfigError as fault:
        st.error(plain(labelled(str(fault)), longest=1000), icon=":material/error:")
        st.button("Start the run", icon=":material/play_arrow:", key="start-refused", disabled=True, width="stretch")
        return
    # In a lab that is read-only no visitor learns which files this machine has.
    lost = [] if read_only() else [path for path in files_of(config) if not Path(path).expanduser().is_file()]
    if lost:
        name = plain(lost[0], longest=300)
        st.error(f"There is no file {name}: check the path, or upload the file on the Data page.", icon=":material/error:")
        st.button("Start the run", icon=":material/play_arrow:", key="start-refused", disabled=True, width="stretch")
        return
    draw_start_button(config, label="Start the run", key="start")
    if said := longer_words(config):
        st.caption(plain(said, longest=600))
    _estimate(config)
    with st.expander("The same run elsewhere", key="elsewhere"):
        st.caption("On the command line, in the lab's folder; these pages show it too.")
        st.code(command_line(values), language="bash", wrap_lines=True)
        st.download_button("Config as JSON", config.model_dump_json(indent=1), "config.json", "application/json",
                           icon=":material/download:", key="download-config", on_click="ignore")  # fmt: skip
        with st.container(height=220, border=False):
            st.code(config.model_dump_json(indent=1), language="json")


def draw_start_button(config: RunConfig, *, label: str, key: str) -> None:
    """Draw a start button, which queues while a run is at work on the same device, and names that run; none where nothing may start."""
    if read_only():
        st.info("This lab is read-only: open a run and watch it.", icon=":material/visibility:")
        return
    busy = active_run(config.machine.device)
    words, icon = (label, ":material/play_arrow:") if busy is None else (label.replace("Start", "Queue", 1), ":material/schedule:")
    if st.button(words, icon=icon, key=key, type="primary", width="stretch"):
        try:
            run = start_run(config) if busy is None else start_run(config, queue=True)
        except IKDError as fault:
            # Another tab may have been quicker: the sentence names its run.
            st.error(plain(str(fault), longest=1000), icon=":material/error:")
        else:
            go_to_run(run)
    if busy is not None:
        st.fragment(_busy, run_every=BUSY_POLL_SECONDS)(busy, config.machine.device)


def labelled(sentence: str) -> str:
    """Return a sentence with the label of its control before each setting's path: a reader of the page knows only labels."""
    for one in all_settings():
        if "." in one.path:
            sentence = re.sub(rf"(?<![\w.]){re.escape(one.path)}(?![\w.]*\w)", f"“{one.label}” ({one.path})", sentence)
    return sentence


def command_line(values: Mapping[str, Any]) -> str:
    """Return the command that starts the same run."""
    words = ["python -m ikd train"]
    for path, value in values.items():
        text = "none" if value is None else str(value)
        words.append(f"--{path.replace('_', '-')} {shlex.quote(text)}")
    return " ".join(words)


def cost_sentence(found: Estimate, config: RunConfig) -> str:
    """Return the cost of one step against ordinary distillation, in words."""
    if found.step_units is None or found.kd_units is None:
        return ""
    if found.cached:
        return (f"One step costs {found.step_units:.1f} student forwards, as the teacher is asked only once for each example (asked at "
                f"each step: {found.kd_units:.1f}).")  # fmt: skip
    if not teacher_moves(config):
        return f"One step costs {found.step_units:.1f} student forwards, as in ordinary distillation: the teacher never changes."
    return f"One step costs {found.step_units:.1f} student forwards (ordinary distillation: {found.kd_units:.1f})."


def _busy(run: str, device: str) -> None:
    with sentences():
        if active_run(device) != run:
            st.rerun()
        page_link("run", label="Open the run at work", icon=":material/monitoring:", run=run)
        st.caption(f"{plain(run)} is at work. One run at a time: a queued one starts when it has ended.")


def _estimate(config: RunConfig) -> None:
    found = estimate_later(config)
    st.fragment(_estimate_part, run_every=None if found else POLL_SECONDS)(config, found is not None)


def _estimate_part(config: RunConfig, was_there: bool) -> None:
    with sentences():
        found = estimate_later(config)
        if found is not None and not was_there:
            st.rerun()
        with st.container(key="estimate", border=True):
            st.markdown("**What it will cost**")
            if found is None:
                st.caption("Measuring this machine and counting … you can start without it.")
                return
            if cost := cost_sentence(found, config):
                st.markdown(cost)
            if found.seconds is not None:
                st.markdown(f"About **{duration(found.seconds)}** of teaching" + _step_words(found) + _teacher_words(found) + ".")
            st.caption(plain(found.explanation, longest=1000))


def _step_words(found: Estimate) -> str:
    return f" ({found.step_milliseconds:.0f} ms a step)" if found.step_milliseconds else ""


def _teacher_words(found: Estimate) -> str:
    return f", after {duration(found.teacher_seconds)} of fine-tuning the teacher unless it is cached" if found.teacher_seconds else ""
