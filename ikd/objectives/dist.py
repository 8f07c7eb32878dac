"""DIST: the relations within a row and a column of the table of predictions, not its entries.

Huang, You, Wang, Qian, Xu, *Knowledge Distillation from A Stronger Teacher* (2022):

    l_i = t^2 ( inter_weight (1 - r(q_i., p_i.)) + intra_weight 1/C sum_c (1 - r(q_.c, p_.c)) )

with q = softmax(s / t) of the student, p = softmax(o / t) of the teacher and r Pearson's correlation: over the classes of one
example (inter-class), and over the examples of the batch for one class (intra-class). The second part belongs to the batch: every
example carries it whole, so that the mean over the batch is the published loss.

With two classes a row has one degree of freedom: the correlation is 1 or -1, and the inter-class part has no gradient. A row or
column that does not vary, as in a batch of one example, has correlation 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ikd.objectives.directions import unit
from ikd.protocols import Outputs


@dataclass(frozen=True, kw_only=True)
class RelationalDistillation:
    """The DIST objective.

    Attributes:
        temperature: t > 0.
        inter_weight: of the correlation over the classes of an example (beta in the paper).
        intra_weight: of the correlation over the examples of a class (gamma in the paper).
    """

    temperature: float
    inter_weight: float
    intra_weight: float

    def __call__(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        """Return (B,) losses from logits (B, C); labels (B,) are not looked at."""
        t = self.temperature
        q, p = F.softmax(student.logits / t, dim=-1), F.softmax(teacher.logits / t, dim=-1)
        inter, intra = 1 - _correlation(q, p, dim=1), (1 - _correlation(q, p, dim=0)).mean()
        return t**2 * (self.inter_weight * inter + self.intra_weight * intra)


def _correlation(left: Tensor, right: Tensor, *, dim: int) -> Tensor:
    """Return Pearson's correlation along a dimension, which goes."""
    pair = [unit(values - values.mean(dim=dim, keepdim=True), dim=dim) for values in (left, right)]
    return (pair[0] * pair[1]).sum(dim=dim)
