"""Rows of texts and labels, taken from a table: which rows are dropped, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

import pandas as pd

from ikd.errors import TaskError
from ikd.tasks.columns import Columns
from ikd.tasks.labels import label_word, quoted_name, row_count
from ikd.tasks.lists import Texts, as_texts
from ikd.tasks.soft_labels import SOFT_TARGETS, Numbers, read_soft_labels

LONG_TEXT_CHARACTERS = 20_000
LEFT_OUT = "a label that task.label_map leaves out"


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Usable rows; all sequences are of one length.

    Attributes:
        labels: as words, "" for a text without one.
        soft: by row, probabilities in the order of `soft_names` where those are known; None where there are no soft labels.
        soft_names: what the numbers stand for; empty where the table does not say.
        groups: by row, the group it belongs to, "" for none; None where the table names no groups.
        sources: by row, the source of its label or soft target, "" for none; None where the table names no sources.
        targets: by row, its stored soft target in the order of `target_names` where those are known; None where none are stored.
        target_names: what the numbers stand for; empty where the table does not say.
        numbers: by row, its number among the data rows of its table, from 1.
        notes: plain sentences on what was dropped or changed.
    """

    texts: Sequence[str]
    text_pairs: Sequence[str] | None
    labels: Sequence[str]
    soft: Sequence[Numbers | None] | None = None
    soft_names: tuple[str, ...] = ()
    groups: Sequence[str] | None = None
    sources: Sequence[str] | None = None
    targets: Sequence[Numbers | None] | None = None
    target_names: tuple[str, ...] = ()
    numbers: Sequence[int] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)

    def keep(self, indices: Sequence[int]) -> Rows:
        """Return the named rows, in that order."""
        return replace(
            self, texts=[self.texts[i] for i in indices], labels=[self.labels[i] for i in indices],
            text_pairs=None if self.text_pairs is None else [self.text_pairs[i] for i in indices],
            soft=None if self.soft is None else [self.soft[i] for i in indices],
            groups=None if self.groups is None else [self.groups[i] for i in indices],
            sources=None if self.sources is None else [self.sources[i] for i in indices],
            targets=None if self.targets is None else [self.targets[i] for i in indices],
            numbers=[self.numbers[i] for i in indices] if self.numbers else (),
        )  # fmt: skip

    def source(self, index: int) -> str:
        """Return the source of a row, "" where nobody is named."""
        return self.sources[index] if self.sources is not None else ""


def take_rows(
    table: pd.DataFrame, columns: Columns, *, where: str, labels: Sequence[str | None], left_out: AbstractSet[int] = frozenset(),
    renamed: Mapping[str, str] | None = None, unlabelled: bool = False,
) -> Rows:  # fmt: skip
    """Return the usable rows: with a text, a second text where there are pairs, and a label unless `unlabelled`.

    Args:
        table, columns, where: the rows, the columns used, and the words that say what the table is.
        labels: by row, its class; None where it is missing.
        left_out: the rows, from 0, that have no class because `label_map` gives their label an empty name.
        renamed: other names for labels, of `label_map`.
        unlabelled: keep rows without a label.

    Raises:
        TaskError: no usable rows, or cells that are no texts.
    """
    if not len(table):
        raise TaskError(f"{where} has no data rows.")
    texts, seconds, notes = _texts(table, columns, where)
    soft = read_soft_labels(table, columns.soft, where=where, renamed=renamed or {}) if columns.soft else None
    no_text = {i for i, text in enumerate(texts) if not text.strip()}
    no_second = {i for i, text in enumerate(seconds or ()) if not text.strip()} - no_text
    no_label = {i for i, label in enumerate(labels) if label is None}
    if soft is not None and columns.label is None:
        no_label = {i for i, row in enumerate(soft.rows) if row is None}
    no_label -= no_text | no_second
    dropped = no_text | no_second | (set() if unlabelled else no_label)
    kept = [i for i in range(len(texts)) if i not in dropped]
    if not kept:
        raise _none_usable(no_label, left_out, columns, f"{where} has no usable rows: of its {row_count(len(texts))}, every one has")
    why = [("an empty text", no_text), ("a missing second text", no_second)]
    why += [] if unlabelled else [("a missing label", no_label - left_out), (LEFT_OUT, no_label & left_out)]
    rows = Rows(
        texts=texts, text_pairs=seconds, labels=[label or "" for label in labels], soft=soft.rows if soft else None,
        soft_names=soft.names if soft else (), numbers=range(1, len(texts) + 1),
        notes=(*notes, *(soft.notes if soft else ()), *_dropped(where, why)),
    )  # fmt: skip
    rows = _with_beside(rows, table, columns, where=where, renamed=renamed or {}).keep(kept)
    return replace(rows, notes=(*rows.notes, *_odd(rows, where)))


