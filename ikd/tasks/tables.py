"""What reading a file gives, how a person may want it read, and the few words and steps all its readers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import pandas as pd

from ikd.config.limits import Limits
from ikd.errors import TaskError

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
NAMED_LINES = 10
LONGEST_NAME = 200
"""Characters of a column's name, as many as the settings take."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a file is to be read, where it is not to be found out from the file.

    Attributes:
        delimiter: "auto", or a name in `DELIMITERS`.
        header: "auto", "yes" or "no": whether the first line holds the names of the columns.
        encoding: a name that Python knows; None: found out.
    """

    delimiter: str = "auto"
    header: str = "auto"
    encoding: str | None = None


AUTO = Reading()


class Table(NamedTuple):
    """What a file holds.

    Attributes:
        frame: its rows; column names may repeat. Cells of text files are the exact text; missing cells are None.
        notes: plain sentences on what was odd about the file.
        class_names: by column, the names of whole-number classes where the file knows them.
        header: whether the file names its columns; if not they are called "column 1", "column 2", ...
        layout: "delimited", "json" or "parquet"; empty where it is no file.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    class_names: Mapping[str, dict[int, str]] = MappingProxyType({})
    header: bool = True
    layout: str = ""


def with_train_notes(tables: Mapping[str, tuple[str, Table]], notes: tuple[str, ...]) -> dict[str, tuple[str, Table]]:
    """Return the tables of a task, by split, with further notes on the training table."""
    where, train = tables["train"]
    return {**tables, "train": (where, train._replace(notes=train.notes + notes))}


def framed(names: Sequence[str], columns: Sequence[Sequence[object]]) -> pd.DataFrame:
    """Return a table of cells as they are: nothing is converted. Names may repeat; too long ones are cut."""
    frame = pd.DataFrame({i: pd.Series(list[Any](cells), dtype=object) for i, cells in enumerate(columns)})
    short = [name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…" for name in names]
    frame.columns = pd.Index(short, dtype=object)
    return frame


def left_out(name: str, lines: Sequence[int], why: str, *, one: str = "line", many: str = "lines") -> str:
    """Return the sentence on lines, or rows, that are not in the table."""
    first = ", ".join(f"{line:,}" for line in lines[:NAMED_LINES]) + (", ..." if len(lines) > NAMED_LINES else "")
    were = f"1 {one} was" if len(lines) == 1 else f"{len(lines):,} {many} were"
    return f"{name}: {were} left out for {why} ({one if len(lines) == 1 else many} {first})."


def check_columns(name: str, n: int, most: Limits) -> None:
    """Do nothing for a table of so many columns.

    Raises:
        TaskError: there are too many.
    """
    if n > most.columns:
        raise TaskError(
            f"{name} has {n:,} columns, and up to {most.columns:,} are read: check the delimiter, keep the columns that are "
            "needed, or raise IKD_MAX_COLUMNS."
        )


def check_size(name: str, n_rows: int, n_cells: int, most: Limits) -> None:
    """Do nothing for a table of so many rows and cells, or one of which so many are read already.

    Raises:
        TaskError: there are too many.
    """
    if n_rows > most.rows:
        raise TaskError(f"{name} has more than {most.rows:,} rows, the most that are read: cut it, or raise IKD_MAX_ROWS.")
    if n_cells > most.cells:
        raise TaskError(
            f"{name} has more than {most.cells:,} cells, the most that are read: keep the columns that are needed, cut it, "
            "or raise IKD_MAX_CELLS."
        )
