"""All scores of the probe set over the steps of a run, derived from its readings as they come."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ikd.events import Floats, Integers
from ikd.metrics.readings import reading_scores
from ikd.metrics.resampling import Estimate, intervals
from ikd.metrics.scores import METRICS
from ikd.trace.reader import TraceReader

ROLES = ("teacher", "student")
MOST_READINGS = 1200
"""Of so many readings that are new at once, as where the page of a long run is opened, not more are scored: evenly spaced ones."""

_NUMBERS_AT_ONCE = 4_000_000


def grown_scores(reader: TraceReader, probe: pd.DataFrame, known: pd.DataFrame | None) -> pd.DataFrame:
    """Return the scores known so far with those of new readings: columns step, name ("student_macro_f1"), value, by step.

    Args:
        reader: of the trace.
        probe: its probe examples, of `TraceReader.examples`.
        known: what an earlier call returned; None at first.
    """
    steps = new_steps(reader, after=-1 if known is None or known.empty else int(known["step"].iloc[-1]))
    parts = [] if known is None or known.empty else [known]
    at_once = steps_at_once(reader, len(probe)) if len(steps) else 1
    for first in range(0, len(steps), at_once):
        parts += [_scored(reader, probe, steps[first : first + at_once])]
    blank = pd.DataFrame({"step": np.zeros(0, np.int64), "name": np.zeros(0, object), "value": np.zeros(0)})
    return pd.concat(parts, ignore_index=True) if parts else blank


def new_steps(reader: TraceReader, *, after: int) -> Integers:
    """Return the steps of the readings after a step that are to be scored: of very many evenly spaced ones."""
    steps = reader.reading_steps(after=after)
    return steps if len(steps) <= MOST_READINGS else steps[np.unique(np.linspace(0, len(steps) - 1, MOST_READINGS).astype(np.int64))]


def steps_at_once(reader: TraceReader, n_probe: int) -> int:
    """Return how many readings of a trace are held at once."""
    return max(1, _NUMBERS_AT_ONCE // max(n_probe * len(reader.meta().get("label_names", ())), 1))


def reading_intervals(reader: TraceReader, probe: pd.DataFrame, step: int) -> dict[str, dict[str, Estimate]]:
    """Return by role every score of the reading at or before a step, with its interval over the probe examples."""
    found = {role: reader.reading_at(role, step) for role in ROLES}
    return {role: intervals(logits, *answers(probe, logits)) for role, logits in found.items() if logits is not None}


def answers(probe: pd.DataFrame, logits: Floats) -> tuple[Integers, NDArray[np.float64] | None, list[str] | None]:
    """Return labels (P,), truth (P, C) and groups (P,) of probe examples, as `ikd.metrics` takes them; None where there nowhere is any."""
    labels = probe["label"].to_numpy(dtype=np.int64)
    groups = probe["group_name"].tolist() if probe["group_name"].any() else None
    if all(one is None for one in probe["truth"]):
        return labels, None, groups
    blank = (0.0,) * logits.shape[-1]
    return labels, np.asarray([blank if one is None else one for one in probe["truth"]], dtype=np.float64), groups


def _scored(reader: TraceReader, probe: pd.DataFrame, steps: Integers) -> pd.DataFrame:
    parts = []
    for role in ROLES:
        own, logits = reader.readings_at(role, steps.tolist())
        scores = reading_scores(logits, *answers(probe, logits)) if len(own) else {}
        parts += [pd.DataFrame({"step": own, "name": f"{role}_{name}", "value": values}) for name, values in scores.items()
                  if name in METRICS]  # fmt: skip
    table = pd.concat(parts, ignore_index=True)
    return table.sort_values(["step", "name"], kind="stable", ignore_index=True)
