"""A study: methods x tasks x seeds under one protocol (README, *Studies*), and what makes one sound.

- base: settings of all runs, by dotted path
- tasks: name to settings; a name that is a task's own needs none
- methods: name to settings; besides, `equal_compute_to: METHOD` counts its steps, `against: METHOD` names its own baseline, and
  `only_on: PATTERN` leaves it out of the tasks whose names do not fit
- tune: method to setting to values; every combination is tried with the tune_seeds and judged on validation texts
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import product
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ikd.config.names import TASK_NAMES
from ikd.errors import unknown_name
from ikd.metrics.scores import METRICS
from ikd.study.entries import SUFFIX, THEN_EXAM, Entry, MapPlan, broken_claim, entries_of, fits, map_of, named_entries

Scalar = bool | int | float | str | None
Values = dict[str, Scalar]
LARGEST_SEED = 2**31 - 1
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]

EQUAL_COMPUTE, AGAINST, ONLY_ON = "equal_compute_to", "against", "only_on"
OWN_KEYS = (EQUAL_COMPUTE, AGAINST, ONLY_ON)
SET_BY_THE_STUDY = {"seed": "seeds", "label": "name"}
BELONG_TO_METHODS = ("policy.name", "objective.name")
GENERATED_TASKS = frozenset(name for name, words in TASK_NAMES.items() if words.startswith("built in"))
LONGEST_NAME, LONGEST_TITLE = 40, 200
MOST_CELLS = 10_000
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class Study(BaseModel):
    """What is compared, and how.

    Attributes:
        name: of its folder.
        title: a line for people.
        base, tasks, methods, tune: see the head of this file.
        seeds: of the runs that are compared; a number n means 0 to n - 1. One seed draws the same texts, weights and batches for all.
        baseline: the method that the others are held against.
        also_against: method to further ones that it is held against, such as a cheap control that it must beat.
        feedback: methods that learn from exams, and whose gain is in question.
        controls: methods by which that gain could be explained away; the strongest one of each task is found by the report. In both lists a
            method stands for all of its entries (`ikd.study.entries`).
        map: axes of the figure of where feedback pays; None: those that the tasks differ in, if any.
        score: what decides: settings are chosen by it on validation texts, and it heads the report.
        tune_seeds: of the runs by which settings are chosen; none of `seeds`.
        uneven_budgets: whether methods may be tuned with different numbers of settings.
        matters: score to the smallest difference in it that matters, by which a difference can be shown to be none.
        keep_students: whether every run keeps its trained student, which takes room where models are large.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    title: str = ""
    base: Values = Field(default_factory=dict)
    tasks: dict[str, Values] = Field(min_length=1)
    methods: dict[str, Values] = Field(min_length=1)
    seeds: tuple[Seed, ...] = Field(min_length=1)
    baseline: str
    also_against: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    feedback: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    map: MapPlan | None = None
    score: str = "nll"
    tune: dict[str, dict[str, tuple[Scalar, ...]]] = Field(default_factory=dict)
    tune_seeds: tuple[Seed, ...] = ()
    uneven_budgets: bool = False
    matters: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    keep_students: bool = False

    @field_validator("title", mode="after")
    @classmethod
    def _one_line(cls, title: str) -> str:
        return " ".join(title.split())

    @field_validator("base", "tune", "matters", "also_against", mode="before")
    @classmethod
    def _nothing_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value

    @field_validator("tasks", "methods", mode="before")
    @classmethod
    def _nothing_in_them_is_empty(cls, value: Any) -> Any:
        return {name: {} if own is None else own for name, own in value.items()} if isinstance(value, Mapping) else value

    @field_validator("seeds", "tune_seeds", mode="before")
    @classmethod
    def _counted(cls, value: Any) -> Any:
        return tuple(range(value)) if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_CELLS else value

    @model_validator(mode="after")
    def _rules(self) -> Study:
        for rule in (_broken_names, _broken_methods, _broken_settings, _broken_tuning, _broken_claim, _too_many):
            broken = rule(self)  # each takes those before it as kept
            if broken:
                raise ValueError(broken)
        return self

    def task_name(self, task: str) -> str:
        """Return the task.name that a task of the study comes to: its own, the one it is called by, or that of the base."""
        return str(self.tasks[task].get("task.name", task if task in TASK_NAMES else self.base.get("task.name", task)))

    def settings_of(self, method: str) -> Values:
        """Return the settings of a method, without the keys that are the study's own."""
        return {path: value for path, value in self.methods[method].items() if path not in OWN_KEYS}

    def equal_compute_to(self, method: str) -> str | None:
        """Return the method whose compute this one is given, if any."""
        other = self.methods[method].get(EQUAL_COMPUTE)
        return None if other is None else str(other)

    def against(self, method: str) -> str | None:
        """Return the method that this one is held against; None for the baseline itself."""
        other = self.methods[method].get(AGAINST)
        if other is not None:
            return str(other)
        return None if method == self.baseline else self.baseline

    def runs_on(self, method: str, task: str) -> bool:
        """Return whether a method, or an entry of one, is carried out on a task."""
        own = self.methods.get(method) or self.methods[self.entries()[method].method]
        return fits(task, own.get(ONLY_ON))

    def others(self, method: str) -> list[str]:
        """Return every method that this one is held against at equal steps or whatever steps it has, the one of `against` first."""
        own = self.against(method)
        return [*([] if own is None else [own]), *self.also_against.get(method, ())]

    def ends_with_exam(self, method: str) -> bool:
        """Return whether the runs of a method end with a fine-tuning of the student on the exam texts."""
        steps = {**self.base, **self.settings_of(method)}.get(THEN_EXAM)
        return isinstance(steps, int | float) and steps > 0

    def entries(self) -> dict[str, Entry]:
        """Return the entries of the tables by name: each method, and with its exam texts where its runs end with them."""
        return entries_of({method: self.ends_with_exam(method) for method in self.methods})

    def entry_after_exam(self, method: str) -> str:
        """Return the name of a method's entry with its exam texts; the method itself where it has none."""
        return method + SUFFIX if self.ends_with_exam(method) else method

    def feedback_entries(self) -> list[str]:
        """Return the entries whose gain is in question."""
        return named_entries(self.feedback, self.entries(), self.methods)

    def control_entries(self) -> list[str]:
        """Return the entries by which that gain could be explained away."""
        return named_entries(self.controls, self.entries(), self.methods)

    def mapped(self) -> MapPlan | None:
        """Return the axes of the figure of where feedback pays; None where there are none."""
        return (self.map or map_of(self.task_values())) if self.feedback else None

    def task_values(self) -> dict[str, Values]:
        """Return the settings of each task together with those of the base."""
        return {task: {**self.base, **own} for task, own in self.tasks.items()}

    def options(self, method: str) -> list[Values]:
        """Return every combination of the settings that a method is tuned over; one, with nothing in it, where it is not tuned."""
        own = self.tune.get(method, {})
        return [dict(zip(own, values, strict=True)) for values in product(*own.values())]

    def is_tuned(self, method: str) -> bool:
        """Return whether there is anything to choose for a method."""
        return self.budget(method) > 1

    def budget(self, method: str) -> int:
        """Return how many combinations of settings are tried for a method."""
        return math.prod(len(values) for values in self.tune.get(method, {}).values())


