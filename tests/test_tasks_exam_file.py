"""Exam texts of their own: none is carved out of training, they are in no other split, and bad ones are refused in a sentence."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ikd.cli import main
from ikd.config import TaskSettings, build_config, remarks_on
from ikd.errors import TaskError
from ikd.protocols import TaskData
from ikd.tasks import load_task
from ikd.tasks.checking import checked
from ikd.tasks.rows import Rows, text_key
from ikd.tasks.splits import make_task
from tests.tables import written
from tests.test_tasks_files import DATA, needs_data


def table(n: int = 60, *, start: int = 0, word: str = "Sentence") -> pd.DataFrame:
    return pd.DataFrame({"text": [f"{word} number {i}." for i in range(start, start + n)], "label": ["no", "yes"] * (n // 2)})


def load(folder: Path, exam: pd.DataFrame | str, *, kind: str = "csv", **more: Any) -> TaskData:
    """Return the task of 60 training rows and these exam rows, the bytes of a file where they are a text."""
    train = written(table(), folder / "train.csv")
    path = folder / f"exam.{kind}"
    if isinstance(exam, str):
        path.write_text(exam)
    else:
        written(exam, path)
    return load_task(TaskSettings(**{"name": "files", "train_file": str(train), "exam_file": str(path), **more}))


def texts(data: TaskData, split: str) -> list[str]:
    return list(data.splits[split].texts)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_the_exam_is_the_file_and_training_keeps_every_row(tmp_path: Path, kind: str) -> None:
    exam = table(20, word="Trusted")
    data = load(tmp_path, exam, kind=kind, validation_file=str(written(table(20, word="Held out"), tmp_path / "validation.csv")))
    assert texts(data, "exam") == list(exam["text"])
    assert [data.label_names[one] for one in data.splits["exam"].labels] == list(exam["label"])
    assert texts(data, "course") == list(table()["text"]) and len(data.splits["validation"]) == 20
    assert not any("exam split was made here" in note for note in data.notes)


def test_validation_is_still_carved_where_it_is_missing_and_the_exam_is_capped_by_class(tmp_path: Path) -> None:
    data = load(tmp_path, table(40, word="Trusted"), exam_size=10)
    assert {name: len(split) for name, split in data.splits.items()} == {"course": 54, "exam": 10, "validation": 6}
    assert Counter(data.splits["exam"].labels) == {0: 5, 1: 5}
    assert "10 of 40 exam rows are used, in the same class proportions." in data.notes


def test_a_shared_text_stays_held_out_then_in_the_exam_then_in_the_course(tmp_path: Path) -> None:
    """Rows 0 to 9 are in training and exam, 10 to 14 in all of training, exam and test, and 15 to 19 in training and test."""
    test = pd.concat([table(10, start=10), table(4, word="New")])
    exam = pd.concat([table(16).iloc[:15], table(6, word="Trusted")])
    data = load(tmp_path, exam, test_file=str(written(test, tmp_path / "test.csv")))
    assert len(data.splits["test"]) == 14 and len(data.splits["exam"]) == 16
    assert not {f"Sentence number {i}." for i in range(20)} & {*texts(data, "course"), *texts(data, "validation")}
    assert "5 rows were removed from exam: the same texts are in test." in data.notes
    assert "10 rows were removed from training: the same texts are in exam." in data.notes


def test_labels_are_read_as_those_of_training_are(tmp_path: Path) -> None:
    exam = table(20, word="Trusted").assign(label=["NO", "Yes"] * 10)
    assert texts(load(tmp_path, exam), "exam") == list(exam["text"])
    renamed = load(tmp_path, table(20, word="Trusted"), label_map="yes=good")
    assert tuple(renamed.label_names) == ("good", "no")
    partly = table(20, word="Trusted")
    partly.loc[3, "label"] = None
    partly.loc[4, "text"] = " "
    data = load(tmp_path, partly)
    assert len(data.splits["exam"]) == 18
    assert sum("exam.csv: 1 row with" in note and "dropped" in note for note in data.notes) == 2


def test_soft_labels_of_the_exam_are_its_truth(tmp_path: Path) -> None:
    votes = {"no": "[3, 1]", "yes": "[1, 3]"}
    exam = table(20, word="Trusted")
    data = load(tmp_path, exam.assign(votes=exam["label"].map(votes)), soft_label_column="votes", validation_file="",
                train_file=str(written(table().assign(votes=table()["label"].map(votes)), tmp_path / "votes.csv")))  # fmt: skip
    assert [list(row) for row in data.splits["exam"].truth or ()] == [[0.75, 0.25], [0.25, 0.75]] * 10


def test_a_class_that_the_exam_lacks_is_told(tmp_path: Path) -> None:
    train = written(table().assign(label=["a", "b", "c"] * 20), tmp_path / "three.csv")
    data = load(tmp_path, table(20, word="Trusted").assign(label=["a", "b"] * 10), train_file=str(train))
    assert "The exam has no text of 'c': it says nothing about it." in data.notes


REFUSED: dict[str, tuple[pd.DataFrame | str, str]] = {
    "one class": (table(20, word="Trusted").assign(label="yes"), r"exam data has one class only, 'yes', in 20 rows.*at least two classes"),
    "unlabelled": (table(20, word="Trusted").assign(label=""), r"exam\.csv has no labels .*an exam needs labelled rows.*taken out of the"),
    "no label column": (table(20, word="Trusted")[["text"]], r"exam\.csv has no column 'label', and an exam needs labelled rows"),
    "unknown label": (table(20, word="Trusted").assign(label=["yes", "perhaps"] * 10),
                      r"The exam data has the label 'perhaps'.*'no', 'yes'"),
    "pairs": (pd.DataFrame({"sentence1": ["A", "B"], "sentence2": ["C", "D"], "label": ["no", "yes"]}),
              r"single texts and the exam rows are not"),
    "the training rows": (table(), r"Of 60 training rows 0 are left.*give exam texts of their own"),
    "nothing": ("", r"exam\.csv is empty"),
    "a header alone": ("text,label\n", r"exam\.csv has no data rows"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_exam_rows_that_cannot_be_used_are_refused_in_a_sentence(tmp_path: Path, what: str) -> None:
    exam, said = REFUSED[what]
    with pytest.raises(TaskError, match=said) as refusal:
        load(tmp_path, exam)
    assert "\n" not in str(refusal.value) and str(refusal.value).endswith(".")


def test_a_missing_exam_file_and_one_of_held_out_texts_alone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"There is no file .*nowhere\.csv"):
        load(tmp_path, table(), exam_file=str(tmp_path / "nowhere.csv"))
    held_out = written(table(20, word="Trusted"), tmp_path / "test.csv")
    with pytest.raises(TaskError, match="all exam texts are in test too"):
        load(tmp_path, table(20, word="Trusted"), test_file=str(held_out))


def test_a_capped_exam_of_one_class_says_what_to_raise(tmp_path: Path) -> None:
    exam = table(60, word="Trusted").assign(label=["yes"] * 59 + ["no"])
    with pytest.raises(TaskError, match=r"one class only, 'yes', in 4 rows.*task\.exam_size"):
        load(tmp_path, exam, exam_size=4)


def test_an_exam_file_beside_exams_from_training_and_beside_a_built_in_task_is_told(tmp_path: Path) -> None:
    values = {"task.name": "files", "task.train_file": "a.csv", "task.exam_file": "b.csv", "policy.exam_source": "train"}
    assert any("none from those of task.exam_file" in one for one in remarks_on(build_config(values), n_classes=2))
    notes = load_task(TaskSettings(exam_file="b.csv", hub_exam_split="trusted", train_size=40)).notes
    assert {one.partition(" ")[0] for one in notes if "is set and has no effect" in one} == {"task.exam_file", "task.hub_exam_split"}


def test_a_split_of_hub_data_is_the_exam(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    parts = {"train": table(), "trusted": table(20, word="Trusted"), "validation": table(20, word="Held out")}
    datasets.DatasetDict({name: datasets.Dataset.from_pandas(rows) for name, rows in parts.items()}).save_to_disk(tmp_path / "saved")
    saved = {"name": "hub", "hub_name": str(tmp_path / "saved")}
    data = load_task(TaskSettings(**saved, hub_exam_split="trusted"))
    assert texts(data, "exam") == list(parts["trusted"]["text"]) and len(data.splits["course"]) == 60
    with pytest.raises(TaskError, match=r"'trustd'.*'trusted'"):
        load_task(TaskSettings(**saved, hub_exam_split="trustd"))


def test_a_split_of_a_known_hub_data_set_is_the_exam(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"sentence": datasets.Value("string"), "label": datasets.ClassLabel(names=["negative", "positive"])})

    def split(word: str, n: int) -> Any:
        rows = {"sentence": [f"{word} {i}" for i in range(n)], "label": [i % 2 for i in range(n)]}
        return datasets.Dataset.from_dict(rows, features=features)

    monkeypatch.setattr("ikd.tasks.hub.load_splits",
                        lambda *_, **__: {"train": split("row", 60), "validation": split("held", 20), "test": split("trusted", 12)})
    data = load_task(TaskSettings(name="sst2", hub_exam_split="test"))
    assert len(data.splits["exam"]) == 12 and len(data.splits["course"]) == 60 and "test" not in data.splits


def some_rows(found: list[tuple[int, str]]) -> Rows:
    texts = [f"{'Text' if i % 2 else ' text '} {i // 2}" for i, _ in found]
    return Rows(texts=texts, text_pairs=None, labels=[label for _, label in found])


TABLES = st.lists(st.tuples(st.integers(0, 60), st.sampled_from("abc")), min_size=12, max_size=60).map(some_rows)


@settings(max_examples=40)
@given(train=TABLES, exam=TABLES, validation=TABLES | st.none(), test=TABLES | st.none(), shared=st.sampled_from(["train", "held_out"]),
       size=st.none() | st.integers(4, 30))  # fmt: skip
def test_no_exam_text_is_in_another_split_and_none_comes_from_training(
    train: Rows, exam: Rows, validation: Rows | None, test: Rows | None, shared: str, size: int | None
) -> None:
    parts = {"train": train, "exam": exam} | {name: rows for name, rows in (("validation", validation), ("test", test)) if rows is not None}
    try:
        data = checked(make_task(TaskSettings(name="files", shared_texts=shared, exam_size=size), "rows", parts))
    except TaskError as refusal:
        assert str(refusal).endswith(".") and "\n" not in str(refusal)
        return
    keys = [{text_key(Rows(texts=split.texts, text_pairs=None, labels=[]), i) for i in range(len(split))} for split in data.splits.values()]
    assert sum(map(len, keys)) == len(set().union(*keys))
    assert set(data.splits["exam"].texts) <= set(exam.texts) and len(data.splits["exam"]) <= (size or len(exam))


@needs_data
def test_film_reviews_are_studied_and_kitchen_reviews_examined_by_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kitchen = pd.read_parquet(DATA / "amazon_kitchen" / "train.parquet").drop_duplicates("text").sample(frac=1, random_state=0)
    films = pd.read_parquet(DATA / "mr" / "train.parquet").sample(800, random_state=0)
    parts = {"train": films, "exam": kitchen[:100], "validation": kitchen[100:200], "test": kitchen[200:400]}
    files = {split: written(rows, tmp_path / f"{split}.parquet") for split, rows in parts.items()}
    named = [word for split, path in files.items() for word in (f"--task.{split}-file", str(path))]
    look = ["data", "--task", "files", "--teacher", "builtin/1x16", "--student", "builtin/1x16"]
    assert main([*look, *named]) == 0
    said = capsys.readouterr().out
    assert {"exam: 100 texts", "test: 200 texts", "validation: 100 texts", "course: 800 texts"} <= set(said.splitlines())
    data = load_task(TaskSettings(name="files", **{f"{split}_file": str(path) for split, path in files.items()}))
    assert {split: set(texts(data, "course" if split == "train" else split)) for split in parts} == {
        split: set(rows["text"]) for split, rows in parts.items()}  # fmt: skip
    assert not set(texts(data, "exam")) & {text for split in ("course", "validation", "test") for text in texts(data, split)}
    for exam, words in ((tmp_path / "none.csv", "There is no file"), (written(kitchen[["text"]], tmp_path / "bare.csv"), "an exam needs"),
                        (written(kitchen[kitchen["label"] == 0], tmp_path / "one.csv"), "one class only")):  # fmt: skip
        assert main([*look, *named, "--task.exam-file", str(exam)]) == 2
        told = capsys.readouterr().err.strip()
        assert words in told and "\n" not in told and told.endswith(".")
