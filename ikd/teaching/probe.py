"""Feedback and influence of probe examples: what they would be, had the examples been in the course batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ikd.protocols import Batch, Outputs, Parameters
from ikd.teaching.course import CourseStep
from ikd.teaching.forward import autocast, mode, outputs_of
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
        """Return per-piece rows as one (P, ...) tensor in the order of the probe set, on the CPU."""
        return in_order(self.batches, pieces)


@dataclass(frozen=True, kw_only=True)
class ProbeAsked:
    """What the student asks of the probe set at a step with an exam, in true units, on the CPU.

    Attributes:
        feedback: (P, C) minus the hypergradient at each example's teacher logits, in exam loss per unit of logit.
        influence: (P,) marginal effect of each example's gradient on the exam loss (negative helps).
        hidden: (P, K) norms of the hypergradient at what is shown beside the logits, as `hidden_norms` gives them.
    """

    feedback: Tensor
    influence: Tensor
    hidden: Tensor


def in_order(batches: Sequence[Batch], pieces: Sequence[Tensor]) -> Tensor:
    """Return rows (n, ...), read batch by batch in any order, in the order of their examples 0 to n - 1, on the CPU."""
    rows = torch.cat([piece.detach().cpu() for piece in pieces])
    ordered = torch.empty_like(rows)
    ordered[torch.cat([batch.examples for batch in batches])] = rows
    return ordered


def hidden_norms(cotangent: Outputs) -> Tensor:
    """Return (B, K) Euclidean norms of each example's hypergradient at what is shown beside the logits.

    One number for each hidden state over its tokens and units, then one for each layer whose attention is shown, over its queries,
    keys and values together.
    """
    attention = zip(cotangent.queries, cotangent.keys, cotangent.values, strict=True)
    groups = [*((state,) for state in cotangent.hidden_states), *attention]
    columns = [torch.stack([leaf.flatten(1).norm(dim=1) for leaf in group]).norm(dim=0) for group in groups]
    return torch.stack(columns, dim=1) if columns else cotangent.logits.new_zeros((len(cotangent.logits), 0))


def ask_of_probe(course: CourseStep, direction: Parameters, probe: ProbeReading, *, teacher: nn.Module) -> ProbeAsked:
    """Return feedback and influence of every probe example.

    They are what they would be if the example had a place of weight 1/B in the course batch: the same w, the example's
    own tangent s_dot. With its loss l, that is the influence -< dl/ds, s_dot > / B, and as feedback minus the derivative
    of the influence at the teacher's outputs. Exact for the objective's share of one example; dropout off. Where an objective compares
    the examples of a batch with each other, those of the same piece of the probe set stand in for the batch.

    Args:
        course: the step under way, not yet taken.
        direction: w divided by the student's learning rate, as in `Feedback.direction`.
        probe: both models' logits at this step.
        teacher: asked again where the objective looks at more than logits.
    """
    share = course.update.learning_rate / len(course.labels)
    feedback, influence, hidden = [], [], []
    with mode(course.student, training=False):
        for batch, said, answered in zip(probe.batches, probe.teacher_logits, probe.student_logits, strict=True):
            tangent = forward_tangent(
                course.student, batch.student_inputs, course.parameters, direction, course.precision
            )
            both = Outputs(answered), Outputs(said)
            if len(tangent.leaves) > 1:
                with torch.no_grad(), autocast(batch.labels.device, course.precision):
                    shown = outputs_of(teacher, batch.teacher_inputs)._replace(logits=said)  # a correction has changed its logits
                    both = outputs_of(course.student, batch.student_inputs), shown
            cotangent, effect = feedback_through(course.objective, *both, batch.studied, tangent)
            feedback.append(-share * cotangent.logits)
            influence.append(share * effect)
            hidden.append(share * hidden_norms(cotangent))
    return ProbeAsked(
        feedback=probe.in_order(feedback), influence=probe.in_order(influence), hidden=probe.in_order(hidden)
    )
