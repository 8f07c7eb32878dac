"""What the teachers of a study knew before the first step, and where teachers or students say hardly more than guessing does.

A comparison under a teacher that has learned nothing says nothing of teaching, however clear its verdicts are. Guessing has a Matthews
correlation of 0 whatever the classes and their shares.
"""

from __future__ import annotations

from functools import partial
from statistics import fmean

import pandas as pd

from ikd.config import STORED
from ikd.study.plan import Study
from ikd.study.results import Results, reported_split, scores_of

GUESSING = 0.15
"""A mean Matthews correlation below this is hardly more than guessing: 57.5 % of two equally frequent classes right is just this."""
TEACHER_SCORES = ("accuracy", "nll", "ece", "matthews")


def teacher_table(results: Results) -> pd.DataFrame:
    """Return a row for each task: seeds, split, and the mean scores of the teacher as it was before the first step.

    Columns: task, seeds, split, `TEACHER_SCORES`. Where methods have teachers of their own it is that of the first method, the baseline
    before all others.
    """
    rows = []
    for task in results.study.tasks:
        several = {score: _before(results, task, score) for score in TEACHER_SCORES}
        means = [fmean(one.values()) if one else float("nan") for one in several.values()]
        rows.append((task, len(several["accuracy"]), reported_split(results, task), *means))
    return pd.DataFrame(rows, columns=["task", "seeds", "split", *TEACHER_SCORES])


def guessing_words(results: Results) -> list[str]:
    """Return a sentence for each task on which the teachers, or the students of the baseline, say hardly more than guessing."""
    said, baseline = [], results.study.baseline
    for task in results.study.tasks:
        of_students = partial(scores_of, results, task, baseline)
        for who, scores in (("the teachers", partial(_before, results, task)), (f"the students of {baseline}", of_students)):
            if who == "the teachers" and results.study.task_values()[task].get("teacher.name") == STORED:
                continue  # it is known on the course texts alone
            right, correlated = scores("accuracy"), scores("matthews")
            if right and correlated and fmean(correlated.values()) < GUESSING:
                said.append(f"On {task} {who} say hardly more than guessing (accuracy {fmean(right.values()):.3f}, Matthews correlation "
                            f"{fmean(correlated.values()):.2f}, where guessing has 0): what is found there says little of teaching.")
    return said


def unlike_words(study: Study) -> str:
    """Return what all methods of a seed have in common, and which have a teacher or student of their own."""
    teachers, students = ([method for method in study.methods if any(path.startswith(f"{part}.") for path in
                           {**study.settings_of(method), **study.tune.get(method, {})})] for part in ("teacher", "student"))  # fmt: skip
    parts = ["texts", *([] if teachers else ["fine-tuned teacher"]), *([] if students else ["first weights of the student"])]
    own = [f"{' and '.join(several)} {'have a' if len(several) > 1 else 'has a'} {what} of {'their' if len(several) > 1 else 'its'} own"
           for what, several in (("teacher", teachers), ("student", students)) if several]  # fmt: skip
    same = f"All methods of a seed have the same {', '.join(parts)} and seed of the batches."
    told = " The table of teachers is of the baseline's, or else of the first method that tells." if teachers else ""
    return f"{same} {'; '.join(own)}: what differs there is not the method alone.{told}" if own else same


def _before(results: Results, task: str, score: str) -> dict[int, float]:
    """Return by seed a score of the teacher before the first step, from the first method that tells it, the baseline before all others."""
    study = results.study
    for method in sorted(study.methods, key=lambda one: one != study.baseline):
        own = scores_of(results, task, method, score, role="frozen_teacher")
        if not own and {**study.base, **study.settings_of(method)}.get("policy.name") in ("fixed", "annealed"):
            own = scores_of(results, task, method, score, role="teacher")
        if own:
            return own
    return {}
