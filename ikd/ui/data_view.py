"""The Data page: where texts come from, and everything a person should see of them before training on them."""

from __future__ import annotations

import streamlit as st

from ikd.config import RunConfig, build_config
from ikd.errors import ConfigError
from ikd.runs.background import READ_ONLY, inspect_later
from ikd.runs.inspection import Inspection
from ikd.runs.permission import read_only
from ikd.ui import state
from ikd.ui.controls import applicable, values_of_session
from ikd.ui.data_batch import draw_first_batch
from ikd.ui.data_findings import draw_findings, draw_lengths, draw_notes, draw_splits
from ikd.ui.data_source import draw_columns, draw_source
from ikd.ui.data_tables import draw_labels, draw_tables
from ikd.ui.shell import notice, page_link, sentences
from ikd.ui.start import labelled
from ikd.ui.wording import plain

POLL_SECONDS = 0.5
BUILT_IN = ("reviews", "pairs", "irony")
_PART = "data-part"


def show_data() -> None:
    """Draw the page."""
    st.header("Data", anchor=False)
    if read_only():
        st.info(READ_ONLY, icon=":material/visibility:")
        return
    source, seen = st.columns([4, 8], gap="medium")
    with source:
        draw_source()
        columns = st.container()
    with seen, sentences():
        config = _config()
        if config is None:
            return
        found = inspect_later(config)
        st.fragment(_wait, run_every=None if found else POLL_SECONDS)(config, found is not None)
        if found is None:
            return
        _verdict(found)
        with columns, sentences():
            draw_columns(found)
        _parts(found, config)


def _config() -> RunConfig | None:
    """Return the config as the Train page has it; where no file or hub name is given yet, a sentence is drawn and there is none."""
    values = values_of_session()
    try:
        return build_config(applicable(values))
    except ConfigError as fault:
        task = {path: value for path, value in applicable(values).items() if path.startswith("task.")}
        try:
            # A rule between other settings is the Train page's to tell.
            return build_config(task)
        except ConfigError:
            name = values.get("task.name", "reviews")
            missing = (name == "files" and not values.get("task.train_file")) or (name == "hub" and not values.get("task.hub_name"))
            if missing:
                st.info("Give a training file, or upload one: what stands in it is shown here." if name == "files" else
                        "Name a data set of the hub, or a local folder laid out like one: what stands in it is shown here.")  # fmt: skip
            else:
                st.error(plain(labelled(str(fault)), longest=1000), icon=":material/error:")
            return None


def _wait(config: RunConfig, was_there: bool) -> None:
    with sentences():
        if was_there:
            return
        if inspect_later(config) is not None:
            st.rerun()
        hub = config.task.name not in (*BUILT_IN, "files")
        st.info("Reading …" + (" a data set of the hub may take a minute, or longer where it has to be loaded first." if hub else ""),
                icon=":material/hourglass_top:")  # fmt: skip


def _verdict(found: Inspection) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="data-verdict"):
        if found.refusal:
            st.error(plain(labelled(found.refusal), longest=1500), icon=":material/error:")
            if "task.label_map" in found.refusal and found.labels:
                st.caption("Name the class of each label below, under Labels.")
            return
        sizes = ", ".join(f"{split.n_rows:,} {split.name}" for split in found.splits)
        mark = f" ({plain(found.marked)})" if found.marked else ""
        st.success(f"Ready to train{mark}: {sizes} texts in {len(found.label_names)} classes.", icon=":material/check_circle:")
        page_link("train", label="Choose models and train", icon=":material/arrow_forward:", key="data-go")


def _parts(found: Inspection, config: RunConfig) -> None:
    names = ["Findings", "Rows", "Labels", "Splits", "Lengths", "First batch"]
    shown = names if not found.refusal else [name for name in names if name in ("Findings", "Rows", "Labels")]
    if config.task.name in BUILT_IN:
        shown = [name for name in shown if name != "Rows"]
    # The control itself is gone, with what it held, while the data are read anew.
    kept = st.session_state.get(state.DATA_PART)
    if "task.label_map" in found.refusal and "Labels" in shown:
        kept = "Labels"
    if _PART not in st.session_state or st.session_state[_PART] not in shown:
        st.session_state[_PART] = kept if kept in shown else shown[0]
    part = st.segmented_control("What to see", shown, key=_PART, required=True, label_visibility="collapsed")
    st.session_state[state.DATA_PART] = part
    if part == "Findings":
        draw_findings(found)
        draw_notes(found)
    elif part == "Rows":
        draw_tables(found)
    elif part == "Labels":
        draw_labels(found, config.task)
    elif part == "Splits":
        draw_splits(found)
    elif part == "Lengths":
        draw_lengths(found)
    elif part == "First batch":
        draw_first_batch(config)
    if found.refusal and not found.tables:
        notice("Nothing could be read, so there is nothing more to show.")
