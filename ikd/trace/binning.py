"""Readings condensed as they come: quantiles of each reading, and a bin of steps for each of some hundred columns.

One class does it for both sides. The recorder writes what it gives, in long traces; a page feeds it the readings of a
short trace, or those after the last bin that was written. So a page never reads a long trace as a whole.

Shapes: P probe examples, C classes; the first axis of 2 is the temperature: that of the training, then 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ikd.events import Floats, Integers
from ikd.trace.measures import at_label, divergence, entropy, first_flip, flips, quantile_bands, softmax, truth_gap

SCALES = ("training", "1")
"""Temperatures of the measures: that of the training, and 1."""

MEASURES = ("teacher_label", "student_label", "entropy", "drift", "drift_most", "gap", "truth_gap")
SUMS = ("teacher_label", "teacher_label_squared", "student_label", "student_label_squared")
COUNTS = ("teacher_right", "student_right", "teacher_flips", "student_flips", "first_flip")
BANDS = ("entropy", "drift", "gap", "truth_gap")
MOST_BINS = 400
LONG_TRACE_NUMBERS = 4_000_000
_RIGHT, _FLIPS, _FIRST_FLIP = slice(0, 2), slice(2, 4), 4
_DRIFT, _DRIFT_MOST = MEASURES.index("drift"), MEASURES.index("drift_most")


@dataclass(frozen=True, kw_only=True)
class Bin:
    """One bin of steps, as it stands after its last reading; or after one of those before it, for a look at that step.

    Attributes:
        number: of the bin, step // bin_steps.
        first_step, last_step: of its readings.
        readings: readings since step 0, these included.
        measures: (2, 7, P) by `MEASURES`, of the last reading; `drift_most` is the largest drift in the bin.
        classes: (2, P) most probable class of teacher and student at the last reading.
        sums: (2, 4, P) by `SUMS`, since step 0.
        counts: (5, P) by `COUNTS`, since step 0; `first_flip` is a step, or -1.
    """

    number: int
    first_step: int
    last_step: int
    readings: int
    measures: Floats
    classes: NDArray[np.int32]
    sums: NDArray[np.float64]
    counts: NDArray[np.int32]

    def measure(self, name: str, scale: str) -> Floats:
        """Return one of `MEASURES` (P,) at the last reading, at one of `SCALES`."""
        found: Floats = self.measures[SCALES.index(scale), MEASURES.index(name)]
        return found

    def total(self, name: str, scale: str) -> NDArray[np.float64]:
        """Return one of `SUMS` (P,) over all readings since step 0."""
        total: NDArray[np.float64] = self.sums[SCALES.index(scale), SUMS.index(name)]
        return total

    def count(self, name: str) -> Integers:
        """Return one of `COUNTS` (P,) over all readings since step 0."""
        count: Integers = self.counts[COUNTS.index(name)].astype(np.int64)
        return count


def steps_of_a_bin(n_steps: int) -> int:
    """Return how many steps make one bin, so that a run has at most `MOST_BINS` of them."""
    return max(1, -(-(n_steps + 1) // MOST_BINS))


def is_long(n_readings: int, n_probe: int, n_classes: int) -> bool:
    """Return whether a trace of so many readings is written with its digest, as deriving that on opening takes long."""
    return n_readings * n_probe * n_classes > LONG_TRACE_NUMBERS


class Binner:
    """Condenses readings in their order.

    Attributes:
        open: the bin of the newest reading, None before the first.
    """

    def __init__(
        self, labels: Sequence[int] | Integers, truths: Sequence[Sequence[float] | None], *, temperature: float, bin_steps: int
    ) -> None:
        """Keep what is fixed for the run.

        Args:
            labels: (P,) hard labels.
            truths: (P,) the true posterior (C,) or None, by example.
            temperature: of the training.
            bin_steps: steps of a bin.
        """
        self._labels = np.asarray(labels, dtype=np.int64)
        self._truths = truths
        self._truth: NDArray[np.float64] | None = None
        self._temperatures = (float(temperature), 1.0)
        self._bin_steps = bin_steps
        self._frozen: Floats | None = None
        self.open: Bin | None = None

    def resume(self, last: Bin, frozen: Floats) -> None:
        """Go on after a closed bin instead of from the first reading.

        Args:
            last: the newest closed bin.
            frozen: (P, C) the teacher's logits at the first reading.
        """
        self.open, self._frozen = last, frozen

    def add(self, step: int, teacher: Floats, student: Floats) -> tuple[Floats, Bin | None]:
        """Take one reading.

        Args:
            step: of the reading, later than every one before.
            teacher, student: (P, C) logits.

        Returns:
            its quantiles (2, 4, 5) over the probe set by `BANDS`, and the bin that it closes, if it does: no later reading
            changes that one.
        """
        if self._frozen is None:
            self._frozen = teacher
        measures = np.stack([self._measured(teacher, student, t) for t in self._temperatures])
        bands = [np.asarray(quantile_bands(measures[:, MEASURES.index(name)])) for name in BANDS]
        classes = np.stack([teacher.argmax(axis=-1), student.argmax(axis=-1)]).astype(np.int32)
        number, before = int(step) // self._bin_steps, self.open
        self.open = self._next_bin(number, int(step), measures, classes)
        closed = before if before is not None and before.number != number else None
        return np.stack(bands, axis=1).astype(np.float32), closed

    def _next_bin(self, number: int, step: int, measures: NDArray[np.float64], classes: NDArray[np.int32]) -> Bin:
        before = self.open
        kept = measures.astype(np.float32)
        sums = measures[:, [0, 0, 1, 1]] ** np.asarray([1, 2, 1, 2])[:, np.newaxis]
        counts = np.zeros((len(COUNTS), len(self._labels)), np.int32)
        counts[_RIGHT], counts[_FIRST_FLIP] = classes == self._labels, -1
        first_step = step
        if before is not None:
            sums += before.sums
            counts[_RIGHT] += before.counts[_RIGHT]
            both, known = np.stack([before.classes, classes]), before.counts[_FIRST_FLIP]
            counts[_FLIPS] = before.counts[_FLIPS] + flips(both)
            counts[_FIRST_FLIP] = np.where(known < 0, first_flip([before.last_step, step], both[:, 0]), known)
        if before is not None and before.number == number:
            first_step = before.first_step
            kept[:, _DRIFT_MOST] = np.maximum(kept[:, _DRIFT_MOST], before.measures[:, _DRIFT_MOST])
        return Bin(number=number, first_step=first_step, last_step=step, readings=1 + (before.readings if before else 0),
                   measures=kept, classes=classes, sums=sums, counts=counts)  # fmt: skip

    def _measured(self, teacher: Floats, student: Floats, temperature: float) -> NDArray[np.float64]:
        p, q = softmax(teacher, temperature), softmax(student, temperature)
        moved = divergence(teacher, self._frozen if self._frozen is not None else teacher, temperature)
        return np.stack([
            at_label(p, self._labels), at_label(q, self._labels), entropy(p), moved, moved,
            divergence(teacher, student, temperature), truth_gap(self._known(teacher.shape[-1]), teacher, temperature),
        ])  # fmt: skip

    def _known(self, n_classes: int) -> NDArray[np.float64]:
        if self._truth is None:
            blank = (np.nan,) * n_classes
            self._truth = np.asarray([blank if one is None else tuple(one) for one in self._truths], dtype=np.float64)
        return self._truth
