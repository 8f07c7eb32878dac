"""`imbalance`: the later a class, the rarer it is in the course.

Of C classes, class c keeps the share 100^(-strength c / (C - 1)) of its course texts: all of the first, one hundredth of the last at
strength 1, one tenth at 0.5. The exponential profile is that of long-tailed image sets in Cui et al., "Class-balanced loss based on
effective number of samples" (CVPR 2019).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from random import Random

from ikd.protocols import UNLABELLED, Split, TaskData

FACTOR = 100
FEWEST_KEPT = 4
"""Texts that a class keeps at least, where it has as many."""

RARE, FREQUENT = "rare class", "frequent class"


def imbalance(data: TaskData, strength: float, seed: int, *, more: Callable[[int], Split] | None = None) -> TaskData:
    """Return the task with rare classes in the course; texts without a label stay.

    The groups of all splits are the later half of the classes and the earlier half.

    Args:
        data: the task.
        strength: 0 leaves the course as it is.
        seed: of the choice of texts.
        more: returns a course of n texts that begins with the task's own, so that the course keeps its size; None: there are no
            more texts, and the course gets smaller.

    Raises:
        TaskError: more texts than the task can write.
    """
    n_classes, whole = len(data.label_names), data.splits["course"]
    course, wanted = _thinned(whole, strength, n_classes, seed), len(whole)
    if more is not None:
        drawn = wanted
        while len(course) < wanted:
            drawn = math.ceil(1.02 * drawn * wanted / len(course)) + n_classes
            course = _thinned(more(drawn), strength, n_classes, seed)
        course = rows_of(course, range(wanted))
    splits = {name: replace(split, groups=[_group(label, n_classes) for label in split.labels])
              for name, split in {**data.splits, "course": course}.items()}  # fmt: skip
    counts = ", ".join(f"{name!r} {list(course.labels).count(label):,}" for label, name in enumerate(data.label_names[:12]))
    size = f"{len(course):,} of {len(whole):,} course texts are kept" if more is None else f"{len(course):,} course texts were drawn"
    note = (f"Shift imbalance, strength {strength:g}: {size}, the last class {FACTOR**strength:.3g} times rarer than it was beside the "
            f"first: {counts}{', ...' if n_classes > 12 else ''}. Exam, validation and test texts are untouched.")  # fmt: skip
    return replace(data, splits=splits, notes=(*data.notes, note))


def share(label: int, n_classes: int, strength: float) -> float:
    """Return the share of its texts that a class keeps."""
    return float(FACTOR ** (-strength * label / max(1, n_classes - 1)))


def rows_of(split: Split, rows: Sequence[int]) -> Split:
    """Return some rows of a split, all that is known of them included."""
    columns = {one.name: getattr(split, one.name) for one in fields(split)}
    return replace(split, **{name: [column[i] for i in rows] for name, column in columns.items() if column is not None})


def _thinned(split: Split, strength: float, n_classes: int, seed: int) -> Split:
    """Return the texts that are kept, in their order, their number in each class as exact as whole texts allow."""
    kept = [i for i, label in enumerate(split.labels) if label == UNLABELLED]
    for label in range(n_classes):
        rows = [i for i, other in enumerate(split.labels) if other == label]
        n_kept = min(len(rows), max(FEWEST_KEPT, round(share(label, n_classes, strength) * len(rows))))
        kept += Random(f"imbalance, {label}, {seed}").sample(rows, n_kept)
    return rows_of(split, sorted(kept))


def _group(label: int, n_classes: int) -> str:
    return "" if label == UNLABELLED else RARE if label > (n_classes - 1) / 2 else FREQUENT
