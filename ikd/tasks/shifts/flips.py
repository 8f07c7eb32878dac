"""`flips`: course labels of the first class are drawn as its neighbour's, the second class's, with probability strength."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from ikd.errors import TaskError
from ikd.protocols import UNLABELLED, TaskData
from ikd.tasks.labels import quoted

FLIPPED, BECOMES = 0, 1
FLIPPED_CLASS, OTHER_CLASSES = "flipped class", "other classes"


def flips(data: TaskData, strength: float, seed: int) -> TaskData:
    """Return the task with flipped course labels; the groups of all splits go by the labels before.

    Raises:
        TaskError: only one class is left in the course.
    """
    course, random = data.splits["course"], Random(f"flips, {seed}")
    labels = [BECOMES if random.random() < strength and label == FLIPPED else label for label in course.labels]
    if len(set(labels) - {UNLABELLED}) < 2:
        raise TaskError(f"The shift flips with strength {strength:g} leaves one class in the course of {data.name!r}, and training needs "
                        "two: lower task.shift_strength.")  # fmt: skip
    splits = {name: replace(split, groups=[_group(label) for label in split.labels]) for name, split in data.splits.items()}
    splits["course"] = replace(splits["course"], labels=labels)
    n, changed = course.labels.count(FLIPPED), sum(a != b for a, b in zip(labels, course.labels, strict=True))
    note = (f"Shift flips, strength {strength:g}: {changed:,} of {n:,} course labels {quoted(data.label_names[FLIPPED])} were changed to "
            f"{quoted(data.label_names[BECOMES])}. Exam, validation and test labels are untouched.")  # fmt: skip
    return replace(data, splits=splits, notes=(*data.notes, note))


def _group(label: int) -> str:
    return "" if label == UNLABELLED else FLIPPED_CLASS if label == FLIPPED else OTHER_CLASSES
