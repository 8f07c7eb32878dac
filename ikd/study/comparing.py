"""Which method of a study is better, task by task: each against its baseline, and against the control that has its compute.

Differences are paired by seed. Holm's correction is over the tasks of one pair and score.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from ikd.errors import RunError
from ikd.metrics.scores import METRICS
from ikd.study.cells import Cell
from ikd.study.plan import Study
from ikd.study.results import Results, predictions_of, reported_split, score_names
from ikd.study.statistics import Comparison, compare_examples, compare_seeds, holm, seeds_and_examples_interval
from ikd.study.verdicts import Verdict, verdict, with_control
from ikd.trace.final import Final
from ikd.trace.reader import TraceReader
from ikd.trace.store import open_run

STEPS, COMPUTE, OTHER = "equal steps", "equal compute", ""
COMPARISON_COLUMNS = ("task", "score", "method", "against", "at", "seeds", "mean", "other_mean", "gain", "low", "high", "boot_low",
                      "boot_high", "p", "p_holm", "wilcoxon_p", "hedges_g", "in_favour", "in_disfavour", "more_seeds",
                      "verdict")  # fmt: skip
EXAMPLE_COLUMNS = ("task", "method", "against", "seeds", "examples", "both", "only_method", "only_against", "neither", "wins", "losses",
                   "mcnemar_p", "accuracy_gain", "low", "high")  # fmt: skip


class Pair(NamedTuple):
    """A method and one it is held against, and what is equal between them: steps, compute, or neither."""

    method: str
    other: str
    at: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a pair came to on one task by one score.

    Attributes:
        p: of the permutation test, corrected over tasks.
    """

    task: str
    score: str
    pair: Pair
    comparison: Comparison
    p: float
    verdict: Verdict


def pairs_of(study: Study) -> list[Pair]:
    """Return which methods are held against which: each against its baseline, and right after it against the control of its compute."""
    pairs = []
    for method in study.methods:
        other = study.against(method)
        if other is not None:
            pairs.append(Pair(method, other, OTHER if _other_steps(study, method, other) else STEPS))
        pairs += [Pair(method, control, COMPUTE) for control in study.methods if study.equal_compute_to(control) == method]
    return pairs


def compared(results: Results, scores: Sequence[str] | None = None) -> list[Found]:
    """Return what every pair came to on every task, by the scores that the study is told in, or by some."""
    study, found = results.study, []
    for score in score_names(results) if scores is None else scores:
        for pair in pairs_of(study):
            several = {task: _over_seeds(results, task, pair, score) for task in study.tasks}
            corrected = holm([one.permutation_p for one in several.values()])
            n_tests = int(np.isfinite(corrected).sum())
            found += [
                Found(task=task, score=score, pair=pair, comparison=one, p=float(p),
                      verdict=verdict(one, method=pair.method, other=pair.other, metric=score, p=None if math.isnan(p) else float(p),
                                      n_tests=max(n_tests, 1), matters=study.matters.get(score)))
                for (task, one), p in zip(several.items(), corrected, strict=True)
            ]  # fmt: skip
    order = {task: number for number, task in enumerate(study.tasks)}
    return sorted(found, key=lambda one: order[one.task])


def comparison_table(found: Sequence[Found]) -> pd.DataFrame:
    """Return a row for each of these: `COMPARISON_COLUMNS`. A gain is positive where the method is better, whatever the score.

    `low` and `high` are by Student's t, `boot_low` and `boot_high` by the studentised bootstrap; `p` is of the sign-flip test, `p_holm` the
    same corrected over tasks, `wilcoxon_p` of the signed-rank test.
    """
    rows = [
        (one.task, one.score, *one.pair, c.n_seeds, c.mean_a, c.mean_b, c.gain, *c.interval, *c.bootstrap, c.permutation_p, one.p,
         c.wilcoxon_p, c.hedges_g, c.in_favour, c.against, one.verdict.seeds_needed, one.verdict.kind)
        for one in found for c in (one.comparison,)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS).astype({"more_seeds": "Int64"})


