"""What a study will cost, told before it starts: runs, teachers, hours of computing, and how long that takes side by side.

A run of a task and method that was carried out before takes what it took then; any other one what the cost model (README, *Cost*) and the
measured speed of this machine say, as the Train page tells of a single run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from ikd.config import STORED, RunConfig
from ikd.errors import IKDError
from ikd.runs.estimate import Estimate, estimate
from ikd.study.bench import Bench, Due
from ikd.study.cells import Cell, config_of
from ikd.study.digests import teacher_of
from ikd.study.folder import Row, StudyFolder
from ikd.study.plan import Study
from ikd.study.pool import default_jobs
from ikd.study.telling import time_words
from ikd.study.verdicts import counted

SECONDS_BESIDE = 1.0
"""What loading and the final scores of a small run take beside its teaching; of runs that were carried out it is measured."""


@dataclass(frozen=True, kw_only=True)
class PlannedCost:
    """What is left to carry out of a study, and what it will cost.

    Attributes:
        n_runs: that are missing, those of the tuning among them.
        n_teachers: to be fine-tuned for them, unless they are kept from before.
        seconds: of computing, one run after the other, teachers included; None where a part of it is not known.
        jobs: runs side by side.
        n_before: runs carried out before from which some of it is known.
        why: why the seconds are not known.
    """

    n_runs: int
    n_teachers: int
    seconds: float | None
    jobs: int
    n_before: int
    why: str = ""

    @property
    def wall_seconds(self) -> float | None:
        """Return how long it takes with so many runs side by side."""
        return None if self.seconds is None else self.seconds / max(1, min(self.jobs, self.n_runs))


def planned_cost(study: Study, root: Path | None = None, *, jobs: int | None = None) -> PlannedCost:
    """Return what the missing runs of a study will cost; loads torch and, once on a machine, measures its speed for two seconds.

    Args:
        study: to be carried out.
        root: folder of all runs.
        jobs: runs side by side; None: one a core, or one a GPU.
    """
    folder = StudyFolder(study.name, root)
    configs = list(_missing(study, folder))
    rows = [row for row in folder.lines() if row.state == "done" and row.seconds is not None and row.wall is not None]
    paces, known = _paces(rows), dict[str, Estimate]()
    teachers = {teacher_of(config): config for _, config in configs
                if config.teacher.name != STORED and config.teacher.fine_tune != "never"}  # fmt: skip
    if not configs:
        return PlannedCost(n_runs=0, n_teachers=0, seconds=0.0, jobs=jobs or 1, n_before=len(rows))
    jobs = jobs or default_jobs([config for _, config in configs])
    total, why = 0.0, ""
    try:
        for cell, config in configs:
            pace = paces.get((cell.task, cell.method))
            total += pace if pace is not None else SECONDS_BESIDE + _seconds(_estimate(config, folder.root, known).seconds)
        for config in teachers.values():
            total += _seconds(_estimate(config, folder.root, known).teacher_seconds)
    except (IKDError, _NotKnownError) as fault:
        why = str(fault) or next((one.explanation for one in known.values() if one.seconds is None), "")
    return PlannedCost(n_runs=len(configs), n_teachers=len(teachers), seconds=None if why else total, jobs=jobs, n_before=len(rows),
                       why=why)  # fmt: skip


def cost_words(cost: PlannedCost, *, now: float | None = None) -> str:
    """Return the cost in two sentences at most; now: seconds since 1970 at which the study would begin, None: this moment."""
    if not cost.n_runs:
        return "Nothing is left to carry out."
    size = f"{counted(cost.n_runs, 'run')} to carry out, with {counted(cost.n_teachers, 'teacher')} to fine-tune where none is kept"
    if cost.seconds is None or cost.wall_seconds is None:
        return f"{size}. How long they take is not known before the first ones are over: {cost.why}"
    by = f", by {counted(cost.n_before, 'run')} carried out before" if cost.n_before else ""
    end = time.strftime("%a %H:%M", time.localtime((time.time() if now is None else now) + cost.wall_seconds))
    return (f"{size}: about {time_words(cost.seconds)} of computing{by}. With {cost.jobs} at a time that is about "
            f"{time_words(cost.wall_seconds)}, until about {end} if it starts now.")  # fmt: skip


class _NotKnownError(Exception):
    """A run whose duration cannot be foretold."""


def _missing(study: Study, folder: StudyFolder) -> Iterator[tuple[Cell, RunConfig]]:
    """Yield each run that is not over with its config; where settings are still to be chosen, with the first ones."""
    first = {method: study.options(method)[0] for method in study.methods}
    for cell, due in Bench(study, folder, retry=False).left():
        if isinstance(due, Due):
            yield cell, due.config
        else:
            yield cell, config_of(study, cell, first)


def _paces(rows: Sequence[Row]) -> Mapping[tuple[str, str], float]:
    """Return by task and method how long a run took, without its teacher: of most runs others have fine-tuned it."""
    beside = median([(row.wall or 0.0) - (row.seconds or 0.0) for row in rows]) if rows else 0.0
    several: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        several.setdefault((row.cell.task, row.cell.method), []).append(row.seconds or 0.0)
    return {place: fmean(own) + beside for place, own in several.items()}


def _estimate(config: RunConfig, root: Path, known: dict[str, Estimate]) -> Estimate:
    """Return the estimate of a run, the same for all seeds."""
    task = config.task.model_copy(update={"seed": 0})
    alike = config.model_copy(update={"seed": 0, "label": "", "task": task})
    key = alike.model_dump_json()
    if key not in known:
        known[key] = estimate(alike, root)
    return known[key]


def _seconds(seconds: float | None) -> float:
    if seconds is None:
        raise _NotKnownError
    return seconds
