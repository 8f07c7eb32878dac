"""A second process reads while the first writes; a killed writer leaves a trace that can be read."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from ikd.config import build_config
from ikd.errors import IKDError
from ikd.trace.export import export_parquet
from ikd.trace.reader import ROLES, TraceReader
from ikd.trace.recorder import Recorder
from ikd.trace.store import new_run
from tests.rehearsal import rehearsal

ROOT = Path(__file__).parents[1]
EXAM_START, READING_EVERY = 3, 5
WRITER = """
import sys, time
from pathlib import Path
from ikd.events import StepTaken
from ikd.trace.recorder import Recorder
from tests.rehearsal import rehearsal
from ikd.trace.store import RunFolder
with Recorder(RunFolder(Path(sys.argv[1]))) as recorder:
    for event in rehearsal(int(sys.argv[2]), n_probe=120):
        recorder.record(event)
        if isinstance(event, StepTaken): time.sleep(0.002)
"""


def started_writer(folder, n_steps):
    return subprocess.Popen([sys.executable, "-c", WRITER, str(folder.path), str(n_steps)],
                            env={**os.environ, "PYTHONPATH": str(ROOT)})


def left_beside(folder):
    return [one.name for one in folder.path.iterdir() if one.name.startswith("trace.sqlite-")]


def check_whole(reader, after=-1):
    """Everything seen up to one step must be there with all its parts; returns that step."""
    last = reader.last_step()
    scalars = reader.scalars(after=after)
    scalars = scalars[scalars["step"] <= last]
    steps = sorted(set(scalars["step"]))
    assert steps == list(range(after + 1, last + 1))
    assert reader.course_sizes(after=after)["step"].unique()[: len(steps)].tolist() == steps
    due = [step for step in steps if step % READING_EVERY == 0]
    for role in ROLES:
        taken, logits = reader.readings(role, after=after)
        wanted = [step for step in due if role != "feedback" or step >= EXAM_START]
        assert [step for step in taken.tolist() if step in due] == wanted
        assert logits.shape[1:] == (120, 3) and np.isfinite(logits).all()
    assert [step for step in due if reader.influence_at(step) is not None] == [step for step in due if step >= EXAM_START]
    for step in steps[-2:]:
        course = reader.course(step)
        assert course.teacher_logits.shape == (8, 3) and (course.feedback is None) == (step < EXAM_START)
    return last


def test_a_second_process_sees_only_whole_steps_while_300_are_written(tmp_path):
    folder = new_run(build_config({}), tmp_path)
    reader, polls, last = TraceReader(folder), 0, -1
    writer = started_writer(folder, 300)
    while writer.poll() is None:
        if reader.meta().get("label_names"):
            last = check_whole(reader, last)
            polls += last >= 0
        time.sleep(0.005)  # a page, too, lets go between two looks: only then can the writer leave one file
    assert writer.returncode == 0 and polls > 10
    assert check_whole(reader) == 299 and reader.reading_steps()[-1] == 299
    assert not left_beside(folder)


def test_a_killed_writer_leaves_what_it_had_committed(tmp_path):
    folder = new_run(build_config({}), tmp_path)
    reader, writer = TraceReader(folder), started_writer(folder, 100_000)
    try:
        until = time.monotonic() + 300
        while reader.last_step() < 30 and time.monotonic() < until:
            time.sleep(0.01)
        seen = reader.last_step()
    finally:
        writer.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        writer.wait()
    assert check_whole(reader) >= seen >= 30
    assert sqlite3.connect(folder.trace_path).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert len(export_parquet(folder, tmp_path / "out")) == 5


@pytest.mark.parametrize("n_readers", [3])
def test_closing_leaves_one_file_even_while_pages_read(tmp_path, n_readers):
    folder, done, faults = new_run(build_config({}), tmp_path), threading.Event(), []

    def poll():
        while not done.is_set():
            try:
                TraceReader(folder).scalars()
                TraceReader(folder).readings("teacher")
            except (IKDError, sqlite3.Error, ValueError) as fault:
                faults.append(fault)
            time.sleep(0.02)

    readers = [threading.Thread(target=poll) for _ in range(n_readers)]
    for one in readers:
        one.start()
    with Recorder(folder) as recorder:
        for event in rehearsal(60):
            recorder.record(event)
    done.set()
    for one in readers:
        one.join()
    assert faults == [] and TraceReader(folder).last_step() == 59
    assert not left_beside(folder)


def test_a_trace_locked_for_long_says_try_again(tmp_path, monkeypatch):
    monkeypatch.setattr("ikd.trace.connection.BUSY_SECONDS", 0.05)
    folder = new_run(build_config({}), tmp_path)
    with Recorder(folder) as recorder:
        for event in rehearsal(3):
            recorder.record(event)
    holder = sqlite3.connect(folder.trace_path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(IKDError, match="try again"):
        TraceReader(folder).last_step()
    holder.execute("ROLLBACK")
    assert TraceReader(folder).last_step() == 2
    holder.close()
