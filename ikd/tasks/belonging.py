"""Names that stand beside a row's text and label: the group it belongs to, and the source of its label or soft target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ikd.errors import TaskError, nearest_names
from ikd.tasks.columns import SETTINGS, Columns, Wanted, soft_columns
from ikd.tasks.labels import listed, quoted, quoted_name, row_count
from ikd.tasks.rows import Rows
from ikd.tasks.tables import Table

MOST_GROUPS, MOST_SOURCES = 50, 200
STUDIED = ("train", "unlabelled")
"""The tables whose rows are studied: only their sources and soft targets teach anything."""


def check_columns_beside(tables: Mapping[str, tuple[str, Table]], wanted: Wanted) -> None:
    """Do nothing where the columns of groups, sources and soft targets that are named stand in a table that can use them.

    Args:
        tables: by split, each with the words that say where it is from.
        wanted: the columns that are named.

    Raises:
        TaskError: a column is in none of them.
    """
    named = (("group", wanted.group, tuple(tables)), ("source", wanted.source, STUDIED), ("soft target", wanted.target, STUDIED))
    for role, name, splits in named:
        where = [tables[split] for split in splits if split in tables]
        present = list(dict.fromkeys(str(column) for _, table in where for column in table.frame.columns))
        if name and not set(soft_columns(name, present) if role == "soft target" else [name]) & set(present):
            near = nearest_names(name, present)
            nearest = f" Did you mean {quoted_name(near[0])}?" if near else ""
            raise TaskError(
                f"{' and '.join(words for words, _ in where)} {'have' if len(where) > 1 else 'has'} no {role} column "
                f"{quoted_name(name)}.{nearest} Columns: {', '.join(quoted(one, 40) for one in present[:30])}. Name the one to use in "
                f"{SETTINGS[role]}, or leave it empty."
            )


def with_names_checked(official: Mapping[str, Rows], columns: Mapping[str, Columns], wanted: Wanted) -> dict[str, Rows]:
    """Return the rows of each table with notes on their groups, sources and soft targets; those that name none have none.

    Args:
        official: rows by split, "train" first.
        columns: by split, the columns that were used.
        wanted: the columns that are named.

    Raises:
        TaskError: too many groups or sources, or no soft target where they are named.
    """
    found = {split: _without_empty(rows) for split, rows in official.items()}
    studied = [found[split] for split in STUDIED if split in found]
    notes = list(_target_notes(studied, wanted))
    if wanted.source:
        notes.append(_told("source", wanted.source, [name for rows in studied for name in rows.sources or ()], MOST_SOURCES))
    if wanted.group:
        notes.append(_told("group", wanted.group, [name for rows in found.values() for name in rows.groups or ()], MOST_GROUPS))
        notes += [f"The {split} rows have no column {quoted_name(wanted.group)} and belong to no group."
                  for split in found if columns[split].group is None and split != "unlabelled"]  # fmt: skip
    train = found["train"]
    found["train"] = replace(train, notes=(*train.notes, *notes))
    return found


def _without_empty(rows: Rows) -> Rows:
    groups = rows.groups if rows.groups is not None and any(rows.groups) else None
    sources = rows.sources if rows.sources is not None and any(rows.sources) else None
    targets = rows.targets if rows.targets is not None and any(rows.targets) else None
    return replace(rows, groups=groups, sources=sources, targets=targets)


def _told(what: str, column: str, named: Sequence[str], most: int) -> str:
    """Return a sentence on the names of groups or sources.

    Args:
        what: "group" or "source".
        column: they stand in.
        named: by row, "" where it names none.
        most: different names that are allowed.

    Raises:
        TaskError: there are more.
    """
    names = sorted(set(named) - {""})
    if len(names) > most:
        raise TaskError(
            f"The {what} column {quoted_name(column)} has {len(names):,} different names, and at most {most} {what}s are told apart: name "
            f"another column in {SETTINGS[what]}, or put the rows into fewer {what}s."
        )
    if not names:
        return f"The {what} column {quoted_name(column)} is empty in every row, so no {what} is known."
    n_without = sum(not name for name in named)
    without = f"; {row_count(n_without)} name{'s' if n_without == 1 else ''} none" if n_without else ""
    return f"The {what} column {quoted_name(column)} names {len(names)} {what}{'s' * (len(names) > 1)}: {listed(names, 10)}{without}."


def _target_notes(studied: Sequence[Rows], wanted: Wanted) -> Iterator[str]:
    if not wanted.target:
        return
    n = sum(row is not None for rows in studied for row in rows.targets or ())
    if not n:
        raise TaskError(f"The soft target column {quoted_name(wanted.target)} is empty in every training row: name another one in "
                        "task.soft_target_column, or leave it empty.")  # fmt: skip
    yield f"{n:,} of {row_count(sum(map(len, studied)))} for the course have a stored soft target."
