"""Tests that two methods are the same, from paired differences of a few seeds; all are two-sided."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ikd.metrics.predictions import Doubles

MOST_EXACT_SEEDS = 16
"""Up to here every assignment of signs is tried; beyond, so many are drawn:"""
N_DRAWN_SIGNS = 19_999
_SAME = 1e-9
_SIGNS_AT_ONCE = 2_000_000


def sign_flip_p(values: Doubles, rng: np.random.Generator) -> float:
    """Return the p value of the paired permutation test: how often signs given by lot carry the sum of values (n,) as far from zero.

    Where two methods are the same, a seed could as well have favoured the other: every assignment of signs to the differences is equally
    likely (Fisher, *The Design of Experiments*, 1935). Exact up to 16 seeds. Beyond, the share of drawn signs, the observed ones counted
    among them, which keeps the level. The smallest p that n differences other than zero can give is 2^(1 - n): six are needed for 0.05.
    """
    n = len(values)
    if n == 0:
        return float("nan")
    reached = abs(values.sum()) - _SAME * np.abs(values).sum()
    if n > MOST_EXACT_SEEDS:
        return _drawn(values, reached, rng)
    return float(np.mean(np.abs(_all_signs(n) @ values) >= reached))


def _all_signs(n: int) -> Doubles:
    """Return half of the assignments, (2^(n-1), n): the other half are their opposites, as far from zero."""
    bits = (np.arange(2 ** (n - 1))[:, None] >> np.arange(n)) & 1
    return np.asarray(1.0 - 2.0 * bits, dtype=np.float64)


def _drawn(values: Doubles, reached: float, rng: np.random.Generator) -> float:
    found, left = 1, N_DRAWN_SIGNS
    while left:
        some = min(left, max(1, _SIGNS_AT_ONCE // len(values)))
        signs = 1.0 - 2.0 * rng.integers(0, 2, (some, len(values)))
        found, left = found + int((np.abs(signs @ values) >= reached).sum()), left - some
    return found / (N_DRAWN_SIGNS + 1)


def signed_rank_p(values: Doubles, rng: np.random.Generator) -> float:
    """Return the p value of Wilcoxon's signed-rank test of values (n,); zeros are left out, as Wilcoxon did.

    Exact up to 16, with ties too (`scipy.stats.wilcoxon` there, where it is exact); beyond, scipy's choice. 1 where all are zero.
    """
    from scipy import stats

    there = values[values != 0]
    if len(values) == 0:
        return float("nan")
    if len(there) == 0:
        return 1.0
    if len(there) > MOST_EXACT_SEEDS:
        return float(stats.wilcoxon(there).pvalue)
    return sign_flip_p(np.sign(there) * stats.rankdata(np.abs(there)), rng)


def t_test_p(values: Doubles) -> float:
    """Return the p value of the paired t test, 2 and more values (n,); where all are the same, 0, or 1 if that is zero."""
    from scipy.special import stdtr

    n = len(values)
    if n < 2:
        return float("nan")
    if not np.ptp(values):
        return float(values[0] == 0)
    distance = abs(float(values.mean())) / float(values.std(ddof=1) / np.sqrt(n))
    return float(2 * stdtr(n - 1, -distance))


def holm(p_values: ArrayLike) -> Doubles:
    """Return p values (m,) of several tasks corrected so that the chance of any false find stays under the level.

    Holm, *A Simple Sequentially Rejective Multiple Test Procedure* (1979): the smallest times m, the next times m - 1, none less than the
    one before, none above 1. What is not a number (nothing to compare) stays so and is not counted.
    """
    given = np.asarray(p_values, dtype=np.float64)
    if given.ndim != 1 or (given < 0).any() or (given > 1).any():
        raise ValueError(f"p values must be (m,) and from 0 to 1, got {given}")
    order = np.argsort(given)[: int(np.isfinite(given).sum())]
    corrected = np.full(len(given), np.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(given[order] * np.arange(len(order), 0, -1)), 1.0)
    return corrected
