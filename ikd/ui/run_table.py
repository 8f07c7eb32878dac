"""Lists of runs: where each stands, and a link to its page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ikd.config import RunConfig, task_title
from ikd.errors import RunError
from ikd.runs import queued_runs
from ikd.trace.folder import RunFolder
from ikd.trace.notes import read_notes
from ikd.trace.state import RunState
from ikd.ui.policies import IN_A_WORD
from ikd.ui.run_head import badge
from ikd.ui.shell import page_link
from ikd.ui.wording import moment, plain

WIDTHS = [6, 4, 2, 2, 2, 2, 3]
TITLES = ["Run", "State", "Task", "Policy", "Steps", "Student's accuracy", "Started"]


def draw_runs(folders: Sequence[RunFolder], *, manage: Callable[[RunFolder], None] | None = None) -> None:
    """Draw one line a run; a damaged run has its line too.

    Args:
        folders: runs, in the order of their lines.
        manage: draws what can be done with a run, at the end of its line.
    """
    widths, titles = (WIDTHS, TITLES) if manage is None else ([*WIDTHS, 1], [*TITLES, ""])
    waiting = [one.id for one in queued_runs()] if any(one.state().state == "queued" for one in folders) else []
    with st.container(key=f"runs-head-{'recorded' if folders and folders[0].recorded else 'own'}"):
        for column, title in zip(st.columns(widths, vertical_alignment="center"), titles, strict=True):
            column.caption(title)
    for folder in folders:
        columns = _draw_run(folder, widths, position=waiting.index(folder.id) + 1 if folder.id in waiting else None)
        if manage is not None:
            with columns[-1]:
                manage(folder)


def _draw_run(folder: RunFolder, widths: Sequence[int], *, position: int | None) -> list[DeltaGenerator]:
    run = folder.state()
    try:
        config: RunConfig | None = folder.config()
    except RunError:
        config = None
    with st.container(key=f"line-{folder.id.replace(':', '-')}"):
        columns = st.columns(widths, vertical_alignment="center")
    with columns[0]:
        notes = read_notes(folder.path)
        name = notes.label or (config.label if config else "") or folder.id
        page_link("run", label=plain(name), icon=":material/monitoring:", run=folder.id, key=f"open-{folder.id.replace(':', '-')}")
        if notes.parent:
            st.caption(f"fork at step {notes.parent_step} of {plain(notes.parent)}")
    with columns[1]:
        badge(folder, run, position=position)
    words = ["damaged", ""] if config is None else [plain(task_title(config.task)), IN_A_WORD[config.policy.name]]
    known = [(split, run.scores.get(f"student/{split}/accuracy")) for split in ("test", "validation")]
    score = next((f"{value:.3f} {split}{_worst(run, split)}" for split, value in known if value is not None), "–")
    words += [f"{run.step} / {run.total}", score, moment(run.started)]
    for column, word in zip(columns[2 : len(TITLES)], words, strict=True):
        column.markdown(word)
    return columns


def _worst(run: RunState, split: str) -> str:
    value = run.scores.get(f"student/{split}/worst_group_accuracy")
    return "" if value is None else f", worst group {value:.3f}"
