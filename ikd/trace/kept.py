"""Which checkpoints a run has: folders named by their step. What is in them is read by `ikd.runs.checkpoints`."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ikd.trace.folder import RunFolder

WEIGHTS, FACTS = "weights.safetensors", "checkpoint.json"
_STEP = re.compile(r"\d{8}")


def checkpoints_of(folder: RunFolder) -> list[int]:
    """Return the steps of a run's checkpoints, in order; never raises. A checkpoint is in place as a whole or not at all."""
    try:
        names = os.listdir(folder.path / "checkpoints")
    except OSError:
        return []
    whole = [name for name in names if _STEP.fullmatch(name) and (folder.path / "checkpoints" / name / FACTS).is_file()]
    return sorted(int(name) for name in whole)


def checkpoint_path(folder: RunFolder, step: int) -> Path:
    """Return the folder of a checkpoint, whether it is there or not."""
    return folder.path / "checkpoints" / f"{step:08d}"


def kept_steps(steps: list[int], *, every: int, newest: int, keep_every: int, most: int) -> list[int]:
    """Return which checkpoints stay: the newest ones, and every k-th, thinned out further where they are too many.

    Args:
        steps: of all checkpoints, in order.
        every: steps between two of them.
        newest: how many of the newest stay.
        keep_every: every so many-th stays for forks; 0: none.
        most: how many stay in all, at least `newest`.
    """
    last = steps[-newest:]
    stride = every * keep_every
    older = [step for step in steps if stride and step % stride == 0 and step not in last]
    while len(older) + len(last) > max(most, newest):
        stride *= 2
        older = [step for step in older if step % stride == 0]
        if stride > steps[-1]:
            older = []
    return [*older, *last]
