"""The recorder: one transaction a step, one writer, plain sentences when it cannot write, one file at the end."""

import errno
import os
import sqlite3
import threading
from dataclasses import replace

import numpy as np
import pytest

from ikd.config import build_config
from ikd.errors import RunError
from ikd.events import Course, Example, Notice, Reading, RunStarted, Stage, StepTaken, TeacherProgress
from ikd.trace import connection as connection_module
from ikd.trace.reader import TraceReader
from ikd.trace.recorder import Recorder
from ikd.trace.store import new_run
from tests.rehearsal import rehearsal


@pytest.fixture
def folder(tmp_path):
    return new_run(build_config({}), tmp_path)


def started(n_probe=3, n_classes=2):
    probe = [Example(id=number, split="probe", text="t", text_pair=None, label=0) for number in range(n_probe)]
    return RunStarted(label_names=[str(one) for one in range(n_classes)], n_steps=5, temperature=2.0, probe=probe,
                      facts={"parameters": np.int64(5), "ratio": np.float32(0.5)})


def reading(value=1.0, shape=(3, 2), **values):
    return Reading(teacher_logits=np.full(shape, value, np.float32), student_logits=np.zeros(shape, np.float32), **values)


def course(batch=4, n_classes=2, **values):
    logits = np.ones((batch, n_classes), np.float32)
    return Course(**{"examples": np.arange(batch), "teacher_logits": logits, "student_logits": logits, **values})


def test_a_finished_run_leaves_one_file(folder):
    with Recorder(folder) as recorder:
        for event in rehearsal(20):
            recorder.record(event)
    assert sorted(one.name for one in folder.path.iterdir()) == ["config.json", "log.txt", "state.json", "trace.sqlite"]
    assert any("fine-tuning the teacher (12 steps)" in line for line in folder.log_tail())
    assert folder.warnings() == ["This run is a rehearsal: its numbers are drawn, not learned."]
    recorder.close()


def test_a_step_that_fails_half_way_leaves_nothing_of_itself(folder):
    twice = (Example(id=0, split="course", text="", text_pair=None, label=0),) * 2
    with Recorder(folder) as recorder:
        recorder.record(started())
        recorder.record(StepTaken(step=0, scalars={"course_loss": 1.0}, reading=reading()))
        with pytest.raises(RunError, match="up to step 0 is kept"):
            recorder.record(StepTaken(step=1, scalars={"course_loss": 1.0}, course=course(), new_examples=twice))
        recorder.record(StepTaken(step=2, scalars={"course_loss": 3.0}))
    reader = TraceReader(folder)
    assert reader.steps()["step"].tolist() == [0, 2]
    assert reader.scalars(["course_loss"])["step"].tolist() == [0, 2] and reader.course(1) is None


def test_influence_of_the_probe_set_is_written_with_its_reading_or_not_at_all(folder):
    twice = (Example(id=0, split="course", text="", text_pair=None, label=0),) * 2
    with Recorder(folder, dtype="float16") as recorder:
        recorder.record(started())
        recorder.record(StepTaken(step=0, scalars={}, reading=reading()))
        with pytest.raises(RunError):
            recorder.record(StepTaken(step=1, scalars={}, reading=reading(influence=np.ones(3)), new_examples=twice))
        recorder.record(StepTaken(step=np.int64(2), scalars={}, reading=reading(influence=np.array([1e-9, -1.0, 0.0]))))
    trace = sqlite3.connect(folder.trace_path)
    # Four bytes a number whatever the precision of the logits: half precision would lose the first of them to zero.
    assert trace.execute("SELECT * FROM probe_influence").fetchall() == [(2, np.array([1e-9, -1, 0], "<f4").tobytes())]
    assert trace.execute("SELECT DISTINCT step FROM probe ORDER BY step").fetchall() == [(0,), (2,)]
    trace.close()


