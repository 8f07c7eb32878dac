"""Seconds of teaching: what the steps took to compute, whatever a run waited for between them."""

from __future__ import annotations

import shutil
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from ikd.config import Timeline, build_config
from ikd.events import StepTaken
from ikd.runs import desk, job
from ikd.study.outcome import outcome_of
from ikd.trace.comparing import along
from ikd.trace.folder import RunFolder
from ikd.trace.kept import checkpoint_path
from ikd.trace.reader import TraceReader
from ikd.trainer import Training
from tests.small_runs import again, at_step, carried_out, small
from tests.tiny import tiny_bert, tiny_room

STEPS = 20
EVERY_STEP_A_SECOND = [float(step + 1) for step in range(STEPS + 1)]


class Clock:
    """A clock that goes on by a second whenever it is read, and by more where it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let the teaching of runs go by a clock of this test."""
    own = Clock()
    monkeypatch.setattr(job, "Training", partial(Training, clock=own))
    return own


def seconds_of(folder: RunFolder) -> list[float]:
    assert folder.state().state == "finished", folder.state().error
    found: list[float] = TraceReader(folder).steps()["seconds"].tolist()
    return found


@pytest.mark.parametrize("cached, first", [("never", 1.0), ("always", 2.0)])
def test_a_step_takes_what_computing_it_took_and_soft_targets_computed_before_the_first_count(cached: str, first: float) -> None:
    own = Clock()
    config = build_config({"teacher.name": "builtin/2x32", "student.name": "builtin/2x16", "training.steps": 5, "training.batch_size": 4,
                           "training.warmup_steps": 1, "policy.name": "fixed", "policy.cached_targets": cached})  # fmt: skip
    taken = []
    for event in Training(tiny_room(tiny_bert(2, 32, seed=1), tiny_bert(2, 16, seed=2)), Timeline(config), clock=own).events():
        own.now += 1000
        taken += [event.seconds] if isinstance(event, StepTaken) else []
    assert taken == [first, *[1.0] * 5]


def test_a_pause_is_not_teaching(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def slept(seconds: float) -> None:
        clock.now += 1000
        folder.ask("resume")

    monkeypatch.setattr(desk, "time", SimpleNamespace(sleep=slept))
    pauses = at_step(6, lambda one: one.ask("pause"))

    def watch(one: RunFolder, event: object) -> None:
        nonlocal folder
        folder = one
        pauses(one, event)  # type: ignore[arg-type]

    folder: RunFolder
    folder = carried_out(small(), watch)
    assert clock.now > 1000, "it was paused"
    assert seconds_of(folder) == EVERY_STEP_A_SECOND
    assert outcome_of(folder).seconds == STEPS + 1
    lies = along(TraceReader(folder), folder.config(), np.arange(STEPS), "seconds")
    assert lies is not None and lies.tolist() == EVERY_STEP_A_SECOND[:-1]


def test_neither_a_gap_before_a_resume_nor_steps_computed_again_are_counted(clock: Clock) -> None:
    folder = carried_out(small(), at_step(11, lambda one: one.request_stop()))
    shutil.rmtree(checkpoint_path(folder, 12))
    clock.now += 1000
    again(folder)
    assert seconds_of(folder) == EVERY_STEP_A_SECOND
