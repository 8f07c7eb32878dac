"""The scores of a run's models on its scored splits: each with its interval, what is best, by class, by group, by bin of confidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ikd.metrics.calibration import Reliability, reliability_of
from ikd.metrics.predictions import Doubles, Predictions, predictions
from ikd.metrics.resampling import N_RESAMPLES, Estimate, estimate, interval, resampled
from ikd.metrics.scores import METRICS, group_values, recall_of, values_of
from ikd.trace.final import FINAL_ROLES, SCORED, Final
from ikd.trace.reader import TraceReader

HOW = (
    f"In brackets: where 95 % of {N_RESAMPLES:,} resamples of the examples lie. Best: by the value; those are named beside it whose "
    "difference to it, on the same resamples, may as well be none (its interval holds 0). Not told apart: that holds for all."
)
NOT_TOLD_APART = "not told apart"
GROUP_SCORES = ("accuracy", "nll")
"""The scores that are told of each group, in their order."""
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
        group_names: G names of the groups of its examples, sorted.
        group_counts: (G,) labelled examples of each.
        by_group: by role, (G, 2, 3): of each of `GROUP_SCORES` value and ends of the interval; not a number for a group without labels.
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
    group_names: Sequence[str]
    group_counts: Doubles
    by_group: Mapping[str, Doubles]


def final_scores(reader: TraceReader) -> list[SplitScores]:
    """Return the scores of every split on which a student was asked after its last step; none of a run that has not come so far.

    Raises:
        RunError: the trace is damaged.
    """
    found = {split: reader.final(split) for split in SCORED}
    return [split_scores(one, split) for split, one in found.items() if one is not None and "student" in one.logits]


def split_scores(final: Final, split: str) -> SplitScores:
    """Return the scores of all models on one split."""
    given = {role: predictions(logits, final.labels, final.truth, final.groups) for role, logits in final.logits.items()}
    drawn = {role: resampled(one) for role, one in given.items()}
    values = {role: values_of(one) for role, one in given.items()}
    names = [name for name in METRICS if all(name in one for one in values.values())]
    labels, any_one = final.labels[final.labels >= 0], next(iter(given.values()))
    return SplitScores(
        split=split, n_examples=len(final.labels), n_labelled=len(labels), roles=role_words(list(given)),
        estimates={name: {role: estimate(values[role][name], drawn[role][name]) for role in given} for name in names},
        best={name: _best(name, {role: values[role][name] for role in given}, {role: drawn[role][name] for role in given})
              for name in names},
        class_counts=np.bincount(labels, minlength=any_one.n_classes).astype(np.float64),
        recall={role: np.stack([recall_of(one), *interval(drawn[role]["recall"])], axis=1) for role, one in given.items()},
        bins={role: reliability_of(one) for role, one in given.items()},
        group_names=any_one.group_names, group_counts=group_values(any_one)[0].astype(np.float64),
        by_group={role: _by_group(one, drawn[role]) for role, one in given.items() if one.group_names},
    )  # fmt: skip


def _by_group(given: Predictions, drawn: Mapping[str, Doubles]) -> Doubles:
    _, *values = group_values(given)
    return np.stack([np.stack([value, *interval(drawn[f"group_{name}"])], axis=1)
                     for name, value in zip(GROUP_SCORES, values, strict=True)], axis=1)  # fmt: skip


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


def group_rows(several: Sequence[SplitScores]) -> pd.DataFrame:
    """Return every number of the scores by group, a row each: split, group, examples, role, score, value, low, high; empty without any."""
    rows = [
        (one.split, group, int(one.group_counts[place]), role, score, *values[place, number])
        for one in several for place, group in enumerate(one.group_names)
        for role, values in one.by_group.items() for number, score in enumerate(GROUP_SCORES)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["split", "group", "examples", "role", "score", "value", "low", "high"])


def group_words(scores: SplitScores, score: str) -> pd.DataFrame:
    """Return a row of words for each group, the one in which the student is worst first: group, examples, each model, whose worst it is.

    Args:
        scores: of a split whose examples belong to groups.
        score: of `GROUP_SCORES`.
    """
    number = GROUP_SCORES.index(score)
    worst = {role: worst_first(scores, role, score) for role in scores.by_group}
    order = worst[next(role for role in reversed(FINAL_ROLES) if role in worst)]
    rows = []
    for place in order:
        own = {scores.roles[role]: values[place, number] for role, values in scores.by_group.items()}
        whose = [scores.roles[role] for role, places in worst.items() if places[0] == place and scores.group_counts[place] > 0]
        cells = {who: "–" if np.isnan(one[0]) else in_words(Estimate(*one)) for who, one in own.items()}
        rows.append({"group": scores.group_names[place], "examples": int(scores.group_counts[place]), **cells,
                     "worst of": ", ".join(whose)})  # fmt: skip
    return pd.DataFrame(rows, columns=["group", "examples", *(scores.roles[role] for role in scores.by_group), "worst of"])


def worst_first(scores: SplitScores, role: str, score: str) -> list[int]:
    """Return the places of the groups by one of `GROUP_SCORES`, the worst first, of equal ones the largest; those without a value last."""
    values, sign = scores.by_group[role][:, GROUP_SCORES.index(score), 0], 1 if METRICS[score].larger_is_better else -1
    order: list[int] = np.lexsort((-scores.group_counts, np.where(np.isnan(values), np.inf, sign * values))).tolist()
    return order


def bin_rows(scores: SplitScores) -> pd.DataFrame:
    """Return one row a role and bin: role, low and high edge, count, mean confidence, accuracy (not a number where it is empty)."""
    parts = [pd.DataFrame({"role": role, "low": one.low, "high": one.high, "count": one.count, "confidence": one.confidence,
                           "accuracy": one.accuracy}) for role, one in scores.bins.items()]  # fmt: skip
    return pd.concat(parts, ignore_index=True)
