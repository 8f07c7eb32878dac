"""How the labels of a task are read: decided on its training rows, and the same for every table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ikd.errors import TaskError
from ikd.tasks.labels import (
    have_decimal_commas,
    kind_of,
    label_word,
    listed,
    named_label,
    ordered_classes,
    quoted,
    quoted_name,
    row_count,
    words_of,
)  # fmt: skip
from ikd.tasks.lists import note_on_joined, refuse_joined, single_labels
from ikd.tasks.missing import kept_words, notes_on_missing, stands_for_missing
from ikd.tasks.spellings import note_on_writing

MOST_FRACTIONS, ROWS_OF_A_FRACTION = 20, 5
"""Numbers with fractions are classes where they are at most so many, each with so many rows on average."""
MINUS_ONE = "-1"


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """What the labels of a task stand for.

    Attributes:
        names: class names by whole-number label, where the data set knows them; other numbers count as missing.
        renamed: the names that a person gives to labels; an empty one leaves the rows of a label out.
        kept: words for a missing label that are classes here, in small letters.
        minus_one: whether -1 is a label of the training rows.
    """

    names: Mapping[int, str] | None = None
    renamed: Mapping[str, str]
    kept: frozenset[str] = frozenset()
    minus_one: bool = False

    def is_missing(self, word: str) -> bool:
        """Return whether a label, as it stands, is none."""
        if word in self.renamed:
            return False
        if self.names is not None:
            return stands_for_missing(word) and word not in self.names.values()
        return (word == MINUS_ONE and not self.minus_one) or (stands_for_missing(word) and word.casefold() not in self.kept)

    def class_of(self, word: str | None) -> str | None:
        """Return the class of a label as it stands; None where it is missing or its name is empty."""
        if word is None or self.is_missing(word):
            return None
        return self._name_of(word) or None

    def is_left_out(self, word: str | None) -> bool:
        """Return whether a person gives a label an empty name, which leaves its rows out."""
        return word is not None and not self.is_missing(word) and self._name_of(word) == ""

    def _name_of(self, word: str) -> str | None:
        name = word if self.names is None else named_label(word, self.names)
        # A person renames what the page shows, the data set's own names, or the numbers in the file.
        return next((self.renamed[key] for key in (name, word) if key is not None and key in self.renamed), name)

    def notes_on(self, words: Sequence[str | None], *, where: str, train: bool) -> tuple[str, ...]:
        """Return a note on each label of a table that is taken for missing, and of the training rows on each that is kept."""
        counts = Counter(word for word in words if word is not None)
        missing = [word for word in counts if self.is_missing(word)]
        kept = [word for word in counts if train and word.casefold() in self.kept and word not in self.renamed]
        unknown = counts[MINUS_ONE] if MINUS_ONE in missing and self.names is None else 0
        note = f"{where}: -1 ({row_count(unknown)}) was taken for a missing label, for the training rows have no such label."
        return (note,) * bool(unknown) + notes_on_missing(counts, [word for word in missing if word != MINUS_ONE], kept, where=where)


def label_words(values: Sequence[Any], *, where: str, column: str) -> tuple[list[str | None], tuple[str, ...]]:
    """Return each label as a word, None where the cell is empty; notes say what was in a list of one, or written in another way.

    Raises:
        TaskError: lists of several labels.
    """
    labels, notes = single_labels(values, where=where, column=column)
    words = [label_word(label) for label in labels]
    return words, notes + note_on_writing([words_of(label) for label in labels], words, where=where)


def vocabulary_of(words: Sequence[str | None], *, names: Mapping[int, str] | None, renamed: Mapping[str, str]) -> Vocabulary:
    """Return what the labels of the training rows stand for; `check_classes` says whether they are classes.

    Args:
        words: of `label_words`.
        names: class names by whole-number label, where the data set knows them.
        renamed: other names for labels, of `label_map`.
    """
    own = {label_word(label) or label: name for label, name in renamed.items()} | dict(renamed)
    counts = Counter(word for word in words if word is not None)
    if names is not None:
        return Vocabulary(names=names, renamed=own)
    return Vocabulary(renamed=own, kept=kept_words(counts, own), minus_one=MINUS_ONE in counts)


def check_classes(words: Sequence[str | None], vocabulary: Vocabulary, *, where: str, column: str) -> tuple[str, ...]:
    """Return notes where fractions, or labels that look joined, are classes; labels with a name of their own are not looked at.

    Raises:
        TaskError: several labels in a cell, -1 beside whole numbers, many numbers with fractions, or a mix of numbers and words.
    """
    if vocabulary.names is not None:
        return ()
    counts = Counter(word for word in words if word and word not in vocabulary.renamed and not vocabulary.is_missing(word))
    decimal = have_decimal_commas(counts)
    if not decimal:
        refuse_joined(list(counts), where=where, column=column)
    notes = () if decimal else note_on_joined(list(counts), where=where)
    _refuse_minus_one(counts, where=where, column=column)
    kinds = Counter(dict.fromkeys(("code", "number", "fraction", "truth value", "word"), 0))
    for word, n in counts.items():
        kinds["fraction" if decimal and "," in word else kind_of(word)] += n
    n_numbers = kinds["number"] + kinds["fraction"]
    is_mixed = sum(n > 0 for n in (n_numbers, kinds["truth value"], kinds["word"])) > 1
    if is_mixed and not (kinds["code"] and not kinds["truth value"] and not kinds["fraction"]):
        every = (("numbers", n_numbers + kinds["code"]), ("true/false", kinds["truth value"]), ("words", kinds["word"]))
        said = [name for name, n in every if n]
        raise TaskError(
            f"The label column {quoted_name(column)} of {where} mixes {', '.join(said[:-1])} and {said[-1]}: "
            f"{listed(sorted(counts), 12)}. Write every class in one way, or say in task.label_map which label is which class."
        )
    if not kinds["fraction"]:
        return notes
    if len(counts) > MOST_FRACTIONS or counts.total() < ROWS_OF_A_FRACTION * len(counts):
        raise TaskError(
            f"The label column {quoted_name(column)} of {where} is numeric with fractions, {len(counts):,} different numbers in "
            f"{row_count(counts.total())}, as in regression; training needs classes. Choose another label column, or put the numbers "
            f"into a few named classes (at most {MOST_FRACTIONS}, with {ROWS_OF_A_FRACTION} rows each on average)."
        )
    return (*notes, f"{where}: numeric labels with fractions were taken as {len(counts)} classes: {listed(ordered_classes(set(counts)))}.",)


def _refuse_minus_one(counts: Mapping[str, int], *, where: str, column: str) -> None:
    others = [word for word in counts if word != MINUS_ONE]
    if counts.get(MINUS_ONE) and len(others) > 1 and all(word.isdecimal() for word in others):
        raise TaskError(
            f"The label column {quoted_name(column)} of {where} has -1 ({row_count(counts[MINUS_ONE])}) beside "
            f"{listed(sorted(others), 8)}: "
            "it may stand for rows without a label or for a class. Say so in task.label_map: `-1=` leaves those rows without a label (left "
            "out, or studied with task.missing_labels study), `-1=negative` makes them a class of that name."
        )


def idle_entries(renamed: Mapping[str, str], words: Iterable[str | None], names: Mapping[int, str] | None) -> tuple[str, ...]:
    """Return a note on names that a person gives to labels which stand in no table."""
    known = {word for word in words if word} | set((names or {}).values())
    idle = [label for label in renamed if label not in known and (label_word(label) or label) not in known]
    if not idle:
        return ()
    near = [found[0] for label in idle[:3] if (found := get_close_matches(label, known, n=1, cutoff=0.6))]
    nearest = f" Did you mean {' or '.join(map(quoted, near))}?" if near else ""
    return (f"task.label_map names {listed(idle, 10)}, which {'is no label' if len(idle) == 1 else 'are no labels'} of the data; "
            f"{'it has' if len(idle) == 1 else 'they have'} no effect.{nearest} The labels are {listed(sorted(known))}.",)  # fmt: skip
