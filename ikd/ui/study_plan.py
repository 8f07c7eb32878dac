"""What a study compares, before anything of it has run: methods and what differs between them, tasks, seeds, tuning, size."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import pandas as pd
import streamlit as st

from ikd.config import all_settings
from ikd.config.names import TASK_NAMES
from ikd.metrics.scores import METRICS
from ikd.study.cells import all_cells, main_cells, values_of
from ikd.study.entries import fewest_seeds
from ikd.study.plan import Study
from ikd.study.strongest import few_for_controls, n_comparisons
from ikd.study.teachers import unlike_words
from ikd.ui.study_choice import size_words
from ikd.ui.wording import plain, visible

LEVEL = 0.05


def draw_plan(study: Study) -> None:
    """Draw what a study compares."""
    st.markdown(f"**{size_words(study)}.** {size_sentence(study)}")
    st.dataframe(method_rows(study), hide_index=True, key="study-methods")
    st.caption(f"{plain(unlike_words(study), longest=1000)} {_baseline_words(study)} "
               "Settings not named here are the same for all: those of the base below, else the defaults.")  # fmt: skip
    st.dataframe(task_rows(study), hide_index=True, key="study-tasks")
    for line in seed_lines(study):
        st.markdown(line)
    if study.base:
        st.markdown(f"Base of all runs: {plain(setting_words(study.base), longest=1000)}.")


def method_rows(study: Study) -> pd.DataFrame:
    """Return a row of words for each method: what it sets, what it is tuned over, and what it is held against."""
    rows = []
    for method in study.methods:
        tuned = "; ".join(f"{label_of(path)}: {', '.join(map(_word, values))}" for path, values in study.tune.get(method, {}).items())
        equal = study.equal_compute_to(method)
        rows.append({
            "method": visible(method), "sets": visible(setting_words(study.settings_of(method))), "tuned over": visible(tuned or "nothing"),
            "held against": visible(", ".join(study.others(method)) or "– (the baseline)"),
            "steps": f"as many as cost what {visible(equal)} costs" if equal else f"{_steps(study, method):,}",
        })  # fmt: skip
    return pd.DataFrame(rows)


def task_rows(study: Study) -> pd.DataFrame:
    """Return a row of words for each task: what it is, and what it sets."""
    rows = []
    for task, own in study.tasks.items():
        name = study.task_name(task)
        words = {path: value for path, value in own.items() if path != "task.name"}
        rows.append({"task": visible(task), "texts": TASK_NAMES.get(name, name), "sets": visible(setting_words(words))})
    return pd.DataFrame(rows)


def seed_lines(study: Study) -> list[str]:
    """Return how many seeds and how much tuning there is, in Markdown."""
    n_runs, n_compared = len(all_cells(study)), len(main_cells(study))
    lines = [f"Seeds that are compared: {', '.join(map(str, study.seeds))}. {METRICS[study.score].label} decides; "
             f"{'higher' if METRICS[study.score].larger_is_better else 'lower'} is better."]  # fmt: skip
    if too_few := few_seeds_words(study):
        lines.append(f"**{too_few}**")
    if n_runs > n_compared:
        seeds = f"seed{'s' * (len(study.tune_seeds) > 1)} {', '.join(map(str, study.tune_seeds))}"
        lines.append(f"Tuning: {n_runs - n_compared:,} of the runs choose settings, for each method and task by itself, on validation "
                     f"texts of the {seeds}; their test scores are not read.")  # fmt: skip
    if study.matters:
        each = ", ".join(f"{METRICS[score].label} {value:g}" for score, value in study.matters.items())
        lines.append(f"Smallest difference that matters: {each}.")
    return lines


def few_seeds_words(study: Study) -> str:
    """Return why the seeds are too few to show any difference, "" where they are not."""
    n_tasks, n_seeds, n_tests = len(study.tasks), len(study.seeds), n_comparisons(study)
    fewest = fewest_seeds(n_tasks)
    if n_seeds >= fewest and n_tests and n_seeds < fewest_seeds(n_tests):
        return few_for_controls(study)
    if n_seeds >= fewest:
        return ""
    among, times = (f" on one of {n_tasks} tasks", f", times {n_tasks} tasks by Holm's correction") if n_tasks > 1 else ("", "")
    return (f"With fewer than {fewest} seeds no difference{among} can be shown: the smallest p that the test can give with {n_seeds} "
            f"is {2.0 ** (1 - n_seeds):.2g}{times}, and {LEVEL} is asked.")  # fmt: skip


def size_sentence(study: Study) -> str:
    """Return how much is to be computed, as far as it is known before it starts."""
    cells = all_cells(study)
    each = {(task, method): _steps(study, method, task) for task in study.tasks for method in study.methods if study.runs_on(method, task)}
    total = sum(each[cell.task, cell.method] for cell in cells)
    equal = any(study.equal_compute_to(method) for method in study.methods)
    more = ", and more for those that are given the compute of another" if equal else ""
    return f"About {_round(total):,} steps of teaching in all{more}, beside the teachers' own fine-tuning, one for each task and seed."


def setting_words(values: Mapping[str, Any]) -> str:
    """Return settings as a person reads them: labels and values."""
    return "; ".join(f"{label_of(path)}: {_word(value)}" for path, value in values.items()) or "nothing"


def label_of(path: str) -> str:
    """Return the label of a setting, as its control has it."""
    return _labels().get(path, path)


@cache
def _labels() -> dict[str, str]:
    return {one.path: one.label for one in all_settings()}


@cache
def _default_steps() -> int:
    return next(int(one.default) for one in all_settings() if one.path == "training.steps")


def _steps(study: Study, method: str, task: str | None = None) -> int:
    cell = next(one for one in main_cells(study) if one.method == method and task in (None, one.task))
    steps = values_of(study, cell, method, {}).get("training.steps")
    return int(steps) if isinstance(steps, int | float) else _default_steps()


def _word(value: object) -> str:
    if value is None:
        return "none"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _baseline_words(study: Study) -> str:
    others = [method for method in study.methods if study.against(method) not in (None, study.baseline)]
    each = " unless another is named" if others else ""
    return f"Methods are held against {plain(study.baseline)}{each}."


def _round(number: int) -> int:
    """Return a count with two digits that say something."""
    digits = max(len(str(number)) - 2, 0)
    return int(round(number, -digits))