def sentences(found: Sequence[Found], score: str) -> dict[str, list[str]]:
    """Return by task what is to be said of each method by one score; what holds at equal compute stands in the same sentence."""
    said: dict[str, list[str]] = {}
    for one, whole, _ in with_controls(found, score):
        said.setdefault(one.task, []).append(whole.sentence)
    return said


def with_controls(found: Sequence[Found], score: str) -> Iterator[tuple[Found, Verdict, list[Found]]]:
    """Yield what each method came to against its own baseline by one score, the verdict with its controls at equal compute, and these."""
    own = [one for one in found if one.score == score]
    for one in own:
        if one.pair.at == COMPUTE:
            continue
        controls = [other for other in own if (other.pair.at, other.task, other.pair.method) == (COMPUTE, one.task, one.pair.method)]
        whole = one.verdict
        for control in controls:
            whole = with_control(whole, control.verdict)
        yield one, whole, controls


def example_table(results: Results) -> pd.DataFrame:
    """Return a row for each pair and task, counted on the examples of the reported split: `EXAMPLE_COLUMNS`.

    Where all seeds have the same texts, an example is a win if the method has it right in more seeds, and the interval of the gain in
    accuracy is over seeds and examples at once. Where each seed draws texts of its own, every answer is an example of its own, and the
    interval over seeds of the comparisons holds the drawing of texts already: none is given here.
    """
    rows = []
    for task in results.study.tasks:
        finals = {method: predictions_of(results, task, method) for method in results.study.methods}
        same = _same_texts(results, task)
        for method, other, _ in pairs_of(results.study):
            seeds = [seed for seed in finals[method] if seed in finals[other]]
            if seeds:
                ours, theirs = ([finals[one][seed] for seed in seeds] for one in (method, other))
                rows.append((task, method, other, len(seeds), *_over_examples(ours, theirs, same=same)))
    return pd.DataFrame(rows, columns=EXAMPLE_COLUMNS)


def _over_seeds(results: Results, task: str, pair: Pair, score: str) -> Comparison:
    rows = [[results.rows.get(Cell("main", task, method, seed)) for seed in results.study.seeds] for method in pair[:2]]
    name = f"student/{reported_split(results, task)}/{score}"
    over = [(a, b) for a, b in zip(*rows, strict=True) if a is not None and b is not None
            and a.state in ("done", "failed") and b.state in ("done", "failed")]  # fmt: skip
    values = np.asarray([[row.scores.get(name, math.nan) if row.state == "done" else math.nan for row in two] for two in over])
    first, second = values.T if len(over) else (np.zeros(0), np.zeros(0))
    return compare_seeds(first, second, better="higher" if METRICS[score].larger_is_better else "lower")


def _over_examples(ours: Sequence[Final], theirs: Sequence[Final], *, same: bool) -> tuple[int | float, ...]:
    first, second = (np.stack([_right(one) for one in several]) if same else np.concatenate([_right(one) for one in several])
                     for several in (ours, theirs))  # fmt: skip
    found = compare_examples(first, second)
    counts = (found.n_examples, found.both, found.only_a, found.only_b, found.neither, found.wins, found.losses, found.exact_p)
    if same and len(ours) > 1:
        whole = seeds_and_examples_interval(first, second)
        return *counts, whole.gain, *whole.interval
    return *counts, float(np.nanmean(first) - np.nanmean(second)), math.nan, math.nan


def _right(final: Final) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return (n,) whether the student has an example right; not a number where it has no label."""
    right = final.logits["student"].argmax(axis=1) == final.labels
    return np.where(final.labels >= 0, right.astype(np.float64), np.nan)


def _same_texts(results: Results, task: str) -> bool:
    """Return whether all seeds of a task were scored on the same texts, as far as their traces are there to tell."""
    prints = set()
    for method in results.study.methods:
        for row in results.done(task, method).values():
            try:
                prints.add(TraceReader(open_run(row.run, results.root)).meta().get("facts", {}).get("fingerprint", row.run))
            except RunError:  # deleted since
                continue
    return len(prints) == 1


def _other_steps(study: Study, method: str, other: str) -> bool:
    return study.equal_compute_to(method) is not None or study.equal_compute_to(other) is not None or any(
        "training.steps" in {**study.settings_of(one), **study.tune.get(one, {})} for one in (method, other))  # fmt: skip
