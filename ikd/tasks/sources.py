"""Where the rows of a task stand before anything is done with them: a table per split, and the columns that are wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ikd.errors import TaskError
from ikd.protocols import TaskRequest
from ikd.tasks.columns import Wanted
from ikd.tasks.files import file_tables, wanted_columns
from ikd.tasks.hub import hub_tables, known_tables, known_wanted
from ikd.tasks.known import KNOWN
from ikd.tasks.reading import Table


class Source(NamedTuple):
    """Tables by split, "train" first, each with the words that say where it is from; and the columns that are wanted of them."""

    tables: Mapping[str, tuple[str, Table]]
    wanted: Wanted


def source_of(settings: TaskRequest) -> Source:
    """Return the tables of a task that is read from files or from the hub.

    Raises:
        TaskError: files or splits that cannot be read, or a task whose texts are generated.
        HubError: the hub is out of reach or has no such name.
    """
    if settings.name == "files":
        return Source(file_tables(settings), wanted_columns(settings))
    if settings.name == "hub":
        return Source(hub_tables(settings), wanted_columns(settings))
    if settings.name in KNOWN:
        known = KNOWN[settings.name]
        return Source(known_tables(settings.name, known, settings), known_wanted(known, settings))
    raise TaskError(f"The task {settings.name!r} has no table of rows: its texts are generated.")
