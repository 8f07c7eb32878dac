"""Starting and stopping runs from the pages: one background thread, found again by its name.

The name is the registry: it survives a hot reload, which throws every module of the lab out and leaves the thread be.
"""

from __future__ import annotations

import atexit
import platform
import sys
import threading
import time
import traceback
from pathlib import Path

from filelock import FileLock

from ikd.config import RunConfig
from ikd.errors import BusyError
from ikd.runs.heart import Heart, beginning
from ikd.runs.loading import load_job
from ikd.runs.permission import require_room, require_writable
from ikd.trace.folder import RunFolder
from ikd.trace.store import list_runs, new_run, open_run, runs_root

THREAD_PREFIX = "ikd-run:"
NEWEST_LOOKED_AT = 20
SECONDS_TO_END = 2.0
SWITCH_SECONDS = 0.0005


def start_run(config: RunConfig, root: Path | None = None) -> str:
    """Start a run in a daemon thread and return its id at once.

    Raises:
        BusyError: a run is going on; it names it.
        RunError: the run's folder cannot be made, the lab is read-only, or it keeps as many runs as it may.
    """
    require_writable()
    root = runs_root() if root is None else root
    (root / "_locks").mkdir(parents=True, exist_ok=True)
    with FileLock(root / "_locks" / "start.lock"):  # two tabs pressing at once
        busy = active_run(config.machine.device, root)
        if busy is not None:
            raise BusyError(f"Run {busy} is still at work: open it, stop it, or wait for its end.")
        require_room(root)
        folder = new_run(config, root)
        thread = threading.Thread(target=_work, args=(folder, config), name=THREAD_PREFIX + folder.id, daemon=True)
        thread.start()
    return folder.id


def stop_run(run_id: str, root: Path | None = None) -> None:
    """Ask a run to stop after its present step; what it recorded is kept.

    Raises:
        RunError: no such run, or the lab is read-only.
    """
    require_writable()
    open_run(run_id, root).request_stop()


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


def _work(folder: RunFolder, config: RunConfig) -> None:
    # A page at work would otherwise keep the interpreter for 5 ms each time the training comes back from a kernel.
    sys.setswitchinterval(SWITCH_SECONDS)
    with Heart(folder, beginning(config)) as heart:  # beats before torch is there, which can take long
        try:
            job = load_job()  # torch, in this thread and not in a page
        except Exception as fault:  # a broken installation: nothing of the job can say it
            folder.append_log(traceback.format_exc())
            sentence = f"The run could not be loaded ({type(fault).__name__}: {fault}): install requirements.txt again."
            heart.now(state="failed", stage="done", ended=time.time(), error=sentence)
            return
        job.carry_out(folder, config, heart=heart)


@atexit.register
def _stop_at_exit() -> None:
    """Give a run under way a moment to end in good order when the server stops."""
    for thread in threading.enumerate():
        if thread.name.startswith(THREAD_PREFIX):
            try:
                open_run(thread.name.removeprefix(THREAD_PREFIX)).request_stop()
            except Exception:  # the folder may be gone; the server ends all the same
                continue
            thread.join(timeout=SECONDS_TO_END)
