"""What labels become: words for nothing, codes with zeros, fractions, -1, look-alikes; and what is said of each."""

from __future__ import annotations

import unicodedata
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from ikd.config import TaskSettings
from ikd.errors import TaskError
from ikd.protocols import UNLABELLED, TaskData
from ikd.tasks import load_task
from ikd.tasks.labels import label_word, quoted
from tests.tables import written

NOTHING = ["NONE", "None", "none", "NA", "n/a", "null", "nan", "#N/A"]


def texts(n: int, begin: str = "A sentence") -> list[str]:
    return [f"{begin} about matter {i}." for i in range(n)]


def load(folder: Path, labels: list[object], kind: str = "csv", **more: object) -> TaskData:
    """Return the task of one file in which the labels are repeated over 120 rows."""
    table = pd.DataFrame({"text": texts(120), "label": pd.Series((labels * 120)[:120], dtype=object)})
    path = written(table, folder / f"rows.{kind}")
    return load_task(TaskSettings(**{"name": "files", "train_file": str(path), **more}))


def held_out(folder: Path, labels: list[str], split: str = "test", **more: object) -> TaskData:
    """Return the task of labels no and yes with a further file of other labels."""
    pd.DataFrame({"text": texts(len(labels), "Another one"), "label": labels}).to_csv(folder / "other.csv", index=False)
    return load(folder, ["no", "yes"], **{f"{split}_file": str(folder / "other.csv"), **more})


def said(data: TaskData, *words: str) -> bool:
    return any(all(word in note for word in words) for note in data.notes)


def n_rows(data: TaskData) -> int:
    return sum(map(len, data.splits.values()))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("word", NOTHING)
def test_a_word_for_nothing_that_is_as_frequent_as_a_class_is_one(word: str, kind: str, tmp_path: Path) -> None:
    data = load(tmp_path, ["for", "against", word], kind)
    assert set(data.label_names) == {"for", "against", word} and n_rows(data) == 120
    assert said(data, repr(word), "40 rows", "kept as a class", f"`{word}=`")


@pytest.mark.parametrize("word", NOTHING)
def test_a_word_for_nothing_in_few_rows_is_missing_unless_it_is_named(word: str, tmp_path: Path) -> None:
    labels: list[object] = [word, word, word, *["yes", "no"] * 59][:120]
    data = load(tmp_path, labels)
    assert tuple(data.label_names) == ("no", "yes") and n_rows(data) == 117
    assert said(data, repr(word), "3 rows", "taken for a missing label", f"`{word}={word}`")
    kept = load(tmp_path, labels, label_map=f"{word}={word}")
    assert word in kept.label_names and n_rows(kept) == 120 and not said(kept, "taken for")


def test_naming_a_word_for_nothing_decides_it_either_way(tmp_path: Path) -> None:
    labels: list[object] = ["FAVOR", "AGAINST", "NONE"]
    assert set(load(tmp_path, labels, label_map="NONE=neither").label_names) == {"FAVOR", "AGAINST", "neither"}
    out = load(tmp_path, labels, label_map="NONE=")
    assert set(out.label_names) == {"FAVOR", "AGAINST"} and n_rows(out) == 80
    study = load(tmp_path, labels, label_map="NONE=", missing_labels="study")
    assert list(study.splits["course"].labels).count(UNLABELLED) == 40


def test_an_empty_cell_is_never_a_class_and_beside_numbers_no_word_is(tmp_path: Path) -> None:
    for kind in ("csv", "jsonl", "parquet"):
        assert set(load(tmp_path, ["a", "b", None], kind).label_names) == {"a", "b"}
    data = load(tmp_path, ["1", "2", "NA"])
    assert tuple(data.label_names) == ("1", "2") and said(data, "'NA'", "taken for a missing label")


def test_the_training_rows_decide_for_every_file(tmp_path: Path) -> None:
    pd.DataFrame({"text": texts(12, "Another one"), "label": ["for"] * 11 + ["NONE"]}).to_csv(tmp_path / "other.csv", index=False)
    data = load(tmp_path, ["for", "against", "NONE"], test_file=str(tmp_path / "other.csv"))
    assert [data.label_names[one] for one in data.splits["test"].labels].count("NONE") == 1


