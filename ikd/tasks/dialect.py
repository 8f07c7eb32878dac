"""How a file of lines is laid out: what stands between its columns, and whether its first line names them."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import Any

ONE_COLUMN = "\ufdd0"
"""A delimiter that no text has: Unicode keeps it free."""
BY_RANK = "\t;|,"
"""Delimiters, the one that is least likely to stand in a text first."""
EXPECTED = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
ENOUGH, NEARLY_ALL = 0.5, 0.9
LONGEST_CELL = 2**31 - 1
ESCAPED = re.compile(r'(\\+)"')
QUOTE = "\ufdd2"
"""Stands for a quote that is a letter, behind a backslash, while records are read."""
USUAL_NAMES = frozenset((
    "text", "texts", "sentence", "sentences", "sentence1", "sentence2", "premise", "hypothesis", "question", "question1", "question2",
    "review", "content", "tweet", "comment", "document", "body", "query", "utterance", "title", "message", "label", "labels", "category",
    "class", "intent", "sentiment", "target", "topic", "emotion", "stars", "rating", "score", "quality", "id", "idx", "index", "guid",
    "uid",
))  # fmt: skip
NUMBER = re.compile(r"\s*[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?\s*")


def find_delimiter(sample: str, kind: str) -> str:
    """Return what separates columns: the delimiter that gives most lines the same number of columns.

    Args:
        sample: the first whole lines of a file.
        kind: the end of its name, such as ".csv".

    Returns:
        One of `BY_RANK`, or `ONE_COLUMN` where no delimiter divides the lines alike.
    """
    expected = EXPECTED.get(kind)
    best, best_share = ONE_COLUMN, 0.0
    for delimiter in BY_RANK:
        share = max(_share(widths, likely=delimiter == expected) for widths in _widths(sample, delimiter))
        if share > best_share:
            best, best_share = delimiter, share
    return best


def records_of(lines: Iterable[str], delimiter: str, *, quoted: bool, strict: bool = False) -> Any:
    """Return Python's reader of records; the bound that it has on the length of a cell is lifted."""
    csv.field_size_limit(LONGEST_CELL)
    quoting: Any = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    return csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=strict)


def without_escapes(line: str) -> str:
    """Return a line in which quotes behind a backslash are letters; two backslashes before a quote are one that is a letter."""
    if '\\"' not in line:
        return line
    return ESCAPED.sub(lambda found: "\\" * (len(found[1]) // 2) + (QUOTE if len(found[1]) % 2 else '"'), line)


def _widths(sample: str, delimiter: str) -> Iterator[list[int]]:
    """Yield the number of columns of each record: with quotes minded, as they stand, and with backslashes before them minded."""
    readings = [(sample, True), (sample, False)]
    if '\\"' in sample:
        readings.append((without_escapes(sample), True))
    for text, quoted in readings:
        reader = records_of(io.StringIO(text, newline=""), delimiter, quoted=quoted)
        yield [len(record) for record in reader if any(map(str.strip, record))]


def _share(widths: Sequence[int], *, likely: bool) -> float:
    """Return the share of records with the commonest number of columns, or 0 where that is no sign of a delimiter.

    A first record of one column says that there are no columns, unless nearly all others have them. Prose has commas too: a
    delimiter that the file's name does not promise must divide nearly all lines alike.
    """
    several = Counter(width for width in widths if width > 1)
    if not several or (len(widths) == 1 and not likely):
        return 0.0
    width, n = several.most_common(1)[0]
    share = n / len(widths)
    if likely and widths[0] > 1 and sum(one >= widths[0] for one in widths) >= NEARLY_ALL * len(widths):
        return share
    return share if share >= (ENOUGH if likely and widths[0] == width else NEARLY_ALL) else 0.0


def has_header(records: Sequence[Sequence[str]], kind: str) -> bool:
    """Return whether the first record names the columns: it is unlike the others, column by column.

    Args:
        records: the first records of a file, at least one.
        kind: the end of its name; a .txt without any sign of a header has none, other files have one.
    """
    first, rest = records[0], [record for record in records[1:] if list(record) != list(records[0])]
    score = sum(_unlike(name, [record[i] for record in rest if i < len(record)]) for i, name in enumerate(first))
    return score > 0 if kind == ".txt" else score >= 0


def looks_like_names(cells: Sequence[str]) -> bool:
    """Return whether more than half of some cells are usual names of columns."""
    return 2 * sum(cell.strip().casefold() in USUAL_NAMES for cell in cells) > len(cells)


def _unlike(name: str, cells: Sequence[str]) -> int:
    """Return how much a cell looks like the name of a column of cells: above 0 for a name, below for one more cell of them."""
    usual = 2 if name.strip().casefold() in USUAL_NAMES else 0
    filled = [cell for cell in cells if cell.strip()]
    if not filled or not name.strip():
        return usual
    if sum(NUMBER.fullmatch(cell) is not None for cell in filled) >= NEARLY_ALL * len(filled):
        return usual + (-1 if NUMBER.fullmatch(name) else 1)
    if len(set(filled)) <= len(filled) / 2:  # labels: a name is not one of them
        return usual + (-2 if name in filled else 1)
    typical = median(map(len, filled))
    if 3 * len(name) < typical:
        return usual + 1
    return usual - (1 if " " in name.strip() and len(name) > typical / 2 else 0)
