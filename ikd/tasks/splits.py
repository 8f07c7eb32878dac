"""Course, exam, validation and test splits out of training rows and whatever official splits there are.

Official splits are kept, exam texts of their own too. What is missing is carved from the training rows: stratified by class, by seed,
and with identical texts (capitals and spaces aside) on one side only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from random import Random
from typing import TypeVar

from ikd.errors import TaskError
from ikd.protocols import UNLABELLED, Split, TaskData, TaskRequest
from ikd.tasks.apart import MINIMUM_ROWS, apart, rows_were
from ikd.tasks.labels import class_names, listed, quoted, row_count
from ikd.tasks.rows import Rows, text_key
from ikd.tasks.settling import Key, groups_of, named_by_soft_labels, settled, with_targets, with_truth
from ikd.tasks.soft_labels import label_order
from ikd.tasks.spellings import spelled

CARVED_VALIDATION = 1000
CARVED_FRACTION = 10
MINIMUM_TRAIN = 8
MOST_UNKNOWN = 5
ORDER: tuple[str, ...] = ("course", "exam", "validation", "test")

T = TypeVar("T")


def make_task(
    settings: TaskRequest, name: str, official: Mapping[str, Rows], *, label_names: Sequence[str] | None = None
) -> TaskData:
    """Return a task from official rows.

    Args:
        settings: sizes, seed, and what becomes of repeated, contradicting, rare, shared and unlabelled rows.
        name: of the task.
        official: "train", and "validation", "test" and "exam" where there are any; "unlabelled" for further texts without labels.
        label_names: where the data set names its classes; else they are those of the training rows.

    Raises:
        TaskError: too few rows, one class only, or a class that is not in the training rows.
    """
    order, order_of_targets = label_order(settings.soft_label_order), label_order(settings.soft_target_order)
    official = {split: named_by_soft_labels(settings, rows, order) for split, rows in official.items()}
    notes = [note for rows in official.values() for note in rows.notes]
    parts, further = _parted(official)
    _check_pairs(parts)
    if len(parts["train"]) < MINIMUM_ROWS:
        n = len(parts["train"])
        raise TaskError(
            f"The training data has {n} usable row{'s' if n != 1 else ''} with a label, and at least {MINIMUM_ROWS} "
            "are needed to make a course and an exam; give it more rows."
        )
    parts = settled(settings, parts, notes)
    names = tuple(label_names or class_names(parts["train"].labels, where="The training data"))
    for split, rows in parts.items():
        _check_known(split, rows, names)
    parts = with_truth(parts, names, order, notes)
    every = with_targets({**parts, **further}, names, order_of_targets, notes)
    parts, unlabelled = {split: every[split] for split in parts}, [every[split] for split in further]
    parts = apart(parts, settings.shared_texts, notes)
    _make_splits(settings, parts, notes)
    if unlabelled:
        parts["course"] = joined(parts["course"], _unseen(reduce(joined, unlabelled), parts, notes))
    ordered = [split for split in ORDER if split in parts]
    splits = {split: _as_split(parts[split], names) for split in ordered}
    votes = any(split.truth is not None for split in splits.values())
    return TaskData(name=name, label_names=names, splits=splits, notes=tuple(dict.fromkeys(notes)), truth_is="votes" if votes else "")


def _parted(official: Mapping[str, Rows]) -> tuple[dict[str, Rows], dict[str, Rows]]:
    """Return the rows with labels by split, and the texts without one: those among the training rows and the further ones, if any."""
    parts = {split: rows for split, rows in official.items() if split != "unlabelled"}
    train = parts["train"]
    parts["train"] = train.keep([i for i, label in enumerate(train.labels) if label])
    bare = train.keep([i for i, label in enumerate(train.labels) if not label])
    further = {"unlabelled training": bare} if len(bare) else {}
    if "unlabelled" in official:
        further["unlabelled"] = replace(official["unlabelled"], labels=[""] * len(official["unlabelled"]))
    return parts, further


def _make_splits(settings: TaskRequest, parts: dict[str, Rows], notes: list[str]) -> None:
    """Put course, exam and validation in the place of the training rows; official splits are cut to their sizes."""
    train = parts.pop("train")
    for split, size in (("validation", settings.validation_size), ("test", settings.test_size), ("exam", settings.exam_size)):
        if split in parts:
            parts[split] = _capped(parts[split], size, split, settings.seed, notes)
    if "validation" not in parts:
        size = min(CARVED_VALIDATION, max(1, len(train) // CARVED_FRACTION), settings.validation_size or len(train))
        train, parts["validation"] = _carve(train, size, "validation", settings.seed, notes)
    train = _capped(train, settings.train_size, "training", settings.seed, notes)
    if "exam" in parts:
        parts["course"] = train
        _check_exam(parts["exam"], train, notes)
    else:
        exam_size = settings.exam_size or max(1, len(train) // CARVED_FRACTION)
        parts["course"], parts["exam"] = _carve(train, exam_size, "exam", settings.seed, notes)
    if "test" not in parts:
        idle = " task.test_size is set and has no effect." if settings.test_size else ""
        notes.append(f"There is no labelled test split: final scores are validation scores.{idle}")
    notes.extend(_balance(parts["course"]))


def _check_exam(exam: Rows, course: Rows, notes: list[str]) -> None:
    """Note the classes that exam texts of their own lack.

    Raises:
        TaskError: they are of one class only.
    """
    present = set(exam.labels)
    if len(present) < 2:
        raise TaskError(
            f"The exam data has one class only, {quoted(next(iter(present)))}, in {row_count(len(exam))} that can be used; an exam needs "
            "at least two classes. Give exam rows of every class, or raise task.exam_size where it is low."
        )
    if lacking := sorted(set(course.labels) - present):
        notes.append(f"The exam has no text of {listed(lacking, 10)}: it says nothing about {'it' if len(lacking) == 1 else 'them'}.")


def _unseen(unlabelled: Rows, parts: Mapping[str, Rows], notes: list[str]) -> Rows:
    """Return the texts without a label that stand in no exam, validation or test split."""
    seen = {text_key(rows, i) for split, rows in parts.items() if split != "course" for i in range(len(rows))}
    fresh = [i for i in range(len(unlabelled)) if text_key(unlabelled, i) not in seen]
    shared = len(unlabelled) - len(fresh)
    left = f"; {rows_were(shared)} left out, because their texts are in another split" if shared else ""
    notes.append(f"{len(fresh):,} texts without a label are studied with the teacher's soft targets alone{left}.")
    return unlabelled.keep(fresh)


def joined(first: Rows, second: Rows) -> Rows:
    """Return the rows of both; a row of a table without second texts, soft labels, groups, sources or soft targets gets empty ones.

    Raises:
        TaskError: pairs beside single texts.
    """
    if len(first) and len(second) and (first.text_pairs is None) != (second.text_pairs is None):
        raise TaskError("The labelled rows and the rows without a label must both be pairs of texts or both be single texts: check "
                        "task.text_pair_column.")  # fmt: skip
    if not len(first) or not len(second):
        return first if len(first) else second
    soft = None
    if first.soft is not None:
        nothing = tuple(0.0 for _ in first.soft_names) or None
        soft = [*first.soft, *[nothing] * len(second)]
    return Rows(
        texts=[*first.texts, *second.texts], labels=[*first.labels, *second.labels], soft=soft, soft_names=first.soft_names,
        text_pairs=[*first.text_pairs, *(second.text_pairs or ())] if first.text_pairs is not None else None, notes=first.notes,
        groups=_beside(first.groups, second.groups, len(first), len(second), ""),
        sources=_beside(first.sources, second.sources, len(first), len(second), ""),
        targets=_beside(first.targets, second.targets, len(first), len(second), None), target_names=first.target_names,
    )  # fmt: skip


def _beside(first: Sequence[T] | None, second: Sequence[T] | None, n_first: int, n_second: int, nothing: T) -> list[T] | None:
    """Return what stands beside the rows of both, `nothing` where one has none of it; None where neither has."""
    if first is None and second is None:
        return None
    return [*(first if first is not None else [nothing] * n_first), *(second if second is not None else [nothing] * n_second)]


def _check_pairs(parts: Mapping[str, Rows]) -> None:
    train = "pairs of texts" if parts["train"].text_pairs is not None else "single texts"
    for split, rows in parts.items():
        if (rows.text_pairs is None) != (parts["train"].text_pairs is None):
            raise TaskError(
                f"The training rows are {train} and the {split} rows are not: name the columns that both have in task.text_column and "
                "task.text_pair_column (`-` for no second text)."
            )


def _check_known(split: str, rows: Rows, names: Sequence[str]) -> None:
    unknown = sorted(set(rows.labels) - set(names))
    if unknown:
        more = f" and {len(unknown) - MOST_UNKNOWN:,} more" if len(unknown) > MOST_UNKNOWN else ""
        what, are = ("label", "is") if len(unknown) == 1 else ("labels", "are")
        raise TaskError(
            f"The {split} data has the {what} {', '.join(map(spelled, unknown[:MOST_UNKNOWN]))}{more}, which {are} not among the training "
            f"labels: {listed(names)}. Use the same labels in every split, or rename or leave them out in task.label_map."
        )


def _capped(rows: Rows, size: int | None, split: str, seed: int, notes: list[str]) -> Rows:
    if size is None or size >= len(rows):
        return rows
    groups = groups_of(rows)
    taken = sorted(i for key in _stratified(rows, groups, size, Random(f"cap {split} {seed}"), spare=0) for i in groups[key])
    notes.append(f"{min(size, len(taken)):,} of {len(rows):,} {split} rows are used, in the same class proportions.")
    return rows.keep(taken[:size])


def _carve(rows: Rows, size: int, split: str, seed: int, notes: list[str]) -> tuple[Rows, Rows]:
    """Return the rows that stay, and those carved out of them for another split."""
    if len(rows) - size < MINIMUM_TRAIN:
        raise TaskError(
            f"The training data has {len(rows)} usable rows; taking {size} of them for the {split} split leaves fewer "
            f"than {MINIMUM_TRAIN} to train on. Give more rows, or ask for a smaller {split} split."
        )
    groups = groups_of(rows)
    chosen = _stratified(rows, groups, size, Random(f"carve {split} {seed}"))
    taken = {i for key in chosen for i in groups[key]}
    kept = [i for i in range(len(rows)) if i not in taken]
    notes.append(f"The {split} split was made here: {len(taken):,} of {len(rows):,} training rows, by seed {seed}.")
    if not taken or len(kept) < MINIMUM_TRAIN:
        raise TaskError(f"No {split} split can be made: too many of the {len(rows)} training rows have the same text.")
    lost = sorted(set(rows.labels) - {rows.labels[i] for i in kept} | set(rows.labels) - {rows.labels[i] for i in taken})
    if lost:
        notes.append(f"Too few rows to be on both sides of the {split} split: {listed(lost, 10)}.")
    return rows.keep(kept), rows.keep(sorted(taken))


def _stratified(
    rows: Rows, groups: Mapping[Key, Sequence[int]], size: int, random: Random, *, spare: int = 1
) -> list[Key]:
    """Return texts with about `size` rows in the class proportions; the last `spare` texts of a class are left."""
    by_label: dict[str, list[Key]] = defaultdict(list)
    for key, members in groups.items():
        by_label[rows.labels[members[0]]].append(key)
    for keys in by_label.values():
        random.shuffle(keys)
    places = [((j + 0.5) / len(keys), label, key) for label, keys in sorted(by_label.items())
              for j, key in enumerate(keys) if j + spare < len(keys)]
    chosen, n = [], 0
    for _, _, key in sorted(places):  # walking through all classes at the same pace keeps their proportions
        if n >= size:
            break
        if n + len(groups[key]) <= size:
            chosen.append(key)
            n += len(groups[key])
    return chosen


def _balance(course: Rows) -> list[str]:
    counts = {label: list(course.labels).count(label) for label in sorted(set(course.labels))}
    rarest = min(counts, key=counts.__getitem__)
    if counts[rarest] * len(counts) * 5 > len(course):
        return []
    share = 100 * counts[rarest] / len(course)
    return [f"The classes are out of balance: {quoted(rarest)} has {share:.1f} % of the course rows. Look at F1 beside accuracy."]


def _as_split(rows: Rows, names: Sequence[str]) -> Split:
    index = {"": UNLABELLED, **{name: i for i, name in enumerate(names)}}
    nothing = tuple(0.0 for _ in names)
    truth = [row or nothing for row in rows.soft] if rows.soft is not None and rows.soft_names == tuple(names) else None
    return Split(
        texts=rows.texts, labels=[index[label] for label in rows.labels], text_pairs=rows.text_pairs, truth=truth, groups=rows.groups,
        sources=rows.sources, soft_targets=None if rows.targets is None else [row or nothing for row in rows.targets],
    )  # fmt: skip
