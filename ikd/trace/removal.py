"""Deleting a run for good, and how much room one takes."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from ikd.config.permission import read_only, require_writable
from ikd.errors import RunError
from ikd.trace.folder import RunFolder

DELETED = ".deleted-"


def delete_run(folder: RunFolder) -> None:
    """Delete a run; what an earlier deletion left behind when it was cut off goes too.

    The folder is hidden first, so that nobody sees half of a run. A link is removed, and what it points to stays.

    Raises:
        RunError: a recorded run, one that is at work or paused, one that is gone, a folder that cannot be written, or a lab that is
            read-only.
    """
    require_writable()
    if folder.recorded:
        raise RunError(f"{folder.id} is a recorded run that comes with the lab and cannot be deleted: hide it by not opening it.")
    state = folder.state()
    if state.live:
        word = "paused" if state.state == "paused" else "still at work"
        raise RunError(f"Run {folder.id} is {word}: stop it and wait for its end, then delete it.")
    root = folder.path.parent
    try:
        hide(folder.path)
    except FileNotFoundError:
        raise RunError(f"Run {folder.id} is not there: it may have been deleted already.") from None
    except OSError as fault:
        reason = fault.strerror or type(fault).__name__
        raise RunError(f"Run {folder.id} could not be deleted ({reason}). Nothing of it was changed: close what has its files "
                       "open, or make the folder of the runs writable.") from fault  # fmt: skip
    sweep(root)


def hide(path: Path) -> None:
    """Rename a folder to one that nobody looks at and `sweep` removes.

    Raises:
        OSError: it is not there, or cannot be renamed.
        RunError: the lab is read-only.
    """
    require_writable()
    os.rename(path, path.with_name(f"{DELETED}{path.name}-{secrets.token_hex(4)}"))


def sweep(root: Path) -> None:
    """Remove what is hidden there; never raises. A link is removed, and what it points to stays."""
    if read_only():
        return
    with suppress(OSError):
        for entry in list(os.scandir(root)):
            if entry.name.startswith(DELETED):
                _remove(Path(entry.path))


def disk_bytes(folder: RunFolder) -> int:
    """Return the bytes of all files of a run; never raises, and follows no link."""
    return _bytes_below(folder.path)


def checkpoint_bytes(folder: RunFolder) -> int:
    """Return the bytes of a run's checkpoints, 0 where it has none; never raises, and follows no link."""
    return _bytes_below(folder.path / "checkpoints")


def _remove(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        with suppress(OSError):
            path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def _bytes_below(path: Path) -> int:
    total = 0
    if path.is_symlink():
        return 0
    for place, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total
