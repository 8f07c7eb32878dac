"""Whether a run that goes on has the texts, labels and models it was recorded with: looked at before anything is computed."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from ikd.config import STORED, RunConfig, TaskSettings, given_files
from ikd.errors import RunError
from ikd.models import StudentModel, TeacherModel
from ikd.protocols import TaskData
from ikd.trace.folder import RunFolder
from ikd.trace.kept import sum_of_file
from ikd.trace.reader import TraceReader

_READ_BY_MODELS = frozenset((".json", ".txt", ".model", ".safetensors", ".jinja"))
_NOTHING_CHANGED = "Nothing of the run was changed."


def require_same_texts(folder: RunFolder, config: RunConfig, data: TaskData) -> None:
    """Do nothing where a run is new, or where its texts, labels and splits are those it was recorded with.

    Raises:
        RunError: they are others; it names the files.
    """
    recorded = _recorded_facts(folder).get("fingerprint")
    if not recorded or recorded == data.fingerprint:
        return
    raise RunError(f"The texts or labels of run {folder.id} are not those it was recorded with: {_source(config.task)} now has the "
                   f"content {data.fingerprint[:12]}, and {str(recorded)[:12]} was recorded. {_NOTHING_CHANGED} Put the old data back "
                   "and resume, or start a new run with the new data. If nothing was changed there, this version of the lab reads the "
                   "data otherwise than the one that recorded the run.")  # fmt: skip


def require_same_models(folder: RunFolder, config: RunConfig, teacher: TeacherModel, student: StudentModel) -> None:
    """Do nothing where a run is new, or where the named models are those it was recorded with; built-in ones are drawn from the seed.

    Raises:
        RunError: they are others; it names the folder.
    """
    recorded = _recorded_facts(folder)
    for role, now in model_hashes(config, teacher, student).items():
        was = recorded.get(role)
        if isinstance(was, str) and was != now:
            word = role.removesuffix("_hash")
            raise RunError(f"The {word} of run {folder.id} is not the one it was recorded with: the weights, tokenizer or config of "
                           f"{_named(config, word)!r} have the content {now[:12] or 'none'}, and {was[:12] or 'none'} was recorded. "
                           f"{_NOTHING_CHANGED} Put the old model back and resume, or start a new run with the new one.")  # fmt: skip


def model_hashes(config: RunConfig, teacher: TeacherModel, student: StudentModel) -> dict[str, str]:
    """Return `teacher_hash` and `student_hash`: of the files of a local folder, a hub model's commit, "" for a built-in model."""
    models = {"teacher": teacher.model, "student": student.model}
    return {f"{role}_hash": _hash_of(_named(config, role), model.config) for role, model in models.items()}


def folder_hash(folder: Path) -> str:
    """Return a hash over the names and contents of the files that a model is read from."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.iterdir()):
        if path.suffix in _READ_BY_MODELS and path.is_file():
            stat = path.stat()
            digest.update(f"{path.name} {_hash_of_file(path, stat.st_size, stat.st_mtime_ns)}\n".encode())
    return digest.hexdigest()


def _hash_of(name: str, model_config: Any) -> str:
    if name in ("teacher", STORED) or name.startswith("builtin/"):
        return ""
    if Path(name).is_dir():
        return folder_hash(Path(name))
    return str(getattr(model_config, "_commit_hash", None) or "")


@lru_cache(maxsize=256)
def _hash_of_file(path: Path, size: int, changed: int) -> str:
    return sum_of_file(path)


def _named(config: RunConfig, role: str) -> str:
    if role == "teacher":
        return config.teacher.name
    return config.student.checkpoint or config.student.name


def _recorded_facts(folder: RunFolder) -> dict[str, Any]:
    facts = TraceReader(folder).meta().get("facts", {})
    return facts if isinstance(facts, dict) else {}


def _source(task: TaskSettings) -> str:
    if task.name == "files":
        return " with ".join(given_files(task).values())
    if task.name == "hub":
        return f"the hub data set {task.hub_name}"
    return f"the task {task.name}"
