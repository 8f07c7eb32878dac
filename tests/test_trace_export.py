"""The Parquet export: five files, opened by three libraries, equal to what was recorded."""

import errno
import sqlite3

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from ikd.config import build_config
from ikd.errors import RunError
from ikd.events import Predicted
from ikd.trace import export
from ikd.trace.export import export_parquet
from ikd.trace.measures import softmax
from ikd.trace.reader import TraceReader
from ikd.trace.recorder import Recorder
from ikd.trace.schema import PARQUET_TABLES
from ikd.trace.store import new_run
from tests.rehearsal import rehearsal


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = new_run(build_config({}), tmp_path_factory.mktemp("run"))
    with Recorder(folder) as recorder:
        for event in rehearsal(23, n_probe=120, shown=("hidden state 1", "attention 1")):
            recorder.record(event)
    out = folder.path / "export"
    return TraceReader(folder), folder, {path.name: path for path in export_parquet(folder, out)}


def test_the_files_and_columns_are_those_of_the_schema(exported):
    _, folder, paths = exported
    assert set(paths) == set(PARQUET_TABLES) == {one.name for one in (folder.path / "export").iterdir()}
    for name, path in paths.items():
        schema = pq.read_schema(path)
        # The type written first in each description is the type in the file ("element" is Arrow's word in a list).
        described = {column: words.split(":")[0] for column, words in PARQUET_TABLES[name].items()}
        assert {one.name: str(one.type).replace("element: ", "").replace("item: ", "") for one in schema} == described
        assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"
        assert schema.metadata[b"ikd_label_names"] == b"class 0\nclass 1\nclass 2"
        assert schema.metadata[b"ikd_shown"] == b"hidden state 1\nattention 1"


def test_course_equals_what_was_recorded(exported):
    reader, _, paths = exported
    table = pd.read_parquet(paths["course.parquet"])
    assert len(table) == 23 * 8
    assert table[["example", "step"]].apply(tuple, axis=1).is_monotonic_increasing
    labels = reader.examples("course").set_index("id")["label"]
    assert (table["label"] == labels[table["example"]].to_numpy()).all()
    for row in table.itertuples():
        course = reader.course(row.step)
        assert course.examples[row.position] == row.example
        np.testing.assert_array_equal(row.teacher_logits, course.teacher_logits[row.position])
        np.testing.assert_array_equal(row.student_logits, course.student_logits[row.position])
        np.testing.assert_allclose(row.soft_target, softmax(row.teacher_logits, 2.0), rtol=1e-6)
        if row.step < 3:
            assert row.feedback is None and np.isnan(row.influence)
        else:
            np.testing.assert_array_equal(row.feedback, course.feedback[row.position])
            assert row.influence == course.influence[row.position]
            np.testing.assert_array_equal(row.hidden_feedback, course.hidden_feedback[row.position])
        assert (row.hidden_feedback is None) == (row.step < 3)


def test_probe_equals_what_was_recorded(exported):
    reader, _, paths = exported
    table = pd.read_parquet(paths["probe.parquet"])
    steps, teacher = reader.readings("teacher")
    assert table["example"].tolist() == np.repeat(np.arange(120), 6).tolist()
    assert table["step"].tolist() == steps.tolist() * 120
    np.testing.assert_array_equal(np.stack(table["teacher_logits"]).reshape(120, 6, 3).swapaxes(0, 1), teacher)
    student = reader.readings("student")[1]
    np.testing.assert_array_equal(np.stack(table["student_logits"]).reshape(120, 6, 3).swapaxes(0, 1), student)
    assert (table["feedback"].isna() == (table["step"] < 3)).all()
    feedback = np.stack(table["feedback"].dropna()).reshape(120, 5, 3).swapaxes(0, 1)
    np.testing.assert_array_equal(feedback, reader.readings("feedback")[1])
    assert (table["influence"].isna() == (table["step"] < 3)).all()
    influence = table["influence"].dropna().to_numpy().reshape(120, 5).T
    np.testing.assert_array_equal(influence, np.stack([reader.influence_at(step) for step in steps.tolist() if step >= 3]))
    hidden = np.stack(table["hidden_feedback"].dropna()).reshape(120, 5, 2).swapaxes(0, 1)
    np.testing.assert_array_equal(hidden, reader.hidden_feedback_of(range(120))[1])
    assert (table["hidden_feedback"].isna() == (table["step"] < 3)).all()
    assert table["label"].tolist() == np.repeat(reader.examples("probe")["label"], 6).tolist()


def test_soft_targets_are_made_with_the_temperature_of_their_step(tmp_path):
    config = build_config({"objective.temperature": 2.0, "objective.temperature_end": 6.0, "training.steps": 21})
    folder = new_run(config, tmp_path)
    with Recorder(folder) as recorder:
        for event in rehearsal(21):
            recorder.record(event)
    table = pd.read_parquet(export_parquet(folder, tmp_path / "out")[1])
    assert set(table["step"]) == set(range(21)) and set(table["hidden_feedback"]) == {None}
    for row in table.itertuples():
        np.testing.assert_allclose(row.soft_target, softmax(row.teacher_logits, 2.0 + row.step / 5), rtol=1e-5)


