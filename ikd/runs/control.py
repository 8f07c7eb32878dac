"""What a person can do with a run, from any page, tab or command line: pause, step, resume, stop, change, fork."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ikd.config import IN_FLIGHT, PlannedChange
from ikd.errors import RunError, unknown_name
from ikd.runs.launch import start_folder
from ikd.runs.permission import require_room, require_writable
from ikd.trace.branching import make_fork, recorded_timeline
from ikd.trace.commands import Value
from ikd.trace.folder import RunFolder
from ikd.trace.imported import require_trusted
from ikd.trace.store import open_run, runs_root


def pause_run(run_id: str, root: Path | None = None) -> None:
    """Ask a run to wait after its present step, with a checkpoint; it keeps its device.

    Raises:
        RunError: no such run, it is not at work, or the lab is read-only.
    """
    _live(run_id, root, "paused").ask("pause")


def step_run(run_id: str, root: Path | None = None) -> None:
    """Ask a paused run for one more step, and one at work to pause after its next one; errors as `pause_run`."""
    _live(run_id, root, "stepped").ask("step")


def stop_run_at(run_id: str, step: int, root: Path | None = None) -> None:
    """Ask a run to stop as soon as it has completed so many steps, with a checkpoint; errors as `pause_run`."""
    folder = _live(run_id, root, "stopped at a step")
    state = folder.state()
    first = min(state.step + 1, state.total)
    if not first <= step <= state.total:
        raise RunError(f"Run {folder.id} cannot stop at step {step}: it has completed {state.step}. Give a step from {first} to "
                       f"{state.total}, or stop it now.")  # fmt: skip
    folder.ask("stop", at=step)


def change_run(run_id: str, path: str, value: Value, root: Path | None = None) -> None:
    """Ask a run to go on with another value of a setting, one of `IN_FLIGHT`.

    Raises:
        RunError: as `pause_run`, or a setting that cannot be changed in flight.
        ConfigError: a value that it cannot have, or a setting without effect in this run.
    """
    folder = _live(run_id, root, "changed")
    if path not in IN_FLIGHT:
        raise RunError(unknown_name("change", path, IN_FLIGHT, hint="Other settings can be changed in a fork, or in a run of their own."))
    # By the settings as they stand now; the run judges once more when it comes to it, and says in its log what it then refuses.
    recorded_timeline(folder).add(PlannedChange(step=folder.state().step, path=path, value=value))
    folder.ask("change", path=path, value=value)


def resume_run(run_id: str, root: Path | None = None) -> None:
    """Let a paused run go on; start one that has ended before its time again, from its newest checkpoint.

    Raises:
        RunError: no such run, it is at work or finished, or the lab is read-only.
        BusyError: its device is busy and the queue is full.
    """
    require_writable()
    folder = open_run(run_id, root)
    if folder.state().live:
        folder.ask("resume")
        return
    require_resumable(folder)
    start_folder(folder)


def fork_run(
    run_id: str, step: int, changes: Mapping[str, Value], root: Path | None = None, *, label: str = ""
) -> str:
    """Start a run that is as another one up to a step and goes on with changed settings; return its id.

    Raises:
        RunError, ConfigError: as `make_fork`, or the lab is read-only or full.
        BusyError: the queue is full.
    """
    require_writable()
    root = runs_root() if root is None else root
    require_room(root)
    return start_folder(make_fork(open_run(run_id, root), step, changes, root=root, label=label))


def require_resumable(folder: RunFolder) -> None:
    """Do nothing where a run that has ended can go on.

    Raises:
        RunError: it cannot; it says why.
    """
    state = folder.state()
    if folder.recorded:
        raise RunError(f"{folder.id} is a recorded run and cannot be resumed: fork it, or start a new run with its settings.")
    if not state.resumable:
        why = {"finished": "is finished", "queued": "waits in the queue"}.get(state.state, "is damaged")
        raise RunError(f"Run {folder.id} {why} and cannot be resumed: fork it to go another way.")
    require_trusted(folder)


def _live(run_id: str, root: Path | None, word: str) -> RunFolder:
    require_writable()
    folder = open_run(run_id, root)
    state = folder.state()
    if not state.live:
        raise RunError(f"Run {folder.id} cannot be {word}: it is {state.state}.")
    return folder
