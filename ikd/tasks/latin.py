"""Which of the encodings of Latin letters bytes are in: the one in which they spell some language.

charset-normalizer says which script a text is in. Its measures hardly tell apart encodings of one script, in which the same bytes are
other accented letters: Swedish read as Windows-1250 is ĺ for å. An alphabet does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

ALPHABETS = {  # the letters beyond ASCII of each language, commoner languages first
    "French": "àâæçèéêëîïôœùûüÿ", "German": "äöüß", "Spanish": "áéíñóúü", "Portuguese": "àáâãçéêíóôõúü", "Italian": "àèéìíòóùú",
    "Dutch": "áéèëïóöü", "Swedish": "åäöéàü", "Danish": "æøåéüö", "Norwegian": "æøåéèêòóôü", "Finnish": "äöåéü", "Catalan": "àçèéíïòóúü",
    "Polish": "ąćęłńóśźż", "Czech": "áčďéěíňóřšťúůýž", "Hungarian": "áéíóöőúüű", "Turkish": "çğıİöşüâîû",
    "Romanian": "ăâîşţșț", "Vietnamese": "ăâđêôơưàáèéìíòóùúýãõ\u0300\u0301\u0303\u0309\u0323",
    "Slovak": "áäčďéíĺľňóôŕšťúýž", "Croatian": "čćđšž",
    "Lithuanian": "ąčęėįšųūž", "Latvian": "āčēģīķļņšūž", "Estonian": "äõöüšž", "Icelandic": "áðéíóúýþæö", "Irish": "áéíóú",
}  # fmt: skip
PAGES = {
    "cp1252": "French German Spanish Portuguese Italian Dutch Swedish Danish Norwegian Finnish Catalan Icelandic Irish",
    "cp1250": "German Polish Czech Hungarian Romanian Slovak Croatian", "cp1254": "German Turkish",
    "cp1257": "German Lithuanian Latvian Estonian", "cp1258": "Vietnamese",
    "iso8859_2": "German Polish Czech Hungarian Romanian Slovak Croatian", "iso8859_15": "French Finnish Estonian",
    "mac_roman": "French German Spanish Portuguese Italian Dutch Swedish Danish Norwegian",
}  # fmt: skip
"""Encodings of Latin letters, and what is written in them."""
HEAD_START = 0.05
"""For the commonest of all, which must be beaten and not only equalled."""
WORD = re.compile(r"[^\W\d_]+")
SIGN_WITHIN = re.compile(r"(?<=[^\W\d_])(?:[^\w\s’‘·\x00-\x7f\u0300-\u036f]|[¹²³ªº½¼¾])(?=[^\W\d_])")
LETTER_WITHIN = re.compile(r"(?<=[a-zß-öø-ÿ])[À-ÖØ-ÞĀ-ſ](?=[a-zß-öø-ÿ])")


def latin_order(sample: bytes) -> list[str]:
    """Return the encodings of Latin letters, the likeliest first: that in which most accented letters are of one language.

    Of equal ones, those of Windows come first, and then that of the commoner language. Encodings that cannot read the sample are left
    out.
    """
    ranks = {name: i for i, name in enumerate(ALPHABETS)}
    scores: dict[str, tuple[float, bool, int]] = {}
    for page, names in PAGES.items():
        try:
            text = sample.decode(page)
        except UnicodeDecodeError:
            continue
        alphabets = [{*ALPHABETS[name], *ALPHABETS[name].upper()} for name in names.split()]
        share, rank = max((_share(text, alphabet), -ranks[name]) for name, alphabet in zip(names.split(), alphabets, strict=True))
        score = share + _share_of_words(text, alphabets) + (HEAD_START if page == "cp1252" else 0)
        scores[page] = round(score, 2), page.startswith("cp125"), rank
    return sorted(scores, key=scores.__getitem__, reverse=True)


def _share(text: str, alphabet: set[str]) -> float:
    """Return the share of letters and signs beyond ASCII that fit an alphabet; signs and capitals do so not within a word."""
    beyond = Counter(letter for letter in text if letter > "\x7f")
    within = Counter(SIGN_WITHIN.findall(text) + list(filter(str.isupper, LETTER_WITHIN.findall(text))))
    foreign = {letter: n for letter, n in beyond.items() if letter.isalpha() and letter not in alphabet}
    n_wrong = sum(foreign.values()) + sum(n for letter, n in within.items() if letter not in foreign)
    return 1 - n_wrong / max(1, beyond.total())


def _share_of_words(text: str, alphabets: Sequence[set[str]]) -> float:
    """Return the share of words with letters beyond ASCII that fit one of the alphabets: texts may be in several languages."""
    words = [{letter for letter in word if letter > "\x7f"} for word in WORD.findall(text) if not word.isascii()]
    return sum(any(word <= alphabet for alphabet in alphabets) for word in words) / len(words) if words else 1.0
