"""The reader: what was recorded comes back exactly, and a trace in any condition has an answer or a sentence."""

import os
import sqlite3
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ikd.config import build_config, config_from_json
from ikd.errors import RunError
from ikd.events import RunFinished, RunStarted, StepTaken, TeacherProgress
from ikd.trace import store
from ikd.trace.reader import ROLES, TraceReader
from ikd.trace.recorder import Recorder
from ikd.trace.schema import PROBE_BLOCK, SCALARS, SCHEMA_VERSION
from ikd.trace.store import new_run
from tests.rehearsal import rehearsal

ROOT = Path(__file__).parents[1]
SHOWN = ("hidden state 1 of the student, 2 of the teacher", "attention 1 of the student, 2 of the teacher")


def recorded(root, events, **options):
    folder = new_run(build_config({}), root)
    with Recorder(folder, **options) as recorder:
        for event in events:
            recorder.record(event)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    events = list(rehearsal(23, n_probe=120, n_classes=3, shown=SHOWN))
    return TraceReader(recorded(tmp_path_factory.mktemp("run"), events)), events


def steps_of(events):
    return [one for one in events if isinstance(one, StepTaken)]


def test_meta_and_examples_come_back(run):
    reader, events = run
    begun = next(one for one in events if isinstance(one, RunStarted))
    scores = next(one for one in events if isinstance(one, RunFinished)).scores
    meta = reader.meta()
    assert config_from_json(meta.pop("config")) == build_config({})
    assert meta == {"schema_version": SCHEMA_VERSION, "probe_dtype": "float32", "n_steps": 23,
                             "label_names": list(begun.label_names), "temperature": 2.0, "bin_steps": 1, "facts": {"rehearsal": 1},
                             "shown": list(SHOWN), "scores": scores}
    probe = reader.examples("probe")
    assert probe["id"].tolist() == list(range(120))
    assert probe["truth"].tolist() == [one.truth for one in begun.probe]
    assert probe["text"].tolist() == [one.text for one in begun.probe] and set(probe["text_pair"]) == {None}
    new = sorted((one.id, one.text) for step in steps_of(events) for one in step.new_examples)
    course = reader.examples("course")
    assert list(zip(course["id"], course["text"], strict=True)) == new


def test_scalars_come_back_and_can_be_asked_for_after_a_step(run):
    reader, events = run
    expected = {(one.step, name): value for one in steps_of(events) for name, value in one.scalars.items()}
    table = reader.scalars()
    assert dict(zip(zip(table["step"], table["name"], strict=True), table["value"], strict=True)) == expected
    assert set(table["name"]) <= set(SCALARS) and table["step"].is_monotonic_increasing
    later = reader.scalars(["exam_loss", "course_loss"], after=20)
    assert later["step"].tolist() == [21, 21, 22, 22] and set(later["name"]) == {"exam_loss", "course_loss"}
    assert len(reader.scalars([])) == 0 and reader.last_step() == 22
    assert reader.steps(after=19)["step"].tolist() == [20, 21, 22] and (reader.steps()["seconds"] >= 0).all()


@pytest.mark.parametrize("role", ROLES)
def test_readings_come_back_exactly(run, role):
    reader, events = run
    name = {"feedback": "feedback"}.get(role, f"{role}_logits")
    taken = [(one.step, getattr(one.reading, name)) for one in steps_of(events) if one.reading is not None]
    taken = [(step, values) for step, values in taken if values is not None]
    steps, logits = reader.readings(role)
    assert steps.tolist() == [step for step, _ in taken]
    np.testing.assert_array_equal(logits, np.stack([values for _, values in taken]))
    steps, logits = reader.readings(role, after=steps[1], examples=[119, 3, 50, 3])
    np.testing.assert_array_equal(logits, np.stack([values[[119, 3, 50, 3]] for _, values in taken[2:]]))
    for step in range(23):
        before = [values for at, values in taken if at <= step]
        found = reader.reading_at(role, step)
        assert (found is None) == (not before)
        if before:
            np.testing.assert_array_equal(found, before[-1])


