"""Making a trace, and opening one again to go on with it: a trace never has two writers."""

from __future__ import annotations

import sqlite3
from contextlib import suppress

from ikd.config.permission import require_writable
from ikd.errors import RunError
from ikd.trace.connection import connect_writer, disk_full, reading, undo
from ikd.trace.decoding import has_column
from ikd.trace.folder import RunFolder
from ikd.trace.rows import write_meta
from ikd.trace.schema import SCHEMA_VERSION
from ikd.trace.soundness import require_sound
from ikd.trace.sums import seal
from ikd.trace.tables import ADD_COLUMNS, CREATE_TABLES
from ikd.trace.written_config import CONFIG, recorded_config_text, settle_config

UNSUMMED = ("This run was recorded before traces had checksums and a copy of config.json: what stands there now is taken as it is, and "
            "is checked from here on.")  # fmt: skip


def new_trace(folder: RunFolder) -> tuple[sqlite3.Connection, list[str]]:
    """Return the writer's connection of a trace just made, and notices on its journal.

    Raises:
        RunError: there is a trace already, or the folder is read-only or full.
    """
    _require_folder(folder)
    try:
        # Made here and nowhere else, so that a trace never has two writers.
        folder.trace_path.touch(exist_ok=False)
        connection, notice = connect_writer(folder.trace_path)
        connection.execute("BEGIN IMMEDIATE")
        for statement in CREATE_TABLES:
            connection.execute(statement)
        cursor = connection.cursor()
        write_meta(cursor, {"schema_version": SCHEMA_VERSION, **config_fact(folder)})
        seal(cursor)
        connection.execute("COMMIT")
    except FileExistsError:
        raise RunError(f"Run {folder.id} has a trace already: resume the run, or start a new one.") from None
    except (OSError, sqlite3.Error) as fault:
        raise _not_opened(folder, fault) from fault
    return connection, [notice] if notice else []


def old_trace(folder: RunFolder) -> tuple[sqlite3.Connection, list[str]]:
    """Return the writer's connection of a trace that an earlier attempt left, and notices; a new one where it left none.

    Raises:
        RunError: it is damaged, config.json is not the one it was recorded with, or the folder is read-only or full.
    """
    _require_folder(folder)
    try:
        if _is_empty(folder):
            folder.trace_path.unlink(missing_ok=True)
            return new_trace(folder)
        require_sound_run(folder)
        notices = [settle_config(folder.path, recorded_config_text(folder.trace_path))]
        connection, notice = connect_writer(folder.trace_path)
        notices += [notice, UNSUMMED if bring_up_to_date(connection, folder) else ""]
    except (OSError, sqlite3.Error) as fault:
        raise _not_opened(folder, fault) from fault
    return connection, [one for one in notices if one]


def require_sound_run(folder: RunFolder) -> None:
    """Do nothing where the trace of a run is what was written to it.

    Raises:
        RunError: it is damaged.
    """
    with reading(folder.trace_path, immutable=folder.recorded) as trace:
        if trace is not None:
            require_sound(trace, folder.trace_path, folder.id)


def bring_up_to_date(connection: sqlite3.Connection, folder: RunFolder) -> bool:
    """Give a trace of an earlier version what came later, and return whether it was of one."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    if row is None or int(row[0]) >= SCHEMA_VERSION:
        return False
    try:
        connection.execute("BEGIN IMMEDIATE")
        for statement in CREATE_TABLES:
            connection.execute(statement.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"))
        for place, statement in ADD_COLUMNS.items():
            if not has_column(connection, *place):
                connection.execute(statement)
        cursor = connection.cursor()
        write_meta(cursor, {"schema_version": SCHEMA_VERSION, **config_fact(folder)})
        seal(cursor)
        connection.execute("COMMIT")
    except BaseException:
        undo(connection)
        raise
    return True


def config_fact(folder: RunFolder) -> dict[str, str]:
    """Return the text of config.json as a fact for the trace, where it can be read."""
    with suppress(OSError, UnicodeDecodeError):
        return {"config": (folder.path / CONFIG).read_text(encoding="utf-8")}
    return {}


def _is_empty(folder: RunFolder) -> bool:
    """Return whether there is no trace, or one that was cut off while it was made: nothing is in it."""
    with reading(folder.trace_path) as trace:
        if trace is None:
            return True
        # A damaged trace can seem to have no tables: one with more than a first page is never taken for an empty one.
        tables, pages = (trace.execute(ask).fetchone()[0] for ask in ("SELECT count(*) FROM sqlite_master", "PRAGMA page_count"))
    return int(tables) == 0 and int(pages) <= 1


def _require_folder(folder: RunFolder) -> None:
    require_writable()
    if folder.recorded or not folder.path.is_dir():
        raise RunError(f"Run {folder.id} cannot be recorded: it is not a folder of a new run.")


def _not_opened(folder: RunFolder, fault: Exception) -> RunError:
    if isinstance(fault, sqlite3.Error) and disk_full(fault):
        return RunError(f"The trace of run {folder.id} could not be opened because the disk is full: free some space, then resume the run.")
    return RunError(f"The trace of run {folder.id} could not be opened ({fault}): make its folder writable, then resume the run.")
