"""Quantities derived from what was recorded: pure functions of arrays and tables. All that pages draw is one of them.

Everything goes through `log_softmax` in float64, so that a probability of 1e-30 is neither zero nor clipped.

Shapes: ... any leading axes, R readings, P probe examples, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Doubles = NDArray[np.float64]
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def log_softmax(logits: ArrayLike, temperature: float = 1.0) -> Doubles:
    """Return log softmax(logits / temperature) over the last axis, (..., C)."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    shifted = scaled - scaled.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def softmax(logits: ArrayLike, temperature: float = 1.0) -> Doubles:
    """Return softmax(logits / temperature) over the last axis, (..., C): the soft targets."""
    return np.exp(log_softmax(logits, temperature))


def entropy(p: ArrayLike) -> Doubles:
    """Return -sum p log p in nats over the last axis, (..., C) to (...,); 0 log 0 is 0."""
    probabilities = np.asarray(p, dtype=np.float64)
    return np.asarray(-(probabilities * _log(probabilities)).sum(axis=-1))


def divergence(logits: ArrayLike, other_logits: ArrayLike, temperature: float) -> Doubles:
    """Return KL(softmax(logits / t) || softmax(other / t)) in nats over the last axis, (..., C) twice to (...,).

    The gap between teacher and student is divergence(teacher, student).
    """
    first, second = log_softmax(logits, temperature), log_softmax(other_logits, temperature)
    # Rounding can leave -1e-17 where the two are equal.
    return np.asarray(np.maximum((np.exp(first) * (first - second)).sum(axis=-1), 0.0))


def drift(logits: ArrayLike, frozen_logits: ArrayLike, temperature: float) -> Doubles:
    """Return KL(teacher now || frozen teacher) of the soft targets, in nats.

    Args:
        logits: (R, P, C), or any leading axes that broadcast.
        frozen_logits: (P, C) before the first exam step.
        temperature: of the training, so that this is the drift of the very targets the student is given.

    Returns:
        (R, P).
    """
    return divergence(logits, frozen_logits, temperature)


def correct(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.bool_]:
    """Return whether the largest logit is at the label, (..., P, C) and (P,) to (..., P)."""
    return np.asarray(np.asarray(logits).argmax(axis=-1) == np.asarray(labels))


def accuracy(logits: ArrayLike, labels: ArrayLike) -> Doubles:
    """Return the share of examples whose largest logit is at the label, (..., P, C) and (P,) to (...,)."""
    return np.asarray(correct(logits, labels).mean(axis=-1))


def nll(logits: ArrayLike, labels: ArrayLike) -> Doubles:
    """Return the mean negative log-likelihood of the labels in nats, (..., P, C) and (P,) to (...,)."""
    values = log_softmax(logits)
    places = np.broadcast_to(np.asarray(labels, dtype=np.int64), values.shape[:-1])[..., np.newaxis]
    return np.asarray(-np.take_along_axis(values, places, axis=-1)[..., 0].mean(axis=-1))


def agreement(a_logits: ArrayLike, b_logits: ArrayLike) -> Doubles:
    """Return the share of examples to which both give the same class, (..., P, C) twice to (...,)."""
    same = np.asarray(a_logits).argmax(axis=-1) == np.asarray(b_logits).argmax(axis=-1)
    return np.asarray(same.mean(axis=-1))


def quantile_bands(values: ArrayLike, q: Sequence[float] = QUANTILES) -> Doubles:
    """Return the quantiles of each reading over the probe set, (R, P) to (R, len(q)); NaN where there is no example."""
    table = np.asarray(values, dtype=np.float64)
    if table.shape[-1] == 0:
        return np.full((*table.shape[:-1], len(q)), np.nan)
    return np.asarray(np.moveaxis(np.quantile(table, q, axis=-1), 0, -1))


def feedback_on_simplex(teacher_logits: ArrayLike, feedback: ArrayLike, temperature: float) -> Doubles:
    """Return the direction in which feedback moves the soft targets: dp = p (f - sum p f) / temperature, (..., C).

    It is the derivative of softmax(logits / temperature) along the feedback, so each row sums to zero.
    """
    p = softmax(teacher_logits, temperature)
    f = np.asarray(feedback, dtype=np.float64)
    return np.asarray(p * (f - (p * f).sum(axis=-1, keepdims=True)) / temperature)


def at_label(values: ArrayLike, labels: ArrayLike) -> Doubles:
    """Return what stands at the hard label: (..., P, C) and (P,) to (..., P)."""
    table = np.asarray(values, dtype=np.float64)
    places = np.broadcast_to(np.asarray(labels, dtype=np.int64), table.shape[:-1])[..., np.newaxis]
    return np.asarray(np.take_along_axis(table, places, axis=-1)[..., 0])


def gain(logits: ArrayLike, logits_before: ArrayLike, labels: ArrayLike, temperature: float) -> Doubles:
    """Return how much more probable the label has become, (..., P, C) twice and (P,) to (..., P), from -1 to 1."""
    now, before = softmax(logits, temperature), softmax(logits_before, temperature)
    return np.asarray(at_label(now, labels) - at_label(before, labels))


def entropy_change(logits: ArrayLike, logits_before: ArrayLike, temperature: float) -> Doubles:
    """Return how much the entropy of softmax(logits / t) has grown, in nats, (..., C) twice to (...,)."""
    return np.asarray(entropy(softmax(logits, temperature)) - entropy(softmax(logits_before, temperature)))


