"""What a run has spent up to each step: floating-point operations counted on its own models, by the cost model of the README (*Cost*)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ikd.config import EXAM_POLICIES, MOVING_POLICIES, RunConfig, fresh_student_at
from ikd.runs.cost import ending_units, exam_units, kd_units, update_units

Doubles = NDArray[np.float64]


def flops_spent(
    config: RunConfig, facts: Mapping[str, float | int | str], *, exams: Sequence[int], n_steps: int, steps: ArrayLike
) -> Doubles | None:
    """Return the floating-point operations spent on teaching before each of some steps, (S,); None where the trace does not know.

    Readings, the teacher's own fine-tuning and final scores are left out: they are the same for methods that are compared. So is what
    follows the last course step (`flops_after`).

    Args:
        config: of the run.
        facts: of the run, with `student_flops` and `teacher_flops`: of one forward of one course text.
        exams: steps at which an exam was sat, those of the scalar `exam_scalar`.
        n_steps: updates of the student so far.
        steps: at which it is asked.
    """
    try:
        student, teacher = float(facts["student_flops"]), float(facts["teacher_flops"])
        layers, cached = int(facts["teacher_layers"]), int(facts["cached_examples"])
    except (KeyError, TypeError, ValueError):
        return None
    if student <= 0:
        return None
    ratio = teacher / student
    each = np.full(n_steps, 3.0 if cached else kd_units(ratio))
    if config.policy.name in EXAM_POLICIES:
        at = np.asarray([one for one in exams if 0 <= one < n_steps], dtype=np.int64)
        each[at] += exam_units(config, ratio, layers)
    elif config.policy.name in MOVING_POLICIES:
        ends = (n_steps, config.policy.teacher_freeze_at, fresh_student_at(config))
        each[: min(end for end in ends if end is not None)] += update_units(config, ratio, layers)
    spent = np.concatenate([[0.0], np.cumsum(each)]) * config.training.batch_size + ratio * cached
    return np.asarray(spent[np.clip(np.asarray(steps, dtype=np.int64), 0, n_steps)] * student)


def exam_scalar(config: RunConfig) -> str:
    """Return the scalar that is recorded at the steps of a run's exams and at no others."""
    return "teacher_loss" if config.policy.name == "direct" else "exam_loss"


def flops_after(config: RunConfig, facts: Mapping[str, float | int | str]) -> float:
    """Return the floating-point operations that a student takes beside its course steps: on exam texts, measured or studied."""
    try:
        return ending_units(config, n_exam=int(facts["exam_examples"])) * float(facts["student_flops"])
    except (KeyError, TypeError, ValueError):
        return 0.0
