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


def old_points_kept(steps: ArrayLike, values: ArrayLike, *, newest_from: int, width: int) -> NDArray[np.bool_]:
    """Return (N,) which points of a growing curve stay: the first, all from a step on, and the lowest and highest of each stretch before.

    A stretch is `width` steps from a multiple of it on. What is thinned again with a multiple of the width comes out as if the whole
    curve had been thinned with that, so that a curve can be thinned while it grows.

    Args:
        steps: (N,) in rising order.
        values: (N,); those that are not a number are left out of a stretch that has numbers.
        newest_from: first step of which everything stays.
        width: steps of a stretch.
    """
    places, heights = np.asarray(steps), np.asarray(values, dtype=np.float64)
    kept = places >= newest_from
    old = np.flatnonzero(~kept)
    if not len(old):
        return kept
    stretch, own = places[old] // width, heights[old]
    lowest = np.lexsort((np.where(np.isnan(own), np.inf, own), stretch))
    highest = np.lexsort((np.where(np.isnan(own), np.inf, -own), stretch))
    first = np.flatnonzero(np.diff(stretch, prepend=stretch[0] - 1))  # in both orders the stretches follow each other
    kept[old[lowest[first]]] = kept[old[highest[first]]] = kept[old[0]] = True
    return kept
