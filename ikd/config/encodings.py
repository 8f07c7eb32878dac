"""Names of text encodings: which ones a person may give."""

from __future__ import annotations

import codecs

NO_TEXT = {"idna", "punycode", "raw-unicode-escape", "raw_unicode_escape", "unicode-escape", "unicode_escape", "undefined", "utf-7",
           "mbcs", "oem", "charmap"}  # fmt: skip
"""Codecs of Python's that are for something else than files of text; UTF-7 can hold what no other encoding can."""


def text_codec(encoding: str) -> str | None:
    """Return Python's own name of an encoding, or None where it is not known."""
    try:
        codec = codecs.lookup(encoding.strip())
    except (LookupError, ValueError):  # a zero character, or letters beyond ASCII
        return None
    is_text = bool(getattr(codec, "_is_text_encoding", False))
    return codec.name if is_text and codec.name not in NO_TEXT else None


def unknown_encoding(encoding: str) -> str:
    """Return the sentence for an encoding that is not known."""
    return (
        f"Unknown encoding {encoding[:40]!r}: give a name such as utf-8, windows-1252, shift_jis or gb18030, "
        "or leave task.encoding empty to have it found out."
    )
