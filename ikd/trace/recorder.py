"""The only writer of a trace: every event of a run goes in here, each step in one transaction."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal, Self, assert_never

import numpy as np

from ikd.errors import RunError, unknown_name
from ikd.events import (
    Course,
    Event,
    Floats,
    Notice,
    Reading,
    RunFinished,
    RunStarted,
    Stage,
    StepTaken,
    TeacherProgress,
)
from ikd.trace.binning import Binner, is_long, steps_of_a_bin
from ikd.trace.connection import connect_writer, disk_full, settle
from ikd.trace.folder import RunFolder
from ikd.trace.rows import write_bin, write_course, write_examples, write_meta, write_quantiles
from ikd.trace.schema import PROBE_BLOCK, SCALARS, SCHEMA_VERSION
from ikd.trace.summary import reading_scalars
from ikd.trace.tables import CREATE_TABLES

_FLOAT16_LIMIT = float(np.finfo(np.float16).max)
_TEACHER_BATCH = 10


class Recorder:
    """Writes the events of one run to its trace; use it as a context manager.

    A step is committed whole (scalars, soft targets, readings) or not at all, so no reader sees a curve without its
    targets. One recorder may be handed from one thread to another, but not used by two at once.
    """

    def __init__(self, folder: RunFolder, *, dtype: Literal["float32", "float16"] = "float32") -> None:
        """Open a new trace.

        Args:
            folder: a run that has no trace yet.
            dtype: precision of the probe's logits on disk.

        Raises:
            RunError: the run has a trace already, or its folder is read-only or full.
        """
        if dtype not in ("float32", "float16"):
            raise RunError(unknown_name("probe precision", dtype, ("float32", "float16")))
        self._folder = folder
        self._dtype = np.dtype("<f4" if dtype == "float32" else "<f2")
        self._dtype_name = dtype
        self._n_classes, self._n_probe, self._last_step = 0, 0, -1
        self._labels: list[int] = []
        self._temperature = 1.0
        self._frozen: Floats | None = None
        self._binner: Binner | None = None
        self._started = time.monotonic()
        self._teacher_losses: list[tuple[int, float]] = []
        self._clipped, self._closed = False, False
        self._connection, notice = _new_trace(folder)
        if notice:
            folder.append_log(notice, warning=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.close()
        except RunError:
            # The fault that ended the run says more than the last losses that could not be written after it.
            if fault is None:
                raise

    def close(self) -> None:
        """Write what is waiting and leave the trace as one file. Closing twice is allowed."""
        if self._closed:
            return
        self._closed = True
        try:
            self._flush_teacher_training()
        finally:
            settle(self._connection)

    def record(self, event: Event) -> None:
        """Write one event.

        Raises:
            RunError: the disk is full, or the event does not fit the run (shape, step or name).
        """
        if self._closed:
            raise RunError(f"The trace of run {self._folder.id} is closed: start a new run to record more.")
        match event:
            case StepTaken():
                self._step(event)
            case RunStarted():
                self._start(event)
            case TeacherProgress():
                self._teacher_losses.append((int(event.step), float(event.loss)))
                if len(self._teacher_losses) >= _TEACHER_BATCH or event.step >= event.total:
                    self._flush_teacher_training()
            case RunFinished():
                with self._transaction("the final scores") as cursor:
                    write_meta(cursor, {"scores": dict(event.scores)})
            case Stage():
                self._flush_teacher_training()
                self._folder.append_log(f"Stage: {event.name}{f' ({event.total} steps)' if event.total else ''}")
            case Notice():
                self._folder.append_log(event.text, warning=event.warning)
            case _:
                assert_never(event)

    def _start(self, event: RunStarted) -> None:
        if self._n_classes:
            raise RunError("This run has started already: a trace holds one run.")
        self._flush_teacher_training()
        meta = {
            "schema_version": SCHEMA_VERSION,
            "probe_dtype": self._dtype_name,
            "label_names": list(event.label_names),
            "n_steps": event.n_steps,
            "temperature": event.temperature,
            "bin_steps": steps_of_a_bin(event.n_steps),
            "facts": dict(event.facts),
        }
        with self._transaction("the start of the run") as cursor:
            write_meta(cursor, meta)
            write_examples(cursor, event.probe)
        self._n_classes, self._n_probe = len(event.label_names), len(event.probe)
        self._labels, self._temperature = [one.label for one in event.probe], event.temperature
        if is_long(event.n_steps // self._readings_every() + 1, self._n_probe, self._n_classes):
            self._binner = Binner(self._labels, [one.truth for one in event.probe], temperature=event.temperature,
                                  bin_steps=steps_of_a_bin(event.n_steps))
        self._started = time.monotonic()

    def _readings_every(self) -> int:
        try:
            return self._folder.config().record.probe_every
        except RunError:
            return 1

    def _step(self, event: StepTaken) -> None:
        self._check(event)
        # SQLite would keep a numpy number as a blob.
        step = int(event.step)
        scalars = {**event.scalars, **self._derived(event.reading)}
        with self._transaction(f"step {step}") as cursor:
            cursor.execute("INSERT INTO steps VALUES (?, ?)", (step, time.monotonic() - self._started))
            cursor.executemany("INSERT INTO scalars VALUES (?, ?, ?)",
                               [(name, step, float(value)) for name, value in scalars.items()])
            write_examples(cursor, event.new_examples)
            if event.course is not None:
                write_course(cursor, step, event.course)
            if event.reading is not None:
                self._write_reading(cursor, step, event.reading)
        self._last_step = step

    def _derived(self, reading: Reading | None) -> dict[str, float]:
        if reading is None:
            return {}
        if self._frozen is None:
            self._frozen = reading.teacher_logits
        return reading_scalars(reading, self._frozen, self._labels, temperature=self._temperature)

    def _check(self, event: StepTaken) -> None:
        if not self._n_classes:
            raise RunError(f"Step {event.step} came before the start of the run: report RunStarted first.")
        if event.step <= self._last_step:
            raise RunError(f"Step {event.step} came after step {self._last_step}: steps are recorded once and in order.")
        for name in event.scalars:
            if name not in SCALARS:
                raise RunError(unknown_name("scalar", name, SCALARS, hint="List it in ikd.trace.schema.SCALARS."))
        if event.course is not None:
            batch = len(event.course.examples)
            _check_shapes(event.course, "course", (batch, self._n_classes), influence=(batch,))
        if event.reading is not None:
            _check_shapes(event.reading, "reading", (self._n_probe, self._n_classes), influence=(self._n_probe,))

    def _write_reading(self, cursor: sqlite3.Cursor, step: int, reading: Reading) -> None:
        kept = {"teacher": self._rounded(reading.teacher_logits), "student": self._rounded(reading.student_logits)}
        if reading.feedback is not None:
            # Feedback is of the order of the learning rate: half precision would lose it to zero.
            kept["feedback"] = np.ascontiguousarray(reading.feedback, dtype="<f4")
        for role, logits in kept.items():
            cursor.executemany("INSERT INTO probe VALUES (?, ?, ?, ?)", [
                (role, block, step, logits[first : first + PROBE_BLOCK].tobytes())
                for block, first in enumerate(range(0, len(logits), PROBE_BLOCK))
            ])
        if reading.influence is not None:
            cursor.execute("INSERT INTO probe_influence VALUES (?, ?)",
                           (step, np.ascontiguousarray(reading.influence, dtype="<f4").tobytes()))
        if self._binner is not None:
            # Of the numbers on disk, so that whoever derives it from them finds the same.
            quantiles, closed = self._binner.add(step, kept["teacher"].astype(np.float32), kept["student"].astype(np.float32))
            write_quantiles(cursor, step, quantiles)
            if closed is not None:
                write_bin(cursor, closed)

    def _rounded(self, logits: Any) -> np.ndarray[Any, np.dtype[np.floating[Any]]]:
        values = np.asarray(logits, dtype="<f4")
        if self._dtype.itemsize == 2:
            if not self._clipped and (np.abs(values) > _FLOAT16_LIMIT).any():
                self._clipped = True
                self._folder.append_log("Some probe logits are beyond the range of float16 and were cut to 65504: "
                                        "record the next run with record.probe_dtype float32.", warning=True)
            values = np.clip(values, -_FLOAT16_LIMIT, _FLOAT16_LIMIT)
        return np.ascontiguousarray(values, dtype=self._dtype)

    def _flush_teacher_training(self) -> None:
        if not self._teacher_losses:
            return
        waiting, self._teacher_losses = self._teacher_losses, []
        with self._transaction("the teacher's fine-tuning") as cursor:
            cursor.executemany("INSERT OR REPLACE INTO teacher_training VALUES (?, ?)", waiting)

    @contextmanager
    def _transaction(self, what: str) -> Iterator[sqlite3.Cursor]:
        cursor = self._connection.cursor()
        try:
            cursor.execute("BEGIN IMMEDIATE")
            yield cursor
            cursor.execute("COMMIT")
        except BaseException as fault:
            _undo(self._connection)
            if isinstance(fault, sqlite3.Error):
                raise RunError(self._not_written(what, fault)) from fault
            raise
        finally:
            cursor.close()

    def _not_written(self, what: str, fault: sqlite3.Error) -> str:
        kept = f"everything up to step {self._last_step} is kept" if self._last_step >= 0 else "no step was recorded"
        if disk_full(fault):
            return (f"The disk is full: {what} could not be recorded, {kept}. "
                    "Free some space or delete old runs, then start the run again.")
        return (f"The trace could not be written ({fault}): {what} is missing, {kept}. "
                "Check the disk of the run's folder, then start the run again.")


def _new_trace(folder: RunFolder) -> tuple[sqlite3.Connection, str]:
    if folder.recorded or not folder.path.is_dir():
        raise RunError(f"Run {folder.id} cannot be recorded: it is not a folder of a new run.")
    try:
        # Made here and nowhere else, so that a trace never has two writers.
        folder.trace_path.touch(exist_ok=False)
        connection, notice = connect_writer(folder.trace_path)
        connection.execute("BEGIN IMMEDIATE")
        for statement in CREATE_TABLES:
            connection.execute(statement)
        write_meta(connection.cursor(), {"schema_version": SCHEMA_VERSION})
        connection.execute("COMMIT")
    except FileExistsError:
        raise RunError(f"Run {folder.id} has a trace already: start a new run instead.") from None
    except (OSError, sqlite3.Error) as fault:
        why = "the disk is full" if isinstance(fault, sqlite3.Error) and disk_full(fault) else str(fault)
        raise RunError(f"The trace of run {folder.id} could not be made ({why}): free some space or make the folder "
                       "writable, then start the run again.") from fault
    return connection, notice


def _undo(connection: sqlite3.Connection) -> None:
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error:
        # After some faults SQLite has rolled back by itself; the fault at hand is the one to report.
        return


def _check_shapes(part: Course | Reading, what: str, wanted: tuple[int, ...], **others: tuple[int, ...]) -> None:
    expected = {"teacher_logits": wanted, "student_logits": wanted, "feedback": wanted, **others}
    for name, shape in expected.items():
        value = getattr(part, name)
        if value is not None and np.shape(value) != shape:
            raise RunError(f"The {name} of a {what} have the shape {np.shape(value)} where {shape} was announced: "
                           "nothing of this step is recorded.")
