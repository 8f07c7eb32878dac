"""Columns within columns: `annotations.0.value` is a field of the first element of a list in the column `annotations`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ikd.tasks.columns import Wanted
from ikd.tasks.tables import Table

LISTS = (list, tuple, np.ndarray)


def with_named_parts(tables: Mapping[str, tuple[str, Table]], wanted: Wanted) -> dict[str, tuple[str, Table]]:
    """Return tables that also have the columns within columns that a person names, and notes where a list holds more than was taken.

    Args:
        tables: by split, each with the words that say where it is from.
        wanted: names of columns; those that cannot be found are left to be refused.
    """
    named = [wanted.text, wanted.text_pair, wanted.label, wanted.soft, wanted.group, wanted.source, wanted.target]
    return {split: (where, _with_parts(table, where, named)) for split, (where, table) in tables.items()}


def _with_parts(table: Table, where: str, named: Iterable[str | None]) -> Table:
    frame, notes = table.frame, table.notes
    for name in filter(None, named):
        present = [str(column) for column in frame.columns]
        roots = [column for column in present if name.startswith(f"{column}.") and present.count(column) == 1]
        root = max(roots, key=len, default=None)
        if root is not None and name not in present:
            cells = [_within(cell, name[len(root) + 1 :].split(".")) for cell in frame[root].tolist()]
            if any(cell is not None for cell in cells):
                frame = frame.assign(**{name: pd.Series(cells, index=frame.index, dtype=object)})
        if name in [str(column) for column in frame.columns]:
            notes = (*notes, *_longer(frame, name, where))
    return table._replace(frame=frame, notes=tuple(dict.fromkeys(notes)))  # two columns may lie in the same list


def _within(cell: Any, parts: Sequence[str]) -> Any:
    for part in parts:
        if isinstance(cell, Mapping):
            cell = cell.get(part)
        elif isinstance(cell, LISTS) and part.isdecimal() and len(part) < 10:
            cell = cell[int(part)] if int(part) < len(cell) else None
        else:
            return None
    return cell


def _longer(frame: pd.DataFrame, name: str, where: str) -> Iterable[str]:
    """Yield a note for each list on the way to a column that has more elements than the one taken, in some rows."""
    parts = name.split(".")
    present = [str(column) for column in frame.columns]
    root = next((n for n in range(1, len(parts)) if present.count(".".join(parts[:n])) == 1), None)
    if root is None:
        return
    cells = frame[".".join(parts[:root])].tolist()
    for at in range(root, len(parts)):
        if parts[at].isdecimal():
            held = [_within(cell, parts[root:at]) for cell in cells]
            n = sum(isinstance(one, LISTS) and len(one) > 1 for one in held)
            if n:
                rows = "1 row has" if n == 1 else f"{n:,} rows have"
                yield f"{where}: {rows} more than one element in {'.'.join(parts[:at])!r}; number {parts[at]} was read, counted from 0."
