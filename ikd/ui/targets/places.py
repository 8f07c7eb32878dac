"""Where probabilities stand in the plane: a strip, a triangle, a square of three classes and the rest, or a circle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Doubles = NDArray[np.float64]
GOLDEN = 0.6180339887498949
MOST_ON_A_CIRCLE = 24


@dataclass(frozen=True, kw_only=True)
class Plane:
    """A linear map from probabilities to the unit square, y upwards.

    Attributes:
        names: of the corners.
        corners: (K, 2) their places.
        weights: (C, 2) place of each class; a probability vector p stands at p @ weights.
        strip: whether there are two corners, and points are spread upwards by their number so that they can be told apart.
    """

    names: tuple[str, ...]
    corners: Doubles
    weights: Doubles
    strip: bool = False

    def places(self, p: ArrayLike) -> Doubles:
        """Return the places of probabilities, (..., P, C) to (..., P, 2)."""
        found = np.asarray(p, dtype=np.float64) @ self.weights
        if self.strip:
            heights = 0.12 + 0.76 * ((np.arange(found.shape[-2]) * GOLDEN) % 1.0)
            found[..., 1] = heights
        return np.asarray(found)

    def moves(self, directions: ArrayLike) -> Doubles:
        """Return the displacements of changes of probability that sum to zero, (..., P, C) to (..., P, 2)."""
        return np.asarray(np.asarray(directions, dtype=np.float64) @ self.weights)


def strip(names: Sequence[str]) -> Plane:
    """Return the line of two classes: the second one is at the right."""
    ends = np.array([[0.0, 0.5], [1.0, 0.5]])
    return Plane(names=tuple(names), corners=ends, weights=np.array([[0.0, 0.0], [1.0, 0.0]]), strip=True)


def triangle(names: Sequence[str]) -> Plane:
    """Return the triangle of three classes; the second corner is at the right, the third at the top."""
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3) / 2]])
    return Plane(names=tuple(names), corners=corners, weights=corners)


def square(names: Sequence[str], chosen: Sequence[int], *, rest: str) -> Plane:
    """Return the square whose corners are three chosen classes and all others together."""
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    weights = np.tile(corners[3], (len(names), 1))
    weights[list(chosen)] = corners[:3]
    return Plane(names=(*(names[one] for one in chosen), rest), corners=corners, weights=weights)


def circle(names: Sequence[str]) -> Plane:
    """Return the regular polygon with a corner for every class: a linear projection, so distant classes can fall together."""
    angles = np.pi / 2 + 2 * np.pi * np.arange(len(names)) / len(names)
    corners = 0.5 + 0.5 * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return Plane(names=tuple(names), corners=corners, weights=corners)
