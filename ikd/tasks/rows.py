"""Rows of texts and labels, taken from a table: which columns, which rows are dropped, which labels are which class."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import isnan

import pandas as pd

from ikd.errors import TaskError

TEXT_GUESSES = ("text", "sentence1", "sentence")
MISSING = frozenset(("", "nan", "null", "none", "n/a", "na", "<na>", "#n/a"))
INVISIBLE = "".join(map(chr, (0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF)))
LONG_TEXT_CHARACTERS = 20_000
MOST_CLASSES = 1000


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The columns a person or a known data set names; None where they are to be guessed."""

    text: str | None
    text_pair: str | None
    label: str | None


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of a table that are used; `text_pair` is None for single texts."""

    text: str
    text_pair: str | None
    label: str


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Usable rows; all sequences are of one length.

    Attributes:
        labels: as they stand in the table, as words.
        notes: plain sentences on what was dropped or changed.
    """

    texts: Sequence[str]
    text_pairs: Sequence[str] | None
    labels: Sequence[str]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)

    def keep(self, indices: Sequence[int]) -> Rows:
        """Return the named rows, in that order."""
        pairs = None if self.text_pairs is None else [self.text_pairs[i] for i in indices]
        return Rows(
            texts=[self.texts[i] for i in indices], text_pairs=pairs, labels=[self.labels[i] for i in indices],
            notes=self.notes,
        )


def find_columns(table: pd.DataFrame, wanted: Wanted, *, where: str) -> Columns:
    """Return which columns are used; the ones not named are guessed by their usual names.

    Raises:
        TaskError: a named column that is not there, none that can be guessed, or two of the same name.
    """
    present = [str(column) for column in table.columns]
    guessed_text = next((name for name in TEXT_GUESSES if name in present), None)
    text_column = _column(wanted.text or guessed_text, present, where=where, role="text", usual="'text' or 'sentence1'")
    text_pair = wanted.text_pair
    if text_pair is None and text_column == "sentence1" and "sentence2" in present:
        text_pair = "sentence2"
    if wanted.label is None and present == [text_column]:
        raise TaskError(f"{where} is unlabelled: its only column is {text_column!r}, and training needs a label column.")
    label_column = _column(
        wanted.label or ("label" if "label" in present else None), present, where=where, role="label", usual="'label'"
    )
    pair_column = None
    if text_pair:
        pair_column = _column(text_pair, present, where=where, role="second text", usual="'sentence2'")
    chosen = [column for column in (text_column, pair_column, label_column) if column]
    if len(set(chosen)) < len(chosen):
        raise TaskError(f"{where}: the text, second text and label columns must differ, got {', '.join(chosen)}.")
    return Columns(text=text_column, text_pair=pair_column, label=label_column)


def _column(name: str | None, present: Sequence[str], *, where: str, role: str, usual: str) -> str:
    columns = ", ".join(repr(column[:40]) for column in present[:30]) or "none"
    if name is None:
        raise TaskError(
            f"{where} has no {role} column called {usual}. Its columns are: {columns}. Say which one is the {role} column."
        )
    if present.count(name) > 1:
        raise TaskError(
            f"{where} has {present.count(name)} columns called {name!r}; rename them in the file so that the {role} "
            "column is the only one of its name."
        )
    if name in present:
        return name
    near = get_close_matches(name, present, n=1, cutoff=0.5)
    nearest = f" Did you mean {near[0]!r}?" if near else ""
    raise TaskError(f"{where} has no {role} column {name!r}.{nearest} Its columns are: {columns}.")


def take_rows(table: pd.DataFrame, columns: Columns, *, where: str, names: Mapping[int, str] | None = None) -> Rows:
    """Return the usable rows: with a text, a second text where there are pairs, and a label.

    Args:
        names: class names by whole-number label, where the data set knows them; other labels count as missing.

    Raises:
        TaskError: no usable rows, or labels that are no classes.
    """
    if not len(table):
        raise TaskError(f"{where} has no data rows.")
    texts = [_words(value) for value in table[columns.text]]
    seconds = [_words(value) for value in table[columns.text_pair]] if columns.text_pair else None
    labels = label_words(table[columns.label].tolist(), where=where, column=columns.label)
    if names is not None:
        labels = [_named(label, names) for label in labels]
    no_text = {i for i, text in enumerate(texts) if not text.strip()}
    no_second = {i for i, text in enumerate(seconds or ()) if not text.strip()} - no_text
    no_label = {i for i, label in enumerate(labels) if label is None} - no_text - no_second
    kept = [i for i in range(len(texts)) if i not in no_text | no_second | no_label]
    if not kept:
        what = f"no label in column {columns.label!r}" if no_label else "no text"
        raise TaskError(f"{where} has no usable rows: of its {len(texts)} rows, every one has {what}. Check the columns.")
    words = [label or "" for label in labels]
    notes = _dropped(where, (("an empty text", no_text), ("a missing second text", no_second), ("a missing label", no_label)))
    longest = max(len(texts[i]) for i in kept)
    if longest > LONG_TEXT_CHARACTERS:
        notes += (f"{where}: the longest text has {longest:,} characters; the models cut long texts.",)
    return Rows(texts=texts, text_pairs=seconds, labels=words, notes=notes).keep(kept)


