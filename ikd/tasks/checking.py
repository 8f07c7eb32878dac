"""What every task's data must fulfil before anything is trained on it, and its content hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

from ikd.config.data import FEWEST_COURSE
from ikd.errors import TaskError
from ikd.protocols import UNLABELLED, Split, TaskData
from ikd.tasks.labels import quoted

FEW_TEXTS = 30
SPLITS = ("course", "exam", "validation", "test")


def checked(data: TaskData) -> TaskData:
    """Return the data with its fingerprint, once it is known to be usable.

    Raises:
        TaskError: an empty or too small split, fewer than two classes, or labels that do not fit the texts.
    """
    for name, split in data.splits.items():
        _check_split(data, name, split)
    for name in SPLITS[:3]:
        if not len(data.splits.get(name, ())):
            raise TaskError(f"The {name} split of {data.name!r} is empty; give the task more rows.")
    n_course = sum(label != UNLABELLED for label in data.splits["course"].labels)
    if n_course < FEWEST_COURSE:
        raise TaskError(
            f"{data.name!r} has {n_course} usable course rows, and training needs at least {FEWEST_COURSE}; "
            "give it more training rows or a smaller exam."
        )
    _check_classes(data.name, data.label_names, data.splits["course"])
    return replace(data, fingerprint=fingerprint(data), notes=(*data.notes, *note_on_small_splits(data)))


def small_splits(data: TaskData) -> dict[str, int]:
    """Return the splits that are scored, exam included, and have too few texts for more than rough scores, with their sizes."""
    return {name: len(split) for name, split in data.splits.items() if name != "course" and len(split) < FEW_TEXTS}


def note_on_small_splits(data: TaskData) -> tuple[str, ...]:
    """Return a note on splits of few texts."""
    sizes = ", ".join(f"{name} {n}" for name, n in small_splits(data).items())
    return (f"Splits of fewer than {FEW_TEXTS} texts: {sizes}. Scores on so few texts are rough, and exams on so few say the same "
            "again and again; give the task more rows if you can.",) * bool(sizes)  # fmt: skip


def _check_split(data: TaskData, name: str, split: Split) -> None:
    where = f"The {name} split of {data.name!r}"
    if name not in SPLITS:
        raise TaskError(f"{where} has a name that is none of {', '.join(SPLITS)}.")
    if len(split.labels) != len(split) or (split.text_pairs is not None and len(split.text_pairs) != len(split)):
        raise TaskError(f"{where} has {len(split)} texts, but another number of labels or second texts.")
    if split.truth is not None and len(split.truth) != len(split):
        raise TaskError(f"{where} has {len(split)} texts, but {len(split.truth)} rows of known posterior.")
    for further in ("groups", "sources", "soft_targets"):
        beside = getattr(split, further)
        if beside is not None and len(beside) != len(split):
            raise TaskError(f"{where} has {len(split)} texts, but {len(beside)} {further.replace('_', ' ')}.")
    least = UNLABELLED if name == "course" else 0
    wrong = next((label for label in split.labels if not least <= label < len(data.label_names)), None)
    if wrong is not None:
        raise TaskError(f"{where} has the label {wrong}, and only 0 to {len(data.label_names) - 1} have names.")


def _check_classes(name: str, label_names: Sequence[str], course: Split) -> None:
    present = sorted(set(course.labels) - {UNLABELLED})
    if len(present) < 2:
        only = label_names[present[0]] if present else ""
        raise TaskError(
            f"The course split of {name!r} has one class only, {quoted(only)}; training needs at least two classes. "
            "Check the label column, or give more rows."
        )


def fingerprint(data: TaskData) -> str:
    """Return a SHA-256 over every text, label, vote and split and over the label names, as 64 hexadecimal digits."""
    digest = hashlib.sha256(json.dumps(list(data.label_names)).encode())
    for name in sorted(data.splits):
        split = data.splits[name]
        second = split.text_pairs if split.text_pairs is not None else [None] * len(split)
        digest.update(f"\n{name} {len(split)}\n".encode())
        for row in zip(split.texts, second, split.labels, strict=True):
            digest.update(json.dumps(row).encode() + b"\n")
        for further in (split.sources, split.soft_targets):
            if further is not None:
                digest.update(json.dumps([list(one) if not isinstance(one, str) else one for one in further]).encode())
        if data.truth_is == "votes":  # a posterior follows from the texts
            digest.update(json.dumps(split.truth and [list(row) for row in split.truth]).encode())
    return digest.hexdigest()
