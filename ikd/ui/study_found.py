"""What a study has found, kept in this process while its files stay as they are: statistics are not for every rerun of a page."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ikd.errors import ConfigError, RunError
from ikd.metrics.scores import METRICS
from ikd.study.comparing import STEPS, STRONGEST, Found, compared, comparison_table, example_table, with_controls
from ikd.study.folder import StudyFolder
from ikd.study.gaining import curve_table
from ikd.study.groups import group_table
from ikd.study.mapping import map_table
from ikd.study.plan import Study
from ikd.study.reading import read_study, study_text
from ikd.study.results import (
    Results,
    cost_table,
    mean_table,
    read_results,
    reported_split,
    run_table,
    score_names,
    score_table,
    scores_of,
    tuning_table,
)
from ikd.study.statistics_intervals import t_interval
from ikd.study.strongest import control_table
from ikd.study.teachers import teacher_table
from ikd.study.verdicts import Verdict

FILES = ("study.yaml", "cells.jsonl", "sessions.jsonl")
MOST_KEPT = 8
LEVEL, FEWEST_SEEDS = 0.95, 3
TABLES = ("map", "controls", "teachers", "means", "comparisons", "examples", "groups", "tuning", "cost", "runs", "scores", "curves")
"""Names of all tables of a study, those that a person reads first."""
OF_TRACES = ("examples", "groups")
"""Those of them for which the traces of the runs are read."""

AT_WORDS = {STEPS: "at equal steps", STRONGEST: "than the strongest control"}

Mark = tuple[tuple[int, int], ...]
_kept: dict[tuple[str, Path], tuple[Mark, Any]] = {}
_one_at_a_time = threading.RLock()


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a study's runs come to.

    Attributes:
        results: they are of.
        found: each comparison, by task, score and pair.
        scores: names of those it is told in; the first one decides.
        comparisons: `found` as a table.
    """

    results: Results
    found: Sequence[Found]
    scores: Sequence[str]
    comparisons: pd.DataFrame

    @property
    def study(self) -> Study:
        """Return the study."""
        return self.results.study

    @property
    def any_done(self) -> bool:
        """Return whether any run that is compared has come to its end."""
        return bool(self.scores)


def mark_of(folder: StudyFolder) -> Mark:
    """Return what changes with the files of a study."""
    return tuple(_stamp(folder.path / name) for name in FILES)


def results_of(folder: StudyFolder) -> Results:
    """Return what is known of a study's runs.

    Raises:
        RunError: it is damaged.
    """
    found: Results = _keep("results", folder, mark_of(folder), lambda: read_results(folder))
    return found


def findings_of(folder: StudyFolder) -> Findings:
    """Return what a study has found so far; errors as in `results_of`."""
    def make() -> Findings:
        results = results_of(folder)
        found = compared(results)
        return Findings(results=results, found=found, scores=score_names(results), comparisons=comparison_table(found))

    kept: Findings = _keep("findings", folder, mark_of(folder), make)
    return kept


def examples_of(folder: StudyFolder) -> pd.DataFrame:
    """Return `example_table`, which reads the trace of every run that is still there; errors as in `results_of`."""
    mark = (*mark_of(folder), _stamp(folder.root))  # runs that are deleted are not counted any more
    table: pd.DataFrame = _keep("examples", folder, mark, lambda: example_table(results_of(folder)))
    return table


def groups_of(folder: StudyFolder) -> pd.DataFrame:
    """Return `group_table`, which reads the same traces; errors as in `results_of`."""
    mark = (*mark_of(folder), _stamp(folder.root))
    table: pd.DataFrame = _keep("groups", folder, mark, lambda: group_table(results_of(folder)))
    return table


def study_in(path: Path) -> Study:
    """Return the study in a file.

    Raises:
        RunError: there is none, or it is damaged.
    """
    return _read(path, _stamp(path))


