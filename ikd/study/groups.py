"""What the methods of a study come to group by group: each against those it is compared with, over seeds and texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ikd.study.comparing import alike_seeds, pairs_of, prints_of, right_of
from ikd.study.results import Results, predictions_of
from ikd.study.statistics import seeds_and_examples_interval
from ikd.trace.final import Final

GROUP_COLUMNS = ("task", "group", "method", "against", "seeds", "examples", "accuracy", "other_accuracy", "gain", "low", "high")


def group_table(results: Results) -> pd.DataFrame:
    """Return a row for each task with groups, group and pair of methods: `GROUP_COLUMNS`, of the runs whose folders are still there.

    `accuracy` and `other_accuracy` are means over seeds. Where all seeds have the same texts the gain has an interval over seeds and texts.
    """
    rows: list[tuple[Any, ...]] = []
    for task in results.study.tasks:
        finals = {entry: predictions_of(results, task, entry) for entry in results.study.entries()}
        if not any(final.groups for several in finals.values() for final in several.values()):
            continue
        prints = {entry: prints_of(results, task, entry) for entry in results.study.entries()}
        own: list[tuple[Any, ...]] = []
        for method, other, _ in pairs_of(results.study):
            seeds, same = alike_seeds(finals[method], finals[other], prints[method], prints[other])
            ours, theirs = ([finals[one][seed] for seed in seeds] for one in (method, other))
            own += [(task, group, method, other, len(seeds), *_of_group(group, ours, theirs, same=same)) for group in _names(ours)]
        rows += sorted(own, key=lambda row: str(row[1]))
    return pd.DataFrame(rows, columns=GROUP_COLUMNS)


def _names(finals: Sequence[Final]) -> list[str]:
    """Return the names of the groups with a labelled example."""
    return sorted({name for one in finals if one.groups for name, label in zip(one.groups, one.labels.tolist(), strict=True)
                   if name and label >= 0})  # fmt: skip


def _of_group(group: str, ours: Sequence[Final], theirs: Sequence[Final], *, same: bool) -> tuple[int | float, ...]:
    first, second = ([right_of(one)[np.asarray(one.groups) == group] if one.groups else np.zeros(0) for one in several]
                     for several in (ours, theirs))  # fmt: skip
    counts = {int(np.isfinite(one).sum()) for one in first}
    means = [float(np.mean([np.nanmean(one) for one in several if np.isfinite(one).any()])) for several in (first, second)]
    if same and len(first) > 1:
        found = seeds_and_examples_interval(np.stack(first), np.stack(second))
        return found.n_examples, *means, found.gain, *found.interval
    return (counts.pop() if len(counts) == 1 else sum(counts)), *means, means[0] - means[1], np.nan, np.nan
