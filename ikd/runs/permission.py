"""What this lab lets its visitors do: look only, or start and change runs, and how many."""

from __future__ import annotations

import os
from pathlib import Path

from ikd.errors import RunError
from ikd.trace.store import list_runs, runs_root

MOST_RUNS = 500
"""Runs that are kept, where IKD_MOST_RUNS says nothing else."""
MOST_QUEUED = 20
MOST_STEPS = 1_000_000


def read_only() -> bool:
    """Return whether nothing may be started or changed here: IKD_READ_ONLY is 1, true or yes."""
    return os.environ.get("IKD_READ_ONLY", "").strip().lower() in ("1", "true", "yes")


def require_writable() -> None:
    """Do nothing where runs may be started and changed.

    Raises:
        RunError: the lab is read-only.
    """
    if read_only():
        raise RunError("This lab is read-only: runs can be looked at, and none can be started, changed or deleted. "
                       "To do more, run a lab of your own without IKD_READ_ONLY.")  # fmt: skip


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
