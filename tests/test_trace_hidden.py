"""Feedback at hidden states in a trace: a real run's, a fork's, a packed one's, and traces too old to have any."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from ikd.config import build_config
from ikd.events import Event, RunStarted, StepTaken
from ikd.trace.branching import make_fork
from ikd.trace.folder import RunFolder
from ikd.trace.packing import pack_run
from ikd.trace.reader import TraceReader
from ikd.trace.recorder import Recorder
from ikd.trace.schema import SCHEMA_VERSION
from ikd.trace.store import new_run
from ikd.trace.unpacking import unpack_run
from tests.rehearsal import rehearsal
from tests.small_runs import carried_out, small, told

SHOWN = ("hidden state 1 of the student, 2 of the teacher", "attention 1 of the student, 2 of the teacher")


@pytest.fixture
def folder() -> RunFolder:
    """A run of 20 steps whose exams ask something of two layers, by its trace alone."""
    made = new_run(build_config({"training.steps": 20}))
    with Recorder(made) as recorder:
        for event in rehearsal(20, shown=SHOWN):
            recorder.record(event)
    return made


def test_a_real_run_records_what_its_trainer_reports() -> None:
    seen: list[Event] = []
    run = carried_out(small(objective__name="sum", objective__tinybert_weight=0.1, objective__minilm_weight=1.0, training__steps=8,
                            student__name="builtin/2x32"), lambda _, event: seen.append(event))  # fmt: skip
    reader, started = TraceReader(run), next(one for one in seen if isinstance(one, RunStarted))
    names = reader.meta()["shown"]
    assert names == list(started.shown) and len(names) >= 4
    steps = [one for one in seen if isinstance(one, StepTaken)]
    asked = [one for one in steps if one.course is not None and one.course.hidden_feedback is not None]
    assert [one.step for one in asked] == [2, 3, 4, 5, 6, 7]
    for one in steps:
        course, read = one.course and one.course.hidden_feedback, one.reading and one.reading.hidden_feedback
        np.testing.assert_equal(reader.hidden_feedback_at("course", one.step), course)
        np.testing.assert_equal(reader.hidden_feedback_at("probe", one.step), read)
    assert all((one.course.hidden_feedback > 0).any(axis=0).all() for one in asked if one.course is not None
               and one.course.hidden_feedback is not None), "a layer that is looked at is asked something"  # fmt: skip


def test_a_fork_takes_it_along_up_to_its_step(folder: RunFolder, tmp_path: Path) -> None:
    fork, parent = TraceReader(make_fork(folder, 11, {}, root=tmp_path)), TraceReader(folder)
    assert fork.meta()["shown"] == list(SHOWN) and fork.hidden_feedback_of([0])[0].tolist() == [5, 10]
    for step in range(20):
        wanted = parent.hidden_feedback_at("course", step) if step < 11 else None
        np.testing.assert_equal(fork.hidden_feedback_at("course", step), wanted)


def test_a_fork_of_a_trace_before_version_5_has_room_for_it(tmp_path: Path) -> None:
    old = new_run(build_config({"training.steps": 20}))
    with Recorder(old) as recorder:
        for event in rehearsal(20):
            recorder.record(event)
    trace = sqlite3.connect(old.trace_path)
    trace.execute("DROP TABLE hidden_feedback")
    trace.execute("DROP TABLE final")
    trace.execute("DROP TABLE sums")
    trace.execute("UPDATE meta SET value = '4' WHERE key = 'schema_version'")
    trace.commit()
    trace.close()
    fork = make_fork(old, 11, {}, root=tmp_path)
    assert TraceReader(fork).meta()["schema_version"] == SCHEMA_VERSION
    with Recorder(fork, resume=True) as recorder:
        for event in rehearsal(20):
            if isinstance(event, RunStarted) or (isinstance(event, StepTaken) and event.step >= 8):
                recorder.record(event)
    assert TraceReader(fork).last_step() == 19 and not told(fork)
    assert TraceReader(old).hidden_feedback_at("course", 12) is None


def test_a_packed_run_has_it_too(folder: RunFolder, tmp_path: Path) -> None:
    pack_run(folder, tmp_path / "x.zip")
    made, ours = TraceReader(unpack_run(tmp_path / "x.zip", tmp_path / "other")), TraceReader(folder)
    assert made.meta()["shown"] == list(SHOWN)
    np.testing.assert_array_equal(made.hidden_feedback_of(range(120))[1], ours.hidden_feedback_of(range(120))[1])
