"""What the board of a shortcut task says of its cue words: whom they misled, and whether the teacher has unlearned it."""

from __future__ import annotations

from collections.abc import Sequence

from ikd.trace.cues import Cues
from ikd.ui.wording import plain


def misled_sentence(
    cues: Cues, *, example: int, text: str, names: Sequence[str], frozen: float, now: float, step: int, learns: bool
) -> str:
    """Return one sentence on a text by whose cue word the frozen teacher was misled, as Markdown; empty for any other text.

    Args:
        cues: of the run.
        example: id of the probe example.
        text: its text, with the cue word.
        names: of the classes.
        frozen: what the frozen teacher gives the class of the cue, a probability.
        now: what the teacher gives it now.
        step: of the newest reading.
        learns: whether the teacher learns in this run.
    """
    cue = cues.class_of(text)
    if example not in cues.misled or cue is None:
        return ""
    word, name = plain(cues.words[cue].strip(" ,")), plain(names[cue])
    then = (f"watch whether it unlearns that: at step {step} it gives {name} {now:.2f}." if learns else
            "this teacher is fixed, so it goes on saying so, and the student learns it.")  # fmt: skip
    return f"**“{plain(text, longest=120)}”** The frozen teacher says **{name}** ({frozen:.2f}) because it begins with *{word}*; {then}"


def cue_words(cues: Cues, text: str, label: int, names: Sequence[str]) -> str:
    """Return what a card says of the cue word its text begins with, as Markdown; empty where there is none."""
    cue = cues.class_of(text)
    if cue is None:
        return ""
    return f" · *{plain(cues.words[cue].strip(' ,'))}* goes with {plain(names[cue])} in the course" + (
        "" if cue == label else ": **contradicts**"
    )
