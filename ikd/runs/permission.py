"""What this lab lets its visitors do: look only, or start and change runs, and how many."""

from __future__ import annotations

import os
from pathlib import Path

from ikd.config.permission import read_only, require_writable
from ikd.errors import RunError
from ikd.trace.store import list_runs, runs_root

__all__ = ["MOST_QUEUED", "MOST_RUNS", "MOST_STEPS", "most_runs", "read_only", "require_room", "require_steps", "require_writable"]

MOST_RUNS = 500
"""Runs that are kept, where IKD_MOST_RUNS says nothing else."""
MOST_QUEUED = 20
MOST_STEPS = 1_000_000


def most_runs() -> int:
    """Return how many runs are kept: IKD_MOST_RUNS, a whole number above 0, else `MOST_RUNS`."""
    return _number("IKD_MOST_RUNS", MOST_RUNS)


def require_steps(steps: int) -> None:
    """Do nothing where a run may have so many steps: up to IKD_MOST_STEPS, where a lab for many people sets it.

    Raises:
        RunError: it may not.
    """
    most = _number("IKD_MOST_STEPS", MOST_STEPS)
    if steps > most:
        raise RunError(f"A run of {steps} steps is more than this lab takes: give training.steps from 1 to {most}.")


def require_room(root: Path | None = None) -> None:
    """Do nothing where one more run may be made.

    Raises:
        RunError: as many runs as are kept are there already.
    """
    n_runs, most = len(list_runs(runs_root() if root is None else root)), most_runs()
    if n_runs >= most:
        raise RunError(f"There are {n_runs} runs, and this lab keeps at most {most}: delete some on the page Runs, "
                       "or raise IKD_MOST_RUNS.")  # fmt: skip


def _number(variable: str, otherwise: int) -> int:
    text = os.environ.get(variable, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 and int(text) > 0 else otherwise
