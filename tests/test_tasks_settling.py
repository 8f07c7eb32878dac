"""Rows that repeat, contradict, are rare, stand on both sides or have no label: each becomes what its setting says."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikd.config import TaskSettings
from ikd.errors import TaskError
from ikd.protocols import UNLABELLED, TaskData
from ikd.tasks import load_task
from ikd.tasks.checking import checked
from ikd.tasks.rows import Rows, text_key
from ikd.tasks.splits import make_task


def rows(texts: list[str], labels: list[str]) -> Rows:
    return Rows(texts=texts, text_pairs=None, labels=labels)


def plain(n: int, start: int = 0) -> Rows:
    return rows([f"Text {i}" for i in range(start, start + n)], ["a" if i % 2 else "b" for i in range(n)])


def make(official: dict[str, Rows], **more: object) -> TaskData:
    return checked(make_task(TaskSettings(**{"name": "files", **more}), "rows", official))


def texts_of(data: TaskData) -> Counter[str]:
    return Counter(text for split in data.splits.values() for text in split.texts)


def test_repeated_rows_stay_or_go() -> None:
    train = rows([*plain(60).texts, "Text 3", "text  3", "TEXT 4"], [*plain(60).labels, plain(60).labels[3], plain(60).labels[3], "b"])
    kept, dropped = make({"train": train}), make({"train": train}, duplicates="drop")
    assert sum(texts_of(kept).values()) == 63 and any("3 training rows repeat an earlier row" in note for note in kept.notes)
    assert texts_of(dropped) == Counter(plain(60).texts) and any("and were dropped" in note for note in dropped.notes)


def test_contradicting_rows_stay_or_go_together() -> None:
    train = rows([*plain(60).texts, "text 5"], [*plain(60).labels, "b"])
    assert plain(60).labels[5] == "a"
    kept, dropped = make({"train": train}), make({"train": train}, conflicts="drop")
    assert texts_of(kept)["Text 5"] == texts_of(kept)["text 5"] == 1
    assert set(texts_of(dropped)) == set(plain(60).texts) - {"Text 5"}
    assert any("2 training rows have the same text as another one with a different label, and were dropped" in one for one in dropped.notes)


def test_a_rare_class_stays_in_training_or_goes_everywhere() -> None:
    parts = {"train": rows([*plain(60).texts, "One", "Two"], [*plain(60).labels, "c", "c"]),
             "test": rows([*plain(10, 100).texts, "Three"], [*plain(10, 100).labels, "c"])}  # fmt: skip
    kept, dropped = make(parts), make(parts, rare_classes="drop")
    assert tuple(kept.label_names) == ("a", "b", "c") and 2 not in kept.splits["exam"].labels and 2 in kept.splits["course"].labels
    assert tuple(dropped.label_names) == ("a", "b") and not {"One", "Two", "Three"} & set(texts_of(dropped))
    assert any("'c' (2)" in note for note in kept.notes) and any("'c' (2)" in note for note in dropped.notes)


def test_either_side_can_lose_a_text_that_stands_on_both() -> None:
    parts = {"train": plain(60), "validation": plain(10, 55), "test": plain(10, 80)}
    train_loses, held_out_loses = make(parts), make(parts, shared_texts="held_out")
    assert set(train_loses.splits["validation"].texts) == set(plain(10, 55).texts)
    assert set(held_out_loses.splits["validation"].texts) == set(plain(5, 60).texts)
    for data in (train_loses, held_out_loses):
        assert max(texts_of(data).values()) == 1


def test_a_held_out_split_that_loses_every_text_is_left_out_and_made_anew() -> None:
    data = make({"train": plain(60), "validation": plain(10), "test": plain(8)}, shared_texts="held_out")
    assert "test" not in data.splits and len(data.splits["validation"]) == 6
    assert sum("No validation row is left" in note or "No test row is left" in note for note in data.notes) == 2
    both = make({"train": plain(60), "validation": plain(8, 80), "test": plain(8, 80)})
    assert set(both.splits["test"].texts) == set(plain(8, 80).texts) and len(both.splits["validation"]) == 6
    with pytest.raises(TaskError, match=r"Of 60 training rows 4 are left.*set task\.shared_texts to held_out"):
        make({"train": plain(60), "test": plain(56)})


def test_texts_without_a_label_are_left_out_or_studied(tmp_path: Path) -> None:
    table = pd.DataFrame({"text": [f"Text {i}" for i in range(80)], "label": ["a", "b", None, "b"] * 20})
    table.to_parquet(tmp_path / "rows.parquet")
    settings = {"name": "files", "train_file": str(tmp_path / "rows.parquet")}
    dropped, studied = (load_task(TaskSettings(**settings, missing_labels=one)) for one in ("drop", "study"))
    assert sum(map(len, dropped.splits.values())) == 60
    course = studied.splits["course"]
    bare = {text for text, label in zip(course.texts, course.labels, strict=True) if label == UNLABELLED}
    assert bare == {f"Text {i}" for i in range(2, 80, 4)}
    assert all(label != UNLABELLED for name, split in studied.splits.items() if name != "course" for label in split.labels)
    assert studied.fingerprint != dropped.fingerprint


def test_a_file_of_further_texts_never_brings_in_a_text_that_is_held_out(tmp_path: Path) -> None:
    table = pd.DataFrame({"text": [f"Text {i}" for i in range(80)], "label": ["a", "b"] * 40})
    table.to_csv(tmp_path / "rows.csv", index=False)
    more = pd.DataFrame({"text": [f" TEXT {i}" for i in range(40, 120)], "label": ["not looked at"] * 80})
    more.to_csv(tmp_path / "more.csv", index=False)
    data = load_task(TaskSettings(name="files", train_file=str(tmp_path / "rows.csv"), unlabelled_file=str(tmp_path / "more.csv")))
    assert tuple(data.label_names) == ("a", "b")
    keys = {name: {text.strip().lower() for text in split.texts} for name, split in data.splits.items()}
    assert not keys["course"] & (keys["exam"] | keys["validation"])
    bare = sum(label == UNLABELLED for label in data.splits["course"].labels)
    assert bare == 80 - len({f"text {i}" for i in range(40, 80)} & (keys["exam"] | keys["validation"]))


def test_an_unlabelled_file_of_pairs_beside_single_texts_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"text": [f"Text {i}" for i in range(80)], "label": ["a", "b"] * 40}).to_csv(tmp_path / "rows.csv", index=False)
    pd.DataFrame({"sentence1": ["One"] * 9, "sentence2": ["Two"] * 9}).to_csv(tmp_path / "more.csv", index=False)
    with pytest.raises(TaskError, match="both be pairs"):
        load_task(TaskSettings(name="files", train_file=str(tmp_path / "rows.csv"), unlabelled_file=str(tmp_path / "more.csv")))


WORDS = st.integers(0, 40).map(lambda i: f"{'Text' if i % 2 else ' text '} {i // 2}")
TABLES = st.lists(st.tuples(WORDS, st.sampled_from(["a", "b", "c", ""])), min_size=20, max_size=120)


@given(train=TABLES, validation=TABLES | st.none(), test=TABLES | st.none(), further=TABLES | st.none(), seed=st.integers(0, 9),
       shared=st.sampled_from(["train", "held_out"]), duplicates=st.sampled_from(["keep", "drop"]),
       conflicts=st.sampled_from(["keep", "drop"]), rare=st.sampled_from(["keep", "drop"]),
       exam=st.none() | st.integers(4, 30))  # fmt: skip
def test_no_text_is_in_two_splits_whatever_is_asked_for(
    train: list[tuple[str, str]], validation: list[tuple[str, str]] | None, test: list[tuple[str, str]] | None,
    further: list[tuple[str, str]] | None, seed: int, shared: str, duplicates: str, conflicts: str, rare: str, exam: int | None,
) -> None:  # fmt: skip
    """The exam split never overlaps the validation or the test split, nor any other."""
    parts = {"train": rows(*map(list, zip(*train, strict=True)))}
    for name, table in (("validation", validation), ("test", test)):
        if table is not None and (labelled := [row for row in table if row[1]]):
            parts[name] = rows(*map(list, zip(*labelled, strict=True)))
    if further is not None:
        parts["unlabelled"] = rows([text for text, _ in further], [""] * len(further))
    try:
        data = make(parts, seed=seed, shared_texts=shared, duplicates=duplicates, conflicts=conflicts, rare_classes=rare, exam_size=exam)
    except TaskError as refusal:
        assert str(refusal).endswith((".", "?")) and "\n" not in str(refusal)
        return
    keys = [{text_key(rows(list(split.texts), [""] * len(split)), i) for i in range(len(split))} for split in data.splits.values()]
    assert sum(map(len, keys)) == len(set().union(*keys))
    for name, split in data.splits.items():
        assert len(split) and (name == "course" or UNLABELLED not in split.labels)


def test_the_property_above_meets_tasks_that_can_be_made() -> None:
    draw = random.Random(0)
    made = 0
    for seed in range(30):
        table = [(f"Text {draw.randrange(60)}", draw.choice("abc")) for _ in range(100)]
        parts = {"train": rows(*map(list, zip(*table[:80], strict=True))), "test": rows(*map(list, zip(*table[80:], strict=True)))}
        with_exam = make(parts, seed=seed)
        made += bool(len(with_exam.splits["exam"]))
    assert made == 30


def test_pairs_beside_single_texts_are_refused_whichever_split_has_them(tmp_path: Path) -> None:
    pd.DataFrame({"text": [f"Text {i}" for i in range(80)], "label": ["a", "b"] * 40}).to_csv(tmp_path / "rows.csv", index=False)
    pairs = pd.DataFrame({"sentence1": ["One", "Four"], "sentence2": ["Two", "Five"], "label": ["a", "b"]})
    pairs.to_csv(tmp_path / "more.csv", index=False)
    for split in ("validation_file", "test_file"):
        with pytest.raises(TaskError, match=r"are single texts and the (validation|test) rows are not.*task\.text_pair_column"):
            load_task(TaskSettings(name="files", train_file=str(tmp_path / "rows.csv"), **{split: str(tmp_path / "more.csv")}))
