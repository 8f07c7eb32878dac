"""Which columns are used, and what labels become."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from ikd.config import TaskSettings
from ikd.errors import TaskError
from ikd.protocols import TaskData
from ikd.tasks import load_task
from ikd.tasks.columns import Wanted, find_columns, guessed_columns
from ikd.tasks.labels import label_map

TEXTS = [f"A sentence with the number {i}." for i in range(60)]


def frame(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({name.replace("__", " "): values for name, values in columns.items()})


def load(folder: Path, table: pd.DataFrame, **more: object) -> TaskData:
    table.to_parquet(folder / "rows.parquet")
    return load_task(TaskSettings(**{"name": "files", "train_file": str(folder / "rows.parquet"), **more}))


@pytest.mark.parametrize(
    ("columns", "text", "pair", "label"),
    [
        (("text", "label"), "text", None, "label"),
        (("id", "utterance", "category"), "utterance", None, "category"),
        (("Question", "Sentence", "label"), "Question", "Sentence", "label"),
        (("premise", "hypothesis", "gold_label"), "premise", "hypothesis", "gold_label"),
        (("#1 String", "#2 String", "Quality"), "#1 String", "#2 String", "Quality"),
        (("text", "sentence1", "sentence2", "label"), "text", None, "label"),
        (("UTTERANCE", "Intent"), "UTTERANCE", None, "Intent"),
    ],
)
def test_usual_names_are_known_whatever_their_capitals(columns: tuple[str, ...], text: str, pair: str | None, label: str) -> None:
    table = pd.DataFrame({name: TEXTS if name not in (label, "id") else ["x", "y"] * 30 for name in columns})
    found = find_columns(table, Wanted(), where="here")
    assert (found.text, found.text_pair, found.label) == (text, pair, label)
    assert found.guessed == (label != "label"), "what is guessed is said"


def test_a_text_is_known_by_its_content_and_a_label_never_is() -> None:
    table = frame(user=["anna", "ben", "carla"] * 20, said=TEXTS)
    assert guessed_columns(table).text == "said" and guessed_columns(table).label is None
    with pytest.raises(TaskError, match="label"):
        find_columns(table, Wanted(), where="here")


def test_without_a_header_a_column_of_few_short_words_is_the_label() -> None:
    table = pd.DataFrame({"column 1": TEXTS, "column 2": ["yes", "no", "maybe"] * 20})
    found = find_columns(table, Wanted(), where="here")
    assert (found.text, found.label, found.guessed) == ("column 1", "column 2", True)
    own = pd.DataFrame({"column 1": TEXTS, "column 2": [f"id {i}" for i in range(60)]})
    assert guessed_columns(own).label is None, "as many values as rows are no classes"


def test_two_columns_of_one_name_are_told_apart_and_asked_about(tmp_path: Path) -> None:
    lines = ["text,label,label", *(f"{text},{'ab'[i % 2]},{'xyz'[i % 3]}" for i, text in enumerate(TEXTS))]
    (tmp_path / "rows.csv").write_text("\n".join(lines), "utf-8")
    settings = {"name": "files", "train_file": str(tmp_path / "rows.csv"), "text_column": "text"}
    with pytest.raises(TaskError, match=r"2 columns called 'label', here 'label', 'label \(2\)': say which one"):
        load_task(TaskSettings(**settings))
    assert tuple(load_task(TaskSettings(**settings, label_column="label")).label_names) == ("a", "b")
    assert tuple(load_task(TaskSettings(**settings, label_column="label (2)")).label_names) == ("x", "y", "z")


def test_a_second_text_that_is_only_named_like_one_can_be_left_out() -> None:
    table = frame(sentence1=TEXTS, sentence2=TEXTS, label=["a", "b"] * 30)
    assert find_columns(table, Wanted(), where="here").text_pair == "sentence2"
    assert find_columns(table, Wanted(text_pair="-"), where="here").text_pair is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, {}), ("  ", {}), ("0=no; 1=yes", {"0": "no", "1": "yes"}), ("a=b=c;", {"a": "b=c"}), ("x=", {"x": ""}),
     ('{"a;b": "c", "d": " e "}', {"a;b": "c", "d": "e"})],
)  # fmt: skip
def test_label_names_can_be_written_in_two_ways(given: str | None, expected: dict[str, str]) -> None:
    assert label_map(given) == expected


@pytest.mark.parametrize("given", ["yes", "{", '["a"]', '{"a": 1}', "[" * 5000])
def test_label_names_that_say_nothing_get_a_sentence(given: str) -> None:
    with pytest.raises(TaskError, match=r"task\.label_map.*Write it as"):
        label_map(given)


def test_labels_are_renamed_merged_and_left_out(tmp_path: Path) -> None:
    table = frame(text=TEXTS, label=["good", "fine", "bad", "spam"] * 15)
    data = load(tmp_path, table, label_map=json.dumps({"fine": "good", "spam": ""}))
    assert tuple(data.label_names) == ("bad", "good")
    assert sum(map(len, data.splits.values())) == 45
    assert not any(TEXTS.index(text) % 4 == 3 for split in data.splits.values() for text in split.texts)
    assert any("15 rows with a label that task.label_map leaves out" in note for note in data.notes)


def test_a_mix_of_spellings_is_refused_until_each_is_named(tmp_path: Path) -> None:
    table = frame(text=TEXTS, label=["1", "True", "positive", "0", "False", "negative"] * 10)
    with pytest.raises(TaskError, match=r"mixes.*task\.label_map"):
        load(tmp_path, table)
    named = {"1": "positive", "True": "positive", "0": "negative", "False": "negative"}
    assert tuple(load(tmp_path, table, label_map=json.dumps(named)).label_names) == ("negative", "positive")


def test_names_that_a_data_set_has_for_its_classes_can_be_changed(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    datasets.disable_progress_bars()
    datasets.Dataset.from_dict({"text": TEXTS, "label": [0, 1] * 30}, features=features).to_parquet(str(tmp_path / "named.parquet"))
    data = load_task(TaskSettings(name="files", train_file=str(tmp_path / "named.parquet"), label_map="pos=good"))
    assert tuple(data.label_names) == ("neg", "good"), "in the data set's order"


def test_a_file_of_one_column_says_what_may_be_wrong() -> None:
    for name, cells, words in (("text", ["A sentence.", "Another one."], "is unlabelled"), ("label", ["a", "b"], "has no text column")):
        with pytest.raises(TaskError, match=rf"{words}.*several columns, check task\.delimiter and the lines before the header"):
            find_columns(pd.DataFrame({name: cells * 10}), Wanted(), where="rows.csv")


def test_columns_that_must_differ_are_named_with_what_they_are_for() -> None:
    table = pd.DataFrame({"text": ["A sentence here.", "Another one."] * 10, "label": ["a", "b"] * 10})
    with pytest.raises(TaskError, match="got text 'text', label 'label', soft label 'label'"):
        find_columns(table, Wanted(soft="label"), where="rows.csv")