def test_an_older_trace_is_exported_with_no_influence_of_the_probe_set(tmp_path):
    folder = new_run(build_config({}), tmp_path)
    with Recorder(folder) as recorder:
        for event in rehearsal(8):
            recorder.record(event)
    with sqlite3.connect(folder.trace_path) as trace:
        trace.execute("DROP TABLE probe_influence")
        trace.execute("DROP TABLE hidden_feedback")
        trace.execute("UPDATE meta SET value = '2' WHERE key = 'schema_version'")
    trace.close()
    paths = {path.name: path for path in export_parquet(folder, tmp_path / "out")}
    table = pq.read_table(paths["probe.parquet"])
    assert len(table) == 120 * 3 == table["influence"].null_count and table["feedback"].null_count == 120


def test_scalars_and_examples_equal_what_was_recorded(exported):
    reader, _, paths = exported
    found = pd.read_parquet(paths["scalars.parquet"]).sort_values(["step", "name"], ignore_index=True)
    pd.testing.assert_frame_equal(found[["step", "name", "value"]], reader.scalars(), check_dtype=False)
    table = pd.read_parquet(paths["examples.parquet"])
    probe = table[table["split"] == "probe"]
    assert probe["text"].tolist() == reader.examples("probe")["text"].tolist()
    assert [tuple(one) for one in probe["truth"]] == reader.examples("probe")["truth"].tolist()
    assert (table["label_name"] == "class " + table["label"].astype(str)).all() and set(table["split"]) == {
        "course", "probe", "validation", "test"}


def test_final_predictions_equal_what_was_recorded(exported):
    reader, _, paths = exported
    table = pd.read_parquet(paths["final.parquet"])
    assert table["split"].tolist() == ["validation"] * 30 + ["test"] * 50
    for split, rows in table.groupby("split"):
        found = reader.final(split)
        assert rows["example"].tolist() == list(range(len(rows))) and rows["label"].tolist() == found.labels.tolist()
        for role in ("frozen_teacher", "teacher", "student"):
            np.testing.assert_array_equal(np.stack(rows[f"{role}_logits"]), found.logits[role])


def test_of_a_run_that_has_not_ended_the_frozen_teacher_alone_is_there_and_of_an_old_one_nothing(tmp_path):
    folder = new_run(build_config({}), tmp_path)
    with Recorder(folder) as recorder:
        for event in rehearsal(8):
            if not isinstance(event, Predicted) or event.role == "frozen_teacher":
                recorder.record(event)
    table = pd.read_parquet(export_parquet(folder, tmp_path / "out")[-1])
    assert len(table) == 80 and table["frozen_teacher_logits"].notna().all()
    assert table["teacher_logits"].isna().all() and table["student_logits"].isna().all()
    with sqlite3.connect(folder.trace_path) as trace:
        trace.execute("DROP TABLE final")
    trace.close()
    assert pq.read_metadata(export_parquet(folder, tmp_path / "old")[-1]).num_rows == 0


def test_small_pieces_give_the_same_files(exported, tmp_path, monkeypatch):
    _, folder, paths = exported
    monkeypatch.setattr(export, "_COURSE_ROWS", 7)
    monkeypatch.setattr(export, "_PROBE_BYTES", 500)
    for path in export_parquet(folder, tmp_path):
        assert pq.read_table(path).equals(pq.read_table(paths[path.name]))
        assert path.name != "course.parquet" or pq.ParquetFile(path).num_row_groups > 20


def test_duckdb_opens_all_and_joins(exported):
    _, _, paths = exported
    query = f"""SELECT c.step, e.text, list_sum(c.soft_target) AS total FROM '{paths['course.parquet']}' c
        JOIN '{paths['examples.parquet']}' e ON e.id = c.example AND e.split = 'course' WHERE c.example = 3 ORDER BY c.step"""
    rows = duckdb.sql(query).fetchall()
    assert rows and all(text == "course text 3" and abs(total - 1) < 1e-6 for _, text, total in rows)
    assert duckdb.sql(f"SELECT count(*) FROM '{paths['probe.parquet']}'").fetchall() == [(720,)]


def test_datasets_opens_all(exported, tmp_path):
    datasets = pytest.importorskip("datasets")
    for name, path in exported[2].items():
        loaded = datasets.load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(tmp_path))
        assert set(loaded.column_names) == set(PARQUET_TABLES[name]) and len(loaded) == pq.read_metadata(path).num_rows


def test_a_run_at_work_is_exported_up_to_its_last_step(tmp_path):
    folder = new_run(build_config({}), tmp_path)
    with Recorder(folder) as recorder:
        for event, _ in zip(rehearsal(50), range(40), strict=False):
            recorder.record(event)
        paths = {path.name: path for path in export_parquet(folder, tmp_path / "out")}
        assert pd.read_parquet(paths["course.parquet"])["step"].max() == TraceReader(folder).last_step()


def test_a_run_of_one_class_count_and_no_readings_is_exported(tmp_path):
    folder = new_run(build_config({}), tmp_path)
    with Recorder(folder) as recorder:
        for event in rehearsal(0):
            recorder.record(event)
    counts = {path.name: pq.read_metadata(path).num_rows for path in export_parquet(folder, tmp_path / "out")}
    assert counts == {"scalars.parquet": 0, "course.parquet": 0, "probe.parquet": 0, "examples.parquet": 200, "final.parquet": 80}


def test_nothing_recorded_and_nothing_writable_are_plain_sentences(exported, tmp_path, monkeypatch):
    with pytest.raises(RunError, match="recorded nothing yet"):
        export_parquet(new_run(build_config({}), tmp_path), tmp_path / "out")
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="could not be written"):
        export_parquet(exported[1], tmp_path / "file")

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ikd.trace.export.os.replace", refuse)
    with pytest.raises(RunError, match="disk is full"):
        export_parquet(exported[1], tmp_path / "full")
    assert list((tmp_path / "full").iterdir()) == []
