"""The scores by name: what each means, and its value, from scikit-learn and scipy where they have it.

All are of the whole of the given examples, at temperature 1. A class that occurs neither among the labels nor among the answers is
left out of macro F1, as scikit-learn leaves it out; one that is only answered, or never answered, counts there as 0.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ikd.metrics.calibration import reliability_of
from ikd.metrics.predictions import Doubles, Integers, Predictions, divergences, predictions

Score = Callable[[Predictions], float]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One score.

    Attributes:
        label: its name on a page.
        meaning: a sentence.
        of: its value, of predictions that all have a label, or all a known truth.
        larger_is_better: its direction.
        low, high: what it can be; not a bound of what is likely.
        needs_truth: whether it holds a model against votes or a known posterior, and not against the labels.
        two_classes: whether it is of tasks with two classes alone.
        needs_groups: whether it is of tasks whose examples belong to groups.
    """

    label: str
    meaning: str
    of: Score
    larger_is_better: bool
    low: float = 0.0
    high: float = 1.0
    needs_truth: bool = False
    two_classes: bool = False
    needs_groups: bool = False


def point_values(
    logits: ArrayLike, labels: ArrayLike, truth: ArrayLike | None = None, groups: Sequence[str] | None = None
) -> dict[str, float]:
    """Return every score that can be had, by its name in METRICS.

    Args:
        logits: (n, C).
        labels: (n,) hard labels, -1 where there is none; such examples count only for the scores that need the truth.
        truth: (n, C), a row of zeros where it is not known, or None.
        groups: (n,) names, empty where an example belongs to no group, or None.
    """
    return values_of(predictions(logits, labels, truth, groups))


def values_of(given: Predictions) -> dict[str, float]:
    """Return the same of predictions."""
    labelled, known = given.only(given.labelled), given.only(given.known)
    with warnings.catch_warnings():
        # Of few examples with many classes scikit-learn fears that they are numbers to be regressed.
        warnings.simplefilter("ignore", UserWarning)
        return {name: float(METRICS[name].of(known if METRICS[name].needs_truth else labelled)) for name in names_for(given)}


def names_for(given: Predictions) -> list[str]:
    """Return the names of the scores that predictions can have: by their labels, their truth, their classes and their groups."""
    there = {False: bool(given.labelled.any()), True: bool(given.known.any())}
    grouped = bool((given.labelled & given.grouped).any())
    return [name for name, one in METRICS.items() if there[one.needs_truth] and (given.n_classes == 2 or not one.two_classes)
            and (grouped or not one.needs_groups)]  # fmt: skip


def class_recall(logits: ArrayLike, labels: ArrayLike) -> Doubles:
    """Return for each class the share of its examples that are answered with it, (C,); not a number for a class without examples."""
    return recall_of(predictions(logits, labels))


def recall_of(given: Predictions) -> Doubles:
    """Return the same of predictions."""
    from sklearn.metrics import recall_score

    there = given.only(given.labelled)
    if not len(there):
        return np.full(given.n_classes, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = recall_score(there.labels, there.classes, labels=np.arange(given.n_classes), average=None, zero_division=np.nan)
    return np.asarray(found, dtype=np.float64)


def group_values(given: Predictions) -> tuple[Integers, Doubles, Doubles]:
    """Return for each group, (G,) each: its labelled examples, their accuracy and their nll; not a number for a group without any."""
    there = given.only(given.labelled & given.grouped)
    parts = [there.only(there.groups == place) for place in range(len(given.group_names))]
    counts = np.asarray([len(one) for one in parts], dtype=np.int64)
    accuracy, likelihood = (np.asarray([of(one) if len(one) else np.nan for one in parts], dtype=np.float64) for of in (_accuracy, _nll))
    return counts, accuracy, likelihood


def _worst_group(given: Predictions) -> float:
    return float(np.nanmin(group_values(given)[1]))


def _accuracy(given: Predictions) -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(given.labels, given.classes))


def _macro_f1(given: Predictions) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(given.labels, given.classes, average="macro", zero_division=0.0))


def _second_f1(given: Predictions) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(given.labels, given.classes, labels=[1], average="macro", zero_division=0.0))


def _matthews(given: Predictions) -> float:
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(given.labels, given.classes))


def _nll(given: Predictions) -> float:
    # scikit-learn's log_loss cuts probabilities at 2e-16; this is the same without a cut.
    return float(-given.log_probabilities[np.arange(len(given)), given.labels].mean())


def _brier(given: Predictions) -> float:
    from sklearn.metrics import brier_score_loss

    return float(brier_score_loss(given.labels, given.probabilities, labels=np.arange(given.n_classes), scale_by_half=False))


METRICS: dict[str, Metric] = {
    "accuracy": Metric(
        label="Accuracy", of=_accuracy, larger_is_better=True, meaning="Share of the examples whose most probable class is the label.",
    ),
    "worst_group_accuracy": Metric(
        label="Worst-group accuracy", of=_worst_group, larger_is_better=True, needs_groups=True,
        meaning="Lowest accuracy of the groups that the examples belong to; groups without a labelled example do not count. Small groups "
        "alone make it lower than it is.",
    ),
    "macro_f1": Metric(
        label="Macro F1", of=_macro_f1, larger_is_better=True,
        meaning="F1 of each class (twice the hits over labels plus answers), and their mean: rare classes count as much as frequent ones.",
    ),
    "second_f1": Metric(
        label="F1 of the second class", of=_second_f1, larger_is_better=True, two_classes=True,
        meaning="F1 of the second class alone, as tasks such as MRPC and QQP report it.",
    ),
    "matthews": Metric(
        label="Matthews correlation", of=_matthews, larger_is_better=True, low=-1.0,
        meaning="Correlation of answers and labels: 1 all right, 0 no better than chance; also 0 where one class alone is answered.",
    ),
    "nll": Metric(
        label="Negative log-likelihood", of=_nll, larger_is_better=False, high=math.inf,
        meaning="Mean of minus the log-probability of the label, in nats: an overconfident model pays here first.",
    ),
    "brier": Metric(
        label="Brier score", of=_brier, larger_is_better=False, high=2.0,
        meaning="Squared difference between the probabilities and the label's (1, the others 0), summed over all classes: from 0 to 2.",
    ),
    "ece": Metric(
        label="Calibration error", of=lambda given: reliability_of(given).error, larger_is_better=False,
        meaning="Expected calibration error: mean gap between confidence and accuracy in 15 bins of equal width. Few examples alone "
        "make it larger than it is.",
    ),
    "truth_kl": Metric(
        label="KL to the truth", of=lambda given: float(divergences(given)[0].mean()), larger_is_better=False, high=math.inf,
        needs_truth=True, meaning="Mean KL(truth ‖ model) in nats, over the examples whose truth is known.",
    ),
    "truth_js": Metric(
        label="Jensen-Shannon to the truth", of=lambda given: float(divergences(given)[1].mean()), larger_is_better=False,
        high=math.log(2), needs_truth=True,
        meaning="Mean Jensen-Shannon divergence of truth and model in nats (the divergence, not its root, the distance): 0 to 0.693.",
    ),
}  # fmt: skip
