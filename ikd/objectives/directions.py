"""Vectors without their length."""

from __future__ import annotations

from torch import Tensor

SHORTEST = 1e-6
"""Vectors shorter than this are divided by it instead, so that a vector of zeros stays zero and has a finite gradient."""


def unit(vectors: Tensor, dim: int = -1) -> Tensor:
    """Return x / max(||x||, SHORTEST) for the vectors x along a dimension; the shape stays."""
    return vectors * vectors.square().sum(dim=dim, keepdim=True).clamp_min(SHORTEST**2).rsqrt()
