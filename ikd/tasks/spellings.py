"""Labels that are spelled in several ways, and labels that only look alike."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ikd.tasks.labels import as_number, number_of, quoted, row_count

MOST_SAID, MOST_LETTERS = 10, 3
UNSEEN = ("Cf", "Cc")
SELECTORS = frozenset(map(chr, range(0xFE00, 0xFE10)))
"""Letters that are not seen, and say how the letter before them is drawn: as text or as a picture."""
NOT_TOLD_APART = SELECTORS | set(map(chr, range(0x1F3FB, 0x1F400)))
"""Those, and the colours of skin of pictures."""
LIKE_LATIN = dict(zip(
    map(ord, "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0405\u0406\u0408"  # Cyrillic
             "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458\u04bb\u0501"
             "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"  # Greek
             "\u03b1\u03b9\u03ba\u03bd\u03bf\u03c1\u03c5\u03c7"),
    "ABEKMHOPCTYXSIJ" "aeopcyxsijhd" "ABEZHIKMNOPTYX" "aikvopux", strict=True,
))  # fmt: skip
"""Letters of other scripts that look like Latin ones."""


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


def note_on_writing(written: Sequence[str], words: Sequence[str | None], *, where: str) -> tuple[str, ...]:
    """Return a note on labels that are written in several ways and are one word, and on those that lost invisible letters.

    Args:
        written: by row, the label exactly as it stands in its cell.
        words: by row, the word it was read as; None where the cell is empty.
        where: the words that say what the table is.
    """
    ways: dict[str, Counter[str]] = {}
    for cell, word in zip(written, words, strict=True):
        if word is not None:
            ways.setdefault(word, Counter())[cell] += 1
    other = [(cell, n, word) for word, cells in sorted(ways.items()) for cell, n in sorted(cells.items())
             if cell != word and (len(cells) > 1 or not cell.isprintable())]  # fmt: skip
    if not other:
        return ()
    said = "; ".join(f"{spelled(cell)} ({row_count(n)}) as {quoted(word)}" for cell, n, word in other[:MOST_SAID])
    return (f"{where}: labels written in several ways were read as one: {said}{'; ...' * (len(other) > MOST_SAID)}.",)


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
    letters = unicodedata.normalize("NFKC", label)
    seen = "".join(one for one in letters if unicodedata.category(one) not in UNSEEN and one not in NOT_TOLD_APART)
    seen = seen.translate(LIKE_LATIN)
    seen = re.sub(r"(?<=\w)[\s_-]+(?=\w)", " ", seen.casefold()).strip() or label
    number = as_number(label)
    return seen if number is None else str(number.normalize())


def spelled(label: str) -> str:
    """Return a label in quotes; the numbers of letters that another label may only seem to share come after it."""
    parted = not unicodedata.is_normalized("NFC", label)
    mixed = any(letter.isascii() and letter.isalpha() for letter in label) or all(ord(letter) in LIKE_LATIN for letter in label)
    odd = [letter for letter in dict.fromkeys(label) if letter.isprintable() and (
        letter in SELECTORS or (mixed and ord(letter) in LIKE_LATIN) or (parted and unicodedata.combining(letter))
        or unicodedata.normalize("NFKC", letter) != letter)]  # fmt: skip
    numbers = ", ".join(map(number_of, odd[:MOST_LETTERS])) + ", ..." * (len(odd) > MOST_LETTERS)
    return f"{quoted(label)} (with {numbers})" if odd else quoted(label)
