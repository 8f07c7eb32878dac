"""The documented format is the format on disk."""

import sqlite3

import pytest

from ikd.config import build_config
from ikd.errors import RunError
from ikd.events import StepTaken
from ikd.trace.reader import TraceReader
from ikd.trace.recorder import Recorder
from ikd.trace.schema import SCALARS, SCHEMA_VERSION, TABLES
from ikd.trace.store import new_run
from ikd.trace.tables import CREATE_TABLES
from tests.rehearsal import rehearsal

# How version 8 lies on disk. A change here is a change of format: raise SCHEMA_VERSION and keep the old one readable.
VERSION_8 = {
    "meta": "key TEXT, value TEXT",
    "examples": "split TEXT, id INTEGER, text TEXT, text_pair TEXT, label INTEGER, truth BLOB, group_name TEXT, source_name TEXT",
    "steps": "step INTEGER, seconds REAL",
    "scalars": "name TEXT, step INTEGER, value REAL",
    "course": "step INTEGER, examples BLOB, teacher_logits BLOB, student_logits BLOB, feedback BLOB, influence BLOB",
    "course_index": "example INTEGER, step INTEGER, position INTEGER",
    "probe": "role TEXT, block INTEGER, step INTEGER, logits BLOB",
    "probe_influence": "step INTEGER, influence BLOB",
    "hidden_feedback": "role TEXT, step INTEGER, norms BLOB",
    "numbers": "step INTEGER, numbers BLOB",
    "final": "role TEXT, split TEXT, logits BLOB",
    "bands": "step INTEGER, quantiles BLOB",
    "digest": "bin INTEGER, first_step INTEGER, last_step INTEGER, readings INTEGER, measures BLOB, classes BLOB, sums BLOB, counts BLOB",
    "interventions": "number INTEGER, step INTEGER, path TEXT, value TEXT, previous TEXT, command TEXT, given REAL",
    "teacher_training": "step INTEGER, loss REAL",
    "sums": "part TEXT, number INTEGER, digest BLOB",
}


def columns(connection):
    names = [name for name, in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {name: [row[1:3] for row in connection.execute(f"PRAGMA table_info({name})")] for name in names}


def test_a_recorded_trace_has_the_documented_tables_and_columns(tmp_path):
    folder = new_run(build_config({}), tmp_path)
    with Recorder(folder) as recorder:
        for event in rehearsal(3):
            recorder.record(event)
    found = columns(sqlite3.connect(folder.trace_path))
    assert {name: [column for column, _ in kinds] for name, kinds in found.items()} == {
        name: list(words) for name, words in TABLES.items()}
    assert {name: ", ".join(map(" ".join, kinds)) for name, kinds in found.items()} == VERSION_8


def test_logits_are_little_endian_rows(tmp_path):
    folder = new_run(build_config({}), tmp_path)
    events = list(rehearsal(4, n_probe=60, shown=("hidden state 1", "attention 1")))
    with Recorder(folder) as recorder:
        for event in events:
            recorder.record(event)
    steps = [one for one in events if isinstance(one, StepTaken)]
    trace = sqlite3.connect(folder.trace_path)
    blob = trace.execute("SELECT logits FROM probe WHERE role = 'teacher' AND block = 1 AND step = 0").fetchone()[0]
    assert blob == steps[0].reading.teacher_logits[50:].astype("<f4").tobytes()
    blob = trace.execute("SELECT influence FROM probe_influence WHERE step = 3").fetchone()[0]
    assert blob == steps[3].reading.influence.astype("<f4").tobytes()
    for role, part in (("course", steps[3].course), ("probe", steps[3].reading)):
        blob = trace.execute("SELECT norms FROM hidden_feedback WHERE role = ? AND step = 3", (role,)).fetchone()[0]
        assert blob == part.hidden_feedback.astype("<f4").tobytes() and part.hidden_feedback.shape[1] == 2
    blob = trace.execute("SELECT examples FROM course WHERE step = 0").fetchone()[0]
    assert blob == steps[0].course.examples.astype("<i8").tobytes()


def of_version(version, root, *, lacking=()):
    """Return the reader of a run of 8 steps whose trace was written by another version."""
    folder = new_run(build_config({}), root)
    with Recorder(folder) as recorder:
        for event in rehearsal(8, shown=("hidden state 1",)):
            recorder.record(event)
    trace = sqlite3.connect(folder.trace_path)
    for name in (*lacking, *(["sums"] if version < 7 else []), *(["numbers"] if version < 8 else [])):
        trace.execute(f"DROP TABLE {name}")
    for name in ("group_name", "source_name") if version < 8 else ():
        trace.execute(f"ALTER TABLE examples DROP COLUMN {name}")
    trace.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (str(version),))
    trace.commit()
    trace.close()
    return TraceReader(folder)


@pytest.mark.parametrize("version, lacking", [
    (1, ["probe_influence", "bands", "digest", "interventions", "hidden_feedback", "final"]),
    (2, ["probe_influence", "interventions", "hidden_feedback", "final"]),
    (3, ["interventions", "hidden_feedback", "final"]), (4, ["hidden_feedback", "final"]), (5, ["final"]), (6, []), (7, []),
])
def test_older_traces_are_read_with_what_they_lack_left_out(tmp_path, version, lacking):
    reader = of_version(version, tmp_path, lacking=lacking)
    if "probe_influence" in lacking:
        assert reader.influence_at(5) is None and reader.influences([0, 1])[1].shape == (0, 2)
    assert (reader.final("validation") is None) == ("final" in lacking) == (reader.final("test") is None)
    if version < 5:
        assert reader.hidden_feedback_at("course", 5) is None and reader.hidden_feedback_of([0, 1])[1].shape == (0, 2, 0)
        assert set(reader.course_of(0)["hidden_feedback"]) == {None} and reader.course(5).hidden_feedback is None
    if version < 8:
        assert not reader.examples("probe")["group_name"].any() and not reader.examples("course")["source_name"].any()
    assert reader.interventions() == []
    assert reader.readings("feedback")[0].tolist() == [5, 7] and reader.digest_rows() == ([], [], [])
    assert reader.course(5).influence.shape == (8,) and reader.last_step() == 7


def test_a_newer_format_asks_for_an_update(tmp_path):
    reader = of_version(SCHEMA_VERSION + 1, tmp_path)
    for ask in (reader.meta, reader.last_step, reader.scalars, lambda: reader.influence_at(5)):
        with pytest.raises(RunError, match="update the lab"):
            ask()


def test_each_scalar_and_table_is_described():
    assert len(CREATE_TABLES) == len(TABLES) and all(SCALARS.values())
    assert all(words for table in TABLES.values() for words in table.values())
