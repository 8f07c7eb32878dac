"""Lines of text into a table: columns between delimiters, quoted or not, or one text a line. Cells are the exact text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from ikd.config.limits import Limits
from ikd.errors import TaskError
from ikd.tasks.decoding import Source
from ikd.tasks.dialect import ONE_COLUMN, find_delimiter, has_header, looks_like_names
from ikd.tasks.labels import quoted_name
from ikd.tasks.records import Lines, Record, bounded, plain_lines, read_records
from ikd.tasks.tables import DELIMITERS, Reading, Table, check_size, framed, left_out

SAMPLE_CHARACTERS = 2**18
HEADER_RECORDS = 500
NAMES_WITHIN, NAMED_CELLS = 20, 5
SAID_DELIMITER = re.compile(r'"?sep=([^\w\s"]|\t)"?[ \t]*[\r\n]')


def read_delimited(text: Source, kind: str, how: Reading, most: Limits) -> Table:
    """Return the rows of lines of text.

    Args:
        text: the file.
        kind: the end of its name, such as ".csv".
        how: what a person says of the delimiter and the header.
        most: the bounds.

    Raises:
        TaskError: no rows, or too many rows or columns.
    """
    sample, said = _sample(text)
    delimiter = DELIMITERS.get(how.delimiter) or said or find_delimiter(sample, kind)
    lines = Lines(text=text, delimiter=delimiter, skipped=1 if said else 0, most=most, returns=_returns_are_letters(text, sample))
    notes: tuple[str, ...] = ()
    if delimiter == ONE_COLUMN and kind == ".txt":
        records = bounded(plain_lines(lines), lines)
    else:
        records, notes = read_records(lines)
    records = [record for record in records if len(record.cells) > 1 or any(map(str.strip, record.cells))]
    if not records:
        raise TaskError(f"{text.name} has no data rows: it holds nothing but line breaks or spaces.")
    header = how.header == "yes" or (
        how.header == "auto" and has_header([record.cells for record in records[:HEADER_RECORDS]], kind)
    )
    return _table(text.name, records, header, most, notes + _note_on_names(text.name, records, header))


def _note_on_names(name: str, records: Sequence[Record], header: bool) -> tuple[str, ...]:
    """Return a note where one of the first lines looks like the names of columns and is read as a row."""
    begin = records[1 if header else 0 : NAMES_WITHIN]
    found = next((one for one in begin if looks_like_names(one.cells) and (one is records[0] or len(one.cells) > 1)), None)
    if found is None or (header and list(map(str.strip, found.cells)) == list(map(str.strip, records[0].cells))):
        return ()  # a header that comes again is left out
    names = ", ".join(quoted_name(cell.strip()) for cell in found.cells[:NAMED_CELLS])
    what = "set task.header to yes" if found is records[0] else "take out the lines before it"
    return (f"{name}: line {found.line:,} looks like the names of columns ({names}), and was read as a row; if it is, {what}.",)


def _sample(text: Source) -> tuple[str, str | None]:
    """Return the first whole lines, and the delimiter that a first line "sep=;" says, which spreadsheets write."""
    with text.lines() as lines:
        sample = lines.read(SAMPLE_CHARACTERS)
    if len(sample) == SAMPLE_CHARACTERS:
        sample = sample[: max(sample.rfind("\n"), sample.rfind("\r")) + 1] or sample
    said = SAID_DELIMITER.match(sample)
    return sample, said[1] if said else None


def _returns_are_letters(text: Source, sample: str) -> bool:
    """Return whether the ends of lines have line feeds, but for some carriage returns that are letters."""
    if text.data.count(b"\r") == text.data.count(b"\r\n"):
        return False
    return 10 * (sample.count("\r") - sample.count("\r\n")) <= sample.count("\n")


def _table(name: str, records: Sequence[Record], header: bool, most: Limits, notes: tuple[str, ...]) -> Table:
    """Return the records as a table, with a note on each kind of line that is left out."""
    rows = records[1:] if header else records
    if not rows:
        raise TaskError(f"{name} has no data rows: its only line holds the names of the columns.")
    width = len(records[0].cells) if header else Counter(len(record.cells) for record in rows).most_common(1)[0][0]
    check_size(name, len(rows), len(rows) * width, most)
    fitted = [(line, _fitted(cells, width)) for line, cells in rows]
    again = [line for line, cells in rows if header and list(map(str.strip, cells)) == list(map(str.strip, records[0].cells))]
    if again:
        notes += (left_out(name, again, "repeating the header"),)
    wide = [line for line, cells in fitted if len(cells) > width]
    if wide:
        of = "the header's " if header else "the usual "
        notes += (left_out(name, wide, f"having more columns than {of}{width}"),)
    long = [line for line, cells in fitted if len(cells) == width and any(len(cell or "") > most.cell_characters for cell in cells)]
    if long:
        notes += (left_out(name, long, f"a cell longer than {most.cell_characters:,} characters"),)
    dropped = {*again, *wide, *long}
    kept = [cells for line, cells in fitted if line not in dropped]
    if not kept:
        raise TaskError(f"{name} has no data rows: all of its {len(rows):,} are left out. {' '.join(notes)} Check its quotes "
                        "and delimiter, or name the delimiter in task.delimiter.")  # fmt: skip
    names = [cell.strip() for cell in records[0].cells] if header else [""] * width
    used = [i for i in range(width) if names[i] or not header or any(row[i] for row in kept)]
    if not header:
        notes += (f"{name} has no header line; its columns are called column 1 to column {width}." if width > 1 else
                  f"{name} has no header line; its column is called column 1.",)  # fmt: skip
    frame = framed([names[i] or f"column {i + 1}" for i in used], [[row[i] for row in kept] for i in used])
    return Table(frame, notes, header=header, layout="delimited")


def _fitted(cells: Sequence[str], width: int) -> list[str | None]:
    """Return a record of the given width: missing cells are None, empty ones beyond it are left out."""
    kept = [*cells[:width], *[None] * (width - len(cells))]
    return [*kept, *cells[width:]] if any(cells[width:]) else kept
