"""The class of every row of every table of a task: columns, label words and spellings, decided on the training rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ikd.errors import TaskError
from ikd.tasks.columns import LOOKED_AT, Columns, Wanted, find_columns, guessed_columns, looks_like_labels
from ikd.tasks.labels import quoted_name
from ikd.tasks.reading import Table
from ikd.tasks.spellings import look_alikes, merged_spellings, spelled_as_in_training
from ikd.tasks.vocabulary import Vocabulary, check_classes, idle_entries, label_words, vocabulary_of

HELD_OUT = ("validation", "test", "exam")


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """The labels of one table.

    Attributes:
        columns: the columns that are used.
        words: by row, the label as it stands; None where the cell is empty.
        classes: by row, its class; None where it is missing.
        left_out: the rows, from 0, whose label has an empty name in `task.label_map`.
        notes: plain sentences on what was done.
    """

    columns: Columns
    words: Sequence[str | None]
    classes: Sequence[str | None]
    left_out: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TaskLabels:
    """The labels of the tables of a task.

    Attributes:
        vocabulary: what label words stand for.
        by_split: the labels of each table; validation and test tables without any are not there.
        notes: plain sentences on tables without labels, and on names for labels that are in no table.
    """

    vocabulary: Vocabulary
    by_split: Mapping[str, Labelled]
    notes: tuple[str, ...] = ()

    def class_names(self, labels: Sequence[str]) -> tuple[str, ...] | None:
        """Return the names that the data set has for its classes, in its order, then those that only rows have; None: it has none."""
        if self.vocabulary.names is None:
            return None
        own = [self.vocabulary.class_of(str(number)) for number in self.vocabulary.names]
        return tuple(dict.fromkeys([name for name in own if name] + sorted(set(filter(None, labels)))))

    def standing(self) -> list[tuple[str, int, str]]:
        """Return each label of the training table as it stands there, its rows, and the class it becomes, "" for none."""
        train, names = self.by_split["train"], self.vocabulary.names or {}
        shown = Counter[tuple[str, str]]()
        for word, name in zip(train.words, train.classes, strict=True):
            if word is not None:
                shown[names.get(int(word), word) if word.lstrip("-").isdecimal() and len(word) < 19 else word, name or ""] += 1
        return sorted(((word, n, name) for (word, name), n in shown.items()), key=lambda one: (-one[1], one[0]))


def read_labels(tables: Mapping[str, tuple[str, Table]], wanted: Wanted, renamed: Mapping[str, str], *, check: bool = True) -> TaskLabels:
    """Return the class of every row.

    Args:
        tables: by split, "train" first, each with the words that say where it is from.
        wanted: the columns that are named.
        renamed: the names that a person gives to labels, of `label_map`.
        check: refuse labels that are no classes.

    Raises:
        TaskError: columns that are not there, labels that are no classes, or an exam table without labels.
    """
    where, table = tables["train"]
    columns = find_columns(table.frame, wanted, where=where)
    train, vocabulary = _training(table, columns, renamed, where=where, check=check)
    found, notes = {"train": train}, list[str]()
    known = {name for name in train.classes if name}
    for split, (where, table) in tables.items():
        if split in HELD_OUT:
            one = _held_out(table, wanted, train, vocabulary, known, where=where)
            if one is None:
                notes.append(_unlabelled(split, table, columns, where=where))
            else:
                found[split] = one
        elif split != "train":
            bare = find_columns(table.frame, wanted, where=where, labelled=False)
            found[split] = Labelled(columns=bare, words=[None] * len(table.frame), classes=[None] * len(table.frame))
    if train.columns.label is not None:
        notes += idle_entries(renamed, (word for one in found.values() for word in (*one.words, *one.classes)), vocabulary.names)
    return TaskLabels(vocabulary=vocabulary, by_split=found, notes=tuple(notes))


def _unlabelled(split: str, table: Table, columns: Columns, *, where: str) -> str:
    """Return a note on a validation or test table without labels.

    Raises:
        TaskError: it is the exam's, which needs them.
    """
    present = [str(column) for column in table.frame.columns]
    missing = f"column {quoted_name(columns.label or '')}"
    what = "labels (empty cells, words such as NA, or -1)" if columns.label in present else missing
    if split == "exam":
        raise TaskError(f"{where} has no {what}, and an exam needs labelled rows: give their labels, or name no exam rows, so that they "
                        "are taken out of the training rows.")  # fmt: skip
    instead = "a part of the training rows is kept back" if split == "validation" else "there is no test split"
    return f"{where} has no {what}, so nothing can be scored on it: {instead}."


def _training(table: Table, columns: Columns, renamed: Mapping[str, str], *, where: str, check: bool) -> tuple[Labelled, Vocabulary]:
    words, notes = _words(table, columns, where)
    column, names = columns.label or "", table.class_names.get(columns.label or "")
    vocabulary = vocabulary_of(words, names=names, renamed=renamed)
    notes += check_classes(words, vocabulary, where=where, column=column) if check else ()
    notes += vocabulary.notes_on(words, where=where, train=True)
    classes: Sequence[str] = [vocabulary.class_of(word) or "" for word in words]
    if names is None:
        classes, merged = merged_spellings(classes, where=where)
        notes += merged + look_alikes(classes, where=where)
    return _labelled(columns, words, classes, vocabulary, notes), vocabulary


def _labelled(
    columns: Columns, words: Sequence[str | None], classes: Sequence[str], vocabulary: Vocabulary, notes: tuple[str, ...]
) -> Labelled:
    left_out = frozenset(row for row, word in enumerate(words) if vocabulary.is_left_out(word))
    return Labelled(columns=columns, words=words, classes=[name or None for name in classes], left_out=left_out, notes=notes)


def _held_out(
    table: Table, wanted: Wanted, train: Labelled, vocabulary: Vocabulary, known: set[str], *, where: str
) -> Labelled | None:
    """Return the labels of a validation, test or exam table; None where it has none."""
    if train.columns.label is not None and not wanted.soft and _has_no_label_column(table, train.columns, wanted):
        return None
    columns = find_columns(table.frame, wanted, where=where)
    words, notes = _words(table, columns, where)
    own = table.class_names.get(columns.label or "")
    if own and vocabulary.names is None:
        own = None
    reading = Vocabulary(names=own or vocabulary.names, renamed=vocabulary.renamed, kept=vocabulary.kept, minus_one=vocabulary.minus_one)
    classes: Sequence[str] = [reading.class_of(word) or "" for word in words]
    if columns.label is not None and not columns.soft and not any(classes):
        return None
    notes += reading.notes_on(words, where=where, train=False)
    if vocabulary.names is None:
        classes, spelled = spelled_as_in_training(classes, known, where=where)
        notes += spelled
    return _labelled(columns, words, classes, reading, notes)


def _has_no_label_column(table: Table, columns: Columns, wanted: Wanted) -> bool:
    """Return whether a table has the text column of the training rows, and no column that holds, or could hold, labels."""
    present = [str(column) for column in table.frame.columns]
    beside = wanted.beside(present)
    if columns.label in present or columns.text not in present or guessed_columns(table.frame, other_than=beside).label is not None:
        return False
    others = [at for at, name in enumerate(present) if name not in (columns.text, columns.text_pair, *beside)]
    return not any(looks_like_labels(table.frame.iloc[:LOOKED_AT, at].tolist()) for at in others)


def _words(table: Table, columns: Columns, where: str) -> tuple[list[str | None], tuple[str, ...]]:
    if columns.label is None:
        return [None] * len(table.frame), ()
    return label_words(table.frame[columns.label].tolist(), where=where, column=columns.label)
