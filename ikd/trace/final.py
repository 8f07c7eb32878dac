"""What the models say on the scored splits as a whole: written when they are asked, read back with labels and truth.

Shapes: n examples of a split, C classes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ikd.errors import RunError
from ikd.events import Floats, Integers, Predicted, ScoredSplit
from ikd.trace.decoding import class_count, decoded_blob, has_column, has_table
from ikd.trace.rows import storable

SCORED = ("validation", "test")
FINAL_ROLES = ("frozen_teacher", "teacher", "student_before_exam_texts", "student")


@dataclass(frozen=True, kw_only=True)
class Final:
    """A scored split with what the models said on it.

    Attributes:
        labels: (n,) hard labels, -1 where there is none.
        truth: (n, C), a row of zeros where it is not known; None: nowhere.
        groups: name of the group of each example, empty where it has none; None: no example has one.
        logits: (n, C) by role, of those of `FINAL_ROLES` that were asked, in their order.
    """

    labels: Integers
    truth: NDArray[np.float64] | None
    logits: Mapping[str, Floats]
    groups: Sequence[str] | None = None


def write_final(cursor: sqlite3.Cursor, event: ScoredSplit | Predicted, *, n_classes: int) -> None:
    """Write the examples of a scored split, or what a model said on one; asked by a later attempt again, its newer answer stands.

    Raises:
        RunError: logits that do not fit the split, or a split that was not announced.
    """
    if isinstance(event, ScoredSplit):
        _write_examples(cursor, event)
    else:
        _write_logits(cursor, event, n_classes=n_classes)


def _write_examples(cursor: sqlite3.Cursor, split: ScoredSplit) -> None:
    if cursor.execute("SELECT 1 FROM examples WHERE split = ?", (split.split,)).fetchone():
        return  # an earlier attempt of the run has
    truths = [None] * len(split.labels) if split.truth is None else [
        row.tobytes() if row.any() else None for row in np.asarray(split.truth, dtype="<f8")]  # fmt: skip
    cursor.executemany("INSERT INTO examples VALUES (?, ?, ?, ?, ?, ?, ?, '')", (
        (split.split, number, _text(split.texts, number), None if split.text_pairs is None else _text(split.text_pairs, number),
         int(label), truths[number], "" if split.groups is None else storable(split.groups[number]))
        for number, label in enumerate(split.labels)
    ))  # fmt: skip


def _text(texts: Sequence[str], number: int) -> str:
    return storable(texts[number]) if number < len(texts) else ""


def _write_logits(cursor: sqlite3.Cursor, said: Predicted, *, n_classes: int) -> None:
    n = cursor.execute("SELECT count(*) FROM examples WHERE split = ?", (said.split,)).fetchone()[0]
    if np.shape(said.logits) != (n, n_classes):
        raise RunError(f"The predictions of the {said.role} on the split {said.split} have the shape {np.shape(said.logits)} where "
                       f"{(n, n_classes)} was announced: they are not recorded.")  # fmt: skip
    blob = np.ascontiguousarray(said.logits, dtype="<f4").tobytes()
    cursor.execute("INSERT OR REPLACE INTO final VALUES (?, ?, ?)", (said.role, said.split, blob))


def forget_final(cursor: sqlite3.Cursor) -> None:
    """Delete what was said after the last step; the teacher's answers before the first one stay."""
    cursor.execute("DELETE FROM final WHERE role != 'frozen_teacher'")


def decoded_final(trace: sqlite3.Connection, split: str) -> Final | None:
    """Return a scored split with what was said on it, None where nothing was, and in traces before version 6.

    Raises:
        RunError: sizes that do not fit, or labels beyond the classes.
    """
    blobs = dict(trace.execute("SELECT role, logits FROM final WHERE split = ?", (split,))) if has_table(trace, "final") else {}
    if not blobs:
        return None
    group = "group_name" if has_column(trace, "examples", "group_name") else "''"
    rows = trace.execute(f"SELECT label, truth, {group} FROM examples WHERE split = ? ORDER BY id", (split,)).fetchall()
    labels, n_classes = np.asarray([row[0] for row in rows], dtype=np.int64), class_count(trace)
    if not len(labels) or not -1 <= labels.min() <= labels.max() < n_classes:
        raise RunError(f"The trace is damaged: the examples of its split {split} are missing, or have labels beyond its classes. "
                       "Restore trace.sqlite from a copy, or start the run again.")  # fmt: skip
    truth = None
    if any(row[1] is not None for row in rows):
        truth = decoded_blob(b"".join(row[1] or bytes(8 * n_classes) for row in rows), "<f8", len(rows), n_classes)
    logits = {role: decoded_blob(blobs[role], "<f4", len(rows), n_classes) for role in FINAL_ROLES if role in blobs}
    groups = [row[2] for row in rows]
    return Final(labels=labels, truth=truth, logits=logits, groups=groups if any(groups) else None)
