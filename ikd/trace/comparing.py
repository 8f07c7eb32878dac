"""Runs beside each other: what differs in their settings, their scores on the same texts, and the texts one wins and the other loses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ikd.config import PlannedChange, RunConfig, Timeline, all_settings
from ikd.config.timeline import values_of
from ikd.errors import ConfigError
from ikd.metrics.resampling import Estimate, difference_interval, intervals
from ikd.metrics.scores import METRICS
from ikd.trace.final import Final
from ikd.trace.measures import softmax
from ikd.trace.reader import TraceReader

AXES = {"step": "steps", "epoch": "epochs", "seconds": "seconds of teaching", "flops": "floating-point operations"}
"""What curves of several runs may be drawn over."""

OUTCOMES = ("both right", "first alone", "second alone", "both wrong")
Doubles = NDArray[np.float64]


def settings_that_differ(
    configs: Mapping[str, RunConfig], changes: Mapping[str, Sequence[PlannedChange]] | None = None
) -> pd.DataFrame:
    """Return a row for each setting that is not the same in all runs at some step: setting, label, and a column of words for each run.

    Settings that change on the way are compared step by step, so that a fork differs from its parent from its own step on, and
    only in what was changed there.

    Args:
        configs: by run.
        changes: those made while a run went on, by run, beside the plan of its config.
    """
    timelines = {run: _timeline(config, (changes or {}).get(run, ())) for run, config in configs.items()}
    steps = sorted({0, *(one.step for timeline in timelines.values() for one in timeline.changes)})
    values = {run: [values_of(timeline.at(step)) for step in steps] for run, timeline in timelines.items()}
    rows = []
    for one in all_settings():
        own = {run: [_word(known[one.path]) for known in at_steps] for run, at_steps in values.items()}
        apart = next((place for place in range(len(steps)) if len({words[place] for words in own.values()}) > 1), None)
        if one.path == "label" or apart is None:
            continue
        meaning = f"{one.label}, from step {steps[apart]} on" if steps[apart] else one.label
        rows.append({"setting": one.path, "meaning": meaning,
                     **{run: _course(steps[apart:], words[apart:]) for run, words in own.items()}})  # fmt: skip
    return pd.DataFrame(rows, columns=["setting", "meaning", *configs])


def differences_in_words(table: pd.DataFrame) -> list[str]:
    """Return the rows of `settings_that_differ` as words: "Teacher policy: fixed vs exam"."""
    runs = list(table.columns[2:])
    return [f"{row['meaning']}: {' vs '.join(str(row[run]) for run in runs)}" for row in table.to_dict("records")]


def _timeline(config: RunConfig, changes: Sequence[PlannedChange]) -> Timeline:
    try:
        return Timeline(config, changes)
    except ConfigError:  # written by other hands: the settings of the start are compared
        return Timeline(config.model_copy(update={"plan": ()}))


def _course(steps: Sequence[int], words: Sequence[str]) -> str:
    """Return the words of a setting at steps in one line: "2, then 4 from step 60"."""
    parts = list(words[:1])
    parts += [f"{word} from step {step}" for step, before, word in zip(steps[1:], words, words[1:], strict=False) if word != before]
    return ", then ".join(parts)


def _word(value: object) -> str:
    if value is None or value == "":
        return "empty"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def along(reader: TraceReader, config: RunConfig | None, steps: Sequence[int] | NDArray[np.int64], axis: str) -> Doubles | None:
    """Return where steps (S,) lie along "step", "epoch" or "seconds", None where the trace does not know."""
    at = np.asarray(steps, dtype=np.float64)
    if axis == "step":
        return at
    if axis == "epoch":
        n_texts = reader.meta().get("facts", {}).get("course_examples")
        return None if config is None or not n_texts else at * config.training.batch_size / float(n_texts)
    known = reader.steps()
    return np.interp(at, known["step"], known["seconds"]) if len(known) else None


def same_texts(fingerprints: Sequence[str]) -> bool:
    """Return whether runs have the same texts, labels and splits, so that their predictions can be held against each other."""
    return len(set(fingerprints)) == 1 and bool(fingerprints[0])


def paired_scores(finals: Mapping[str, Final], role: str = "student") -> pd.DataFrame:
    """Return the scores of runs on the same split, and their differences to the first run on the same resamples.

    Args:
        finals: by run; the first is the one the others are held against. Scores by group are left out where their groups differ.
        role: whose predictions.

    Returns:
        score, run, value, low, high; difference, difference_low, difference_high (not a number for the first run); larger_is_better.
    """
    runs = list(finals)
    first = finals[runs[0]]
    groups = first.groups if all(one.groups == first.groups for one in finals.values()) else None
    rows = []
    for run in runs:
        own = finals[run]
        found = intervals(own.logits[role], own.labels, own.truth, groups)
        nothing = dict.fromkeys(found, Estimate(float("nan"), float("nan"), float("nan")))
        gaps = nothing if run == runs[0] else difference_interval(
            own.logits[role], first.logits[role], first.labels, first.truth, groups)  # fmt: skip
        rows += [(name, run, *one, *gaps[name], METRICS[name].larger_is_better) for name, one in found.items() if name in gaps]
    return pd.DataFrame(rows, columns=["score", "run", "value", "low", "high", "difference", "difference_low", "difference_high",
                                       "larger_is_better"])  # fmt: skip


def gap_words(value: float, low: float, high: float, *, larger_is_better: bool) -> str:
    """Return a difference to another run in words: better, worse, or that none is shown."""
    if np.isnan(value):
        return ""
    numbers = f"{value:+.3f} ({low:+.3f} to {high:+.3f})"
    if low <= 0 <= high:
        return f"{numbers}: no difference shown"
    return f"{numbers}: {'better' if (value > 0) == larger_is_better else 'worse'}"


def wins_and_losses(first: Final, second: Final, role: str = "student") -> pd.DataFrame:
    """Return a row for each labelled example of a split that two runs share: example, label, first, second, p_first, p_second, outcome.

    `first` and `second` are the classes they give, `p_*` the probabilities of the label. Those on which they differ most come first.
    """
    ours, theirs = softmax(first.logits[role]), softmax(second.logits[role])
    labels = first.labels
    at = np.flatnonzero(labels >= 0)
    a, b = ours[at].argmax(-1), theirs[at].argmax(-1)
    p_a, p_b = ours[at, labels[at]], theirs[at, labels[at]]
    kinds = np.where(a == labels[at], np.where(b == labels[at], 0, 1), np.where(b == labels[at], 2, 3))
    table = pd.DataFrame({"example": at, "label": labels[at], "first": a, "second": b, "p_first": p_a, "p_second": p_b,
                          "outcome": np.asarray(OUTCOMES)[kinds]})  # fmt: skip
    order = np.argsort(-np.abs(p_a - p_b), kind="stable")
    return table.iloc[order].reset_index(drop=True)


def mcnemar(table: pd.DataFrame) -> tuple[int, int, float]:
    """Return how many examples the first alone and the second alone have right, and the exact two-sided p of McNemar's test (1947).

    Under no difference each of those examples is as likely to be the one's as the other's.
    """
    from scipy.stats import binomtest

    ours, theirs = (int((table["outcome"] == one).sum()) for one in OUTCOMES[1:3])
    return ours, theirs, float(binomtest(ours, ours + theirs).pvalue) if ours + theirs else 1.0
