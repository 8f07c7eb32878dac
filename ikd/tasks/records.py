"""Records of a file of lines: the cells of each row, and what to do where quotes do not match.

Python's own csv reader reads the records, strictly. Where quotes do not match, a careless reader would take many lines for one cell;
here such lines, and only they, are read as if their quotes were letters, and a note names them. A file in which quotes are nothing
but letters is read so as a whole.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import chain, count, islice, pairwise
from typing import NamedTuple

from ikd.config.limits import Limits
from ikd.tasks.decoding import Source
from ikd.tasks.dialect import NEARLY_ALL, QUOTE, records_of, without_escapes
from ikd.tasks.tables import NAMED_LINES, check_columns, check_size

REREAD = 20
"""Lines are read again, behind quotes that do not match, at most so many times as there are lines."""
LOOKED_AT = 10_000
LONE_RETURN = re.compile(r"\r(?!\n)")
RETURN = "\ufdd1"
"""Stands for a carriage return that is a letter, while records are read: no text has it, Unicode keeps it free."""
LINE_BREAK = re.compile(r"\r\n|\r|\n")


class Record(NamedTuple):
    """A record and the number of the line on which it begins."""

    line: int
    cells: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Lines:
    """The lines of a text, and what stands between their cells; they can be gone through again.

    Attributes:
        text: the file.
        delimiter: what separates columns.
        skipped: lines before the first that counts.
        most: the bounds.
        returns: whether a carriage return is a letter unless a line feed follows. Some writers, pandas too, put such a cell into no quotes.
        escaped: whether a quote behind a backslash is a letter.
    """

    text: Source
    delimiter: str
    skipped: int
    most: Limits
    returns: bool = False
    escaped: bool = False

    def __iter__(self) -> Iterator[str]:
        with self.text.lines("\n" if self.returns else "") as lines:
            for line in islice(lines, self.skipped, None):
                n_cells = line.count(self.delimiter) + 1
                if n_cells > self.most.cells:  # before they are made: the line is one text, its cells would be many
                    check_size(self.text.name, 0, n_cells, self.most)
                line = LONE_RETURN.sub(RETURN, line) if self.returns else line
                yield without_escapes(line) if self.escaped else line

    def numbered(self, cells: Iterable[list[str]]) -> Iterator[Record]:
        """Yield the cells of each line with its number."""
        return map(Record, count(self.skipped + 1), cells)


def plain_lines(lines: Lines) -> Iterator[Record]:
    """Yield each line as a record of one cell, quotes and all."""
    return lines.numbered([line.rstrip("\r\n")] for line in lines)


def read_records(lines: Lines) -> tuple[list[Record], tuple[str, ...]]:
    """Return the records, and a note where quotes do not match, or stand behind backslashes.

    Raises:
        TaskError: too many rows, columns or cells.
    """
    if is_escaped(lines):
        records, notes = _read(replace(lines, escaped=True))
        return records, (f'{lines.text.name} has quotes behind backslashes (\\"); they were read as quotes within cells.', *notes)
    return _read(lines)


def _read(lines: Lines) -> tuple[list[Record], tuple[str, ...]]:
    errors = False
    try:
        records = bounded(_quoted(lines), lines)
        if not _has_swallowed(lines, records):
            return records, ()
    except csv.Error:
        errors = True
    name = lines.text.name
    if _all_alike(lines) and not _quotes_cells(lines):
        records = bounded(_unquoted(lines), lines)
        return records, (f"{name} has quotes that do not match, which would swallow lines; it was read without quoting.",)
    for across in (True, False) if errors else (False,):
        odd: list[int] = []
        records = bounded(_mended(lines, odd, across=across), lines)
        if not _has_swallowed(lines, records):
            break
    first = ", ".join(f"{line:,}" for line in odd[:NAMED_LINES]) + (", ..." if len(odd) > NAMED_LINES else "")
    which = f"line {first} was" if len(odd) == 1 else f"lines {first} were"
    return records, (f"{name} has quotes that do not match, which would swallow lines; {which} read without quoting.",)


def is_escaped(lines: Lines) -> bool:
    """Return whether backslashes take from quotes their meaning: without that the lines fall apart, with it they are alike."""
    if not any('\\"' in line for line in lines):
        return False
    escaped = replace(lines, escaped=True)
    plain_share, share = _share_alike(lines), _share_alike(escaped)
    return share >= NEARLY_ALL and (share > plain_share or (_fails(lines) and not _fails(escaped)))


def _share_alike(lines: Lines) -> float:
    """Return, of the records with a backslash or an escaped quote, the share with the width of the first record."""
    width, n_alike, n = 0, 0, 0
    for record in islice(records_of(lines, lines.delimiter, quoted=True), LOOKED_AT):
        width = width or len(record)
        if any("\\" in cell or QUOTE in cell for cell in record):
            n += 1
            n_alike += len(record) == width
    return n_alike / n if n else 0.0


def _fails(lines: Lines) -> bool:
    """Return whether quotes do not match somewhere."""
    try:
        for _ in _quoted(lines):
            pass
    except csv.Error:
        return True
    return False


def bounded(records: Iterator[Record], lines: Lines) -> list[Record]:
    """Return the records of some lines, read no further than the bounds allow."""
    kept: list[Record] = []
    n_cells = 0
    name, most = lines.text.name, lines.most
    for record in records:
        if lines.returns or lines.escaped:
            record = Record(record.line, [cell.replace(RETURN, "\r").replace(QUOTE, '"') for cell in record.cells])
        kept.append(record)
        n_cells += len(record.cells)
        if len(kept) == 1:
            check_columns(name, n_cells, most)
        if n_cells > most.cells or len(kept) > most.rows + 1:  # one of them may be the header
            check_size(name, len(kept) - 1, n_cells, most)
    return kept


def _quoted(lines: Lines) -> Iterator[Record]:
    reader = records_of(lines, lines.delimiter, quoted=True, strict=True)
    line = lines.skipped + 1
    for cells in reader:
        yield Record(line, cells)
        line = lines.skipped + reader.line_num + 1


def _unquoted(lines: Lines) -> Iterator[Record]:
    return lines.numbered(records_of(lines, lines.delimiter, quoted=False))


def _mended(lines: Lines, odd: list[int], *, across: bool) -> Iterator[Record]:
    """Yield records, and those lines without quoting whose quotes do not match.

    Args:
        lines: the lines.
        odd: an empty list, for the numbers of those lines.
        across: whether a quoted cell may go on across a line break.
    """
    kept = list(lines)
    place, left = 0, REREAD * len(kept)
    while place < len(kept):
        start, end = place, len(kept) if across and left > 0 else place + 1
        reader = records_of((kept[i] for i in range(start, end)), lines.delimiter, quoted=True, strict=True)
        try:
            for cells in reader:
                yield Record(lines.skipped + place + 1, cells)
                place = start + reader.line_num
        except csv.Error:
            left -= start + reader.line_num - place
            place += 1
            yield Record(lines.skipped + place, next(records_of([kept[place - 1]], lines.delimiter, quoted=False)))
            odd.append(lines.skipped + place)


def _has_swallowed(lines: Lines, records: Sequence[Record]) -> bool:
    """Return whether records of several lines are several rows: nearly all of those lines end in the labels that other rows have.

    A single record of two lines is left alone, and so is a file without labels: nothing speaks against its quotes.
    """
    spans = _spans(records)
    if sum(map(len, spans)) < 3:
        return False
    width = len(records[0].cells)
    labels = _labels(records, {span.start for span in spans}, width)
    if not labels:
        return False
    wanted = chain.from_iterable(spans)
    looked_at, n_rows, n_lines = next(wanted), 0, 0
    for line, cells in _unquoted(lines):
        if line == looked_at:
            n_lines += 1
            n_rows += len(cells) == width and all(cells[i].strip('" \r\n') in known for i, known in labels.items())
            looked_at = next(wanted, 0)
    return n_rows >= NEARLY_ALL * n_lines


def _spans(records: Sequence[Record]) -> list[range]:
    """Return the lines of each record that goes over several."""
    spans = [range(one.line, after.line) for one, after in pairwise(records)]
    if records:  # nothing says where the last one ends but its line breaks
        last = records[-1]
        spans.append(range(last.line, last.line + 1 + sum(len(LINE_BREAK.findall(cell)) for cell in last.cells)))
    return [span for span in spans if len(span) > 1]


def _labels(records: Sequence[Record], without: AbstractSet[int], width: int) -> dict[int, set[str]]:
    """Return the values of each column that has few of them, in records of one line."""
    whole = [cells for line, cells in islice(records, LOOKED_AT) if line not in without and len(cells) == width]
    columns = {i: {cells[i].strip('" ') for cells in whole} for i in range(width)}
    return {i: known for i, known in columns.items() if len(known) <= len(whole) / 2 and any(known)}


def _all_alike(lines: Lines) -> bool:
    """Return whether, without quoting, all lines have as many columns as the first, and more than one."""
    widths = {len(cells) for _, cells in _unquoted(lines) if any(map(str.strip, cells))}
    return len(widths) == 1 and widths != {1}


def _quotes_cells(lines: Lines) -> bool:
    """Return whether quotes are there to hold cells together: nearly all cells that begin with one also end with one."""
    begun = [cell for _, cells in _unquoted(lines) for cell in cells if cell.startswith('"')]
    n_ended = sum(len(cell) > 1 and cell.endswith('"') for cell in begun)
    return n_ended >= NEARLY_ALL * len(begun)
