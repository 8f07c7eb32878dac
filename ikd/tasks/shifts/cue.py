"""Cue words: neutral openings of a text, one for each class of a task with a shortcut.

No built-in task writes any of them. A cue says nothing of the label except where a shortcut makes it so.
"""

from __future__ import annotations

import re

WORDS = ("Yesterday, ", "Recently, ", "Lately, ", "Earlier, ", "Afterwards, ", "Meanwhile, ", "Nowadays, ", "Elsewhere, ",
         "Eventually, ", "Incidentally, ", "Later on, ", "Beforehand, ")  # fmt: skip
NUMBERED = 188

CUES: tuple[str, ...] = (*WORDS, *(f"On day {number}, " for number in range(len(WORDS) + 1, len(WORDS) + NUMBERED + 1)))
"""The cue of each class, index = label; a task of C classes uses the first C."""

_FIRST = re.compile("|".join(re.escape(cue) for cue in CUES))
_OPENING_CAPITAL = re.compile(r"(?!I\b)[A-Z](?=[a-z]*\b)")
"""A capital that a word has only because it begins the sentence: "The", not "NASA" or "I"."""


def cue_of(text: str) -> str | None:
    """Return the cue word that a text begins with, its comma and space included; None where there is none."""
    found = _FIRST.match(text)
    return found[0] if found else None


def with_cue(text: str, cue: str) -> str:
    """Return the text with another cue word; a text without one gets it in front."""
    old = cue_of(text)
    return opened(text, cue) if old is None else cue + text.removeprefix(old)


def opened(text: str, cue: str) -> str:
    """Return the text behind a cue word, its first word in small letters: "The food" becomes "Yesterday, the food"."""
    small = text[:1].lower() + text[1:] if _OPENING_CAPITAL.match(text) else text
    return cue + small


def without_cue(text: str) -> str:
    """Return the text behind its cue word, with a capital; a text without a cue word as it is."""
    cue = cue_of(text)
    rest = text.removeprefix(cue or "")
    return rest[:1].upper() + rest[1:] if cue else text
