"""Fine-tuned teachers, kept by content: the same weights, texts and settings are never trained twice."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from ikd.config import RunConfig, fine_tune_rate
from ikd.config.permission import require_writable
from ikd.events import Event, Notice, Stage
from ikd.models import EncodedSplit, TeacherModel
from ikd.teaching.fine_tuning import fine_tune

KEPT_TEACHERS = 20


def prepare_teacher(
    teacher: TeacherModel, course: EncodedSplit, config: RunConfig, *, device: torch.device, root: Path, fingerprint: str
) -> Iterator[Event]:
    """Fine-tune the teacher in place where it needs it, or load the same fine-tuning from the cache; yields progress."""
    settings = config.teacher
    if settings.fine_tune == "never" or (settings.fine_tune == "auto" and teacher.fits):
        yield Notice(text="The teacher comes with a classifier of this task and is used as it is.")
        return
    kept = _place(teacher.model, config, device=device, root=root, fingerprint=fingerprint)
    if kept.is_file():
        _load(teacher.model, kept)
        name = kept.parent.name[:12]
        yield Notice(text=f"The teacher was fine-tuned before with the same texts and settings: read from the cache ({name}).")
        return
    yield Stage(name="fine-tuning the teacher", total=settings.fine_tune_steps)
    torch.manual_seed(config.seed)
    yield from fine_tune(
        teacher.model, course, n_steps=settings.fine_tune_steps, batch_size=settings.fine_tune_batch_size,
        learning_rate=fine_tune_rate(config), seed=config.seed, device=device,
        precision=config.machine.precision, rows=course.labelled,
    )  # fmt: skip
    _save(teacher.model, kept)
    _forget_oldest(kept.parents[1])


def teacher_as_it_stands(teacher: TeacherModel, config: RunConfig, *, device: torch.device, root: Path, fingerprint: str) -> str:
    """Put the weights of a fine-tuning that was done before into the teacher, and return in a sentence which weights it has now."""
    settings = config.teacher
    if settings.fine_tune == "never" or (settings.fine_tune == "auto" and teacher.fits):
        return "The teacher is used as it comes, with a classifier of this task."
    kept = _place(teacher.model, config, device=device, root=root, fingerprint=fingerprint)
    if not kept.is_file():
        return "The teacher has not been fine-tuned on these texts yet, so its soft targets are those of a fresh classifier."
    _load(teacher.model, kept)
    return "The teacher is fine-tuned: the same fine-tuning was done before, and is used by this run."


def _place(model: nn.Module, config: RunConfig, *, device: torch.device, root: Path, fingerprint: str) -> Path:
    return root / "_teachers" / _key(model, config, fingerprint=fingerprint, device=device) / "model.safetensors"


def _key(model: nn.Module, config: RunConfig, *, fingerprint: str, device: torch.device) -> str:
    """Return a hash over everything the fine-tuned weights depend on."""
    digest = hashlib.blake2b(digest_size=16)
    settings = config.teacher.model_dump(include={"fine_tune_steps", "fine_tune_batch_size"})
    where = [config.machine.precision, device.type, torch.__version__]
    rest = [fine_tune_rate(config), fingerprint, config.seed, config.task.max_length, config.task.long_texts, *where]
    digest.update(json.dumps([settings, rest]).encode())
    if device.type == "cpu":  # sums are taken in another order by another number of threads
        digest.update(str(torch.get_num_threads()).encode())
    for name, weight in model.state_dict().items():
        digest.update(name.encode())
        digest.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _save(model: nn.Module, path: Path) -> None:
    """Write the weights beside their place and move them there, so that no half-written teacher is ever found."""
    require_writable()
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    waiting = Path(tempfile.mkdtemp(prefix=".", dir=path.parent.parent))
    try:
        save_file({name: w.detach().cpu().contiguous().clone() for name, w in model.state_dict().items()}, waiting / path.name)
        waiting.rename(path.parent)
    except OSError:
        shutil.rmtree(waiting, ignore_errors=True)
        if not path.is_file():  # another run may have put the same teacher there first
            raise


def _load(model: nn.Module, path: Path) -> None:
    model.load_state_dict(load_file(path))


def _forget_oldest(folder: Path) -> None:
    kept = sorted((path for path in folder.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for path in kept[:-KEPT_TEACHERS]:
        shutil.rmtree(path, ignore_errors=True)
