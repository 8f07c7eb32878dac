"""A whole run's readings, condensed, as a page sees them: some hundred bins of steps, and the quantiles of every reading."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ikd.events import Floats, Integers
from ikd.trace.binning import BANDS, COUNTS, MEASURES, SUMS, Bin, Binner, steps_of_a_bin
from ikd.trace.reader import TraceReader

SCALES = ("training", "1")
"""Temperatures of the measures: that of the training, and 1."""

_AT_ONCE_NUMBERS = 6_000_000


class Digest:
    """The condensed readings of one run, brought up to date by `update`.

    Shapes: B bins, R readings, P probe examples.
    """

    def __init__(self, reader: TraceReader) -> None:
        """Name the trace; nothing is read yet."""
        self._reader = reader
        self._binner: Binner | None = None
        self._closed: list[Bin] = []
        self._steps: list[int] = []
        self._quantiles: list[Floats] = []
        self._stacked = np.zeros((0, len(SCALES), len(BANDS), 5), np.float32)
        self._numbers = 1

    def update(self) -> bool:
        """Read what is new, and return whether there is any reading at all."""
        if self._binner is None:
            self._begin()
        if self._binner is not None:
            while self._take(self._binner):
                pass
        return bool(self._steps)

    @property
    def steps(self) -> Integers:
        """Return the steps (R,) of the readings."""
        return np.asarray(self._steps, dtype=np.int64)

    @property
    def bin_ends(self) -> Integers:
        """Return the last reading's step of each bin (B,)."""
        return np.asarray([one.last_step for one in self._bins()], dtype=np.int64)

    @property
    def width(self) -> int:
        """Return the steps of a bin."""
        return steps_of_a_bin(int(self._reader.meta()["n_steps"]))

    def measure(self, name: str, scale: str) -> Floats:
        """Return one of `MEASURES` in every bin, (B, P)."""
        at, row = SCALES.index(scale), MEASURES.index(name)
        return np.stack([one.measures[at, row] for one in self._bins()])

    def classes(self, role: str) -> NDArray[np.int32]:
        """Return the most probable class of "teacher" or "student" in every bin, (B, P)."""
        return np.stack([one.classes[("teacher", "student").index(role)] for one in self._bins()])

    def bands(self, name: str, scale: str) -> tuple[Integers, Floats]:
        """Return steps (R,) and the quantiles (R, 5) over the probe set of one of `BANDS`."""
        at, row = SCALES.index(scale), BANDS.index(name)
        if len(self._stacked) < len(self._quantiles):
            self._stacked = np.stack(self._quantiles).astype(np.float32)
        return self.steps, self._stacked[:, at, row]

    def bin_at(self, step: int) -> int:
        """Return the last bin that was complete by a step, the first one where none was."""
        return max(int(np.searchsorted(self.bin_ends, step, side="right")) - 1, 0)

    def reading_at(self, step: int) -> int:
        """Return the last reading's step that is not later than a step, the first one where none is."""
        steps = self.steps
        return int(steps[max(int(np.searchsorted(steps, step, side="right")) - 1, 0)])

    def readings_until(self, number: int) -> int:
        """Return how many readings were made by the end of bin `number`, 0 for -1."""
        return 0 if number < 0 else self._bins()[number].readings

    def total(self, name: str, scale: str, number: int) -> NDArray[np.float64]:
        """Return one of `SUMS` (P,) from step 0 to the end of bin `number`, zeros for -1."""
        bins = self._bins()
        values = bins[max(number, 0)].sums[SCALES.index(scale), SUMS.index(name)]
        return values if number >= 0 else np.zeros_like(values)

    def count(self, name: str, number: int) -> Integers:
        """Return one of `COUNTS` (P,) from step 0 to the end of bin `number`, zeros for -1."""
        values = self._bins()[max(number, 0)].counts[COUNTS.index(name)].astype(np.int64)
        return values if number >= 0 else np.zeros_like(values)

    def _bins(self) -> list[Bin]:
        newest = self._binner.open if self._binner is not None else None
        return [*self._closed, newest] if newest is not None and (not self._closed or newest is not self._closed[-1]) else self._closed

    def _begin(self) -> None:
        meta, probe = self._reader.meta(), self._reader.examples("probe")
        if "label_names" not in meta or probe.empty:
            return
        binner = Binner(probe["label"].to_numpy(), probe["truth"].tolist(), temperature=float(meta["temperature"]),
                        bin_steps=steps_of_a_bin(int(meta["n_steps"])))  # fmt: skip
        bins, steps, quantiles = self._reader.digest_rows()
        frozen = self._reader.reading_at("teacher", steps[0]) if steps else None
        if bins and frozen is not None:
            kept = int(np.searchsorted(steps, bins[-1].last_step, side="right"))
            self._closed, self._steps, self._quantiles = bins, steps[:kept], quantiles[:kept]
            binner.resume(bins[-1], frozen)
        self._binner, self._numbers = binner, len(probe) * len(meta["label_names"])

    def _take(self, binner: Binner) -> bool:
        """Add the next readings, as many as fit the memory; return whether there were any."""
        after = self._steps[-1] if self._steps else -1
        waiting = self._reader.reading_steps(after=after)
        if not len(waiting):
            return False
        until = int(waiting[min(len(waiting), max(1, _AT_ONCE_NUMBERS // self._numbers)) - 1])
        steps, teacher = self._reader.readings("teacher", after=after, until=until)
        _, student = self._reader.readings("student", after=after, until=until)
        for at, step in enumerate(steps.tolist()):
            quantiles, closed = binner.add(step, teacher[at], student[at])
            if closed is not None and (not self._closed or closed is not self._closed[-1]):
                self._closed.append(closed)
            self._steps.append(step)
            self._quantiles.append(quantiles)
        return bool(len(steps))
