"""The strongest control of each task: the one by which the gain of feedback is most easily explained away.

It is chosen by the deciding score on validation texts, means over seeds, so that no test score chooses what test scores are compared with.
The students whose scores choose are those that are compared: where the choice leans at all, it is in favour of the control.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ikd.metrics.scores import METRICS
from ikd.study.entries import fewest_seeds
from ikd.study.plan import Study
from ikd.study.results import Results, scores_of
from ikd.study.verdicts import counted, lower_label

FEWER_SEEDS = 1
"""A control may lack so many seeds of the most complete one and still be the strongest: a study at work goes seed by seed."""


def strongest_control(results: Results, task: str) -> str | None:
    """Return the entry among the controls with the best mean deciding score on the validation texts of a task; None while there is none."""
    several = _means(results, task)
    means = {one: mean for one, mean, n_seeds in several if n_seeds and math.isfinite(mean)}
    most = max((n_seeds for _, _, n_seeds in several), default=0)
    whole = [one for one, _, n_seeds in several if one in means and n_seeds >= most - FEWER_SEEDS]
    sign = 1 if METRICS[results.study.score].larger_is_better else -1
    return max(whole, key=lambda one: sign * means[one], default=None)


def control_table(results: Results) -> pd.DataFrame:
    """Return a row for each task and control, the strongest of a task first: task, control, seeds, `validation_SCORE`, SCORE, strongest.

    SCORE is the deciding score on the reported split; it chooses nothing.
    """
    rows, score = [], results.study.score
    sign = -1 if METRICS[score].larger_is_better else 1
    for task in results.study.tasks if results.study.controls else ():
        strongest = strongest_control(results, task)
        own = [(task, one, n_seeds, mean, _mean(scores_of(results, task, one, score)), one == strongest)
               for one, mean, n_seeds in _means(results, task)]  # fmt: skip
        rows += sorted(own, key=lambda row: (not row[-1], math.isnan(row[3]), sign * row[3] if math.isfinite(row[3]) else 0.0))
    return pd.DataFrame(rows, columns=["task", "control", "seeds", f"validation_{score}", score, "strongest"])


def control_words(results: Results) -> list[str]:
    """Return how the strongest control is chosen and what is compared with it, in sentences; none where a study names no controls."""
    study = results.study
    if not study.controls:
        return []
    feedback, controls = study.feedback_entries(), study.control_entries()
    n_tests = n_comparisons(study)
    return [f"The strongest control of a task is the one with the best mean {lower_label(study.score)} on validation texts over the seeds, "
            f"among {counted(len(controls), 'control')}: {'; '.join(controls)}. No test score is read for the choice.",
            f"Compared with it first: {'; '.join(feedback)}; Holm-corrected over tasks and methods "
            f"({counted(n_tests, 'comparison')} in each score).",
            *filter(None, [few_for_controls(study)])]  # fmt: skip


def n_comparisons(study: Study) -> int:
    """Return how many comparisons with strongest controls Holm's correction is over, in each score."""
    return sum(study.runs_on(one, task) for one in study.feedback_entries() for task in study.tasks)


def few_for_controls(study: Study) -> str:
    """Return why the seeds are too few to show any difference to a strongest control, "" where they are not."""
    n_tests, n_seeds = n_comparisons(study), len(study.seeds)
    if not n_tests or n_seeds >= fewest_seeds(n_tests):
        return ""
    least = f"the smallest p that the test can give with {n_seeds} is {2.0 ** (1 - n_seeds):.2g}"
    return (f"With fewer than {fewest_seeds(n_tests)} seeds no difference to a strongest control can be shown: {least}, times "
            f"{counted(n_tests, 'comparison')} by Holm's correction, and 0.05 is asked. Take more seeds, or name fewer entries in "
            "feedback.")  # fmt: skip


def _means(results: Results, task: str) -> list[tuple[str, float, int]]:
    """Return each control entry with its mean deciding score on validation texts and its number of seeds."""
    study = results.study
    several = [(one, scores_of(results, task, one, study.score, split="validation")) for one in study.control_entries()
               if study.runs_on(one, task)]  # fmt: skip
    return [(one, _mean(own), len(own)) for one, own in several]


def _mean(values: dict[int, float]) -> float:
    return float(np.mean(list(values.values()))) if values else math.nan
