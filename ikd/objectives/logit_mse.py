"""Logit matching: the student's logits are to be the teacher's.

Ba, Caruana, *Do Deep Nets Really Need to be Deep?* (2014); Kim et al., *Comparing Kullback-Leibler Divergence and Mean Squared
Error Loss in Knowledge Distillation* (2021), who show it to be, up to the mean of the logits, the limit of KD at high temperature:

    l_i = 1/C sum_c (s_ic - o_ic)^2

with student logits s_i and teacher logits o_i over C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ikd.protocols import Outputs


@dataclass(frozen=True, kw_only=True)
class LogitMatching:
    """The logit MSE objective; it has no parameters."""

    def __call__(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        """Return (B,) losses from logits (B, C); labels (B,) are not looked at."""
        return (student.logits - teacher.logits).square().mean(dim=-1)
