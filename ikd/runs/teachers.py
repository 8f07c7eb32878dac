"""Fine-tuning the teacher before it teaches: the same weights, texts and settings are never trained twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from ikd.config import STORED, RunConfig, fine_tune_rate
from ikd.errors import ModelError
from ikd.events import Event, Notice, Stage, TeacherProgress
from ikd.models import EncodedSplit, TeacherModel
from ikd.runs.teacher_cache import KeptTeacher, forget_teacher, keep_teacher, kept_teacher
from ikd.teaching.fine_tuning import fine_tune


def prepare_teacher(
    teacher: TeacherModel, course: EncodedSplit, config: RunConfig, *, device: torch.device, root: Path, fingerprint: str
) -> Iterator[Event]:
    """Fine-tune the teacher in place where it needs it, or load the same fine-tuning from the cache; yields its curve either way."""
    settings = config.teacher
    if config.teacher.name == STORED:
        return
    if teacher.as_it_comes:
        yield Notice(text="The teacher comes with a classifier of this task and is used as it is.")
        return
    folder = _place(teacher.model, config, device=device, root=root, fingerprint=fingerprint)
    try:
        kept = kept_teacher(folder, teacher.model)
    except ModelError as fault:
        yield Notice(text=f"{fault} It is fine-tuned again.", warning=True)
        forget_teacher(folder)
        kept = None
    if kept is not None:
        teacher.model.load_state_dict(dict(kept.weights))
        yield from _told_again(kept, folder.name[:12])
        return
    yield Stage(name="fine-tuning the teacher", total=settings.fine_tune_steps)
    torch.manual_seed(config.seed)
    losses: list[float] = []
    for progress in fine_tune(
        teacher.model, course, n_steps=settings.fine_tune_steps, batch_size=settings.fine_tune_batch_size,
        learning_rate=fine_tune_rate(config), seed=config.seed, device=device,
        precision=config.machine.precision, rows=course.labelled,
    ):  # fmt: skip
        losses.append(progress.loss)
        yield progress
    try:
        keep_teacher(folder, teacher.model, losses)
    except OSError as fault:
        yield Notice(text=f"The fine-tuned teacher could not be kept in the cache ({fault.strerror}): this run goes on with it, "
                     "the next one fine-tunes it again.", warning=True)  # fmt: skip


def _told_again(kept: KeptTeacher, name: str) -> Iterator[Event]:
    yield Notice(text=f"The teacher was fine-tuned before with the same texts and settings: read from the cache ({name}).")
    if kept.losses is None:
        yield Notice(text="An earlier version of the lab kept this teacher, without a checksum and without the curve of its fine-tuning: "
                     f"its weights cannot be checked. Delete the folder {name} in _teachers to have it fine-tuned anew.")  # fmt: skip
        return
    yield Stage(name="reading the teacher's fine-tuning", total=len(kept.losses))
    yield from (TeacherProgress(step=step, total=len(kept.losses), loss=loss) for step, loss in enumerate(kept.losses))


def teacher_as_it_stands(teacher: TeacherModel, config: RunConfig, *, device: torch.device, root: Path, fingerprint: str) -> str:
    """Put the weights of a fine-tuning that was done before into the teacher, and return in a sentence which weights it has now."""
    if config.teacher.name == STORED:
        first = " A run first corrects them by the exam texts (teacher.sources_by_exam)." if config.teacher.sources_by_exam else ""
        return f"The soft targets are those stored with the texts.{first}"
    if teacher.as_it_comes:
        return "The teacher is used as it comes, with a classifier of this task."
    try:
        kept = kept_teacher(_place(teacher.model, config, device=device, root=root, fingerprint=fingerprint), teacher.model)
    except ModelError as fault:
        return f"{fault} A run fine-tunes it again; until then its soft targets are those of a fresh classifier."
    if kept is None:
        return "The teacher has not been fine-tuned on these texts yet, so its soft targets are those of a fresh classifier."
    teacher.model.load_state_dict(dict(kept.weights))
    return "The teacher is fine-tuned: the same fine-tuning was done before, and is used by this run."


def _place(model: nn.Module, config: RunConfig, *, device: torch.device, root: Path, fingerprint: str) -> Path:
    return root / "_teachers" / _key(model, config, fingerprint=fingerprint, device=device)


def _key(model: nn.Module, config: RunConfig, *, fingerprint: str, device: torch.device) -> str:
    """Return a hash over everything the fine-tuned weights depend on."""
    digest = hashlib.blake2b(digest_size=16)
    settings = config.teacher.model_dump(include={"fine_tune_steps", "fine_tune_batch_size"})
    where = [config.machine.precision, device.type, torch.__version__]
    rest = [fine_tune_rate(config), fingerprint, config.seed, config.task.max_length, config.task.long_texts, *where]
    if config.teacher.studies_exam:  # left out otherwise: teachers that were kept before there was a choice keep their place
        rest.append("course and exam texts")
    digest.update(json.dumps([settings, rest]).encode())
    if device.type == "cpu":  # sums are taken in another order by another number of threads
        digest.update(str(torch.get_num_threads()).encode())
    for name, weight in model.state_dict().items():
        digest.update(name.encode())
        digest.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()
