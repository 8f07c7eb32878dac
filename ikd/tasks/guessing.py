"""In which encoding bytes are written that do not say so."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable, Iterator

from charset_normalizer import from_bytes

from ikd.errors import TaskError
from ikd.tasks.latin import PAGES, latin_order

CHUNK = 2**20
SAMPLE_BYTES = 2**15
LONGEST_LINE = 2**12
WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
NARROW = (
    *PAGES, "cp1251", "cp1253", "cp1255", "cp1256", "koi8_r", "iso8859_5", "cp874", "cp932", "euc_jp", "gb18030", "big5hkscs", "cp949",
)  # fmt: skip
NAMES = {
    "cp932": "Shift-JIS", "euc_jp": "EUC-JP", "gb18030": "GB18030", "big5hkscs": "Big5", "cp949": "EUC-KR", "koi8_r": "KOI8-R",
    "mac_roman": "Mac Roman",
    "utf-8-sig": "UTF-8", "utf-16-le": "UTF-16 (little endian)", "utf-16-be": "UTF-16 (big endian)",
    "utf-32-le": "UTF-32 (little endian)", "utf-32-be": "UTF-32 (big endian)",
}  # fmt: skip
NO_ASCII = re.compile(rb"[\x80-\xff]")
FEWEST_ASCII, LEAST_SHARE_OF_ASCII = 3, 0.005
NO_LETTERS = ("Cc", "Cn", "Co", "Cs")


def spoken(codec: str) -> str:
    """Return the usual name of an encoding."""
    plain = re.sub(r"^cp(?=125\d|874)", "Windows-", re.sub(r"^iso8859_", "ISO-8859-", codec))
    return NAMES.get(codec, plain if plain != codec else codec.upper())


def is_written_in(data: bytes, codec: str, accepts: Callable[[str], bool] = lambda text: True) -> bool:
    """Return whether a codec reads every byte, and every piece of the text is accepted."""
    decoder = codecs.getincrementaldecoder(codec)()
    try:
        pieces = (decoder.decode(data[start : start + CHUNK]) for start in range(0, len(data), CHUNK))
        return all(map(accepts, pieces)) and accepts(decoder.decode(b"", final=True))
    except UnicodeError:
        return False


def line_of_fault(data: bytes, codec: str) -> int:
    """Return the number of the first line that a codec cannot read; that of the last one if it reads all."""
    try:
        return data.decode(codec).count("\n") + 1
    except UnicodeDecodeError as fault:
        return fault.object[: fault.start].decode(codec, "ignore").count("\n") + 1


def guessed_encoding(data: bytes, name: str) -> str:
    """Return the likeliest encoding of bytes that are not UTF-8: one that reads every byte as a letter, a sign or a space.

    Raises:
        TaskError: there is none, or the bytes are UTF-8 but for a few.
    """
    zeros = 0 in data[: 2 * CHUNK]
    sample = data[: 2 * CHUNK] if zeros else _sample(data)
    if not zeros:
        _check_damage(data, sample, name)
    for codec in _wide(sample) if zeros else _narrow(sample):
        if is_written_in(data, codec, _has_meaning if zeros else _is_plain):
            return codec
    what = "it holds zero bytes" if zeros else "its bytes are in no text encoding that is known here"
    raise TaskError(f"{name} is not text: {what}. Save it as UTF-8 text, or name its encoding in task.encoding.")


def _has_meaning(text: str) -> bool:
    """Return whether a text has no zero characters, and none that Unicode gives no meaning to."""
    return not any(letter == "\x00" or unicodedata.category(letter) in ("Cn", "Co") for letter in set(text))


def _is_plain(text: str) -> bool:
    """Return whether a text has no control characters, and none without a meaning."""
    return not any(unicodedata.category(letter) in NO_LETTERS for letter in set(text) - set("\t\n\v\f\r"))


def _sample(data: bytes) -> bytes:
    """Return the first lines with bytes beyond ASCII: all there is to guess from."""
    parts, n_bytes, place = [], 0, 0
    while n_bytes < SAMPLE_BYTES and (found := NO_ASCII.search(data, place)):
        start = max(data.rfind(b"\n", place, found.start()) + 1, data.rfind(b"\r", place, found.start()) + 1, place)
        start = max(start, found.start() - LONGEST_LINE)
        end = data.find(b"\n", found.start())
        place = len(data) if end < 0 else end + 1
        part = _whole(data[start : min(place, start + 2 * LONGEST_LINE)])
        parts.append(part)
        n_bytes += len(part)
    return b"".join(parts)


def _whole(line: bytes) -> bytes:
    """Return a long line up to its last byte that is the end of a letter in every encoding: a space or a sign below the digits."""
    if len(line) < 2 * LONGEST_LINE:
        return line
    end = max(line.rfind(bytes([byte])) for byte in range(0x20, 0x30))
    return line[: end + 1] if end > LONGEST_LINE else line


def _check_damage(data: bytes, sample: bytes, name: str) -> None:
    """Do nothing for bytes that are in another encoding than UTF-8.

    Raises:
        TaskError: they are UTF-8 with a few bytes that are not: any other encoding would garble all the rest.
    """
    letters = [letter for letter in sample.decode("utf-8", "surrogateescape") if letter > "\x7f"]
    bad = sum("\udc80" <= letter <= "\udcff" for letter in letters)
    if len(letters) - bad > 4 * bad:
        raise TaskError(
            f"{name} is UTF-8 text with broken letters, the first in line {line_of_fault(data, 'utf-8'):,}: it may be cut off, or "
            "pasted together of files in different encodings. Correct that line, or name the encoding in task.encoding."
        )


def _wide(sample: bytes) -> Iterator[str]:
    """Yield the encodings of two and four bytes in which the text has letters of ASCII, those first in which it has most.

    Every table has some: what stands between its columns and lines.
    """
    texts = {codec: sample[: len(sample) // 4 * 4].decode(codec, "ignore") for codec in WIDE}
    plain = {codec: sum(letter < "\x80" for letter in text) for codec, text in texts.items()}
    known = [codec for codec, n in plain.items() if n >= FEWEST_ASCII and n > LEAST_SHARE_OF_ASCII * len(texts[codec])]
    yield from sorted(known, key=plain.__getitem__, reverse=True)


def _narrow(sample: bytes) -> Iterator[str]:
    """Yield the encodings that charset-normalizer finds likely, the likeliest first; those of Latin letters in an order of their own."""
    found = [match.encoding for match in from_bytes(sample, cp_isolation=list(NARROW), enable_fallback=False)]
    latin = latin_order(sample) if any(codec in PAGES for codec in found) else []
    for codec in found:
        yield from latin if codec in PAGES else [codec]
