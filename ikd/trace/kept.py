"""Which checkpoints a run has: folders named by their step. What is in them is read by `ikd.runs.checkpoints`."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ikd.trace.folder import RunFolder

WEIGHTS, FACTS = "weights.safetensors", "checkpoint.json"
FORMAT, FORMAT_WITHOUT_SUMS = 2, 1
WEIGHTS_SUM, FACTS_SUM = "weights_sum", "facts_sum"
_STEP = re.compile(r"\d{8}")


class UnsoundCheckpoint(Exception):
    """A checkpoint that is not what was written, with the reason."""


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


def sealed_facts(facts: Mapping[str, Any], weights: Path) -> dict[str, Any]:
    """Return the facts of a checkpoint with the checksums of its weights and of themselves."""
    known = {**facts, WEIGHTS_SUM: sum_of_file(weights)}
    return {**known, FACTS_SUM: _sum_of_facts(known)}


def sound_facts(place: Path, step: int) -> dict[str, Any]:
    """Return the facts of a checkpoint whose files are what was written; one written before there were checksums is taken as it is.

    Raises:
        UnsoundCheckpoint: they are not, or cannot be read.
    """
    try:
        facts = json.loads((place / FACTS).read_text(encoding="utf-8"))
        if facts["step"] != step or facts["format"] not in (FORMAT, FORMAT_WITHOUT_SUMS):
            raise UnsoundCheckpoint("it is of another step or format")
        if facts["format"] == FORMAT:
            rest = {name: value for name, value in facts.items() if name != FACTS_SUM}
            if facts[FACTS_SUM] != _sum_of_facts(rest):
                raise UnsoundCheckpoint(f"the checksum of {FACTS} does not fit")
            if facts[WEIGHTS_SUM] != sum_of_file(place / WEIGHTS):
                raise UnsoundCheckpoint(f"the checksum of {WEIGHTS} does not fit")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as fault:
        raise UnsoundCheckpoint(f"{FACTS} or {WEIGHTS} cannot be read: {type(fault).__name__}") from fault
    assert isinstance(facts, dict)
    return facts


def has_sums(facts: Mapping[str, Any]) -> bool:
    """Return whether a checkpoint was written with checksums."""
    return bool(facts["format"] == FORMAT)


def newest_sound_checkpoint(folder: RunFolder, *, at_most: int) -> int:
    """Return the step of the newest checkpoint up to a step whose files are what was written, 0 where there is none."""
    for step in reversed([one for one in checkpoints_of(folder) if one <= at_most]):
        try:
            sound_facts(checkpoint_path(folder, step), step)
        except UnsoundCheckpoint:
            continue
        return step
    return 0


def sum_of_file(path: Path) -> str:
    """Return the checksum of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _sum_of_facts(facts: Mapping[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()


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