def _broken_names(study: Study) -> str | None:
    if not NAME.fullmatch(study.name):
        return (f"The name of a study names its folder, and {study.name[:80]!r} cannot: use small letters, digits and hyphens, at most "
                f"{LONGEST_NAME}.")  # fmt: skip
    if len(study.title) > LONGEST_TITLE or not study.title.isprintable():
        return f"The title {study.title[:80]!r} is a line for people: give at most {LONGEST_TITLE} printable characters, or leave it out."
    for what, names in (("task", study.tasks), ("method", study.methods)):
        for name in names:
            if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
                return f"The {what} {name[:80]!r} needs a name of 1 to {LONGEST_NAME} printable characters."
    for task, own in study.tasks.items():
        if task in TASK_NAMES and "task.name" not in own and study.base.get("task.name", task) != task:
            return (f"The base names the task {study.base['task.name']!r}, and {task!r} is a task of that name itself: give it task.name "
                    "of its own, or choose another name for it.")  # fmt: skip
        if task not in TASK_NAMES and "task.name" not in own and "task.name" not in study.base:
            return unknown_name("task", task, TASK_NAMES, hint="Under a name of your own, give the setting task.name beside it.")
    for score in (study.score, *study.matters):
        if score not in METRICS:
            return unknown_name("score", score, METRICS, hint="Choose one of them.")
    return None