@pytest.mark.parametrize(
    ("value", "word"),
    [("007", "007"), ("0101", "0101"), ("7", "7"), (7, "7"), (7.0, "7"), ("7.0", "7"), ("+1", "1"), ("-1", "-1"), ("-0", "0"), ("0", "0"),
     ("00", "00"), (" a ", "a"), ("", None), (None, None), (float("nan"), None), ("1.5", "1.5"), ("9" * 30, "9" * 30)],
)  # fmt: skip
def test_a_label_is_the_word_in_the_file(value: object, word: str | None) -> None:
    assert label_word(value) == word


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_codes_keep_their_zeros(kind: str, tmp_path: Path) -> None:
    data = load(tmp_path, ["0101", "0202", "1101"], kind)
    assert tuple(data.label_names) == ("0101", "0202", "1101")
    assert set(load(tmp_path, ["0101", "0202", "1101"], kind, label_map="0101=first").label_names) == {"first", "0202", "1101"}
    assert tuple(load(tmp_path, ["0101", "A12"], kind).label_names) == ("0101", "A12")


def test_codes_that_look_alike_stay_apart_and_are_told(tmp_path: Path) -> None:
    data = load(tmp_path, ["007", "07", "7"])
    assert set(data.label_names) == {"007", "07", "7"} and said(data, "look alike", "'007', '07', '7'", "task.label_map")
    assert len(load(tmp_path, ["007", "07", "7", "8"], label_map="007=7; 07=7").label_names) == 2


def test_a_name_for_a_label_that_is_not_there_is_told(tmp_path: Path) -> None:
    data = load(tmp_path, ["0101", "0202"], label_map="101=first")
    assert said(data, "task.label_map names '101'", "no effect", "'0101', '0202'")
    assert not said(load(tmp_path, ["0101", "0202"], label_map="0101=first"), "no effect")
    assert not said(load(tmp_path, [0, 1], "parquet", label_map="0=no; 1=yes"), "no effect")


def test_names_for_numbers_reach_classes_that_the_data_set_names(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    datasets.disable_progress_bars()
    datasets.Dataset.from_dict({"text": texts(60), "label": [0, 1] * 30}, features=features).to_parquet(str(tmp_path / "a.parquet"))
    for given in ("1=good", "pos=good"):
        data = load_task(TaskSettings(name="files", train_file=str(tmp_path / "a.parquet"), label_map=given))
        assert tuple(data.label_names) == ("neg", "good") and not said(data, "no effect")


@pytest.mark.parametrize(
    ("labels", "names"),
    [(["0.0", "0.5", "1.0"], ("0", "0.5", "1")), (["1.5", "2.5"], ("1.5", "2.5")), ([0.5, 1.0], ("0.5", "1")),
     (["1" * 20, "1" * 19 + "2"], ("1" * 20, "1" * 19 + "2")), (["9" * 5000, "8" * 5000], ("8" * 5000, "9" * 5000))],
)  # fmt: skip
def test_few_fractions_and_long_numbers_are_classes(labels: list[object], names: tuple[str, ...], tmp_path: Path) -> None:
    data = load(tmp_path, labels)
    assert tuple(data.label_names) == names
    assert said(data, "fractions were taken as") == any("." in name for name in names)


def test_many_fractions_stay_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"numeric with fractions.*regression"):
        load(tmp_path, [f"{i / 120:.3f}" for i in range(120)])


@pytest.mark.parametrize("labels", [["-1", "0", "1", "2"], [-1, 0, 1], [-1, 1, 2]])
def test_minus_one_beside_whole_numbers_is_asked_about(labels: list[object], tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"has -1 \(\d+ rows\).*`-1=` leaves.*missing_labels study.*`-1=negative`"):
        load(tmp_path, labels)
    rest = len(labels) - 1
    assert len(load(tmp_path, labels, label_map="-1=").label_names) == rest
    assert "negative" in load(tmp_path, labels, label_map="-1=negative").label_names
    study = load(tmp_path, labels, label_map="-1=", missing_labels="study")
    assert list(study.splits["course"].labels).count(UNLABELLED) == 120 // len(labels)


def test_minus_one_and_one_are_two_classes(tmp_path: Path) -> None:
    assert tuple(load(tmp_path, ["-1", "+1"]).label_names) == ("-1", "1")


def test_accents_composed_in_two_ways_are_one_class_and_it_is_told(tmp_path: Path) -> None:
    composed = unicodedata.normalize("NFC", "caf\u00e9")
    parted = unicodedata.normalize("NFD", composed)
    data = load(tmp_path, [composed, parted, "tea"])
    assert len(data.label_names) == 2 and said(data, "how accents are composed", "U+0301")


@pytest.mark.parametrize(("first", "second"), [("AB", "\uff21\uff22"), ("very good", "very_good"), ("good", "go\u200bod")])
def test_labels_that_only_look_alike_are_told(first: str, second: str, tmp_path: Path) -> None:
    data = load(tmp_path, [first, second, "other"])
    assert len(data.label_names) == 3 and said(data, "look alike")


