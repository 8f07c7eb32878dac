"""Lists of runs: where each stands, and a link to its page."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ikd.config import RunConfig
from ikd.errors import RunError
from ikd.trace.folder import RunFolder
from ikd.ui.run_head import badge
from ikd.ui.shell import page_link
from ikd.ui.wording import moment, plain

WIDTHS = [6, 4, 2, 2, 2, 2, 3]
TITLES = ["Run", "State", "Task", "Policy", "Steps", "Student's accuracy", "Started"]
POLICIES = {"exam": "exams", "fixed": "fixed"}


def draw_runs(folders: Sequence[RunFolder]) -> None:
    """Draw one line a run; a damaged run has its line too."""
    with st.container(key=f"runs-head-{'recorded' if folders and folders[0].recorded else 'own'}"):
        for column, title in zip(st.columns(WIDTHS, vertical_alignment="center"), TITLES, strict=True):
            column.caption(title)
    for folder in folders:
        _draw_run(folder)


def _draw_run(folder: RunFolder) -> None:
    run = folder.state()
    try:
        config: RunConfig | None = folder.config()
    except RunError:
        config = None
    with st.container(key=f"line-{folder.id.replace(':', '-')}"):
        columns = st.columns(WIDTHS, vertical_alignment="center")
    with columns[0]:
        name = config.label if config and config.label else folder.id
        page_link("run", label=plain(name), icon=":material/monitoring:", run=folder.id, key=f"open-{folder.id.replace(':', '-')}")
    with columns[1]:
        badge(folder, run)
    words = ["damaged", ""] if config is None else [plain(config.task.name), POLICIES[config.policy.name]]
    known = [(split, run.scores.get(f"student/{split}/accuracy")) for split in ("test", "validation")]
    score = next((f"{value:.3f} {split}" for split, value in known if value is not None), "–")
    words += [f"{run.step} / {run.total}", score, moment(run.started)]
    for column, word in zip(columns[2:], words, strict=True):
        column.markdown(word)
