"""The drift table: every probe example with its numbers, sorted and filtered here and not in the browser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ikd.trace.measures import at_label, divergence, drift, entropy, feedback_size, softmax, truth_gap
from ikd.ui import state
from ikd.ui.targets.bar import select
from ikd.ui.targets.gain import base_step
from ikd.ui.targets.look import Look
from ikd.ui.targets.panel import draw_words
from ikd.ui.targets.words import VIEWS
from ikd.ui.wording import snippet

ROWS_KEY = "drift-table"
PATH_POINTS = 40
FLAGS = {"flipped": "teacher's class flipped", "teacher_wrong": "teacher wrong", "student_wrong": "student wrong"}
ORDERS = {
    "drift": "drift", "feedback": "strongest feedback", "gain": "gain of the student", "entropy_change": "change of entropy",
    "flips": "flips", "first_flip": "first flip", "gap": "student furthest from teacher", "example": "number",
}  # fmt: skip
SMALLEST_FIRST = ("first_flip", "example")
SHOWN = ["example", "text", "label", "drift", "path", "frozen", "teacher", "student", "gain", "entropy_change", "flips",
         "first_flip", "feedback"]  # fmt: skip


def draw_table(look: Look) -> int | None:
    """Draw the table with its filters; a click on a row selects its example."""
    at = _standing_step(look)
    frame = look.tail.once("drift-frame", (at, look.scale), lambda: drift_frame(look, at))
    shown = _filtered(look, frame)
    st.caption(f"{len(shown)} of {len(frame)} examples, as they stood at step {at}. Example {look.example} is selected.")
    rows = [int(one) for one in np.flatnonzero(shown["example"].to_numpy() == look.example)]
    st.session_state[ROWS_KEY] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    ids = tuple(shown["example"].tolist())
    st.dataframe(
        shown[SHOWN], hide_index=True, height=420, key=ROWS_KEY, selection_mode="single-row", on_select=_clicked_of(ids),
        column_config=_columns(look), alt=f"Drift table of {len(shown)} probe examples at step {at}, sorted.",
    )  # fmt: skip
    draw_words("table", VIEWS["table"], look, make_table=lambda: frame)
    return None


def drift_frame(look: Look, step: int) -> pd.DataFrame:
    """Return one row for each probe example with its numbers at a reading.

    Columns: example, text, label, drift (nats), frozen, teacher, student (probabilities of the label), gain, entropy,
    entropy_change, gap, truth_gap, flips, first_flip (step, or missing), feedback (length, or missing), teacher_wrong,
    student_wrong, path (the teacher's probability of the label over at most 40 bins).
    """
    reader, t, labels = look.tail.reader, look.temperature, look.labels
    frozen, teacher, student = (reader.reading_at(role, at) for role, at in
                                (("teacher", int(look.digest.steps[0])), ("teacher", step), ("student", step)))  # fmt: skip
    before = reader.reading_at("student", base_step(look))
    feedback = reader.reading_at("feedback", step)
    assert frozen is not None and teacher is not None and student is not None and before is not None
    p, q, number = softmax(teacher, t), softmax(student, t), look.digest.bin_at(step)
    first = look.digest.count("first_flip", number)
    blank = np.full(len(labels), np.nan)
    truths = [(np.nan,) * p.shape[-1] if one is None else one for one in look.probe["truth"].tolist()]
    return pd.DataFrame({
        "example": np.arange(len(labels)), "text": [snippet(one, longest=90) for one in look.probe["text"].tolist()],
        "label": [look.names[one] if 0 <= one < len(look.names) else str(one) for one in labels.tolist()],
        "drift": drift(teacher, frozen, t), "frozen": at_label(softmax(frozen, t), labels), "teacher": at_label(p, labels),
        "student": at_label(q, labels), "gain": at_label(q, labels) - at_label(softmax(before, t), labels),
        "entropy": entropy(p), "entropy_change": entropy(p) - entropy(softmax(frozen, t)),
        "gap": divergence(teacher, student, t), "truth_gap": truth_gap(np.asarray(truths), teacher, t),
        "flips": look.digest.count("teacher_flips", number), "first_flip": np.where(first < 0, np.nan, first),
        "feedback": blank if feedback is None else feedback_size(feedback),
        "teacher_wrong": teacher.argmax(axis=-1) != labels, "student_wrong": student.argmax(axis=-1) != labels,
        "path": _paths(look, number),
    })  # fmt: skip


def sorted_rows(frame: pd.DataFrame, order: str) -> pd.DataFrame:
    """Return the rows by one of `ORDERS`, the foremost first; what is missing comes last."""
    return frame.sort_values(order, ascending=order in SMALLEST_FIRST, kind="stable", na_position="last")


def kept_rows(frame: pd.DataFrame, *, text: str, labels: Sequence[str], flags: Sequence[str]) -> pd.DataFrame:
    """Return the rows whose text holds a text (any case), whose label is one of some (if any), and that have all flags."""
    wanted = frame["text"].str.contains(text.strip(), case=False, regex=False) if text.strip() else pd.Series(True, frame.index)
    if labels:
        wanted &= frame["label"].isin(labels)
    for flag in flags:
        wanted &= frame["flips"] > 0 if flag == "flipped" else frame[flag]
    return frame[wanted]


def _filtered(look: Look, frame: pd.DataFrame) -> pd.DataFrame:
    with st.container(horizontal=True, vertical_alignment="bottom", key="table-choice"):
        text = st.text_input("Text contains", key="table-text", max_chars=200, width=220)
        labels = st.multiselect("Label", look.names, key="table-labels", width=240)
        order = st.selectbox("Sorted by", list(ORDERS), format_func=ORDERS.__getitem__, key="table-order", width=220)
        flags = st.pills("Only", list(FLAGS), format_func=FLAGS.__getitem__, selection_mode="multi", key="table-flags")
    return sorted_rows(kept_rows(frame, text=text, labels=labels, flags=flags), order)


def _standing_step(look: Look) -> int:
    """Return the step of the table: it stands while a run goes on, until a person asks for a newer one."""
    if not look.live or look.pinned:
        return look.cursor
    kept: dict[str, int] = st.session_state.setdefault(state.TABLE_STEP, {})
    at = kept.setdefault(look.folder.id, look.cursor)
    if at != look.cursor and st.button(f"Refresh to step {look.cursor}", icon=":material/refresh:", key="table-refresh"):
        at = kept[look.folder.id] = look.cursor
    return at


def _clicked_of(ids: tuple[int, ...]) -> Callable[[], None]:
    def clicked() -> None:
        rows = st.session_state[ROWS_KEY]["selection"]["rows"]
        if rows and 0 <= rows[0] < len(ids):
            select(ids[rows[0]])

    return clicked


def _paths(look: Look, number: int) -> list[list[float]]:
    values = look.digest.measure("teacher_label", look.scale)[: number + 1]
    places = np.unique(np.linspace(0, len(values) - 1, min(PATH_POINTS, len(values))).round().astype(np.int64))
    return [[round(float(one), 3) for one in row] for row in values[places].T.tolist()]


def _columns(look: Look) -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "example": number("example", width=70), "text": st.column_config.TextColumn("text", width=330),
        "drift": number("drift (nats)", format="%.4f"),
        "path": st.column_config.LineChartColumn("teacher's p(label)", y_min=0, y_max=1, width=130),
        "frozen": number("frozen p(label)", format="%.3f"), "teacher": number("teacher p(label)", format="%.3f"),
        "student": number("student p(label)", format="%.3f"), "gain": number("gain", format="%+.3f"),
        "entropy_change": number("entropy change", format="%+.3f"), "first_flip": number("first flip", format="%d"),
        "feedback": number("feedback", format="%.2e"),
    }  # fmt: skip
