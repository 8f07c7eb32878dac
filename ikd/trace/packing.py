"""A run as one zip file, to be kept or given away."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from ikd.errors import RunError
from ikd.trace.connection import reading
from ikd.trace.folder import TEST_LEFT_ALONE, RunFolder
from ikd.trace.state import cannot_write

__all__ = ["KNOWN_FILE", "LONE_FILES", "TRACE", "pack_run"]

TRACE = "trace.sqlite"
LONE_FILES = ("config.json", "state.json", "notes.json", "log.txt", TEST_LEFT_ALONE)
_SAFE = r"[A-Za-z0-9][A-Za-z0-9_-]{0,80}(?:\.[A-Za-z0-9_-]{1,40}){0,3}\.(?:json|safetensors|txt|model|md|jinja)"
KNOWN_FILE = re.compile(
    rf"(?:{'|'.join(re.escape(name) for name in (*LONE_FILES, TRACE))}|student/{_SAFE}|checkpoints/[0-9]{{1,12}}/{_SAFE})"
)
"""Every file a zip of a run may hold. Weights lie in safetensors: formats that run code when they are read are not here."""


def pack_run(folder: RunFolder, target: Path, *, student: bool = True, checkpoints: bool = False) -> None:
    """Write a run into one zip file; one that is still at work is caught between two of its steps.

    Args:
        folder: the run; it may be a recorded one.
        target: the zip file, replaced where it is there.
        student: whether the trained student comes along.
        checkpoints: whether the checkpoints come along.

    Raises:
        RunError: the run is not there, its trace is damaged, or the file cannot be written.
    """
    if not folder.path.is_dir():
        raise RunError(f"Run {folder.id} is not there: it may have been deleted.")
    waiting = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with zipfile.ZipFile(waiting, "w", zipfile.ZIP_DEFLATED, compresslevel=4, strict_timestamps=False) as archive:
            for name in _wanted(folder, student=student, checkpoints=checkpoints):
                _add(archive, folder, name)
            _add_trace(archive, folder, target.parent)
        os.replace(waiting, target)
    except OSError as fault:
        raise RunError(cannot_write(f"The zip of run {folder.id}", fault)) from fault
    finally:
        waiting.unlink(missing_ok=True)


def _wanted(folder: RunFolder, *, student: bool, checkpoints: bool) -> Iterator[str]:
    yield from LONE_FILES
    below = (["student"] if student else []) + (["checkpoints"] if checkpoints else [])
    for part in below:
        for place, _, names in os.walk(folder.path / part):
            inner = Path(place).relative_to(folder.path).as_posix()
            yield from (f"{inner}/{name}" for name in sorted(names))


def _add(archive: zipfile.ZipFile, folder: RunFolder, name: str) -> None:
    path = folder.path / name
    if not KNOWN_FILE.fullmatch(name) or path.is_symlink() or path.parent.is_symlink() or not path.is_file():
        return
    try:
        with path.open("rb") as source, archive.open(_entry(archive, folder, name), "w", force_zip64=True) as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
    except FileNotFoundError:
        return  # a checkpoint that the run has replaced since it was listed


def _add_trace(archive: zipfile.ZipFile, folder: RunFolder, place: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".trace-", dir=place) as made:
        copy = Path(made) / TRACE
        with reading(folder.trace_path, immutable=folder.recorded) as connection:
            if connection is None:
                return
            with closing(sqlite3.connect(copy, isolation_level=None)) as whole:
                connection.backup(whole)
                # A copy that still asks for a write-ahead log could not be read from a read-only folder.
                whole.execute("PRAGMA journal_mode=DELETE")
        with copy.open("rb") as source, archive.open(_entry(archive, folder, TRACE), "w", force_zip64=True) as entry:
            shutil.copyfileobj(source, entry, 1 << 20)


def _entry(archive: zipfile.ZipFile, folder: RunFolder, name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(f"{folder.path.name}/{name}")
    info.compress_type = archive.compression
    info.external_attr = 0o600 << 16
    return info
