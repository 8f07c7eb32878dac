"""The config that a trace was recorded with: its text lies in the trace, so config.json can be compared with it and written again."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from ikd.config import RunConfig, config_from_json
from ikd.config.permission import require_writable
from ikd.errors import ConfigError, RunError
from ikd.trace.connection import reading
from ikd.trace.replacing import replace_text

CONFIG = "config.json"
DAMAGED = "config.damaged.json"
_NAMED = 3


def recorded_config_text(trace_path: Path, *, immutable: bool = False) -> str | None:
    """Return the text of config.json as the trace keeps it; None where it keeps none or cannot be read."""
    try:
        with reading(trace_path, immutable=immutable) as trace:
            row = None if trace is None else trace.execute("SELECT value FROM meta WHERE key = 'config'").fetchone()
        text = json.loads(row[0]) if row else None
    except (RunError, OSError, sqlite3.Error, ValueError, TypeError):
        return None
    return text if isinstance(text, str) else None


def settle_config(folder: Path, recorded: str | None) -> str:
    """Compare config.json with the config of the record, write it again where it cannot be read, and return a notice or "".

    Raises:
        RunError: it has other settings than those the run was recorded with.
    """
    if recorded is None:
        return ""
    path, was = folder / CONFIG, config_from_json(recorded)
    try:
        now = config_from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ConfigError) as fault:
        return _written_again(path, recorded, missing=isinstance(fault, FileNotFoundError))
    require_same_config(was, now, folder.name)
    return ""


def require_same_config(was: RunConfig, now: RunConfig, run_id: str) -> None:
    """Do nothing where config.json has the settings that a run was recorded with.

    Raises:
        RunError: it has others; it names them.
    """
    changed = changed_settings(was, now)
    if not changed:
        return
    told = "; ".join(changed[:_NAMED]) + (f"; and {len(changed) - _NAMED} more" if len(changed) > _NAMED else "")
    raise RunError(f"The config.json of run {run_id} is not the one it was recorded with: {told}. Nothing of the run was changed. Put "
                   "the recorded values back, or move config.json away and it is written again from the trace. For other settings fork "
                   "the run with --set, or start a new one.")  # fmt: skip


def changed_settings(was: RunConfig, now: RunConfig) -> list[str]:
    """Return a phrase for each setting in which two configs differ."""
    ours, theirs = (_flat(one.model_dump(mode="json")) for one in (was, now))
    names = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    return [f"{name} is {_word(theirs.get(name))} and was {_word(ours.get(name))}" for name in names]


def _flat(tree: dict[str, object], prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in tree.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


def _word(value: object) -> str:
    text = "empty" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _written_again(path: Path, text: str, *, missing: bool) -> str:
    require_writable()
    if not missing:
        with suppress(OSError):  # kept, in case it was a person's edit
            os.replace(path, path.with_name(DAMAGED))
    replace_text(path, text)
    was = "was missing" if missing else f"could not be read, and is kept as {DAMAGED}"
    return f"config.json {was}: it was written again from the trace, as the run was recorded."
