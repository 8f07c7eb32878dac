"""Checkpoints on disk: written beside their place and moved there, bounded in number and in bytes, safetensors and JSON alone."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ikd.config import RecordSettings
from ikd.config.permission import require_writable
from ikd.errors import RunError
from ikd.teaching.snapshot import Snapshot
from ikd.trace.folder import RunFolder
from ikd.trace.kept import (
    FACTS,
    FORMAT,
    WEIGHTS,
    UnsoundCheckpoint,
    checkpoint_path,
    checkpoints_of,
    has_sums,
    kept_steps,
    sealed_facts,
    sound_facts,
)
from ikd.trace.state import cannot_write

MOST_CHECKPOINTS = 40


def save_checkpoint(folder: RunFolder, snapshot: Snapshot, settings: RecordSettings) -> None:
    """Write a snapshot, unless there is one of its step, and let go of those that need not stay.

    Raises:
        RunError: the disk is full, or the folder is gone or cannot be written; what was there before stays.
    """
    require_writable()
    place = checkpoint_path(folder, snapshot.step)
    if not (place / FACTS).is_file():
        waiting = place.with_name(f".{place.name}-{secrets.token_hex(4)}")
        try:
            _written(waiting, snapshot)
            shutil.rmtree(place, ignore_errors=True)
            os.replace(waiting, place)
            _flush(place.parent)
        except (OSError, SafetensorError) as fault:
            shutil.rmtree(waiting, ignore_errors=True)
            raise _not_saved(folder, snapshot.step, fault) from fault
    _let_go(folder, settings)


def newest_checkpoint(folder: RunFolder, *, at_most: int) -> Iterator[Snapshot | str]:
    """Yield the newest sound snapshot up to a step, if there is one; before it a sentence for each that is damaged."""
    for step in reversed([one for one in checkpoints_of(folder) if one <= at_most]):
        place = checkpoint_path(folder, step)
        try:
            facts = sound_facts(place, step)
            found = Snapshot(
                step=step, tensors=load_file(place / WEIGHTS), course_drawn=int(facts["course_drawn"]),
                exam_drawn=int(facts["exam_drawn"]), scores={str(name): float(one) for name, one in facts["scores"].items()},
            )  # fmt: skip
        except UnsoundCheckpoint as fault:
            yield f"The checkpoint at step {step} cannot be read ({fault}): an earlier one is taken."
        except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as fault:
            yield f"The checkpoint at step {step} cannot be read ({type(fault).__name__}): an earlier one is taken."
        else:
            if not has_sums(facts):
                yield f"The checkpoint at step {step} was written before checkpoints had checksums: it is taken as it is."
            yield found
            return


def _written(waiting: Path, snapshot: Snapshot) -> None:
    waiting.mkdir(parents=True)
    save_file(dict(snapshot.tensors), waiting / WEIGHTS)
    facts = {"format": FORMAT, "step": snapshot.step, "course_drawn": snapshot.course_drawn, "exam_drawn": snapshot.exam_drawn,
             "scores": dict(snapshot.scores)}  # fmt: skip
    (waiting / FACTS).write_text(json.dumps(sealed_facts(facts, waiting / WEIGHTS), indent=1), encoding="utf-8")
    for path in (waiting / WEIGHTS, waiting / FACTS, waiting):
        _flush(path)


def _flush(path: Path) -> None:
    # A machine that stops must not leave a name without its content; folders cannot be opened so on every system.
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _let_go(folder: RunFolder, settings: RecordSettings) -> None:
    steps = checkpoints_of(folder)
    most = max(1, min(MOST_CHECKPOINTS, settings.checkpoint_megabytes * 1_000_000 // max(_bytes_of(folder, steps[-1]), 1)))
    kept = kept_steps(steps, every=settings.checkpoint_every, newest=min(settings.checkpoints_kept, most),
                      keep_every=settings.checkpoint_keep_every, most=most)  # fmt: skip
    for step in set(steps) - set(kept):
        shutil.rmtree(checkpoint_path(folder, step), ignore_errors=True)
    for entry in (folder.path / "checkpoints").glob(".*"):  # left by an attempt that was killed
        shutil.rmtree(entry, ignore_errors=True)


def _bytes_of(folder: RunFolder, step: int) -> int:
    return sum(path.stat().st_size for path in checkpoint_path(folder, step).iterdir())


def _not_saved(folder: RunFolder, step: int, fault: Exception) -> RunError:
    what = f"The checkpoint of run {folder.id} at step {step}"
    told = fault if isinstance(fault, OSError) else OSError(28 if "space" in str(fault).lower() else 5, str(fault)[:100])
    return RunError(cannot_write(what, told))
