"""A run folder that came from elsewhere, checked and made into a run of this lab before anybody opens it."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from ikd.errors import RunError
from ikd.trace.folder import RunFolder
from ikd.trace.imported import mark_imported
from ikd.trace.notes import NOTES_FILE, read_notes, write_notes
from ikd.trace.state import RunState

_HEADER = b"SQLite format 3\x00"
_CHECK_SECONDS = 60.0
_ENDED = ("finished", "failed", "stopped")


def make_own(folder: RunFolder) -> None:
    """Check a run folder from elsewhere, mark it as imported, and write its state and notes anew: it is computed by no process.

    Raises:
        RunError: config.json cannot be read, or trace.sqlite is not a sound trace.
    """
    try:
        folder.config()
    except RunError as fault:
        raise RunError(f"The zip is refused. {str(fault).replace(folder.id, 'in the zip')}") from None
    if folder.trace_path.exists():
        _check_trace(folder.trace_path)
    state = folder.state()
    if not state.stage and (folder.path / "state.json").exists():  # as a state is given that cannot be read
        raise RunError("The zip is refused: its state.json is damaged, or has numbers that no run can have. Make the zip again.")
    folder.write_state(_ended(state))
    mark_imported(folder.path)
    if (folder.path / NOTES_FILE).exists():
        write_notes(folder.path, read_notes(folder.path))


def _ended(state: RunState) -> RunState:
    now = replace(state, pid=0, host="")
    if state.state in _ENDED:
        return now
    return replace(now, state="interrupted", error=None, ended=state.ended or state.heartbeat)


def _check_trace(path: Path) -> None:
    with path.open("rb") as file:
        sound = file.read(len(_HEADER)) == _HEADER
    if not sound or not _sound(path):
        raise RunError("The zip is refused: its trace.sqlite is damaged, or not the trace of a run. Make the zip again.")


def _sound(path: Path) -> bool:
    until = time.monotonic() + _CHECK_SECONDS
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            connection.execute("PRAGMA trusted_schema=OFF")
            connection.set_progress_handler(lambda: int(time.monotonic() > until), 100_000)
            # A view or a trigger would be a program of a stranger's in the place of a table.
            kinds = connection.execute("SELECT type, sql FROM sqlite_master").fetchall()
            if any(kind not in ("table", "index") or "virtual" in (sql or "").lower() for kind, sql in kinds):
                return False
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.Error:
        return False
