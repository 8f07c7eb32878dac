"""Runs that came from elsewhere: the files of this machine that their settings name are read only once a person agrees."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ikd.config import RunConfig
from ikd.config.permission import require_writable
from ikd.config.places import local_places
from ikd.errors import RunError
from ikd.trace.folder import RunFolder
from ikd.trace.replacing import replace_text
from ikd.trace.state import cannot_write

IMPORTED_FILE = "imported.json"
"""In the folder of an imported run: the places, by setting, that a person has agreed to. No zip of a run may hold it."""
_MOST_BYTES = 100_000


def mark_imported(path: Path) -> None:
    """Mark a run's folder as imported, with nothing agreed to.

    Raises:
        RunError: the folder cannot be written, or the lab is read-only.
    """
    _write(path, {})


def is_imported(folder: RunFolder) -> bool:
    """Return whether a run came from elsewhere."""
    return os.path.lexists(folder.path / IMPORTED_FILE)


def untrusted_places(folder: RunFolder, config: RunConfig) -> dict[str, str]:
    """Return the files and folders of this machine, by setting, that an imported run names and nobody has agreed to."""
    if not is_imported(folder):
        return {}
    agreed = _agreed(folder.path)
    return {path: place for path, place in local_places(config).items() if agreed.get(path) != place}


def trust_places(folder: RunFolder) -> None:
    """Agree that an imported run reads the files and folders of this machine that its settings name.

    Raises:
        RunError: config.json is damaged, the folder cannot be written, or the lab is read-only.
    """
    require_writable()
    if is_imported(folder):
        _write(folder.path, local_places(folder.config()))


def require_trusted(folder: RunFolder, *, command: str = "resume") -> None:
    """Do nothing where a run may be carried out on, or forked, as far as the files that it names are concerned.

    Raises:
        RunError: it was imported, and nobody has agreed to the files and folders that its settings name; it names them.
    """
    asked = untrusted_places(folder, folder.config())
    if asked:
        named = ", ".join(f"{path} {place[:200]!r}" for path, place in asked.items())
        raise RunError(f"Run {folder.id} was imported, and its settings name files or folders of this machine: {named}. They are read only "
                       f"if you agree: add --trust-files to `python -m ikd {command}`, or tick “Read these files” on the page of the "
                       "run.")  # fmt: skip


def _agreed(path: Path) -> dict[str, object]:
    try:
        with (path / IMPORTED_FILE).open("rb") as file:
            tree = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    agreed = tree.get("agreed") if isinstance(tree, dict) else None
    return agreed if isinstance(agreed, dict) else {}


def _write(path: Path, agreed: dict[str, str]) -> None:
    try:
        replace_text(path / IMPORTED_FILE, json.dumps({"agreed": agreed}, indent=1), encoding="ascii")
    except OSError as fault:
        raise RunError(cannot_write(f"The mark of imported run {path.name}", fault)) from fault
