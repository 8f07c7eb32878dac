"""A fork's folder: the parent's trace up to a step, the checkpoint to go on from, and the one config that gives the whole run."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from ikd.config import AT_A_FORK, PlannedChange, RunConfig, Timeline, build_config, config_from_json
from ikd.config.permission import require_writable
from ikd.errors import RunError
from ikd.trace.commands import Value
from ikd.trace.connection import disk_full, reading
from ikd.trace.continuing import forget_from
from ikd.trace.folder import RunFolder
from ikd.trace.imported import require_trusted
from ikd.trace.kept import checkpoint_path, newest_sound_checkpoint
from ikd.trace.notes import Notes, read_notes, write_notes
from ikd.trace.opening import bring_up_to_date, config_fact
from ikd.trace.reader import TraceReader
from ikd.trace.rows import write_meta
from ikd.trace.soundness import require_sound
from ikd.trace.state import RunState, cannot_write
from ikd.trace.store import new_run, open_run
from ikd.trace.sums import seal
from ikd.trace.written_config import recorded_config_text, require_same_config


def recorded_config(folder: RunFolder) -> RunConfig:
    """Return the one config that gives this run from its start: that of its start, with every change made in flight as its plan.

    Raises:
        RunError: the config or the trace is damaged.
    """
    return recorded_timeline(folder).record()


def completed_steps(folder: RunFolder) -> int:
    """Return how many student updates a run has completed and recorded: the latest step at which it can be forked.

    Raises:
        RunError: the trace is damaged.
    """
    reader = TraceReader(folder)
    last = reader.last_step()
    return last + 1 if reader.course(last) is not None else max(last, 0)  # the last reading follows the last update


def fork_config(folder: RunFolder, step: int, changes: Mapping[str, Value], *, label: str = "") -> RunConfig:
    """Return the config of a fork: as the parent up to a step, from there on with changed settings.

    Raises:
        RunError: a step that the parent has not reached, a damaged parent, or one whose config.json is not that of its record.
        ConfigError: a setting that a fork cannot change, or a value that it cannot have.
    """
    most = completed_steps(folder)
    if not 0 <= step <= most:
        raise RunError(f"A fork at step {step} is not possible: run {folder.id} has completed {most} steps. Give a step from 0 to {most}.")
    timeline = Timeline(recorded_timeline(folder).record(before=step))
    for path, value in changes.items():
        timeline.add(PlannedChange(step=step, path=path, value=value), allowed=AT_A_FORK)
    total = timeline.at(step).training.steps
    if step >= total:
        raise RunError(f"A fork at step {step} has nothing left to do, as the run has {total} steps: raise training.steps, or give an "
                       "earlier step.")  # fmt: skip
    return build_config({"label": label}, timeline.record())


def make_fork(parent: RunFolder, step: int, changes: Mapping[str, Value], *, root: Path, label: str = "") -> RunFolder:
    """Make the folder of a fork, ready to be resumed: it goes on from the parent's newest checkpoint up to the step.

    Args:
        parent: any run, also one at work or a recorded one.
        step: completed student updates at the fork; steps after the checkpoint are computed again and compared.
        changes: new values by dotted path; none gives the same run again.
        root: folder of all runs.
        label: name of the fork.

    Raises:
        RunError, ConfigError: as `fork_config`; the disk is full, or the parent was imported and names files nobody has agreed to.
    """
    require_writable()
    require_trusted(parent, command="fork")
    _require_recorded_config(parent)
    config = fork_config(parent, step, changes, label=label)
    folder = new_run(config, root)
    try:
        _copy_trace(parent, folder, before=step)
        owner, start = _nearest_checkpoint(parent, step)
        if start:
            _copy_checkpoint(checkpoint_path(owner, start), checkpoint_path(folder, start))
        write_notes(folder.path, Notes(parent=parent.id, parent_step=step))
        folder.write_state(RunState(state="interrupted", stage="done", step=step, total=Timeline(config).last.training.steps, attempt=0))
    except BaseException as fault:
        shutil.rmtree(folder.path, ignore_errors=True)
        if isinstance(fault, sqlite3.Error):
            why = "the disk is full" if disk_full(fault) else str(fault)
            raise RunError(f"The trace of run {parent.id} could not be copied ({why}): free some space and fork again.") from fault
        if isinstance(fault, OSError):
            raise RunError(cannot_write(f"The fork of run {parent.id}", fault)) from fault
        raise
    return folder


def recorded_timeline(folder: RunFolder) -> Timeline:
    """Return the settings of a run at each step, with every change recorded so far.

    Raises:
        RunError: the config or the trace is damaged.
    """
    changes = [PlannedChange(step=one.step, path=one.path, value=one.value) for one in TraceReader(folder).interventions()]
    return Timeline(folder.config(), changes)


def _nearest_checkpoint(parent: RunFolder, step: int) -> tuple[RunFolder, int]:
    """Return the newest sound checkpoint up to a step, of a run or of those it was forked from, and whose it is; 0 where none is."""
    owner, known = parent, set[str]()
    while owner.id not in known:
        known.add(owner.id)
        start = newest_sound_checkpoint(owner, at_most=step)
        notes = read_notes(owner.path)
        if start or not notes.parent or step > (notes.parent_step or 0):
            return owner, start
        try:
            owner = open_run(notes.parent, parent.path.parent)
        except RunError:  # gone
            break
    return parent, 0


def _require_recorded_config(parent: RunFolder) -> None:
    recorded = recorded_config_text(parent.trace_path, immutable=parent.recorded)
    if recorded is not None:
        require_same_config(config_from_json(recorded), parent.config(), parent.id)


def _copy_trace(parent: RunFolder, child: RunFolder, *, before: int) -> None:
    with closing(sqlite3.connect(child.trace_path, isolation_level=None)) as copy:
        with reading(parent.trace_path, immutable=parent.recorded) as trace:
            assert trace is not None, "a run with a recorded step has a trace"
            trace.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        require_sound(copy, child.trace_path, parent.id, before=before)
        bring_up_to_date(copy, child)
        width = copy.execute("SELECT value FROM meta WHERE key = 'bin_steps'").fetchone()
        cursor = copy.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        forget_from(cursor, before, bin_steps=int(width[0]) if width else 1)
        # What the parent changed in flight before the fork stands in the fork's plan.
        cursor.execute("DELETE FROM interventions")
        write_meta(cursor, config_fact(child))
        seal(cursor)
        cursor.execute("COMMIT")
        copy.execute("VACUUM")


def _copy_checkpoint(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for path in source.iterdir():
        try:
            os.link(path, target / path.name)  # they never change: no room is taken twice
        except OSError:
            shutil.copy2(path, target / path.name)
