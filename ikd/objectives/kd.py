"""Knowledge distillation: the teacher's soft targets.

Hinton, Vinyals, Dean, *Distilling the Knowledge in a Neural Network* (2015), section 2:

    l_i = t^2 KL( softmax(o_i / t) || softmax(s_i / t) )

with student logits s_i, teacher logits o_i and temperature t. The factor t^2 keeps the size of the gradient when t changes. The
hard labels' share of the published loss is added by `ikd.objectives.combined`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ikd.objectives.divergence import divergence
from ikd.protocols import Outputs


@dataclass(frozen=True, kw_only=True)
class KnowledgeDistillation:
    """The KD objective.

    Attributes:
        temperature: t > 0.
    """

    temperature: float

    def __call__(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        """Return (B,) losses from logits (B, C); labels (B,) are not looked at."""
        t = self.temperature
        return t**2 * divergence(F.log_softmax(teacher.logits / t, dim=-1), F.log_softmax(student.logits / t, dim=-1))
