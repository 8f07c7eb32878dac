"""What a run is asked to do while it goes on: small files in its folder, written by any process, read between two steps.

A command is carried out once, in the order in which commands were given, and its file goes when it was carried out.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ikd.config.permission import read_only, require_writable
from ikd.errors import RunError, unknown_name
from ikd.trace.state import cannot_write

KINDS = ("pause", "resume", "step", "stop", "interrupt", "change")
MOST_WAITING = 200
Value = bool | int | float | str | None
_NAME = re.compile(r"\d{20}-[0-9a-f]{8}\.json")


@dataclass(frozen=True, kw_only=True)
class Command:
    """One thing a run is asked to do.

    Attributes:
        id: unique, sorted by the time it was given.
        kind: one of `KINDS`; "interrupt" is a stop that nobody asked for, as when the server ends.
        at: step that a stop waits for, None for at once.
        path, value: the setting that a change is about.
    """

    id: str
    kind: str
    at: int | None = None
    path: str = ""
    value: Value = None


def post(folder: Path, kind: str, *, at: int | None = None, path: str = "", value: Value = None) -> str:
    """Ask the run of a folder to do something, and return the command's id.

    Raises:
        RunError: a command of no known kind, too many waiting, a folder that cannot be written, or a lab that is read-only.
    """
    require_writable()
    if kind not in KINDS:
        raise RunError(unknown_name("command", kind, KINDS))
    if not folder.is_dir():
        raise RunError(f"Run {folder.name} is not there any more: nothing can be asked of it.")
    place = folder / "commands"
    name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
    hidden = place / f".{name}"
    try:
        place.mkdir(exist_ok=True)
        if len(os.listdir(place)) >= MOST_WAITING:
            raise RunError(f"Run {folder.name} has {MOST_WAITING} commands waiting and takes no more: wait until it answers, or resume it.")
        hidden.write_text(json.dumps({"kind": kind, "at": at, "path": path, "value": value}), encoding="utf-8")
        os.replace(hidden, place / f"{name}.json")
    except OSError as fault:
        with suppress(OSError):  # on a disk that turned read-only this fails too
            hidden.unlink()
        raise RunError(cannot_write(f"The request to run {folder.name}", fault)) from fault
    return name


def waiting(folder: Path) -> list[Command]:
    """Return the commands not yet carried out, oldest first; one that cannot be read is dropped. Cheap where there are none."""
    try:
        names = sorted(name for name in os.listdir(folder / "commands") if _NAME.fullmatch(name))
    except OSError:
        return []
    found = []
    for name in names:
        try:
            found.append(_command(name, (folder / "commands" / name).read_text(encoding="utf-8")))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            if not read_only():
                done(folder, name.removesuffix(".json"))
    return found


def done(folder: Path, command: str) -> None:
    """Take a command away; one that is not there is no fault. Raises RunError in a lab that is read-only."""
    require_writable()
    with suppress(OSError):
        (folder / "commands" / f"{command}.json").unlink()


def clear(folder: Path) -> None:
    """Take all commands away, as at the end of an attempt of the run."""
    for one in waiting(folder):
        done(folder, one.id)


def clear_spent(folder: Path) -> None:
    """Take away what was asked of an attempt that broke off and means nothing to the next: all but changes and stops at a step."""
    for one in waiting(folder):
        if one.kind != "change" and one.at is None:
            done(folder, one.id)


def _command(name: str, text: str) -> Command:
    tree = json.loads(text)
    kind, at, path, value = tree.get("kind", ""), tree.get("at"), tree.get("path", ""), tree.get("value")
    right_at = at is None or (isinstance(at, int) and not isinstance(at, bool) and at >= 0)
    if kind not in KINDS or not right_at or not isinstance(path, str) or not isinstance(value, bool | int | float | str | None):
        raise ValueError("no command")
    return Command(id=name.removesuffix(".json"), kind=kind, at=at, path=path, value=value)
