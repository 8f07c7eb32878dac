"""From a config and two models to a lesson: the only place where settings become plain arguments of the maths."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import nn

from ikd.config import RunConfig, student_rate, teacher_rate
from ikd.objectives import build_objective
from ikd.protocols import Objective, Split
from ikd.teaching.hypergradients import HYPERGRADIENTS
from ikd.teaching.optimizers import build_optimizer, limit_scope, set_learning_rate, trained_parameters
from ikd.teaching.policies import Anchoring, Lesson
from ikd.teaching.reading import BatchSource
from ikd.teaching.student_update import StudentUpdate
from ikd.teaching.teacher_update import ANCHORS


class LabelledSource(BatchSource, Protocol):
    """A split with its texts, served as batches."""

    split: Split


@dataclass(frozen=True, kw_only=True)
class Classroom:
    """Two models ready to meet, and the splits they meet on.

    Attributes:
        teacher: already fine-tuned on the task.
        teacher_layers: its list of transformer layers, where they can be told apart.
        splits: "course", "validation" and, for exams, "exam"; "test" where there is one.
        device: where both models are.
        facts: what the log and the pages should know of how they were made.
    """

    student: nn.Module
    teacher: nn.Module
    teacher_layers: nn.ModuleList | None
    splits: Mapping[str, LabelledSource]
    label_names: Sequence[str]
    device: torch.device
    facts: Mapping[str, float | int | str]


def build_lesson(room: Classroom, config: RunConfig, *, anchored: bool = False) -> Lesson:
    """Return the lesson that the config asks for; the teacher's weights out of scope are frozen.

    Args:
        room: the models and splits.
        config: what holds at the first step.
        anchored: keep the teacher as it is now for an anchor that a later change asks for.
    """
    policy, training = config.policy, config.training
    theta = trained_parameters(room.student)
    optimizer = build_optimizer(
        training.optimizer, theta, learning_rate=student_rate(config), weight_decay=training.weight_decay
    )
    teaches = policy.name == "exam"
    limit_scope(
        room.teacher, policy.teacher_scope if teaches else "all", layers=room.teacher_layers,
        top_layers=policy.teacher_top_layers,
    )  # fmt: skip
    keeps_initial = teaches and (anchored or policy.anchor != "none")
    lesson = Lesson(
        student=room.student,
        teacher=room.teacher.eval(),
        objective=_objective(config),
        update=StudentUpdate(optimizer, theta, max_gradient_norm=training.max_gradient_norm),
        precision=config.machine.precision,
        teacher_optimizer=build_optimizer(
            policy.teacher_optimizer, trained_parameters(room.teacher), learning_rate=teacher_rate(config)
        ) if teaches else None,
        initial_teacher=copy.deepcopy(room.teacher) if keeps_initial else None,
    )  # fmt: skip
    return changed_lesson(lesson, config)


def changed_lesson(lesson: Lesson, config: RunConfig) -> Lesson:
    """Return the lesson with the settings of another config: those that may change on the way (`AT_A_FORK`)."""
    policy = config.policy
    lesson.update.max_gradient_norm = config.training.max_gradient_norm
    if lesson.teacher_optimizer is not None:
        set_learning_rate(lesson.teacher_optimizer, teacher_rate(config))
    anchoring = None
    if lesson.initial_teacher is not None and policy.anchor != "none":
        anchoring = Anchoring(
            loss=ANCHORS[policy.anchor], weight=policy.anchor_weight, initial_teacher=lesson.initial_teacher
        )
    return replace(
        lesson,
        objective=_objective(config),
        dropout=config.student.dropout,
        teacher_max_gradient_norm=policy.teacher_max_gradient_norm,
        hypergradient=None if policy.inner_update == "off" else HYPERGRADIENTS[policy.hypergradient],
        inner_update=policy.inner_update,
        redo=policy.student_update == "redo",
        anchoring=anchoring,
    )


def _objective(config: RunConfig) -> Objective:
    return build_objective(config.objective.name, temperature=config.objective.temperature, alpha=config.objective.alpha)
