"""Cells that hold lists: labels of one row, tokens of a text, the two texts of a pair."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ikd.errors import TaskError
from ikd.tasks.labels import listed, quoted, quoted_name, row_count, words_of

_ITEM = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_WRITTEN = re.compile(rf"\[\s*{_ITEM}(?:[\s,]+{_ITEM})*[\s,]*\]", re.DOTALL)
_ITEMS = re.compile(_ITEM, re.DOTALL)
NEARLY_ALL = 0.9
JOINED_BY = ",;|"
LONGEST_OBJECT = 10_000
SEVERAL = ("Several labels a row (multi-label) are not supported yet: keep one label a row, or write each combination as a class of its "
           "own, such as 'a+b'.")  # fmt: skip

ONE_CLASS = "each is taken as one class, for several labels a row (multi-label) are not supported yet."


class Texts(NamedTuple):
    """The texts of a column; `seconds` where its cells hold pairs."""

    texts: list[str]
    seconds: list[str] | None = None
    notes: tuple[str, ...] = ()


def list_in(cell: object) -> list[Any] | None:
    """Return the list that a cell holds, as it is or written as text: JSON, or as Python and numpy write words; None: no list."""
    if isinstance(cell, (list, tuple, set, frozenset)):
        return list(cell)
    if isinstance(cell, np.ndarray):
        return list(cell.tolist()) if cell.ndim else None
    if not isinstance(cell, str) or not (cell.strip().startswith("[") and cell.strip().endswith("]")):
        return None
    try:
        found = json.loads(cell)
        return found if isinstance(found, list) else None
    except (ValueError, RecursionError):
        pass
    if not _WRITTEN.fullmatch(cell.strip()):
        return None
    try:
        return [ast.literal_eval(item) for item in _ITEMS.findall(cell)]
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def single_labels(values: Sequence[Any], *, where: str, column: str) -> tuple[list[Hashable], tuple[str, ...]]:
    """Return one label a cell: that of a list of one; a note says so.

    Raises:
        TaskError: lists of several labels, or cells that hold objects.
    """
    labels: list[Hashable] = []
    several: list[tuple[int, list[Any]]] = []
    n_lists = 0
    for row, value in enumerate(values, start=1):
        found = list_in(value)
        n_lists += found is not None
        while found is not None and len(found) == 1 and (inner := list_in(found[0])) is not None:
            found = inner
        if found is not None and len(found) > 1:
            several.append((row, found))
        one = value if found is None else next(iter(found), None)
        if _is_written_object(one):
            raise TaskError(f"The label column {quoted_name(column)} of {where} holds objects written as text, such as "
                            f"{quoted(str(one))}: write the field that is the label into a column of its own.")  # fmt: skip
        if isinstance(one, dict):
            path = column if found is None else f"{column}.0"
            raise TaskError(f"The label column {quoted_name(column)} of {where} holds objects with the fields "
                            f"{listed(map(str, one), 8)}: name one of "
                            f"them as label column, such as '{path}.{str(next(iter(one), 'label'))[:40]}'.")  # fmt: skip
        labels.append(_text(one, where, column) if isinstance(one, (bytes, bytearray)) else one)
    if several:
        raise _several(several, len(values), where=where, column=column)
    note = f"the label column {quoted_name(column)} holds lists of one label ({row_count(n_lists)}); each was taken out of its list."
    return labels, (f"{where}: {note}",) if n_lists else ()


def _is_written_object(cell: object) -> bool:
    """Return whether a cell is an object written as text: JSON, or as Python writes it."""
    if not isinstance(cell, str) or not (cell.startswith("{") and cell.endswith("}")) or len(cell) > LONGEST_OBJECT:
        return False
    for read in (json.loads, ast.literal_eval):
        try:
            return isinstance(read(cell), dict)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    return False


def _several(found: Sequence[tuple[int, list[Any]]], n_rows: int, *, where: str, column: str) -> TaskError:
    numbers = [item for _, cell in found for item in cell]
    begin = f"The label column {quoted_name(column)} of {where} holds lists of "
    if all(isinstance(item, (bool, int, float)) for item in numbers):
        if all(item in (0, 1) for item in numbers) and all(sum(cell) == 1 for _, cell in found) and len(found) == n_rows:
            return TaskError(f"{begin}0 and 1 with exactly one 1 in every row (one-hot). Such lists are not read as single labels yet: add "
                             "a column with the name of the class of each row, and name it in task.label_column.")  # fmt: skip
        if all(item in (0, 1) for item in numbers):
            return TaskError(f"{begin}0 and 1, one for each class (one-hot or multi-label). {SEVERAL}")
        return TaskError(f"{begin}numbers. If they are votes or probabilities for each class, name the column in task.soft_label_column; "
                         f"else they are several labels a row (multi-label), which is not supported yet.")  # fmt: skip
    row, cell = found[0]
    return TaskError(f"{begin}labels: {len(found):,} of {row_count(n_rows)} {'has' if n_rows == 1 else 'have'} several, such as row "
                     f"{row:,} with {listed(map(words_of, cell), 5)}. {SEVERAL}")  # fmt: skip


def refuse_joined(labels: Sequence[str], *, where: str, column: str) -> None:
    """Do nothing for labels that are single ones.

    Args:
        labels: every different label that has no name of its own.
        where, column: for the sentence.

    Raises:
        TaskError: some are several labels in one, such as "a,b" where "a" and "b" are labels of other rows.
    """
    known = {label.strip().casefold() for label in labels}
    for mark in JOINED_BY:
        joined = [label for label in labels if _is_joined(label, mark, known)]
        if joined:
            raise TaskError(f"The label column {quoted_name(column)} of {where} has several labels in one cell: "
                            f"{listed(sorted(joined), 5)}, whose "
                            f"parts are labels of other rows. {SEVERAL} task.label_map can name them so.")  # fmt: skip


def note_on_joined(labels: Sequence[str], *, where: str) -> tuple[str, ...]:
    """Return a note where labels look like several in one; which that is cannot be known.

    That is where every label is joined, such as "a,b", "b,c" and "a,c", or where a part of some is a label of other rows.
    """
    known = {label.strip().casefold() for label in labels}
    for mark in JOINED_BY:
        parts = [{part.strip().casefold() for part in label.split(mark)} for label in labels]
        uses = Counter(part for one in parts for part in one)
        if len(parts) > 2 and all(len(one) > 1 for one in parts) and min(uses.values()) > 1 and len(uses) <= len(parts):
            such = f"joined by {mark!r}, such as {listed(sorted(labels), 3)}"
            return (f"{where}: every label looks like several in one, {such}; {ONE_CLASS}",)
        partly = sorted(label for label, one in zip(labels, parts, strict=True) if len(one) > 1 and one & known)
        if partly:
            such = f"joined by {mark!r}, such as {listed(partly, 3)}, of which a part is a label of other rows"
            return (f"{where}: {len(partly)} label{' looks' if len(partly) == 1 else 's look'} like several in one, {such}; {ONE_CLASS}",)
    return ()


def _is_joined(label: str, mark: str, known: set[str]) -> bool:
    parts = [part.strip().casefold() for part in label.split(mark) if part.strip()]
    return len(parts) > 1 and all(part in known for part in parts)


def as_texts(values: Sequence[Any], *, where: str, column: str, pairs: bool) -> Texts:
    """Return the text of each cell: tokens joined by spaces, lists of two texts as pairs where `pairs` are allowed.

    Raises:
        TaskError: cells that hold objects, numbers in lists, or bytes that are no text.
    """
    lists = _lists(values)
    if not any(one is not None for one in lists):
        return Texts([_text(value, where, column) for value in values])
    for row, one in enumerate(lists, start=1):
        wrong = next((item for item in one or () if item is not None and not isinstance(item, str)), None)
        if wrong is not None:
            what = "objects" if isinstance(wrong, dict) else "lists" if list_in(wrong) is not None else "numbers, such as token ids"
            raise TaskError(f"The text column {quoted_name(column)} of {where} holds lists of {what} (row {row:,}), and training "
                            f"needs texts: name another column, or a part of this one, such as '{column}.0'.")  # fmt: skip
    words = [None if one is None else [item for item in one if item is not None] for one in lists]
    held = [one for one in words if one]
    if pairs and _are_pairs(held) and not any(one is None and words_of(value) for value, one in zip(values, lists, strict=True)):
        note = f"the text column {quoted_name(column)} holds lists of two texts; they were read as the first and second text of a pair."
        return Texts([one[0] if one else "" for one in words], [one[1] if one else "" for one in words], (f"{where}: {note}",))
    note = f"{where}: the text column {quoted_name(column)} holds lists of words ({row_count(len(held))}); they were joined by spaces."
    return Texts([_text(value, where, column) if one is None else " ".join(one) for value, one in zip(values, words, strict=True)],
                 None, (note,))  # fmt: skip


def _lists(values: Sequence[Any]) -> list[list[Any] | None]:
    """Return the list of each cell; text that could be one counts only where nearly every cell is one."""
    found = [list_in(value) for value in values]
    texts = [i for i, value in enumerate(values) if isinstance(value, str) and value.strip()]
    if sum(found[i] is not None for i in texts) < NEARLY_ALL * len(texts) or len(texts) < 2:
        for i in texts:
            found[i] = None
    return found


def _are_pairs(held: Sequence[Sequence[str]]) -> bool:
    """Return whether lists are pairs of texts: two each, nearly all of them of several words."""
    if not held or not all(len(one) == 2 for one in held):
        return False
    return sum(all(" " in text.strip() for text in one) for one in held) >= NEARLY_ALL * len(held)


def _text(value: Any, where: str, column: str) -> str:
    if isinstance(value, dict):
        fields = listed(map(str, value), 8)
        raise TaskError(f"The text column {quoted_name(column)} of {where} holds objects with the fields {fields}, and training "
                        f"needs texts: name one of them, such as '{column}.{str(next(iter(value), 'text'))[:40]}'.")  # fmt: skip
    if isinstance(value, (bytes, bytearray)):
        try:
            return bytes(value).decode("utf-8")
        except UnicodeDecodeError as error:
            raise TaskError(f"The column {quoted_name(column)} of {where} holds bytes that are not UTF-8 text, such as "
                            f"{quoted(repr(value[:20]))}: write it as text.") from error  # fmt: skip
    return words_of(value)
