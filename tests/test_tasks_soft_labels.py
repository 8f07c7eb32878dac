"""Soft labels: votes and probabilities of every form, and which class each number stands for."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ikd.config import TaskSettings
from ikd.errors import TaskError
from ikd.protocols import TaskData
from ikd.tasks import fingerprint, load_task
from tests.tables import written
from tests.test_tasks_files import DATA, needs_data

NAMES = ("entailment", "neutral", "contradiction")
"""In the order of the votes; the classes stand in the order of the alphabet."""


def rows(n: int = 90) -> pd.DataFrame:
    """Return texts with a hundred votes each, whose majority is the label."""
    draw = random.Random(1)
    votes = []
    for i in range(n):
        cut = sorted((draw.randint(0, 30), draw.randint(0, 30)))
        rest = [cut[0], cut[1] - cut[0], 30 - cut[1]]
        rest[i % 3] += 70
        votes.append(rest)
    return pd.DataFrame({"text": [f"Statement number {i}." for i in range(n)], "votes": votes, "label": [NAMES[i % 3] for i in range(n)]})


def load(folder: Path, table: pd.DataFrame, kind: str = "jsonl", **more: object) -> TaskData:
    path = written(table, folder / f"rows.{kind}")
    return load_task(TaskSettings(**{"name": "files", "train_file": str(path), "soft_label_column": "votes", **more}))


def truth_by_text(data: TaskData) -> dict[str, dict[str, float]]:
    return {text: dict(zip(data.label_names, row, strict=True)) for split in data.splits.values()
            for text, row in zip(split.texts, split.truth or (), strict=True)}  # fmt: skip


FORMS: dict[str, Callable[[list[int]], object]] = {
    "votes": lambda votes: votes,
    "probabilities": lambda votes: [one / 100 for one in votes],
    "votes by name": lambda votes: dict(zip(NAMES, votes, strict=True)),
    "votes by name, none left out": lambda votes: {name: one for name, one in zip(NAMES, votes, strict=True) if one},
    "a JSON list in a cell": json.dumps,
    "numbers in a cell": lambda votes: " ".join(map(str, votes)),
    "JSON with names in a cell": lambda votes: json.dumps(dict(zip(NAMES, votes, strict=True))),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_every_form_gives_the_same_truth(form: str, kind: str, tmp_path: Path) -> None:
    table = rows()
    expected = {text: dict(zip(NAMES, np.array(votes) / sum(votes), strict=True))
                for text, votes in zip(table["text"], table["votes"], strict=True)}  # fmt: skip
    table["votes"] = [FORMS[form](votes) for votes in table["votes"]]
    if kind == "csv" and form in ("votes by name", "votes by name, none left out"):
        table["votes"] = table["votes"].map(json.dumps)
    data = load(tmp_path, table, kind)
    assert tuple(data.label_names) == tuple(sorted(NAMES)) and data.truth_is == "votes"
    found = truth_by_text(data)
    assert len(found) == len(table)
    for text, truth in found.items():
        assert truth == pytest.approx(expected[text])


def test_a_column_for_each_class(tmp_path: Path) -> None:
    table = rows()
    for at, name in enumerate(NAMES):
        table[f"votes {name}"] = [votes[at] for votes in table["votes"]]
    expected = truth_by_text(load(tmp_path, table))
    columns = ", ".join(f"votes {name}" for name in reversed(NAMES))
    assert truth_by_text(load(tmp_path, table, soft_label_column=columns)) == expected


def test_the_order_of_the_numbers_is_found_from_the_labels_or_named(tmp_path: Path) -> None:
    table = rows()
    found = load(tmp_path, table)
    assert any("'entailment', 'neutral', 'contradiction'" in note and "100 %" in note for note in found.notes)
    named = load(tmp_path, table, soft_label_order="entailment, neutral, contradiction")
    assert truth_by_text(named) == truth_by_text(found)
    other = load(tmp_path, table, soft_label_order="neutral, entailment, contradiction")
    assert truth_by_text(other) != truth_by_text(found), "whoever names an order is believed"
    assert fingerprint(other) != fingerprint(found)


def test_an_order_that_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    table = rows()
    draw = random.Random(3)
    table["label"] = [draw.choice(NAMES) for _ in range(len(table))]
    with pytest.raises(TaskError, match=r"cannot be told.*task\.soft_label_order"):
        load(tmp_path, table)
    with pytest.raises(TaskError, match=r"task\.soft_label_order names 'neutral'"):
        load(tmp_path, table, soft_label_order="neutral, entailment")


def test_without_a_label_column_the_majority_is_the_label(tmp_path: Path) -> None:
    table = rows()
    labels = dict(zip(table["text"], table["label"], strict=True))
    data = load(tmp_path, table.drop(columns="label"), soft_label_order=", ".join(NAMES))
    for split in data.splits.values():
        assert [data.label_names[one] for one in split.labels] == [labels[text] for text in split.texts]
    assert tuple(load(tmp_path, table.drop(columns="label")).label_names) == ("0", "1", "2")


def test_votes_that_are_none_leave_the_truth_of_that_text_open(tmp_path: Path) -> None:
    table = rows()
    for at, wrong in enumerate(([], [0, 0, 0], [1, -1, 1], [1, 2], None, ["a", "b", "c"])):
        table.at[at, "votes"] = wrong
    data = load(tmp_path, table)
    open_ones = {text for split in data.splits.values() for text, row in zip(split.texts, split.truth or (), strict=True) if not any(row)}
    assert open_ones == set(table["text"][:6])
    assert any("6 of 90 rows have no usable soft label" in note for note in data.notes)


@pytest.mark.parametrize(
    ("column", "expected"),
    [("note", "no usable soft label"), ("nowhere", "no soft label column 'nowhere'"), ("label", "must differ")],
)
def test_a_column_that_holds_none_gets_a_sentence(column: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=expected):
        load(tmp_path, rows().assign(note="nothing"), soft_label_column=column)


def test_another_number_of_votes_than_classes_gets_a_sentence(tmp_path: Path) -> None:
    table = rows()
    table["votes"] = [[*votes, 1] for votes in table["votes"]]
    with pytest.raises(TaskError, match="4 numbers a row, and there are 3 labels"):
        load(tmp_path, table)


@needs_data
def test_the_votes_of_real_people_are_read_from_both_of_their_files() -> None:
    raw = load_task(TaskSettings(name="files", train_file=str(DATA / "raw" / "chaosNLI_snli.jsonl"), soft_label_column="label_dist"))
    by_name = load_task(TaskSettings(name="files", train_file=str(DATA / "raw" / "chaosNLI_snli.jsonl"), soft_label_column="label_counter"))
    for split, rows_ in raw.splits.items():
        np.testing.assert_allclose(rows_.truth, by_name.splits[split].truth, atol=1e-9)
    table = pd.read_parquet(DATA / "chaosnli" / "train.parquet")
    parts = {f"{split}_file": str(DATA / "chaosnli" / f"{split}.parquet") for split in ("train", "validation", "test")}
    data = load_task(TaskSettings(name="files", soft_label_column="soft_label", **parts))
    triples = zip(table["sentence1"], table["sentence2"], table["soft_label"], strict=True)
    expected = {(a, b): np.array(c) / np.sum(c) for a, b, c in triples}
    course = data.splits["course"]
    for a, b, row in zip(course.texts, course.text_pairs or (), course.truth or (), strict=True):
        np.testing.assert_allclose(row, expected[a, b], atol=1e-9)


REFUSED = {
    "sum 0.9": ([0.5, 0.3, 0.1], "more than 0.01 from 1"), "sum 1.02": ([0.5, 0.3, 0.22], "more than 0.01 from 1"),
    "NaN": ([0.5, float("nan"), 0.5], "a number is missing"), "nothing": ([0.5, None, 0.5], "a number is missing"),
    "negative": ([-0.1, 0.6, 0.5], "below 0"), "zeros": ([0, 0, 0], "all 0"), "endless": ([float("inf"), 0, 0], "not finite"),
}


@pytest.mark.parametrize("form", REFUSED)
@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_soft_labels_that_are_no_probabilities_are_refused_by_row(form: str, kind: str, tmp_path: Path) -> None:
    numbers, why = REFUSED[form]
    table = rows()
    table["votes"] = [[one / 100 for one in votes] for votes in table["votes"]]
    for at in (4, 11):
        table.at[at, "votes"] = numbers
    if kind == "jsonl" and form == "endless":
        why = "a number is missing"  # JSON has no infinity: pandas writes null
    if kind == "csv":
        table["votes"] = [json.dumps(votes) for votes in table["votes"]]
    data = load(tmp_path, table, kind)
    assert any("soft labels of 2 rows were not used" in note and why in note and "data rows 5, 12" in note for note in data.notes)
    open_ones = {text for split in data.splits.values() for text, row in zip(split.texts, split.truth or (), strict=True) if not any(row)}
    assert open_ones == {table["text"][4], table["text"][11]}


def test_votes_are_divided_by_their_sum_and_it_is_said(tmp_path: Path) -> None:
    data = load(tmp_path, rows())
    assert any("90 rows are whole numbers" in note and "counts of votes" in note for note in data.notes)


def test_probabilities_within_the_tolerance_are_made_exact_and_it_is_said(tmp_path: Path) -> None:
    table = rows()
    table["votes"] = [[round(one / 100, 2) + 0.003 for one in votes] for votes in table["votes"]]
    data = load(tmp_path, table)
    assert any("within 0.01" in note and "90 rows" in note for note in data.notes)
    for truth in truth_by_text(data).values():
        assert sum(truth.values()) == pytest.approx(1, abs=1e-12)


def test_exact_probabilities_are_left_alone(tmp_path: Path) -> None:
    table = rows()
    table["votes"] = [[0.5, 0.25, 0.25] if label == NAMES[0] else [0.25, 0.5, 0.25] if label == NAMES[1] else [0.25, 0.25, 0.5]
                      for label in table["label"]]  # fmt: skip
    assert not any("divided by their sum" in note for note in load(tmp_path, table).notes)


def test_an_empty_cell_of_a_column_for_each_class_is_no_zero(tmp_path: Path) -> None:
    table = rows()
    for at, name in enumerate(NAMES):
        table[name] = [votes[at] / 100 for votes in table["votes"]]
    table.loc[7, NAMES[1]] = None
    data = load(tmp_path, table, "csv", soft_label_column=", ".join(NAMES))
    assert any("soft labels of 1 row were not used: a number is missing (data row 8)" in note for note in data.notes)


def test_an_order_that_a_person_names_is_held_against_the_labels(tmp_path: Path) -> None:
    table = rows()
    right = load(tmp_path, table, soft_label_order="entailment, neutral, contradiction")
    assert any("agrees with 100 % of the labels." in note for note in right.notes)
    wrong = load(tmp_path, table, soft_label_order="neutral, contradiction, entailment")
    assert any("agrees with 0 % of the labels. The order 'entailment', 'neutral', 'contradiction' would agree with 100 %" in note
               for note in wrong.notes)  # fmt: skip
