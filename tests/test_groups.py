"""Scores by group: values counted by hand and by scikit-learn, in resamples and readings too, and what a trace keeps of groups."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn import metrics as sk

from ikd.cli import main
from ikd.config import build_config
from ikd.errors import RunError
from ikd.events import StepTaken
from ikd.metrics.predictions import predictions
from ikd.metrics.readings import reading_scores
from ikd.metrics.resampling import difference_interval, interval, intervals, resampled
from ikd.metrics.scores import group_values, point_values
from ikd.trace.branching import make_fork
from ikd.trace.comparing import paired_scores
from ikd.trace.export import export_parquet
from ikd.trace.final import Final
from ikd.trace.folder import RunFolder
from ikd.trace.group_readings import grown_group_readings
from ikd.trace.opening import require_sound_run
from ikd.trace.reader import TraceReader
from ikd.trace.recorder import Recorder
from ikd.trace.schema import SCHEMA_VERSION
from ikd.trace.scores import final_scores, group_rows, group_words, score_words, split_scores, worst_first
from ikd.trace.store import new_run, runs_root
from ikd.trace.sums import damaged_places, seal
from tests.rehearsal import rehearsal
from tests.synthetic import synthetic_run, with_groups

Array = np.ndarray[Any, Any]
Case = tuple[Array, Array, list[str]]


def drawn(n: int, names: Sequence[str], seed: int = 0, *, n_classes: int = 3) -> Case:
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, n_classes, n)
    logits = (draw.normal(size=(n, n_classes)) + 1.5 * np.eye(n_classes)[labels]).astype(np.float32)
    return logits, labels, [names[one] for one in draw.integers(0, len(names), n)]


def unlabelled() -> Case:
    """Return examples of which those of one group have no label, and others no group."""
    logits, labels, groups = drawn(90, ["a", "b", "", "bare"])
    labels[[one == "bare" for one in groups]] = -1
    labels[::7] = -1
    return logits, labels, groups


CASES: dict[str, Case] = {
    "two groups": drawn(100, ["a", "b"]), "one group": drawn(40, ["a"]), "some in none": drawn(60, ["a", "", "b"]),
    "50 groups": drawn(300, [f"g{one:02}" for one in range(50)]), "unlabelled": unlabelled(),
    "one example": drawn(1, ["a"]), "two classes": drawn(80, ["x", "y", "z"], n_classes=2),
}  # fmt: skip


def by_sklearn(case: Case) -> dict[str, tuple[int, float, float]]:
    """Return labelled examples, accuracy and nll of each group that has any."""
    logits, labels, groups = case
    p = np.exp(np.float64(logits)) / np.exp(np.float64(logits)).sum(axis=1, keepdims=True)
    found = {}
    for name in sorted(set(groups) - {""}):
        rows = np.asarray([one == name for one in groups]) & (labels >= 0)
        if rows.any():
            found[name] = (int(rows.sum()), float(sk.accuracy_score(labels[rows], p[rows].argmax(axis=1))),
                           float(sk.log_loss(labels[rows], p[rows], labels=np.arange(p.shape[1]))))  # fmt: skip
    return found


def by_name(names: Sequence[str], counts: Array, *values: Array) -> dict[str, tuple[Any, ...]]:
    return {name: (int(n), *map(float, rest)) for name, n, *rest in zip(names, counts, *values, strict=True) if n}


@pytest.mark.parametrize("name", CASES)
def test_each_group_is_scored_as_scikit_learn_scores_it(name: str) -> None:
    logits, labels, groups = CASES[name]
    given, expected = predictions(logits, labels, None, groups), by_sklearn(CASES[name])
    found = by_name(given.group_names, *group_values(given))
    assert found.keys() == expected.keys()
    for group, values in expected.items():
        assert found[group] == pytest.approx(values)
    assert point_values(logits, labels, None, groups)["worst_group_accuracy"] == min(one[1] for one in expected.values())
    assert {**point_values(logits, labels, None, groups), "worst_group_accuracy": 0} == {
        **point_values(logits, labels), "worst_group_accuracy": 0}, "nothing else changes with groups"


def test_the_worst_group_counted_by_hand() -> None:
    logits = np.log(np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4], [0.25, 0.75]]))
    found = point_values(logits, [0, 1, 1, 0, 0], None, ["a", "a", "a", "b", "b"])
    assert found["worst_group_accuracy"] == 0.5 and found["accuracy"] == pytest.approx(3 / 5)
    _, accuracy, nll = group_values(predictions(logits, [0, 1, 1, 0, 0], None, ["a", "a", "a", "b", "b"]))
    assert accuracy.tolist() == pytest.approx([2 / 3, 1 / 2])
    assert nll.tolist() == pytest.approx([-np.log(0.9 * 0.2 * 0.7) / 3, -np.log(0.6 * 0.25) / 2])
    assert point_values(logits, [0, 1, 1, -1, -1], None, ["a", "a", "a", "b", "b"])["worst_group_accuracy"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("groups", [None, [""] * 4, ["", "", "", "b"]])
def test_without_a_labelled_example_in_a_group_there_is_no_such_score(groups: list[str] | None) -> None:
    logits, labels = np.eye(2)[[0, 1, 0, 1]], [0, 1, 1, -1]
    assert "worst_group_accuracy" not in point_values(logits, labels, None, groups)
    assert "worst_group_accuracy" not in intervals(logits, labels, None, groups)
    assert "worst_group_accuracy" not in reading_scores(logits[np.newaxis], labels, None, groups)


def test_groups_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="groups must be"):
        predictions(np.eye(2), [0, 1], None, ["a"])


@pytest.mark.parametrize("name", CASES)
def test_resamples_and_readings_score_groups_as_the_repeated_rows_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    logits, labels, groups = CASES[name]
    given, n = predictions(logits, labels, None, groups), len(labels)
    values, draw = resampled(given, n_resamples=3, seed=5), np.random.default_rng(5)
    for number in range(3):
        rows = draw.integers(0, n, n)
        case = (logits[rows], labels[rows], [groups[row] for row in rows])
        expected = by_sklearn(case)
        found = by_name(given.group_names, np.isfinite(values["group_accuracy"][number]), values["group_accuracy"][number],
                        values["group_nll"][number])  # fmt: skip
        assert {group: one[1:] for group, one in found.items()} == {group: pytest.approx(one[1:]) for group, one in expected.items()}
        assert not expected or values["worst_group_accuracy"][number] == pytest.approx(min(one[1] for one in expected.values()))
    monkeypatch.setattr("ikd.metrics.readings._NUMBERS_AT_ONCE", 2 * logits.size)
    readings = np.stack([logits, -logits, logits[:, ::-1]])
    over = reading_scores(readings, labels, None, groups)
    for number, one in enumerate(readings):
        assert over["worst_group_accuracy"][number] == pytest.approx(point_values(one, labels, None, groups)["worst_group_accuracy"])
        _, accuracy, nll = group_values(predictions(one, labels, None, groups))
        np.testing.assert_allclose(over["group_accuracy"][number], accuracy)
        np.testing.assert_allclose(over["group_nll"][number], nll)


def test_intervals_and_differences_are_of_the_same_resamples() -> None:
    logits, labels, groups = CASES["two groups"]
    found = intervals(logits, labels, None, groups)["worst_group_accuracy"]
    drawn_values = resampled(predictions(logits, labels, None, groups))["worst_group_accuracy"]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn_values, [0.025, 0.975])))
    assert found.low < found.value < found.high
    same = difference_interval(logits, logits, labels, None, groups)["worst_group_accuracy"]
    assert same == (0, 0, 0)


# What a run and its trace make of them.

GROUPS = ("agrees", "contradicts", "")


def recorded(root: Path | None = None, *, upto: int = 99) -> RunFolder:
    folder = new_run(build_config({"training.steps": 12}), root)
    with Recorder(folder) as recorder:
        for event in rehearsal(12, shown=("hidden state 1",)):
            if not isinstance(event, StepTaken) or event.step < upto:
                recorder.record(with_groups(event, GROUPS, ("ann", "bob")))
    return folder


def test_a_trace_keeps_the_group_and_source_of_each_example(tmp_path: Path) -> None:
    folder = recorded(tmp_path)
    reader = TraceReader(folder)
    for split in ("probe", "course"):
        table = reader.examples(split)
        assert table["group_name"].tolist() == [GROUPS[one % 3] for one in table["id"]]
        assert table["source_name"].tolist() == [("ann", "bob")[one % 2] for one in table["id"]]
    test = reader.examples("test")
    final = reader.final("test")
    assert final is not None and list(final.groups or ()) == test["group_name"].tolist() and not test["source_name"].any()
    files = {one.name: pq.read_table(one).to_pandas() for one in export_parquet(folder, tmp_path / "out")}
    rows = files["examples.parquet"]
    assert set(rows["group_name"]) == set(GROUPS) and set(rows["source_name"]) == {"ann", "bob", ""}


@pytest.mark.parametrize(("statement", "word"), [
    ("UPDATE examples SET group_name = 'agreez' WHERE split = 'probe' AND id = 0", "examples probe"),
    ("UPDATE examples SET source_name = 'bpb' WHERE split = 'course' AND id = 1", "examples course"),
    ("ALTER TABLE examples RENAME COLUMN group_name TO group_namd", "no such column"),
    ("UPDATE meta SET value = '7' WHERE key = 'schema_version'", "meta"),
])  # fmt: skip
def test_a_damaged_group_is_found_before_anything_is_built_on_it(tmp_path: Path, statement: str, word: str) -> None:
    folder = recorded(tmp_path)
    with closing(sqlite3.connect(folder.trace_path)) as trace:
        trace.execute(statement)
        trace.commit()
    with pytest.raises(RunError, match=word):
        require_sound_run(folder)


def made_version_7(folder: RunFolder) -> None:
    """Make a trace one of version 7: with checksums, and without groups, sources and few numbers."""
    with closing(sqlite3.connect(folder.trace_path)) as trace:
        for name in ("group_name", "source_name"):
            trace.execute(f"ALTER TABLE examples DROP COLUMN {name}")
        trace.execute("DROP TABLE numbers")
        trace.execute("UPDATE meta SET value = '7' WHERE key = 'schema_version'")
        seal(trace.cursor())
        trace.commit()


def test_a_trace_of_version_7_is_checked_resumed_and_forked() -> None:
    folder = recorded(upto=8)
    made_version_7(folder)
    require_sound_run(folder)
    with closing(sqlite3.connect(folder.trace_path)) as trace:
        trace.execute("UPDATE examples SET label = 1 - min(label, 1) WHERE split = 'course' AND id = 1")
        with pytest.raises(AssertionError):
            assert damaged_places(trace) == set()
        trace.rollback()
    child = make_fork(folder, 6, {}, root=runs_root())
    with Recorder(folder, resume=True) as recorder:
        for event in rehearsal(12, shown=("hidden state 1",)):
            if not isinstance(event, StepTaken) or event.step >= 5:
                recorder.record(event)
    for one in (folder, child):
        require_sound_run(one)
        reader = TraceReader(one)
        assert reader.meta()["schema_version"] == SCHEMA_VERSION and not reader.examples("probe")["group_name"].any()
    final = TraceReader(folder).final("test")
    assert TraceReader(folder).last_step() == 11 and final is not None and final.groups is None


def test_accuracies_of_groups_grow_with_the_readings() -> None:
    running = synthetic_run(3, state="running", stop_before=20, groups=GROUPS)
    reader = TraceReader(running)
    probe = reader.examples("probe")
    found = grown_group_readings(reader, probe, None)
    assert found.names == ("agrees", "contradicts") and found.counts.tolist() == [14, 13]
    assert grown_group_readings(reader, probe, found) is found
    steps, logits = reader.readings("student")
    assert found.steps.tolist() == steps.tolist() == [0, 5, 10, 15]
    for row, said in enumerate(logits):
        right = said.argmax(axis=1) == probe["label"]
        for place, name in enumerate(found.names):
            assert found.accuracy["student"][row, place] == pytest.approx(float(right[probe["group_name"] == name].mean()))
        assert found.worst("student")[row] == found.accuracy["student"][row].min()
    whole = grown_group_readings(TraceReader(synthetic_run(3, n_steps=30, groups=GROUPS)), probe, None)
    half = grown_group_readings(TraceReader(synthetic_run(3, n_steps=30, state="running", stop_before=11, groups=GROUPS)), probe, None)
    np.testing.assert_array_equal(whole.accuracy["teacher"][: len(half.steps)], half.accuracy["teacher"])


def test_of_many_groups_the_worst_and_the_largest_are_chosen() -> None:
    names = [f"g{one:02}" for one in range(50)]
    reader = TraceReader(synthetic_run(3, n_probe=170, n_steps=20, groups=names))
    found = grown_group_readings(reader, reader.examples("probe"), None)
    chosen = found.chosen("student", 20, 8)
    worst = found.worst_place("student", 20)
    assert len(chosen) == 8 and worst in chosen and found.accuracy["student"][-1, worst] == found.worst("student")[-1]
    assert [one for one in chosen if one != worst] == [one for one in range(20) if one != worst][:7], "the first 20 have 4 examples each"
    assert found.chosen("student", -1, 8) == list(range(8)) and found.worst_place("student", -1) is None


def test_final_scores_have_a_table_by_group_worst_first() -> None:
    scores = final_scores(TraceReader(synthetic_run(3, groups=GROUPS)))[-1]
    final = TraceReader(synthetic_run(3, groups=GROUPS)).final("test")
    assert final is not None and scores.group_names == ("agrees", "contradicts")
    for role, logits in final.logits.items():
        given = predictions(logits, final.labels, final.truth, final.groups)
        counts, *values = group_values(given)
        assert scores.group_counts.tolist() == counts.tolist()
        np.testing.assert_array_equal(scores.by_group[role][..., 0], np.stack(values, axis=1))
        low, high = interval(resampled(given)["group_nll"])
        np.testing.assert_allclose(scores.by_group[role][:, 1, 1:], np.stack([low, high], axis=1))
        assert scores.estimates["worst_group_accuracy"][role].value == values[0].min()
    words = group_words(scores, "accuracy")
    order = worst_first(scores, "student", "accuracy")
    assert words["group"].tolist() == [scores.group_names[one] for one in order]
    assert "student" in words["worst of"].iloc[0] and words.columns.tolist() == [
        "group", "examples", "teacher before", "teacher after", "student", "worst of"]
    assert "Worst-group accuracy" in score_words(scores)["score"].tolist()
    rows = group_rows([scores])
    assert len(rows) == 2 * 3 * 2 and set(rows["score"]) == {"accuracy", "nll"}


def test_a_group_without_a_label_stands_last_and_says_so() -> None:
    logits, labels, groups = CASES["unlabelled"]
    scores = split_scores(Final(labels=labels, truth=None, logits={"student": logits}, groups=groups), "test")
    words = group_words(scores, "nll")
    assert words["group"].iloc[-1] == "bare" and words["student"].iloc[-1] == "–" and words["examples"].iloc[-1] == 0
    assert words["worst of"].tolist() == ["student", "", ""]
    assert split_scores(Final(labels=labels, truth=None, logits={"student": logits}), "test").by_group == {}


def test_runs_whose_groups_differ_are_not_compared_by_group() -> None:
    logits, labels, groups = CASES["two groups"]
    first, second = (Final(labels=labels, truth=None, logits={"student": one}, groups=groups) for one in (logits, -logits))
    table = paired_scores({"a": first, "b": second}).set_index(["score", "run"])
    gap = table.loc[("worst_group_accuracy", "b")]
    assert gap["difference"] == pytest.approx(gap["value"] - table.loc[("worst_group_accuracy", "a"), "value"])
    other = Final(labels=labels, truth=None, logits={"student": -logits}, groups=groups[::-1])
    assert "worst_group_accuracy" not in set(paired_scores({"a": first, "b": other})["score"])


def test_the_terminal_prints_the_groups(capsys: pytest.CaptureFixture[str]) -> None:
    folder = synthetic_run(3, groups=GROUPS)
    assert main(["scores", folder.id]) == 0
    told = capsys.readouterr().out
    scores = final_scores(TraceReader(folder))[-1]
    assert "test, accuracy group by group" in told and "validation, negative log-likelihood group by group" in told
    for row in group_words(scores, "accuracy").itertuples(index=False):
        assert any(line.split()[:2] == [row.group, str(row.examples)] and row.student in line for line in told.splitlines())
    assert main(["scores", synthetic_run(3).id]) == 0
    assert "group" not in capsys.readouterr().out
