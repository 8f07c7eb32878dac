"""Splits: official ones are kept, missing ones carved; stratified, seeded, identical texts on one side."""

from __future__ import annotations

from collections import Counter

import pytest

from ikd.config import TaskSettings
from ikd.errors import TaskError
from ikd.protocols import TaskData
from ikd.tasks.checking import checked
from ikd.tasks.rows import Rows
from ikd.tasks.splits import make_task


def rows(n: int, *, start: int = 0, labels: str = "ab") -> Rows:
    texts = [f"Sentence number {i}." for i in range(start, start + n)]
    return Rows(texts=texts, text_pairs=None, labels=[labels[i % len(labels)] for i in range(n)])


def make(official: dict[str, Rows], **more: object) -> TaskData:
    return checked(make_task(TaskSettings(**{"name": "files", **more}), "rows", official))


def sizes(data: TaskData) -> dict[str, int]:
    return {name: len(split) for name, split in data.splits.items()}


def test_official_splits_are_kept_and_the_exam_is_a_tenth_of_training() -> None:
    data = make({"train": rows(200), "validation": rows(30, start=200), "test": rows(40, start=300)})
    assert sizes(data) == {"course": 180, "exam": 20, "validation": 30, "test": 40}
    assert list(data.splits["test"].texts) == list(rows(40, start=300).texts)


def test_a_missing_validation_split_is_carved_and_said() -> None:
    data = make({"train": rows(1000)})
    assert sizes(data) == {"course": 810, "exam": 90, "validation": 100}
    assert "The validation split was made here: 100 of 1,000 training rows, by seed 0." in data.notes
    assert any("no labelled test split" in note for note in data.notes)


def test_the_carved_validation_split_has_at_most_a_thousand_rows() -> None:
    assert sizes(make({"train": rows(20_000)}))["validation"] == 1000


def test_every_split_has_the_class_proportions() -> None:
    data = make({"train": rows(1000, labels="aaaaabbbbc")}, exam_size=100)
    for split in data.splits.values():
        counts = Counter(split.labels)
        assert [round(10 * counts[label] / len(split)) for label in range(3)] == [5, 4, 1]


def test_caps_keep_the_class_proportions_and_hold_before_the_exam_is_taken() -> None:
    parts = {"train": rows(500), "validation": rows(200, start=500), "test": rows(200, start=800)}
    data = make(parts, train_size=100, exam_size=20, validation_size=50, test_size=60)
    assert sizes(data) == {"course": 80, "exam": 20, "validation": 50, "test": 60}
    assert Counter(data.splits["test"].labels) == {0: 30, 1: 30}
    assert "100 of 500 training rows are used, in the same class proportions." in data.notes


def test_identical_texts_stay_on_one_side_whatever_their_capitals_and_spaces() -> None:
    many = Rows(texts=[f"{'  same' if i % 2 else 'Same'}   text {i // 4}" for i in range(400)], text_pairs=None,
                labels=["a" if i // 4 % 2 else "b" for i in range(400)])
    keys = [{" ".join(text.casefold().split()) for text in split.texts} for split in make({"train": many}).splits.values()]
    assert sum(map(len, keys)) == len(set().union(*keys)) == 100


def test_pairs_are_the_same_only_together() -> None:
    pairs = Rows(texts=["One premise."] * 100, text_pairs=[f"Hypothesis {i}." for i in range(100)], labels=["a", "b"] * 50)
    assert sum(sizes(make({"train": pairs})).values()) == 100


def test_training_texts_that_are_in_other_splits_are_removed_and_counted() -> None:
    data = make({"train": rows(100), "validation": rows(10), "test": rows(12, start=8)})
    assert sizes(data) == {"course": 72, "exam": 8, "validation": 8, "test": 12}
    assert "20 rows were removed from training: the same texts are in validation or test." in data.notes
    assert "2 rows were removed from validation: the same texts are in test." in data.notes


def test_a_class_with_one_row_stays_in_training_and_is_named() -> None:
    rare = rows(100)
    data = make({"train": Rows(texts=rare.texts, text_pairs=None, labels=["c", *rare.labels[1:]])})
    assert 2 in data.splits["course"].labels
    assert any("Too few rows" in note and "'c'" in note for note in data.notes)


@pytest.mark.parametrize(
    ("official", "more", "said"),
    [
        ({"train": rows(5)}, {}, "5 usable rows"),
        ({"train": rows(50, labels="a")}, {}, "one class only, 'a'"),
        ({"train": rows(100)}, {"exam_size": 85}, "85 of them for the exam split"),
        ({"train": rows(50), "validation": rows(50)}, {}, "set task.shared_texts to held_out"),
        ({"train": rows(50), "validation": rows(5, start=50, labels="abcde")}, {}, "labels 'c'"),
    ],
)
def test_splits_that_cannot_be_made_are_refused(official: dict[str, Rows], more: dict[str, object], said: str) -> None:
    with pytest.raises(TaskError, match=said):
        make(official, **more)
