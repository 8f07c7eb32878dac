"""The drift table: every probe example with its numbers, sorted and filtered here and not in the browser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from ikd.trace.binning import Bin
from ikd.trace.measures import (
    at_label,
    correct,
    divergence,
    drift,
    entropy,
    entropy_change,
    feedback_size,
    gain,
    softmax,
    truth_gap,
)
from ikd.ui import state
from ikd.ui.targets.bar import select
from ikd.ui.targets.gain import base_step
from ikd.ui.targets.look import Look
from ikd.ui.targets.panel import draw_words
from ikd.ui.targets.words import VIEWS
from ikd.ui.wording import snippet, visible

ROWS_KEY = "drift-table"
PATH_POINTS = 40
FLAGS = {"flipped": "teacher's class flipped", "teacher_wrong": "teacher wrong", "student_wrong": "student wrong",
         "influential": "most influential tenth"}  # fmt: skip
INFLUENTIAL_SHARE = 0.1
ORDERS = {
    "drift": "drift", "influence": "influence, harmful first", "helpful": "influence, helpful first", "feedback": "strongest feedback",
    "gain": "gain of the student", "entropy_change": "change of entropy",
    "flips": "flips", "first_flip": "first flip", "gap": "student furthest from teacher", "example": "number",
}  # fmt: skip
SMALLEST_FIRST = ("first_flip", "helpful", "example")
SHOWN = ["example", "text", "label", "group", "drift", "path", "frozen", "teacher", "student", "gain", "entropy_change", "flips",
         "first_flip", "feedback", "influence"]  # fmt: skip
SHOWN_LETTERS = 90


def draw_table(look: Look) -> int | None:
    """Draw the table with its filters; a click on a row selects its example."""
    at = _standing_step(look)
    frame = look.tail.once("drift-frame", (at, look.scale), lambda: drift_frame(look, at))
    shown = _filtered(look, frame)
    st.caption(f"{len(shown)} of {len(frame)} examples, as they stood at step {at}. Example {look.example} is selected. "
               + _exam_words(float(frame["exam_step"].iloc[0]), at))  # fmt: skip
    rows = [int(one) for one in np.flatnonzero(shown["example"].to_numpy() == look.example)]
    st.session_state[ROWS_KEY] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    ids = tuple(shown["example"].tolist())
    if not ids:
        st.info("No example is left by these filters: shorten the text, or take a label, a group or a mark away.")
        return None
    columns = [name for name in SHOWN if name in shown]
    st.dataframe(
        shortened(shown)[columns], hide_index=True, height=420, key=ROWS_KEY, selection_mode=["single-row", "single-cell"],
        on_select=_clicked_of(ids), column_config=_columns(look), alt=f"Drift table of {len(shown)} probe examples at step {at}, sorted.",
    )  # fmt: skip
    draw_words("table", VIEWS["table"], look, make_table=lambda: frame)
    return None


def _exam_words(exam: float, at: int) -> str:
    if np.isnan(exam):
        return "There was no exam so far, so there is no feedback and no influence."
    return "" if exam == at else f"Feedback and influence are those of step {exam:.0f}, the last reading with an exam."


def drift_frame(look: Look, step: int) -> pd.DataFrame:
    """Return one row for each probe example with its numbers at a reading.

    Columns: example, text, text_pair, label, group (where there are any), drift (nats), frozen, teacher, student (probabilities of
    the label), gain, entropy, entropy_change, gap, truth_gap, flips, first_flip (step, or missing), feedback (length) and influence,
    both of the last reading with an exam, exam_step (that reading's step), teacher_wrong, student_wrong, path (the teacher's
    probability of the label over at most 40 bins).
    """
    reader, t, labels = look.tail.reader, look.temperature, look.labels
    frozen, teacher, student = (reader.reading_at(role, at) for role, at in
                                (("teacher", int(look.digest.steps[0])), ("teacher", step), ("student", step)))  # fmt: skip
    before = reader.reading_at("student", base_step(look))
    assert frozen is not None and teacher is not None and student is not None and before is not None
    p, q, now = softmax(teacher, t), softmax(student, t), look.digest.state(step)
    first = now.count("first_flip")
    return pd.DataFrame({
        "example": np.arange(len(labels)), "text": look.probe["text"], "text_pair": look.probe["text_pair"],
        "label": [look.names[one] if 0 <= one < len(look.names) else str(one) for one in labels.tolist()],
        **({"group": look.probe["group_name"]} if look.probe["group_name"].any() else {}),
        "drift": drift(teacher, frozen, t), "frozen": at_label(softmax(frozen, t), labels), "teacher": at_label(p, labels),
        "student": at_label(q, labels), "gain": gain(student, before, labels, t),
        "entropy": entropy(p), "entropy_change": entropy_change(teacher, frozen, t),
        "gap": divergence(teacher, student, t), "truth_gap": truth_gap(_truths(look, p.shape[-1]), teacher, t),
        "flips": now.count("teacher_flips"), "first_flip": np.where(first < 0, np.nan, first), **_asked(look, step),
        "teacher_wrong": ~correct(teacher, labels), "student_wrong": ~correct(student, labels), "path": _paths(look, now),
    })  # fmt: skip


def sorted_rows(frame: pd.DataFrame, order: str) -> pd.DataFrame:
    """Return the rows by one of `ORDERS`, the foremost first; what is missing comes last."""
    column = {"helpful": "influence"}.get(order, order)
    return frame.sort_values(column, ascending=order in SMALLEST_FIRST, kind="stable", na_position="last")


def kept_rows(
    frame: pd.DataFrame, *, text: str, labels: Sequence[str], flags: Sequence[str], groups: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the rows whose texts hold a text (any case), whose label and group is one of some (if any), and that have all flags."""
    wanted = holding(frame, text)
    if labels:
        wanted &= frame["label"].isin(labels)
    if groups:
        wanted &= frame["group"].isin(groups)
    for flag in flags:
        wanted &= _flagged(frame, flag)
    return frame[wanted]


