"""What one model says on a split, with labels, truth and groups, checked once and in the form that every score needs.

Shapes: n examples, C classes, G groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]

UNLABELLED = -1
"""The label of an example without one; it is left out of every score that needs labels."""
NO_GROUP = -1
"""The group of an example without one."""


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What one model says on a split.

    Attributes:
        log_probabilities: (n, C) in nats, at temperature 1.
        classes: (n,) the most probable class; of equal ones the first.
        labels: (n,) hard labels, or `UNLABELLED`.
        truth: (n, C) probabilities (votes or a known posterior) that sum to one; a row of zeros where there is none.
        groups: (n,) index into `group_names`, or `NO_GROUP`.
        group_names: G names, sorted; of a part of a split too those of the whole.
    """

    log_probabilities: Doubles
    classes: Integers
    labels: Integers
    truth: Doubles
    groups: Integers
    group_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.labels)

    @property
    def n_classes(self) -> int:
        """Return C."""
        return int(self.log_probabilities.shape[1])

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Return (n,) whether an example has a label."""
        return np.asarray(self.labels != UNLABELLED)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Return (n,) whether the truth of an example is known."""
        return np.asarray(self.truth.any(axis=1))

    @property
    def grouped(self) -> NDArray[np.bool_]:
        """Return (n,) whether an example belongs to a group."""
        return np.asarray(self.groups != NO_GROUP)

    @cached_property
    def probabilities(self) -> Doubles:
        """Return (n, C), none above one even by rounding."""
        return np.minimum(np.exp(self.log_probabilities), 1.0)

    @cached_property
    def confidence(self) -> Doubles:
        """Return (n,) the probability of the most probable class."""
        return self.probabilities[np.arange(len(self)), self.classes]

    def only(self, rows: NDArray[np.bool_]) -> Predictions:
        """Return the examples of some rows (n,)."""
        return Predictions(log_probabilities=self.log_probabilities[rows], classes=self.classes[rows], labels=self.labels[rows],
                           truth=self.truth[rows], groups=self.groups[rows], group_names=self.group_names)  # fmt: skip


def predictions(
    logits: ArrayLike, labels: ArrayLike, truth: ArrayLike | None = None, groups: Sequence[str] | None = None
) -> Predictions:
    """Return what a model says, checked.

    Args:
        logits: (n, C), before any temperature.
        labels: (n,) from 0 to C - 1, or `UNLABELLED`.
        truth: (n, C) weights that are not negative; a row of zeros or of not-a-number where it is not known. None: nowhere.
        groups: (n,) names, empty where an example belongs to no group. None: nowhere.

    Raises:
        ValueError: shapes that do not fit, a label beyond the classes, or a truth below zero.
    """
    from scipy.special import log_softmax

    said, hard = np.asarray(logits, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    if said.ndim != 2 or hard.shape != said.shape[:1]:
        raise ValueError(f"logits must be (n, C) and labels (n,), got {said.shape} and {hard.shape}")
    if len(hard) and not UNLABELLED <= hard.min() <= hard.max() < said.shape[1]:
        raise ValueError(f"labels must be from {UNLABELLED} to {said.shape[1] - 1}, got {hard.min()} to {hard.max()}")
    known = np.zeros_like(said) if truth is None else np.nan_to_num(np.asarray(truth, dtype=np.float64), nan=0.0)
    if known.shape != said.shape or (known < 0).any():
        raise ValueError(f"truth must be {said.shape} and not negative, got {known.shape}")
    if groups is not None and len(groups) != len(hard):
        raise ValueError(f"groups must be ({len(hard)},), got ({len(groups)},)")
    names, places = _indexed(groups, len(hard))
    total = known.sum(axis=1, keepdims=True)
    return Predictions(log_probabilities=np.asarray(log_softmax(said, axis=1)), classes=said.argmax(axis=1), labels=hard,
                       truth=np.divide(known, total, out=np.zeros_like(known), where=total > 0),
                       groups=places, group_names=names)  # fmt: skip


def _indexed(groups: Sequence[str] | None, n: int) -> tuple[tuple[str, ...], Integers]:
    names = tuple(sorted(set(groups or ()) - {""}))
    known = {name: place for place, name in enumerate(names)}
    places = [NO_GROUP] * n if groups is None else [known.get(name, NO_GROUP) for name in groups]
    return names, np.asarray(places, dtype=np.int64)


def divergences(given: Predictions) -> tuple[Doubles, Doubles]:
    """Return KL(truth || model) and the Jensen-Shannon divergence of the two, (n,) each in nats; 0 where the truth is not known.

    KL goes through the log-probabilities, so that a probability too small for a float does not make it infinite; else it is
    `scipy.stats.entropy(truth, probabilities)`. The Jensen-Shannon divergence is the mean of KL(truth || m) and KL(model || m),
    m half of each: from 0 to log 2, and the square of the distance `scipy.spatial.distance.jensenshannon`.
    """
    from scipy.special import rel_entr, xlogy

    truth, said = given.truth, given.probabilities
    kl = (xlogy(truth, truth) - truth * given.log_probabilities).sum(axis=1)
    middle = (truth + said) / 2
    js = (rel_entr(truth, middle) + rel_entr(said, middle)).sum(axis=1) / 2
    # Rounding can leave -1e-17 where the two are equal.
    return np.where(given.known, np.maximum(kl, 0.0), 0.0), np.where(given.known, np.maximum(js, 0.0), 0.0)
