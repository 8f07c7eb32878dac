"""What the log and the pages should know of how a run was made: sizes, rates, versions, and what its models cost."""

from __future__ import annotations

import torch

import ikd
from ikd.classroom import LabelledSource
from ikd.config import MOVING_POLICIES, STORED, RunConfig, fine_tune_rate, student_rate, teacher_rate
from ikd.models import StudentModel, TeacherModel
from ikd.models.flops import forward_flops
from ikd.protocols import TaskData, to_device
from ikd.runs.sameness import model_hashes
from ikd.trainer import caches_soft_targets

COUNTED_TEXTS = 32


def _seen_by(config: RunConfig, teacher: TeacherModel) -> str:
    if config.teacher.name == STORED:
        return "unknown texts (its soft targets are stored)"
    if teacher.as_it_comes:
        return "unknown texts (used as it came)"
    return "course and exam splits" if config.teacher.studies_exam else "course split"


def facts_of(
    config: RunConfig, data: TaskData, teacher: TeacherModel, student: StudentModel, *, course: LabelledSource, device: torch.device,
    n_threads: int,
) -> dict[str, float | int | str]:  # fmt: skip
    """Return the facts of a run by name.

    `teacher_flops` and `student_flops` are of one forward of one course text, counted on the first 32 of them.
    """
    moves = config.policy.name in MOVING_POLICIES
    batch = course.batch(range(min(COUNTED_TEXTS, len(course))))
    return {
        "task": data.name + (f" ({data.marked})" if data.marked else ""), "fingerprint": data.fingerprint,
        "truth_is": data.truth_is, **model_hashes(config, teacher, student),
        **{f"{name}_examples": len(split) for name, split in data.splits.items()},
        "teacher_weights": sum(weight.numel() for weight in teacher.model.parameters()),
        "student_weights": sum(weight.numel() for weight in student.model.parameters()),
        "teacher_flops": forward_flops(teacher.model, to_device(batch.teacher_inputs, device)),
        "student_flops": forward_flops(student.model, to_device(batch.student_inputs, device)),
        "teacher_layers": int(getattr(teacher.model.config, "num_hidden_layers", 0)),
        "cached_examples": len(course) if caches_soft_targets(config, len(course)) else 0,
        "teacher_saw": _seen_by(config, teacher),
        "fine_tune_learning_rate": fine_tune_rate(config), "student_learning_rate": student_rate(config),
        "teacher_learning_rate": teacher_rate(config) if moves else 0.0,
        "device": str(device), "threads": n_threads, "torch": torch.__version__, "ikd": ikd.__version__,
    }  # fmt: skip
