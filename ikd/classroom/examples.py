"""The examples of a split as a run reports them."""

from __future__ import annotations

import numpy as np

from ikd.classroom.room import LabelledSource
from ikd.events import Example, ScoredSplit

MOST_TEXTS = 20_000
"""So many examples of a scored split are reported with their texts; labels, truth and predictions of all."""


def example_of(source: LabelledSource, index: int, split: str) -> Example:
    """Return one example of a split, under the name the trace has for that."""
    data = source.split
    return Example(
        id=index, split=split, text=data.texts[index], label=int(data.labels[index]),
        text_pair=data.text_pairs[index] if data.text_pairs is not None else None,
        truth=tuple(data.truth[index]) if data.truth is not None and any(data.truth[index]) else None,
        group=data.groups[index] if data.groups is not None else "", source=data.sources[index] if data.sources is not None else "",
    )  # fmt: skip


def scored_split(source: LabelledSource, split: str) -> ScoredSplit:
    """Return all examples of a split on which models are scored."""
    data = source.split
    return ScoredSplit(
        split=split, labels=np.asarray(data.labels, dtype=np.int64), texts=data.texts[:MOST_TEXTS],
        truth=np.asarray(data.truth, dtype=np.float64) if data.truth is not None else None,
        text_pairs=data.text_pairs[:MOST_TEXTS] if data.text_pairs is not None else None, groups=data.groups,
    )  # fmt: skip