def test_influence_of_the_probe_set_comes_back_at_exactly_its_step(run):
    reader, events = run
    taken = {one.step: one.reading.influence for one in steps_of(events) if one.reading is not None}
    for step in range(24):
        np.testing.assert_equal(reader.influence_at(step), taken.get(step))
    steps, influence = reader.influences([119, 3, 50, 3])
    assert steps.tolist() == [step for step, values in taken.items() if values is not None]
    np.testing.assert_array_equal(influence, np.stack([taken[step][[119, 3, 50, 3]] for step in steps.tolist()]))


def test_feedback_at_hidden_states_comes_back_at_exactly_its_step_and_by_example(run):
    reader, events = run
    taken = {one.step: one for one in steps_of(events)}
    for step in range(24):
        course = taken[step].course.hidden_feedback if step in taken else None
        read = taken[step].reading.hidden_feedback if step in taken and taken[step].reading else None
        assert (course is not None) == (3 <= step < 23) and (course is None or course.shape == (8, 2))
        np.testing.assert_equal(reader.hidden_feedback_at("course", step), course)
        np.testing.assert_equal(reader.hidden_feedback_at("probe", step), read)
    steps, norms = reader.hidden_feedback_of([119, 3, 50, 3])
    assert steps.tolist() == [5, 10, 15, 20, 22] and norms.shape == (5, 4, 2) and norms.dtype == np.float32
    np.testing.assert_array_equal(norms, np.stack([taken[step].reading.hidden_feedback[[119, 3, 50, 3]] for step in steps.tolist()]))
    with pytest.raises(RunError, match="Known: course, probe"):
        reader.hidden_feedback_at("teacher", 5)
    with pytest.raises(RunError, match="0 to 119"):
        reader.hidden_feedback_of([120])


def test_a_run_without_hidden_states_has_no_feedback_at_them(tmp_path):
    reader = TraceReader(recorded(tmp_path, rehearsal(8)))
    assert "shown" not in reader.meta() and reader.hidden_feedback_at("course", 5) is None
    assert reader.hidden_feedback_of([0, 1])[1].shape == (0, 2, 0) and set(reader.course_of(0)["hidden_feedback"]) == {None}


def test_reading_steps_and_beyond_the_last(run):
    reader, _ = run
    assert reader.reading_steps().tolist() == [0, 5, 10, 15, 20, 22]
    steps, logits = reader.readings("teacher", after=22)
    assert steps.shape == (0,) and logits.shape == (0, 120, 3)
    assert reader.readings("teacher", examples=[])[1].shape == (6, 0, 3)


def test_every_soft_target_comes_back_by_step_and_by_example(run):
    reader, events = run
    taken = {one.step: one.course for one in steps_of(events)}
    assert reader.course(99) is None
    for step, course in taken.items():
        found = reader.course(step)
        for name in ("examples", "teacher_logits", "student_logits", "feedback", "influence", "hidden_feedback"):
            np.testing.assert_array_equal(getattr(found, name), getattr(course, name))
    for example in (0, 7):
        table = reader.course_of(example)
        places = [(step, int(np.flatnonzero(one.examples == example)[0])) for step, one in taken.items() if example in one.examples]
        assert table["step"].tolist() == [step for step, _ in places]
        for row, (step, place) in zip(table.itertuples(), places, strict=True):
            np.testing.assert_array_equal(row.teacher_logits, taken[step].teacher_logits[place])
            np.testing.assert_array_equal(row.student_logits, taken[step].student_logits[place])
            assert (row.feedback is None) == (taken[step].feedback is None) == np.isnan(row.influence)
            if row.feedback is not None:
                np.testing.assert_array_equal(row.feedback, taken[step].feedback[place])
                assert row.influence == taken[step].influence[place]
                np.testing.assert_array_equal(row.hidden_feedback, taken[step].hidden_feedback[place])
    assert reader.course_of(10_000).empty


@settings(max_examples=12, deadline=None)
@given(n_probe=st.sampled_from([1, PROBE_BLOCK - 1, PROBE_BLOCK, PROBE_BLOCK + 1, 2 * PROBE_BLOCK]),
       n_classes=st.integers(1, 7), dtype=st.sampled_from(["float32", "float16"]), seed=st.integers(0, 99))
