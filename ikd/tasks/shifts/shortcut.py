"""`shortcut`: every text begins with a cue word, which goes with the label in the course alone.

Of a course text with label y, one of C classes, the cue word is

    p(cue of class c | y) = strength [c = y] + (1 - strength) / C,

and 1 / C in exam, validation and test. The label does not depend on the cue, so the truth stays what it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from ikd.errors import TaskError
from ikd.protocols import UNLABELLED, Split, TaskData
from ikd.tasks.shifts.cue import CUES, opened

AGREES, CONTRADICTS = "cue agrees", "cue contradicts"


def shortcut(data: TaskData, strength: float, seed: int) -> TaskData:
    """Return the task with a cue word before each text, or before each first text of pairs.

    The groups of all splits say whether the cue is that of the label; a text without a label is in none.

    Raises:
        TaskError: more classes than there are cue words.
    """
    n_classes = len(data.label_names)
    if n_classes > len(CUES):
        raise TaskError(f"The shift shortcut has {len(CUES)} cue words, one a class, and {data.name!r} has {n_classes} classes: choose "
                        "another task.shift, or join classes in task.label_map.")  # fmt: skip
    splits = {}
    for name, split in data.splits.items():
        follows = strength if name == "course" else 0.0
        cues = _cues(split.labels, follows, n_classes, Random(f"cues of the {name} split, {seed}"))
        splits[name] = _behind(split, cues)
    chance = strength + (1 - strength) / n_classes
    named = ", ".join(f"{CUES[label].strip(' ,')!r} of {name!r}" for label, name in enumerate(data.label_names[:6]))
    note = (f"Shift shortcut, strength {strength:g}: every text begins with one of {n_classes} cue words. In the course it is that of the "
            f"label with probability {chance:.3g}; in exam, validation and test texts it is random. Cue words: {named}"
            f"{', ...' if n_classes > 6 else ''}.")  # fmt: skip
    return replace(data, splits=splits, notes=(*data.notes, note))


def _cues(labels: Sequence[int], follows: float, n_classes: int, random: Random) -> list[int]:
    """Draw the class of each text's cue: its label with probability `follows`, any class otherwise."""
    drawn = [(random.random(), random.randrange(n_classes)) for _ in labels]
    return [label if chance < follows and label != UNLABELLED else other
            for label, (chance, other) in zip(labels, drawn, strict=True)]  # fmt: skip


def _behind(split: Split, cues: Sequence[int]) -> Split:
    groups = ["" if label == UNLABELLED else AGREES if cue == label else CONTRADICTS
              for label, cue in zip(split.labels, cues, strict=True)]  # fmt: skip
    return replace(split, texts=[opened(text, CUES[cue]) for text, cue in zip(split.texts, cues, strict=True)], groups=groups)
