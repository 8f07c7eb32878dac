"""From a config and two models to a lesson, and its settings from then on."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from torch import nn
from torch.optim import Optimizer

from ikd.classroom.objective import LayersShown, course_objective, layers_shown, tapped
from ikd.classroom.room import Classroom
from ikd.config import (
    EXAM_POLICIES,
    MOVING_POLICIES,
    RunConfig,
    few_numbers,
    student_rate,
    teacher_rate,
    temperature_at,
)
from ikd.teaching.corrections import CORRECTIONS, Size, number_names
from ikd.teaching.hypergradients import HYPERGRADIENTS
from ikd.teaching.lesson import Anchoring, Lesson
from ikd.teaching.optimizers import build_optimizer, limit_scope, trained_parameters
from ikd.teaching.student_update import StudentUpdate
from ikd.teaching.taming import Taming
from ikd.teaching.teacher_update import ANCHORS, LOOKS_BACK


def build_lesson(room: Classroom, config: RunConfig, *, anchored: bool = False) -> Lesson:
    """Return the lesson that the config asks for; the teacher's weights out of scope are frozen.

    Args:
        room: the models and splits.
        config: what holds at the first step.
        anchored: keep the teacher as it is now for an anchor that a later change asks for.

    Raises:
        ConfigError: an objective or a scope that these models cannot have.
    """
    policy, training = config.policy, config.training
    shown = layers_shown(room, config)
    keeps_initial = policy.name in EXAM_POLICIES and (anchored or policy.anchor in LOOKS_BACK)
    correction = correction_of(room, config)
    initial = frozen_copy(room.teacher) if keeps_initial and correction is None else None
    student, teacher = tapped(room, shown, seed=config.seed + 2)
    theta = trained_parameters(student)
    optimizer = build_optimizer(
        training.optimizer, theta, learning_rate=student_rate(config), weight_decay=training.weight_decay
    )
    lesson = Lesson(
        student=student,
        teacher=teacher.eval(),
        objective=course_objective(config, shown, step=0),
        update=StudentUpdate(optimizer, theta, max_gradient_norm=training.max_gradient_norm),
        precision=config.machine.precision,
        teacher_optimizer=_teacher_optimizer(room, config, correction),
        correction=correction,
        initial_correction=frozen_copy(correction) if keeps_initial and correction is not None else None,
        initial_teacher=initial,
    )  # fmt: skip
    return changed_lesson(lesson, config, shown, room=room)


def _teacher_optimizer(room: Classroom, config: RunConfig, correction: nn.Module | None) -> Optimizer | None:
    """Freeze whatever of the teacher does not learn, and return the optimizer of what does; None: nothing."""
    policy, moves = config.policy, config.policy.name in MOVING_POLICIES
    if correction is None:
        scope = policy.teacher_scope if moves else "all"
        limit_scope(room.teacher, scope, layers=room.teacher_layers, top_layers=policy.teacher_top_layers)
    else:
        room.teacher.requires_grad_(False)
    if not moves:
        return None
    learning = trained_parameters(room.teacher if correction is None else correction)
    return build_optimizer(policy.teacher_optimizer, learning, learning_rate=teacher_rate(config))


def correction_of(room: Classroom, config: RunConfig) -> nn.Module | None:
    """Return the few numbers that learn over what the teacher says, as they are before the first exam; None: its weights learn."""
    scope = few_numbers(config.policy)
    if not scope:
        return None
    size = Size(len(room.label_names), max(1, len(room.source_names)), len(room.splits["course"]))
    return CORRECTIONS[scope](size).to(room.device)


def named_numbers(room: Classroom, config: RunConfig) -> dict[str, list[Any]]:
    """Return what the few numbers of a run are called and, where it is known, worth: `numbers` and `numbers_truth` of `RunStarted`."""
    scope = few_numbers(config.policy)
    if not scope:
        return {}
    worth = [room.source_worth[source][label] for source in room.source_names for label in range(len(room.label_names))
             if source in room.source_worth] if scope == "trust" else []  # fmt: skip
    return {"numbers": number_names(scope, list(room.label_names), list(room.source_names)), "numbers_truth": worth}


def frozen_copy(model: nn.Module) -> nn.Module:
    """Return a copy that only answers: dropout off, and no weight that learns."""
    return copy.deepcopy(model).eval().requires_grad_(False)


def changed_lesson(lesson: Lesson, config: RunConfig, shown: LayersShown, *, room: Classroom, step: int = 0) -> Lesson:
    """Return the lesson with the settings of another config: those that may change on the way (`AT_A_FORK`)."""
    policy = config.policy
    lesson.update.max_gradient_norm = config.training.max_gradient_norm
    anchoring = None
    if policy.name in EXAM_POLICIES and policy.anchor != "none":
        initial = lesson.initial_teacher if policy.anchor in LOOKS_BACK else None
        kept = initial or lesson.initial_correction
        assert kept is not None or policy.anchor not in LOOKS_BACK, "kept since the lesson was built"
        anchoring = Anchoring(loss=ANCHORS[policy.anchor], weight=policy.anchor_weight, initial_teacher=initial)
    online = policy.name == "online"
    return replace(
        lesson,
        objective=course_objective(config, shown, step=step),
        dropout=config.student.dropout,
        pieces=config.training.pieces,
        recomputed_layers=tuple(room.teacher_layers or ()) if config.machine.recompute_teacher else (),
        keeps_products=policy.hypergradient == "jvp" and not config.machine.recompute_student,
        teacher_max_gradient_norm=policy.teacher_max_gradient_norm,
        hypergradient=None if policy.inner_update == "off" else HYPERGRADIENTS[policy.hypergradient],
        inner_update=policy.inner_update,
        redo=policy.student_update == "redo",
        anchoring=anchoring,
        temperature=temperature_at(step, config),
        taming=_tamed(lesson, config),
        label_weight=1 - policy.online_weight if online else 1.0,
        peer_weight=policy.online_weight if online else policy.mutual_weight,
    )


def scheduled_lesson(lesson: Lesson, config: RunConfig, shown: LayersShown, *, step: int) -> Lesson:
    """Return the lesson with the temperature and alpha that its schedule gives for a step."""
    return replace(lesson, objective=course_objective(config, shown, step=step), temperature=temperature_at(step, config))


def _tamed(lesson: Lesson, config: RunConfig) -> Taming | None:
    """Return what remembers the exams, as it is or, where its settings have changed, anew."""
    policy = config.policy
    wanted = {"exams": policy.exam_mean, "gate": policy.gate, "silent_exams": policy.silent_exams}
    if policy.name != "exam" or wanted == {"exams": 1, "gate": None, "silent_exams": None}:
        return None
    known = lesson.taming
    if known is not None and wanted == {"exams": known.exams, "gate": known.gate, "silent_exams": known.silent_exams}:
        return known
    return Taming(exams=policy.exam_mean, gate=policy.gate, silent_exams=policy.silent_exams)
