"""Checksums of everything a trace holds: a flipped bit in a text, a number or a blob is found before anything is built on it.

Each row belongs to one place: a step, a bin of steps, or a part that belongs to no step. The checksum of a place is the sum of its
rows' hashes, so rows may come and go in any order. The writer keeps the sums by temporary triggers: no writing code can forget them.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from ikd.trace.schema import LATER, SCHEMA_VERSION, TABLES

STEP, BIN = "step", "bin"
SUMS = "sums"
Place = tuple[str, int]
"""The part and, of steps and bins, the number; else 0."""

_SUMMED = {table: list(columns) for table, columns in TABLES.items() if table != SUMS}
_BY_STEP = {table: columns.index("step") for table, columns in _SUMMED.items() if "step" in columns}
_WHOLE = ("meta", "interventions", "teacher_training")
_TABLES_AND_INDEXES = "SELECT type, name, tbl_name, sql FROM main.sqlite_master"
_RAISED = "user-defined function raised exception"
_BYTES = 16
_MOST = 1 << (8 * _BYTES)


class RunningSums:
    """Keeps the sums of what one connection writes, from transaction to transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Watch every table of a trace through this connection."""
        self._waiting: defaultdict[Place, int] = defaultdict(int)
        self._fault: Exception | None = None
        connection.create_function("ikd_row", -1, self._note)
        # A row that is replaced is deleted first: only so does its trigger hear of it.
        connection.execute("PRAGMA recursive_triggers=ON")
        for table, columns in _SUMMED.items():
            for when, row, sign in (("INSERT", "NEW", 1), ("DELETE", "OLD", -1)):
                values = ", ".join(f"{row}.{column}" for column in columns)
                connection.execute(f"CREATE TEMP TRIGGER ikd_{when}_{table} AFTER {when} ON main.{table} "
                                   f"BEGIN SELECT ikd_row({sign}, '{table}', {values}); END")  # fmt: skip

    def write(self, cursor: sqlite3.Cursor) -> None:
        """Write the sums of what the open transaction has changed."""
        for place, change in self._waiting.items():
            known = cursor.execute("SELECT digest FROM sums WHERE part = ? AND number = ?", place).fetchone()
            _write(cursor, place, (change + (int.from_bytes(known[0], "little") if known else 0)) % _MOST)
        self._waiting.clear()

    def forget(self) -> None:
        """Forget what a transaction has changed that was rolled back."""
        self._waiting.clear()
        self._fault = None

    def cause_of(self, fault: BaseException) -> BaseException:
        """Return what has broken a transaction off: of an exception in a trigger SQLite says that there was one, and not which.

        An exception that is none of the trigger's own is an interrupt, as by Ctrl-C, that came while the trigger was at work.
        """
        if isinstance(fault, sqlite3.OperationalError) and str(fault) == _RAISED:
            return self._fault or KeyboardInterrupt()
        return fault

    def _note(self, sign: int, table: str, *row: Any) -> None:
        try:
            self._waiting[_place_of(table, row)] += sign * _hash_of(table, row)
        except Exception as fault:
            self._fault = fault
            raise


def seal(cursor: sqlite3.Cursor) -> None:
    """Write the sums of all that a trace holds, inside the transaction of the cursor."""
    cursor.execute("DELETE FROM sums")
    for place, digest in _sums_of(cursor.connection).items():
        _write(cursor, place, digest)


def damaged_places(connection: sqlite3.Connection) -> set[Place]:
    """Return the places whose rows are not those that were written.

    Raises:
        sqlite3.Error: a table or a column is missing.
    """
    found = _sums_of(connection)
    kept = {(part, number): int.from_bytes(digest, "little") if isinstance(digest, bytes) else -1
            for part, number, digest in connection.execute("SELECT part, number, digest FROM sums")}  # fmt: skip
    return {place for place in found.keys() | kept.keys() if found.get(place, 0) != kept.get(place, 0)}


def columns_of(version: int) -> dict[str, list[str]]:
    """Return the columns whose rows the checksums of a trace of some version are of, by table."""
    later = {(table, name) for since, tables in LATER.items() if since > version for table, names in tables.items() for name in names}
    found = {table: [name for name in columns if (table, name) not in later] for table, columns in _SUMMED.items()}
    return {table: columns for table, columns in found.items() if columns}


def _sums_of(connection: sqlite3.Connection) -> dict[Place, int]:
    sums: defaultdict[Place, int] = defaultdict(int)
    for table, row in _rows_of(connection):
        sums[_place_of(table, row)] += _hash_of(table, row)
    return {place: digest % _MOST for place, digest in sums.items()}


def _rows_of(connection: sqlite3.Connection) -> Iterator[tuple[str, Sequence[Any]]]:
    row = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    for table, columns in columns_of(int(row[0]) if row else SCHEMA_VERSION).items():
        for row in connection.execute(f"SELECT {', '.join(columns)} FROM {table}"):
            yield table, row
    for row in connection.execute(_TABLES_AND_INDEXES):
        yield "schema", row


def _place_of(table: str, row: Sequence[Any]) -> Place:
    if table in ("examples", "final"):
        return f"{table} {row[0]}", 0
    if table == "digest":
        return BIN, row[0]
    if table in _BY_STEP and table not in _WHOLE:
        return STEP, row[_BY_STEP[table]]
    return table, 0


def _hash_of(table: str, row: Sequence[Any]) -> int:
    digest = hashlib.blake2b(table.encode(), digest_size=_BYTES)
    for value in row:
        # A blob goes in without a copy; kind and length before each value keep neighbours apart.
        content = value if isinstance(value, bytes) else repr(value).encode("utf-8", "surrogatepass")
        digest.update(b"%s %d " % (type(value).__name__.encode(), len(content)))
        digest.update(content)
    return int.from_bytes(digest.digest(), "little")


def _write(cursor: sqlite3.Cursor, place: Place, digest: int) -> None:
    if digest:
        cursor.execute("INSERT OR REPLACE INTO sums VALUES (?, ?, ?)", (*place, digest.to_bytes(_BYTES, "little")))
    else:  # no row is left there
        cursor.execute("DELETE FROM sums WHERE part = ? AND number = ?", place)
