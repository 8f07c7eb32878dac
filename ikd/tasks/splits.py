"""Course, exam, validation and test splits out of training rows and whatever official splits there are.

Official splits are kept. What is missing is carved from the training rows: stratified by class, by seed, and with
identical texts (capitals and spaces aside) on one side only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from random import Random

from ikd.errors import TaskError
from ikd.protocols import Split, TaskData, TaskRequest
from ikd.tasks.rows import Rows, class_names

CARVED_VALIDATION = 1000
CARVED_FRACTION = 10
MINIMUM_TRAIN = 8
MINIMUM_ROWS = 10
ORDER: tuple[str, ...] = ("course", "exam", "validation", "test")


def make_task(
    settings: TaskRequest, name: str, official: Mapping[str, Rows], *, label_names: Sequence[str] | None = None
) -> TaskData:
    """Return a task from official rows.

    Args:
        official: "train", and "validation" and "test" where there are any.
        label_names: where the data set names its classes; else they are those of the training rows.

    Raises:
        TaskError: too few rows, one class only, or a class that is not in the training rows.
    """
    train = official["train"]
    if len(train) < MINIMUM_ROWS:
        raise TaskError(
            f"The training data has {len(train)} usable row{'s' if len(train) > 1 else ''}, and at least {MINIMUM_ROWS} "
            "are needed to make a course and an exam; give it more rows."
        )
    names = tuple(label_names or class_names(train, where="The training data"))
    for split, rows in official.items():
        _check_known(split, rows, names)
    notes = [note for rows in official.values() for note in rows.notes]
    parts = {split: rows for split, rows in official.items() if split != "train"}
    train = _without_shared(train, parts, notes)
    for split, size in (("validation", settings.validation_size), ("test", settings.test_size)):
        if split in parts:
            parts[split] = _capped(parts[split], size, split, settings.seed, notes)
    if "validation" not in parts:
        size = min(CARVED_VALIDATION, max(1, len(train) // CARVED_FRACTION), settings.validation_size or len(train))
        train, parts["validation"] = _carve(train, size, "validation", settings.seed, notes)
    train = _capped(train, settings.train_size, "training", settings.seed, notes)
    exam_size = settings.exam_size or max(1, len(train) // CARVED_FRACTION)
    parts["course"], parts["exam"] = _carve(train, exam_size, "exam", settings.seed, notes)
    if "test" not in parts:
        notes.append("There is no labelled test split: final scores are validation scores.")
    notes.extend(_balance(parts["course"]))
    ordered = [split for split in ORDER if split in parts]
    splits = {split: _as_split(parts[split], names) for split in ordered}
    return TaskData(name=name, label_names=names, splits=splits, notes=tuple(notes))


def _check_known(split: str, rows: Rows, names: Sequence[str]) -> None:
    unknown = sorted(set(rows.labels) - set(names))
    if unknown:
        raise TaskError(
            f"The {split} data has the label {unknown[0]!r}, which is not among the training labels: "
            f"{', '.join(names[:20])}. Use the same labels in every split."
        )


def text_key(rows: Rows, index: int) -> tuple[str, str]:
    """Return what makes two rows the same text: capitals and spaces do not count, second texts do."""
    second = rows.text_pairs[index] if rows.text_pairs is not None else ""
    return " ".join(rows.texts[index].casefold().split()), " ".join(second.casefold().split())


def _without_shared(train: Rows, parts: dict[str, Rows], notes: list[str]) -> Rows:
    """Return the training rows whose texts are in no other split; drop validation rows that are in the test split."""
    seen: dict[tuple[str, str], str] = {}
    for split in ("test", "validation"):
        if split in parts:
            rows = parts[split]
            fresh = [i for i in range(len(rows)) if text_key(rows, i) not in seen]
            if len(fresh) < len(rows):
                notes.append(f"{_rows(len(rows) - len(fresh))} removed from {split}: the same texts are in test.")
                parts[split] = rows.keep(fresh)
            seen.update((text_key(rows, i), split) for i in fresh)
    fresh = [i for i in range(len(train)) if text_key(train, i) not in seen]
    if len(fresh) < len(train):
        where = " or ".join(split for split in ("validation", "test") if split in set(seen.values()))
        notes.append(f"{_rows(len(train) - len(fresh))} removed from training: the same texts are in {where}.")
    return train.keep(fresh)


def _rows(n: int) -> str:
    return "1 row was" if n == 1 else f"{n:,} rows were"


def _capped(rows: Rows, size: int | None, split: str, seed: int, notes: list[str]) -> Rows:
    if size is None or size >= len(rows):
        return rows
    groups = _groups(rows)
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
    groups = _groups(rows)
    chosen = _stratified(rows, groups, size, Random(f"carve {split} {seed}"))
    taken = {i for key in chosen for i in groups[key]}
    kept = [i for i in range(len(rows)) if i not in taken]
    notes.append(f"The {split} split was made here: {len(taken):,} of {len(rows):,} training rows, by seed {seed}.")
    if not taken or len(kept) < MINIMUM_TRAIN:
        raise TaskError(f"No {split} split can be made: too many of the {len(rows)} training rows have the same text.")
    lost = sorted(set(rows.labels) - {rows.labels[i] for i in kept} | set(rows.labels) - {rows.labels[i] for i in taken})
    if lost:
        notes.append(f"Too few rows to be on both sides of the {split} split: {', '.join(repr(name) for name in lost[:10])}.")
    return rows.keep(kept), rows.keep(sorted(taken))


Key = tuple[str, str]


def _groups(rows: Rows) -> dict[Key, list[int]]:
    """Return the rows of each text: what must stay together."""
    groups: dict[Key, list[int]] = defaultdict(list)
    for i in range(len(rows)):
        groups[text_key(rows, i)].append(i)
    return groups


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
    return [f"The classes are out of balance: {rarest!r} has {share:.1f} % of the course rows. Look at F1 beside accuracy."]


def _as_split(rows: Rows, names: Sequence[str]) -> Split:
    index = {name: i for i, name in enumerate(names)}
    return Split(texts=rows.texts, labels=[index[label] for label in rows.labels], text_pairs=rows.text_pairs)
