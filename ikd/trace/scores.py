"""The scores of a run's models on its scored splits: each with its interval, what is best, recall by class, bins of confidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ikd.metrics.calibration import Reliability, reliability_of
from ikd.metrics.predictions import Doubles, predictions
from ikd.metrics.resampling import N_RESAMPLES, Estimate, estimate, interval, resampled
from ikd.metrics.scores import METRICS, recall_of, values_of
from ikd.trace.final import FINAL_ROLES, SCORED, Final
from ikd.trace.reader import TraceReader

HOW = (
    f"In brackets: where 95 % of {N_RESAMPLES:,} resamples of the examples lie. Best: by the value; those are named beside it whose "
    "difference to it, on the same resamples, may as well be none (its interval holds 0). Not told apart: that holds for all."
)
NOT_TOLD_APART = "not told apart"
OLD = "This run was recorded before predictions were kept: its scores have no intervals."


@dataclass(frozen=True, kw_only=True)
class SplitScores:
    """The scores of all models on one split.

    Attributes:
        split: "validation" or "test".
        n_examples, n_labelled: its size, and how many of these have a label.
        roles: words by role, in order.
        estimates: by score and role.
        best: by score, the roles of which none is told apart from the best, the best one first.
        class_counts: (C,) examples of each label.
        recall: by role, (C, 3): value and ends of the interval; not a number for a class without examples.
        bins: of confidence, by role.
    """

    split: str
    n_examples: int
    n_labelled: int
    roles: Mapping[str, str]
    estimates: Mapping[str, Mapping[str, Estimate]]
    best: Mapping[str, Sequence[str]]
    class_counts: Doubles
    recall: Mapping[str, Doubles]
    bins: Mapping[str, Reliability]


def final_scores(reader: TraceReader) -> list[SplitScores]:
    """Return the scores of every split on which a student was asked after its last step; none of a run that has not come so far.

    Raises:
        RunError: the trace is damaged.
    """
    found = {split: reader.final(split) for split in SCORED}
    return [split_scores(one, split) for split, one in found.items() if one is not None and "student" in one.logits]


def split_scores(final: Final, split: str) -> SplitScores:
    """Return the scores of all models on one split."""
    given = {role: predictions(logits, final.labels, final.truth) for role, logits in final.logits.items()}
    drawn = {role: resampled(one) for role, one in given.items()}
    values = {role: values_of(one) for role, one in given.items()}
    names = [name for name in METRICS if all(name in one for one in values.values())]
    labels = final.labels[final.labels >= 0]
    return SplitScores(
        split=split, n_examples=len(final.labels), n_labelled=len(labels), roles=role_words(list(given)),
        estimates={name: {role: estimate(values[role][name], drawn[role][name]) for role in given} for name in names},
        best={name: _best(name, {role: values[role][name] for role in given}, {role: drawn[role][name] for role in given})
              for name in names},
        class_counts=np.bincount(labels, minlength=next(iter(given.values())).n_classes).astype(np.float64),
        recall={role: np.stack([recall_of(one), *interval(drawn[role]["recall"])], axis=1) for role, one in given.items()},
        bins={role: reliability_of(one) for role, one in given.items()},
    )  # fmt: skip


def role_words(roles: Sequence[str]) -> dict[str, str]:
    """Return what roles are called beside each other: teacher and student are told from themselves before they learned on, where asked."""
    now = "teacher after" if "frozen_teacher" in roles else "teacher"
    after = "student after exam texts" if "student_before_exam_texts" in roles else "student"
    words = {"frozen_teacher": "teacher before", "teacher": now, "student_before_exam_texts": "student before exam texts", "student": after}
    return {role: words[role] for role in FINAL_ROLES if role in roles}


def _best(name: str, values: Mapping[str, float], drawn: Mapping[str, Doubles]) -> list[str]:
    sign = 1 if METRICS[name].larger_is_better else -1
    first = max(values, key=lambda role: sign * values[role])
    ends = {role: interval(drawn[first] - drawn[role]) for role in values if role != first}
    return [first, *(role for role, (low, high) in ends.items() if low <= 0 <= high)]


def score_words(scores: SplitScores) -> pd.DataFrame:
    """Return a row of words for each score: its name, each model's value with its interval, what is best, and what better means."""
    rows = [
        {"score": METRICS[name].label, **{scores.roles[role]: in_words(one) for role, one in by_role.items()},
         "best": best_words(scores, name),
         "better is": "larger" if METRICS[name].larger_is_better else "smaller"}
        for name, by_role in scores.estimates.items()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["score", *scores.roles.values(), "best", "better is"])


def best_words(scores: SplitScores, name: str) -> str:
    """Return which models are best by a score."""
    best = scores.best[name]
    return NOT_TOLD_APART if len(best) == len(scores.roles) > 1 else " or ".join(scores.roles[role] for role in best)


def in_words(one: Estimate) -> str:
    """Return a score as a person reads it: 0.641 (0.618 to 0.664)."""
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"


def score_rows(several: Sequence[SplitScores]) -> pd.DataFrame:
    """Return every number of the tables, a row each: split, role, score, value, low, high, larger_is_better, best."""
    rows = [
        (one.split, role, name, *found, METRICS[name].larger_is_better, role in one.best[name])
        for one in several for name, by_role in one.estimates.items() for role, found in by_role.items()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["split", "role", "score", "value", "low", "high", "larger_is_better", "best"])


def recall_rows(scores: SplitScores, label_names: Sequence[str]) -> pd.DataFrame:
    """Return one row a class, in their order: class, examples, and each role's recall with the ends of its interval."""
    table = pd.DataFrame({"class": list(label_names), "examples": scores.class_counts.astype(np.int64)})
    for role, values in scores.recall.items():
        table[[f"{role}_recall", f"{role}_low", f"{role}_high"]] = values
    return table


def bin_rows(scores: SplitScores) -> pd.DataFrame:
    """Return one row a role and bin: role, low and high edge, count, mean confidence, accuracy (not a number where it is empty)."""
    parts = [pd.DataFrame({"role": role, "low": one.low, "high": one.high, "count": one.count, "confidence": one.confidence,
                           "accuracy": one.accuracy}) for role, one in scores.bins.items()]  # fmt: skip
    return pd.concat(parts, ignore_index=True)
