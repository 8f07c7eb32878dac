"""Whole runs under stored soft targets: what is issued, what is recorded and drawn, and that a resume goes on bit for bit."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ikd.cli import main
from ikd.models.stored import LEAST
from ikd.runs.checkpoints import newest_checkpoint
from ikd.tasks import load_task
from ikd.teaching.corrections import number_names
from ikd.trace.folder import RunFolder
from ikd.trace.reader import TraceReader
from ikd.trace.store import list_runs
from ikd.ui.number_lines import number_lines
from tests.small_runs import again, assert_same, at_step, carried_out, small
from tests.test_pages_run import opened, words

STORED: dict[str, Any] = {
    "task__shift": "sources", "task__shift_strength": 1.0, "teacher__name": "stored", "objective__alpha": 1.0,
    "objective__temperature": 1.0, "policy__teacher_learning_rate": 0.1,
}  # fmt: skip
TRUST: dict[str, Any] = STORED | {"policy__teacher_scope": "trust"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("IKD_HOME", str(tmp_path_factory.mktemp("runs")))
        return carried_out(small(**TRUST))


def test_until_the_first_exam_the_soft_targets_are_those_stored(run: RunFolder) -> None:
    data = load_task(run.config().task)
    course, reader = data.splits["course"], TraceReader(run)
    assert course.soft_targets is not None
    for step in (0, 1):
        issued = reader.course(step)
        assert issued is not None
        said = np.exp(issued.teacher_logits) / np.exp(issued.teacher_logits).sum(axis=1, keepdims=True)
        wanted = np.asarray([course.soft_targets[example] for example in issued.examples])
        np.testing.assert_allclose(said, wanted, atol=3 * LEAST)
    assert run.state().state == "finished"
    assert {"frozen_teacher/test/accuracy", "teacher/test/accuracy", "student/test/accuracy"} <= reader.meta()["scores"].keys()


def test_the_numbers_are_recorded_with_what_is_known_of_them(run: RunFolder) -> None:
    data, found = load_task(run.config().task), TraceReader(run).numbers()
    assert found["step"].unique().tolist() == [0, 4, 8, 12, 16, 20]
    names = [f"{source}: {label}" for source in data.source_names for label in data.label_names]
    assert found[found["step"] == 4]["name"].tolist() == names
    known = dict(zip(found["name"], found["truth"], strict=True))
    assert known == {f"{source}: {label}": pytest.approx(data.source_worth[source][at]) for source in data.source_names
                     for at, label in enumerate(data.label_names)}  # fmt: skip
    assert (found[found["step"] == 0]["value"] == 1).all() and found["value"].between(0, 1).all()
    assert (found[found["step"] == 20]["value"] < 1).any()


def test_trust_is_drawn_with_the_truth_and_of_one_class(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_HOME", str(run.path.parent))
    page = opened(run)
    assert not page.exception and not page.error
    assert page.segmented_control(key="curves-right-trust").value == "Trust"
    assert "How much of a soft target is what its source said" in words(page) and "known exactly of this task" in words(page)
    page.segmented_control(key="curves-class").set_value("neutral").run()
    assert not page.exception and not page.error


@pytest.mark.parametrize("scope", ["trust", "label_matrix"])
def test_sources_keep_their_lines_whatever_they_and_the_classes_are_called(scope: str) -> None:
    labels = ["good: really", "bad: no", "so: so"]
    sources = ["rater: a", "a rater with a long name, the first", "a rater with a long name, the last"]
    names = number_names(scope, labels, sources)
    values = np.linspace(0.1, 0.9, len(names))
    found = pd.DataFrame({"step": 4, "number": range(len(names)), "name": names, "value": values, "truth": np.nan})
    for chosen in (None, 1):
        lines = number_lines(found, scope, labels, chosen, 4)
        assert list(lines.names.values()) == sources and len(lines.looks) == 3 and not lines.levels
        for place, source in enumerate(sources):
            own = values.reshape(3, 3, -1)[place] if scope == "label_matrix" else values.reshape(3, 3)[place]
            diagonal = np.diag(own) if scope == "label_matrix" else own
            drawn = lines.table.loc[lines.table["name"] == source, "value"].tolist()
            assert drawn == pytest.approx([diagonal.mean() if chosen is None else diagonal[chosen]])


def test_a_killed_run_goes_on_bit_for_bit(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_HOME", str(tmp_path))

    def cut_off(folder: RunFolder) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carried_out(small(**TRUST), at_step(12, cut_off))
    (folder,) = list_runs()
    assert list(newest_checkpoint(folder, at_most=12))
    again(folder)
    assert_same(folder, run)


def rows_of(folder: RunFolder, table: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder.trace_path)) as trace:
        return trace.execute(f"SELECT * FROM {table}").fetchall()


@pytest.mark.parametrize("scope", ["temperature", "class_bias", "label_matrix", "memory"])
def test_every_scope_is_recorded_and_drawn(scope: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_HOME", str(tmp_path))
    folder = carried_out(small(**STORED, policy__teacher_scope=scope, training__steps=6))
    assert folder.state().state == "finished" and len(rows_of(folder, "numbers")) == 3
    page = opened(folder)
    assert not page.exception and not page.error


def test_a_fixed_stored_teacher_teaches_exam_texts_by_their_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_HOME", str(tmp_path))
    folder = carried_out(small(**STORED, policy__name="fixed", training__steps=30))
    data, reader = load_task(folder.config().task), TraceReader(folder)
    exam, n_course, seen = data.splits["exam"], len(data.splits["course"]), 0
    for step in range(30):
        issued = reader.course(step)
        assert issued is not None
        for row, example in enumerate(issued.examples):
            if example >= n_course:
                seen += 1
                assert int(issued.teacher_logits[row].argmax()) == exam.labels[example - n_course]
    assert seen > 10 and not len(reader.numbers())


def test_a_file_of_what_was_said_is_taught_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                                 capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.setenv("IKD_HOME", str(tmp_path / "runs"))
    rows = ["text\tlabel\trater\tsaid"]
    for at in range(120):
        label = ("bad", "good")[at % 2]
        said = '{"bad": 0.8, "good": 0.2}' if (at % 2 == 0) == (at % 3 > 0) else '{"bad": 0.2, "good": 0.8}'
        rows.append(f"the {('dull', 'fine')[at % 2]} film number {at}\t{label}\trater {at % 3}\t{said}")
    (tmp_path / "said.tsv").write_text("\n".join(rows), "utf-8")
    code = main(["train", "--quiet", "--task", "files", "--task.train-file", str(tmp_path / "said.tsv"), "--task.source-column", "rater",
                 "--task.soft-target-column", "said", "--teacher", "stored", "--student", "builtin/1x16", "--policy.teacher-scope", "trust",
                 "--training.steps", "6", "--policy.exam-start", "1", "--machine.threads", "1"])  # fmt: skip
    assert code == 0, capsys.readouterr().err
    (folder,) = list_runs()
    numbers = TraceReader(folder).numbers()
    assert sorted({name.split(":")[0] for name in numbers["name"]}) == ["rater 0", "rater 1", "rater 2"] and numbers["truth"].isna().all()
    page = opened(folder)
    assert not page.exception and not page.error and "known exactly" not in words(page)
