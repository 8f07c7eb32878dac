"""Going on with a trace that an earlier attempt of the run has left: what it holds, and whether a step computed again is the same.

A resumed run computes the steps after its checkpoint once more. Those recorded already are compared and left as they are, so
nothing that was committed is ever taken back; only where they differ (another machine rounds otherwise) are they replaced.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ikd.errors import RunError
from ikd.trace.final import forget_final
from ikd.trace.schema import SCHEMA_VERSION

_BY_STEP = ("steps", "scalars", "course", "course_index", "probe", "probe_influence", "hidden_feedback", "numbers", "bands")


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What an earlier attempt has recorded.

    Attributes:
        last_step: newest step, -1 where there is none.
        seconds: of training up to it.
    """

    last_step: int
    seconds: float


def kept_in(connection: sqlite3.Connection, run_id: str) -> Kept:
    """Return what a trace holds.

    Raises:
        RunError: it was written by another version of the lab.
    """
    row = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    if row is None or row[0] != str(SCHEMA_VERSION):
        raise RunError(f"Run {run_id} was recorded by another version of the lab and cannot be resumed here: what it recorded is "
                       "kept. Start it again with its config.json.")  # fmt: skip
    step, seconds = connection.execute("SELECT max(step), max(seconds) FROM steps").fetchone()
    return Kept(last_step=-1 if step is None else int(step), seconds=float(seconds or 0.0))


def is_recorded(
    connection: sqlite3.Connection, step: int, scalars: Mapping[str, float], course: tuple[Any, ...] | None,
    probe: list[tuple[Any, ...]], hidden: list[tuple[Any, ...]], numbers: list[tuple[Any, ...]],
) -> bool:  # fmt: skip
    """Return whether a step stands in the trace with exactly these scalars and rows, as `ikd.trace.rows` makes them."""
    stored = dict(connection.execute("SELECT name, value FROM scalars WHERE step = ?", (step,)).fetchall())
    wanted = {name: None if value != value else float(value) for name, value in scalars.items()}
    if stored != wanted:
        return False
    if connection.execute("SELECT * FROM course WHERE step = ?", (step,)).fetchone() != course:
        return False
    rows = connection.execute("SELECT role, block, step, logits FROM probe WHERE step = ? ORDER BY role, block", (step,)).fetchall()
    if rows != sorted(probe, key=lambda row: row[:2]):
        return False
    if connection.execute("SELECT * FROM numbers WHERE step = ?", (step,)).fetchall() != numbers:
        return False
    return bool(connection.execute("SELECT * FROM hidden_feedback WHERE step = ? ORDER BY role", (step,)).fetchall() == hidden)


def forget_from(cursor: sqlite3.Cursor, step: int, *, bin_steps: int) -> None:
    """Delete everything recorded at a step and after it, inside the transaction of the cursor."""
    for table in _BY_STEP:
        cursor.execute(f"DELETE FROM {table} WHERE step >= ?", (step,))
    cursor.execute("DELETE FROM digest WHERE bin >= ?", (step // bin_steps,))
    cursor.execute("DELETE FROM examples WHERE split = 'course' AND id NOT IN (SELECT example FROM course_index)")
    cursor.execute("DELETE FROM meta WHERE key = 'scores'")
    forget_final(cursor)
