"""Words and numbers as a person reads them; text from data made safe to show."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

LONGEST_TEXT = 1500
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:^=&@])")


def visible(text: str, *, longest: int = LONGEST_TEXT) -> str:
    """Return a text from data with its invisible and direction-changing characters shown by their codes.

    A right-to-left override would otherwise reorder the words around it, and a NUL would end the text.
    """
    shortened = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(_shown(one) for one in shortened)


def whole(text: str) -> str:
    """Return a text from data as `visible` does, with the white space at its ends shown by its codes too: a page would drop it."""
    kept = text.strip()
    first = text.index(kept) if kept else len(text)
    ends = ["".join(f"‹U+{ord(one):04X}›" for one in end) for end in (text[:first], text[first + len(kept) :])]
    return f"{ends[0]}{visible(kept)}{ends[1]}"


def plain(text: str, *, longest: int = 80) -> str:
    """Return a text from data for use inside Markdown: on one line, every special character escaped."""
    return _MARKDOWN.sub(r"\\\1", " ".join(visible(text, longest=longest).split()))


@lru_cache(maxsize=8_192)  # the same few hundred texts are shown at every rerun of a page
def snippet(text: str, *, longest: int = 60) -> str:
    """Return a text from data on one short line, not escaped."""
    return " ".join(visible(text, longest=longest).split())


def duration(seconds: float) -> str:
    """Return a duration in words: 8 s, 3 min 20 s, 2 h 5 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def moment(seconds: float) -> str:
    """Return a point in time in this machine's time, empty where it is unknown."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds > 0 else ""


def number(value: float) -> str:
    """Return a number as a person would write it: 5, 1.5, 2e-05."""
    return f"{value:g}"


def _shown(one: str) -> str:
    if one in "\n\t":
        return one
    if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Co") and one not in "\u200c\u200d\u00ad":
        return f"‹U+{ord(one):04X}›"
    return one


def names_apart(names: Mapping[int, str]) -> dict[int, str]:
    """Return names by place of which no two are the same: of those that are, for they were cut, each has its place behind it, from 1."""
    values = list(names.values())
    return {place: name if values.count(name) == 1 else f"{name} · {place + 1}" for place, name in names.items()}
