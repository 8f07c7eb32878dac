"""The cue words of a run on a shortcut task, as its facts name them: which class each stands for, and who was misled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WORDS, MISLED, TEXTS = "cue_words", "misled_by_cue", "cue_texts"
"""Names of the facts."""
_BETWEEN = "|"


@dataclass(frozen=True, kw_only=True)
class Cues:
    """The cue words of a run.

    Attributes:
        words: the cue word of each class, (C,).
        n_texts: how many probe examples, the first ones, are read with other cue words too.
        misled: probe examples whose cue alone makes the frozen teacher give the cue's class in place of the label; the
            clearest case first.
    """

    words: tuple[str, ...]
    misled: tuple[int, ...]
    n_texts: int

    def class_of(self, text: str) -> int | None:
        """Return the class whose cue word a text begins with, or None."""
        found = [k for k, word in enumerate(self.words) if text.startswith(word)]
        return max(found, key=lambda k: len(self.words[k])) if found else None


def facts_of_cues(cues: Cues) -> dict[str, int | str]:
    """Return cues as facts of a run."""
    return {WORDS: _BETWEEN.join(cues.words), MISLED: _BETWEEN.join(str(one) for one in cues.misled), TEXTS: cues.n_texts}


def cues_of(facts: Mapping[str, Any]) -> Cues | None:
    """Return the cues among the facts of a run; None where its task has no shortcut."""
    words = str(facts.get(WORDS, ""))
    if not words:
        return None
    misled = str(facts.get(MISLED, "")).split(_BETWEEN)
    n_texts = facts.get(TEXTS, 0)
    return Cues(words=tuple(words.split(_BETWEEN)), misled=tuple(int(one) for one in misled if one.isdecimal()),
                n_texts=n_texts if isinstance(n_texts, int) else 0)  # fmt: skip
