"""The only writer of a trace: every event of a run goes in here, each step in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Literal, Self, assert_never

import numpy as np

from ikd.errors import RunError, unknown_name
from ikd.events import (
    Event,
    Floats,
    Intervened,
    Notice,
    Predicted,
    Progress,
    Reading,
    RunFinished,
    RunStarted,
    ScoredSplit,
    Stage,
    StepTaken,
    TeacherProgress,
)
from ikd.trace.binning import Binner, is_long, steps_of_a_bin
from ikd.trace.connection import not_written, settle, undo
from ikd.trace.continuing import Kept, forget_from, is_recorded, kept_in
from ikd.trace.digest import Digest
from ikd.trace.final import write_final
from ikd.trace.folder import RunFolder
from ikd.trace.opening import new_trace, old_trace
from ikd.trace.reader import TraceReader
from ikd.trace.rows import (
    course_row,
    hidden_rows,
    interventions_in,
    number_rows,
    probe_rows,
    started_facts,
    write_bin,
    write_course,
    write_examples,
    write_intervention,
    write_meta,
    write_quantiles,
)
from ikd.trace.storing import Array, check_step, stored_logits
from ikd.trace.summary import reading_scalars
from ikd.trace.sums import RunningSums

_TEACHER_BATCH = 10


class Recorder:
    """Writes the events of one run to its trace; use it as a context manager.

    A step is committed whole (scalars, soft targets, readings) or not at all, so no reader sees a curve without its
    targets. One recorder may be handed from one thread to another, but not used by two at once.
    """

    def __init__(
        self, folder: RunFolder, *, dtype: Literal["float32", "float16"] = "float32", resume: bool = False
    ) -> None:
        """Open a new trace, or go on with one.

        Args:
            folder: a run that has no trace yet, unless it is resumed.
            dtype: precision of the probe's logits on disk.
            resume: go on with the trace of an earlier attempt. Steps computed again are compared with those recorded
                and left as they are; they are replaced from the first that differs.

        Raises:
            RunError: the run has a trace already, or its folder is read-only or full.
        """
        if dtype not in ("float32", "float16"):
            raise RunError(unknown_name("probe precision", dtype, ("float32", "float16")))
        self._folder = folder
        self._dtype = np.dtype("<f4" if dtype == "float32" else "<f2")
        self._dtype_name = dtype
        self._n_classes, self._n_probe, self._n_shown, self._n_numbers, self._last_step = 0, 0, 0, 0, -1
        self._labels: list[int] = []
        self._temperature = 1.0
        self._frozen: Floats | None = None
        self._binner: Binner | None = None
        self._teacher_losses: list[tuple[int, float]] = []
        self._clipped, self._closed = False, False
        self._connection, notices = old_trace(folder) if resume else new_trace(folder)
        self._kept = kept_in(self._connection, folder.id) if resume else Kept(last_step=-1, seconds=0.0)
        self._seconds = self._kept.seconds
        self._sums = RunningSums(self._connection)
        for notice in notices:
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

    @property
    def kept(self) -> Kept:
        """Return what the trace held when it was opened, as far as it still holds it."""
        return self._kept

    def interventions(self) -> list[Intervened]:
        """Return the changes of settings recorded so far."""
        return interventions_in(self._connection)

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
            case ScoredSplit() | Predicted():
                with self._transaction("what the models say on a whole split") as cursor:
                    write_final(cursor, event, n_classes=self._n_classes)
            case RunFinished():
                with self._transaction("the final scores") as cursor:
                    write_meta(cursor, {"scores": dict(event.scores), **({"ending": dict(event.facts)} if event.facts else {})})
            case Stage():
                self._flush_teacher_training()
                self._folder.append_log(f"Stage: {event.name}{f' ({event.total} steps)' if event.total else ''}")
            case Intervened():
                with self._transaction("a change of a setting") as cursor:
                    write_intervention(cursor, event)
            case Notice():
                self._folder.append_log(event.text, warning=event.warning)
            case Progress():
                pass
            case _:
                assert_never(event)

    def _start(self, event: RunStarted) -> None:
        if self._n_classes:
            raise RunError("This run has started already: a trace holds one run.")
        self._flush_teacher_training()
        before = TraceReader(self._folder).meta()
        # A fork may have other steps than its parent: its bins stay as wide as those it began with.
        self._bin_steps = int(before.get("bin_steps") or steps_of_a_bin(event.n_steps))
        with self._transaction("the start of the run") as cursor:
            write_meta(cursor, started_facts(event, probe_dtype=self._dtype_name, bin_steps=self._bin_steps))
            if "label_names" not in before:
                write_examples(cursor, event.probe)
        self._n_classes, self._n_probe = len(event.label_names), len(event.probe)
        self._n_shown, self._n_numbers = len(event.shown), len(event.numbers)
        self._labels, self._temperature = [one.label for one in event.probe], event.temperature
        self._truths = [one.truth for one in event.probe]
        self._long = bool(self._connection.execute("SELECT 1 FROM bands").fetchone()) if self._kept.last_step >= 0 else is_long(
            event.n_steps // self._readings_every() + 1, self._n_probe, self._n_classes)  # fmt: skip
        self._take_up()

    def _take_up(self) -> None:
        """Be where a recorder would be that had written all that is in the trace."""
        reader = TraceReader(self._folder)
        steps = reader.reading_steps()
        self._frozen = reader.reading_at("teacher", int(steps[0])) if len(steps) else None
        if not self._long:
            return
        digest = Digest(reader)
        if digest.update():
            self._binner = digest.binner
        else:
            self._binner = Binner(self._labels, self._truths, temperature=self._temperature, bin_steps=self._bin_steps)

    def _readings_every(self) -> int:
        try:
            return self._folder.config().record.probe_every
        except RunError:
            return 1

    def _step(self, event: StepTaken) -> None:
        self._check(event)
        # SQLite would keep a numpy number as a blob.
        step, logits = int(event.step), {} if event.reading is None else self._stored_logits(event.reading)
        scalars = {**event.scalars, **self._derived(logits)}
        if step <= self._kept.last_step and self._is_the_same(step, event, scalars, logits):
            self._last_step = step
            return
        with self._transaction(f"step {step}") as cursor:
            cursor.execute("INSERT INTO steps VALUES (?, ?)", (step, self._seconds + float(event.seconds)))
            cursor.executemany("INSERT INTO scalars VALUES (?, ?, ?)", [(name, step, float(value)) for name, value in scalars.items()])
            write_examples(cursor, event.new_examples)
            if event.course is not None:
                write_course(cursor, step, event.course)
            if event.reading is not None:
                self._write_reading(cursor, step, event.reading, logits)
            cursor.executemany("INSERT INTO hidden_feedback VALUES (?, ?, ?)", hidden_rows(event))
            cursor.executemany("INSERT INTO numbers VALUES (?, ?)", number_rows(event))
        self._last_step = step
        self._seconds += float(event.seconds)

    def _is_the_same(self, step: int, event: StepTaken, scalars: dict[str, float], logits: dict[str, Array]) -> bool:
        """Return whether a step computed again is the recorded one; where it is not, forget it and what followed."""
        course = course_row(step, event.course) if event.course is not None else None
        if is_recorded(self._connection, step, scalars, course, probe_rows(step, logits), hidden_rows(event), number_rows(event)):
            return True
        self._folder.append_log(f"Step {step}, computed again after a resume, differs from what was recorded: recorded anew from here. "
                                "On one machine with one number of threads it would be the same.", warning=True)  # fmt: skip
        with self._transaction(f"step {step}") as cursor:
            forget_from(cursor, step, bin_steps=self._bin_steps)
        self._kept = kept_in(self._connection, self._folder.id)
        self._seconds = self._kept.seconds
        self._take_up()
        return False

    def _derived(self, logits: dict[str, Array]) -> dict[str, float]:
        if not logits:
            return {}
        # Of the numbers on disk, so that whoever derives it from them finds the same.
        teacher, student = (logits[role].astype(np.float32) for role in ("teacher", "student"))
        self._frozen = teacher if self._frozen is None else self._frozen
        reading = Reading(teacher_logits=teacher, student_logits=student)
        return reading_scalars(reading, self._frozen, self._labels, temperature=self._temperature)

    def _check(self, event: StepTaken) -> None:
        if not self._n_classes:
            raise RunError(f"Step {event.step} came before the start of the run: report RunStarted first.")
        if self._last_step < 0 <= self._kept.last_step < event.step - 1:
            raise RunError(f"Step {event.step} would leave a gap after step {self._kept.last_step}: resume from an earlier checkpoint.")
        if event.step <= self._last_step:
            raise RunError(f"Step {event.step} came after step {self._last_step}: steps are recorded once and in order.")
        check_step(event, n_classes=self._n_classes, n_probe=self._n_probe, n_shown=self._n_shown, n_numbers=self._n_numbers)

    def _stored_logits(self, reading: Reading) -> dict[str, Array]:
        logits, clipped = stored_logits(reading, self._dtype)
        if clipped and not self._clipped:
            self._clipped = True
            self._folder.append_log("Some probe logits are beyond the range of float16 and were cut to 65504: "
                                    "record the next run with record.probe_dtype float32.", warning=True)
        return logits

    def _write_reading(self, cursor: sqlite3.Cursor, step: int, reading: Reading, logits: dict[str, Array]) -> None:
        cursor.executemany("INSERT INTO probe VALUES (?, ?, ?, ?)", probe_rows(step, logits))
        if reading.influence is not None:
            cursor.execute("INSERT INTO probe_influence VALUES (?, ?)",
                           (step, np.ascontiguousarray(reading.influence, dtype="<f4").tobytes()))
        if self._binner is not None:
            quantiles, closed = self._binner.add(step, *(logits[role].astype(np.float32) for role in ("teacher", "student")))
            write_quantiles(cursor, step, quantiles)
            if closed is not None:
                write_bin(cursor, closed)

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
            self._sums.write(cursor)
            cursor.execute("COMMIT")
        except BaseException as fault:
            cause = self._sums.cause_of(fault)
            self._sums.forget()
            undo(self._connection)
            if isinstance(cause, sqlite3.Error):
                raise RunError(not_written(what, cause, last_step=self._last_step)) from fault
            if cause is fault:
                raise
            raise cause from fault
        finally:
            cursor.close()
