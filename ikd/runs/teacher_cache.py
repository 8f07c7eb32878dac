"""Fine-tuned teachers on disk, kept by content: the weights, the curve of their fine-tuning, and a checksum of both.

`_teachers/KEY/model.safetensors` holds the weights, `_teachers/KEY/fine_tuning.json` the "losses" of each step and the "checksum".
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from ikd.config.permission import require_writable
from ikd.errors import ModelError

WEIGHTS, RECORD = "model.safetensors", "fine_tuning.json"
KEPT_TEACHERS = 20


@dataclass(frozen=True, kw_only=True)
class KeptTeacher:
    """A fine-tuning that was done before.

    Attributes:
        weights: of the whole model, by name.
        losses: of each of its steps; None where an earlier version of the lab kept neither them nor a checksum.
    """

    weights: Mapping[str, Tensor]
    losses: Sequence[float] | None


def kept_teacher(folder: Path, model: nn.Module) -> KeptTeacher | None:
    """Return the fine-tuning kept in a folder, whole and fit for a model; None where there is none.

    Raises:
        ModelError: what is there is damaged; the model is as it was.
    """
    try:
        raw = (folder / WEIGHTS).read_bytes()
        record = (folder / RECORD).read_bytes() if (folder / RECORD).exists() else None
    except FileNotFoundError:
        return None
    except OSError as fault:
        raise ModelError(f"The fine-tuned teacher in the cache ({folder.name[:12]}) cannot be read: {fault.strerror}.") from fault
    damaged = f"The fine-tuned teacher in the cache ({folder.name[:12]}) is damaged."
    try:
        losses = None
        if record is not None:
            found = json.loads(record)
            losses = [float(one) for one in found["losses"]]
            if found["checksum"] != _checksum(raw, losses):
                raise ModelError(damaged)
        weights = load(raw)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, SafetensorError) as fault:
        raise ModelError(damaged) from fault
    own = model.state_dict()
    if {name: (one.shape, one.dtype) for name, one in weights.items()} != {name: (one.shape, one.dtype) for name, one in own.items()}:
        raise ModelError(damaged)
    return KeptTeacher(weights=weights, losses=losses)


def keep_teacher(folder: Path, model: nn.Module, losses: Sequence[float]) -> None:
    """Write a fine-tuned teacher beside its place and move it there, so that no half-written one is ever found.

    Raises:
        OSError: the disk is full or read-only; nothing is left behind.
        RunError: the lab is read-only.
    """
    require_writable()
    folder.parent.mkdir(parents=True, exist_ok=True)
    waiting = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
    try:
        raw = save({name: weight.detach().cpu().contiguous().clone() for name, weight in model.state_dict().items()})
        (waiting / WEIGHTS).write_bytes(raw)
        (waiting / RECORD).write_text(json.dumps({"checksum": _checksum(raw, losses), "losses": list(losses)}), encoding="utf-8")
        if not (folder / WEIGHTS).is_file():
            forget_teacher(folder)  # a place without weights would be in the way
        try:
            waiting.rename(folder)
        except OSError:
            if not (folder / WEIGHTS).is_file():  # another run may have put the same teacher there first
                raise
    finally:
        shutil.rmtree(waiting, ignore_errors=True)
    _forget_oldest(folder.parent)


def forget_teacher(folder: Path) -> None:
    """Delete a fine-tuning that cannot be used."""
    require_writable()
    shutil.rmtree(folder, ignore_errors=True)


def _checksum(raw: bytes, losses: Sequence[float]) -> str:
    digest = hashlib.blake2b(raw, digest_size=16)
    digest.update(json.dumps(list(losses)).encode())
    return digest.hexdigest()


def _forget_oldest(root: Path) -> None:
    kept = sorted((path for path in root.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for path in kept[:-KEPT_TEACHERS]:
        shutil.rmtree(path, ignore_errors=True)