def test_steps_computed_again_are_compared_in_their_feedback_at_hidden_states_too(folder):
    events = list(rehearsal(12, shown=("hidden state 1",)))
    half = next(place for place, event in enumerate(events) if isinstance(event, StepTaken) and event.step == 8)
    with Recorder(folder) as recorder:
        for event in events[:half]:
            recorder.record(event)
    again = [event for event in events if isinstance(event, RunStarted) or isinstance(event, StepTaken) and event.step >= 5]
    with Recorder(folder, resume=True) as recorder:
        for event in again[:3]:
            recorder.record(event)
    assert not any("differs" in line for line in folder.warnings())
    other = replace(again[1], reading=replace(again[1].reading, hidden_feedback=2 * again[1].reading.hidden_feedback))
    with Recorder(folder, resume=True) as recorder:
        for event in (again[0], other, *again[2:]):
            recorder.record(event)
    assert any("Step 5, computed again" in line for line in folder.warnings())
    reader = TraceReader(folder)
    np.testing.assert_array_equal(reader.hidden_feedback_at("probe", 5), other.reading.hidden_feedback)
    np.testing.assert_array_equal(reader.hidden_feedback_at("course", 11), again[-1].course.hidden_feedback)
    assert reader.hidden_feedback_of([0])[0].tolist() == [5, 10, 11]


def test_a_full_disk_is_said_plainly_and_what_was_recorded_is_kept(folder):
    recorder = Recorder(folder)
    recorder.record(started(n_probe=200))
    pages = recorder._connection.execute("PRAGMA page_count").fetchone()[0]
    recorder._connection.execute(f"PRAGMA max_page_count={pages + 12}")
    with recorder, pytest.raises(RunError) as caught:
        for step in range(1000):
            recorder.record(StepTaken(step=step, scalars={"course_loss": 1.0}, reading=reading(shape=(200, 2))))
    assert str(caught.value).startswith(f"The disk is full: step {step} could not be recorded, everything up to step {step - 1} is kept")
    assert "free some space" in str(caught.value).lower() and step > 0
    assert TraceReader(folder).last_step() == step - 1
    steps, logits = TraceReader(folder).readings("teacher")
    assert steps.tolist() == list(range(step)) and logits.shape == (step, 200, 2)


def test_a_full_disk_while_the_trace_is_made_is_said_plainly(folder, monkeypatch):
    def refuse(path):
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA max_page_count=1")
        return connection, ""

    monkeypatch.setattr("ikd.trace.opening.connect_writer", refuse)
    with pytest.raises(RunError, match="disk is full"):
        Recorder(folder)


def test_a_fault_of_the_run_is_not_hidden_by_one_of_closing(folder, monkeypatch):
    def refuse(*_):
        raise RunError("the disk is full")

    monkeypatch.setattr(Recorder, "_flush_teacher_training", refuse)
    with pytest.raises(ZeroDivisionError), Recorder(folder):
        1 / 0  # noqa: B018
    with pytest.raises(RunError, match="has a trace already"), Recorder(folder):
        pass


@pytest.mark.parametrize("event, words", [
    (StepTaken(step=0, scalars={}), "before the start"),
    (StepTaken(step=3, scalars={}), "after step 3"),
    (StepTaken(step=9, scalars={"course_lost": 1.0}), "Did you mean 'course_loss'"),
    (StepTaken(step=9, scalars={}, reading=reading(shape=(2, 2))), r"\(2, 2\) where \(3, 2\)"),
    (StepTaken(step=9, scalars={}, reading=reading(influence=np.zeros(4))), r"influence of a reading .*\(4,\) where \(3,\)"),
    (StepTaken(step=9, scalars={}, course=course(n_classes=3)), r"\(4, 3\) where \(4, 2\)"),
    (StepTaken(step=9, scalars={}, course=course(influence=np.zeros(3))), "influence"),
    (StepTaken(step=9, scalars={}, course=course(hidden_feedback=np.zeros((4, 1)))), r"hidden_feedback of a course .*\(4, 1\) where"),
    (started(), "started already"),
])
def test_an_event_that_does_not_fit_is_refused(folder, event, words):
    with Recorder(folder) as recorder:
        if words != "before the start":
            recorder.record(started())
            recorder.record(StepTaken(step=3, scalars={}))
        with pytest.raises(RunError, match=words):
            recorder.record(event)


