"""What of a step goes to disk: checked against what the run has announced, logits in the run's precision."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ikd.errors import RunError, unknown_name
from ikd.events import Course, Reading, StepTaken
from ikd.trace.schema import SCALARS

Array = NDArray[np.floating[Any]]
_FLOAT16_LIMIT = float(np.finfo(np.float16).max)


def check_step(event: StepTaken, *, n_classes: int, n_probe: int, n_shown: int, n_numbers: int = 0) -> None:
    """Do nothing where a step fits its run.

    Raises:
        RunError: a scalar of no known name, or an array of another shape.
    """
    for name in event.scalars:
        if name not in SCALARS:
            raise RunError(unknown_name("scalar", name, SCALARS, hint="List it in ikd.trace.schema.SCALARS."))
    if event.course is not None:
        batch = len(event.course.examples)
        _check_shapes(event.course, "course", (batch, n_classes), influence=(batch,), hidden_feedback=(batch, n_shown))
    if event.reading is not None:
        _check_shapes(event.reading, "reading", (n_probe, n_classes), influence=(n_probe,), hidden_feedback=(n_probe, n_shown),
                      numbers=(n_numbers,))  # fmt: skip


def stored_logits(reading: Reading, dtype: np.dtype[Any]) -> tuple[dict[str, Array], bool]:
    """Return the logits (P, C) of a reading by role as they are kept on disk, and whether some had to be cut to their range."""
    kept, clipped = {}, False
    for role, logits in (("teacher", reading.teacher_logits), ("student", reading.student_logits)):
        values = np.asarray(logits, dtype="<f4")
        if dtype.itemsize == 2:
            clipped = clipped or bool((np.abs(values) > _FLOAT16_LIMIT).any())
            values = np.clip(values, -_FLOAT16_LIMIT, _FLOAT16_LIMIT)
        kept[role] = np.ascontiguousarray(values, dtype=dtype)
    if reading.feedback is not None:
        # Feedback is of the order of the learning rate: half precision would lose it to zero.
        kept["feedback"] = np.ascontiguousarray(reading.feedback, dtype="<f4")
    return kept, clipped


def _check_shapes(part: Course | Reading, what: str, wanted: tuple[int, ...], **others: tuple[int, ...]) -> None:
    expected = {"teacher_logits": wanted, "student_logits": wanted, "feedback": wanted, **others}
    for name, shape in expected.items():
        value = getattr(part, name)
        if value is not None and np.shape(value) != shape:
            raise RunError(f"The {name} of a {what} have the shape {np.shape(value)} where {shape} was announced: "
                           "nothing of this step is recorded.")
