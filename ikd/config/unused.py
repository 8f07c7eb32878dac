"""Settings that were given and have no effect in a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ikd.config.models import STORED
from ikd.config.run import RunConfig, all_settings, applies
from ikd.config.timeline import values_of


def without_effect(config: RunConfig) -> Iterator[str]:
    """Yield a sentence for each setting that was given and is not used; those of the task are told in the notes on its data."""
    values = values_of(config)
    for one in all_settings():
        if one.group != "task" and values[one.path] != one.default and not applies(one, values):
            yield f"{one.path} has no effect in this run: it counts only where {one.condition()}."
    for role, name, revision in (("teacher", config.teacher.name, config.teacher.revision),
                                 ("student", config.student.checkpoint or config.student.name, config.student.revision)):  # fmt: skip
        known = {"teacher": "the teacher's", STORED: "not asked: its soft targets are stored"}
        kind = "a built-in model" if name.startswith("builtin/") else known.get(name, "a local folder")
        if revision and (kind != "a local folder" or Path(name).is_dir()):
            yield f"{role}.revision has no effect in this run: the {role} is {kind}, and only hub models have revisions."
    if config.policy.name == "exam" and config.policy.exam_source == "train":
        for name in ("exam_file", "hub_exam_split"):
            if values[f"task.{name}"]:
                yield f"Exams are drawn from the training examples (policy.exam_source train), and none from those of task.{name}."
    if config.teacher.label_order and config.teacher.name.startswith("builtin/"):
        yield "teacher.label_order has no effect in this run: a built-in teacher learns the classes in the task's order."
