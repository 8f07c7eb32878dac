"""Every score as a function of a few sums over examples, so that a thousand resamples or readings cost one product of matrices.

Each example gives a row of K numbers; a split, a resample of it, or one reading of it is a weighted sum of rows, and its scores
follow from that alone. The values are those of `ikd.metrics.scores` (tested to be so).

Shapes: n examples, C classes, G groups, K = 7 + BINS + 3 C + 3 G.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ikd.metrics.calibration import BINS, bin_of
from ikd.metrics.predictions import Doubles, Predictions, divergences

_LABELLED, _KNOWN, _RIGHT, _NLL, _BRIER, _KL, _JS, _PLAIN = range(8)


def example_rows(given: Predictions) -> Any:
    """Return the numbers of each example as a sparse array (n, K).

    Seven plain ones: labelled, known truth, right, and its shares of likelihood, Brier score and both divergences; then, at the place
    of its bin, right minus confidence; then, class by class, hit, answered and labelled; then,
    group by group, labelled, right and the share of the likelihood.
    """
    from scipy.sparse import csr_array

    n, n_classes = len(given), given.n_classes
    there = given.labelled
    label, rows = np.where(there, given.labels, 0), np.arange(n)
    right = there & (given.classes == label)
    at_label = given.probabilities[rows, label]
    brier = (given.probabilities**2).sum(axis=1) - 2 * at_label + 1
    nll = -given.log_probabilities[rows, label] * there
    plain = [there, given.known, right, nll, brier * there, *divergences(given)]
    hits = _PLAIN + BINS + label
    placed = [(_PLAIN + bin_of(given.confidence), (right - given.confidence) * there), (hits, right),
              (_PLAIN + BINS + n_classes + given.classes, there), (_PLAIN + BINS + 2 * n_classes + label, there)]  # fmt: skip
    n_groups, first = len(given.group_names), _PLAIN + BINS + 3 * n_classes
    if n_groups:
        grouped, group = given.grouped, np.maximum(given.groups, 0)
        placed += [(first + kind * n_groups + group, value * grouped) for kind, value in enumerate((there, right, nll))]
    values = np.stack([*plain, *(value for _, value in placed)], axis=1).astype(np.float64)
    columns = np.stack([*(np.full(n, place) for place in range(_PLAIN)), *(place for place, _ in placed)], axis=1)
    starts = np.arange(n + 1) * columns.shape[1]
    return csr_array((values.reshape(-1), columns.reshape(-1), starts), shape=(n, first + 3 * n_groups))


def scores_of_sums(sums: Doubles, *, n_groups: int = 0) -> dict[str, Doubles]:
    """Return every score (...,) by name of sums (..., K) over examples, not a number where there are none.

    Beside them "recall" (..., C) and, of examples in groups, "group_accuracy" and "group_nll" (..., G).
    """
    by_class, by_group = np.split(sums[..., _PLAIN + BINS :], [sums.shape[-1] - _PLAIN - BINS - 3 * n_groups], axis=-1)
    hits, answered, labels = np.split(by_class, 3, axis=-1)
    n = sums[..., _LABELLED]
    with np.errstate(invalid="ignore", divide="ignore"):
        found = {
            "accuracy": sums[..., _RIGHT] / n,
            "macro_f1": _macro_f1(hits, answered, labels),
            "matthews": _matthews(sums[..., _RIGHT], n, answered, labels),
            "nll": sums[..., _NLL] / n,
            "brier": sums[..., _BRIER] / n,
            "ece": np.abs(sums[..., _PLAIN : _PLAIN + BINS]).sum(axis=-1) / n,
            "truth_kl": sums[..., _KL] / sums[..., _KNOWN],
            "truth_js": sums[..., _JS] / sums[..., _KNOWN],
            "recall": hits / labels,
        }
        if hits.shape[-1] == 2:
            found["second_f1"] = np.where(n > 0, _f1(hits, answered, labels)[..., 1], np.nan)
        return found | (_of_groups(by_group) if n_groups else {})


def _of_groups(sums: Doubles) -> dict[str, Doubles]:
    counts, right, nll = np.split(sums, 3, axis=-1)
    accuracy = right / counts
    worst = np.where(counts > 0, accuracy, np.inf).min(axis=-1)
    return {"worst_group_accuracy": np.where(np.isinf(worst), np.nan, worst), "group_accuracy": accuracy, "group_nll": nll / counts}


def _f1(hits: Doubles, answered: Doubles, labels: Doubles) -> Doubles:
    return np.asarray(2 * hits / np.maximum(answered + labels, 1))


def _macro_f1(hits: Doubles, answered: Doubles, labels: Doubles) -> Doubles:
    met: NDArray[np.bool_] = answered + labels > 0
    return np.asarray(_f1(hits, answered, labels).sum(axis=-1) / met.sum(axis=-1))


def _matthews(right: Doubles, n: Doubles, answered: Doubles, labels: Doubles) -> Doubles:
    """Return the correlation of Gorodkin, *Comparing two K-category assignments by a K-category correlation coefficient* (2004)."""
    shared = right * n - (answered * labels).sum(axis=-1)
    spread = (n**2 - (answered**2).sum(axis=-1)) * (n**2 - (labels**2).sum(axis=-1))
    return np.where(n > 0, np.where(spread > 0, shared / np.sqrt(spread), 0.0), np.nan)
