"""The runs of a study, one a cell: their order, the settings of each, and which settings were chosen for a method.

Tuning comes first; then the runs that are compared, seeds outermost, so that what is there is balanced wherever it stops.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from statistics import fmean
from typing import Literal, NamedTuple

from ikd.config import EXAM_POLICIES, RunConfig, build_config
from ikd.config.exam_texts import learns_from_exam_texts
from ikd.config.names import TASK_NAMES
from ikd.errors import ConfigError
from ikd.metrics.scores import METRICS
from ikd.study.compute import equal_steps
from ikd.study.digests import MOST_BETWEEN_READINGS
from ikd.study.plan import GENERATED_TASKS, Study, Values

Stage = Literal["tune", "main"]
READINGS = 12
"""How often a run of a study reads its probe set, the first and the last step among them, unless the study says otherwise."""

STUDY_SETTINGS: Values = {
    "machine.threads": 1, "record.checkpoint_every": 500, "record.checkpoints_kept": 1, "record.checkpoint_keep_every": 0,
}  # fmt: skip
"""What a study sets unless it says otherwise: runs side by side that give the same numbers as one by one, and small traces."""


class Cell(NamedTuple):
    """One run of a study.

    Attributes:
        stage: "tune" judges one choice of settings on validation texts; "main" is compared with others.
        choice: index into the options of the method; 0 in the main stage, where the chosen one is taken.
    """

    stage: Stage
    task: str
    method: str
    seed: int
    choice: int = 0


def all_cells(study: Study) -> list[Cell]:
    """Return every run of a study in the order in which they are carried out; those under one teacher follow each other."""
    tuned = [method for method in study.methods if study.is_tuned(method)]
    cells = [Cell("tune", task, method, seed, choice) for seed in study.tune_seeds for task in study.tasks for method in tuned
             if study.runs_on(method, task) for choice in range(study.budget(method))]  # fmt: skip
    return cells + main_cells(study)


def main_cells(study: Study) -> list[Cell]:
    """Return the runs that are compared."""
    return [Cell("main", task, method, seed) for seed in study.seeds for task in study.tasks for method in study.methods
            if study.runs_on(method, task)]  # fmt: skip


def config_of(study: Study, cell: Cell, chosen: Mapping[str, Values]) -> RunConfig:
    """Return the config of a run.

    Args:
        study: it belongs to.
        cell: the run.
        chosen: by method, the settings chosen for it on this task; of the run's own method (unless it tries one of its options), and
            of the one whose compute it is given.

    Raises:
        ConfigError: settings that cannot be run together.
        HubError, ModelError: the size of a model is needed to count steps, and cannot be had.
    """
    choice = study.options(cell.method)[cell.choice] if cell.stage == "tune" else chosen.get(cell.method, {})
    values = values_of(study, cell, cell.method, choice)
    target = study.equal_compute_to(cell.method)
    if target is not None:
        config = build_config(values)
        values["training.steps"] = equal_steps(config, build_config(values_of(study, cell, target, chosen.get(target, {}))))
    values.setdefault("record.probe_every", between_readings(build_config(values).training.steps))
    return build_config(values)


def between_readings(steps: int) -> int:
    """Return how many steps lie between two of a run's `READINGS`."""
    return min(max(1, math.ceil(steps / (READINGS - 1))), MOST_BETWEEN_READINGS)


def check_configs(study: Study) -> None:
    """Do nothing where every run of a study can be built, and none that others are held against has fewer texts to learn from.

    Raises:
        ConfigError: one cannot, or has; it names task and method.
    """
    measures = {study.baseline, *(other for method in study.methods for other in study.others(method)),
                *(method for method in study.methods if study.equal_compute_to(method) is not None)}  # fmt: skip
    for task, method, config in option_configs(study):
        if method in measures and config.policy.name not in EXAM_POLICIES and not learns_from_exam_texts(
            config.teacher, config.policy, config.training
        ):
            raise ConfigError(_without_exam_texts(study, task, method))


def option_configs(study: Study) -> Iterator[tuple[str, str, RunConfig]]:
    """Yield task, method and config of the first seed for every option of every method, before steps are counted or anything is chosen.

    Raises:
        ConfigError: one cannot be built; it names task and method.
    """
    for task in study.tasks:
        for method in (method for method in study.methods if study.runs_on(method, task)):
            for choice in study.options(method):
                try:
                    config = build_config(values_of(study, Cell("main", task, method, study.seeds[0]), method, choice))
                except ConfigError as fault:
                    raise ConfigError(f"Study {study.name}, task {task!r}, method {method!r}: {fault}") from None
                yield task, method, config


def _without_exam_texts(study: Study, task: str, method: str) -> str:
    who = f"The baseline {method!r}" if method == study.baseline else f"The method {method!r}, which others are held against,"
    return (f"{who} would not study the exam examples of task {task!r}, which those held against it may learn from: leave "
            "policy.fixed_studies_exam out. A method that none is held against may have it.")  # fmt: skip


def choice_of(study: Study, method: str, validation: Callable[[int, int], float | None]) -> tuple[int | None, list[float]]:
    """Return the index of the best option of a tuned method, None where none came to its end, and the mean score of each.

    Args:
        study: it belongs to.
        method: that is tuned.
        validation: choice and seed to the student's score on validation texts, None where the run failed.
    """
    means = []
    for choice in range(study.budget(method)):
        scores = [validation(choice, seed) for seed in study.tune_seeds]
        whole = [score for score in scores if score is not None and math.isfinite(score)]
        means.append(fmean(whole) if len(whole) == len(scores) else math.nan)
    sign = 1 if METRICS[study.score].larger_is_better else -1
    finite = [index for index, mean in enumerate(means) if math.isfinite(mean)]
    return max(finite, key=lambda index: sign * means[index], default=None), means


def needed_choices(study: Study, cell: Cell) -> Iterator[str]:
    """Yield the methods whose settings must have been chosen before a run can begin."""
    target = study.equal_compute_to(cell.method)
    if cell.stage == "main" and study.is_tuned(cell.method):
        yield cell.method
    if target is not None and study.is_tuned(target):
        yield target


def label_of(study: Study, cell: Cell) -> str:
    """Return the name of a run for the pages: study, method, task and seed."""
    trial = f", choice {cell.choice + 1}" if cell.stage == "tune" else ""
    return f"{study.name}: {cell.method}, {cell.task}, seed {cell.seed}{trial}"[:80]


def values_of(study: Study, cell: Cell, method: str, choice: Values) -> Values:
    """Return the settings of a run that are not left to their defaults, as a method has them on the task and seed of a cell."""
    own_name: Values = {"task.name": cell.task} if cell.task in TASK_NAMES else {}
    own = {} if study.is_tuned(method) else study.options(method)[0]
    values = {**STUDY_SETTINGS, **study.base, **own_name, **study.tasks[cell.task], **study.settings_of(method), **own, **choice}
    values |= {"seed": cell.seed, "label": label_of(study, cell)}
    if values.get("task.name") in GENERATED_TASKS:
        values["task.seed"] = cell.seed
    return values
