"""What ends a run on the way: a number that is none, and a teacher that has collapsed."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ikd.config import RunConfig
from ikd.errors import TrainingError
from ikd.teaching.probe import ProbeReading


def require_finite(scalars: Mapping[str, float], step: int) -> None:
    """Do nothing where every number measured at a step is one.

    Raises:
        TrainingError: it is not; the sentence names it.
    """
    for name, value in scalars.items():
        if not math.isfinite(value):
            raise TrainingError(
                f"At step {step} the {name.replace('_', ' ')} is {value}: the run cannot go on. Lower "
                "training.learning_rate or policy.teacher_learning_rate, or set a gradient clipping: fork it from an earlier step "
                "with such a change, or start again."
            )


def require_floor(probe: ProbeReading | None, config: RunConfig, step: int) -> None:
    """Do nothing where the teacher is at least as good on the probe set as `machine.teacher_accuracy_floor` asks.

    Raises:
        TrainingError: it is below.
    """
    floor = config.machine.teacher_accuracy_floor
    if probe is None or floor is None:
        return
    right = sum(int((x.argmax(-1) == b.labels).sum()) for x, b in zip(probe.teacher_logits, probe.batches, strict=True))
    accuracy = right / sum(len(batch.labels) for batch in probe.batches)
    if accuracy < floor:
        raise TrainingError(
            f"At step {step} the teacher's accuracy is {accuracy:.2f}, below the floor of {floor:.2f}: it has collapsed. "
            "Fork the run from an earlier step with a lower policy.teacher_learning_rate, with an anchor, or with the teacher "
            "frozen from there on."
        )
