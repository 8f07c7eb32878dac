"""Cosine of hidden states: each token's state is to point where the teacher's does.

Sanh, Debut, Chaumond, Wolf, *DistilBERT, a distilled version of BERT* (2019), the loss L_cos:

    l_i = sum_j 1/|x_i| sum_t ( 1 - cos(h_ijt, g_ijt) )

over the pairs j of layers (in the paper the last) and the real tokens t of an example, with the student's hidden states h and the
teacher's g.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ikd.objectives.directions import unit
from ikd.objectives.tokens import mean_over, real_tokens
from ikd.protocols import Outputs


@dataclass(frozen=True, kw_only=True)
class HiddenCosine:
    """The cosine objective; it has no parameters."""

    def __call__(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        """Return (B,) losses from one pair or more of hidden states (B, T, H); labels (B,) are not looked at.

        The student's mask (B, T) says which tokens are real, for both.
        """
        pairs = zip(student.hidden_states, teacher.hidden_states, strict=True)
        gaps = [(1 - (unit(own) * unit(other)).sum(dim=-1), real_tokens(student.mask, own)) for own, other in pairs]
        return torch.stack([mean_over(gap, real) for gap, real in gaps]).sum(dim=0)