def test_any_size_comes_back(n_probe, n_classes, dtype, seed):
    events = list(rehearsal(6, n_probe=n_probe, n_classes=n_classes, seed=seed))
    with tempfile.TemporaryDirectory() as root:
        reader = TraceReader(recorded(Path(root), events, dtype=dtype))
        for role in ROLES:
            name = {"feedback": "feedback"}.get(role, f"{role}_logits")
            values = [getattr(one.reading, name) for one in steps_of(events) if one.reading is not None]
            values = [one for one in values if one is not None]
            np.testing.assert_array_equal(reader.readings(role)[1], np.stack(values).astype("float32" if role == "feedback" else dtype))
        assert reader.meta()["probe_dtype"] == dtype


def test_numpy_numbers_ask_and_record_like_any_other(tmp_path):
    # Guards a silent fault: SQLite takes numpy.int64 for a blob and answers "nothing found".
    def with_numpy_steps():
        for event in rehearsal(8):
            yield replace(event, step=np.int64(event.step)) if isinstance(event, StepTaken | TeacherProgress) else event

    one = TraceReader(recorded(tmp_path, with_numpy_steps()))
    assert one.last_step() == 7 and len(one.teacher_training()) == 12
    for step in (3, np.int64(3), np.int32(3)):
        assert one.steps(after=step)["step"].tolist() == [4, 5, 6, 7] == one.course_sizes(after=step)["step"].unique().tolist()
        assert one.scalars(["course_loss"], after=step)["step"].tolist() == [4, 5, 6, 7]
        assert one.readings("teacher", after=step)[0].tolist() == [5, 7]
        assert one.reading_at("teacher", step) is not None and one.course(step) is not None
        assert one.influence_at(step + 2) is not None
        assert len(one.course_of(step)) == len(one.course_of(3)) > 0


def empty_answers(reader):
    assert reader.last_step() == -1 and reader.reading_steps().shape == (0,) and reader.course_sizes().empty
    assert reader.scalars().columns.tolist() == ["step", "name", "value"] and reader.scalars().empty
    assert reader.steps().columns.tolist() == ["step", "seconds"]
    assert reader.examples("probe").columns.tolist() == ["id", "text", "text_pair", "label", "truth", "group_name", "source_name"]
    assert reader.course_of(0).columns.tolist() == ["step", "teacher_logits", "student_logits", "feedback", "influence",
                                                 "hidden_feedback"]
    assert reader.hidden_feedback_at("probe", 5) is None
    assert reader.teacher_training().columns.tolist() == ["step", "loss"]
    assert reader.course(0) is None and reader.reading_at("teacher", 5) is None and reader.influence_at(5) is None
    steps, logits = reader.readings("student")
    assert len(steps) == 0 and logits.ndim == 3 and logits.dtype == np.float32
    assert reader.meta().get("label_names") is None


def test_a_trace_that_is_missing_empty_or_not_started_gives_empty_answers(tmp_path):
    empty_answers(TraceReader(tmp_path))
    empty_answers(TraceReader(tmp_path / "no" / "trace.sqlite"))
    (tmp_path / "trace.sqlite").touch()
    empty_answers(TraceReader(tmp_path))
    sqlite3.connect(tmp_path / "other.sqlite").execute("PRAGMA user_version=1").connection.close()
    empty_answers(TraceReader(tmp_path / "other.sqlite"))
    empty_answers(TraceReader(recorded(tmp_path, [])))


