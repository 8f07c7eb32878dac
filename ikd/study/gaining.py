"""Was ordinary distillation still gaining at its end? Where it was, equal compute compares steps rather than targets.

- Where a study gives the baseline the compute of another method, that control answers: the baseline was still gaining if the same method
  with more steps is better in the deciding score (`ikd.study.verdicts`, paired by seed, Holm-corrected over tasks).
- Elsewhere the curve of the baseline answers: its score on the probe set over the last third of its steps, a straight line for each seed.
  It was still gaining if the 95 % interval of the mean fitted change over seeds lies above zero. A learning rate that falls to zero makes
  nearly every curve gain at its end, so this is the weaker answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from ikd.metrics.scores import METRICS
from ikd.study.comparing import COMPUTE, Found, Pair, compared, pairs_of
from ikd.study.outcome import CURVES
from ikd.study.plan import Study
from ikd.study.results import Results
from ikd.study.statistics_intervals import Interval, t_interval
from ikd.study.verdicts import counted, lower_label, said_gain

State = Literal["gaining", "not shown", "unknown"]
LAST_PART = 1 / 3
FEWEST_READINGS, FEWEST_SEEDS = 3, 2
CURVE_COLUMNS = ("task", "method", "seed", "step", "forwards", *CURVES)


@dataclass(frozen=True, kw_only=True)
class Gaining:
    """Whether the baseline was still gaining at its end.

    Attributes:
        state: "unknown" where neither a control of equal compute nor a curve tells.
        sentence: what was found, and what follows for equal compute.
    """

    task: str
    state: State
    sentence: str


def curve_table(results: Results, tasks: Sequence[str] | None = None) -> pd.DataFrame:
    """Return a row for each reading of each run that is compared and over, on some tasks or (None) on all: `CURVE_COLUMNS`.

    `forwards` are planned student forwards up to that step; the scores are of the student on the probe set.
    """
    rows = [(task, method, seed, step, row.forwards * step / row.steps if row.forwards and row.steps else np.nan, *values)
            for task in (results.study.tasks if tasks is None else tasks) for method in results.study.methods
            for seed, row in results.done(task, method).items() if all(score in row.curve for score in CURVES)
            for step, *values in zip(row.curve["step"], *(row.curve[score] for score in CURVES), strict=True)]  # fmt: skip
    return pd.DataFrame(rows, columns=CURVE_COLUMNS)


def curve_score(study: Study) -> str:
    """Return the score in which curves are told: the deciding one where it is read on the way, else negative log-likelihood."""
    return study.score if study.score in CURVES else "nll"


def mean_curves(results: Results, task: str, methods: Sequence[str]) -> pd.DataFrame:
    """Return a row for each method and reading: method, step, forwards, seeds, value, low, high.

    The mean over seeds with its 95 % interval by Student's t (none for one seed), in `curve_score`. Readings at which seeds differ in
    their steps are told apart.
    """
    score, table = curve_score(results.study), curve_table(results, [task])
    rows = []
    for method in methods:
        own = table[table["method"] == method]
        for step, at_step in own.groupby("step"):
            values = at_step[score].to_numpy(dtype=np.float64)
            rows.append((method, step, float(at_step["forwards"].mean()), len(values), float(values.mean()), *t_interval(values, 0.95)))
    return pd.DataFrame(rows, columns=["method", "step", "forwards", "seeds", "value", "low", "high"])


def curve_methods(study: Study) -> list[str]:
    """Return the methods whose curves stand beside each other: the baseline, the same with more compute, and methods with feedback."""
    longer = [method for method in study.methods if study.equal_compute_to(method) and study.against(method) == study.baseline]
    feedback = study.feedback or [method for method in study.methods
                                  if {**study.base, **study.settings_of(method)}.get("policy.name", "exam") == "exam"]  # fmt: skip
    return list(dict.fromkeys([study.baseline, *longer, *feedback]))


def gaining(results: Results, found: Sequence[Found] | None = None) -> list[Gaining]:
    """Return for each task whether its baseline was still gaining at its end; nothing for tasks without a run of it.

    Args:
        results: of the study.
        found: all comparisons in the deciding score; None: they are made.
    """
    own = compared(results, [results.study.score]) if found is None else [one for one in found if one.score == results.study.score]
    tasks = [task for task in results.study.tasks if results.done(task, results.study.baseline)]
    return [_by_compute(results, task, own) or _by_curve(results, task, own) for task in tasks]


def gaining_words(results: Results, found: Sequence[Found] | None = None) -> list[str]:
    """Return the sentence for each task; none where a study has neither a control of equal compute nor feedback."""
    return [one.sentence for one in gaining(results, found)] if len(curve_methods(results.study)) > 1 else []


def longer_baselines(study: Study) -> list[str]:
    """Return the methods that are the baseline with the compute of another one: nothing but their steps differs."""
    same = {path: value for path, value in study.settings_of(study.baseline).items() if path != "training.steps"}
    return [method for method in study.methods if study.equal_compute_to(method) and study.settings_of(method) == same]


def _by_compute(results: Results, task: str, found: Sequence[Found]) -> Gaining | None:
    study = results.study
    pairs = {Pair(method, study.baseline, pair.at) for method in longer_baselines(study) for pair in pairs_of(study)
             if pair[:2] == (method, study.baseline)}  # fmt: skip
    several = [one for one in found if one.task == task and one.pair in pairs and one.comparison.n_seeds > 1]
    if not several:
        return None
    times = {one.pair.method: _steps(results, task, one.pair.method) / max(_steps(results, task, study.baseline), 1) for one in several}
    longest = max(several, key=lambda one: times[one.pair.method])
    evidence = f"with {times[longest.pair.method]:.1f} times its steps, {longest.verdict.clause}"
    return _told(results, task, found, evidence, still=longest.verdict.kind == "better")


def _by_curve(results: Results, task: str, found: Sequence[Found]) -> Gaining:
    study, score = results.study, curve_score(results.study)
    changes = last_changes([row.curve for row in results.done(task, study.baseline).values()], score)
    if len(changes) < FEWEST_SEEDS:
        why = "no control has more steps, and too few readings of its runs are kept"
        said = f"Whether {study.baseline} was still gaining at its end on {task} is not known: {why}."
        return Gaining(task=task, state="unknown", sentence=said)
    ends = t_interval(np.asarray(changes), 0.95)
    evidence = (f"over the last third of its steps the fitted change in {lower_label(score)} on the probe set is "
                f"{said_gain(float(np.mean(changes)), Interval(*ends), score)}, {counted(len(changes), 'seed')}")  # fmt: skip
    return _told(results, task, found, evidence, still=bool(ends[0] > 0))


def last_changes(curves: Sequence[Mapping[str, Sequence[float]]], score: str) -> list[float]:
    """Return for each curve how much its score has gained over the last third of its steps, by a straight line through the readings there.

    Positive is better, whatever the score. A curve with fewer than three readings there, which no line could miss, is left out.
    """
    sign, found = 1.0 if METRICS[score].larger_is_better else -1.0, []
    for curve in curves:
        steps, values = (np.asarray(curve.get(name, ()), dtype=np.float64) for name in ("step", score))
        late = steps >= (1 - LAST_PART) * steps[-1] if len(steps) else np.zeros(0, dtype=bool)
        if late.sum() >= FEWEST_READINGS:
            slope = np.polyfit(steps[late], values[late], 1)[0]
            found.append(float(sign * slope * steps[-1] * LAST_PART))
    return found


def _told(results: Results, task: str, found: Sequence[Found], evidence: str, *, still: bool) -> Gaining:
    baseline = results.study.baseline
    if not still:
        said = f"{baseline} was not shown to be still gaining at its end on {task}: {evidence}."
        return Gaining(task=task, state="not shown", sentence=said)
    ahead = dict.fromkeys(one.pair.method for one in found if one.task == task and one.pair.at == COMPUTE and one.verdict.kind == "better")
    follows = (f"Its students are limited by their steps there: at this compute {' and '.join(ahead)} {'are' if len(ahead) > 1 else 'is'} "
               "better all the same, and nothing can be concluded for more of it." if ahead else
               "Its students are limited by their steps there, so that nothing can be concluded for equal compute.")  # fmt: skip
    return Gaining(task=task, state="gaining", sentence=f"{baseline} was still gaining at its end on {task}: {evidence}. {follows}")


def _steps(results: Results, task: str, method: str) -> float:
    steps = [row.steps for row in results.done(task, method).values()]
    return float(np.mean(steps)) if steps else 0.0
