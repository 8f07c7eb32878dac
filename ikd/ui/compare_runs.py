"""The runs that are compared: chosen on the page or named in the address, each with a colour it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from ikd.config import PlannedChange, RunConfig
from ikd.errors import RunError
from ikd.plots.compare import MOST_RUNS
from ikd.trace.final import Final
from ikd.trace.folder import RunFolder
from ikd.trace.store import list_recorded, list_runs, open_run
from ikd.ui import state
from ikd.ui.parentage import changes_in_flight
from ikd.ui.run_view import name_of
from ikd.ui.tail import Tail, tail_of
from ikd.ui.wording import visible

_SLOTS = "compare-slots"
_CHOICE = "compare-choice"
LONGEST_NAME = 60
RUNS, STUDY = "Runs", "Study"
"""What the page compares."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One of the runs.

    Attributes:
        name: unlike those of the others, safe to show.
        slot: of its colour, dash and shape.
        config: None where it is damaged.
    """

    folder: RunFolder
    name: str
    slot: int
    config: RunConfig | None
    tail: Tail

    @property
    def fingerprint(self) -> str:
        """Return the mark of its texts, labels and splits, empty where it has none."""
        return str(self.tail.meta.get("facts", {}).get("fingerprint", "")) if self.tail.started() else ""

    @property
    def changes(self) -> list[PlannedChange]:
        """Return the changes of settings made while it went on; none where its trace cannot be read."""
        return changes_in_flight(self.folder)

    def final(self, split: str) -> Final | None:
        """Return what its models said on a whole split at its end, None before that or in an older trace."""
        found: Final | None = self.tail.once(f"final-{split}", self.folder.state().state, lambda: self.tail.reader.final(split))
        return found if found is not None and "student" in found.logits else None


def choose_runs() -> tuple[list[Compared], str]:
    """Draw the choice of runs and return them, with a complaint about the address where it names some that are not there."""
    listed = {one.id: one for one in [*list_runs(), *list_recorded()]}
    named, complaint = _in_address()
    for run in named:
        listed.setdefault(run.id, run)
    if _CHOICE not in st.session_state:
        st.session_state[_CHOICE] = [run.id for run in named]
    names = _names(list(listed.values()))
    chosen = st.multiselect("Runs", list(listed), key=_CHOICE, max_selections=MOST_RUNS,
                            format_func=lambda run: names.get(run, run),
                            placeholder="choose two runs or more", help="The others are held against the first one.")  # fmt: skip
    state.keep(state.RUNS, ",".join(chosen) or None)
    return [_compared(listed[run], names[run]) for run in chosen if run in listed], complaint


def compare_these(runs: Sequence[str]) -> None:
    """Open the comparison of these runs on the page; for a button's callback."""
    st.session_state[_CHOICE] = list(runs)[:MOST_RUNS]
    st.session_state[state.COMPARED] = RUNS
    state.keep(state.RUNS, ",".join(st.session_state[_CHOICE]))
    state.keep(state.STUDY, None)


def _in_address() -> tuple[list[RunFolder], str]:
    text = st.query_params.get(state.RUNS, "")
    found, lost = [], []
    for run in list(dict.fromkeys(part.strip() for part in text[:1000].split(",") if part.strip())):
        try:
            found.append(open_run(run))
        except RunError:
            lost.append(run[:60])
    over = f"; at most {MOST_RUNS} are compared" if len(found) > MOST_RUNS else ""
    complaint = f"The address names runs that are not here: {', '.join(lost)}. The others are compared{over}." if lost else over.strip("; ")
    return found[:MOST_RUNS], complaint


def _names(folders: Sequence[RunFolder]) -> dict[str, str]:
    plain = {one.id: visible(name_of(one), longest=LONGEST_NAME) for one in folders}
    many = {name for name in plain.values() if list(plain.values()).count(name) > 1}
    return {run: f"{name} · {run}" if name in many else name for run, name in plain.items()}


def _compared(folder: RunFolder, name: str) -> Compared:
    slots: dict[str, int] = st.session_state.setdefault(_SLOTS, {})
    if folder.id not in slots:
        shown = {slots[run] for run in st.session_state[_CHOICE] if run in slots}
        slots[folder.id] = next(slot for slot in range(MOST_RUNS + 1) if slot not in shown)
    try:
        config: RunConfig | None = folder.config()
    except RunError:
        config = None
    tail = tail_of(folder)
    tail.started()
    return Compared(folder=folder, name=name, slot=slots[folder.id], config=config, tail=tail)
