"""Which method of a study is better, task by task.

Feedback against the strongest control; then each method against its baseline, the control that has its compute, and what else is asked.
Differences are paired by seed. Holm's correction is over the tasks of one pair and score; against the strongest control, which differs from
task to task, it is over all tasks and feedback methods.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from ikd.errors import RunError
from ikd.metrics.predictions import Doubles
from ikd.metrics.scores import METRICS
from ikd.study.cells import Cell
from ikd.study.plan import Study
from ikd.study.results import Results, has_score, predictions_of, reported_split, score_names
from ikd.study.statistics import Comparison, compare_examples, compare_seeds, holm, seeds_and_examples_interval
from ikd.study.statistics_intervals import Better
from ikd.study.strongest import strongest_control
from ikd.study.verdicts import Verdict, verdict, with_control
from ikd.trace.final import Final
from ikd.trace.measures import nll
from ikd.trace.reader import TraceReader
from ikd.trace.store import open_run

STEPS, COMPUTE, STRONGEST, OTHER = "equal steps", "equal compute", "strongest control", ""
OF_STRONGEST = " (the strongest control)"
COMPARISON_COLUMNS = ("task", "score", "method", "against", "at", "seeds", "mean", "other_mean", "gain", "low", "high", "boot_low",
                      "boot_high", "p", "p_holm", "wilcoxon_p", "hedges_g", "in_favour", "in_disfavour", "more_seeds",
                      "verdict")  # fmt: skip
EXAMPLE_COLUMNS = ("task", "method", "against", "seeds", "examples", "both", "only_method", "only_against", "neither", "wins", "losses",
                   "mcnemar_p", "accuracy_gain", "low", "high", "nll_gain", "nll_low", "nll_high")  # fmt: skip


class Pair(NamedTuple):
    """An entry and one it is held against, and what is equal between them: steps, compute, or neither; or `STRONGEST`."""

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
    """Return which entries are held against which on every task: the baseline, controls of equal compute, then what else is asked.

    A method with its exam texts is held against the others with theirs; the baseline with its exam texts against itself without.
    """
    pairs: list[Pair] = []
    for method in study.methods:
        own = [Pair(method, other, OTHER if _other_steps(study, method, other) else STEPS) for other in study.others(method)
               if study.equal_compute_to(other) != method]  # fmt: skip
        controls = [Pair(method, control, COMPUTE) for control in study.methods if study.equal_compute_to(control) == method]
        first = 1 if own and own[0].other == study.against(method) else 0
        whole = [*own[:first], *controls, *own[first:]]
        pairs += whole
        if study.ends_with_exam(method):
            then = study.entry_after_exam(method)
            pairs += [Pair(then, study.entry_after_exam(pair.other), pair.at) for pair in whole] or [Pair(then, method, OTHER)]
    return pairs


def strongest_pairs(results: Results) -> list[tuple[str, Pair]]:
    """Return each task with each feedback entry and the strongest control of that task, where there is one yet."""
    study = results.study
    strongest = {task: strongest_control(results, task) for task in study.tasks} if study.controls else {}
    return [(task, Pair(entry, control, STRONGEST)) for task, control in strongest.items() if control is not None
            for entry in study.feedback_entries() if study.runs_on(entry, task)]  # fmt: skip


def compared(results: Results, scores: Sequence[str] | None = None) -> list[Found]:
    """Return what every pair came to on every task that has such a score, by the scores that the study is told in, or by some."""
    study, found = results.study, []
    strongest = strongest_pairs(results)
    for score in score_names(results) if scores is None else scores:
        tasks = [task for task in study.tasks if has_score(results, task, score)]
        found += _family(results, [(task, pair) for task, pair in strongest if task in tasks], score)
        for pair in pairs_of(study):
            found += _family(results, [(task, pair) for task in tasks if _both_run(study, pair, task)], score)
    order = {task: number for number, task in enumerate(study.tasks)}
    return sorted(found, key=lambda one: order[one.task])


def _family(results: Results, pairs: Sequence[tuple[str, Pair]], score: str) -> list[Found]:
    """Return what comparisons came to that are corrected together by Holm."""
    several = [_over_seeds(results, task, pair, score) for task, pair in pairs]
    corrected = holm([one.permutation_p for one in several])
    n_tests = max(int(np.isfinite(corrected).sum()), 1)
    return [
        Found(task=task, score=score, pair=pair, comparison=one, p=float(p),
              verdict=verdict(one, method=pair.method, other=pair.other + (OF_STRONGEST if pair.at == STRONGEST else ""), metric=score,
                              p=None if math.isnan(p) else float(p), n_tests=n_tests, matters=results.study.matters.get(score)))
        for (task, pair), one, p in zip(pairs, several, corrected, strict=True)
    ]  # fmt: skip


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
    """Yield what each method came to by one score, against each that it is held against, the whole verdict, and its controls.

    Controls of equal compute go with the comparison to the method's own baseline.
    """
    own, told = [one for one in found if one.score == score], set()
    for one in own:
        if one.pair.at == COMPUTE:
            continue
        if one.pair.at == STRONGEST:
            yield one, one.verdict, []
            continue
        controls = [other for other in own if (other.pair.at, other.task, other.pair.method) == (COMPUTE, one.task, one.pair.method)
                    and (one.task, one.pair.method) not in told]  # fmt: skip
        told.add((one.task, one.pair.method))
        whole = one.verdict
        for control in controls:
            whole = with_control(whole, control.verdict, at=f"equal compute (against {control.pair.other})")
        yield one, whole, controls


def example_table(results: Results) -> pd.DataFrame:
    """Return a row for each pair and task, counted on the examples of the reported split: `EXAMPLE_COLUMNS`.

    Where all seeds have the same texts, an example is a win if the method has it right in more seeds, and the intervals of the gains in
    accuracy and in negative log-likelihood are over seeds and examples at once. Where each seed draws texts of its own, every answer is an
    example of its own, and the interval over seeds of the comparisons holds the drawing of texts already: none is given here. A seed whose
    two runs were scored on unlike texts is left out.
    """
    rows = []
    for task in results.study.tasks:
        finals = {entry: predictions_of(results, task, entry) for entry in results.study.entries()}
        prints = {entry: prints_of(results, task, entry) for entry in results.study.entries()}
        for method, other, _ in pairs_of(results.study):
            seeds, same = alike_seeds(finals[method], finals[other], prints[method], prints[other])
            if seeds:
                both = [[finals[one][seed] for seed in seeds] for one in (method, other)]
                rows.append((task, method, other, len(seeds), *_over_examples(*both, same=same)))
    return pd.DataFrame(rows, columns=EXAMPLE_COLUMNS)


def alike_seeds(
    ours: Mapping[int, Final], theirs: Mapping[int, Final], prints: Mapping[int, str], other_prints: Mapping[int, str]
) -> tuple[list[int], bool]:
    """Return the seeds whose two runs were scored on the same texts, and whether all these seeds have the same ones.

    Args:
        ours, theirs: predictions of two methods by seed.
        prints, other_prints: what tells the texts of their runs from others, of `prints_of`.
    """
    seeds = [seed for seed in ours if seed in theirs and prints.get(seed, "") == other_prints.get(seed)]
    return seeds, len({prints[seed] for seed in seeds}) == 1


def _over_seeds(results: Results, task: str, pair: Pair, score: str) -> Comparison:
    entries, split = results.study.entries(), reported_split(results, task)
    both = [entries[one] for one in pair[:2]]
    rows = [[results.rows.get(Cell("main", task, one.method, seed)) for seed in results.study.seeds] for one in both]
    names = [f"{one.role}/{split}/{score}" for one in both]
    over = [(a, b) for a, b in zip(*rows, strict=True) if a is not None and b is not None
            and a.state in ("done", "failed") and b.state in ("done", "failed")]  # fmt: skip
    values = np.asarray([[row.scores.get(name, math.nan) if row.state == "done" else math.nan
                          for row, name in zip(two, names, strict=True)] for two in over])  # fmt: skip
    first, second = values.T if len(over) else (np.zeros(0), np.zeros(0))
    return compare_seeds(first, second, better="higher" if METRICS[score].larger_is_better else "lower")


def _over_examples(ours: Sequence[Final], theirs: Sequence[Final], *, same: bool) -> tuple[int | float, ...]:
    join = np.stack if same else np.concatenate
    found = compare_examples(*(join([right_of(one) for one in several]) for several in (ours, theirs)))
    return (found.n_examples, found.both, found.only_a, found.only_b, found.neither, found.wins, found.losses, found.exact_p,
            *_gain(ours, theirs, right_of, "higher", same=same), *_gain(ours, theirs, _nll, "lower", same=same))  # fmt: skip


def _gain(
    ours: Sequence[Final], theirs: Sequence[Final], value: Callable[[Final], Doubles], better: Better, *, same: bool
) -> tuple[float, float, float]:
    """Return the gain in a per-example score with its interval over seeds and examples; none where the texts of the seeds differ."""
    first, second = ([value(one) for one in several] for several in (ours, theirs))
    if same and len(first) > 1:
        whole = seeds_and_examples_interval(np.stack(first), np.stack(second), better=better)
        return whole.gain, *whole.interval
    gain = float(np.nanmean(np.concatenate(first)) - np.nanmean(np.concatenate(second)))
    return gain if better == "higher" else -gain, math.nan, math.nan


def right_of(final: Final) -> Doubles:
    """Return (n,) whether the student has an example right; not a number where it has no label."""
    right = final.logits["student"].argmax(axis=1) == final.labels
    return np.where(final.labels >= 0, right.astype(np.float64), np.nan)


def _nll(final: Final) -> Doubles:
    """Return (n,) minus the log of the probability that the student gives to the label; not a number where there is none."""
    alone = nll(final.logits["student"][:, np.newaxis], np.maximum(final.labels, 0)[:, np.newaxis])  # of one example each
    return np.where(final.labels >= 0, alone, np.nan)


def prints_of(results: Results, task: str, method: str) -> dict[int, str]:
    """Return by seed what tells the texts of a run from others, of the runs whose traces are still there."""
    found = {}
    for seed, row in results.done(task, method).items():
        if not (results.root / row.run).is_dir():
            continue
        with suppress(RunError):  # damaged
            found[seed] = str(TraceReader(open_run(row.run, results.root)).meta().get("facts", {}).get("fingerprint", row.run))
    return found


def _both_run(study: Study, pair: Pair, task: str) -> bool:
    return study.runs_on(pair.method, task) and study.runs_on(pair.other, task)


def _other_steps(study: Study, method: str, other: str) -> bool:
    return study.equal_compute_to(method) is not None or study.equal_compute_to(other) is not None or any(
        "training.steps" in {**study.settings_of(one), **study.tune.get(one, {})} for one in (method, other))  # fmt: skip
