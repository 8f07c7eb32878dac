"""Words that stand for a missing label in some files and are a class in others: NONE, NA, null, n/a, nan.

An empty cell, or a true null, is never a label. Of these words the training rows decide, and a note says what was decided:
a word is a class where `task.label_map` names it, or where it is about as frequent as a class. Beside numbers it never is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from ikd.tasks.labels import kind_of, quoted, row_count

WORDS = frozenset(("nan", "null", "none", "n/a", "na", "<na>", "#n/a"))
FEWEST_ROWS = 3
SHARE_OF_ROWS, SHARE_OF_A_CLASS = 0.1, 0.5
"""A word is a class with this share of all rows, or of the rows of a usual class (the median)."""


def stands_for_missing(word: str) -> bool:
    """Return whether a word stands for a missing label in some files."""
    return word.casefold() in WORDS


def kept_words(counts: Mapping[str, int], named: Collection[str]) -> frozenset[str]:
    """Return the words for a missing label that are classes here, in small letters.

    Args:
        counts: training rows of each label.
        named: labels that a person gives a name; they are always labels.
    """
    unsure, others = Counter[str](), Counter[str]()
    for word, n in counts.items():
        if not stands_for_missing(word):
            others[word.casefold()] += n
        elif word not in named:
            unsure[word.casefold()] += n
    if not others:
        return frozenset(unsure) if len(unsure) > 1 else frozenset()
    if all(kind_of(word) in ("number", "fraction", "truth value") for word in others):
        return frozenset()
    usual = sorted(others.values())[(len(others) - 1) // 2]
    n_rows = others.total() + unsure.total()
    return frozenset(word for word, n in unsure.items()
                     if n >= FEWEST_ROWS and (n >= SHARE_OF_A_CLASS * usual or n >= SHARE_OF_ROWS * n_rows))  # fmt: skip


def notes_on_missing(counts: Mapping[str, int], missing: Collection[str], kept: Collection[str], *, where: str) -> tuple[str, ...]:
    """Return a note on each word for a missing label: whether it was taken so or kept as a class, and how to change it.

    Args:
        counts: rows of each label.
        missing: labels taken for missing.
        kept: labels kept as classes.
        where: the words that say what the table is.
    """
    notes = []
    for word in sorted(missing):
        notes.append(f"{where}: the label {quoted(word)} ({row_count(counts[word])}) was taken for a missing label. If it is a class, "
                     f"name it in task.label_map: `{word}={word}`.")  # fmt: skip
    for word in sorted(kept):
        notes.append(f"{where}: the label {quoted(word)} ({row_count(counts[word])}) was kept as a class, for it is as frequent as one. If "
                     f"it stands for a missing label, give it no name in task.label_map: `{word}=`.")  # fmt: skip
    return tuple(notes)
