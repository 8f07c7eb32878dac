"""A stranger's zip of a run, taken in as a new run: only what a run is known to have, and only so much of it."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from ikd.config.permission import require_writable
from ikd.errors import RunError
from ikd.trace.folder import RunFolder
from ikd.trace.packing import KNOWN_FILE, LONE_FILES
from ikd.trace.state import cannot_write
from ikd.trace.store import RUN_ID
from ikd.trace.strangers import make_own

MOST_ENTRIES = 2000
MOST_BYTES = 2 * 2**30
"""Bytes that are unpacked, counted while reading."""
MOST_RATIO = 200
FREE_OF_RATIO_BYTES = 20 * 2**20
"""So much may come out of however small a zip."""
MOST_BYTES_OF_A_TEXT = 4 * 2**20
_MOST_DIRECTORY_BYTES = 2**20
_NO_ZIP = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError, KeyError)
_MADE_HERE = "The lab takes the zips that it makes itself (“Download the run” on the page Runs)."


def unpack_run(source: Path | BinaryIO, root: Path, *, room: int | None = None) -> RunFolder:
    """Take in the zip of a run as a new run, under its own id where that is free; a refused one leaves nothing behind.

    Args:
        source: the zip.
        root: folder of all runs.
        room: bytes that it may unpack to at most, where a lab bounds that further.

    Raises:
        RunError: not a zip of a run, a zip with anything else in it, one that is too large, a disk that is full, or a lab that is
            read-only.
    """
    require_writable()
    hidden = root / f".import-{secrets.token_hex(8)}"
    try:
        size = _size_of(source)
        with zipfile.ZipFile(source) as archive:
            name, wanted = _plan(archive.infolist())
            hidden.mkdir(parents=True)
            _unpack(archive, wanted, hidden, most=_most_bytes(size), room=room)
        make_own(RunFolder(hidden))
        return RunFolder(_moved(hidden, root, name))
    except _NO_ZIP as fault:
        raise RunError(f"The file is not a zip that can be read ({type(fault).__name__}). {_MADE_HERE}") from fault
    except OSError as fault:
        raise RunError(cannot_write("The imported run", fault)) from fault
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _most_bytes(size: int) -> int:
    return min(MOST_BYTES, max(FREE_OF_RATIO_BYTES, MOST_RATIO * size))


def _size_of(source: Path | BinaryIO) -> int:
    """Return the bytes of a zip, once its end says that its list of files is short: Python reads that list whole."""
    if isinstance(source, Path):
        if not source.is_file():
            raise RunError(f"There is no file {source.name!r} to import: give the path of the zip of a run.")
        with source.open("rb") as file:
            return _size_of(file)
    size = source.seek(0, os.SEEK_END)
    source.seek(max(0, size - 42))
    last = source.read(42)
    end = last[-22:]
    if len(end) < 22 or not end.startswith(b"PK\x05\x06") or last[:-22].startswith(b"PK\x06\x07"):
        raise RunError(f"The file is not a zip of a run, or it is cut off. {_MADE_HERE}")
    n_entries, directory = int.from_bytes(end[10:12], "little"), int.from_bytes(end[12:16], "little")
    if n_entries > MOST_ENTRIES or directory > _MOST_DIRECTORY_BYTES:
        raise RunError(f"The zip lists {n_entries} files, at most {MOST_ENTRIES} are taken. {_MADE_HERE}")
    source.seek(0)
    return size


def _plan(entries: list[zipfile.ZipInfo]) -> tuple[str, dict[str, zipfile.ZipInfo]]:
    """Return the one top folder, and the entry of every file by its path below that."""
    if len(entries) > MOST_ENTRIES:
        raise RunError(f"The zip lists {len(entries)} files, at most {MOST_ENTRIES} are taken. {_MADE_HERE}")
    tops: set[str] = set()
    wanted: dict[str, zipfile.ZipInfo] = {}
    seen: set[str] = set()
    for entry in entries:
        parts = _parts(entry)
        tops.add(parts[0])
        if entry.orig_filename.endswith("/"):
            if not re.fullmatch(r"(?:student|checkpoints|checkpoints/[0-9]{1,12})?", "/".join(parts[1:])):
                raise _refused(entry, "is a folder that no run has")
            continue
        inner = "/".join(parts[1:])
        if not KNOWN_FILE.fullmatch(inner):
            raise _refused(entry, "is not among the files of a run")
        if inner.casefold() in seen:
            raise _refused(entry, "stands there twice")
        seen.add(inner.casefold())
        wanted[inner] = entry
    if len(tops) != 1 or "config.json" not in wanted:
        raise RunError(f"The zip must hold one folder with a config.json in it. {_MADE_HERE}")
    return tops.pop(), wanted


def _parts(entry: zipfile.ZipInfo) -> list[str]:
    name = entry.orig_filename
    parts = name.removesuffix("/").split("/")
    if any(one in name for one in "\\:\0") or any(one in ("", ".", "..") for one in parts):
        raise _refused(entry, "has a path that could lead out of the run's folder")
    if entry.flag_bits & 0x41:
        raise _refused(entry, "is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _refused(entry, "is packed in a way that is not read here")
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _refused(entry, "is a link or a device, not a plain file")
    return parts


def _refused(entry: zipfile.ZipInfo, why: str) -> RunError:
    return RunError(f"The zip is refused: {entry.orig_filename[:120]!r} {why}. Nothing of it was taken. {_MADE_HERE}")


def _unpack(archive: zipfile.ZipFile, wanted: dict[str, zipfile.ZipInfo], place: Path, *, most: int, room: int | None) -> None:
    left = most if room is None else min(most, room)
    why = "too much for a zip of this size" if left == most else "more than this lab has room for (IKD_MOST_IMPORTED_MB)"
    for inner, entry in wanted.items():
        path = place / inner
        path.parent.mkdir(parents=True, exist_ok=True)
        limit = min(left, MOST_BYTES_OF_A_TEXT) if inner in LONE_FILES else left
        with archive.open(entry) as packed, path.open("xb") as file:
            written = 0
            # What a header says of a size is not believed.
            while block := packed.read(1 << 18):
                written += len(block)
                if written > limit:
                    raise _refused(entry, f"unpacks to more than {limit / 2**20:.3g} MB, which is {why}")
                file.write(block)
        left -= written


def _moved(hidden: Path, root: Path, name: str) -> Path:
    base = name if RUN_ID.fullmatch(name) else "imported"
    for number in range(1, 10_000):
        end = f"-{number}" if number > 1 else ""
        path = root / f"{base[: 80 - len(end)]}{end}"
        if os.path.lexists(path):
            continue
        try:
            os.rename(hidden, path)
        except OSError:
            if not os.path.lexists(path):
                raise
            continue  # another import was quicker
        return path
    raise RunError(f"Run {base} was imported thousands of times already: delete some, then import it again.")
