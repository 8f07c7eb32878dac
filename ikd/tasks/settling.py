"""What a person chose for training rows that repeat, contradict each other, or are too few of a class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ikd.errors import TaskError
from ikd.protocols import TaskRequest
from ikd.tasks.labels import quoted
from ikd.tasks.rows import Rows, text_key
from ikd.tasks.soft_labels import SOFT_LABELS, SOFT_TARGETS, Numbers, Soft, in_class_order

FEWEST_OF_A_CLASS = 3
"""A class needs one row for training, one for exams and one for validation."""

Key = tuple[str, str]


def groups_of(rows: Rows) -> dict[Key, list[int]]:
    """Return the rows of each text: what must stay together."""
    groups: dict[Key, list[int]] = {}
    for i in range(len(rows)):
        groups.setdefault(text_key(rows, i), []).append(i)
    return groups


def repeated(rows: Rows) -> list[int]:
    """Return the rows that repeat an earlier one with the same text, label, source and stored soft target."""
    found = []
    for members in groups_of(rows).values():
        seen = set[tuple[str, str, Numbers | None]]()
        for i in members:
            said = (rows.labels[i], rows.source(i), rows.targets[i] if rows.targets is not None else None)
            if said in seen:
                found.append(i)
            seen.add(said)
    return sorted(found)


def contradicting(rows: Rows) -> list[int]:
    """Return the rows whose text stands with more than one label of one source; rows without a label contradict nothing."""
    said: dict[tuple[Key, str], list[int]] = {}
    for key, members in groups_of(rows).items():
        for i in members:
            if rows.labels[i]:
                said.setdefault((key, rows.source(i)), []).append(i)
    return sorted(i for members in said.values() if len({rows.labels[i] for i in members}) > 1 for i in members)


def of_several_sources(rows: Rows) -> list[list[int]]:
    """Return the rows of each text that stands with more than one source."""
    return [members for members in groups_of(rows).values() if len({rows.source(i) for i in members} - {""}) > 1]


def rare_classes(rows: Rows) -> dict[str, int]:
    """Return the classes with fewer than three rows, and how many each has."""
    return {label: n for label, n in sorted(Counter(filter(None, rows.labels)).items()) if n < FEWEST_OF_A_CLASS}


def settled(settings: TaskRequest, parts: Mapping[str, Rows], notes: list[str]) -> dict[str, Rows]:
    """Return the rows as the settings want them: conflicts, repeated rows and rare classes, each with a note.

    Raises:
        TaskError: nothing is left to train on.
    """
    train, others = parts["train"], {split: rows for split, rows in parts.items() if split != "train"}
    for wanted, find, what in (
        (settings.conflicts, contradicting, "have the same text as another one with a different label"),
        (settings.duplicates, repeated, "repeat an earlier row"),
    ):
        if found := find(train):
            _say(notes, "training", found, what, dropped=wanted == "drop", setting="conflicts" if find is contradicting else "duplicates")
            train = without(train, found) if wanted == "drop" else train
    if rare := rare_classes(train):
        named = ", ".join(f"{quoted(label)} ({n})" for label, n in list(rare.items())[:10]) + (", ..." if len(rare) > 10 else "")
        if settings.rare_classes == "drop":
            notes.append(f"Classes with fewer than {FEWEST_OF_A_CLASS} training rows were left out: {named}.")
            train = without(train, [i for i, label in enumerate(train.labels) if label in rare])
            others = {split: without(rows, [i for i, label in enumerate(rows.labels) if label in rare]) for split, rows in others.items()}
        else:
            notes.append(f"Classes with too few training rows to be in every split stay in training: {named}.")
    if not len(train):
        raise TaskError("No training row is left after dropping what the settings name: set task.conflicts, task.duplicates or "
                        "task.rare_classes to keep.")  # fmt: skip
    return {"train": train, **others}


def without(rows: Rows, dropped: Iterable[int]) -> Rows:
    """Return the rows but for some."""
    gone = set(dropped)
    return rows.keep([i for i in range(len(rows)) if i not in gone])


def _say(notes: list[str], split: str, found: Sequence[int], what: str, *, dropped: bool, setting: str) -> None:
    one = len(found) == 1
    verb = what.replace("have", "has", 1).replace("repeat", "repeats", 1) if one else what
    end = ("and was" if one else "and were") + " dropped" if dropped else f"and {'stays' if one else 'stay'} (task.{setting})"
    notes.append(f"{len(found):,} {split} row{'' if one else 's'} {verb}, {end}.")


def named_by_soft_labels(settings: TaskRequest, rows: Rows, order: Sequence[str]) -> Rows:
    """Return rows without a label column with the class of their largest soft label as label."""
    if rows.soft is None or any(rows.labels):
        return rows
    width = len(next(row for row in rows.soft if row))
    names = tuple(order) or rows.soft_names or tuple(map(str, range(width)))
    if len(names) != width:
        raise TaskError(f"task.soft_label_order names {len(names)} labels, and the soft labels have {width} numbers a row: name each once.")
    return replace(rows, labels=["" if row is None else names[int(np.argmax(row))] for row in rows.soft], soft_names=names)


def with_truth(parts: Mapping[str, Rows], names: Sequence[str], given: Sequence[str], notes: list[str]) -> dict[str, Rows]:
    """Return the rows with their soft labels in the order of the classes; zeros where a row has none.

    Raises:
        TaskError: soft labels whose classes cannot be told.
    """
    found = {split: (Soft(list(rows.soft), rows.soft_names), rows.labels) for split, rows in parts.items() if rows.soft and any(rows.soft)}
    ordered = in_class_order(found, names, given, notes, kind=SOFT_LABELS)
    return {**parts, **{split: replace(parts[split], soft=soft, soft_names=tuple(names)) for split, soft in ordered.items()}}


def with_targets(parts: Mapping[str, Rows], names: Sequence[str], given: Sequence[str], notes: list[str]) -> dict[str, Rows]:
    """Return the rows with their stored soft targets in the order of the classes; zeros where a row has none, None where none has.

    Raises:
        TaskError: soft targets whose classes cannot be told.
    """
    found = {split: (Soft(list(rows.targets), rows.target_names), rows.labels)
             for split, rows in parts.items() if rows.targets and any(rows.targets)}  # fmt: skip
    ordered = in_class_order(found, names, given, notes, kind=SOFT_TARGETS)
    return {split: replace(rows, targets=ordered.get(split), target_names=tuple(names)) for split, rows in parts.items()}
