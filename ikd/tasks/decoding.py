"""Bytes into text: gzip, byte order marks, and encodings, guessed where a file does not say. No byte is dropped or replaced."""

from __future__ import annotations

import codecs
import io
import zlib
from collections.abc import Sequence
from gzip import BadGzipFile, GzipFile
from typing import NamedTuple

from ikd.config.encodings import text_codec, unknown_encoding
from ikd.config.limits import MB, Limits
from ikd.errors import TaskError
from ikd.tasks.guessing import WIDE, guessed_encoding, is_written_in, line_of_fault, spoken

GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"
SIGNATURES = {
    b"\x89PNG": "a PNG image", b"\xff\xd8\xff": "a JPEG image", b"GIF8": "a GIF image", b"%PDF-": "a PDF document",
    GZIP: "a gzip archive within a gzip archive; unpack it first", b"BZh": "a bzip2 archive; unpack it first",
    b"PK\x03\x04": "a zip archive or an Office file; unpack it, or save its sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Office file; save its sheet as CSV", b"\xfd7zXZ": "an xz archive; unpack it first",
    b"(\xb5/\xfd": "a Zstandard archive; unpack it first", b"7z\xbc\xaf": "a 7-Zip archive; unpack it first",
    b"\x7fELF": "a program", b"SQLite format 3": "an SQLite database", PARQUET: "a Parquet file",
}  # fmt: skip
MARKS = (  # the marks of UTF-16 are beginnings of those of UTF-32
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
CHUNK = MB
MOST_ZEROS = 0.01
"""Zero bytes of a text, as a share; with more of them it is none."""
NAMED_LINES = 10


class Source(NamedTuple):
    """A file that is text.

    Attributes:
        name: its name.
        data: its bytes, unpacked.
        encoding: a codec that reads all of them.
        notes: plain sentences on how they became text.
    """

    name: str
    data: bytes
    encoding: str
    notes: tuple[str, ...] = ()

    def lines(self, end: str = "") -> io.TextIOWrapper:
        """Return the text line by line, with their ends as they are: those of any system, or the one given."""
        return io.TextIOWrapper(io.BytesIO(self.data), encoding=self.encoding, newline=end)

    def text(self) -> str:
        """Return the whole text."""
        return self.data.decode(self.encoding)


def unpacked(data: bytes, name: str, most: Limits) -> tuple[bytes, tuple[str, ...]]:
    """Return what a gzip file holds, and a note; other bytes as they are.

    Raises:
        TaskError: a damaged file, or one that unpacks to too much.
    """
    if not data.startswith(GZIP):
        return data, ()
    out = io.BytesIO()
    notes: tuple[str, ...] = (f"{name} is a gzip file; it was unpacked.",)
    try:
        with GzipFile(fileobj=io.BytesIO(data)) as file:
            while part := file.read1(CHUNK):
                out.write(part)
                if out.tell() > most.unpacked_mb * MB:
                    raise TaskError(
                        f"{name} is a gzip file that unpacks to more than {most.unpacked_mb:,} MB, the most that is read: "
                        "cut it, or raise IKD_MAX_UNPACKED_MB."
                    )
    except (EOFError, OSError, zlib.error) as fault:
        if not (isinstance(fault, BadGzipFile) and "Not a gzipped file" in str(fault) and out.tell()):
            raise TaskError(f"{name} is a gzip file that is damaged or cut off ({fault}): pack it again.") from fault
        notes += (f"{name}: what follows the end of the gzip data was left out.",)  # the command gzip does so too
    return out.getvalue(), notes


def source(data: bytes, name: str, encoding: str | None = None) -> Source:
    """Return bytes as text.

    Args:
        data: the unpacked bytes of the file.
        name: its name.
        encoding: what a person says it is written in; None: found out.

    Raises:
        TaskError: no text, text in another encoding than the one named, or an encoding that is not known.
    """
    for signature, what in SIGNATURES.items():
        if data.startswith(signature):
            raise TaskError(f"{name} is not text: by its first bytes it is {what}.")
    if data[257:262] == b"ustar":
        raise TaskError(f"{name} is not text: by its first bytes it is a tar archive; unpack it first.")
    mark = next((codec for mark, codec in MARKS if data.startswith(mark)), None)
    if encoding:
        return _as_named(data, name, encoding, mark)
    if is_written_in(data, mark or "utf-8"):
        return _without_zeros(Source(name, data, mark or "utf-8"))
    if mark:
        raise TaskError(
            f"{name} begins as {spoken(mark)} and does not go on so in line {line_of_fault(data, mark):,}: it is cut off, or pasted "
            "together. Save it as UTF-8 text, or name its encoding in task.encoding."
        )
    return _guessed(data, name)


def _guessed(data: bytes, name: str) -> Source:
    few = 0 < data.count(0) <= MOST_ZEROS * len(data)
    try:
        found = guessed_encoding(data, name)
    except TaskError:
        if not few:
            raise
        cleaned = _guessed(data.replace(b"\0", b""), name)  # in an encoding of one byte a letter, a zero is no part of any
        return cleaned._replace(notes=(_zeros_note(name, *_lines_of_zeros(data)), *cleaned.notes))
    why = "has no byte order mark" if found in WIDE else "is not valid UTF-8"
    note = f"{name} {why}; it was read in the encoding {spoken(found)}, which was guessed. Check its special letters."
    return _without_zeros(Source(name, data, found, (note,)))


def _as_named(data: bytes, name: str, encoding: str, mark: str | None) -> Source:
    codec = text_codec(encoding)
    if codec is None:
        raise TaskError(unknown_encoding(encoding))
    if mark and mark.startswith(codec[:6]):  # of the same family: the mark is no letter of the text
        codec = mark
    if not is_written_in(data, codec):
        raise TaskError(
            f"{name} is not written in {encoding}, by its line {line_of_fault(data, codec):,}: name another encoding, or leave "
            "task.encoding empty to have it found out."
        )
    return _without_zeros(Source(name, data, codec))


def _without_zeros(text: Source) -> Source:
    """Return the text without its few zero characters, with a note on their lines.

    Raises:
        TaskError: it has many of them, so that it is no text.
    """
    zeros = text.data.count(0)
    if zeros == 0 or is_written_in(text.data, text.encoding, lambda part: "\x00" not in part):
        return text
    if text.encoding == "utf-8" and zeros * 4 > len(text.data):
        return _guessed(text.data, text.name)
    letters = text.text()
    n, lines = _lines_of_zeros(letters.encode("utf-8", "surrogatepass"))
    if n > MOST_ZEROS * len(letters):
        raise TaskError(f"{text.name} is not text: it holds {n:,} zero bytes, the first in line {lines[0]:,}. Save it as UTF-8 text.")
    data = letters.replace("\x00", "").removeprefix("\ufeff").encode("utf-8", "surrogatepass")
    return Source(text.name, data, "utf-8", (*text.notes, _zeros_note(text.name, n, lines)))


def _lines_of_zeros(data: bytes) -> tuple[int, list[int]]:
    """Return how many zero bytes there are, and the numbers of the first lines that hold them."""
    lines: list[int] = []
    line, before, place = 1, 0, data.find(0)
    while place >= 0 and len(lines) < NAMED_LINES:
        line += data.count(b"\n", before, place)
        before = place
        lines += [line] if line not in lines else []
        place = data.find(0, place + 1)
    return data.count(0), lines


def _zeros_note(name: str, n: int, lines: Sequence[int]) -> str:
    where = f"line {lines[0]:,}" if len(lines) == 1 else f"lines {', '.join(f'{line:,}' for line in lines)}"
    more = ", ..." if len(lines) == NAMED_LINES else ""
    what = "1 zero byte (NUL) was" if n == 1 else f"{n:,} zero bytes (NUL) were"
    return f"{name}: {what} taken out of {where}{more}; look whether the rows there are whole."
