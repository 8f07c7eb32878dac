"""What a person can do with a run, from any page, tab or command line: pause, step, resume, stop, change, fork."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ikd.config import IN_FLIGHT, PlannedChange
from ikd.errors import BusyError, RunError, unknown_name
from ikd.runs.devices import at_work
from ikd.runs.launch import queued_runs, start_folder
from ikd.runs.permission import require_room, require_writable
from ikd.trace.branching import make_fork, recorded_timeline
from ikd.trace.commands import Value, waiting
from ikd.trace.folder import RunFolder
from ikd.trace.imported import require_trusted
from ikd.trace.rebuilding import has_scores
from ikd.trace.state import RunState
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
        RunError: no such run, it is finished, or the lab is read-only.
        BusyError: it is at work, not paused; or its device is busy and the queue is full.
    """
    require_writable()
    folder = open_run(run_id, root)
    state = folder.state()
    if state.live:
        if state.state != "paused" and not any(one.kind in ("pause", "step") for one in waiting(folder.path)):
            raise BusyError(at_work(folder.id, state))
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
        BusyError: it is at work.
    """
    state = folder.state()
    if folder.recorded:
        raise RunError(f"{folder.id} is a recorded run and cannot be resumed: fork it, or start a new run with its settings.")
    if state.live:
        raise BusyError(at_work(folder.id, state))
    if state.resumable or _contradicted(folder, state):
        require_trusted(folder)
        return
    why = {"finished": "is finished", "queued": "waits in the queue"}.get(state.state, "is damaged")
    raise RunError(f"Run {folder.id} {why} and cannot be resumed: fork it to go another way.")


def _contradicted(folder: RunFolder, state: RunState) -> bool:
    """Return whether a state.json says that a run is finished or waits, and its trace or the queue says that it is not so."""
    if state.state == "finished":
        return folder.trace_path.exists() and has_scores(folder.path) is False
    return state.state == "queued" and folder.id not in [one.id for one in queued_runs(folder.path.parent)]


def _live(run_id: str, root: Path | None, word: str) -> RunFolder:
    require_writable()
    folder = open_run(run_id, root)
    state = folder.state()
    if not state.live:
        raise RunError(f"Run {folder.id} cannot be {word}: it is {state.state}.")
    return folder
