"""Making a trace, and opening one again to go on with it: a trace never has two writers."""

from __future__ import annotations

import sqlite3

from ikd.config.permission import require_writable
from ikd.errors import RunError
from ikd.trace.connection import connect_writer, disk_full
from ikd.trace.folder import RunFolder
from ikd.trace.rows import write_meta
from ikd.trace.schema import SCHEMA_VERSION
from ikd.trace.tables import CREATE_TABLES


def new_trace(folder: RunFolder) -> tuple[sqlite3.Connection, str]:
    """Return the writer's connection of a trace just made, and a sentence on its journal.

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
        write_meta(connection.cursor(), {"schema_version": SCHEMA_VERSION})
        connection.execute("COMMIT")
    except FileExistsError:
        raise RunError(f"Run {folder.id} has a trace already: resume the run, or start a new one.") from None
    except (OSError, sqlite3.Error) as fault:
        raise _not_opened(folder, fault) from fault
    return connection, notice


def old_trace(folder: RunFolder) -> tuple[sqlite3.Connection, str]:
    """Return the writer's connection of a trace that an earlier attempt left; a new one where it left none.

    Raises:
        RunError: it is damaged, or the folder is read-only or full.
    """
    _require_folder(folder)
    try:
        if not folder.trace_path.exists():
            return new_trace(folder)
        connection, notice = connect_writer(folder.trace_path)
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone() is None:
            # Cut off while it was made: nothing is in it.
            connection.close()
            folder.trace_path.unlink()
            return new_trace(folder)
        bring_up_to_date(connection)
    except (OSError, sqlite3.Error) as fault:
        raise _not_opened(folder, fault) from fault
    return connection, notice


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Give a trace of an earlier version the tables that came later; one of a later version is left for `kept_in` to refuse."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    if row is None or int(row[0]) >= SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    for statement in CREATE_TABLES:
        connection.execute(statement.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"))
    write_meta(connection.cursor(), {"schema_version": SCHEMA_VERSION})
    connection.execute("COMMIT")


def _require_folder(folder: RunFolder) -> None:
    require_writable()
    if folder.recorded or not folder.path.is_dir():
        raise RunError(f"Run {folder.id} cannot be recorded: it is not a folder of a new run.")


def _not_opened(folder: RunFolder, fault: Exception) -> RunError:
    why = "the disk is full" if isinstance(fault, sqlite3.Error) and disk_full(fault) else str(fault)
    return RunError(f"The trace of run {folder.id} could not be opened ({why}): free some space or make the folder "
                    "writable, then resume the run.")  # fmt: skip
