"""`files`: rows from the person's own files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ikd.errors import TaskError
from ikd.protocols import TaskData, TaskRequest
from ikd.tasks.reading import Table, read_table
from ikd.tasks.rows import Wanted, find_columns, merge_spellings, take_rows
from ikd.tasks.splits import make_task


def files_task(settings: TaskRequest) -> TaskData:
    """Return a task read from the training file and, where named, validation and test files.

    Raises:
        TaskError: a file that cannot be read, or rows that cannot be used.
    """
    if not settings.train_file:
        raise TaskError("The task 'files' needs a training file; name a .parquet, .csv, .tsv, .jsonl or .json file.")
    paths = {"train": settings.train_file, "validation": settings.validation_file, "test": settings.test_file}
    tables = {split: (Path(path).name, read_table(path)) for split, path in paths.items() if path}
    return task_from_tables(settings, Path(settings.train_file).stem, tables, wanted=wanted_columns(settings))


def wanted_columns(settings: TaskRequest) -> Wanted:
    """Return the columns that the settings name."""
    return Wanted(text=settings.text_column, text_pair=settings.text_pair_column, label=settings.label_column)


def task_from_tables(
    settings: TaskRequest, name: str, tables: Mapping[str, tuple[str, Table]], *, wanted: Wanted
) -> TaskData:
    """Return a task from a table per split, each with the words that say where it is from.

    Raises:
        TaskError: columns that are not there, or rows that cannot be used.
    """
    official, label_names = {}, None
    for split, (where, table) in tables.items():
        columns = find_columns(table.frame, wanted, where=where)
        names = table.class_names.get(columns.label)
        rows = take_rows(table.frame, columns, where=where, names=names)
        rows = replace(rows, notes=table.notes + rows.notes)
        official[split] = rows if names else merge_spellings(rows, where=where)
        if split == "train" and names:
            label_names = tuple(names.values())
    return make_task(settings, name, official, label_names=label_names)
