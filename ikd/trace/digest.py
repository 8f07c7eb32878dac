"""A whole run's readings, condensed, as a page sees them: some hundred bins of steps, and the quantiles of every reading."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from ikd.events import Floats, Integers
from ikd.trace.binning import BANDS, SCALES, Bin, Binner, steps_of_a_bin
from ikd.trace.reader import TraceReader

_MOST_STATES = 8
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
        self._states: dict[int, Bin] = {}
        self._looking = threading.Lock()  # several visitors may look at one digest
        self._new_binner: Callable[[], Binner] | None = None

    def update(self) -> bool:
        """Read what is new, and return whether there is any reading at all."""
        if self._binner is None:
            self._begin()
        if self._binner is not None:
            while self._take(self._binner):
                pass
        return bool(self._steps)

    @property
    def binner(self) -> Binner | None:
        """Return what condenses the readings, to go on with after the last one; None before the run has started."""
        return self._binner

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
        return _bin_steps(self._reader.meta())

    def measure(self, name: str, scale: str) -> Floats:
        """Return one of `MEASURES` at the end of every bin, (B, P)."""
        return np.stack([one.measure(name, scale) for one in self._bins()])

    def bands(self, name: str, scale: str) -> tuple[Integers, Floats]:
        """Return steps (R,) and the quantiles (R, 5) over the probe set of one of `BANDS`."""
        at, row = SCALES.index(scale), BANDS.index(name)
        if len(self._stacked) < len(self._quantiles):
            self._stacked = np.stack(self._quantiles).astype(np.float32)
        return self.steps, self._stacked[:, at, row]

    def reading_at(self, step: int) -> int:
        """Return the last reading's step that is not later than a step, the first one where none is."""
        steps = self.steps
        return int(steps[max(int(np.searchsorted(steps, step, side="right")) - 1, 0)])

    def state(self, step: int) -> Bin:
        """Return everything as it stood right after the last reading that is not later than a step: exact, whatever the bins."""
        at = self.reading_at(step)
        with self._looking:
            if at not in self._states:
                while len(self._states) >= _MOST_STATES:
                    del self._states[next(iter(self._states))]
                self._states[at] = self._stood(at)
            return self._states[at]

    def half(self, now: Bin) -> Bin:
        """Return the end of the first bin that holds at least half of the readings up to `now`; `now` itself where none does."""
        return next((one for one in self._bins() if 2 * one.readings >= now.readings and one.last_step < now.last_step), now)

    def _stood(self, at: int) -> Bin:
        bins, before = self._bins(), int(np.searchsorted(self.bin_ends, at, side="right")) - 1
        if before >= 0 and bins[before].last_step == at:
            return bins[before]
        assert self._new_binner is not None
        binner, after = self._new_binner(), -1
        frozen = self._reader.reading_at("teacher", int(self.steps[0]))
        if before >= 0 and frozen is not None:
            binner.resume(bins[before], frozen)
            after = bins[before].last_step
        steps, teacher = self._reader.readings("teacher", after=after, until=at)
        _, student = self._reader.readings("student", after=after, until=at)
        for row, step in enumerate(steps.tolist()):
            binner.add(step, teacher[row], student[row])
        assert binner.open is not None
        return binner.open

    def _bins(self) -> list[Bin]:
        newest = self._binner.open if self._binner is not None else None
        return [*self._closed, newest] if newest is not None and (not self._closed or newest is not self._closed[-1]) else self._closed

    def _begin(self) -> None:
        meta, probe = self._reader.meta(), self._reader.examples("probe")
        if "label_names" not in meta or probe.empty:
            return
        self._new_binner = partial(Binner, probe["label"].to_numpy(), probe["truth"].tolist(), temperature=float(meta["temperature"]),
                                   bin_steps=_bin_steps(meta))  # fmt: skip
        binner = self._new_binner()
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


def _bin_steps(meta: Mapping[str, Any]) -> int:
    # A fork with other steps than its parent keeps the parent's bins.
    return int(meta.get("bin_steps") or steps_of_a_bin(int(meta["n_steps"])))
