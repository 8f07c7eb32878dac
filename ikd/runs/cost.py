"""What a step costs, in student forwards (METHOD section 7); plain arithmetic on sizes, no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ikd.config import RunConfig

TANGENT_COST = {"jvp": 3.0, "finite_difference": 2.0, "unrolled": 3.0}
"""d in the cost model: student forwards that the hypergradient adds. For `unrolled` the backward through the update."""


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


def exam_units(config: RunConfig, ratio: float, teacher_layers: int) -> float:
    """Return what one exam adds to its course step, in student forwards on the course batch."""
    policy = config.policy
    sitting = 3 * policy.exam_batch_size / config.training.batch_size
    tangent = 0.0 if policy.inner_update == "off" else TANGENT_COST[policy.hypergradient]
    backward = {
        "all": 2 * ratio,
        "top_layers": 2 * ratio * min(1.0, policy.teacher_top_layers / max(1, teacher_layers)),
        "head": 0.0,
    }[policy.teacher_scope]
    redo = ratio + 3 if policy.student_update == "redo" else 0.0
    anchor = ratio if policy.anchor != "none" else 0.0
    return backward + sitting + tangent + redo + anchor


def n_exams(config: RunConfig) -> int:
    """Return how many exams a run has."""
    policy = config.policy
    if policy.name != "exam":
        return 0
    end = config.training.steps if policy.teacher_freeze_at is None else min(config.training.steps, policy.teacher_freeze_at)
    first = math.ceil(policy.exam_start / policy.exam_every) * policy.exam_every
    return max(0, math.ceil((end - first) / policy.exam_every))


def step_units(config: RunConfig, ratio: float, teacher_layers: int) -> float:
    """Return the mean cost of one step of a run, exams spread over all steps, readings left out."""
    share = n_exams(config) / config.training.steps
    return kd_units(ratio) + share * exam_units(config, ratio, teacher_layers)
