"""Soft labels and stored soft targets: a distribution over the classes, or votes, for each row; both are read in one way."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linear_sum_assignment

from ikd.errors import TaskError
from ikd.tasks.labels import label_word, listed, row_count, words_of

Numbers = tuple[float, ...]
Counts = npt.NDArray[np.float64]
TOLERANCE = 0.01
"""Probabilities of a row are used where their sum is so near to 1."""
EXACT = 1e-6
NAMED_ROWS = 10
LEAST_AGREEMENT = 0.5
"""Share of rows whose largest number must stand at their label, for an order of the classes to be found from the labels."""
MUCH_BETTER = 0.2
"""By so much must another order agree with more labels than the one that is used, to be told."""


class Kind(NamedTuple):
    """What numbers of a table are called, and the settings that name their columns and their order."""

    one: str
    column: str
    order: str

    @property
    def many(self) -> str:
        """Return the plural."""
        return f"{self.one}s"


SOFT_LABELS = Kind("soft label", "task.soft_label_column", "task.soft_label_order")
SOFT_TARGETS = Kind("soft target", "task.soft_target_column", "task.soft_target_order")


class Soft(NamedTuple):
    """The soft labels, or the stored soft targets, of a table.

    Attributes:
        rows: by row, a number for each name, None where there is none that can be used.
        names: what the numbers stand for where the table says it; empty where it does not.
        notes: plain sentences on numbers that were divided by their sum, and on those that cannot be used.
    """

    rows: list[Numbers | None]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_soft_labels(
    table: pd.DataFrame, columns: Sequence[str], *, where: str, renamed: Mapping[str, str], kind: Kind = SOFT_LABELS
) -> Soft:
    """Return what stands in the columns of soft labels or soft targets, as probabilities.

    Args:
        table: the rows.
        columns: one column of lists or of names with numbers, or a column of numbers for each class.
        where: the words that say what the table is.
        renamed: other names for labels, of `label_map`.
        kind: what the numbers are. A table whose rows are all empty may have no soft targets; it must have soft labels.

    Raises:
        TaskError: no row has numbers that can be used.
    """
    if len(columns) > 1:
        cells: list[Any] = table[list(columns)].to_numpy(dtype=object).tolist()
        names = tuple(columns)
    else:
        cells = [_opened(cell) for cell in table[columns[0]].tolist()]
        names = _names_in(cells)
        cells = [[cell.get(name) or 0 for name in names] if isinstance(cell, Mapping) else cell for cell in cells]
    sizes = [len(cell) for cell in cells if isinstance(cell, (list, tuple, np.ndarray))]
    width = len(names) or max(set(sizes), key=sizes.count, default=0)
    rows: list[Numbers | None] = []
    said: dict[str, list[int]] = {}
    for number, cell in enumerate(cells, start=1):
        found, remark = _probabilities(cell, width)
        rows.append(found)
        said.setdefault(remark, []).append(number)
    if not any(rows) and (kind is SOFT_LABELS or set(said) != {EMPTY}):
        why = next((f" ({reason} in row {said[reason][0]:,})" for reason in said if reason in REASONS), "")
        raise TaskError(
            f"{where} has no usable {kind.one} in {', '.join(map(repr, columns))}{why}: each row needs a list of numbers such as "
            '[0.2, 0.8], names with numbers such as {"no": 20, "yes": 80}, or a column of numbers for each class: whole numbers of votes, '
            f"or probabilities that sum to 1 (to {TOLERANCE}), none below 0 and not all 0."
        )
    return Soft(rows, tuple(renamed.get(name, name) for name in _as_labels(names)), _notes(said, where, kind))


def _notes(said: Mapping[str, Sequence[int]], where: str, kind: Kind) -> tuple[str, ...]:
    """Return a sentence on each remark on soft labels or targets, with the numbers of its rows."""
    notes = [f"{where}: the {kind.many} of {row_count(len(rows))} were not used: {why} (data row"
             f"{'' if len(rows) == 1 else 's'} {', '.join(f'{row:,}' for row in rows[:NAMED_ROWS])}{', ...' * (len(rows) > NAMED_ROWS)})."
             for why, rows in said.items() if why in REASONS]  # fmt: skip
    if n := len(said.get(VOTES, ())):
        notes.append(f"{where}: the {kind.many} of {row_count(n)} are whole numbers; they were taken as counts of votes, "
                     "and divided by their sum.")  # fmt: skip
    if n := len(said.get(NEARLY, ())):
        notes.append(f"{where}: the {kind.many} of {row_count(n)} sum to 1 only to within {TOLERANCE}; they were divided "
                     "by their sum.")  # fmt: skip
    return tuple(notes)


def _as_labels(names: Sequence[str]) -> list[str]:
    return [label_word(name) or name for name in names]


def _opened(cell: object) -> object:
    """Return a cell that holds a list or names with numbers as text, opened."""
    if isinstance(cell, str):
        text = cell.strip()
        if text[:1] in "[{":
            try:
                return json.loads(text)
            except (ValueError, RecursionError):
                pass
        parts = [part for part in re.split(r"[\s,;|]+", text.strip("[](){}")) if part]
        return parts if len(parts) > 1 else text or None
    return cell


def _names_in(cells: Sequence[object]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for cell in cells:
        if isinstance(cell, Mapping):
            found.update(dict.fromkeys(map(str, cell)))
    return tuple(found)


EMPTY, NO_NUMBERS, NO_NUMBER, NEGATIVE = "empty cell", "no list of numbers, or of another length", "a number is missing", "below 0"
ALL_ZERO, NOT_FINITE, NOT_ONE = "all 0", "not finite", f"no whole numbers, and their sum is more than {TOLERANCE} from 1"
REASONS = (EMPTY, NO_NUMBERS, NO_NUMBER, NEGATIVE, ALL_ZERO, NOT_FINITE, NOT_ONE)
VOTES, NEARLY = "votes", "nearly"


def _probabilities(cell: object, width: int) -> tuple[Numbers | None, str]:
    """Return the probabilities of a row, or None and the reason; with the votes, and with what sums nearly to 1, a remark."""
    if not isinstance(cell, (list, tuple, np.ndarray)) or len(cell) != width:
        return None, NO_NUMBERS if isinstance(cell, (list, tuple, dict, np.ndarray)) or words_of(cell) else EMPTY
    try:
        numbers = [float(words_of(one) or "nan") for one in cell]
    except (TypeError, ValueError):
        return None, NO_NUMBERS
    if any(map(math.isnan, numbers)):
        return None, NO_NUMBER
    total = math.fsum(numbers) if all(map(math.isfinite, numbers)) else math.inf
    fault = (NOT_FINITE if not math.isfinite(total) else NEGATIVE if min(numbers) < 0 else ALL_ZERO if total == 0 else "")
    whole = all(one.is_integer() for one in numbers)
    if fault or not (whole or abs(total - 1) <= TOLERANCE):
        return None, fault or NOT_ONE
    exact = abs(total - 1) <= EXACT
    return tuple(one / total for one in numbers), "" if exact else VOTES if whole else NEARLY


def label_order(given: str | None) -> tuple[str, ...]:
    """Return the labels that a setting lists in the order of the soft labels' numbers."""
    return tuple(label_word(name) or name.strip() for name in (given or "").split(",") if name.strip())


