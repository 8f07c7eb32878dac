"""What a visitor's pages have read of a trace so far: each tick asks the trace only for what is new.

Scalars and readings of a run are shared by all visitors of this process who watch it; what a visitor chose is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ikd.events import Floats, Integers
from ikd.trace.digest import Digest
from ikd.trace.folder import RunFolder
from ikd.trace.group_readings import GroupReadings, grown_group_readings
from ikd.trace.reader import TraceReader
from ikd.trace.reading_scores import grown_scores
from ikd.trace.thin import old_points_kept
from ikd.ui import state
from ikd.ui.condensed import Condensed, Growing, attempt_of, condensed_of, growing_of, trace_key

MOST_RUNS = 6
STARTED = {"label_names", "temperature", "n_steps"}
"""What a trace says of its run from the first moment of the teaching."""
STEPS_AT_ONCE = 8
MOST_HELD, NEWEST_HELD, STRETCHES = 1400, 300, 64
"""Steps of a live run that its page holds, those of them that are held whole, and the stretches whose spikes are held of the others."""


class Tail:
    """The read part of one run's trace.

    A step is committed whole and never changed afterwards, so what was read once stays true; but a run that is resumed may
    replace steps that it computes again, and has a new tail then.
    """

    def __init__(self, folder: RunFolder) -> None:
        """Start with nothing read."""
        self.folder = folder
        self.attempt = attempt_of(folder)
        self.reader = TraceReader(folder)
        self._meta: dict[str, Any] = {}
        self._examples: pd.DataFrame | None = None
        self._held: dict[str, tuple[Hashable, Growing]] = {}
        self._digest = Digest(self.reader)
        self._sizes: pd.DataFrame | None = None
        self.kept: dict[Hashable, Any] = {}

    @property
    def meta(self) -> dict[str, Any]:
        """Return what the trace says of the run as a whole; before the run has begun, and in a damaged trace, less than `STARTED`.

        Asked anew until all of it is there: the tail of a run that has just been forked or resumed begins with nothing read.
        """
        if not self._meta.keys() >= STARTED:
            self._meta = self.reader.meta()
        return self._meta

    def started(self) -> bool:
        """Return whether the run has begun to teach, so that its names, its temperature and its probe set are known."""
        return self.meta.keys() >= STARTED

    def probe(self) -> pd.DataFrame:
        """Return the probe examples, of `TraceReader.examples`."""
        if self._examples is None or self._examples.empty:
            self._examples = self.reader.examples("probe")
        return self._examples

    def scalars(self, *names: str) -> pd.DataFrame:
        """Return the wanted scalars of all steps so far: columns step, name, value."""
        found: pd.DataFrame = self._growing(f"scalars {' '.join(names)}", names).grown(lambda known: self._scalars_on(known, names))
        return found

    def readings(self, role: str, examples: Sequence[int]) -> tuple[Integers, Floats]:
        """Return the readings of a role for some examples: steps (R,), logits (R, P, C)."""
        wanted = tuple(examples)
        series = self._growing(f"readings {role}", wanted)
        found: tuple[Integers, Floats] = series.grown(lambda known: self._readings_on(known, role, wanted))
        return found

    def numbers(self) -> pd.DataFrame:
        """Return the few numbers that the teacher learns, at all readings so far, as `TraceReader.numbers`."""
        def grow(known: pd.DataFrame | None) -> pd.DataFrame:
            if known is None or known.empty:
                return self.reader.numbers()
            fresh = self.reader.numbers(after=int(known["step"].iloc[-1]))
            return pd.concat([known, fresh], ignore_index=True) if len(fresh) else known

        found: pd.DataFrame = self._growing("numbers", ()).grown(grow)
        return found

    def live_scalars(self, *names: str) -> pd.DataFrame:
        """Return `scalars` as the page of a live run draws them: of long ago only the spikes, so that a tick costs no more at its end."""
        def grow(known: pd.DataFrame | None) -> pd.DataFrame:
            table = self._scalars_on(known, names)
            return known if table is known else thinned(table)

        found: pd.DataFrame = self._growing(f"live scalars {' '.join(names)}", names).grown(grow)
        return found

    def live_readings(self, role: str, examples: Sequence[int]) -> tuple[Integers, Floats]:
        """Return `readings` as the page of a live run draws them: all of the newest ones, and of earlier ones the first of a stretch."""
        wanted = tuple(examples)

        def grow(known: tuple[Integers, Floats] | None) -> tuple[Integers, Floats]:
            whole = self._readings_on(known, role, wanted)
            steps, logits = whole
            if whole is known or len(steps) <= MOST_HELD:
                return whole
            kept = old_points_kept(steps, np.zeros(len(steps)), **_old(steps))
            return steps[kept], logits[kept]

        found: tuple[Integers, Floats] = self._growing(f"live readings {role}", wanted).grown(grow)
        return found

    def _scalars_on(self, known: pd.DataFrame | None, names: Sequence[str]) -> pd.DataFrame:
        """Return what is known of some scalars with what is new behind it; the very same where nothing is."""
        if known is None or known.empty:
            return self.reader.scalars(names)
        fresh = self.reader.scalars(names, after=int(known["step"].iloc[-1]))
        return pd.concat([known, fresh], ignore_index=True) if len(fresh) else known

    def _readings_on(self, known: tuple[Integers, Floats] | None, role: str, examples: tuple[int, ...]) -> tuple[Integers, Floats]:
        """Return what is known of some readings with what is new behind it; the very same where nothing is."""
        if known is None or not len(known[0]):
            return self.reader.readings(role, examples=examples)
        steps, logits = self.reader.readings(role, after=int(known[0][-1]), examples=examples)
        return (np.concatenate([known[0], steps]), np.concatenate([known[1], logits])) if len(steps) else known

    def _growing(self, what: str, key: Hashable) -> Growing:
        # Held for one key at a time, like `once`: of an earlier choice nothing is kept, unless another visitor shows it.
        now = trace_key(self.folder)
        wanted = (now, what, key)
        if what not in self._held or self._held[what][0] != wanted:
            self._held[what] = (wanted, growing_of(now, (what, key)) if now is not None else Growing())
        return self._held[what][1]

    def probe_scores(self) -> pd.DataFrame:
        """Return scores that no scalar holds, of teacher and student at each reading: columns step, name ("student_brier"), value."""
        found: pd.DataFrame = self._growing("scores", None).grown(lambda known: grown_scores(self.reader, self.probe(), known))
        return found

    def has_groups(self) -> bool:
        """Return whether probe examples with a label belong to groups."""
        probe = self.probe()
        return bool(((probe["label"] >= 0) & (probe["group_name"] != "")).any())

    def group_readings(self) -> GroupReadings:
        """Return the accuracy of each group of the probe set at each reading; only where there are groups."""
        found: GroupReadings = self._growing("groups", None).grown(lambda known: grown_group_readings(self.reader, self.probe(), known))
        return found

    def shared(self, name: str, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return what `make` gives, made once for all visitors who look at it, and kept for one key at a time; None is made again."""
        return self._growing(name, key).grown(lambda known: make() if known is None else known)

    def digest(self) -> Digest | None:
        """Return the condensed readings, brought up to date; None before the first reading."""
        shared = self.condensed()
        if shared is not None:
            return shared.digest if len(shared.digest.steps) else None
        return self._digest if self._digest.update() else None

    def condensed(self) -> Condensed | None:
        """Return what all visitors share of the run, None while it is at work."""
        return condensed_of(self.folder, self.reader)

    def frames(self, key: Hashable) -> dict[int, Any]:
        """Return the places of the player read so far for a plane, a temperature and a choice of examples, to be added to."""
        shared = self.condensed()
        found: dict[int, Any] = self.once("frames", key, dict) if shared is None else shared.frames_of(key)
        return found

    def sizes(self) -> pd.DataFrame:
        """Return what was asked of every soft target issued so far, of `TraceReader.course_sizes`."""
        known = self._sizes
        if known is None or known.empty:
            self._sizes = self.reader.course_sizes()
        else:
            fresh = self.reader.course_sizes(after=int(known["step"].iloc[-1]))
            self._sizes = pd.concat([known, fresh], ignore_index=True) if len(fresh) else known
        return self._sizes

    def last_asked(self, step: int) -> tuple[int, Floats] | None:
        """Return the latest feedback (P, C) on the probe set at or before a step, and the step it belongs to."""
        feedback = self.reader.reading_at("feedback", step)
        if feedback is None:
            return None
        steps = self.reader.reading_steps()
        steps = steps[steps <= step]
        for end in range(len(steps), 0, -STEPS_AT_ONCE):
            found, _ = self.reader.readings_at("feedback", steps[max(end - STEPS_AT_ONCE, 0) : end].tolist())
            if len(found):
                return int(found[-1]), feedback
        return None

    def once(self, name: str, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return what `make` gives, kept for one key at a time: an answer of the past does not change."""
        if name not in self.kept or self.kept[name][0] != key:
            self.kept[name] = (key, make())
        return self.kept[name][1]


def thinned(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of scalars (columns step, name, value) that are held of a live run; a step stays with all its names or with none."""
    steps = np.unique(table["step"].to_numpy())
    if len(steps) <= MOST_HELD:
        return table
    old = _old(steps)
    kept = [own["step"].to_numpy()[old_points_kept(own["step"], own["value"], **old)] for _, own in table.groupby("name", sort=False)]
    return table[table["step"].isin(np.unique(np.concatenate(kept)))].reset_index(drop=True)


def _old(steps: Integers) -> dict[str, int]:
    newest_from = int(steps[-NEWEST_HELD])
    return {"newest_from": newest_from, "width": 2 ** math.ceil(math.log2(max(newest_from / STRETCHES, 1)))}


def tail_of(folder: RunFolder) -> Tail:
    """Return this visitor's tail of a run; the few runs looked at last are kept."""
    tails: dict[str, Tail] = st.session_state.setdefault(state.TAILS, {})
    tail = tails.pop(folder.id, None)
    if tail is None or tail.attempt != attempt_of(folder):
        tail = Tail(folder)
    tails[folder.id] = tail
    while len(tails) > MOST_RUNS:
        del tails[next(iter(tails))]
    return tail
