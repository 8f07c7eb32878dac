"""Means over the real tokens of each example: padding has no weight and no gradient."""

from __future__ import annotations

import torch
from torch import Tensor


def real_tokens(mask: Tensor | None, states: Tensor) -> Tensor:
    """Return (B, T), True for tokens and False for padding, from the mask (B, T) of outputs with such states (B, T, H)."""
    return torch.ones(states.shape[:2], dtype=torch.bool, device=states.device) if mask is None else mask.bool()


def mean_over(values: Tensor, real: Tensor) -> Tensor:
    """Return (B,) the mean of each example's values where it is real, from values and real (B, T) or (B, T, T)."""
    return values.masked_fill(~real, 0.0).flatten(1).sum(dim=1) / real.flatten(1).sum(dim=1).clamp_min(1)
