"""Reading a trace, while it grows or afterwards: every question opens the file read-only, asks and closes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ikd.errors import RunError, unknown_name
from ikd.events import Course, Floats, Integers, Intervened
from ikd.trace.binning import Bin
from ikd.trace.connection import reading
from ikd.trace.decoding import (
    Row,
    bindable,
    check_examples,
    chosen_readings,
    course_table,
    decoded_blob,
    decoded_course,
    decoded_digest,
    decoded_meta,
    decoded_readings,
    examples_table,
    has_table,
    marks,
    norms_at,
    norms_of_probe,
    probe_count,
    probe_shape,
    table,
)
from ikd.trace.final import Final, decoded_final
from ikd.trace.folder import RunFolder
from ikd.trace.issued import sizes_table
from ikd.trace.numbers import numbers_table
from ikd.trace.rows import interventions_in
from ikd.trace.schema import SCALARS, SCHEMA_VERSION

ROLES = ("teacher", "student", "feedback")
HIDDEN_ROLES = ("course", "probe")
NEWEST = 2**62
_SCALAR_NAMES = tuple(SCALARS)


class TraceReader:
    """Answers questions about one run from its trace.

    A trace that is missing, empty or not yet started gives empty answers; a damaged one, or one written by a newer
    version of the lab, raises RunError from every method. Each answer belongs to one commit: a step is there with its
    scalars, soft targets and readings, or not at all.

    Shapes: R readings, P probe examples, B course examples in a batch, C classes.
    """

    def __init__(self, folder_or_path: RunFolder | Path) -> None:
        """Name the trace; no file is touched yet.

        Args:
            folder_or_path: a run's folder, as RunFolder or path, or the path of a trace itself.
        """
        if isinstance(folder_or_path, RunFolder):
            self._path, self._immutable = folder_or_path.trace_path, folder_or_path.recorded
        else:
            path = Path(folder_or_path)
            self._path, self._immutable = (path / "trace.sqlite" if path.is_dir() else path), False

    def meta(self) -> dict[str, Any]:
        """Return what is fixed for the run: label_names, n_steps, temperature, facts, ..., and scores once it is finished."""
        with self._trace() as trace:
            return {} if trace is None else decoded_meta(trace)

    def last_step(self) -> int:
        """Return the newest recorded step, -1 where there is none."""
        with self._trace() as trace:
            newest = None if trace is None else trace.execute("SELECT max(step) FROM steps").fetchone()[0]
        return -1 if newest is None else int(newest)

    def examples(self, split: str) -> pd.DataFrame:
        """Return the examples of "course", "probe", "validation" or "test" by id.

        Columns: id, text, text_pair, label, truth (tuple or None), group_name and source_name (empty where there is none).
        """
        with self._trace() as trace:
            return examples_table(trace, split)

    def scalars(self, names: Sequence[str] | None = None, *, after: int = -1) -> pd.DataFrame:
        """Return scalars measured after a step: columns step, name, value, sorted by step and name."""
        wanted = _SCALAR_NAMES if names is None else tuple(names)
        rows = self._rows(f"SELECT step, name, value FROM scalars WHERE name IN ({marks(wanted)}) AND step > ?"
                          " ORDER BY step, name", (*wanted, after))
        # SQLite makes a new text for each row, and a series of a long run is kept by whoever watches it.
        named = [(step, wanted[wanted.index(name)], value) for step, name, value in rows]
        return table(named, ["step", "name", "value"], {"step": "int64", "value": "float64"})

    def series(self, name: str) -> tuple[Integers, NDArray[np.float64]]:
        """Return one scalar over all steps: steps (N,) and values (N,)."""
        rows = self._rows("SELECT step, value FROM scalars WHERE name = ? ORDER BY step", (name,))
        steps = np.fromiter((step for step, _ in rows), np.int64, len(rows))
        return steps, np.fromiter((np.nan if value is None else value for _, value in rows), np.float64, len(rows))

    def steps(self, after: int = -1) -> pd.DataFrame:
        """Return the recorded steps after a step: columns step, seconds since the training started."""
        rows = self._rows("SELECT step, seconds FROM steps WHERE step > ? ORDER BY step", (after,))
        return table(rows, ["step", "seconds"], {"step": "int64", "seconds": "float64"})

    def reading_steps(self, *, after: int = -1) -> Integers:
        """Return the steps (R,) after a step at which the probe set was read."""
        rows = self._rows("SELECT step FROM probe WHERE role = 'student' AND block = 0 AND step > ? ORDER BY step", (after,))
        return np.asarray([step for step, in rows], dtype=np.int64)

    def readings(
        self, role: str, *, after: int = -1, until: int = NEWEST, examples: Sequence[int] | None = None
    ) -> tuple[Integers, Floats]:
        """Return the readings of a role after a step.

        Args:
            role: "teacher", "student" or "feedback" (which is missing at steps with no exam).
            after: only readings at later steps.
            until: only readings up to this step, itself included.
            examples: ids of probe examples, in the order wanted; None gives all.

        Returns:
            steps (R,) and logits (R, P, C), float32 whatever the precision on disk.
        """
        _check_role(role)
        with self._trace() as trace:
            shape = None if trace is None else probe_shape(trace, role)
            if trace is None or shape is None:
                return np.zeros(0, np.int64), np.zeros((0, 0, 0), np.float32)
            wanted = np.arange(shape.examples) if examples is None else np.asarray(examples, dtype=np.int64)
            check_examples(wanted, shape.examples)
            return decoded_readings(trace, role, after=int(after), until=int(until), examples=wanted, shape=shape)

    def reading_at(self, role: str, step: int) -> Floats | None:
        """Return the latest reading (P, C) of a role at or before a step, None where there is none."""
        _check_role(role)
        with self._trace() as trace:
            shape = None if trace is None else probe_shape(trace, role)
            if trace is None or shape is None:
                return None
            latest = trace.execute("SELECT max(step) FROM probe WHERE role = ? AND block = 0 AND step <= ?",
                                   (role, int(step))).fetchone()[0]
            if latest is None:
                return None
            blobs = [trace.execute("SELECT logits FROM probe WHERE role = ? AND block = ? AND step = ?",
                                   (role, block, latest)).fetchone() for block in range(shape.blocks)]
        return None if None in blobs else shape.decoded(b"".join(blob for blob, in blobs), shape.examples)

    def readings_at(self, role: str, steps: Sequence[int]) -> tuple[Integers, Floats]:
        """Return a role's readings at chosen steps: those that are there (F,), and their logits (F, P, C)."""
        _check_role(role)
        with self._trace() as trace:
            shape = None if trace is None else probe_shape(trace, role)
            if trace is None or shape is None:
                return np.zeros(0, np.int64), np.zeros((0, 0, 0), np.float32)
            return chosen_readings(trace, role, sorted({int(one) for one in steps}), shape)

    def influence_at(self, step: int) -> Floats | None:
        """Return the influence (P,) each probe example would have had at exactly this step, None where none was recorded.

        None is recorded at a step with no exam, at a step with no reading, and in traces before version 3.
        """
        with self._trace() as trace:
            if trace is None or not has_table(trace, "probe_influence"):
                return None
            row = trace.execute("SELECT influence FROM probe_influence WHERE step = ?", (int(step),)).fetchone()
            return None if row is None else decoded_blob(row[0], "<f4", probe_count(trace))

    def influences(self, examples: Sequence[int]) -> tuple[Integers, Floats]:
        """Return the steps (F,) with a recorded influence of the probe set, and that of chosen examples (F, len(examples))."""
        wanted = np.asarray(examples, dtype=np.int64)
        with self._trace() as trace:
            if trace is None or not has_table(trace, "probe_influence"):
                return np.zeros(0, np.int64), np.zeros((0, len(wanted)), np.float32)
            n_probe = probe_count(trace)
            check_examples(wanted, n_probe)
            found = {step: decoded_blob(blob, "<f4", n_probe)[wanted]
                     for step, blob in trace.execute("SELECT step, influence FROM probe_influence ORDER BY step")}
        values = np.asarray(list(found.values()), dtype=np.float32).reshape(len(found), len(wanted))
        return np.asarray(list(found), dtype=np.int64), values

    def hidden_feedback_at(self, role: str, step: int) -> Floats | None:
        """Return the norms (B or P, K) of "course" or "probe" at the layers of meta's `shown`, at exactly this step, None where none."""
        _check_role(role, HIDDEN_ROLES)
        with self._trace() as trace:
            return None if trace is None else norms_at(trace, role, int(step))

    def hidden_feedback_of(self, examples: Sequence[int]) -> tuple[Integers, Floats]:
        """Return the steps (F,) with such norms of the probe set, and those of chosen examples (F, len(examples), K)."""
        wanted = np.asarray(examples, dtype=np.int64)
        with self._trace() as trace:
            if trace is None:
                return np.zeros(0, np.int64), np.zeros((0, len(wanted), 0), np.float32)
            n_probe = probe_count(trace)
            check_examples(wanted, n_probe)
            return norms_of_probe(trace, wanted, n_probe)

    def numbers(self, *, after: int = -1) -> pd.DataFrame:
        """Return the few numbers that the teacher learns, at each reading after a step.

        Returns:
            columns step, number (its place), name, value, truth (NaN where it is not known); no rows where the teacher learns weights.
        """
        with self._trace() as trace:
            return numbers_table(trace, after=int(after))

    def digest_rows(self) -> tuple[list[Bin], list[int], list[Floats]]:
        """Return the bins and the quantiles (2, 4, 5) with their steps that were written with a long trace; none in a short one."""
        with self._trace() as trace:
            return ([], [], []) if trace is None or not has_table(trace, "digest") else decoded_digest(trace)

    def course(self, step: int) -> Course | None:
        """Return every soft target issued at a step, None where none was."""
        with self._trace() as trace:
            return None if trace is None else decoded_course(trace, int(step))

    def course_sizes(self, *, after: int = -1) -> pd.DataFrame:
        """Return, for every soft target issued after a step, what was asked of it, without the logits themselves.

        Returns:
            columns step, example, position, asked (length of the feedback, NaN with no exam), influence (NaN with no exam).
        """
        with self._trace() as trace:
            return sizes_table(trace, after=int(after)) if trace is not None else sizes_table(None, after=0)

    def course_of(self, example: int) -> pd.DataFrame:
        """Return every soft target ever issued to one course example, by step.

        Returns:
            columns step, teacher_logits (C,), student_logits (C,), feedback ((C,) or None), influence (NaN where unknown),
            hidden_feedback ((K,) or None).
        """
        columns = ["step", "teacher_logits", "student_logits", "feedback", "influence", "hidden_feedback"]
        with self._trace() as trace:
            found = None if trace is None else course_table(trace, "example = :example", example=int(example))
        return table([], columns, {"step": "int64", "influence": "float64"}) if found is None else found[columns]

    def course_rows(self, *, last_step: int, at_once: int) -> Iterator[pd.DataFrame]:
        """Give every soft target issued up to a step, sorted by example and step, in tables of at most `at_once` rows.

        Columns: example, step, position, teacher_logits, student_logits, feedback, influence, hidden_feedback. Between two
        tables the trace is closed, so a slow consumer holds nothing up.
        """
        example = step = position = -1
        where = "(example, course_index.step, position) > (:example, :step, :position) AND course_index.step <= :last_step"
        while True:
            with self._trace() as trace:
                if trace is None:
                    return
                found = course_table(trace, where, at_once=at_once, last_step=int(last_step),
                                     example=example, step=step, position=position)
            if found.empty:
                return
            yield found
            example, step, position = (int(found[name].iloc[-1]) for name in ("example", "step", "position"))

    def final(self, split: str) -> Final | None:
        """Return what the models said on "validation" or "test" as a whole, with labels and truth; None where nothing was recorded."""
        with self._trace() as trace:
            return None if trace is None else decoded_final(trace, split)

    def interventions(self) -> list[Intervened]:
        """Return the changes of settings made in flight, in their order."""
        with self._trace() as trace:
            return [] if trace is None else interventions_in(trace)

    def teacher_training(self) -> pd.DataFrame:
        """Return the teacher's own fine-tuning before distillation: columns step, loss."""
        rows = self._rows("SELECT step, loss FROM teacher_training ORDER BY step")
        return table(rows, ["step", "loss"], {"step": "int64", "loss": "float64"})

    @contextmanager
    def _trace(self) -> Iterator[sqlite3.Connection | None]:
        with reading(self._path, immutable=self._immutable) as connection:
            yield connection if connection is not None and self._has_tables(connection) else None

    def _has_tables(self, connection: sqlite3.Connection) -> bool:
        if not has_table(connection, "meta"):
            return False
        version = decoded_meta(connection, "schema_version").get("schema_version", SCHEMA_VERSION)
        if version > SCHEMA_VERSION:
            raise RunError(f"The trace of run {self._path.parent.name} was written by a newer version of the lab (format "
                           f"{version}, this one reads up to {SCHEMA_VERSION}): update the lab to open it.")
        return True

    def _rows(self, query: str, values: Sequence[object] = ()) -> list[Row]:
        with self._trace() as trace:
            return [] if trace is None else trace.execute(query, bindable(values)).fetchall()


def _check_role(role: str, known: tuple[str, ...] = ROLES) -> None:
    if role not in known:
        raise RunError(unknown_name("role", role, known))
