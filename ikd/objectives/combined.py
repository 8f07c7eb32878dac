"""What the student learns from in a course step: hard labels and one distillation objective or several.

    l_i = (1 - alpha) CE(y_i, s_i) + alpha sum_k weight_k objective_k(s_i, o_i, y_i)

Hinton et al. (2015) with one objective; PKD, TinyBERT and DistilBERT add others to it. Where the labels are distributions q_i (human
votes), CE(q_i, s_i) = - sum_c q_ic log softmax(s_i)_c. A text without a label has no first term.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ikd.protocols import UNLABELLED, Objective, Outputs

NOTHING = slice(0, 0)


class Term(NamedTuple):
    """One objective of a sum.

    Attributes:
        weight: factor of its losses.
        objective: the objective.
        hidden: which of the outputs' hidden states it looks at.
        attention: which of the outputs' queries, keys and values it looks at.
    """

    weight: float
    objective: Objective
    hidden: slice = NOTHING
    attention: slice = NOTHING

    def losses(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        """Return weight times the objective's losses, (B,)."""
        return self.weight * self.objective(self._seen(student), self._seen(teacher), labels)

    def _seen(self, outputs: Outputs) -> Outputs:
        return outputs._replace(
            hidden_states=outputs.hidden_states[self.hidden], queries=outputs.queries[self.attention],
            keys=outputs.keys[self.attention], values=outputs.values[self.attention],
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CourseObjective:
    """The whole course objective; what has no weight is not computed.

    Attributes:
        alpha: weight of distillation against the hard labels, in [0, 1].
        terms: what distillation consists of; at least one unless alpha is 0.
    """

    alpha: float
    terms: tuple[Term, ...]

    def __call__(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        """Return (B,) losses from logits (B, C), labels (B,), or (B, C) probabilities, and what the terms look at."""
        parts = []
        if self.alpha < 1:
            parts.append((1 - self.alpha) * F.cross_entropy(student.logits, labels, reduction="none", ignore_index=UNLABELLED))
        if self.alpha > 0:
            parts += [self.alpha * term.losses(student, teacher, labels) for term in self.terms]
        return torch.stack(parts).sum(dim=0)
