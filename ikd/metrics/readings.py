"""Scores of many readings of the same examples at once, as a run's curves need them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ikd.metrics.predictions import Doubles, predictions
from ikd.metrics.scores import names_for
from ikd.metrics.sums import example_rows, scores_of_sums

_NUMBERS_AT_ONCE = 1_000_000


def reading_scores(
    logits: ArrayLike, labels: ArrayLike, truth: ArrayLike | None = None, groups: Sequence[str] | None = None
) -> dict[str, Doubles]:
    """Return every score of each reading by name, (R, P, C) to (R,): the values of `ikd.metrics.scores.point_values`.

    Where examples belong to groups, "group_accuracy" and "group_nll" (R, G) too, by the names of the groups in their order.

    Args:
        logits: (R, P, C).
        labels: (P,), -1 where there is none.
        truth: (P, C), a row of zeros where it is not known, or None.
        groups: (P,) names, empty where an example belongs to no group, or None.
    """
    said, hard = np.asarray(logits), np.asarray(labels, dtype=np.int64)
    n_readings, n_probe, n_classes = said.shape
    if not n_readings or not n_probe:
        return {}
    known = np.zeros((n_probe, n_classes)) if truth is None else np.asarray(truth, dtype=np.float64)
    at_once = max(1, _NUMBERS_AT_ONCE // (n_probe * n_classes))
    first_one = predictions(said[0], hard, known, groups)
    names = [*names_for(first_one), *(("group_accuracy", "group_nll") if first_one.group_names else ())]
    parts = [scores_of_sums(_summed(said[first : first + at_once], hard, known, groups), n_groups=len(first_one.group_names))
             for first in range(0, n_readings, at_once)]  # fmt: skip
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def _summed(logits: ArrayLike, labels: ArrayLike, truth: ArrayLike, groups: Sequence[str] | None) -> Doubles:
    from scipy.sparse import eye_array, kron

    said = np.asarray(logits)
    n_readings, n_probe, n_classes = said.shape
    given = predictions(said.reshape(-1, n_classes), np.tile(labels, n_readings), np.tile(truth, (n_readings, 1)),
                        None if groups is None else list(groups) * n_readings)  # fmt: skip
    of_a_reading = kron(eye_array(n_readings), np.ones((1, n_probe)), format="csr")
    return np.asarray((of_a_reading @ example_rows(given)).toarray(), dtype=np.float64)