def test_spaces_that_do_not_break_count_as_spaces(tmp_path: Path) -> None:
    data = load(tmp_path, ["very good", "very\u00a0good", "bad"])
    assert len(data.label_names) == 2 and said(data, "capitals or spaces")


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("labels", [["-1"] * 20, [""] * 20, ["NA"] * 20])
def test_a_file_without_any_label_is_no_split(split: str, labels: list[str], tmp_path: Path) -> None:
    data = held_out(tmp_path, labels, split)
    assert said(data, "other.csv has no labels") and "test" not in data.splits
    assert not any(text.startswith("Another") for one in data.splits.values() for text in one.texts)


def test_a_test_file_without_a_label_column_is_no_split_but_one_with_another_is_refused(tmp_path: Path) -> None:
    for column, values in (("idx", [str(i) for i in range(20)]), ("verdict", ["no", "yes"] * 10)):
        pd.DataFrame({"text": texts(20, "Another one"), column: values}).to_csv(tmp_path / f"{column}.csv", index=False)
    data = load(tmp_path, ["no", "yes"], test_file=str(tmp_path / "idx.csv"))
    assert "test" not in data.splits and said(data, "idx.csv has no column 'label'")
    with pytest.raises(TaskError, match=r"verdict\.csv has no label column.*'verdict'"):
        load(tmp_path, ["no", "yes"], test_file=str(tmp_path / "verdict.csv"))


def test_other_spellings_in_another_file_are_the_training_classes(tmp_path: Path) -> None:
    data = held_out(tmp_path, ["NO", "Yes", "yes", "no"] * 5)
    assert Counter(data.splits["test"].labels) == {0: 10, 1: 10} and said(data, "spelling of the training rows", "'NO' as 'no'")


def test_minus_one_in_a_test_file_of_numbers_is_missing(tmp_path: Path) -> None:
    pd.DataFrame({"text": texts(20, "Another one"), "label": [-1, 1] * 10}).to_csv(tmp_path / "other.csv", index=False)
    data = load(tmp_path, [0, 1], test_file=str(tmp_path / "other.csv"))
    assert len(data.splits["test"]) == 10 and said(data, "other.csv", "-1 (10 rows) was taken for a missing label")


def test_long_labels_are_cut_in_every_sentence(tmp_path: Path) -> None:
    long = "x" * 5000
    data = load(tmp_path, [f"{long}a", f"{long}A", f"{long}b", "007", "07", "NONE"], label_map=f"{'y' * 5000}=z")
    assert len(data.notes) > 4 and all(len(note) < 1000 for note in data.notes)
    refused: list[tuple[list[object], dict[str, object]]] = [
        ([f"{long}a", "1"], {}), ([long, "b", f"{long},b"], {}), ([[long, "b"], ["b"]], {}),
    ]  # fmt: skip
    for labels, more in refused:
        with pytest.raises(TaskError) as caught:
            load(tmp_path, labels, "jsonl", **more)
        assert len(str(caught.value)) < 800
    pd.DataFrame({"text": ["Another one."], "label": [long]}).to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(TaskError, match="not among the training labels") as caught:
        load(tmp_path, ["no", "yes"], test_file=str(tmp_path / "other.csv"))
    assert len(str(caught.value)) < 800


def test_settings_that_name_something_and_have_no_effect_are_told(tmp_path: Path) -> None:
    idle = {"delimiter": "comma", "header": "no", "encoding": "utf-8", "soft_label_order": "a, b", "label_map": "z=y", "test_size": 10}
    data = load(tmp_path, ["a", "b"], "parquet", **idle)
    for name in idle:
        assert said(data, f"task.{name}", "no effect"), name
    assert not said(load(tmp_path, ["a", "b"], delimiter="comma", header="yes", encoding="utf-8"), "no effect")


def test_settings_of_another_task_are_told() -> None:
    data = load_task(TaskSettings(name="pairs", train_size=100, exam_size=20, label_column="x", hub_config="y"))
    assert [note.split(" is set")[0] for note in data.notes if "no effect" in note] == ["task.label_column", "task.hub_config"]
    assert not said(load_task(TaskSettings(name="pairs", train_size=100, exam_size=20, ambiguity=0.2)), "no effect")


