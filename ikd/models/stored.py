"""A teacher that cannot be asked again: what it said stands with the texts, as stored soft targets."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ikd.protocols import UNLABELLED, Split

LEAST = 1e-6
"""The smallest stored probability that is told from zero: a soft target needs a finite logarithm."""
INPUT = "stored"
"""The one input of a stored teacher."""


class Answer(NamedTuple):
    """What a stored teacher returns, as a transformers classifier does."""

    logits: Tensor


class StoredTeacher(nn.Module):
    """Says what was stored: its input (B, C) is its logits."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.config = SimpleNamespace(model_type="stored", num_labels=n_classes, num_hidden_layers=0, hidden_size=0)

    def forward(self, stored: Tensor) -> Answer:
        """Return the stored logits."""
        return Answer(stored)


def stored_logits(split: Split, n_classes: int, *, course: bool) -> Tensor:
    """Return log probabilities (n, C) of a split's stored soft targets.

    Args:
        split: with or without stored soft targets.
        n_classes: C.
        course: whether a text without a stored soft target is given its label's; texts of other splits get none, the uniform one.
    """
    rows = split.soft_targets if split.soft_targets is not None else [[0.0] * n_classes] * len(split)
    known = torch.tensor([[float(one) for one in row] for row in rows], dtype=torch.float64)
    for index in (~known.any(dim=1)).nonzero().flatten().tolist():
        label = split.labels[index]
        known[index] = torch.full((n_classes,), 1.0)
        if course and label != UNLABELLED:
            known[index] = torch.nn.functional.one_hot(torch.tensor(label), n_classes)
    known = known.clamp(min=LEAST)
    return (known / known.sum(dim=1, keepdim=True)).log().float()


def how_many(split: Split) -> int:
    """Return how many texts of a split have a stored soft target."""
    rows: Sequence[Sequence[float]] = split.soft_targets or ()
    return sum(any(row) for row in rows)