def _flagged(frame: pd.DataFrame, flag: str) -> pd.Series[bool]:
    if flag == "flipped":
        return frame["flips"] > 0
    if flag == "influential":
        size = frame["influence"].abs()
        return size >= size.quantile(1 - INFLUENTIAL_SHARE)
    return frame[flag]


def holding(frame: pd.DataFrame, text: str) -> pd.Series[bool]:
    """Return for each row whether its text, or the second text of its pair, holds a text, in any case; all do for an empty one."""
    wanted = text.strip()
    if not wanted:
        return pd.Series(True, index=frame.index)
    return pd.Series(False, index=frame.index) | frame["text"].str.contains(wanted, case=False, regex=False) | (
        frame["text_pair"].fillna("").str.contains(wanted, case=False, regex=False)
    )


def shortened(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows as a table on the page shows them: text and pair on one short line."""
    words = [snippet(f"{one} ‖ {pair}" if isinstance(pair, str) and pair else str(one), longest=SHOWN_LETTERS)
             for one, pair in zip(frame["text"].tolist(), frame["text_pair"].tolist(), strict=True)]  # fmt: skip
    return frame.assign(text=words)


def _filtered(look: Look, frame: pd.DataFrame) -> pd.DataFrame:
    with st.container(horizontal=True, vertical_alignment="bottom", key="table-choice"):
        text = st.text_input("Text contains", key="table-text", max_chars=200, width=220)
        labels = st.multiselect("Label", look.names, key="table-labels", width=240)
        groups = _draw_group_choice(frame)
        order = st.selectbox("Sorted by", list(ORDERS), format_func=ORDERS.__getitem__, key="table-order", width=220)
        flags = st.pills("Only", list(FLAGS), format_func=FLAGS.__getitem__, selection_mode="multi", key="table-flags")
    return sorted_rows(kept_rows(frame, text=text, labels=labels, flags=flags, groups=groups), order)


def _draw_group_choice(frame: pd.DataFrame) -> list[str]:
    if "group" not in frame:
        return []
    names = sorted(set(frame["group"]) - {""})
    return list(st.multiselect("Group", names, format_func=lambda name: visible(name, longest=60), key="table-groups", width=240))


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
        row = clicked_row(st.session_state[ROWS_KEY]["selection"])
        if row is not None and 0 <= row < len(ids):
            select(ids[row])

    return clicked


def clicked_row(selection: Any) -> int | None:
    """Return the row of a table that was clicked, in a cell or in the box before it; a cell is the later of the two."""
    cells, rows = selection["cells"], selection["rows"]
    if cells:
        return int(cells[0][0])
    return int(rows[0]) if rows else None


def _truths(look: Look, n_classes: int) -> NDArray[np.float64]:
    blank = (np.nan,) * n_classes
    return np.asarray([blank if one is None else one for one in look.probe["truth"].tolist()], dtype=np.float64)


def _asked(look: Look, step: int) -> dict[str, NDArray[np.floating]]:
    """Return what the last reading with an exam by a step says of each example, and that reading's step; NaN before the first."""
    asked = look.tail.last_asked(step)
    blank = np.full(len(look.labels), np.nan)
    if asked is None:
        return {"feedback": blank, "influence": blank, "exam_step": blank}
    influence = look.tail.reader.influence_at(asked[0])
    return {"feedback": feedback_size(asked[1]), "influence": blank if influence is None else influence.astype(np.float64),
            "exam_step": np.full(len(look.labels), float(asked[0]))}  # fmt: skip


def _paths(look: Look, now: Bin) -> list[list[float]]:
    ends = look.digest.bin_ends
    before = look.digest.measure("teacher_label", look.scale)[ends < now.last_step]
    values = np.vstack([before, now.measure("teacher_label", look.scale)])
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
        "feedback": number("feedback", format="%.2e"), "influence": number("influence", format="%+.2e"),
    }  # fmt: skip
