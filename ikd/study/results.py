"""What a study has found so far, as plain tables, read from its folder: no run is needed for the scores, and no torch.

Every table is in the order of the study: tasks, then methods, then seeds. Runs that are not over yet are left out of means.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ikd.errors import RunError
from ikd.metrics.scores import METRICS
from ikd.study.cells import Cell, choice_of, main_cells
from ikd.study.entries import STUDENT
from ikd.study.folder import Row, StudyFolder
from ikd.study.plan import Study, Values
from ikd.trace.final import Final
from ikd.trace.reader import TraceReader
from ikd.trace.store import open_run

RUN_COLUMNS = ("task", "method", "seed", "state", "run", "steps", "forwards", "gflops", "seconds", "wall", "error")
SCORE_COLUMNS = ("task", "method", "seed", "split", "role", "score", "value", "larger_is_better")


@dataclass(frozen=True, kw_only=True)
class Results:
    """What is known of a study's runs.

    Attributes:
        rows: the last line on each run of the study that has one.
        sessions: what is known of each time it was begun or ended.
        root: folder of all runs.
    """

    study: Study
    rows: Mapping[Cell, Row]
    sessions: Sequence[Mapping[str, Any]]
    root: Path

    def done(self, task: str, method: str) -> dict[int, Row]:
        """Return the runs of a method, or of one of its entries, on a task that have come to their end, by seed."""
        own = method if method in self.study.methods else self.study.entries()[method].method
        rows = {seed: self.rows.get(Cell("main", task, own, seed)) for seed in self.study.seeds}
        return {seed: row for seed, row in rows.items() if row is not None and row.state == "done"}


def read_results(folder: StudyFolder) -> Results:
    """Return what a study has found so far.

    Raises:
        RunError: there is no such study here, or it is damaged.
    """
    return Results(study=folder.study(), rows=folder.rows(), sessions=folder.sessions(), root=folder.root)


def run_table(results: Results) -> pd.DataFrame:
    """Return a row for each run that is compared, whether it is over or not: `RUN_COLUMNS`.

    `forwards` are planned, in student forwards of one text; `gflops` were spent on teaching; `seconds` are of the teaching, `wall` of all.
    """
    rows = []
    for cell in main_cells(results.study):
        row = results.rows.get(cell) or Row(cell=cell, digest="")
        gflops = None if row.flops is None else row.flops / 1e9
        rows.append((cell.task, cell.method, cell.seed, row.state, row.run, row.steps, row.forwards, gflops, row.seconds, row.wall,
                     row.error or ""))  # fmt: skip
    return pd.DataFrame(rows, columns=RUN_COLUMNS).astype({"forwards": float, "gflops": float, "seconds": float, "wall": float})


def score_table(results: Results) -> pd.DataFrame:
    """Return a row for each score of each run that is compared and over: `SCORE_COLUMNS`."""
    rows = []
    for cell in main_cells(results.study):
        row = results.rows.get(cell)
        if row is None or row.state != "done":
            continue
        for name, value in row.scores.items():
            role, split, score = name.split("/")
            if score in METRICS:
                rows.append((cell.task, cell.method, cell.seed, split, role, score, value, METRICS[score].larger_is_better))
    return pd.DataFrame(rows, columns=SCORE_COLUMNS)


def reported_split(results: Results, task: str) -> str:
    """Return the split that a task is reported on: "test" where it has one, or while nothing is known of it, else "validation"."""
    rows = [row for method in results.study.methods for row in results.done(task, method).values()]
    return "test" if not rows or any(name.startswith("student/test/") for row in rows for name in row.scores) else "validation"


def has_score(results: Results, task: str, score: str) -> bool:
    """Return whether a task has a score: KL to the truth, say, is known only where the truth is; True while nothing is known of it."""
    rows = [row for method in results.study.methods for row in results.done(task, method).values()]
    name = f"student/{reported_split(results, task)}/{score}"
    return not rows or any(name in row.scores for row in rows)


def scores_of(results: Results, task: str, method: str, score: str, *, split: str | None = None, role: str = "student") -> dict[int, float]:
    """Return a score of an entry on a task by seed, on the reported split where none is named; seeds without it are left out."""
    own = student_role(results.study, method) if role == STUDENT else role
    name = f"{own}/{split or reported_split(results, task)}/{score}"
    found = {seed: row.scores.get(name, math.nan) for seed, row in results.done(task, method).items()}
    return {seed: float(value) for seed, value in found.items() if math.isfinite(value)}


def student_role(study: Study, entry: str) -> str:
    """Return in which role the runs of an entry score its student."""
    known = study.entries().get(entry)
    return STUDENT if known is None else known.role


def predictions_of(results: Results, task: str, method: str) -> dict[int, Final]:
    """Return what an entry's students said on the reported split by seed, of the runs whose folders are still there."""
    split, role, found = reported_split(results, task), student_role(results.study, method), {}
    for seed, row in results.done(task, method).items():
        if not (results.root / row.run).is_dir():
            continue  # looked for here, since whoever opens a run that is not there is told of all that are
        try:
            final = TraceReader(open_run(row.run, results.root)).final(split)
        except RunError:  # deleted since: its scores are kept all the same
            continue
        if final is not None and role in final.logits:
            found[seed] = replace(final, logits={**final.logits, STUDENT: final.logits[role]})
    return found