def _broken_methods(study: Study) -> str | None:
    named = [("baseline", study.baseline)]
    named += [(f"{key} of method {method!r}", str(own[key])) for method, own in study.methods.items() for key in OWN_KEYS[:2] if key in own]
    for where, other in named:
        if other not in study.methods:
            return unknown_name(f"method in {where}", other, study.methods)
    for method, others in study.also_against.items():
        for other in (method, *others):
            if other not in study.methods:
                return unknown_name("method in also_against", other, study.methods)
        whole = [method, *study.others(method)]
        if len(set(whole)) < len(whole):
            return f"The method {method!r} is held against itself, or against another one twice, in also_against: each counts once."
    for method in study.methods:
        target = study.equal_compute_to(method)
        if method in (target, study.methods[method].get(AGAINST)):
            return f"The method {method!r} is held against itself: name another one."
        if target is not None and study.equal_compute_to(target) is not None:
            return (f"The method {method!r} is given the compute of {target!r}, which is itself given that of another: name "
                    f"{study.equal_compute_to(target)!r} for both.")  # fmt: skip
        if target is not None and "training.steps" in {**study.settings_of(method), **study.tune.get(method, {})}:
            return f"The method {method!r} has its steps counted ({EQUAL_COMPUTE}): leave training.steps out of it."
    return None


def _broken_settings(study: Study) -> str | None:
    methods: dict[str, Mapping[str, object]] = {
        **{f"method {name!r}": study.settings_of(name) for name in study.methods},
        **{f"tune of {name!r}": own for name, own in study.tune.items()},
    }  # fmt: skip
    tasks = {f"task {name!r}": own for name, own in study.tasks.items()}
    for place, own in {"base": study.base, **tasks, **methods}.items():
        for path, key in SET_BY_THE_STUDY.items():
            if path in own:
                return f"The setting {path} in {place} is set by the study itself: leave it out, and give `{key}`."
    for place, own in tasks.items():
        for path in BELONG_TO_METHODS:
            if path in own:
                return f"The setting {path} in {place} is what methods differ in: put it in methods, or in base where it holds for all."
    for place, own in methods.items():
        texts = next((path for path in own if path.startswith("task.")), None)
        if texts is not None:
            return (f"The setting {texts} in {place} would give it other texts than the methods beside it, which are compared text by "
                    "text: put it in base or in a task.")  # fmt: skip
    return _broken_task_seeds(study)


def _broken_task_seeds(study: Study) -> str | None:
    for task, own in study.tasks.items():
        name = study.task_name(task)
        if name in GENERATED_TASKS and "task.seed" in own:
            return f"The texts of task {task!r} are generated by the seed of each run: leave task.seed out of it."
        if name in GENERATED_TASKS and "task.seed" in study.base:
            return (f"The texts of task {task!r} are generated by the seed of each run: leave task.seed out of base, and give it to the "
                    "tasks whose texts are read.")  # fmt: skip
    return None


def _broken_tuning(study: Study) -> str | None:
    for method, own in study.tune.items():
        if method not in study.methods:
            return unknown_name("method in tune", method, study.methods)
        for path, values in own.items():
            if not values or len(set(map(repr, values))) < len(values):
                return f"The setting {path} in tune of {method!r} needs one value or more, no two of them the same."
    if study.tune and not study.tune_seeds:
        return "The study tunes settings and has no seeds for it: give tune_seeds, none of them among seeds."
    both = sorted(set(study.seeds) & set(study.tune_seeds))
    if both:
        return f"The seed {both[0]} is both in seeds and in tune_seeds: settings are chosen with other seeds than they are compared with."
    for what, seeds in (("seeds", study.seeds), ("tune_seeds", study.tune_seeds)):
        if len(set(seeds)) < len(seeds):
            return f"The list {what} has a seed twice: each counts once."
    budgets = {method: study.budget(method) for method in study.methods}
    if len(set(budgets.values())) > 1 and not study.uneven_budgets:
        words = ", ".join(f"{method} {n}" for method, n in budgets.items())
        return (f"The methods are tuned over different numbers of settings ({words}), which favours the most tried: give each as many, or "
                "say uneven_budgets: true.")  # fmt: skip
    return None


def _broken_claim(study: Study) -> str | None:
    places = {f"task {name!r}": own for name, own in study.tasks.items()}
    tuned = {f"tune of {name!r}": own for name, own in study.tune.items()}
    return broken_claim(
        feedback=study.feedback, controls=study.controls, plan=study.map, tasks=study.task_values(), places={**places, **tuned},
        methods={method: study.ends_with_exam(method) for method in study.methods},
        only_on={method: own.get(ONLY_ON) for method, own in study.methods.items()}, baseline=study.baseline,
    )  # fmt: skip


def _too_many(study: Study) -> str | None:
    runs = {method: len(study.seeds) + study.is_tuned(method) * study.budget(method) * len(study.tune_seeds) for method in study.methods}
    n_cells = sum(runs[method] for method in study.methods for task in study.tasks if study.runs_on(method, task))
    if n_cells > MOST_CELLS:
        return f"The study has {n_cells} runs, at most {MOST_CELLS} are carried out: take fewer seeds, methods or tasks."
    return None
