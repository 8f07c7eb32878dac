"""Labels as they stand in a table, and the classes they become."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from math import isnan

import pandas as pd

from ikd.config.limits import limits
from ikd.errors import TaskError

MISSING = frozenset(("", "nan", "null", "none", "n/a", "na", "<na>", "#n/a"))
WHOLE = re.compile(r"[+-]?\d{1,18}(\.0*)?")
INVISIBLE = "".join(map(chr, (0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF)))


def words_of(value: object) -> str:
    """Return a cell as text, empty where there is nothing."""
    missing = value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and isnan(value))
    return "" if missing else str(value)


def label_map(given: str | None) -> dict[str, str]:
    """Return the names that a setting gives to labels: `0=no; 1=yes`, or a JSON object.

    Raises:
        TaskError: anything else.
    """
    if not given or not given.strip():
        return {}
    how = 'Write it as `0=no; 1=yes` or as JSON, {"0": "no", "1": "yes"}.'
    if given.lstrip().startswith("{"):
        try:
            found = json.loads(given)
        except (ValueError, RecursionError) as error:
            raise TaskError(f"task.label_map is no JSON object ({error}). {how}") from error
        if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
            raise TaskError(f"task.label_map must give a text for each label. {how}")
        return {str(label): name.strip() for label, name in found.items()}
    parts = [part for part in given.split(";") if part.strip()]
    wrong = next((part for part in parts if "=" not in part), None)
    if wrong is not None:
        raise TaskError(f"task.label_map has {wrong.strip()[:60]!r}, which says no label and its name. {how}")
    return {label.strip(): name.strip() for label, _, name in (part.partition("=") for part in parts)}


def label_words(
    values: Sequence[Hashable], *, where: str, column: str, names: Mapping[str, str] | None = None
) -> list[str | None]:
    """Return each label as a word, None where it is missing or its name is empty; 1, 1.0 and "1" are the same label.

    Args:
        values: the cells.
        where: the words that say what table they are from.
        column: their column.
        names: other names for labels, of `label_map`.

    Raises:
        TaskError: numbers with a fractional part, which are no classes, or a mix of numbers and words; labels with a name of their own
            are not looked at.
    """
    words = [label_word(value) for value in values]
    renamed = names or {}
    kinds = Counter(_kind(word) for word in words if word is not None and word not in renamed)
    if kinds["fraction"]:
        raise TaskError(
            f"The label column {column!r} of {where} is numeric with fractions, as in regression; training needs "
            "classes. Choose another label column, or put the numbers into a few named classes."
        )
    if len([kind for kind in kinds if kinds[kind]]) > 1:
        distinct = sorted({word for word in words if word is not None})
        raise TaskError(
            f"The label column {column!r} of {where} mixes numbers, true/false and words: "
            f"{', '.join(repr(word) for word in distinct[:12])}. Write every class in one way, or say in task.label_map which label is "
            "which class."
        )
    return [None if word is None else (renamed.get(word, word) or None) for word in words]


def label_word(value: Hashable) -> str | None:
    """Return a label as a word: spaces and invisible letters at its ends taken off, None where it is missing."""
    word = words_of(value).replace("\u00a0", " ").strip(INVISIBLE + " \t\r\n")
    if word.lower() in MISSING:
        return None
    if WHOLE.fullmatch(word):
        return str(int(word.partition(".")[0]))
    return word


def _kind(word: str) -> str:
    if WHOLE.fullmatch(word):
        return "number"
    if word.lower() in ("true", "false"):
        return "truth value"
    try:
        float(word)
    except ValueError:
        return "word"
    return "fraction"


def common_spellings(counts: Mapping[str, int]) -> dict[str, str]:
    """Return for each label the most frequent spelling of those that differ from it only in capitals or spaces.

    Args:
        counts: rows of each label.
    """
    groups: dict[str, list[str]] = {}
    for label in counts:
        groups.setdefault(_spelling(label), []).append(label)
    chosen = {key: max(sorted(group), key=lambda word: (counts[word], word)) for key, group in groups.items()}
    return {label: chosen[_spelling(label)] for label in counts}


def merged_spellings(labels: Sequence[str], *, where: str) -> tuple[Sequence[str], tuple[str, ...]]:
    """Return labels that differ only in capitals or spaces as one class, and a note where there were any; "" is no label."""
    common = common_spellings(Counter(labels))
    groups: dict[str, list[str]] = {}
    for label, name in common.items():
        groups.setdefault(name, []).append(label)
    merged = [f"{', '.join(map(repr, sorted(group)))} to {name!r}"
              for name, group in sorted(groups.items(), key=lambda one: _spelling(one[0])) if len(group) > 1]  # fmt: skip
    if not merged:
        return labels, ()
    note = f"{where}: labels that differ only in capitals or spaces were merged: {'; '.join(merged)}."
    return [common[label] for label in labels], (note,)


def _spelling(label: str) -> str:
    return " ".join(label.casefold().split())


def class_names(labels: Sequence[str], *, where: str) -> tuple[str, ...]:
    """Return the classes of the training labels: whole numbers in order of size, words in order of the alphabet.

    Raises:
        TaskError: one class only, or so many that the labels are no classes.
    """
    names, most = set(labels), limits().classes
    if len(names) < 2:
        raise TaskError(
            f"{where} has one class only, {next(iter(names), '')!r}, in its {len(labels)} usable rows; training needs at "
            "least two classes. Check the label column."
        )
    if len(names) == len(labels) and len(labels) > 2 or len(names) > most:
        raise TaskError(
            f"{where} has {len(names)} classes in {len(labels)} rows (at most {most} are allowed); that looks like an identifier or a "
            "text, not like classes. Choose another label column."
        )
    return ordered_classes(names)


def ordered_classes(names: set[str]) -> tuple[str, ...]:
    """Return whole numbers in order of size, words in order of the alphabet."""
    return tuple(sorted(names, key=float)) if all(WHOLE.fullmatch(name) for name in names) else tuple(sorted(names))
