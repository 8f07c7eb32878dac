"""Intervals by bootstrap: how far a score would have been from itself had other examples of the same kind been drawn.

The examples are drawn again, as many as there are, with replacement; the interval lies between the percentiles of the score over these
resamples (Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 13). Number and seed decide the draws, so two models on
the same split meet the same resamples, and their difference is paired.

A calibration error grows with the noise in its bins, and a resample adds noise of its own: its interval leans upwards, and may lie above
the value. The lowest of several accuracies falls with their noise: the interval of the worst group leans downwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ikd.metrics.predictions import Doubles, Predictions, predictions
from ikd.metrics.scores import names_for, values_of
from ikd.metrics.sums import example_rows, scores_of_sums

N_RESAMPLES, SEED, LEVEL = 1000, 0, 0.95
_DRAWS_AT_ONCE = 2_000_000


class Estimate(NamedTuple):
    """A score with the ends of its interval."""

    value: float
    low: float
    high: float


def intervals(
    logits: ArrayLike, labels: ArrayLike, truth: ArrayLike | None = None, groups: Sequence[str] | None = None, *,
    n_resamples: int = N_RESAMPLES, seed: int = SEED, level: float = LEVEL,
) -> dict[str, Estimate]:  # fmt: skip
    """Return every score of a model with its interval, by name.

    Args:
        logits: (n, C).
        labels: (n,), -1 where there is none.
        truth: (n, C), a row of zeros where it is not known, or None.
        groups: (n,) names, empty where an example belongs to no group, or None.
        n_resamples: how often the examples are drawn again.
        seed: of the draws.
        level: share of the resamples inside the interval.
    """
    given = predictions(logits, labels, truth, groups)
    drawn = resampled(given, n_resamples=n_resamples, seed=seed)
    return {name: estimate(value, drawn[name], level=level) for name, value in values_of(given).items()}


def difference_interval(
    logits: ArrayLike, other_logits: ArrayLike, labels: ArrayLike, truth: ArrayLike | None = None,
    groups: Sequence[str] | None = None, *, n_resamples: int = N_RESAMPLES, seed: int = SEED, level: float = LEVEL,
) -> dict[str, Estimate]:  # fmt: skip
    """Return the first model's scores minus the other's on the same examples, with intervals over the same resamples of both."""
    first, second = (predictions(one, labels, truth, groups) for one in (logits, other_logits))
    ours, theirs = (resampled(one, n_resamples=n_resamples, seed=seed) for one in (first, second))
    values, others = values_of(first), values_of(second)
    return {name: estimate(values[name] - others[name], ours[name] - theirs[name], level=level) for name in names_for(first)}


def resampled(given: Predictions, *, n_resamples: int = N_RESAMPLES, seed: int = SEED) -> dict[str, Doubles]:
    """Return every score (n_resamples,) of resampled predictions by name, and (n_resamples, C or G) as `scores_of_sums` has them."""
    rows = example_rows(given)
    across = rows.T.tocsr()
    parts = [scores_of_sums(np.ascontiguousarray((across @ counts.T).T), n_groups=len(given.group_names))
             for counts in _counts(len(given), n_resamples, seed)]  # fmt: skip
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def interval(values: Doubles, *, level: float = LEVEL) -> tuple[Doubles, Doubles]:
    """Return the ends (...,) of the interval of values (resamples, ...); those that are not a number do not count."""
    void = np.isnan(values).all(axis=0)
    ends = np.nanquantile(np.where(void, 0.0, values), [(1 - level) / 2, (1 + level) / 2], axis=0)
    low, high = np.where(void, np.nan, ends)
    return low, high


def estimate(value: float, values: Doubles, *, level: float = LEVEL) -> Estimate:
    """Return a score with the interval of its values over resamples."""
    low, high = interval(values, level=level)
    return Estimate(value, float(low), float(high))


def _counts(n: int, n_resamples: int, seed: int) -> Iterator[Doubles]:
    """Yield how often each example is in each resample, (some of the resamples, n)."""
    draw = np.random.default_rng(seed)
    at_once = max(1, _DRAWS_AT_ONCE // max(n, 1))
    for first in range(0, n_resamples, at_once):
        several = range(first, min(first + at_once, n_resamples))
        yield np.stack([np.bincount(draw.integers(0, max(n, 1), n), minlength=n) for _ in several]).astype(np.float64)
