"""Taking in the zip of a run, as far as this lab has room for it."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from ikd.config.limits import MB, limits
from ikd.errors import RunError
from ikd.runs.permission import require_room, require_writable
from ikd.trace.folder import RunFolder
from ikd.trace.imported import is_imported
from ikd.trace.removal import disk_bytes
from ikd.trace.store import list_runs, runs_root
from ikd.trace.unpacking import unpack_run


def import_run(source: Path | BinaryIO, root: Path | None = None) -> RunFolder:
    """Take in the zip of a run as a new run, marked as imported.

    Raises:
        RunError: as `unpack_run`, or the lab keeps as many runs, or as many MB of imported runs, as it may.
    """
    require_writable()
    root = runs_root() if root is None else root
    require_room(root)
    kept, most = sum(disk_bytes(one) for one in list_runs(root) if is_imported(one)), limits().imported_mb
    if kept >= most * MB:
        raise RunError(f"The imported runs have {kept / MB:,.1f} MB, and this lab keeps at most {most:,} MB of them: delete some on the "
                       "page Runs, or raise IKD_MOST_IMPORTED_MB.")  # fmt: skip
    return unpack_run(source, root, room=most * MB - kept)