def test_a_trace_never_has_two_writers(folder):
    with Recorder(folder), pytest.raises(RunError, match="start a new one"):
        Recorder(folder)
    with pytest.raises(RunError, match="start a new one"):
        Recorder(folder)


def test_float16_is_cut_to_its_range_and_says_so(folder):
    values = np.array([[1e6, -1e6], [0.1, 65504.0], [np.nan, 1.0]], np.float32)
    with Recorder(folder, dtype="float16") as recorder:
        recorder.record(started())
        for step in range(2):
            recorder.record(StepTaken(step=step, scalars={}, reading=Reading(teacher_logits=values, student_logits=values)))
    read = TraceReader(folder).reading_at("teacher", 0)
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, [[65504, -65504], [0.1, 65504], [np.nan, 1]], rtol=1e-3)
    assert len(folder.warnings()) == 1 and "float16" in folder.warnings()[0]
    with pytest.raises(RunError, match="float32"):
        Recorder(folder, dtype="float8")


def test_what_is_not_a_number_comes_back_as_such(folder):
    with Recorder(folder) as recorder:
        recorder.record(started())
        recorder.record(StepTaken(step=0, scalars={"course_loss": float("nan"), "exam_loss": float("inf")}))
    np.testing.assert_array_equal(TraceReader(folder).scalars()["value"], [np.nan, np.inf])


def test_any_text_can_be_recorded(folder):
    texts = ["half a surrogate \ud83d", "nul \x00 inside", "", "日本語 🙂"]
    examples = [Example(id=number, split="probe", text=text, text_pair=text, label=0) for number, text in enumerate(texts)]
    with Recorder(folder) as recorder:
        recorder.record(RunStarted(label_names=["a"], n_steps=1, temperature=1.0, probe=examples, facts={}))
    assert TraceReader(folder).examples("probe")["text"].tolist() == ["half a surrogate ?", *texts[1:]]


def test_losses_of_the_teachers_fine_tuning_are_seen_in_tens_and_all_at_the_end(folder):
    with Recorder(folder) as recorder:
        for step in range(25):
            recorder.record(TeacherProgress(step=step, total=100, loss=float(step)))
        assert len(TraceReader(folder).teacher_training()) == 20
        recorder.record(Stage(name="teaching"))
        assert len(TraceReader(folder).teacher_training()) == 25
        recorder.record(TeacherProgress(step=25, total=100, loss=1.0))
    assert TraceReader(folder).teacher_training()["step"].tolist() == list(range(26))


def test_a_network_file_system_gets_the_rollback_journal_and_a_notice(folder, monkeypatch):
    monkeypatch.setattr(connection_module, "file_system_of", lambda _: "nfs4")
    with Recorder(folder) as recorder:
        assert recorder._connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        for event in rehearsal(5):
            recorder.record(event)
        assert TraceReader(folder).last_step() == 4
    assert "nfs4" in folder.warnings()[0]


def test_the_file_system_of_a_path_is_that_of_its_nearest_mount():
    if os.path.exists("/proc/self/mounts"):
        assert connection_module.file_system_of(connection_module.Path("/proc/self")) == "proc"


def test_a_run_may_be_built_in_one_thread_and_recorded_in_another(folder):
    with Recorder(folder) as recorder:
        thread = threading.Thread(target=lambda: [recorder.record(event) for event in rehearsal(5)])
        thread.start()
        thread.join()
    assert TraceReader(folder).last_step() == 4


def test_a_log_that_is_full_does_not_stop_the_run(folder, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with Recorder(folder) as recorder:
        monkeypatch.setattr("ikd.trace.folder.Path.open", refuse)
        recorder.record(Notice(text="x"))