def table_of(folder: StudyFolder, name: str) -> pd.DataFrame:
    """Return one of `TABLES` with its numbers; it touches nothing of Streamlit. Errors as in `results_of`."""
    make: Mapping[str, Callable[[], pd.DataFrame]] = {
        "teachers": lambda: teacher_table(results_of(folder)), "means": lambda: mean_table(results_of(folder)),
        "map": lambda: map_table(findings_of(folder).study, findings_of(folder).found),
        "controls": lambda: control_table(results_of(folder)), "curves": lambda: curve_table(results_of(folder)),
        "comparisons": lambda: findings_of(folder).comparisons,
        "examples": lambda: examples_of(folder), "groups": lambda: groups_of(folder),
        "tuning": lambda: tuning_table(results_of(folder)),
        "cost": lambda: cost_table(results_of(folder)), "runs": lambda: run_table(results_of(folder)),
        "scores": lambda: score_table(results_of(folder)),
    }  # fmt: skip
    return make[name]()


def score_intervals(results: Results, score: str) -> pd.DataFrame:
    """Return a row for each task and entry: task, method, seeds, split, value, low, high; the mean with its interval over seeds.

    The interval ends where the score does, and there is none for fewer than `FEWEST_SEEDS`: with two seeds it holds almost every value.
    """
    rows: list[tuple[Any, ...]] = []
    least, most = METRICS[score].low, METRICS[score].high
    for task in results.study.tasks:
        for method in (entry for entry in results.study.entries() if results.study.runs_on(entry, task)):
            values = np.asarray(list(scores_of(results, task, method, score).values()), dtype=np.float64)
            mean = float(values.mean()) if len(values) else float("nan")
            ends = t_interval(values, LEVEL) if len(values) >= FEWEST_SEEDS else (math.nan, math.nan)
            rows.append((task, method, len(values), reported_split(results, task), mean, *np.clip(ends, least, most)))
    return pd.DataFrame(rows, columns=["task", "method", "seeds", "split", "value", "low", "high"])


class Said(NamedTuple):
    """What is said of a method: its verdict together with that of its control, and which badge it has (`ikd.ui.study_figures.BADGES`)."""

    method: str
    verdict: Verdict
    badge: str


def whole_verdicts(found: Sequence[Found], score: str) -> dict[str, list[Said]]:
    """Return by task what is said of each method by a score, with what holds at equal compute where it has a control."""
    said: dict[str, list[Said]] = {}
    for one, whole, controls in with_controls(found, score):
        said.setdefault(one.task, []).append(Said(one.pair.method, whole, _badge(one, whole, controls)))
    return said


def _badge(main: Found, whole: Verdict, controls: Sequence[Found]) -> str:
    """Return the kind of a verdict; where nothing is there to compare, or compute was not made equal, that comes before it."""
    if not main.comparison.n_seeds:
        return "nothing"
    known = any(one.comparison.n_seeds for one in controls)
    kind = whole.kind if known else main.verdict.kind
    return kind if known or kind not in ("better", "worse") else f"{kind} {at_words(main.pair.at)}"


def at_words(at: str) -> str:
    """Return what is equal between two methods of which neither has the other's compute, or that the other is the strongest control."""
    return AT_WORDS.get(at, "with other steps")


def slots_of(study: Study) -> list[int]:
    """Return the colour slot of each entry: its place in the study."""
    return list(range(len(study.entries())))


def yaml_of(study: Study) -> bytes:
    """Return a study as a file of its own."""
    return study_text(study).encode("utf-8")


@lru_cache(maxsize=64)
def _read(path: Path, stamp: tuple[int, int]) -> Study:
    try:
        return read_study(path)
    except ConfigError as fault:
        raise RunError(f"The file {path.name} of this study is damaged or of another version. {fault}") from None


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _keep(kind: str, folder: StudyFolder, mark: Mark, make: Callable[[], Any]) -> Any:
    key = (kind, folder.path)
    known = _kept.get(key)
    if known is not None and known[0] == mark:
        return known[1]
    with _one_at_a_time:
        known = _kept.get(key)
        if known is None or known[0] != mark:
            known = (mark, make())
            _kept.pop(key, None)
            while len(_kept) >= 4 * MOST_KEPT:
                del _kept[next(iter(_kept))]
            _kept[key] = known
        return known[1]
