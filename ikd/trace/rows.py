"""How events become rows of the trace: the little-endian, row-major blobs of `ikd.trace.schema`."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ikd.events import Course, Example, Floats, Intervened, RunStarted, StepTaken
from ikd.trace.binning import Bin
from ikd.trace.decoding import has_table
from ikd.trace.schema import PROBE_BLOCK


def write_meta(cursor: sqlite3.Cursor, facts: Mapping[str, Any]) -> None:
    """Write facts of the run, each as JSON."""
    rows = [(key, json.dumps(value, default=_plain_number)) for key, value in facts.items()]
    cursor.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)


def started_facts(event: RunStarted, *, probe_dtype: str, bin_steps: int) -> dict[str, Any]:
    """Return the facts of a run that has started, as `meta` keeps them."""
    facts = {"probe_dtype": probe_dtype, "label_names": list(event.label_names), "n_steps": event.n_steps,
             "temperature": event.temperature, "bin_steps": bin_steps, "facts": dict(event.facts)}  # fmt: skip
    named = {"shown": list(event.shown), "numbers": list(event.numbers), "numbers_truth": [float(one) for one in event.numbers_truth]}
    return facts | {key: value for key, value in named.items() if value}


def write_examples(cursor: sqlite3.Cursor, examples: Iterable[Example]) -> None:
    """Write examples of either split."""
    cursor.executemany("INSERT INTO examples VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [
        (one.split, int(one.id), storable(one.text), None if one.text_pair is None else storable(one.text_pair),
         int(one.label), None if one.truth is None else np.asarray(one.truth, dtype="<f8").tobytes(),
         storable(one.group), storable(one.source))
        for one in examples
    ])


def course_row(step: int, course: Course) -> tuple[Any, ...]:
    """Return the row of every soft target issued at a step."""
    floats = [None if one is None else np.ascontiguousarray(one, dtype="<f4").tobytes()
              for one in (course.teacher_logits, course.student_logits, course.feedback, course.influence)]
    return (step, np.asarray(course.examples, dtype="<i8").tobytes(), *floats)


def write_course(cursor: sqlite3.Cursor, step: int, course: Course) -> None:
    """Write every soft target issued at a step."""
    cursor.execute("INSERT INTO course VALUES (?, ?, ?, ?, ?, ?)", course_row(step, course))
    cursor.executemany("INSERT INTO course_index VALUES (?, ?, ?)",
                       [(int(example), step, position) for position, example in enumerate(course.examples)])


def probe_rows(step: int, logits: Mapping[str, NDArray[Any]]) -> list[tuple[Any, ...]]:
    """Return the rows of a reading: logits (P, C) by role, in blocks of examples, as they are."""
    return [(role, block, step, values[first : first + PROBE_BLOCK].tobytes()) for role, values in logits.items()
            for block, first in enumerate(range(0, len(values), PROBE_BLOCK))]


def hidden_rows(event: StepTaken) -> list[tuple[Any, ...]]:
    """Return the rows of a step's feedback at hidden states, course before probe; none where the objective looks at logits alone."""
    given = (("course", event.course), ("probe", event.reading))
    norms = [(role, part.hidden_feedback) for role, part in given if part is not None]
    return [(role, int(event.step), np.ascontiguousarray(one, dtype="<f4").tobytes()) for role, one in norms
            if one is not None and one.size]


def number_rows(event: StepTaken) -> list[tuple[Any, ...]]:
    """Return the row of the few numbers that the teacher learns; none where it learns weights, or at a step without a reading."""
    numbers = None if event.reading is None else event.reading.numbers
    return [] if numbers is None else [(int(event.step), np.ascontiguousarray(numbers, dtype="<f4").tobytes())]


def write_intervention(cursor: sqlite3.Cursor, change: Intervened) -> None:
    """Write a change of a setting."""
    values = (change.step, change.path, json.dumps(change.value), json.dumps(change.previous), change.command, time.time())
    cursor.execute("INSERT INTO interventions (step, path, value, previous, command, given) VALUES (?, ?, ?, ?, ?, ?)", values)


def interventions_in(connection: sqlite3.Connection) -> list[Intervened]:
    """Return the changes of settings in the order in which they were made; none in a trace before version 4."""
    if not has_table(connection, "interventions"):
        return []
    rows = connection.execute("SELECT step, path, value, previous, command FROM interventions ORDER BY number")
    return [Intervened(step=step, path=path, value=json.loads(value), previous=json.loads(previous), command=command)
            for step, path, value, previous, command in rows]


def write_quantiles(cursor: sqlite3.Cursor, step: int, quantiles: Floats) -> None:
    """Write the quantiles (2, 4, 5) of a reading."""
    cursor.execute("INSERT INTO bands VALUES (?, ?)", (step, np.ascontiguousarray(quantiles, dtype="<f4").tobytes()))


def write_bin(cursor: sqlite3.Cursor, one: Bin) -> None:
    """Write a bin that no later reading can change; after a resume it may stand there already."""
    blobs = [np.ascontiguousarray(values, dtype=kind).tobytes()
             for values, kind in ((one.measures, "<f4"), (one.classes, "<i4"), (one.sums, "<f8"), (one.counts, "<i4"))]  # fmt: skip
    cursor.execute("INSERT OR REPLACE INTO digest VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                   (one.number, one.first_step, one.last_step, one.readings, *blobs))  # fmt: skip


def storable(text: str) -> str:
    """Return a text as SQLite can keep it."""
    # Half of a surrogate pair, as broken JSON can hold, has no UTF-8 form and SQLite would refuse the whole step.
    return text.encode("utf-8", "replace").decode("utf-8")


def _plain_number(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    return str(value)
