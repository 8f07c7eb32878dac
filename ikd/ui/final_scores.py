"""The final scores on a run's page: a table a split with intervals, the reliability diagram, and recall class by class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from ikd.metrics.resampling import Estimate
from ikd.metrics.scores import METRICS
from ikd.plots.recall import recall_chart, recall_table
from ikd.plots.reliability import counts_chart, reliability_chart, reliability_table
from ikd.plots.theme import ROLE_SHAPES
from ikd.trace.scores import (
    HOW,
    OLD,
    SplitScores,
    bin_rows,
    final_scores,
    in_words,
    recall_rows,
    score_rows,
    score_words,
)
from ikd.trace.state import RunState
from ikd.ui.downloads import csv_bytes
from ikd.ui.figures import show_figure
from ikd.ui.final_groups import draw_groups
from ikd.ui.run_extras import draw_plain_scores
from ikd.ui.shell import sentences
from ikd.ui.tail import Tail
from ikd.ui.wording import visible

MOST_CLASSES = 20
UNEQUAL = 3.0
"""Classes of which the largest has so many times the examples of the smallest are said to be unequal."""

SURE = (
    "Each point is a bin of confidence, the probability of the most probable class; above the diagonal a model is right more often "
    "than it is sure, below it is too sure. The bars count the examples of each bin, the teacher's at the left: points over few "
    "examples say little."
)
LEANS = "A calibration error grows with chance alone, and a resample adds chance: its interval leans upwards."
WORST_LEANS = " That of the worst group leans downwards, as the lowest of several numbers does."


def draw_final_scores(run: RunState, tail: Tail) -> None:
    """Draw the final scores of a run that has some."""
    if not run.scores:
        return
    st.subheader("Final scores")
    with sentences():
        # Counting takes a second or two for long splits: once for everybody who looks.
        several: list[SplitScores] = tail.shared("final scores", run.attempt, lambda: final_scores(tail.reader) or None) or []
        if not several:
            draw_plain_scores(run.scores)
            st.caption(OLD)
            return
        for one in several:
            with st.container(key=f"final-{one.split}"):
                _draw_table(one)
        truth, grouped = (any(getattr(METRICS[name], what) for one in several for name in one.estimates)
                          for what in ("needs_truth", "needs_groups"))  # fmt: skip
        leans = f"{LEANS}{WORST_LEANS if grouped else ''}"
        st.caption(f"On whole splits, at temperature 1; the numbers above are of the probe examples alone. {HOW} {leans}")
        with st.expander("What the scores mean", key="score-meanings"):
            for metric in (METRICS[name] for name in METRICS if any(name in one.estimates for one in several)):
                st.markdown(f"**{metric.label}.** {metric.meaning}")
            if truth:
                st.markdown("**The truth** of an example are the probabilities of its classes that the task knows beside the label.")
        st.download_button("Scores as CSV", lambda: csv_bytes(score_rows(several)), f"{tail.folder.path.name}-scores.csv", "text/csv",
                           icon=":material/download:", key="download-scores", on_click="ignore")  # fmt: skip
        _draw_figures(several, list(tail.meta["label_names"]), run=tail.folder.path.name)


def _draw_table(scores: SplitScores) -> None:
    unlabelled = f", {scores.n_labelled:,} of them labelled" if scores.n_labelled < scores.n_examples else ""
    st.markdown(f"**{scores.split.capitalize()}** · {scores.n_examples:,} examples{unlabelled}")
    table = score_words(scores)
    spoken = "; ".join(f"{row[0]}: best {row[-2]}" for row in table.itertuples(index=False))
    st.dataframe(table, hide_index=True, key=f"final-scores-{scores.split}", width="content", alt=f"Scores on {scores.split}. {spoken}.")


def _draw_figures(several: Sequence[SplitScores], names: list[str], *, run: str) -> None:
    shown = several[-1]
    if len(several) > 1:
        splits = [one.split for one in several]
        chosen = st.segmented_control("Figures of the split", splits, default=splits[-1], required=True, key="final-split",
                                      format_func=str.capitalize)  # fmt: skip
        shown = next((one for one in several if one.split == chosen), shown)
    if not shown.n_labelled:
        return
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**As sure as right?**")
        _draw_reliability(shown)
    with right:
        st.markdown("**Recall, class by class**")
        _draw_recall(shown, names)
    draw_groups(shown, run=run)


def _draw_reliability(scores: SplitScores) -> None:
    bins = bin_rows(scores)
    bins = bins[bins["role"].isin(list(ROLE_SHAPES))]
    errors = ", ".join(f"{role} {scores.bins[role].error:.3f}" for role in ROLE_SHAPES if role in scores.bins)
    table = reliability_table(bins)
    show_figure(reliability_chart, table, key=f"reliability-{scores.split}",
                spoken=f"Accuracy against confidence on {scores.split}; calibration error: {errors}.")  # fmt: skip
    show_figure(counts_chart, table, key=f"counts-{scores.split}",
                spoken=f"Examples in each bin of confidence, of {scores.n_labelled} on {scores.split}.")  # fmt: skip
    st.caption(SURE)


def _draw_recall(scores: SplitScores, names: list[str]) -> None:
    kept = worst_classes(scores)
    shown = {role: scores.recall[role][kept] for role in ROLE_SHAPES if role in scores.recall}
    table = recall_table([visible(names[one], longest=60) for one in kept], scores.class_counts[kept], shown)
    lowest = scores.recall["student"][kept[0], 0]
    show_figure(recall_chart, table, key=f"recall-{scores.split}-{len(kept)}", n_rows=len(kept),
                spoken=f"Recall of {len(kept)} classes on {scores.split}; the student's lowest is {lowest:.3f}.")  # fmt: skip
    st.caption(_recall_words(scores, len(kept)))
    with st.expander(f"All {len(names)} classes", key=f"recall-all-{scores.split}"):
        rows = recall_rows(scores, [visible(name, longest=80) for name in names])
        st.dataframe(_in_words(rows, scores), hide_index=True, key=f"recall-table-{scores.split}")
        raw = recall_rows(scores, names)
        st.download_button("Recall as CSV", lambda: csv_bytes(raw), f"recall-{scores.split}.csv", "text/csv",
                           icon=":material/download:", key=f"download-recall-{scores.split}", on_click="ignore")  # fmt: skip


def worst_classes(scores: SplitScores) -> NDArray[np.int64]:
    """Return the classes shown: all that have examples, or of many those that the student recalls worst; the worst first."""
    recall = scores.recall["student"][:, 0]
    there = np.flatnonzero(~np.isnan(recall))
    return there[np.lexsort((there, -scores.class_counts[there], recall[there]))][:MOST_CLASSES]


def _recall_words(scores: SplitScores, n_shown: int) -> str:
    counts = scores.class_counts
    there = counts[counts > 0]
    words = ["Share of a class's examples that are answered with it; in brackets its examples, bars: 95 % of the resamples. Of a class "
             "that is always or never answered rightly all resamples say the same: there no bar is no certainty."]  # fmt: skip
    if n_shown < len(there):
        words.append(f"The {n_shown} classes of {len(there)} that the student recalls worst.")
    if there.max() >= UNEQUAL * there.min():
        words.append(f"The classes are unequal: from {there.min():,.0f} to {there.max():,.0f} examples.")
    if len(there) < len(counts):
        words.append(f"{len(counts) - len(there)} of the classes have no example here, and so no recall.")
    return " ".join(words)


def _in_words(rows: pd.DataFrame, scores: SplitScores) -> pd.DataFrame:
    found = {scores.roles[role]: ["–" if np.isnan(one[0]) else in_words(Estimate(*one)) for one in values.tolist()]
             for role, values in scores.recall.items()}  # fmt: skip
    return rows[["class", "examples"]].assign(**found)