def score_names(results: Results) -> list[str]:
    """Return the scores that a study is told in: the deciding one, likelihood and accuracy; of groups and KL to the truth where known."""
    known = {name.split("/")[2] for row in results.rows.values() if row.cell.stage == "main" for name in row.scores}
    wanted = dict.fromkeys((results.study.score, "nll", "accuracy", "worst_group_accuracy", "truth_kl"))
    return [name for name in wanted if name in known]


def mean_table(results: Results) -> pd.DataFrame:
    """Return a row for each task and entry: seeds, the deciding score on validation texts, and means and deviations on the reported split.

    Columns: task, method, seeds, split, `validation_SCORE`, then for each score its mean and `SCORE_sd` over seeds, `teacher_accuracy`
    after the last step, and steps. Every number follows from the study and its seeds: a second study gives the same ones.
    """
    study, names, rows = results.study, score_names(results), []
    for task in study.tasks:
        split = reported_split(results, task)
        for method in (entry for entry in study.entries() if study.runs_on(entry, task)):
            done = results.done(task, method)
            row: dict[str, Any] = {"task": task, "method": method, "seeds": len(done), "split": split}
            row[f"validation_{study.score}"] = _mean(scores_of(results, task, method, study.score, split="validation"))
            for name in names:
                own = scores_of(results, task, method, name)
                row |= {name: _mean(own), f"{name}_sd": float(np.std(list(own.values()), ddof=1)) if len(own) > 1 else math.nan}
            row["teacher_accuracy"] = _mean(scores_of(results, task, method, "accuracy", role="teacher"))
            row["steps"] = _mean({seed: one.steps for seed, one in done.items()})
            rows.append(row)
    return pd.DataFrame(rows)


def cost_table(results: Results) -> pd.DataFrame:
    """Return a row for each task and method: steps, planned student forwards, GFLOPs spent and seconds of teaching, means over seeds."""
    rows = []
    for task in results.study.tasks:
        for method in (method for method in results.study.methods if results.study.runs_on(method, task)):
            done = results.done(task, method)
            means = [_mean({seed: getattr(one, name) for seed, one in done.items()}) for name in ("steps", "forwards", "flops", "seconds")]
            rows.append((task, method, len(done), *means))
    table = pd.DataFrame(rows, columns=["task", "method", "seeds", "steps", "forwards", "gflops", "seconds"])
    table["gflops"] /= 1e9
    return table


def tuning_table(results: Results) -> pd.DataFrame:
    """Return a row for each choice that was tried: task, method, choice in words, mean score on validation texts, whether it was chosen."""
    study, rows = results.study, []
    for task in study.tasks:
        for method in (method for method in study.methods if study.is_tuned(method) and study.runs_on(method, task)):
            index, means = choice_of(study, method, lambda choice, seed: _tried(results, task, method, choice, seed))  # noqa: B023
            whole = all(_over(results, task, method, choice) for choice in range(study.budget(method)))
            rows += [(task, method, choice_words(values), mean, whole and number == index)
                     for number, (values, mean) in enumerate(zip(study.options(method), means, strict=True))]  # fmt: skip
    return pd.DataFrame(rows, columns=["task", "method", "choice", f"validation_{study.score}", "chosen"])


def failures(results: Results) -> list[Row]:
    """Return the runs that have failed, those of the tuning among them."""
    wanted = set(main_cells(results.study))
    return [row for row in results.rows.values()
            if row.state == "failed" and (row.cell in wanted or _is_trial(results.study, row.cell))]  # fmt: skip


def choice_words(values: Values) -> str:
    """Return settings as a person reads them."""
    return ", ".join(f"{path} {value}" for path, value in values.items()) or "none"


def _tried(results: Results, task: str, method: str, choice: int, seed: int) -> float | None:
    row = results.rows.get(Cell("tune", task, method, seed, choice))
    return None if row is None or row.state != "done" else row.scores.get(f"student/validation/{results.study.score}")


def _over(results: Results, task: str, method: str, choice: int) -> bool:
    rows = [results.rows.get(Cell("tune", task, method, seed, choice)) for seed in results.study.tune_seeds]
    return all(row is not None and row.state in ("done", "failed") for row in rows)


def _is_trial(study: Study, cell: Cell) -> bool:
    return (cell.stage == "tune" and cell.task in study.tasks and cell.method in study.methods and cell.seed in study.tune_seeds
            and cell.choice < study.budget(cell.method))  # fmt: skip


def _mean(values: Mapping[int, float | None]) -> float:
    known = [value for value in values.values() if value is not None]
    return float(np.mean(known)) if known else math.nan
