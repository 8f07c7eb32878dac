"""Starting and stopping runs from the pages: one background thread, found again by its name.

The name is the registry: it survives a hot reload, which throws every module of the lab out and leaves the thread be.
"""

from __future__ import annotations

import atexit
import os
import platform
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from ikd.config import RunConfig, Timeline
from ikd.errors import BusyError, IKDError, RunError
from ikd.runs.devices import at_work, hold_run
from ikd.runs.heart import Heart, beginning
from ikd.runs.loading import load_job
from ikd.runs.permission import MOST_QUEUED, read_only, require_room, require_steps, require_writable
from ikd.trace.commands import clear_spent
from ikd.trace.folder import RunFolder
from ikd.trace.imported import require_trusted
from ikd.trace.state import RunState
from ikd.trace.store import list_runs, new_run, open_run, runs_root

THREAD_PREFIX = "ikd-run:"
NEWEST_LOOKED_AT = 20
SECONDS_TO_END = 2.0
SECONDS_TO_START = 30.0
PLACE_DIGITS = 20
SWITCH_SECONDS = 0.0005
INTERRUPTED = "The program that computed the run was ended. What it recorded is kept: resume it to go on."


def start_run(config: RunConfig, root: Path | None = None, *, queue: bool = False) -> str:
    """Start a run in a daemon thread and return its id at once.

    Args:
        config: of the run.
        root: folder of all runs.
        queue: where the device is busy, let the run wait for it.

    Raises:
        BusyError: a run is going on; it names it. Or the queue is full.
        RunError: the run's folder cannot be made, the lab is read-only, or it keeps as many runs as it may.
        ConfigError: a planned change that cannot be made.
    """
    require_writable()
    require_steps(Timeline(config).last.training.steps)
    root = runs_root() if root is None else root
    with _one_at_a_time(root):
        require_room(root)
        return _begin(lambda: new_run(config, root), config, root, queue=queue)


def start_folder(folder: RunFolder, *, queue: bool = True) -> str:
    """Start a run whose folder is there: a fork, or a run that is resumed; as `start_run`. One that waits already stays where it is."""
    require_writable()
    config = folder.config()
    require_steps(Timeline(config).last.training.steps)
    require_trusted(folder)
    with _one_at_a_time(folder.path.parent):
        state = folder.state()
        if state.live:  # another tab was quicker
            raise BusyError(at_work(folder.id, state))
        if folder.id in [one.id for one in queued_runs(folder.path.parent)]:
            return folder.id
        return _begin(lambda: folder, config, folder.path.parent, queue=queue)


def tend_queue(root: Path | None = None, *, seconds: float = 0) -> None:
    """Start the run that has waited longest, if its device is free. Never raises: called by pages, and by a run that ends.

    Args:
        root: folder of all runs.
        seconds: how long to wait while another run is being started.
    """
    root = runs_root() if root is None else root
    if read_only() or not queued_runs(root):
        return
    try:
        with _one_at_a_time(root, seconds=seconds):
            for folder in queued_runs(root):
                if _started(folder, root):
                    return
    except (Timeout, OSError):
        return


def _started(folder: RunFolder, root: Path) -> bool:
    try:
        config = folder.config()
        if active_run(config.machine.device, root) is not None:
            return False
        _start_thread(folder, config)
    except IKDError as fault:
        with suppress(IKDError):  # deleted just now, say: those behind it go on all the same
            folder.write_state(replace(folder.state(), state="failed", stage="done", error=str(fault), ended=time.time()))
        return False
    return True


def queued_runs(root: Path | None = None) -> list[RunFolder]:
    """Return the runs that wait for a device, the next one first; never raises."""
    root = runs_root() if root is None else root
    try:
        names = sorted(os.listdir(root / "_queue"))
    except OSError:
        return []
    found = []
    for name in names:
        with suppress(RunError):  # deleted while it waited
            folder = open_run(name[PLACE_DIGITS + 1 :], root)
            if folder.state().state == "queued":
                found.append(folder)
    return found


