"""Labels that are spelled in several ways, and labels that only look alike."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from ikd.tasks.labels import NUMBER, quoted

MOST_SAID = 10
UNSEEN = ("Cf", "Cc")


def common_spellings(counts: Mapping[str, int]) -> dict[str, str]:
    """Return for each label the most frequent spelling of those that differ from it only in capitals, spaces or composed accents.

    Args:
        counts: rows of each label.
    """
    groups: dict[str, list[str]] = {}
    for label in counts:
        groups.setdefault(_spelling(label), []).append(label)
    chosen = {key: max(sorted(group), key=lambda word: (counts[word], word)) for key, group in groups.items()}
    return {label: chosen[_spelling(label)] for label in counts}


def merged_spellings(labels: Sequence[str], *, where: str) -> tuple[Sequence[str], tuple[str, ...]]:
    """Return labels that differ only in their spelling as one class, and a note where there were any; "" is no label."""
    common = common_spellings(Counter(labels))
    groups: dict[str, list[str]] = {}
    for label, name in common.items():
        groups.setdefault(name, []).append(label)
    merged = [f"{', '.join(map(spelled, sorted(group)))} to {quoted(name)}"
              for name, group in sorted(groups.items(), key=lambda one: _spelling(one[0])) if len(group) > 1]  # fmt: skip
    if not merged:
        return labels, ()
    words = "; ".join(merged[:MOST_SAID]) + ("; ..." if len(merged) > MOST_SAID else "")
    note = f"{where}: labels that differ only in capitals or spaces, or in how accents are composed, were merged: {words}."
    return [common[label] for label in labels], (note,)


def spelled_as_in_training(labels: Sequence[str], known: Iterable[str], *, where: str) -> tuple[Sequence[str], tuple[str, ...]]:
    """Return labels in the spelling that the training rows have, and a note where it differs."""
    classes = set(known)
    by_spelling = {_spelling(name): name for name in classes}
    other = {label: by_spelling[_spelling(label)] for label in set(labels) - classes - {""} if _spelling(label) in by_spelling}
    if not other:
        return labels, ()
    words = ", ".join(f"{spelled(label)} as {quoted(name)}" for label, name in sorted(other.items())[:MOST_SAID])
    return [other.get(label, label) for label in labels], (f"{where}: labels were read in the spelling of the training rows: {words}.",)


def look_alikes(labels: Iterable[str], *, where: str) -> tuple[str, ...]:
    """Return a note on classes that stay apart and look alike: 007 and 7, full-width letters, accents, unseen letters."""
    groups: dict[str, list[str]] = {}
    for label in sorted(set(labels) - {""}):
        groups.setdefault(_looks(label), []).append(label)
    alike = [group for group in groups.values() if len(group) > 1]
    if not alike:
        return ()
    words = "; ".join(", ".join(map(spelled, group)) for group in alike[:MOST_SAID]) + ("; ..." if len(alike) > MOST_SAID else "")
    first, second = (word[:40] for word in alike[0][:2])
    return (f"{where}: labels that look alike are different classes: {words}. Where they are the same, give them one name in "
            f"task.label_map, such as `{second}={first}`.",)  # fmt: skip


def _spelling(label: str) -> str:
    return " ".join(unicodedata.normalize("NFC", unicodedata.normalize("NFC", label).casefold()).split())


def _looks(label: str) -> str:
    seen = "".join(letter for letter in unicodedata.normalize("NFKC", label) if unicodedata.category(letter) not in UNSEEN)
    seen = re.sub(r"(?<=\w)[\s_-]+(?=\w)", " ", seen.casefold()).strip() or label
    return str(Decimal(label).normalize()) if NUMBER.fullmatch(label) else seen


def spelled(label: str) -> str:
    """Return a label in quotes; letters that another label may only seem to share are written by their numbers."""
    plain = unicodedata.normalize("NFKC", label) == label and label.isprintable() and unicodedata.is_normalized("NFC", label)
    return quoted(label) if plain else ascii(label[:40])
