"""Patient knowledge distillation: the direction of the [CLS] state, layer by layer.

Sun, Cheng, Gan, Liu, *Patient Knowledge Distillation for BERT Model Compression* (2019), the loss L_PT:

    l_i = sum_j || h_ij / ||h_ij|| - g_ij / ||g_ij|| ||^2

over the pairs j of layers, with h_ij the student's hidden state at the [CLS] token, which is the first, and g_ij the teacher's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ikd.objectives.directions import unit
from ikd.protocols import Outputs


@dataclass(frozen=True, kw_only=True)
class PatientDistillation:
    """The PKD objective; it has no parameters."""

    def __call__(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        """Return (B,) losses from one pair or more of hidden states (B, T, H); labels (B,) are not looked at."""
        pairs = zip(student.hidden_states, teacher.hidden_states, strict=True)
        gaps = [unit(own[:, 0]) - unit(other[:, 0]) for own, other in pairs]
        return torch.stack([gap.square().sum(dim=-1) for gap in gaps]).sum(dim=0)
