"""Whether a classifier answers as it should: against guessing, and against the best re-ordering of its classes.

Shapes: n examples, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ikd.metrics.predictions import predictions

SURE = 1e-3
"""A finding stands where chance alone would bring it this seldom; divided by the number of pairs of classes for an order of them."""
LEAST_GAIN, LEAST_LOSS = 0.1, 0.05
"""By how much accuracy must be better under another order, or worse than guessing, to be worth a halt."""


@dataclass(frozen=True, kw_only=True)
class ClassOrder:
    """How the answers of a classifier fit the labels of n examples.

    Attributes:
        accuracy, low, high: share of right answers with its 95 % interval (Wilson 1927).
        chance: accuracy that answers with these shares of classes would have, were they independent of the labels.
        order: for each class, the output that agrees with it best, each output taken once (Kuhn 1955).
        best_accuracy: accuracy under that order.
        p_below: one-sided probability of so low an accuracy by chance.
        p_order: one-sided probability of such a gain of that order over the present one, by a sign test on the examples they differ on.
        p_best: one-sided probability of `best_accuracy` by chance.
    """

    n: int
    accuracy: float
    low: float
    high: float
    chance: float
    order: tuple[int, ...]
    best_accuracy: float
    p_below: float
    p_order: float
    p_best: float

    @property
    def other_order(self) -> bool:
        """Whether the outputs stand for the classes in another order, as far as can be told."""
        n_classes = len(self.order)
        sure = SURE / max(1, n_classes * (n_classes - 1) // 2)
        gain = self.best_accuracy - self.accuracy
        return gain >= LEAST_GAIN and self.p_order < sure and self.p_best < sure

    @property
    def below_chance(self) -> bool:
        """Whether the answers are worse than guessing."""
        return self.chance - self.accuracy >= LEAST_LOSS and self.p_below < SURE

    @property
    def at_chance(self) -> bool:
        """Whether guessing lies within the interval of the accuracy, or above it."""
        return self.low <= self.chance


def class_order(logits: ArrayLike, labels: ArrayLike) -> ClassOrder:
    """Return how the answers (n, C) of a classifier fit hard labels (n,); examples without a label, -1, are left out.

    Args:
        logits: finite numbers.
        labels: at least one of them not -1.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.stats import binomtest

    given = predictions(logits, labels)
    given = given.only(given.labelled)
    n, n_classes = len(given), given.n_classes
    counts = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(counts, (given.labels, given.classes), 1)
    order = linear_sum_assignment(counts, maximize=True)[1]
    right, best = int(np.trace(counts)), int(counts[np.arange(n_classes), order].sum())
    interval = binomtest(right, n).proportion_ci(0.95, method="wilson")
    won, lost = _differing(given.labels, given.classes, order)
    chance, best_chance = _chance(counts), _chance(counts[:, order])
    return ClassOrder(
        n=n, accuracy=right / n, low=float(interval.low), high=float(interval.high), chance=chance, order=tuple(map(int, order)),
        best_accuracy=best / n,
        p_below=float(binomtest(right, n, chance, alternative="less").pvalue),
        p_order=float(binomtest(won, won + lost, alternative="greater").pvalue) if won + lost else 1.0,
        p_best=float(binomtest(best, n, best_chance, alternative="greater").pvalue),
    )  # fmt: skip


def _chance(counts: NDArray[np.int64]) -> float:
    return float(counts.sum(axis=1) @ counts.sum(axis=0) / counts.sum() ** 2)


def _differing(labels: NDArray[np.int64], answers: NDArray[np.int64], order: NDArray[np.int64]) -> tuple[int, int]:
    """Return how many examples the other order alone, and the present one alone, has right."""
    now, then = answers == labels, answers == order[labels]
    return int((then & ~now).sum()), int((now & ~then).sum())