def in_class_order(
    found: Mapping[str, tuple[Soft, Sequence[str]]], names: Sequence[str], given: Sequence[str], notes: list[str], *, kind: Kind
) -> dict[str, list[Numbers]]:
    """Return by split the numbers of each row in the order of the classes; zeros where a row has none.

    Args:
        found: by split, "train" first, the soft labels or targets of its rows and their labels, "" where there is none; none of them is
            without any.
        names: the classes.
        given: of `label_order`.
        notes: get a sentence on which class each number stands for.
        kind: what the numbers are.

    Raises:
        TaskError: numbers whose classes cannot be told.
    """
    ordered: dict[str, list[Numbers]] = {}
    of_train: tuple[str, ...] = ()
    nothing = tuple(0.0 for _ in names)
    for split, (soft, labels) in found.items():
        soft = soft if given else _with_every_class(soft, names)
        order = of_train
        if soft.names or given or not of_train:
            order, words = order_of(soft, labels, names, given=given, where=f"The {split} data", kind=kind)
            if any(labels) or order != of_train:
                notes.append(words)
        of_train = of_train or order
        places = [order.index(name) for name in names]
        ordered[split] = [nothing if row is None else tuple(row[at] for at in places) for row in soft.rows]
    return ordered


def _with_every_class(soft: Soft, names: Sequence[str]) -> Soft:
    """Return named numbers with a zero for each class that no row of their table names."""
    if not soft.names or not set(soft.names) < set(names):
        return soft
    lacking = [name for name in names if name not in soft.names]
    zeros = tuple(0.0 for _ in lacking)
    return Soft([None if row is None else row + zeros for row in soft.rows], (*soft.names, *lacking), soft.notes)


