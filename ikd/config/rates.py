"""The learning rates of a run, where the config leaves them to the kind of model."""

from __future__ import annotations

from ikd.config.models import student_start
from ikd.config.policy import FEW_NUMBERS
from ikd.config.run import RunConfig

FINE_TUNE = {True: 3e-3, False: 3e-5}
FEW = 0.01
TEACHER = {True: 5e-5, False: 5e-6}  # the built-in one by the sweep of docs/defaults.md
BUILTIN_STUDENT, PRETRAINED_STUDENT, FRESH_STUDENT = 3e-3, 5e-5, 3e-4


def fine_tune_rate(config: RunConfig) -> float:
    """Return the peak learning rate of the teacher's own fine-tuning."""
    given = config.teacher.fine_tune_learning_rate
    return FINE_TUNE[_builtin(config.teacher.name)] if given is None else given


def teacher_rate(config: RunConfig) -> float:
    """Return the learning rate of the teacher's exam update."""
    given = config.policy.teacher_learning_rate
    if given is None and config.policy.teacher_scope in FEW_NUMBERS:
        return FEW
    return TEACHER[_builtin(config.teacher.name)] if given is None else given


def student_rate(config: RunConfig) -> float:
    """Return the peak learning rate of the student."""
    if config.training.learning_rate is not None:
        return config.training.learning_rate
    architecture = config.teacher.name if config.student.name == "teacher" else config.student.name
    if _builtin(architecture):
        return BUILTIN_STUDENT
    return FRESH_STUDENT if student_start(config.student) == "random" else PRETRAINED_STUDENT


def then_exam_rate(config: RunConfig) -> float:
    """Return the learning rate at which the student studies the exam texts after the course."""
    given = config.training.then_exam_learning_rate
    return student_rate(config) / 3 if given is None else given


def _builtin(name: str) -> bool:
    return name.startswith("builtin/")
