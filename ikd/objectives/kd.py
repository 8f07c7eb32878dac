"""Knowledge distillation: soft targets and hard labels.

Hinton, Vinyals, Dean, *Distilling the Knowledge in a Neural Network* (2015), equation in section 2:

    l_i = (1 - alpha) CE(y_i, s_i) + alpha t^2 KL( softmax(o_i / t) || softmax(s_i / t) )

with student logits s_i, teacher logits o_i and temperature t. The factor t^2 keeps the size of the soft part's
gradient when t changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ikd.protocols import Outputs


@dataclass(frozen=True, kw_only=True)
class KnowledgeDistillation:
    """The KD objective.

    Attributes:
        temperature: t > 0.
        alpha: weight of the soft targets, in [0, 1].
    """

    temperature: float
    alpha: float

    def __call__(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        """Return (B,) losses from logits (B, C) and labels (B,)."""
        t = self.temperature
        hard = F.cross_entropy(student.logits, labels, reduction="none")
        student_log = F.log_softmax(student.logits / t, dim=-1)
        teacher_log = F.log_softmax(teacher.logits / t, dim=-1)
        soft = (teacher_log.exp() * (teacher_log - student_log)).sum(dim=-1)
        return (1 - self.alpha) * hard + self.alpha * t**2 * soft
