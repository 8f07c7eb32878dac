"""Files that visitors upload for the task `files`: kept under a plain form of their name and the hash of their content."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from ikd.config import RunConfig, given_files
from ikd.config.limits import MB, limits
from ikd.config.names import FILE_KINDS
from ikd.config.permission import require_writable
from ikd.errors import RunError, TaskError
from ikd.trace.store import list_runs, runs_root

# The underscore keeps it out of the list of runs.
FOLDER = "_uploads"


def keep_upload(name: str, content: bytes) -> Path:
    """Write an uploaded file and return its path; the same content under the same name always has the same path.

    Raises:
        TaskError: a file of another kind, one that is too large, no room for one more file, or a full disk.
        RunError: the lab is read-only.
    """
    require_writable()
    file_name = _file_name(name, content)
    most = limits().upload_mb
    if len(content) > most * MB:
        raise TaskError(
            f"The file has {len(content) / MB:,.0f} MB, at most {most:,} can be uploaded: put it beside the lab and give its path, "
            "or raise IKD_MAX_UPLOAD_MB."
        )
    folder = runs_root() / FOLDER
    path, waiting = folder / file_name, folder / f".{file_name}.{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):  # two visitors at once must not pass the bounds together
            if path.is_file() and path.stat().st_size == len(content):
                return path
            _require_room(len(content))
            waiting.write_bytes(content)
            os.replace(waiting, path)
    except OSError as fault:
        raise TaskError(f"The file could not be kept ({fault.strerror}): free some space, or give a path instead.") from None
    finally:
        with suppress(OSError):
            waiting.unlink(missing_ok=True)
    return path


def delete_upload(path: Path) -> None:
    """Delete an uploaded file; one that is gone is no fault.

    Raises:
        RunError: the lab is read-only, or the file is none of those that were uploaded.
        TaskError: it cannot be deleted.
    """
    require_writable()
    if path.parent != runs_root() / FOLDER or path.name.startswith("."):
        raise RunError(f"{path.name[:80]!r} is not an uploaded file: only those can be deleted here.")
    try:
        path.unlink(missing_ok=True)
    except OSError as fault:
        raise TaskError(f"The file {path.name} could not be deleted ({fault.strerror}): make the folder of the runs writable.") from None


def kept_uploads() -> list[tuple[Path, int]]:
    """Return the uploaded files with their bytes, newest first."""
    found = []
    with suppress(OSError):
        for path in (runs_root() / FOLDER).iterdir():
            with suppress(OSError):  # deleted meanwhile
                if path.is_file() and not path.name.startswith("."):
                    found.append((path, path.stat()))
    return [(path, stat.st_size) for path, stat in sorted(found, key=lambda one: -one[1].st_mtime)]


def runs_on(path: Path) -> list[str]:
    """Return the ids of the runs that were started with a file."""
    found = []
    for folder in list_runs():
        with suppress(RunError):
            if str(path) in files_of(folder.config()):
                found.append(folder.id)
    return found


def files_of(config: RunConfig) -> list[str]:
    """Return the files that a run reads its rows from."""
    return [*given_files(config.task).values()] if config.task.name == "files" else []


def _require_room(n_bytes: int) -> None:
    kept, bounds = kept_uploads(), limits()
    if len(kept) >= bounds.uploads:
        raise TaskError(f"There are {len(kept)} uploaded files, and this lab keeps at most {bounds.uploads:,}: delete some on the Data "
                        "page, or raise IKD_MOST_UPLOADS.")  # fmt: skip
    whole = sum(size for _, size in kept)
    if whole + n_bytes > bounds.uploads_mb * MB:
        raise TaskError(f"The uploaded files have {whole / MB:,.1f} MB, and with this one they would have more than the "
                        f"{bounds.uploads_mb:,} MB that this lab keeps: delete some on the Data page, or raise "
                        "IKD_MOST_UPLOADS_MB.")  # fmt: skip


def _file_name(name: str, content: bytes) -> str:
    suffix = Path(name).suffix.lower()
    if suffix not in FILE_KINDS:
        raise TaskError(f"A file ending in {suffix or 'nothing'!r} cannot be read: give one of {', '.join(FILE_KINDS)}.")
    stem = Path(name).stem
    if suffix == ".gz" and Path(stem).suffix.lower() in FILE_KINDS:  # what is packed in it
        stem, suffix = Path(stem).stem, Path(stem).suffix.lower() + suffix
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", stem)[:40].strip("-") or "rows"
    return f"{stem}-{hashlib.sha256(content).hexdigest()[:12]}{suffix}"