def order_of(
    soft: Soft, labels: Sequence[str], names: Sequence[str], *, given: Sequence[str], where: str, kind: Kind = SOFT_LABELS
) -> tuple[tuple[str, ...], str]:
    """Return which class each number stands for, and a sentence on how that is known.

    Where neither the table nor the person says it, it is the order in which the largest numbers stand at the labels most often
    (Kuhn 1955, the assignment problem).

    Args:
        soft: the soft labels.
        labels: by row, "" where there is none.
        names: the classes.
        given: of `label_order`.
        where: the words that say what the table is.
        kind: what the numbers are.

    Raises:
        TaskError: another number of classes, other names, or an order that cannot be told.
    """
    width = len(next(row for row in soft.rows if row))
    if given or set(soft.names) == set(names):
        order = tuple(given or soft.names)
        if sorted(order) != sorted(names) or len(order) != width:
            raise TaskError(
                f"The {kind.many} of {where} have {width} numbers a row, {kind.order} names {listed(order)}, and the "
                f"labels are {listed(names)}: name each label once, in the order of the numbers."
            )
        agreement = _agreement(soft, labels, order, names, kind)
        return order, f"{where}: the {kind.many} stand for {listed(order)}, in this order{agreement}."
    return _found_order(soft, labels, names, width=width, where=where, kind=kind)


def _counts(soft: Soft, labels: Sequence[str], names: Sequence[str]) -> Counts:
    """Return (numbers, classes) how often the largest number of a row stands at each place, by the row's label."""
    counts = np.zeros((len(names), len(names)))
    for row, label in zip(soft.rows, labels, strict=True):
        if row and label:
            counts[int(np.argmax(row)), names.index(label)] += 1
    return counts


def _best_order(counts: Counts, names: Sequence[str]) -> tuple[tuple[str, ...], float]:
    """Return the order of the classes that agrees with most labels, and with which share of them."""
    places, classes = linear_sum_assignment(counts, maximize=True)
    return tuple(names[int(one)] for one in classes), float(counts[places, classes].sum() / max(counts.sum(), 1))


def _agreement(soft: Soft, labels: Sequence[str], order: Sequence[str], names: Sequence[str], kind: Kind) -> str:
    """Return with how many labels an order agrees, and the order that agrees much better where there is one."""
    counts = _counts(soft, labels, names)
    if not counts.any():
        return ""
    share = sum(counts[at, names.index(name)] for at, name in enumerate(order)) / counts.sum()
    agrees = f"; their largest agrees with {100 * share:.0f} % of the labels"
    best, best_share = _best_order(counts, names)
    if best_share - share < MUCH_BETTER:
        return agrees
    return f"{agrees}. The order {listed(best)} would agree with {100 * best_share:.0f} %: check {kind.order}"


def _found_order(
    soft: Soft, labels: Sequence[str], names: Sequence[str], *, width: int, where: str, kind: Kind
) -> tuple[tuple[str, ...], str]:
    if width != len(names):
        raise TaskError(
            f"The {kind.many} of {where} have {width} numbers a row, and there are {len(names)} labels: "
            f"{listed(names)}. Name another column in {kind.column}, or rename labels in task.label_map."
        )
    order, share = _best_order(_counts(soft, labels, names), names)
    if share < LEAST_AGREEMENT:
        raise TaskError(
            f"Which {kind.one} of {where} stands for which class cannot be told: no order of the labels agrees with half of the rows. "
            f"Name the labels in the order of the numbers in {kind.order}: {listed(names)}."
        )
    agrees = f"their largest agrees with {100 * share:.0f} % of the labels"
    return order, f"{where}: the {kind.many}' numbers were taken to stand for {listed(order)}; {agrees}."
