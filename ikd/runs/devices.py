"""Devices: which one a run takes, that only one run at a time takes it, and how many threads it may use."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from ikd.config.permission import require_writable
from ikd.errors import BusyError, ConfigError, RunError
from ikd.trace.state import RunState, read_state

if TYPE_CHECKING:
    import torch

LOOK_SECONDS = 0.1
"""Between two looks at a device that is in use."""


def resolve_device(name: str) -> torch.device:
    """Return the device: `auto` takes a CUDA GPU where there is one, else the CPU.

    Raises:
        ConfigError: this machine has no such device.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    present = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }[device.type]
    if (device.index or 0) >= present:
        has = f"{present} of them" if present else "none"
        raise ConfigError(f"machine.device {name!r} is not here: this machine has {has}. Choose auto or cpu.")
    return device


def use_threads(wanted: int | None) -> int:
    """Set and return torch's CPU threads: one less than the cores by default, so that pages stay quick."""
    import torch

    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        cores = os.cpu_count() or 1
    n_threads = wanted or max(1, cores - 1)
    torch.set_num_threads(n_threads)
    return n_threads


def at_work(run_id: str, state: RunState) -> str:
    """Return the sentence for a run that somebody carries out already."""
    by = f"carried out by {state.carried_out_by()}" if state.live else "being started or ended by another program"
    return f"Run {run_id} is at work already, {by}: open it, stop it, or wait for its end."


def hold_run(folder: Path) -> AbstractContextManager[object]:
    """Become the only one on this machine that carries out the run of a folder, at once, until the context given back is left.

    Raises:
        BusyError: another thread or process carries it out.
        RunError: the folder is gone or cannot be written, or the lab is read-only.
    """
    require_writable()
    if not folder.is_dir():
        raise RunError(f"The folder of run {folder.name} is not there any more: start the run again.")
    try:
        return FileLock(folder / ".lock", thread_local=False).acquire(timeout=0)
    except Timeout:
        raise BusyError(at_work(folder.name, read_state(folder / "state.json"))) from None
    except OSError as fault:
        raise RunError(f"Run {folder.name} cannot be carried out: its folder cannot be written ({fault.strerror}).") from fault


@contextmanager
def device_lock(
    root: Path, device: str, *, run_id: str, share: bool = False, waiting: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold a device of this machine for one run; the lock goes with the process, however it ends.

    Args:
        root: folder of all runs.
        device: name of the device.
        run_id: told to others that want it.
        share: do not hold it.
        waiting: called several times a second, while another run holds the device, with that run's id; it ends the waiting by
            raising. None: do not wait.

    Raises:
        BusyError: another run holds it.
        RunError: the lab is read-only.
    """
    require_writable()
    folder = root / "_locks"
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / (re.sub(r"[^\w.-]", "_", f"{platform.node()}-{device}") + ".lock")
    holder = place.with_suffix(".run")
    guard = nullcontext() if share else _acquired(FileLock(place, thread_local=False), device, holder, waiting)
    with guard:
        if not share:
            holder.write_text(run_id, "utf-8")
        yield


def _acquired(
    lock: FileLock, device: str, holder: Path, waiting: Callable[[str], None] | None
) -> AbstractContextManager[object]:
    while True:
        try:
            return lock.acquire(timeout=0)
        except Timeout:
            other = holder.read_text("utf-8") if holder.exists() else "another run"
            if waiting is None:
                raise BusyError(
                    f"The device {device} is busy with {other}: stop it, wait for its end, or choose another machine.device."
                ) from None
            waiting(other)
            time.sleep(LOOK_SECONDS)
