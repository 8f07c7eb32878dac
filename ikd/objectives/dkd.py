"""Decoupled knowledge distillation: the label's class against all others, and the others among themselves.

Zhao, Cui, Song, Qiu, Liang, *Decoupled Knowledge Distillation* (2022):

    l_i  = t^2 ( target_weight TCKD_i + other_weight NCKD_i )
    TCKD = KL( (p_y, 1 - p_y) || (q_y, 1 - q_y) )
    NCKD = KL( p over the classes other than y || q over the classes other than y ),    each summing to 1

with p = softmax(o / t) of the teacher, q = softmax(s / t) of the student and the label y. KD is TCKD + (1 - p_y) NCKD, so that a sure
teacher hides NCKD there. With two classes there is one other class, and NCKD is exactly 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ikd.objectives.divergence import divergence
from ikd.protocols import Outputs


@dataclass(frozen=True, kw_only=True)
class DecoupledDistillation:
    """The DKD objective.

    Attributes:
        temperature: t > 0.
        target_weight: of TCKD (alpha in the paper).
        other_weight: of NCKD (beta in the paper).
    """

    temperature: float
    target_weight: float
    other_weight: float

    def __call__(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        """Return (B,) losses from logits (B, C), C >= 2, and labels (B,)."""
        t = self.temperature
        student_target, student_others = _parted(student.logits / t, labels)
        teacher_target, teacher_others = _parted(teacher.logits / t, labels)
        tckd, nckd = divergence(teacher_target, student_target), divergence(teacher_others, student_others)
        return t**2 * (self.target_weight * tckd + self.other_weight * nckd)


def _parted(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return log (p_y, 1 - p_y), (B, 2), and the log-probabilities among the other classes, (B, C - 1)."""
    log_p = F.log_softmax(logits, dim=-1)
    label = labels[:, None]
    places = torch.arange(logits.shape[-1] - 1, device=logits.device)
    others = places + (places >= label)  # (B, C - 1): all classes but the label, in order
    not_label = log_p.gather(1, others).logsumexp(dim=-1, keepdim=True)
    return torch.cat([log_p.gather(1, label), not_label], dim=-1), F.log_softmax(logits.gather(1, others), dim=-1)
