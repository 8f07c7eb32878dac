"""The final scores by group on a run's page: a table of one score with intervals, and its figure."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ikd.metrics.scores import METRICS
from ikd.plots.recall import recall_chart, recall_table
from ikd.plots.theme import ROLE_SHAPES
from ikd.trace.scores import GROUP_SCORES, SplitScores, group_rows, group_words, worst_first
from ikd.ui.downloads import csv_bytes
from ikd.ui.figures import show_figure
from ikd.ui.wording import plain, visible

MOST_DRAWN = 20
HOW = ("In brackets: where 95 % of the resamples lie. The worst of many small groups is low by chance alone: look at how many examples it "
       "has.")  # fmt: skip


def draw_groups(scores: SplitScores, *, run: str) -> None:
    """Draw the scores of a split by group, where its examples belong to groups.

    Args:
        scores: of the split.
        run: id of the run, for the names of files.
    """
    if not scores.group_counts.any():
        return
    with st.container(horizontal=True, vertical_alignment="center", key="groups-head"):
        st.markdown("**Group by group**", width="content")
        score = str(st.segmented_control("Score of each group", GROUP_SCORES, default=GROUP_SCORES[0], required=True, key="final-groups",
                                         format_func=lambda name: METRICS[name].label, label_visibility="collapsed"))  # fmt: skip
    table = group_words(scores, score).assign(group=lambda rows: [visible(name, longest=80) for name in rows["group"]])
    st.dataframe(table, hide_index=True, key=f"groups-{scores.split}-{score}",
                 alt=f"{METRICS[score].label} of {len(table)} groups on {scores.split}. {_worst_words(scores, score)}")  # fmt: skip
    st.caption(f"{_worst_words(scores, score)} {HOW}")
    if score == GROUP_SCORES[0]:
        _draw_figure(scores)
    rows = group_rows([scores])
    st.download_button("Groups as CSV", lambda: csv_bytes(rows), f"{run}-groups-{scores.split}.csv", "text/csv",
                       icon=":material/download:", key=f"download-groups-{scores.split}", on_click="ignore")  # fmt: skip


def _draw_figure(scores: SplitScores) -> None:
    kept = _shown(scores)
    values = {role: scores.by_group[role][kept, 0] for role in ROLE_SHAPES if role in scores.by_group}
    table = recall_table([visible(scores.group_names[one], longest=60) for one in kept], scores.group_counts[kept], values)
    show_figure(recall_chart, table, key=f"groups-figure-{scores.split}-{len(kept)}", n_rows=len(kept), title="accuracy", rows="Group",
                spoken=f"Accuracy of {len(kept)} groups on {scores.split}. {_worst_words(scores, GROUP_SCORES[0])}")  # fmt: skip
    n_groups = int((scores.group_counts > 0).sum())
    if len(kept) < n_groups:
        st.caption(f"The {len(kept)} groups of {n_groups} in which the student is least often right.")


def _shown(scores: SplitScores) -> NDArray[np.int64]:
    there = [one for one in worst_first(scores, "student", GROUP_SCORES[0]) if scores.group_counts[one] > 0]
    return np.asarray(there[:MOST_DRAWN], dtype=np.int64)


def _worst_words(scores: SplitScores, score: str) -> str:
    worst = worst_first(scores, "student", score)[0]
    value = scores.by_group["student"][worst, GROUP_SCORES.index(score), 0]
    assert math.isfinite(value), "some group has a label"
    return f"The student is worst in {plain(scores.group_names[worst])}: {value:.3f} over {int(scores.group_counts[worst]):,} examples."
