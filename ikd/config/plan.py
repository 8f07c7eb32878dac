"""Settings that change at a step of a run: those that may, and one change as a config and a trace keep it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ikd.config.fields import Settings

FREEZE = "policy.teacher_freeze_at"

IN_FLIGHT = (
    "objective.temperature", "objective.alpha", "training.learning_rate", "policy.teacher_learning_rate",
    "policy.exam_every", "policy.teacher_freeze_at", "policy.anchor_weight", "record.probe_every",
)  # fmt: skip
"""What may be changed while a run goes on. Freezing the teacher is `policy.teacher_freeze_at` = the step, thawing it = empty."""

AT_A_FORK = (
    *IN_FLIGHT, "training.steps", "training.batch_size", "training.max_gradient_norm", "training.schedule",
    "training.warmup_steps", "policy.exam_batch_size", "policy.exam_start", "policy.student_update", "policy.inner_update",
    "policy.hypergradient", "policy.teacher_max_gradient_norm", "policy.anchor", "student.dropout",
    "machine.teacher_accuracy_floor", "machine.recompute_student", "machine.recompute_teacher", "objective.temperature_end",
    "objective.alpha_end",
    "objective.schedule", "policy.mutual_weight", "policy.online_weight", "policy.teacher_schedule", "policy.teacher_warmup_steps",
    "training.pieces", "policy.exam_mean", "policy.gate", "policy.silent_exams", "training.then_exam_steps",
    "training.then_exam_learning_rate", "training.calibrate_on_exam",
)  # fmt: skip
"""What a fork may change: everything that leaves the texts, the models and the order of the examples as they are."""


class PlannedChange(Settings):
    """From a step on, a setting has another value.

    Attributes:
        step: completed student updates before the change; the update that leads to step + 1 is the first one with it.
        path: dotted path of the setting, one of `AT_A_FORK`.
        value: its new value.
    """

    step: int = Field(ge=0, le=1_000_000)
    path: str = Field(max_length=60)
    value: bool | int | float | str | None = None


def values_at(plan: tuple[PlannedChange, ...], step: int) -> dict[str, Any]:
    """Return the values by path that the changes up to a step, itself included, have set."""
    return {one.path: one.value for one in plan if one.step <= step}