def _none_usable(no_label: set[int], left_out: AbstractSet[int], columns: Columns, begin: str) -> TaskError:
    bare = LEFT_OUT if no_label <= left_out else f"no label in column {quoted_name(columns.label or '')}"
    return TaskError(f"{begin} {bare if no_label else 'no text'}. Check the columns.")


def _with_beside(rows: Rows, table: pd.DataFrame, columns: Columns, *, where: str, renamed: Mapping[str, str]) -> Rows:
    """Return the rows of a table with their groups, sources and stored soft targets."""
    rows = replace(rows, groups=_names(table, columns.group), sources=_names(table, columns.source))
    if not columns.targets:
        return rows
    stored = read_soft_labels(table, columns.targets, where=where, renamed=renamed, kind=SOFT_TARGETS)
    return replace(rows, targets=stored.rows, target_names=stored.names, notes=(*rows.notes, *stored.notes))


def _names(table: pd.DataFrame, column: str | None) -> list[str] | None:
    """Return each cell of a column as a name, empty where it is missing; spaces at its ends are taken off, 1 and 1.0 are one name."""
    return [label_word(cell) or "" for cell in table[column].tolist()] if column else None


def _texts(table: pd.DataFrame, columns: Columns, where: str) -> Texts:
    """Return first and second texts: of two columns, or of one that may hold pairs."""
    first = as_texts(table[columns.text].tolist(), where=where, column=columns.text, pairs=columns.text_pair is None)
    if not columns.text_pair:
        return first
    second = as_texts(table[columns.text_pair].tolist(), where=where, column=columns.text_pair, pairs=False)
    return Texts(first.texts, second.texts, first.notes + second.notes)


def _odd(rows: Rows, where: str) -> Iterator[str]:
    """Yield what should be known of rows that are kept."""
    if rows.soft is not None and (without := sum(row is None for row in rows.soft)):
        yield f"{where}: {without:,} of {len(rows):,} rows have no usable soft label; their truth is not known."
    longest = max(map(len, rows.texts))
    if longest > LONG_TEXT_CHARACTERS:
        yield f"{where}: the longest text has {longest:,} characters; the models cut long texts."


def _dropped(where: str, groups: Sequence[tuple[str, set[int]]]) -> tuple[str, ...]:
    notes = []
    for what, rows in groups:
        if rows:
            first = ", ".join(str(row + 1) for row in sorted(rows)[:10]) + (", ..." if len(rows) > 10 else "")
            many = f"{row_count(len(rows))} with {what} {'were' if len(rows) > 1 else 'was'}"
            notes.append(f"{where}: {many} dropped (data row{'s' if len(rows) > 1 else ''} {first}).")
    return tuple(notes)


def text_key(rows: Rows, index: int) -> tuple[str, str]:
    """Return what makes two rows the same text: capitals and spaces do not count, second texts do."""
    second = rows.text_pairs[index] if rows.text_pairs is not None else ""
    return " ".join(rows.texts[index].casefold().split()), " ".join(second.casefold().split())
