"""Every soft target ever issued to the training examples, by what was asked of it: sizes, without the logits."""

from __future__ import annotations

import sqlite3

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ikd.trace.measures import feedback_size

_QUERY = "SELECT step, examples, feedback, influence FROM course WHERE step > ? ORDER BY step"


def sizes_table(trace: sqlite3.Connection | None, *, after: int) -> pd.DataFrame:
    """Return columns step, example, position, asked and influence of every soft target issued after a step."""
    parts: dict[str, list[NDArray[np.generic]]] = {"step": [], "example": [], "position": [], "asked": [], "influence": []}
    for step, examples, feedback, influence in trace.execute(_QUERY, (after,)) if trace is not None else ():
        ids = np.frombuffer(examples, "<i8")
        blank = np.full(len(ids), np.nan)
        parts["step"].append(np.full(len(ids), step, np.int64))
        parts["example"].append(ids.astype(np.int64))
        parts["position"].append(np.arange(len(ids)))
        asked = blank if feedback is None else feedback_size(np.frombuffer(feedback, "<f4").reshape(len(ids), -1))
        parts["asked"].append(asked)
        parts["influence"].append(blank if influence is None else np.frombuffer(influence, "<f4").astype(np.float64))
    kinds = {"step": np.int64, "example": np.int64, "position": np.int64, "asked": np.float64, "influence": np.float64}
    return pd.DataFrame({name: np.concatenate(parts[name]) if parts[name] else np.zeros(0, kind) for name, kind in kinds.items()})
