"""`sources`: the course's labels and soft targets come from six stored teachers of unequal worth.

Each text gets one source z by chance. Of a text with drawn label y, the source names the class c with probability

    M_z[y, c] = (1 - strength) G[y, c] + strength W_z[y, c],

where G is right 9 times in 10 and else names any other class. W of the two good sources is G; of the two noisy ones it is
1 / C, a label at random; of the two confusing ones it names the next class 8 times in 10, and the true one else. So at
strength 0 all six are good, and at strength 1 four of them are as bad as said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import NamedTuple

from ikd.protocols import Split, TaskData

Matrix = tuple[tuple[float, ...], ...]
"""(C, C) p(the source says column | the text's label is row)."""

KINDS = ("good", "good", "noisy", "noisy", "confusing", "confusing")
RIGHT, NEXT, SAID = 0.9, 0.8, 0.9
"""How often a good source is right, a confusing one names the next class, and the soft target of the class that was named."""


class Source(NamedTuple):
    """One stored teacher.

    Attributes:
        name: shown to people and used as `Split.sources`; says nothing of its worth.
        kind: "good", "noisy" or "confusing".
        matrix: what it says of texts of each class.
    """

    name: str
    kind: str
    matrix: Matrix


def sources(data: TaskData, strength: float, seed: int) -> TaskData:
    """Return the task with the course labelled by six sources, and what they say of all other texts stored beside their labels.

    The groups are the sources, in the course alone: a held-out text's label is not its source's, so scores by source would differ by
    chance only.
    """
    n_classes = len(data.label_names)
    six = six_sources(n_classes, strength, seed)
    splits = {name: _asked(split, six, n_classes, Random(f"sources of the {name} split, {seed}")) for name, split in data.splits.items()}
    course = splits["course"]
    right = sum(said == label for said, label in zip(course.labels, data.splits["course"].labels, strict=True)) / len(course)
    splits = {name: course if name == "course" else replace(split, labels=data.splits[name].labels, groups=None)
              for name, split in splits.items()}  # fmt: skip
    note = (f"Shift sources, strength {strength:g}: the course's labels and soft targets come from six stored teachers, two good, two "
            f"noisy and two confusing, one a text by chance; {100 * right:.0f} % of the course labels are those drawn for the text. "
            "Exam, validation and test labels are untouched.")  # fmt: skip
    return replace(data, splits=splits, notes=(*data.notes, note), source_worth=_worths(six, data.splits["course"], n_classes))


def six_sources(n_classes: int, strength: float, seed: int) -> list[Source]:
    """Return the six sources in the order of their names, which the seed shuffles."""
    kinds = list(KINDS)
    Random(f"kinds of the sources, {seed}").shuffle(kinds)
    return [Source(f"source {letter}", kind, confusion(kind, n_classes, strength)) for letter, kind in zip("ABCDEF", kinds, strict=True)]


def confusion(kind: str, n_classes: int, strength: float) -> Matrix:
    """Return (C, C) p(said | label) of a source of a kind, "good", "noisy" or "confusing"."""
    every = range(n_classes)
    good = [[RIGHT if said == label else (1 - RIGHT) / (n_classes - 1) for said in every] for label in every]
    worst = {
        "good": good,
        "noisy": [[1 / n_classes for _ in every] for _ in every],
        "confusing": [[NEXT * (said == (label + 1) % n_classes) + (1 - NEXT) * (said == label) for said in every] for label in every],
    }[kind]
    return tuple(tuple((1 - strength) * good[label][said] + strength * worst[label][said] for said in every) for label in every)


def worth(matrix: Matrix, shares: Sequence[float]) -> tuple[float, ...]:
    """Return (C,) p(the label is c | the source says c) by Bayes' rule.

    Args:
        matrix: of the source.
        shares: (C,) p(label) among the texts.
    """
    said = [sum(share * row[c] for share, row in zip(shares, matrix, strict=True)) for c in range(len(shares))]
    return tuple(shares[c] * matrix[c][c] / said[c] if said[c] else 0.0 for c in range(len(shares)))


def _asked(split: Split, six: Sequence[Source], n_classes: int, random: Random) -> Split:
    """Return the split with a source for each text, its label what the source says, and the soft target that is stored for it."""
    asked = [random.choice(six) for _ in split.labels]
    said = [random.choices(range(n_classes), source.matrix[label])[0] for source, label in zip(asked, split.labels, strict=True)]
    rest = (1 - SAID) / (n_classes - 1)
    targets = [tuple(SAID if c == label else rest for c in range(n_classes)) for label in said]
    names = [source.name for source in asked]
    return replace(split, labels=said, sources=names, groups=names, soft_targets=targets)


def _worths(six: Sequence[Source], course: Split, n_classes: int) -> Mapping[str, tuple[float, ...]]:
    """Return the worth of each source for labels as frequent as the posterior of the course's texts says."""
    rows = course.truth or [[float(label == c) for c in range(n_classes)] for label in course.labels]
    shares = [sum(row[c] for row in rows) / len(rows) for c in range(n_classes)]
    return {source.name: worth(source.matrix, shares) for source in six}