@pytest.mark.parametrize(
    ("labels", "note"),
    [(["0", "0.0", "1"], "'0.0' (40 rows) as '0'"), (["no", " no", "yes"], "' no' (40 rows) as 'no'"),
     (["no", "\u200bno", "yes"], "'[U+200B]no' (40 rows) as 'no'"), (["\ufeffno", "yes"], "'[U+FEFF]no' (60 rows) as 'no'"),
     (["n" * 80, f"{'n' * 80} ", "yes"], "…' (40 rows) as 'nnn")],
)  # fmt: skip
def test_labels_written_in_several_ways_are_read_as_one_and_told(labels: list[object], note: str, tmp_path: Path) -> None:
    data = load(tmp_path, labels, "jsonl")
    assert len(data.label_names) == 2 and said(data, "labels written in several ways were read as one", note)
    assert sum("written in several ways" in one for one in data.notes) == 1


@pytest.mark.parametrize("labels", [["0.0", "1.0"], [" no", " yes"], ["no", "yes"]])
def test_labels_written_in_one_way_get_no_note(labels: list[object], tmp_path: Path) -> None:
    assert not said(load(tmp_path, labels), "written in several ways")


@pytest.mark.parametrize(
    ("first", "second", "number"),
    [("\u2764", "\u2764\ufe0f", "U+FE0F"), ("\U0001f44d", "\U0001f44d\U0001f3fd", ""), ("positive", "p\u043esitive", "U+043E"),
     ("positive", "positi\u03bde", "U+03BD"), ("cop", "\u0441\u043e\u0440", "U+0441")],
)  # fmt: skip
def test_labels_that_only_look_alike_are_both_named(first: str, second: str, number: str, tmp_path: Path) -> None:
    data = load(tmp_path, [first, second, "other"])
    assert len(data.label_names) == 3 and said(data, "look alike", f"'{first}'", f"'{second}'", number)
    held = pd.DataFrame({"text": texts(20, "Another one"), "label": ["no", "y\u0435s"] * 10})
    held.to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(TaskError, match=r"U\+0435"):
        load(tmp_path, ["no", "yes"], test_file=str(tmp_path / "other.csv"))


def test_rows_left_out_by_the_label_map_are_not_called_missing(tmp_path: Path) -> None:
    data = load(tmp_path, ["a", "b", "c", None], label_map="c=")
    assert said(data, "30 rows with a label that task.label_map leaves out were dropped")
    assert said(data, "30 rows with a missing label were dropped")
    with pytest.raises(TaskError, match=r"every one has a label that task\.label_map leaves out"):
        load(tmp_path, ["a", "b"], label_map="a=;b=")


@pytest.mark.parametrize("labels", [["0,5", "1,0", "1,5"], ["0", "0,5", "1", "1,5", "5"], ["0,5", "1,5", "10,5"]])
def test_numbers_with_decimal_commas_are_classes_in_order_of_size(labels: list[object], tmp_path: Path) -> None:
    data = load(tmp_path, labels)
    assert list(data.label_names) == labels and said(data, "fractions were taken as") and not said(data, "several in one")


def test_many_decimal_commas_are_regression_and_whole_numbers_joined_are_several_labels(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"numeric with fractions.*regression"):
        load(tmp_path, [f"{i / 120:.3f}".replace(".", ",") for i in range(120)])
    with pytest.raises(TaskError, match="several labels in one cell"):
        load(tmp_path, ["1", "2", "3", "1,2", "2,3"])


def test_labels_of_which_a_part_is_another_label_are_told(tmp_path: Path) -> None:
    data = load(tmp_path, ["negative", "negative, food", "negative, service, price", "positive"])
    assert len(data.label_names) == 4 and said(data, "2 labels look like several in one", "'negative, food'", "multi-label")


def test_a_mix_names_only_the_kinds_that_are_there(tmp_path: Path) -> None:
    for labels, words in ((["1", "yes"], "numbers and words"), (["1", "true"], "numbers and true/false"),
                          (["1", "true", "yes"], "numbers, true/false and words")):  # fmt: skip
        with pytest.raises(TaskError, match=rf"mixes {words}: "):
            load(tmp_path, labels)


def test_labels_that_training_does_not_have_are_named(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"labels 'a0', 'a1', 'a2', 'a3', 'a4' and 2 more, which are not.*task\.label_map"):
        held_out(tmp_path, [f"a{i}" for i in range(7)] * 3)


def test_sentences_show_letters_and_name_the_invisible_ones() -> None:
    assert quoted("caf\u00e9 \\ \u6f22") == "'caf\u00e9 \\ \u6f22'" and quoted("it's") == '"it\'s"'
    assert quoted("a\u00a0b\nc") == "'a[U+00A0]b[U+000A]c'"
