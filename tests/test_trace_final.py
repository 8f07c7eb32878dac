"""What models say on whole splits: kept once with labels, truth and texts, through resume, fork and zip; the scores are made of it."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from ikd.classroom import examples as examples_module
from ikd.config import build_config
from ikd.errors import RunError
from ikd.events import Event, Predicted, RunFinished, RunStarted, ScoredSplit, Stage
from ikd.metrics.scores import point_values
from ikd.tasks import load_task
from ikd.trace.branching import make_fork
from ikd.trace.folder import RunFolder
from ikd.trace.packing import pack_run
from ikd.trace.reader import TraceReader
from ikd.trace.recorder import Recorder
from ikd.trace.store import new_run, runs_root
from ikd.trace.unpacking import unpack_run
from tests.rehearsal import SCORED, rehearsal
from tests.small_runs import again, assert_same, at_step, carried_out, facts, small

ROLES = ["frozen_teacher", "teacher", "student"]


def recorded(events: list[Event]) -> TraceReader:
    folder = new_run(build_config({}))
    with Recorder(folder) as recorder:
        for event in events:
            recorder.record(event)
    return TraceReader(folder)


def test_predictions_labels_truth_and_texts_come_back() -> None:
    events = list(rehearsal(6))
    reader = recorded(events)
    for split in [one for one in events if isinstance(one, ScoredSplit)]:
        found, table = reader.final(split.split), reader.examples(split.split)
        assert found is not None and list(found.logits) == ROLES and split.truth is not None
        assert len(table) == SCORED[split.split]
        assert table["text"].tolist() == list(split.texts) and table["label"].tolist() == split.labels.tolist()
        np.testing.assert_array_equal(found.labels, split.labels)
        np.testing.assert_array_equal(found.truth, split.truth)
        for said in [one for one in events if isinstance(one, Predicted) and one.split == split.split]:
            np.testing.assert_array_equal(found.logits[said.role], said.logits)
            assert found.logits[said.role].dtype == np.float32


def changed(events: list[Event], **values: Any) -> list[Event]:
    """Return the events with every scored split changed."""
    return [replace(one, **{name: make(one) for name, make in values.items()}) if isinstance(one, ScoredSplit) else one for one in events]


def test_texts_may_be_fewer_truth_unknown_and_labels_missing() -> None:
    events = changed(
        list(rehearsal(6)), texts=lambda one: one.texts[:10], text_pairs=lambda one: ["\ud83d pair"] * 10,
        labels=lambda one: np.where(np.arange(len(one.labels)) == 3, -1, one.labels),
        truth=lambda one: one.truth * (np.arange(len(one.labels)) != 4)[:, np.newaxis] if one.split == "test" else None,
    )  # fmt: skip
    reader = recorded(events)
    table, found = reader.examples("test"), reader.final("test")
    assert table["text"].tolist() == [f"test text {one}" for one in range(10)] + [""] * 40
    assert table["text_pair"].tolist() == ["? pair"] * 10 + [""] * 40 and table["truth"][4] is None and table["truth"][5] is not None
    assert found is not None and found.truth is not None and found.labels[3] == -1
    assert not found.truth[4].any() and found.truth[5].sum() == pytest.approx(1)
    validation = reader.final("validation")
    assert validation is not None and validation.truth is None


@pytest.mark.parametrize(("event", "said"), [
    (Predicted(role="student", split="test", logits=np.zeros((49, 3), np.float32)), r"\(49, 3\) where \(50, 3\)"),
    (Predicted(role="student", split="test", logits=np.zeros((50, 2), np.float32)), r"\(50, 2\) where \(50, 3\)"),
    (Predicted(role="student", split="exam", logits=np.zeros((50, 3), np.float32)), r"where \(0, 3\)"),
])  # fmt: skip
def test_predictions_that_do_not_fit_are_refused(event: Predicted, said: str) -> None:
    with pytest.raises(RunError, match=said):
        recorded([*rehearsal(6), event])


def test_an_answer_given_again_stands_in_the_place_of_the_first_and_a_split_stays() -> None:
    events = list(rehearsal(6))
    folder = new_run(build_config({}))
    last = next(place for place, one in enumerate(events) if isinstance(one, Stage) and one.name == "final scores")
    with Recorder(folder) as recorder:
        for event in events[:last]:
            recorder.record(event)
    other = [replace(one, logits=one.logits + 1) if isinstance(one, Predicted) else one for one in events]
    with Recorder(folder, resume=True) as recorder:
        for event in changed(other, texts=lambda one: ["other"]):
            if isinstance(event, (RunStarted, ScoredSplit, Predicted, RunFinished)):
                recorder.record(event)
    reader = TraceReader(folder)
    found = reader.final("validation")
    wanted = {one.role: one.logits for one in other if isinstance(one, Predicted) and one.split == "validation"}
    assert found is not None
    for role in ROLES:
        np.testing.assert_array_equal(found.logits[role], wanted[role])
    assert reader.examples("validation")["text"].tolist() == [f"validation text {one}" for one in range(30)]


@pytest.mark.parametrize("damage", [
    "UPDATE final SET logits = substr(logits, 5) WHERE role = 'teacher' AND split = 'test'",
    "UPDATE examples SET label = 3 WHERE split = 'test' AND id = 2",
    "UPDATE examples SET label = -2 WHERE split = 'test' AND id = 2", "DELETE FROM examples WHERE split = 'test'",
    "DELETE FROM examples WHERE split = 'test' AND id = 7", "UPDATE examples SET truth = x'00' WHERE split = 'test' AND id = 1",
])  # fmt: skip
def test_a_damaged_table_is_a_sentence(damage: str) -> None:
    folder = new_run(build_config({}))
    with Recorder(folder) as recorder:
        for event in rehearsal(6):
            recorder.record(event)
    trace = sqlite3.connect(folder.trace_path)
    trace.execute(damage)
    trace.commit()
    trace.close()
    with pytest.raises(RunError, match="trace is damaged"):
        TraceReader(folder).final("test")
    assert TraceReader(folder).final("validation") is not None


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A real run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IKD_HOME", str(tmp_path_factory.mktemp("whole")))
        return carried_out(small())


def test_the_scores_of_a_run_are_those_of_its_predictions(whole: RunFolder) -> None:
    scores = whole.state().scores
    expected = {}
    for split in ("validation", "test"):
        found = TraceReader(whole).final(split)
        assert found is not None
        for role, logits in found.logits.items():
            expected |= {f"{role}/{split}/{name}": value for name, value in point_values(logits, found.labels, found.truth).items()}
    assert scores == expected == TraceReader(whole).meta()["scores"] and len(scores) == 2 * 3 * 8


def test_what_a_run_keeps_is_what_the_saved_student_says_of_the_task(whole: RunFolder) -> None:
    data = load_task(whole.config().task).splits["test"]
    found = TraceReader(whole).final("test")
    assert found is not None and found.labels.tolist() == list(data.labels)
    np.testing.assert_array_equal(found.truth, np.asarray(data.truth))
    assert TraceReader(whole).examples("test")["text"].tolist() == list(data.texts)
    model = AutoModelForSequenceClassification.from_pretrained(whole.path / "student").eval()
    tokenizer = AutoTokenizer.from_pretrained(whole.path / "student")
    with torch.no_grad():
        inputs = tokenizer(list(data.texts), truncation=True, max_length=whole.config().task.max_length, padding=True, return_tensors="pt")
        logits = model(**inputs).logits
    np.testing.assert_allclose(found.logits["student"], logits.numpy(), atol=1e-5)
    assert not np.allclose(found.logits["student"], found.logits["teacher"], atol=1e-2)
    assert not np.array_equal(found.logits["teacher"], found.logits["frozen_teacher"])


def test_a_teacher_that_never_changes_is_asked_once() -> None:
    found = TraceReader(carried_out(small(policy__name="fixed"))).final("test")
    assert found is not None and list(found.logits) == ["teacher", "student"]


def test_long_splits_keep_the_texts_of_their_first_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples_module, "MOST_TEXTS", 7)
    reader = TraceReader(carried_out(small(training__steps=3)))
    texts, found = reader.examples("test")["text"].tolist(), reader.final("test")
    assert all(texts[:7]) and texts[7:] == [""] * 53
    assert found is not None and {one.shape for one in found.logits.values()} == {(60, 3)} and len(reader.examples("test")) == 60


@pytest.mark.parametrize("lost", [False, True], ids=["with its checkpoint", "with none"])
def test_a_run_stopped_before_its_end_keeps_the_first_answers_of_the_teacher(whole: RunFolder, lost: bool) -> None:
    broken = carried_out(small(), at_step(11, lambda one: one.request_stop()))
    before = facts(broken)["final"]
    assert [row[:2] for row in before] == [("frozen_teacher", "test"), ("frozen_teacher", "validation")]
    if lost:
        shutil.rmtree(broken.path / "checkpoints")
    again(broken)
    assert set(before) < set(facts(broken)["final"])
    assert_same(whole, broken)
    assert broken.state().scores == whole.state().scores


@pytest.mark.parametrize("nth", [1, 2, 3, 5])
def test_a_run_that_ends_between_two_predictions_has_the_same_ones_when_it_is_resumed(whole: RunFolder, nth: int) -> None:
    seen: list[Event] = []

    def break_off(folder: RunFolder, event: Event) -> None:
        seen.extend([event] if isinstance(event, Predicted) else [])
        if len(seen) == nth:
            raise KeyboardInterrupt

    broken = new_run(small())
    with pytest.raises(KeyboardInterrupt):
        again(broken, break_off)
    assert len(facts(broken)["final"]) == nth
    again(broken)
    assert_same(whole, broken)


def test_a_fork_keeps_the_first_answers_and_gives_its_own_last_ones(whole: RunFolder) -> None:
    child = make_fork(whole, 12, {"objective.alpha": 0.5}, root=runs_root())
    kept = TraceReader(child).final("test")
    theirs = TraceReader(whole).final("test")
    assert kept is not None and theirs is not None and list(kept.logits) == ["frozen_teacher"]
    again(child)
    ours = TraceReader(child).final("test")
    assert ours is not None
    np.testing.assert_array_equal(ours.logits["frozen_teacher"], theirs.logits["frozen_teacher"])
    assert not np.array_equal(ours.logits["student"], theirs.logits["student"])


def test_a_run_of_an_older_lab_that_is_resumed_lacks_only_what_was_never_kept() -> None:
    broken = carried_out(small(), at_step(11, lambda one: one.request_stop()))
    trace = sqlite3.connect(broken.trace_path)
    trace.execute("DROP TABLE final")
    trace.execute("DROP TABLE sums")
    trace.execute("DELETE FROM examples WHERE split IN ('validation', 'test')")
    trace.execute("UPDATE meta SET value = '5' WHERE key = 'schema_version'")
    trace.commit()
    trace.close()
    again(broken)
    found = TraceReader(broken).final("test")
    assert broken.state().state == "finished" and found is not None and list(found.logits) == ["teacher", "student"]
    assert "frozen_teacher/test/accuracy" in broken.state().scores


def test_a_packed_run_has_them_too(whole: RunFolder, tmp_path: Path) -> None:
    pack_run(whole, tmp_path / "x.zip")
    made = TraceReader(unpack_run(tmp_path / "x.zip", tmp_path / "other"))
    ours, theirs = TraceReader(whole).final("test"), made.final("test")
    assert ours is not None and theirs is not None
    for role in ROLES:
        np.testing.assert_array_equal(ours.logits[role], theirs.logits[role])
