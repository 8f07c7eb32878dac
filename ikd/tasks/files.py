"""`files`: rows from the person's own files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ikd.config.names import FILE_KINDS
from ikd.errors import TaskError
from ikd.protocols import TaskData, TaskRequest
from ikd.tasks.belonging import check_columns_beside, with_names_checked
from ikd.tasks.columns import Columns, Wanted, unlike
from ikd.tasks.idle import unused_note
from ikd.tasks.labelling import read_labels
from ikd.tasks.labels import label_map, quoted_name
from ikd.tasks.paths import with_named_parts
from ikd.tasks.reading import Reading, Table, read_table
from ikd.tasks.rows import Rows, take_rows
from ikd.tasks.splits import make_task
from ikd.tasks.tables import with_train_notes


def files_task(settings: TaskRequest) -> TaskData:
    """Return a task read from the training file and, where named, validation, test, exam and unlabelled files.

    Raises:
        TaskError: a file that cannot be read, or rows that cannot be used.
    """
    tables = file_tables(settings)
    return task_from_tables(settings, Path(settings.train_file or "").stem, tables, wanted=wanted_columns(settings))


def file_tables(settings: TaskRequest) -> dict[str, tuple[str, Table]]:
    """Return a table for each file named, by split, with its name.

    Raises:
        TaskError: no training file, or a file that cannot be read.
    """
    if not settings.train_file:
        raise TaskError(f"The task 'files' needs a training file; name one that ends in {', '.join(FILE_KINDS)}.")
    how = Reading(delimiter=settings.delimiter, header=settings.header, encoding=settings.encoding)
    paths = {"train": settings.train_file, "validation": settings.validation_file, "test": settings.test_file,
             "exam": settings.exam_file, "unlabelled": settings.unlabelled_file}  # fmt: skip
    tables = {split: (Path(path).name, _with_unlike_columns(read_table(path, how))) for split, path in paths.items() if path}
    tables = with_named_parts(tables, wanted_columns(settings))
    layouts = {table.layout for _, table in tables.values()}
    idle = tuple(unused_note(setting, f"no file is {what}") for setting, value, kinds, what in (
        ("delimiter", settings.delimiter != "auto", {"delimited"}, "one of lines with columns"),
        ("header", settings.header != "auto", {"delimited"}, "one of lines with columns"),
        ("encoding", settings.encoding, {"delimited", "json"}, "text"),
    ) if value and not layouts & kinds)  # fmt: skip
    return with_train_notes(tables, idle)


def _with_unlike_columns(table: Table) -> Table:
    frame = table.frame.copy(deep=False)
    frame.columns = pd.Index(unlike([str(name) for name in frame.columns]), dtype=object)
    return table._replace(frame=frame)


def wanted_columns(settings: TaskRequest) -> Wanted:
    """Return the columns that the settings name."""
    return Wanted(
        text=settings.text_column, text_pair=settings.text_pair_column, label=settings.label_column, soft=settings.soft_label_column,
        group=settings.group_column, source=settings.source_column, target=settings.soft_target_column,
    )  # fmt: skip


def task_from_tables(
    settings: TaskRequest, name: str, tables: Mapping[str, tuple[str, Table]], *, wanted: Wanted
) -> TaskData:
    """Return a task from a table per split, each with the words that say where it is from.

    Raises:
        TaskError: columns that are not there, or rows that cannot be used.
    """
    official, label_names = official_rows(settings, tables, wanted=wanted)
    return make_task(settings, name, official, label_names=label_names)


def official_rows(
    settings: TaskRequest, tables: Mapping[str, tuple[str, Table]], *, wanted: Wanted
) -> tuple[dict[str, Rows], tuple[str, ...] | None]:
    """Return the usable rows of each table, and the names of the classes in order where the data set has them.

    A validation or test table without any label gives no rows; a note says so.

    Raises:
        TaskError: columns that are not there, or rows that cannot be used.
    """
    check_columns_beside(tables, wanted)
    read = read_labels(tables, wanted, label_map(settings.label_map))
    official: dict[str, Rows] = {}
    for split, (where, table) in tables.items():
        found = read.by_split.get(split)
        if found is None:
            continue
        bare = split == "unlabelled"
        keeps = bare or (split == "train" and settings.missing_labels == "study")
        rows = take_rows(
            table.frame, found.columns, where=where, labels=found.classes, left_out=found.left_out,
            renamed=read.vocabulary.renamed, unlabelled=keeps,
        )  # fmt: skip
        notes = table.notes + guess_note(found.columns, wanted, where) + found.notes + rows.notes
        official[split] = replace(rows, labels=[label or "" for label in rows.labels], notes=notes)
    official = with_names_checked(official, {split: one.columns for split, one in read.by_split.items()}, wanted)
    train = official["train"]
    idle = read.notes + _idle_order(settings, read.by_split["train"].columns)
    official["train"] = replace(train, notes=train.notes + idle)
    return official, read.class_names(train.labels)


def _idle_order(settings: TaskRequest, columns: Columns) -> tuple[str, ...]:
    """Return a note on each order of numbers that are not there."""
    notes = []
    if settings.soft_label_order and not columns.soft:
        notes.append(unused_note("soft_label_order", "there are no soft labels, for task.soft_label_column is empty"))
    if settings.soft_target_order and not settings.soft_target_column:
        notes.append(unused_note("soft_target_order", "there are no stored soft targets, for task.soft_target_column is empty"))
    return tuple(notes)


def guess_note(columns: Columns, wanted: Wanted, where: str) -> tuple[str, ...]:
    """Return a sentence where columns were guessed, to be looked at; those that a person named are no guess."""
    if not columns.guessed:
        return ()
    roles = (("text", columns.text, wanted.text), ("second text", columns.text_pair, wanted.text_pair),
             ("label", columns.label, wanted.label))  # fmt: skip
    guessed = ", ".join(f"{role} {quoted_name(column)}" for role, column, named in roles if column and named is None)
    return (f"{where}: columns were guessed: {guessed}. Name them where that is wrong.",)
