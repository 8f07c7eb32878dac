"""Where a run stands, told from its trace and its files: for a state.json that is missing or damaged."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

from ikd.errors import RunError
from ikd.trace.connection import reading
from ikd.trace.state import RunState

STUDENT_FILES = ("config.json", "model.safetensors")


def rebuilt_state(folder: Path, unreadable: RunState) -> RunState:
    """Return the state of a run as its trace tells it; the unreadable one where the trace tells nothing."""
    path = folder / "trace.sqlite"
    try:
        with reading(path) as trace:
            if trace is None:
                return unreadable
            facts = _facts(trace, "n_steps", "scores")
            last = trace.execute("SELECT max(step) FROM steps").fetchone()[0]
            steps = 0 if last is None else int(last) + 1
            ended = path.stat().st_mtime
    except (RunError, OSError, sqlite3.Error, ValueError, TypeError):
        return unreadable
    total = facts.get("n_steps")
    total = total if isinstance(total, int) and total > 0 else steps
    known = replace(unreadable, stage="done", step=min(steps, total), total=total, ended=ended, heartbeat=ended, started=ended)
    scores = _numbers(facts.get("scores"))
    if scores and all((folder / "student" / name).is_file() for name in STUDENT_FILES):
        return replace(known, state="finished", scores=scores, error=None)
    return replace(known, state="interrupted", error="state.json was missing or damaged: where the run stands is told from its trace. "
                   "What it recorded is kept: resume it to go on.")  # fmt: skip


def has_scores(folder: Path) -> bool | None:
    """Return whether a run has recorded its final scores, None where its trace cannot be read."""
    try:
        with reading(folder / "trace.sqlite") as trace:
            return trace is not None and bool(_numbers(_facts(trace, "scores").get("scores")))
    except (RunError, OSError, sqlite3.Error, ValueError, TypeError):
        return None


def _facts(trace: sqlite3.Connection, *names: str) -> dict[str, Any]:
    rows = trace.execute(f"SELECT key, value FROM meta WHERE key IN ({', '.join('?' * len(names))})", names)
    return {key: json.loads(value) for key, value in rows}


def _numbers(scores: object) -> dict[str, float]:
    if not isinstance(scores, dict):
        return {}
    return {str(name): float(one) for name, one in scores.items() if isinstance(one, int | float)}
