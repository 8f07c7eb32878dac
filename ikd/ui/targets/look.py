"""What every view of the soft targets page shares: one run, one example, one step, one temperature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from ikd.config import RunConfig
from ikd.errors import RunError
from ikd.events import Floats, Integers
from ikd.trace.binning import SCALES, Bin
from ikd.trace.digest import Digest
from ikd.trace.folder import RunFolder
from ikd.trace.state import RunState
from ikd.ui import state
from ikd.ui.shell import notice
from ikd.ui.tail import Tail, tail_of
from ikd.ui.timeline import RunTimeline, temperature_moves, temperature_words, timeline_of

ERAS = 10


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look at a run.

    Attributes:
        folder, tail, digest, config: of the run; config is None where it is damaged.
        n_steps: steps of the whole run; newest: step of its newest reading.
        cursor: step of the reading that is shown.
        pinned: whether a person chose the cursor; otherwise it follows the newest reading.
        example: id of the selected probe example.
        scale: one of `SCALES`.
        live: whether the run goes on.
        era: while the figures move, a number that changes ten times in a run; None while they stand.
    """

    folder: RunFolder
    tail: Tail
    digest: Digest
    config: RunConfig | None
    n_steps: int
    newest: int
    cursor: int
    pinned: bool
    example: int
    scale: str
    live: bool
    era: int | None

    @property
    def temperature(self) -> float:
        """Return the temperature of everything shown."""
        return 1.0 if self.scale == "1" else float(self.tail.meta["temperature"])

    @property
    def timeline(self) -> RunTimeline | None:
        """Return the run's settings with all changes so far, None where they are damaged."""
        return timeline_of(self.tail, self.config)

    @property
    def names(self) -> list[str]:
        """Return the names of the classes."""
        return [str(name) for name in self.tail.meta["label_names"]]

    @property
    def probe(self) -> pd.DataFrame:
        """Return the probe examples."""
        return self.tail.probe()

    @property
    def labels(self) -> Integers:
        """Return the hard labels (P,)."""
        return self.probe["label"].to_numpy(dtype=np.int64)

    @property
    def now(self) -> Bin:
        """Return the measures, sums and counts as they stood at the cursor."""
        return self.digest.state(self.cursor)

    def reading(self, role: str, step: int | None = None) -> Floats | None:
        """Return a role's logits (P, C) at a step, at the cursor where none is given."""
        at = self.cursor if step is None else step
        found: Floats | None = self.tail.once(f"reading-{role}-{step is None}", at, lambda: self.tail.reader.reading_at(role, at))
        return found

    def both(self) -> tuple[Floats, Floats, Floats]:
        """Return the logits (P, C) of the frozen teacher, of the teacher and of the student at the cursor."""
        found = self.reading("teacher", int(self.digest.steps[0])), self.reading("teacher"), self.reading("student")
        frozen, teacher, student = (one for one in found if one is not None)
        return frozen, teacher, student

    def asked(self, step: int) -> tuple[int, Floats] | None:
        """Return the latest feedback (P, C) at or before a step, and the step it belongs to; None before the first exam."""
        found: tuple[int, Floats] | None = self.tail.once("asked", step, lambda: self.tail.last_asked(step))
        return found

    def influence(self, step: int) -> tuple[int, Floats] | None:
        """Return the influence (P,) that belongs to `asked`, and its step; None where the trace has none."""
        asked = self.asked(step)
        found = None if asked is None else self.tail.reader.influence_at(asked[0])
        return None if asked is None or found is None else (asked[0], found)

    def scale_words(self) -> str:
        """Return which temperature is shown."""
        moves = temperature_moves(self.timeline, self.n_steps)
        return "at temperature 1" if self.scale == "1" else f"at {temperature_words(self.temperature, moves=moves)}"


def look_at(folder: RunFolder, run: RunState) -> Look | None:
    """Return the look that the address asks for, None before the first reading; wrong values in it get a notice."""
    tail = tail_of(folder)
    digest = tail.digest() if tail.started() else None
    if digest is None:
        return None
    n_steps, newest = int(tail.meta["n_steps"]), int(digest.steps[-1])
    step, wrong_step = state.step_in_address(n_steps)
    example, wrong_example = state.example_in_address(len(tail.probe()))
    scale, wrong_scale = state.choice_in_address(state.SCALE, SCALES)
    for complaint in (wrong_step, wrong_example, wrong_scale):
        notice(complaint)
    if example is None:
        # Chosen once and then kept: a selection never wanders off by itself.
        example = int(np.argmax(digest.measure("drift", scale)[-1]))
        state.keep(state.EXAMPLES, example)
    if run.live and step is not None and step > newest:
        # A pin that waited for its step would be moved by every reading until then.
        st.session_state[state.EARLY_PIN] = (newest, f"Step {step} is not there yet: the views are pinned at step {newest}, the newest "
                                                     "reading.")  # fmt: skip
        state.keep(state.STEP, newest)
        step = newest
    early = st.session_state.get(state.EARLY_PIN)
    if early is not None and early[0] == step:
        notice(early[1])
    cursor = newest if step is None else digest.reading_at(step)
    return Look(
        folder=folder, tail=tail, digest=digest, config=_config(folder), n_steps=n_steps, newest=newest, cursor=cursor,
        pinned=step is not None, example=example, scale=scale, live=run.live,
        era=ERAS * cursor // max(n_steps, 1) if run.live else None,
    )  # fmt: skip


def _config(folder: RunFolder) -> RunConfig | None:
    try:
        return folder.config()
    except RunError:
        # Only the marks of the first exam need it, and the page of the run says what is wrong with it.
        return None