def _begin(make: Callable[[], RunFolder], config: RunConfig, root: Path, *, queue: bool) -> str:
    busy = active_run(config.machine.device, root)
    if busy is not None and not queue:
        raise BusyError(f"Run {busy} is still at work: open it, stop it, or wait for its end.")
    if busy is not None and len(queued_runs(root)) >= MOST_QUEUED:
        raise BusyError(f"{MOST_QUEUED} runs are waiting already: wait until one has ended, or take one out of the queue.")
    folder = make()
    if busy is None:
        _start_thread(folder, config)
    else:
        (root / "_queue").mkdir(exist_ok=True)
        (root / "_queue" / f"{time.time_ns():0{PLACE_DIGITS}d}-{folder.id}").touch()  # counts once the state says so
        folder.write_state(replace(folder.state(), state="queued", stage="queued", error=None, ended=None))
    return folder.id


def _start_thread(folder: RunFolder, config: RunConfig) -> None:
    for place in (folder.path.parent / "_queue").glob(f"*-{folder.id}"):
        place.unlink(missing_ok=True)
    with ExitStack() as holding:
        holding.enter_context(hold_run(folder.path))
        clear_spent(folder.path)
        state = beginning(folder, config)
        folder.write_state(state)
        held = holding.pop_all()
    threading.Thread(target=_work, args=(folder, config, state, held), name=THREAD_PREFIX + folder.id, daemon=True).start()


def _one_at_a_time(root: Path, *, seconds: float = -1) -> AbstractContextManager[object]:
    (root / "_locks").mkdir(parents=True, exist_ok=True)
    return FileLock(root / "_locks" / "start.lock").acquire(timeout=seconds)  # two tabs pressing at once


def stop_run(run_id: str, root: Path | None = None) -> None:
    """Ask a run to stop after its present step; what it recorded is kept. A run that waits in the queue leaves it.

    Raises:
        RunError: no such run, or the lab is read-only.
    """
    require_writable()
    folder = open_run(run_id, root)
    with _one_at_a_time(folder.path.parent):
        if folder.state().state == "queued":
            folder.write_state(replace(folder.state(), state="stopped", stage="done", ended=time.time()))
            return
    folder.request_stop()


def active_run(device: str = "auto", root: Path | None = None) -> str | None:
    """Return the id of a run that a new run on this device would disturb, or None.

    Within one process that is any run: they would share torch's random state and threads. A run of another process on
    this machine counts unless both name different devices.
    """
    for thread in threading.enumerate():
        if thread.name.startswith(THREAD_PREFIX) and thread.is_alive():
            return thread.name.removeprefix(THREAD_PREFIX)
    for folder in list_runs(root)[:NEWEST_LOOKED_AT]:
        state = folder.state()
        apart = device != "auto" and state.device and not state.device.startswith(device)
        if state.live and state.host == platform.node() and not apart:
            return folder.id
    return None


def _work(folder: RunFolder, config: RunConfig, state: RunState, held: ExitStack) -> None:
    # A page at work would otherwise keep the interpreter for 5 ms each time the training comes back from a kernel.
    sys.setswitchinterval(SWITCH_SECONDS)
    with held, Heart(folder, state) as heart:  # beats before torch is there, which can take long
        try:
            job = load_job()  # torch, in this thread and not in a page
        except Exception as fault:  # a broken installation: nothing of the job can say it
            folder.append_log(traceback.format_exc())
            sentence = f"The run could not be loaded ({type(fault).__name__}: {fault}): install requirements.txt again."
            with suppress(RunError):
                heart.now(state="failed", stage="done", ended=time.time(), error=sentence)
        else:
            job.carry_out(folder, config, heart=heart, on_busy=_say_nothing)  # its log says whom it waits for
    threading.Thread(target=_next, args=(folder.path.parent, threading.current_thread()), name="ikd-next", daemon=True).start()


def _say_nothing(sentence: str) -> None:
    return


def _next(root: Path, ended: threading.Thread) -> None:
    ended.join(timeout=60)  # it counts as at work to its last moment
    tend_queue(root, seconds=SECONDS_TO_START)


@atexit.register
def _interrupt_at_exit() -> None:
    """Give a run under way a moment to end in good order when the server stops, and mark it in any case."""
    for thread in threading.enumerate():
        if not thread.name.startswith(THREAD_PREFIX):
            continue
        try:
            folder = open_run(thread.name.removeprefix(THREAD_PREFIX))
            folder.ask("interrupt")
            thread.join(timeout=SECONDS_TO_END)
            state = folder.state()
            if state.live:
                folder.write_state(replace(state, state="interrupted", ended=time.time(), error=INTERRUPTED))
        except Exception:  # the folder may be gone; the server ends all the same
            continue