def truth_gap(truth: ArrayLike, logits: ArrayLike, temperature: float) -> Doubles:
    """Return KL(truth || softmax(logits / t)) in nats, (..., C) twice to (...,); not a number where the truth is."""
    known = np.asarray(truth, dtype=np.float64)
    gap = (known * (_log(known) - log_softmax(logits, temperature))).sum(axis=-1)
    return np.asarray(np.where(np.isnan(known).any(axis=-1), np.nan, np.maximum(gap, 0.0)))


def flips(classes: ArrayLike) -> NDArray[np.int64]:
    """Return how often the class changed from one reading to the next, (R, ...) to (...)."""
    table = np.asarray(classes)
    return np.asarray((table[1:] != table[:-1]).sum(axis=0), dtype=np.int64)


def first_flip(steps: ArrayLike, classes: ArrayLike) -> NDArray[np.int64]:
    """Return the step of the first reading with another class than the first one, -1 where it never changed; (P,).

    Args:
        steps: (R,) of the readings.
        classes: (R, P).
    """
    table = np.asarray(classes)
    changed = table != table[:1]
    found = np.asarray(steps, dtype=np.int64)[changed.argmax(axis=0)]
    return np.where(changed.any(axis=0), found, -1)


def moments(total: ArrayLike, squares: ArrayLike, n: int) -> tuple[Doubles, Doubles]:
    """Return confidence and variability of each example: mean and standard deviation of p(label) over n readings.

    Source: Swayamdipta et al., *Dataset Cartography* (2020), section 2, with readings in the place of epochs.

    Args:
        total, squares: (P,) sums over the readings of p(label) and of its square.
        n: readings; none give NaN.

    Returns:
        (P,) each.
    """
    if n <= 0:
        blank = np.full(np.shape(total), np.nan)
        return blank, blank
    mean = np.asarray(total, dtype=np.float64) / n
    spread = np.asarray(squares, dtype=np.float64) / n - mean**2
    return mean, np.sqrt(np.maximum(spread, 0.0))


def soft_confusion(p: ArrayLike, labels: ArrayLike, n_classes: int) -> Doubles:
    """Return the mean soft target of the examples of each hard label, (P, C) to (C, C); NaN for a label with none.

    Row r is the mean of p over the examples labelled r, so every row that is there sums to one.
    """
    table, hard = np.asarray(p, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    total = np.zeros((n_classes, table.shape[-1]))
    np.add.at(total, hard, table)
    count = np.bincount(hard, minlength=n_classes)[:, np.newaxis]
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def feedback_size(feedback: ArrayLike) -> Doubles:
    """Return the length sqrt(sum f^2) of the feedback at each soft target, (..., C) to (...,): how much was asked."""
    return np.asarray(np.sqrt((np.asarray(feedback, dtype=np.float64) ** 2).sum(axis=-1)))


def arrow_scale(displacements: ArrayLike, longest: float, quantile: float = 0.95) -> float:
    """Return the factor that makes the strong ones of all arrows so long, 1 where none has a length.

    Args:
        displacements: (..., 2), not a number where there is no arrow.
        longest: length of the arrow at the quantile, once drawn.
        quantile: of the lengths; a single outlier must not make all others invisible.
    """
    places = np.asarray(displacements, dtype=np.float64)
    lengths = np.hypot(places[..., 0], places[..., 1])
    known = lengths[np.isfinite(lengths)]
    strong = float(np.quantile(known, quantile)) if known.size else 0.0
    return longest / strong if strong > 0 else 1.0


def course_log(sizes: pd.DataFrame, *, upto: int) -> pd.DataFrame:
    """Return one row for each training example that was issued a soft target up to a step.

    Args:
        sizes: of `ikd.trace.issued.sizes_table`.
        upto: nothing later counts.

    Returns:
        index example; columns issued (times), exams (times with an exam), asked (mean length of the feedback), influence (sum;
        negative helped the exam), most_helped and most_harmed (lowest and highest single influence), last_step.
    """
    rows = sizes[sizes["step"] <= upto]
    groups = rows.groupby("example", sort=True)
    return pd.DataFrame({
        "issued": groups.size(), "exams": groups["influence"].count(), "asked": groups["asked"].mean(),
        "influence": groups["influence"].sum(min_count=1), "most_helped": groups["influence"].min(),
        "most_harmed": groups["influence"].max(), "last_step": groups["step"].max(),
    })  # fmt: skip


def course_cells(sizes: pd.DataFrame, ids: ArrayLike, bin_ends: ArrayLike, name: str) -> Doubles:
    """Return what was asked of training examples (R,) in each bin of steps (S,), as (R, S); NaN where there was no exam.

    Args:
        sizes: of `ikd.trace.issued.sizes_table`.
        ids: (R,) of the examples.
        bin_ends: (S,) last step of each bin; what was issued after the last of them counts for it.
        name: "influence", summed in a bin, or "asked", the mean of a bin.
    """
    rows_of, ends = np.asarray(ids, dtype=np.int64), np.asarray(bin_ends)
    known = sizes[sizes["example"].isin(rows_of) & sizes[name].notna()]
    order = np.argsort(rows_of, kind="stable")
    rows = order[np.searchsorted(rows_of[order], known["example"].to_numpy())]
    columns = np.minimum(np.searchsorted(ends, known["step"].to_numpy(), side="left"), len(ends) - 1)
    total, count = np.zeros((2, len(rows_of), len(ends)))
    np.add.at(total, (rows, columns), known[name].to_numpy(dtype=np.float64))
    np.add.at(count, (rows, columns), 1)
    if name == "asked":
        total = total / np.maximum(count, 1)
    return np.where(count > 0, total, np.nan)



def _log(probabilities: Doubles) -> Doubles:
    # The places of zeros are replaced by 0: each is multiplied by a zero probability.
    return np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
