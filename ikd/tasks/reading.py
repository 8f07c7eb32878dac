"""One file of rows into a table: Parquet, CSV, TSV, JSON or JSON Lines, and what to say when it is none of them."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pandas as pd
from pyarrow import parquet

from ikd.errors import TaskError

LARGEST_BYTES = 500_000_000
LARGEST_CELL = 100_000_000
KINDS = (".parquet", ".csv", ".tsv", ".jsonl", ".json")
SIGNATURES = {
    b"\x89PNG": "a PNG image", b"\xff\xd8\xff": "a JPEG image", b"GIF8": "a GIF image", b"%PDF": "a PDF document",
    b"\x1f\x8b": "a gzip archive; unpack it first", b"PK\x03\x04": "a zip archive or an Office file; unpack or export it",
    b"\x7fELF": "a program", b"SQLite format 3": "an SQLite database", b"BZh": "a bzip2 archive; unpack it first",
}
BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class Table(NamedTuple):
    """What a file holds.

    Attributes:
        frame: its rows; column names may repeat.
        notes: plain sentences on what was odd about the file.
        class_names: by column, the names of whole-number classes where the file knows them.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    class_names: Mapping[str, dict[int, str]] = MappingProxyType({})


def read_table(path: str | Path) -> Table:
    """Return the rows of a file.

    Raises:
        TaskError: a file that is missing, too large, empty, or not what its name says.
    """
    try:
        file = Path(path).expanduser()
        kind = file.suffix.lower()
        _check_file(file, kind)
        if kind == ".parquet":
            return _read_parquet(file)
        data = file.read_bytes()
    except OSError as error:
        raise TaskError(f"The file {str(path)!r} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RuntimeError) as error:
        raise TaskError(f"{str(path)!r} is not the name of a file.") from error
    text, notes = _decode(data, file.name)
    if not text.strip():
        raise TaskError(f"{file.name} has no data rows: it holds nothing but line breaks or spaces.")
    table = READERS[kind](text, file.name)
    return table._replace(notes=notes + table.notes)


def _check_file(file: Path, kind: str) -> None:
    if file.is_dir():
        raise TaskError(f"{str(file)!r} is a folder, not a file; name one of the files in it, or use the task 'hub'.")
    if not file.exists():
        raise TaskError(f"There is no file {str(file)!r}; check the path.")
    if not file.is_file():
        raise TaskError(f"{str(file)!r} is not an ordinary file.")
    if kind not in KINDS:
        raise TaskError(f"{file.name}: files of rows end in {', '.join(KINDS)}, and this one in {kind or 'nothing'}.")
    size = file.stat().st_size
    if size > LARGEST_BYTES:
        raise TaskError(
            f"{file.name} has {size / 1e6:,.0f} MB, and files up to {LARGEST_BYTES / 1e6:,.0f} MB are read; "
            "cut it, or put it into a hub data set."
        )
    if size == 0:
        raise TaskError(f"{file.name} is empty: it has zero bytes.")


def _read_parquet(file: Path) -> Table:
    try:
        read = parquet.read_table(file)
        frame = read.to_pandas(ignore_metadata=True)
    except Exception as error:  # pyarrow raises many kinds; all of them mean the same to the reader
        raise TaskError(
            f"{file.name} is not a readable Parquet file; it may be cut off or be of another kind. Write it again."
        ) from error
    return Table(frame, class_names=_class_labels(read.schema.metadata or {}))


def _class_labels(metadata: dict[bytes, bytes]) -> dict[str, dict[int, str]]:
    """Return the class names that the `datasets` library leaves in a Parquet file, by column."""
    try:
        features: dict[str, Any] = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {
            column: dict(enumerate(map(str, feature["names"])))
            for column, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _decode(data: bytes, name: str) -> tuple[str, tuple[str, ...]]:
    """Return the text of a file, and a note where its encoding had to be guessed."""
    for signature, what in SIGNATURES.items():
        if data.startswith(signature):
            raise TaskError(f"{name} is not text: by its first bytes it is {what}.")
    encoding = next((encoding for mark, encoding in BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = _decode_windows(data, name)
        return text, (f"{name} is not valid UTF-8; it was read in the encoding Windows-1252. Check its special letters.",)
    if "\x00" in text:
        raise TaskError(f"{name} is not text: it holds zero bytes. Save it as UTF-8 text.")
    return text, ()


def _decode_windows(data: bytes, name: str) -> str:
    odd = sum(byte < 32 and byte not in b"\t\n\r\f" for byte in data[:100_000])
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
        odd += sum("\x80" <= letter <= "\x9f" for letter in text[:100_000])
    if odd:
        raise TaskError(f"{name} is not text: {odd} of its first bytes are in no text encoding. Save it as UTF-8 text.")
    return text


def _read_delimited(text: str, name: str, delimiter: str) -> Table:
    """Return the rows of delimited text; when quotes swallow lines, it is read again without quoting."""
    n_lines = sum(1 for line in text.splitlines() if line.strip())
    records = _records(text, delimiter, quoted=True)
    notes: tuple[str, ...] = ()
    if records is None or _swallowed(records, n_lines):
        records = _records(text, delimiter, quoted=False) or []
        notes = (f"{name} has quotes that do not match, which would swallow lines; it was read without quoting.",)
    records = [(line, record) for line, record in records if any(cell.strip() for cell in record)]
    if not records:
        raise TaskError(f"{name} has no data rows.")
    header = [cell.strip() for cell in records[0][1]]
    good = [record for _, record in records[1:] if len(record) <= len(header)]
    bad = [line for line, record in records[1:] if len(record) > len(header)]
    if bad:
        first = ", ".join(map(str, bad[:10])) + (", ..." if len(bad) > 10 else "")
        lines = "1 line was" if len(bad) == 1 else f"{len(bad)} lines were"
        notes += (f"{name}: {lines} left out for having more columns than the header's {len(header)} (line {first}).",)
    width = len(header)
    frame = pd.DataFrame([record + [None] * (width - len(record)) for record in good], columns=header, dtype=object)
    return Table(frame, notes)


def _records(text: str, delimiter: str, *, quoted: bool) -> list[tuple[int, list[str]]] | None:
    """Return each record with its last line number, or None where the quoting cannot be followed."""
    csv.field_size_limit(LARGEST_CELL)
    quoting: Any = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=quoted)
    try:
        return [(reader.line_num, record) for record in reader]
    except csv.Error:
        return None


def _swallowed(records: list[tuple[int, list[str]]], n_lines: int) -> bool:
    """Return whether one cell took in several of what look like records: much more lines than records need."""
    return any(cell.count("\n") > 20 for _, record in records for cell in record) and len(records) < n_lines / 2


def _read_json(text: str, name: str) -> Table:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        if text.lstrip().startswith("{") and "\n" in text.strip():
            return _read_json_lines(text, name)
        raise TaskError(f"{name} is not valid JSON: {error}. It should hold a list of rows, each with named fields.") from error
    if isinstance(found, dict):  # either one list of rows under some name, or columns of equal length
        found = next((value for value in found.values() if _is_rows(value)), found)
    if not _is_rows(found):
        raise TaskError(f"{name} should hold a list of rows, each with named fields such as 'text' and 'label'.")
    return Table(pd.DataFrame([row for row in found if isinstance(row, dict)], dtype=object))


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _read_json_lines(text: str, name: str) -> Table:
    if text.lstrip().startswith("["):
        return _read_json(text, name)
    rows, bad = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            rows.append(row) if isinstance(row, dict) else bad.append(number)
    if not rows:
        raise TaskError(f"{name} has no line that is a JSON row with named fields such as 'text' and 'label'.")
    notes: tuple[str, ...] = ()
    if bad:
        first = ", ".join(map(str, bad[:10])) + (", ..." if len(bad) > 10 else "")
        lines = "1 line that is" if len(bad) == 1 else f"{len(bad)} lines that are"
        notes = (f"{name}: {lines} no JSON row left out (line {first}).",)
    return Table(pd.DataFrame(rows, dtype=object), notes)


READERS: dict[str, Callable[[str, str], Table]] = {
    ".csv": lambda text, name: _read_delimited(text, name, ","),
    ".tsv": lambda text, name: _read_delimited(text, name, "\t"),
    ".jsonl": _read_json_lines,
    ".json": _read_json,
}
