"""SQLite connections: the one that writes a trace, and the short ones that read it."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from ikd.config.permission import require_writable
from ikd.errors import RunError

NETWORK_FILE_SYSTEMS = frozenset((
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.ceph", "fuse.glusterfs", "fuse.sshfs", "glusterfs", "gpfs", "lustre",
    "ncpfs", "nfs", "nfs4", "smb3", "smbfs",
))
BUSY_SECONDS = 3.0
_ONE_FILE_SECONDS = 5.0


def connect_writer(path: Path) -> tuple[sqlite3.Connection, str]:
    """Return the read-write connection of a new trace, and a sentence on its journal ("" for the usual one)."""
    require_writable()
    # A run may be built in one thread and computed in another, but never written by two at once.
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS * 5, check_same_thread=False)
    kind = file_system_of(path)
    # Readers on other hosts do not share memory with the writer, and the write-ahead log needs that.
    wanted = "DELETE" if kind in NETWORK_FILE_SYSTEMS else "WAL"
    granted = str(connection.execute(f"PRAGMA journal_mode={wanted}").fetchone()[0]).lower()
    connection.execute("PRAGMA synchronous=NORMAL")
    if granted == "wal":
        return connection, ""
    connection.execute("PRAGMA journal_mode=DELETE")
    reason = f"the network file system {kind}" if kind in NETWORK_FILE_SYSTEMS else "this file system"
    return connection, (f"The trace uses SQLite's rollback journal because {reason} does not carry a write-ahead log: "
                        "recording is slower, and a page may wait for a step to be written.")


def settle(connection: sqlite3.Connection) -> None:
    """Close the writer's connection and leave the trace as one file that can be read from a read-only folder."""
    # The file is let go by a moment in which nobody reads, and SQLite's own waiting, a tenth of a second at a time, misses it.
    with closing(connection), suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA busy_timeout=0")
        # What the log holds goes into the trace at once, so that even a log that has to stay has nothing more to say.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        until = time.monotonic() + _ONE_FILE_SECONDS
        while not _one_file(connection) and time.monotonic() < until:
            time.sleep(random.uniform(0.0005, 0.004))


def _one_file(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as fault:
        if is_busy(fault):
            return False
        raise  # a full disk, say: the log simply stays, and it is readable
    return True


@contextmanager
def reading(path: Path, *, immutable: bool = False) -> Iterator[sqlite3.Connection | None]:
    """Give a read-only connection inside one read transaction, or None where there is no trace yet.

    Args:
        path: the trace.
        immutable: nobody writes it, ever: read it without locks, even from a read-only folder.

    Raises:
        RunError: the trace is damaged or stays locked.
    """
    if not os.path.exists(path):
        yield None
        return
    try:
        with closing(_open_reader(path, immutable=immutable)) as connection:
            yield connection
    except sqlite3.DatabaseError as fault:
        raise RunError(_unreadable(path, fault)) from fault


def disk_full(fault: sqlite3.Error) -> bool:
    """Return whether a write failed because the disk, or the file's quota, is full."""
    return _code(fault) == sqlite3.SQLITE_FULL


def is_busy(fault: BaseException) -> bool:
    """Return whether a trace could not be read or written because another connection holds it."""
    return isinstance(fault, sqlite3.Error) and _code(fault) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def not_written(what: str, fault: sqlite3.Error, *, last_step: int) -> str:
    """Return a sentence on something that could not be written to a trace whose newest step is known."""
    kept = f"everything up to step {last_step} is kept" if last_step >= 0 else "no step was recorded"
    if disk_full(fault):
        return f"The disk is full: {what} could not be recorded, {kept}. Free some space or delete old runs, then resume the run."
    return (f"The trace could not be written ({fault}): {what} is missing, {kept}. Check the disk of the run's folder, then resume the "
            "run.")  # fmt: skip


def undo(connection: sqlite3.Connection) -> None:
    """Roll back what a transaction has begun; where SQLite has done so by itself, do nothing."""
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error:
        # After some faults SQLite has rolled back by itself; the fault at hand is the one to report.
        return


def file_system_of(path: Path) -> str:
    """Return the type of the file system below a path, as Linux names it; "" where that cannot be known."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError):
        return ""
    place = os.path.realpath(path)
    kinds = {_unescaped(words[1]): words[2] for words in mounts if len(words) > 2}
    below = [point for point in kinds if place == point or place.startswith(point.rstrip("/") + "/")]
    return kinds[max(below, key=len)] if below else ""


def _code(fault: sqlite3.Error) -> int:
    # The low byte is the kind of fault, the rest its detail; faults of the Python module itself have none.
    return int(getattr(fault, "sqlite_errorcode", 0)) & 0xFF


def _unescaped(mount_point: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        mount_point = mount_point.replace(code, character)
    return mount_point


def _open_reader(path: Path, *, immutable: bool) -> sqlite3.Connection:
    address = path.absolute().as_uri()
    if not immutable:
        connection = sqlite3.connect(f"{address}?mode=ro", uri=True, isolation_level=None, timeout=BUSY_SECONDS)
        try:
            return _begun(connection)
        except sqlite3.OperationalError as fault:
            connection.close()
            # A folder that cannot be written has no room for the shared memory of a log: then nobody writes it either.
            if _code(fault) not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
    return _begun(sqlite3.connect(f"{address}?mode=ro&immutable=1", uri=True, isolation_level=None))


def _begun(connection: sqlite3.Connection) -> sqlite3.Connection:
    # One transaction: whatever is asked through this connection belongs to the same commit.
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return connection


def _unreadable(path: Path, fault: sqlite3.DatabaseError) -> str:
    name = path.parent.name
    if is_busy(fault):
        return f"The trace of run {name} is being written and could not be read for {BUSY_SECONDS:.0f} seconds: try again."
    return (f"The trace of run {name} is damaged ({fault}): what it recorded cannot be read. "
            "Restore trace.sqlite from a copy, or delete the run and start it again.")
