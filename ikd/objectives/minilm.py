"""MiniLM v2: the relations between the tokens of a text, in queries, keys and values.

Wang, Bao, Huang, Dong, Wei, *MiniLMv2: Multi-Head Self-Attention Relation Distillation for Compressing Pretrained Transformers*
(2021):

    l_i = sum_{R in Q, K, V} 1/(A |x_i|) sum_a sum_t KL( r_iat(teacher) || r_iat(student) ),    r_ia = softmax( R_ia R_ia^T / sqrt(d) )

where the heads of a layer are put side by side again and split anew into A relation heads d wide, so that neither the number of
heads nor the width of student and teacher need agree. |x_i| counts the real tokens of an example; row t of r is a distribution over
them. Several pairs of layers are summed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ikd.errors import ConfigError
from ikd.objectives.divergence import divergence
from ikd.objectives.tokens import mean_over, real_tokens
from ikd.protocols import Outputs


@dataclass(frozen=True, kw_only=True)
class MiniLMRelations:
    """The MiniLM v2 objective.

    Attributes:
        relation_heads: A, which divides the width of the student and that of the teacher.
    """

    relation_heads: int

    def __call__(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        """Return (B,) losses from queries, keys and values (B, heads, T, D) of one pair of layers or more.

        The student's mask (B, T) says which tokens are real, for both; labels (B,) are not looked at.

        Raises:
            ConfigError: a width that the relation heads do not divide.
        """
        real = real_tokens(student.mask, student.queries[0][:, 0])
        relations = zip(self._relations(student, real), self._relations(teacher, real), strict=True)
        return torch.stack([mean_over(divergence(other, own).mean(dim=1), real) for own, other in relations]).sum(dim=0)

    def _relations(self, outputs: Outputs, real: Tensor) -> Iterator[Tensor]:
        """Yield log r, (B, A, T, T), of each layer's queries, keys and values."""
        for rows in (*outputs.queries, *outputs.keys, *outputs.values):
            heads = self._split(rows)
            scores = heads @ heads.transpose(-1, -2) / heads.shape[-1] ** 0.5
            # Finite, since the difference of two infinities is no number; half, since log_softmax takes the maximum off it.
            nowhere = torch.finfo(scores.dtype).min / 2
            yield F.log_softmax(scores.masked_fill(~real[:, None, None, :], nowhere), dim=-1)

    def _split(self, rows: Tensor) -> Tensor:
        """Return (B, A, T, d) from (B, heads, T, D)."""
        joined = rows.transpose(1, 2).flatten(2)
        width = joined.shape[-1]
        if width % self.relation_heads:
            raise ConfigError(
                f"The objective minilm cannot split the width {width} of a model's queries, keys and values into "
                f"{self.relation_heads} relation heads: choose a number that divides the widths of both models."
            )
        split: Tensor = joined.unflatten(-1, (self.relation_heads, -1))
        return split.transpose(1, 2)
