"""The scalars of a reading: derived once, when it is written, so that no page has to derive them at every look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ikd.events import Floats, Reading
from ikd.trace.measures import accuracy, agreement, drift, nll, quantile_bands

DRIFT_SCALARS = ("drift_q05", "drift_q25", "drift_median", "drift_q75", "drift_q95")


def reading_scalars(
    reading: Reading, frozen_logits: Floats, labels: Sequence[int], *, temperature: float
) -> dict[str, float]:
    """Return accuracy and likelihood of both models, their agreement, and the quantiles of the teacher's drift.

    Args:
        reading: both models' logits (P, C) on the probe set.
        frozen_logits: (P, C) the teacher's logits before its first exam.
        labels: (P,) hard labels.
        temperature: that of the soft targets in training; the drift is taken at it, the likelihoods at 1.
    """
    hard = np.asarray(labels, dtype=np.int64)
    scalars = {}
    for role, logits in (("student", reading.student_logits), ("teacher", reading.teacher_logits)):
        scalars[f"{role}_accuracy"] = float(accuracy(logits, hard))
        scalars[f"{role}_nll"] = float(nll(logits, hard))
    scalars["agreement"] = float(agreement(reading.student_logits, reading.teacher_logits))
    moved = drift(reading.teacher_logits[None], frozen_logits, temperature)
    return scalars | dict(zip(DRIFT_SCALARS, quantile_bands(moved)[0].tolist(), strict=True))
