"""A fork beside the run it came from: a line about its parent, the parent's series after the fork, and a run's own forks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from ikd.config import PlannedChange
from ikd.errors import RunError
from ikd.trace.comparing import differences_in_words, settings_that_differ
from ikd.trace.folder import RunFolder
from ikd.trace.notes import read_notes
from ikd.trace.reader import TraceReader
from ikd.trace.store import list_runs, open_run
from ikd.ui.shell import notice, page_link
from ikd.ui.tail import Tail, tail_of
from ikd.ui.wording import plain

MOST_FORKS, MOST_TOLD = 20, 5


def parent_of(folder: RunFolder) -> tuple[RunFolder | None, int]:
    """Return the run a fork came from, None where it is gone, and the step; (None, -1) where this run is no fork."""
    notes = read_notes(folder.path)
    if not notes.parent:
        return None, -1
    step = notes.parent_step or 0
    try:
        return open_run(notes.parent), step
    except RunError:
        return None, step


def draw_family(folder: RunFolder) -> None:
    """Draw which run this one was forked from, and which were forked from it."""
    notes = read_notes(folder.path)
    if notes.parent:
        parent, step = parent_of(folder)
        if parent is None:
            notice(f"Forked from run {notes.parent} at step {step}, which is not there any more: its curves are not shown.")
        else:
            with st.container(horizontal=True, vertical_alignment="center", gap="small", key="parent"):
                st.markdown("Forked from", width="content")
                page_link("run", label=plain(_name(parent)), icon=":material/fork_right:", run=parent.id)
                st.markdown(f"at step {step}", width="content")
            if words := fork_words(folder, parent):
                st.caption(words)
    forks = [one for one in list_runs() if read_notes(one.path).parent == folder.id]
    if forks:
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key="forks"):
            st.markdown("Its forks:", width="content")
            for one in forks[:MOST_FORKS]:
                at = read_notes(one.path).parent_step
                page_link("run", label=f"{plain(_name(one))} (step {at})", icon=":material/fork_right:", run=one.id)
            if len(forks) > MOST_FORKS:
                st.caption(f"and {len(forks) - MOST_FORKS} older ones")


def fork_words(folder: RunFolder, parent: RunFolder) -> str:
    """Return in words in what a fork differs from its parent; "" where the settings of one of them are damaged."""
    try:
        configs = {"parent": parent.config(), "fork": folder.config()}
    except RunError:
        return ""
    changes = {"parent": changes_in_flight(parent), "fork": changes_in_flight(folder)}
    told = differences_in_words(settings_that_differ(configs, changes))
    if not told:
        return "No setting differs from its parent's."
    more = f"; and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
    return f"Parent vs this fork: {'; '.join(plain(one, longest=200) for one in told[:MOST_TOLD])}{more}."


def changes_in_flight(folder: RunFolder) -> list[PlannedChange]:
    """Return the changes of settings made while a run went on; none where its trace cannot be read."""
    try:
        return [PlannedChange(step=one.step, path=one.path, value=one.value) for one in TraceReader(folder).interventions()]
    except RunError:
        return []


def parent_scalars(tail: Tail, *names: str) -> pd.DataFrame:
    """Return scalars of the run that this one was forked from, at the steps after the fork; none where there is no such run."""
    empty = pd.DataFrame({"step": np.zeros(0, np.int64), "name": np.zeros(0, object), "value": np.zeros(0)})
    parent, step = parent_of(tail.folder)
    if parent is None:
        return empty
    try:
        table = tail_of(parent).scalars(*names)
    except RunError:  # its own page says what is wrong with it
        return empty
    return table[table["step"] >= step]


def parent_series(tail: Tail, name: str, last: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return one series of the parent from the fork up to a step: steps (N,) and values (N,)."""
    table = parent_scalars(tail, name)
    rows = table[table["step"] <= last]
    return rows["step"].to_numpy(), rows["value"].to_numpy()


def _name(folder: RunFolder) -> str:
    try:
        return read_notes(folder.path).label or folder.config().label or folder.id
    except RunError:
        return folder.id
