"""Feedback on probe examples: which way the student would ask their soft targets to move, had they been in the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ikd.protocols import Batch, Outputs, Parameters
from ikd.teaching.course import CourseStep
from ikd.teaching.forward import mode
from ikd.teaching.hypergradients import feedback_through, forward_tangent


@dataclass(frozen=True, kw_only=True)
class ProbeReading:
    """The probe set as both models see it before a step.

    Attributes:
        batches: the probe set in pieces, on the device, in an order of its own.
        teacher_logits, student_logits: one (b, C) tensor a piece, with dropout off.
    """

    batches: Sequence[Batch]
    teacher_logits: Sequence[Tensor]
    student_logits: Sequence[Tensor]

    def in_order(self, pieces: Sequence[Tensor]) -> Tensor:
        """Return per-piece rows as one (P, C) tensor in the order of the probe set, on the CPU."""
        return in_order(self.batches, pieces)


def in_order(batches: Sequence[Batch], pieces: Sequence[Tensor]) -> Tensor:
    """Return rows (n, C), read batch by batch in any order, in the order of their examples 0 to n - 1, on the CPU."""
    rows = torch.cat([piece.detach().float().cpu() for piece in pieces])
    ordered = torch.empty_like(rows)
    ordered[torch.cat([batch.examples for batch in batches])] = rows
    return ordered


def probe_feedback(course: CourseStep, direction: Parameters, probe: ProbeReading) -> Tensor:
    """Return (P, C) minus the hypergradient at each probe example's teacher logits, in true units, on the CPU.

    It is what the feedback would be if the example had a place of weight 1/B in the course batch: the same w, the
    example's own tangent. Exact for the objective's share of one example; dropout off.

    Args:
        course: the step under way, not yet taken.
        direction: w divided by the student's learning rate, as in `Feedback.direction`.
        probe: both models' logits at this step.
    """
    share = course.update.learning_rate / len(course.labels)
    pieces = []
    with mode(course.student, training=False):
        for batch, teacher, student in zip(probe.batches, probe.teacher_logits, probe.student_logits, strict=True):
            tangent = forward_tangent(
                course.student, batch.student_inputs, course.parameters, direction, course.precision
            )
            cotangent, _ = feedback_through(course.objective, Outputs(student), Outputs(teacher), batch.labels, tangent)
            # feedback_through means over its own piece; the share wanted is that of one place in the course batch.
            pieces.append(-cotangent * len(batch.labels) * share)
    return probe.in_order(pieces)