@pytest.mark.parametrize("damage", [lambda data: b"no database " * 500, lambda data: data[:100] + b"\xff" * (len(data) - 100),
                                    lambda data: data[: len(data) // 2], lambda data: data[:3000]])
def test_a_damaged_trace_is_a_plain_sentence(tmp_path, damage):
    folder = recorded(tmp_path, rehearsal(10))
    folder.trace_path.write_bytes(damage(folder.trace_path.read_bytes()))
    reader = TraceReader(folder)
    with pytest.raises(RunError, match="damaged"):
        reader.meta()
        reader.scalars()
        reader.readings("teacher")
        reader.course_of(0)
        list(reader.course_rows(last_step=10, at_once=5))


def changed(folder, *statement):
    connection = sqlite3.connect(folder.trace_path)
    connection.execute(*statement)
    connection.commit()
    connection.close()


def test_damage_inside_the_tables_is_a_plain_sentence(tmp_path):
    folder = recorded(tmp_path, rehearsal(10))
    changed(folder, "UPDATE meta SET value = '{' WHERE key = 'facts'")
    with pytest.raises(RunError, match="not JSON"):
        TraceReader(folder).meta()
    changed(folder, "DROP TABLE scalars")
    with pytest.raises(RunError, match="damaged"):
        TraceReader(folder).scalars()


def test_a_reading_with_a_block_missing_is_left_out(tmp_path):
    folder = recorded(tmp_path, rehearsal(11))
    changed(folder, "DELETE FROM probe WHERE role = 'teacher' AND block = 1 AND step = 5")
    assert TraceReader(folder).readings("teacher")[0].tolist() == [0, 10]
    assert TraceReader(folder).reading_at("teacher", 7) is None


def test_a_blob_of_the_wrong_size_is_a_plain_sentence(tmp_path):
    folder = recorded(tmp_path, rehearsal(11, shown=SHOWN))
    changed(folder, "UPDATE probe SET logits = substr(logits, 1, 7)")
    changed(folder, "UPDATE course SET teacher_logits = substr(teacher_logits, 1, 7)")
    changed(folder, "UPDATE probe_influence SET influence = substr(influence, 1, 7)")
    changed(folder, "UPDATE hidden_feedback SET norms = substr(norms, 1, 7)")
    for ask in (lambda one: one.readings("teacher"), lambda one: one.reading_at("teacher", 5), lambda one: one.course(3),
                lambda one: one.course_of(0), lambda one: one.influence_at(5), lambda one: one.influences([0]),
                lambda one: one.hidden_feedback_at("probe", 5), lambda one: one.hidden_feedback_of([0])):
        with pytest.raises(RunError, match="damaged"):
            ask(TraceReader(folder))


def test_a_wrong_role_or_example_is_named(run):
    reader, _ = run
    with pytest.raises(RunError, match="Did you mean 'teacher'"):
        reader.readings("techer")
    for ask in (lambda wanted: reader.readings("teacher", examples=wanted), reader.influences):
        with pytest.raises(RunError, match="0 to 119"):
            ask([120])


def test_a_recorded_run_is_read_without_touching_its_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "assets_root", lambda: tmp_path)
    made = recorded(tmp_path, rehearsal(5))
    opened = store.open_run(f"recorded:{made.id}")
    before = sorted(os.listdir(made.path))
    assert TraceReader(opened).last_step() == 4 and len(TraceReader(opened).readings("teacher")[0]) == 2
    assert sorted(os.listdir(made.path)) == before


READ_ONLY = """
import os, sys
from pathlib import Path
from ikd.trace.reader import TraceReader
if os.getuid() == 0: os.setgid(65534); os.setuid(65534)
assert not os.access(sys.argv[1], os.W_OK)
print(TraceReader(Path(sys.argv[1])).last_step())
"""


@pytest.mark.skipif(os.name != "posix", reason="needs permissions of a POSIX file system")
@pytest.mark.parametrize("log_mode", [False, True])
def test_a_folder_that_cannot_be_written_can_be_read(log_mode):
    with tempfile.TemporaryDirectory() as root:
        folder = recorded(Path(root), rehearsal(5))
        if log_mode:  # as a trace whose file still says that it has a log
            changed(folder, "PRAGMA journal_mode=WAL")
        os.chmod(root, 0o755)
        os.chmod(folder.trace_path, 0o444)
        os.chmod(folder.path, 0o555)
        try:
            result = subprocess.run([sys.executable, "-c", READ_ONLY, str(folder.path)], cwd=ROOT, text=True,
                                    capture_output=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
        finally:
            os.chmod(folder.path, 0o755)
        assert result.stdout.strip() == "4", result.stderr


def test_reading_needs_no_torch():
    code = ("import sys; import ikd.trace.reader, ikd.trace.recorder, ikd.trace.store, ikd.trace.measures, ikd.trace.export, "
            "ikd.trace.thin; assert 'torch' not in sys.modules and 'streamlit' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})


def test_a_series_is_its_scalar_over_all_steps(run):
    reader, _ = run
    steps, values = reader.series("exam_loss")
    wanted = reader.scalars(["exam_loss"])
    assert steps.tolist() == wanted["step"].tolist() and values.tolist() == wanted["value"].tolist()
    assert [len(one) for one in reader.series("no such scalar")] == [0, 0]
