"""Fewer points of a long curve, with its spikes kept."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def thin(steps: ArrayLike, values: ArrayLike, n: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return at most n points of a curve: the first, the last, and the lowest and highest of each bucket between.

    Points are never averaged or moved, so every spike of the curve is still in it. Points that are not a number
    are left out of a bucket that has numbers.

    Args:
        steps: (N,) in rising order.
        values: (N,).
        n: points wanted, at least 4; a curve of n points or fewer is returned whole.

    Returns:
        steps and values, (at most n,) each.

    Raises:
        ValueError: the two have different lengths, or n is below 4.
    """
    places, heights = np.asarray(steps), np.asarray(values)
    if places.shape != heights.shape or places.ndim != 1:
        raise ValueError(f"steps and values must be two rows of the same length, got {places.shape} and {heights.shape}")
    if n < 4:
        raise ValueError(f"thinning needs at least 4 points, got {n}")
    if len(places) <= n:
        return places, heights
    edges = np.linspace(1, len(places) - 1, (n - 2) // 2 + 1).astype(np.int64)
    within = edges[:-1, np.newaxis] + np.arange(np.diff(edges).max())
    outside = within >= edges[1:, np.newaxis]
    bucket = np.where(outside, np.nan, heights[np.minimum(within, len(heights) - 1)].astype(np.float64))
    lowest = np.where(np.isnan(bucket), np.inf, bucket).argmin(axis=1)
    highest = np.where(np.isnan(bucket), -np.inf, bucket).argmax(axis=1)
    chosen = np.unique([0, *(edges[:-1] + lowest), *(edges[:-1] + highest), len(places) - 1])
    return places[chosen], heights[chosen]
