"""The documented format is the format on disk."""

import sqlite3

from ikd.config import build_config
from ikd.events import StepTaken
from ikd.trace.recorder import Recorder
from ikd.trace.schema import SCALARS, TABLES
from ikd.trace.store import new_run
from ikd.trace.tables import CREATE_TABLES
from tests.rehearsal import rehearsal

# How version 2 lies on disk. A change here is a change of format: raise SCHEMA_VERSION and keep the old one readable.
VERSION_2 = {
    "meta": "key TEXT, value TEXT",
    "examples": "split TEXT, id INTEGER, text TEXT, text_pair TEXT, label INTEGER, truth BLOB",
    "steps": "step INTEGER, seconds REAL",
    "scalars": "name TEXT, step INTEGER, value REAL",
    "course": "step INTEGER, examples BLOB, teacher_logits BLOB, student_logits BLOB, feedback BLOB, influence BLOB",
    "course_index": "example INTEGER, step INTEGER, position INTEGER",
    "probe": "role TEXT, block INTEGER, step INTEGER, logits BLOB",
    "bands": "step INTEGER, quantiles BLOB",
    "digest": "bin INTEGER, first_step INTEGER, last_step INTEGER, readings INTEGER, measures BLOB, classes BLOB, sums BLOB, counts BLOB",
    "teacher_training": "step INTEGER, loss REAL",
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
    assert {name: ", ".join(map(" ".join, kinds)) for name, kinds in found.items()} == VERSION_2


def test_logits_are_little_endian_rows(tmp_path):
    folder = new_run(build_config({}), tmp_path)
    events = list(rehearsal(1, n_probe=60))
    with Recorder(folder) as recorder:
        for event in events:
            recorder.record(event)
    step = next(one for one in events if isinstance(one, StepTaken))
    trace = sqlite3.connect(folder.trace_path)
    blob = trace.execute("SELECT logits FROM probe WHERE role = 'teacher' AND block = 1 AND step = 0").fetchone()[0]
    assert blob == step.reading.teacher_logits[50:].astype("<f4").tobytes()
    blob = trace.execute("SELECT examples FROM course").fetchone()[0]
    assert blob == step.course.examples.astype("<i8").tobytes()


def test_each_scalar_and_table_is_described():
    assert len(CREATE_TABLES) == len(TABLES) and all(SCALARS.values())
    assert all(words for table in TABLES.values() for words in table.values())
