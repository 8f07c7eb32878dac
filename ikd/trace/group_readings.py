"""The accuracy of each group of the probe set over the steps of a run, derived from its readings as they come.

Shapes: R readings, P probe examples, G groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ikd.events import Integers
from ikd.metrics.readings import reading_scores
from ikd.trace.reader import TraceReader
from ikd.trace.reading_scores import ROLES, answers, new_steps, steps_at_once

Doubles = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class GroupReadings:
    """Accuracies by group.

    Attributes:
        names: of the G groups, sorted.
        counts: (G,) their labelled probe examples.
        steps: (R,) of the readings.
        accuracy: by role, "teacher" and "student", (R, G); not a number for a group without a label.
    """

    names: tuple[str, ...]
    counts: Integers
    steps: Integers
    accuracy: Mapping[str, Doubles]

    def worst(self, role: str) -> Doubles:
        """Return the lowest accuracy of a role at each reading, (R,)."""
        values = self.accuracy[role]
        return np.where(np.isnan(values), np.inf, values).min(axis=1) if values.size else np.zeros(len(self.steps))

    def chosen(self, role: str, until: int, most: int) -> list[int]:
        """Return the places of the groups that are drawn: the worst one at the newest reading up to a step, then the largest."""
        labelled = np.flatnonzero(self.counts > 0)
        order = [int(one) for one in labelled[np.lexsort((labelled, -self.counts[labelled]))]]
        worst = self.worst_place(role, until)
        first = [] if worst is None else [worst]
        return sorted([*first, *(one for one in order if one not in first)][:most])

    def worst_place(self, role: str, until: int) -> int | None:
        """Return the place of the group that a role knows worst at the newest reading up to a step; None where there is none."""
        rows = np.flatnonzero(self.steps <= until)
        values = self.accuracy[role][rows[-1]] if len(rows) else np.zeros(0)
        return None if not len(values) or np.isnan(values).all() else int(np.nanargmin(values))


def grown_group_readings(reader: TraceReader, probe: pd.DataFrame, known: GroupReadings | None) -> GroupReadings:
    """Return the accuracies known so far with those of new readings; the very same where there is none.

    Args:
        reader: of the trace.
        probe: its probe examples, of `TraceReader.examples`, some of which belong to groups.
        known: what an earlier call returned; None at first.
    """
    labelled = probe[(probe["label"] >= 0) & (probe["group_name"] != "")]["group_name"].value_counts()
    names = tuple(sorted(set(probe["group_name"]) - {""}))
    nothing = {role: np.zeros((0, len(names))) for role in ROLES}
    found = known or GroupReadings(names=names, counts=np.asarray([labelled.get(name, 0) for name in names], dtype=np.int64),
                                   steps=np.zeros(0, np.int64), accuracy=nothing)  # fmt: skip
    steps = new_steps(reader, after=int(found.steps[-1]) if len(found.steps) else -1)
    at_once = steps_at_once(reader, len(probe)) if len(steps) else 1
    for first in range(0, len(steps), at_once):
        found = _with(found, reader, probe, steps[first : first + at_once])
    return found


def _with(found: GroupReadings, reader: TraceReader, probe: pd.DataFrame, steps: Integers) -> GroupReadings:
    read = {role: reader.readings_at(role, steps.tolist())[1] for role in ROLES}
    fresh = {role: reading_scores(logits, *answers(probe, logits))["group_accuracy"] for role, logits in read.items()}
    return replace(found, steps=np.concatenate([found.steps, steps]),
                   accuracy={role: np.concatenate([found.accuracy[role], fresh[role]]) for role in ROLES})  # fmt: skip
