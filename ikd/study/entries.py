"""Entries of a study's tables: each method, and once more with its last fine-tuning on the exam texts where its runs end with one.

A run with `training.then_exam_steps` scores two students: as it was before that fine-tuning, and after it. Both come from one run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

THEN_EXAM = "training.then_exam_steps"
SUFFIX = ", then exam texts"
STUDENT, BEFORE_EXAM_TEXTS = "student", "student_before_exam_texts"


class Entry(NamedTuple):
    """One row of the tables: the method whose runs it is of, and the role in which these runs score its student."""

    method: str
    role: str


class MapPlan(BaseModel):
    """Axes of the figure of where feedback pays.

    Attributes:
        rows, columns: settings of the tasks, by dotted path.
        panels: a further one that parts the tasks into figures of their own; None: there is one figure.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: str
    columns: str
    panels: str | None = None


MAPS = (MapPlan(rows="task.shift_strength", columns="task.exam_size", panels="task.shift"),)
"""Maps that are drawn without being asked for, where the tasks of a study differ in rows and columns."""


def entries_of(methods: Mapping[str, bool]) -> dict[str, Entry]:
    """Return every entry by its name; methods: name to whether its runs end with a fine-tuning on the exam texts."""
    found: dict[str, Entry] = {}
    for method, ends in methods.items():
        found[method] = Entry(method, BEFORE_EXAM_TEXTS if ends else STUDENT)
        if ends:
            found[method + SUFFIX] = Entry(method, STUDENT)
    return found


def named_entries(names: Iterable[str], entries: Mapping[str, Entry], methods: Iterable[str]) -> list[str]:
    """Return the entries that a list of names stands for: a method stands for all of its entries, an entry with the suffix for itself."""
    wanted, known = set(names), set(methods)
    return [name for name, one in entries.items() if name in wanted or (one.method in wanted & known)]


def broken_claim(
    *, feedback: Sequence[str], controls: Sequence[str], methods: Mapping[str, bool], plan: MapPlan | None,
    tasks: Mapping[str, Mapping[str, object]], places: Mapping[str, Mapping[str, object]], only_on: Mapping[str, object], baseline: str,
) -> str | None:  # fmt: skip
    """Return why the entries of a study, its feedback methods, controls or map cannot be; None where they can.

    Args:
        feedback, controls, plan: keys of the study; plan: its map.
        methods: name to whether its runs end with a fine-tuning on the exam texts.
        tasks: settings of each, those of the base among them.
        places: where the number of steps on the exam texts may not be set.
        only_on: by method the names of tasks that fit it, None for all.
        baseline: the method that runs on all of them.
    """
    where = next((place for place, own in places.items() if THEN_EXAM in own), None)
    if where is not None:
        return (f"The setting {THEN_EXAM} in {where} would leave open which methods have an entry with their exam texts: put it in base or "
                "in methods; each run chooses on validation texts how many of the steps it keeps.")  # fmt: skip
    if plan is not None and not feedback:
        return "The map is of the gain of feedback: name the methods in the lists feedback and controls, or leave map out."
    on_tasks = _broken_tasks(only_on, tasks, baseline)
    return on_tasks or _broken_lists(feedback, controls, methods) or (None if plan is None else broken_map(plan, tasks))


def fewest_seeds(n_tests: int, level: float = 0.05) -> int:
    """Return with how many seeds a difference can be shown at all: the least p of the sign-flip test, 2^(1 - n), times n_tests (Holm)."""
    return 1 + math.ceil(math.log2(n_tests / level))


def fits(task: str, patterns: object) -> bool:
    """Return whether a task has one of several names with wildcards, parted by bars, as in "* shortcut|* flips"; None fits every task."""
    return patterns is None or any(fnmatchcase(task, pattern.strip()) for pattern in str(patterns).split("|"))


def _broken_tasks(only_on: Mapping[str, object], tasks: Iterable[str], baseline: str) -> str | None:
    for method, patterns in only_on.items():
        there = [task for task in tasks if fits(task, patterns)]
        if not there:
            return f"The method {method!r} fits no task with only_on {str(patterns)[:80]!r}: give names of tasks, with * for any letters."
        if method == baseline and len(there) < len([*tasks]):
            return f"The baseline {method!r} is compared with on every task: leave only_on out of it."
    return None


def _broken_lists(feedback: Sequence[str], controls: Sequence[str], methods: Mapping[str, bool]) -> str | None:
    entries = entries_of(methods)
    twice = next((method + SUFFIX for method, ends in methods.items() if ends and method + SUFFIX in methods), None)
    if twice is not None:
        return f"The method {twice!r} has the name of another one with its exam texts: choose another name."
    if bool(feedback) != bool(controls):
        return ("The lists feedback and controls go together: name the feedback methods in one, and in the other the methods that could "
                "explain their gain away.")  # fmt: skip
    for key, names in (("feedback", feedback), ("controls", controls)):
        unknown = next((name for name in names if name not in entries), None)
        if unknown is not None:
            return (f"The list {key} names {unknown!r}, which is no method: name methods, or one with {SUFFIX!r} behind it where "
                    f"{THEN_EXAM} is above 0.")  # fmt: skip
    both = {entries[name].method for name in feedback} & {entries[name].method for name in controls}
    if both:
        return f"The method {min(both)!r} is both in feedback and in controls: leave it in one of them."
    return None


def map_of(tasks: Mapping[str, Mapping[str, object]]) -> MapPlan | None:
    """Return the map that the settings of a study's tasks make up, None where there is none."""
    for plan in MAPS:
        paths = [path for path in (plan.rows, plan.columns, plan.panels) if path]
        several = [path for path in paths if len({repr(own.get(path)) for own in tasks.values()}) > 1]
        fitting = plan.model_copy(update={"panels": plan.panels if plan.panels in several else None})
        if {plan.rows, plan.columns} <= {*several} and broken_map(fitting, tasks) is None:
            return fitting
    return None


def broken_map(plan: MapPlan, tasks: Mapping[str, Mapping[str, object]]) -> str | None:
    """Return why a map cannot be drawn of the settings of these tasks, the base among them; None where it can."""
    if len({plan.rows, plan.columns, plan.panels}) < 3:
        return f"The map has {plan.rows!r} twice: rows, columns and panels are settings that differ."
    for path in filter(None, (plan.rows, plan.columns, plan.panels)):
        if not path.startswith("task."):
            return f"The map cannot have {path!r}: rows, columns and panels are settings of the tasks, such as task.exam_size."
        without = next((task for task, own in tasks.items() if own.get(path) is None), None)
        if without is not None:
            return f"The map needs {path} of every task, and {without!r} does not set it: give it there or in base, or leave map out."
    places = [tuple(own.get(path) for path in (plan.rows, plan.columns, plan.panels) if path) for own in tasks.values()]
    twice = next((task for number, task in enumerate(tasks) if places[number] in places[:number]), None)
    if twice is not None:
        return f"The task {twice!r} has the place of another one in the map: name in map.panels the setting in which they differ."
    return None
