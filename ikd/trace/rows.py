"""How events become rows of the trace: the little-endian, row-major blobs of `ikd.trace.schema`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ikd.events import Course, Example, Floats
from ikd.trace.binning import Bin


def write_meta(cursor: sqlite3.Cursor, facts: Mapping[str, Any]) -> None:
    """Write facts of the run, each as JSON."""
    rows = [(key, json.dumps(value, default=_plain_number)) for key, value in facts.items()]
    cursor.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)


def write_examples(cursor: sqlite3.Cursor, examples: Iterable[Example]) -> None:
    """Write examples of either split."""
    cursor.executemany("INSERT INTO examples VALUES (?, ?, ?, ?, ?, ?)", [
        (one.split, int(one.id), _storable(one.text), None if one.text_pair is None else _storable(one.text_pair),
         int(one.label), None if one.truth is None else np.asarray(one.truth, dtype="<f8").tobytes())
        for one in examples
    ])


def write_course(cursor: sqlite3.Cursor, step: int, course: Course) -> None:
    """Write every soft target issued at a step."""
    examples = np.asarray(course.examples, dtype="<i8")
    floats = [None if one is None else np.ascontiguousarray(one, dtype="<f4").tobytes()
              for one in (course.teacher_logits, course.student_logits, course.feedback, course.influence)]
    cursor.execute("INSERT INTO course VALUES (?, ?, ?, ?, ?, ?)", (step, examples.tobytes(), *floats))
    cursor.executemany("INSERT INTO course_index VALUES (?, ?, ?)",
                       [(example, step, position) for position, example in enumerate(examples.tolist())])


def write_quantiles(cursor: sqlite3.Cursor, step: int, quantiles: Floats) -> None:
    """Write the quantiles (2, 4, 5) of a reading."""
    cursor.execute("INSERT INTO bands VALUES (?, ?)", (step, np.ascontiguousarray(quantiles, dtype="<f4").tobytes()))


def write_bin(cursor: sqlite3.Cursor, one: Bin) -> None:
    """Write a bin that no later reading can change."""
    blobs = [np.ascontiguousarray(values, dtype=kind).tobytes()
             for values, kind in ((one.measures, "<f4"), (one.classes, "<i4"), (one.sums, "<f8"), (one.counts, "<i4"))]  # fmt: skip
    cursor.execute("INSERT INTO digest VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                   (one.number, one.first_step, one.last_step, one.readings, *blobs))  # fmt: skip


def _storable(text: str) -> str:
    # Half of a surrogate pair, as broken JSON can hold, has no UTF-8 form and SQLite would refuse the whole step.
    return text.encode("utf-8", "replace").decode("utf-8")


def _plain_number(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    return str(value)