def _named(label: str | None, names: Mapping[int, str]) -> str | None:
    if label is None or label in names.values():
        return label
    return names.get(int(label)) if re.fullmatch(r"-?\d+", label) else label


def _dropped(where: str, groups: Sequence[tuple[str, set[int]]]) -> tuple[str, ...]:
    notes = []
    for what, rows in groups:
        if rows:
            first = ", ".join(str(row + 1) for row in sorted(rows)[:10]) + (", ..." if len(rows) > 10 else "")
            many = f"{len(rows)} rows with {what} were" if len(rows) > 1 else f"1 row with {what} was"
            notes.append(f"{where}: {many} dropped (data row{'s' if len(rows) > 1 else ''} {first}).")
    return tuple(notes)


def _words(value: object) -> str:
    missing = value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and isnan(value))
    return "" if missing else str(value)


def label_words(values: Sequence[Hashable], *, where: str, column: str) -> list[str | None]:
    """Return each label as a word, None where it is missing; 1, 1.0 and "1" are the same label.

    Raises:
        TaskError: numbers with a fractional part, which are no classes, or a mix of numbers and words.
    """
    words = [_label_word(value) for value in values]
    kinds = Counter(_kind(word) for word in words if word is not None)
    if kinds["fraction"]:
        raise TaskError(
            f"The label column {column!r} of {where} is numeric with fractions, as in regression; training needs "
            "classes. Choose another label column, or put the numbers into a few named classes."
        )
    if len([kind for kind in kinds if kinds[kind]]) > 1:
        distinct = sorted({word for word in words if word is not None})
        raise TaskError(
            f"The label column {column!r} of {where} mixes numbers, true/false and words: "
            f"{', '.join(repr(word) for word in distinct[:12])}. Write every class in one way."
        )
    return words


def _label_word(value: Hashable) -> str | None:
    word = _words(value).replace("\u00a0", " ").strip(INVISIBLE + " \t\r\n")
    if word.lower() in MISSING:
        return None
    if re.fullmatch(r"[+-]?\d+(\.0*)?", word):
        return str(int(float(word)))
    return word


def _kind(word: str) -> str:
    if re.fullmatch(r"-?\d+", word):
        return "number"
    if word.lower() in ("true", "false"):
        return "truth value"
    try:
        float(word)
    except ValueError:
        return "word"
    return "fraction"


def merge_spellings(rows: Rows, *, where: str) -> Rows:
    """Return the rows with labels that differ only in capitals or spaces made one class, with a note."""
    spellings: dict[str, Counter[str]] = {}
    for label in rows.labels:
        spellings.setdefault(" ".join(label.casefold().split()), Counter())[label] += 1
    chosen = {key: max(sorted(count), key=lambda word: (count[word], word)) for key, count in spellings.items()}
    merged = [f"{', '.join(repr(word) for word in sorted(count))} to {chosen[key]!r}"
              for key, count in sorted(spellings.items()) if len(count) > 1]
    if not merged:
        return rows
    note = f"{where}: labels that differ only in capitals or spaces were merged: {'; '.join(merged)}."
    labels = [chosen[" ".join(label.casefold().split())] for label in rows.labels]
    return Rows(texts=rows.texts, text_pairs=rows.text_pairs, labels=labels, notes=(*rows.notes, note))


def class_names(rows: Rows, *, where: str) -> tuple[str, ...]:
    """Return the classes of the training rows: whole numbers in order of size, words in order of the alphabet.

    Raises:
        TaskError: one class only, or so many that the labels are no classes.
    """
    names = set(rows.labels)
    if len(names) < 2:
        raise TaskError(
            f"{where} has one class only, {next(iter(names))!r}, in its {len(rows)} usable rows; training needs at "
            "least two classes. Check the label column."
        )
    if len(names) == len(rows) and len(rows) > 2 or len(names) > max(MOST_CLASSES, 1):
        raise TaskError(
            f"{where} has {len(names)} classes in {len(rows)} rows; that looks like an identifier or a text, not like "
            "classes. Choose another label column."
        )
    if all(re.fullmatch(r"-?\d+", name) for name in names):
        return tuple(sorted(names, key=int))
    return tuple(sorted(names))
