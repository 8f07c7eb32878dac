"""Does a model that says 80 % come true in 80 % of the cases? Bins of confidence, and the mean gap over them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ikd.metrics.predictions import Doubles, Integers, Predictions, predictions

BINS = 15
"""Bins of the calibration error, as in Guo, Pleiss, Sun, Weinberger, *On Calibration of Modern Neural Networks* (2017)."""


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Bins of equal width between confidence 0 and 1; each holds its upper edge, the first its lower one too.

    Attributes:
        low, high: (bins,) edges.
        count: (bins,) labelled examples.
        confidence: (bins,) their mean confidence, not a number where there is none.
        accuracy: (bins,) share of them whose most probable class is the label.
    """

    low: Doubles
    high: Doubles
    count: Integers
    confidence: Doubles
    accuracy: Doubles

    @property
    def error(self) -> float:
        """Return the expected calibration error: the gap between accuracy and confidence, its mean over the examples."""
        return float(np.nansum(self.count * np.abs(self.accuracy - self.confidence)) / self.count.sum()) if self.count.any() else np.nan


def reliability(logits: ArrayLike, labels: ArrayLike, bins: int = BINS) -> Reliability:
    """Return how often a model is right in each bin of its confidence, the probability of its most probable class.

    Args:
        logits: (n, C).
        labels: (n,); examples without a label are left out.
        bins: how many.
    """
    return reliability_of(predictions(logits, labels), bins)


def reliability_of(given: Predictions, bins: int = BINS) -> Reliability:
    """Return the same of predictions."""
    there = given.labelled
    place, confidence = bin_of(given.confidence, bins)[there], given.confidence[there]
    right = (given.classes == given.labels)[there]
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, weights=confidence, minlength=bins) / count
        share = np.bincount(place, weights=right, minlength=bins) / count
    edges = np.linspace(0.0, 1.0, bins + 1)
    return Reliability(low=edges[:-1], high=edges[1:], count=count.astype(np.int64), confidence=mean, accuracy=share)


def bin_of(confidence: Doubles, bins: int = BINS) -> Integers:
    """Return the number of the bin of each confidence, as `sklearn.calibration.calibration_curve` has it."""
    return np.searchsorted(np.linspace(0.0, 1.0, bins + 1)[1:-1], confidence).astype(np.int64)
