"""What a step costs, in student forwards (README, *Cost*); plain arithmetic on sizes, no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ikd.config import EXAM_POLICIES, FEW_NUMBERS, MOVING_POLICIES, RunConfig, fresh_student_at
from ikd.config.exam_texts import measured_every

TANGENT_COST = {"jvp": 3.0, "finite_difference": 2.0, "unrolled": 3.0}
"""d in the cost model: student forwards that the hypergradient adds. For `unrolled` the backward through the update."""

CUE_TEXTS, CUE_SWAPS = 64, 4
"""Probe texts whose cue word is swapped, and other cue words tried on each: reliance costs at most 256 texts a reading."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The size of a transformer encoder."""

    layers: int
    width: int
    inner: int

    def forward_flops(self, n_tokens: float, length: float) -> float:
        """Return floating-point operations of one forward over n_tokens tokens in texts of a length (matrices only)."""
        matrices = self.layers * (4 * self.width**2 + 2 * self.width * self.inner)
        attention = self.layers * 2 * length * self.width
        return 2.0 * n_tokens * (matrices + attention)


def kd_units(ratio: float) -> float:
    """Return the cost of ordinary distillation: teacher forward, student forward and backward.

    Args:
        ratio: r, teacher forward over student forward.
    """
    return ratio + 3


def update_units(config: RunConfig, ratio: float, teacher_layers: int) -> float:
    """Return what one update of the teacher costs beside its forward, in student forwards on the course batch.

    That is its backward pass, as far down as its scope reaches (adapters need no weight gradients), and what is computed again for
    it: the batch once more where it went through in pieces, the layers on the way where they are recomputed.
    """
    again = ratio if config.training.pieces > 1 else 0.0
    return _backward_units(config, ratio, teacher_layers) + again


def _backward_units(config: RunConfig, ratio: float, teacher_layers: int) -> float:
    share = min(1.0, config.policy.teacher_top_layers / max(1, teacher_layers))
    if config.policy.teacher_scope in FEW_NUMBERS:
        return 0.0
    reach = {"all": 1.0, "top_layers": share, "head": 0.0, "adapter": 1.0}[config.policy.teacher_scope]
    backward = (1 if config.policy.teacher_scope == "adapter" else 2) * ratio * reach
    return backward + (ratio * reach if config.machine.recompute_teacher else 0.0)


def exam_units(config: RunConfig, ratio: float, teacher_layers: int) -> float:
    """Return what one exam adds to its course step, in student forwards on the course batch."""
    policy = config.policy
    if policy.name == "direct":
        return _direct_units(config, ratio, teacher_layers)
    sitting = 3 * policy.exam_batch_size / config.training.batch_size
    tangent = 0.0 if policy.inner_update == "off" else TANGENT_COST[policy.hypergradient]
    redo = ratio + 3 if policy.student_update == "redo" else 0.0
    anchor = ratio if policy.anchor == "initial_teacher" and policy.teacher_scope not in FEW_NUMBERS else 0.0
    return update_units(config, ratio, teacher_layers) + sitting + tangent + redo + anchor


def _direct_units(config: RunConfig, ratio: float, teacher_layers: int) -> float:
    """Return what the teacher's own step on an exam batch costs: forward and backward there; where an anchor is, the course batch too."""
    policy, size = config.policy, config.policy.exam_batch_size / config.training.batch_size
    anchor = 0.0 if policy.anchor == "none" else update_units(config, ratio, teacher_layers)
    return size * (ratio + _backward_units(config, ratio, teacher_layers)) + anchor + (ratio if policy.anchor == "initial_teacher" else 0.0)


def ending_units(config: RunConfig, *, n_exam: int | None = None) -> float:
    """Return what a student costs beside its course steps, in its forwards on one course text: studying and being measured on exam texts.

    Readings of the validation split, on which the number of steps is chosen, are left out as other readings are.

    Args:
        config: of the run.
        n_exam: exam texts; None: as many as the settings ask for, none where they do not say.
    """
    training, known = config.training, n_exam or config.task.exam_size or 0
    measured = 1 + math.ceil(training.steps / measured_every(training.steps)) if training.kept_student == "best_exam" else 0
    calibrated = known if training.calibrate_on_exam else 0
    return 3.0 * training.then_exam_steps * min(training.batch_size, known or training.batch_size) + measured * known + calibrated


def n_exams(config: RunConfig) -> int:
    """Return how many exams a run has."""
    policy = config.policy
    if policy.name not in EXAM_POLICIES:
        return 0
    first = math.ceil(policy.exam_start / policy.exam_every) * policy.exam_every
    return max(0, math.ceil((_end(config) - first) / policy.exam_every))


def n_updates(config: RunConfig) -> int:
    """Return how many times a run's teacher is updated: after each exam, or at each step under a policy without exams."""
    if config.policy.name in EXAM_POLICIES:
        return n_exams(config)
    return _end(config) if config.policy.name in MOVING_POLICIES else 0


def step_units(config: RunConfig, ratio: float, teacher_layers: int, *, cached_examples: int | None = None) -> float:
    """Return the mean cost of one step of a run, exams and updates of the teacher spread over all steps, readings left out.

    Args:
        config: of the run.
        ratio: r, teacher forward over student forward.
        teacher_layers: of the teacher.
        cached_examples: course examples whose soft targets a fixed teacher says once, before the first step; None: it is asked at
            each step.
    """
    training = config.training
    if cached_examples is not None:
        return 3 + ratio * cached_examples / (training.batch_size * training.steps)
    one = exam_units if config.policy.name in EXAM_POLICIES else update_units
    return kd_units(ratio) + n_updates(config) / training.steps * one(config, ratio, teacher_layers)


def _end(config: RunConfig) -> int:
    ends = (config.training.steps, config.policy.teacher_freeze_at, fresh_student_at(config))
    return min(end for end in ends if end is not None)


def swapped_texts(config: RunConfig, n_classes: int | None) -> int:
    """Return how many texts with swapped cue words are read at each reading beside the probe set; 0 where the task has no shortcut.

    Args:
        config: of the run.
        n_classes: of the task, or None where it is not known: as many cue words as are ever tried.
    """
    if config.task.shift != "shortcut":
        return 0
    return min(config.record.probe_size, CUE_TEXTS) * min((n_classes or CUE_SWAPS + 1) - 1, CUE_SWAPS)
