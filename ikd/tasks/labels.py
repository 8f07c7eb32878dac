"""Labels as they stand in a table, and the classes they become."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from decimal import Decimal
from math import isnan

import pandas as pd

from ikd.config.limits import limits
from ikd.errors import TaskError

WHOLE = re.compile(r"[+-]?\d+(\.0*)?")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,4})?", re.IGNORECASE)
PLAIN_WHOLE = re.compile(r"([+-]?)(0|[1-9]\d*)(\.0*)?")
WITH_COMMA = re.compile(r"[+-]?\d+,\d+")
HALVES = frozenset(("0", "5", "00", "25", "50", "75"))
"""What stands behind the comma of numbers that count in halves or quarters, as stars do."""
CODE = re.compile(r"[+-]?0\d+(\.0*)?")
"""A number with leading zeros is a code: its zeros belong to the class."""
INVISIBLE = "".join(map(chr, (0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF)))
ENDS = INVISIBLE + "\u00a0 \t\r\n"
LONGEST_SHOWN, LONGEST_NAME, MOST_SHOWN = 60, 200, 20


def words_of(value: object) -> str:
    """Return a cell as text, empty where there is nothing."""
    missing = value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and isnan(value))
    return "" if missing else str(value)


def quoted(label: str, longest: int = LONGEST_SHOWN) -> str:
    """Return a label in quotes for a sentence: a long one is cut, and invisible letters are written by their numbers, as [U+200B]."""
    short = label if len(label) <= longest else f"{label[: longest - 1]}…"
    seen = "".join(letter if letter.isprintable() else f"[{number_of(letter)}]" for letter in short)
    mark = '"' if "'" in seen and '"' not in seen else "'"
    return f"{mark}{seen}{mark}"


def quoted_name(column: str) -> str:
    """Return the name of a column in quotes for a sentence."""
    return quoted(column, LONGEST_NAME)


def number_of(letter: str) -> str:
    """Return the number of a letter as Unicode writes it, such as U+200B."""
    return f"U+{ord(letter):04X}"


def row_count(n: int) -> str:
    """Return a number of rows in words: "1 row", "1,200 rows"."""
    return "1 row" if n == 1 else f"{n:,} rows"


def listed(labels: Iterable[str], most: int = MOST_SHOWN) -> str:
    """Return labels in quotes, separated by commas; the first of many, and of long ones their beginnings."""
    every = list(labels)
    return ", ".join(map(quoted, every[:most])) + (f" and {len(every) - most:,} more" if len(every) > most else "")


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


def label_word(value: Hashable) -> str | None:
    """Return a label as a word, None where the cell is empty.

    Spaces and invisible letters at its ends are taken off. 1, 1.0 and "1" are the same label; leading zeros stay.
    """
    word = words_of(value).strip(ENDS)
    found = PLAIN_WHOLE.fullmatch(word)
    if found:
        return f"-{found[2]}" if found[1] == "-" and found[2] != "0" else found[2]
    return word or None


def kind_of(word: str) -> str:
    """Return what a label looks like: a code, a number, a fraction, a truth value or a word."""
    if CODE.fullmatch(word):
        return "code"
    if WHOLE.fullmatch(word):
        return "number"
    if word.lower() in ("true", "false"):
        return "truth value"
    return "fraction" if NUMBER.fullmatch(word) else "word"


def have_decimal_commas(labels: Collection[str]) -> bool:
    """Return whether labels are numbers some of which have a decimal comma, as 0,5 and 1,0, rather than several labels in one, as 1,2."""
    parts = [label.split(",") for label in labels if WITH_COMMA.fullmatch(label)]
    if not parts or not all(WITH_COMMA.fullmatch(label) or NUMBER.fullmatch(label) for label in labels):
        return False
    alone = all(one not in labels for pair in parts for one in pair)
    return len({len(behind) for _, behind in parts}) == 1 and (alone or all(behind in HALVES for _, behind in parts))


def as_number(label: str) -> Decimal | None:
    """Return a label as a number, with a decimal point or comma; None where it is none."""
    return Decimal(label.replace(",", ".")) if NUMBER.fullmatch(label) or WITH_COMMA.fullmatch(label) else None


def class_names(labels: Sequence[str], *, where: str) -> tuple[str, ...]:
    """Return the classes of the training labels: numbers in order of size, words in order of the alphabet.

    Raises:
        TaskError: one class only, or so many that the labels are no classes.
    """
    names, most = set(labels), limits().classes
    if len(names) < 2:
        raise TaskError(
            f"{where} has one class only, {quoted(next(iter(names), ''))}, in its {len(labels)} usable rows; training needs at "
            "least two classes. Check the label column."
        )
    if len(names) == len(labels) and len(labels) > 2 or len(names) > most:
        raise TaskError(
            f"{where} has {len(names)} classes in {len(labels)} rows (at most {most} are allowed); that looks like an identifier or a "
            "text, not like classes. Choose another label column."
        )
    return ordered_classes(names)


def ordered_classes(names: set[str]) -> tuple[str, ...]:
    """Return numbers in order of size, words in order of the alphabet."""
    numbers = {name: number for name in names if (number := as_number(name)) is not None}
    if len(numbers) == len(names):
        return tuple(sorted(names, key=lambda name: (numbers[name], name)))
    return tuple(sorted(names))


def named_label(word: str | None, names: Mapping[int, str]) -> str | None:
    """Return the name that a data set gives to a whole-number label; None where it has none for it."""
    if word is None or word in names.values():
        return word
    return names.get(int(word)) if re.fullmatch(r"-?\d{1,18}", word) else word
