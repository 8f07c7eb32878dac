"""Shifts: what is wrong with a course on purpose, so that there is something for exams to reveal.

A shift changes the course split alone, but for the cue words of `shortcut`, which stand in every split.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ikd.config import TaskSettings, shift_mark
from ikd.errors import TaskError
from ikd.protocols import Split, TaskData
from ikd.tasks.shifts.cue import CUES, cue_of, with_cue
from ikd.tasks.shifts.flips import flips
from ikd.tasks.shifts.imbalance import imbalance
from ikd.tasks.shifts.shortcut import shortcut
from ikd.tasks.shifts.sources import sources

__all__ = ["CUES", "SHIFTS", "cue_of", "shifted", "with_cue"]

SHIFTS: dict[str, Callable[[TaskData, float, int], TaskData]] = {
    "shortcut": shortcut, "sources": sources, "imbalance": imbalance, "flips": flips,
}  # fmt: skip
"""Every shift by name."""


def shifted(data: TaskData, settings: TaskSettings, *, more: Callable[[int], Split] | None) -> TaskData:
    """Return the task with the shift that its settings name, and marked so; the groups of a shift replace those of the data.

    Args:
        data: the task without a shift.
        settings: its shift, its strength and the seed.
        more: returns a course of n texts that begins with the task's own; None: the texts are given and there are no more.

    Raises:
        TaskError: a shift that does not fit the task.
    """
    if settings.shift == "none":
        return data
    if settings.shift == "sources" and more is None:
        raise TaskError(f"The shift sources is for built-in tasks, where the truth is known, and {data.name!r} is none: set task.shift to "
                        "shortcut, imbalance or flips, or name a column of real sources in task.source_column.")  # fmt: skip
    shift = partial(imbalance, more=more) if settings.shift == "imbalance" else SHIFTS[settings.shift]
    groups = ("The groups that the data name give way to those of the shift.",) * bool(data.group_names)
    found = shift(replace(data, notes=(*data.notes, *groups)), settings.shift_strength, settings.seed)
    return replace(found, marked=shift_mark(settings))
