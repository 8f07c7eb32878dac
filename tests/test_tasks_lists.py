"""Cells that hold lists: several labels, tokens, pairs, parts reached by name; and data sets saved to disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ikd.config import TaskSettings
from ikd.errors import TaskError
from ikd.protocols import TaskData
from ikd.tasks import load_task
from ikd.tasks.lists import list_in
from tests.tables import written

TEXTS = [f"Report {i} of the day." for i in range(60)]


def load(folder: Path, table: pd.DataFrame, kind: str = "jsonl", **more: object) -> TaskData:
    path = written(table, folder / f"rows.{kind}")
    return load_task(TaskSettings(**{"name": "files", "train_file": str(path), **more}))


def labelled(*labels: object) -> pd.DataFrame:
    return pd.DataFrame({"text": TEXTS, "label": pd.Series((list(labels) * 60)[:60], dtype=object)})


def said(data: TaskData, *words: str) -> bool:
    return any(all(word in note for word in words) for note in data.notes)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_lists_of_one_label_are_that_label_with_a_note(kind: str, tmp_path: Path) -> None:
    data = load(tmp_path, labelled(["warm"], ["cold"]), kind)
    assert tuple(data.label_names) == ("cold", "warm") and said(data, "lists of one label (60 rows)")


def test_rows_of_two_shapes_have_one_class(tmp_path: Path) -> None:
    data = load(tmp_path, labelled(["warm"], "warm", "cold", ["cold"], []))
    assert tuple(data.label_names) == ("cold", "warm") and said(data, "lists of one label")
    assert sum(map(len, data.splits.values())) == 48 and said(data, "12 rows with a missing label")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    ("labels", "word"),
    [([["a"], ["a", "b"], ["b"]], "'a', 'b'"), ([[1, 0, 0], [0, 1, 0], [0, 1, 1]], "one-hot"),
     ([[0.2, 0.8], [0.6, 0.4]], "soft_label_column"), ([[0, 3], [1]], "multi-label")],
)  # fmt: skip
def test_lists_of_several_labels_are_refused_by_name(labels: list[object], word: str, kind: str, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"multi-label.*not supported yet") as caught:
        load(tmp_path, labelled(*labels), kind)
    assert word in str(caught.value)


@pytest.mark.parametrize("mark", [",", ";", "|", ", ", " | "])
def test_labels_joined_in_one_cell_are_refused_where_their_parts_are_labels(mark: str, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"multi-label.*not supported yet.*task\.label_map"):
        load(tmp_path, labelled("warm", "Cold", f"warm{mark}cold"))
    named = load(tmp_path, labelled("warm", "cold", f"warm{mark}cold"), label_map=json.dumps({f"warm{mark}cold": "both"}))
    assert tuple(named.label_names) == ("both", "cold", "warm")
    assert len(load(tmp_path, labelled("warm", "cold", f"warm{mark}dry")).label_names) == 3, "a comma alone says nothing"


def test_labels_that_only_look_joined_are_classes_with_a_note(tmp_path: Path) -> None:
    data = load(tmp_path, labelled("red,wet", "wet,old", "red,old"))
    assert len(data.label_names) == 3 and said(data, "looks like several in one", "multi-label")
    assert not said(load(tmp_path, labelled("Rome, Italy", "Oslo, Norway", "Bern, Switzerland")), "several in one")


@pytest.mark.parametrize("label", [{"name": "a"}, "{'name': 'a'}", '{"name": "a"}'])
def test_objects_as_labels_are_refused(label: object, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="holds objects"):
        load(tmp_path, labelled(label, "b"))


TOKENS = [text.split() for text in TEXTS]


WRITTEN = [("parquet", TOKENS), ("jsonl", TOKENS), ("csv", TOKENS), ("csv", [str(np.array(one)) for one in TOKENS]),
           ("csv", list(map(json.dumps, TOKENS)))]  # fmt: skip


@pytest.mark.parametrize(("kind", "tokens"), WRITTEN)
def test_tokens_are_joined_by_spaces_with_a_note(kind: str, tokens: list[object], tmp_path: Path) -> None:
    data = load(tmp_path, pd.DataFrame({"text": tokens, "label": ["a", "b"] * 30}), kind)
    assert {text for split in data.splits.values() for text in split.texts} == set(TEXTS)
    assert data.splits["course"].text_pairs is None and said(data, "lists of words (60 rows)", "joined by spaces")


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_lists_of_two_texts_are_pairs_with_a_note(kind: str, tmp_path: Path) -> None:
    data = load(tmp_path, pd.DataFrame({"text": [[one, f"Not {one}"] for one in TEXTS], "label": ["a", "b"] * 30}), kind)
    course = data.splits["course"]
    assert course.text_pairs is not None and said(data, "first and second text of a pair")
    assert all(second == f"Not {first}" for first, second in zip(course.texts, course.text_pairs, strict=True))


def test_a_list_that_is_text_stays_text(tmp_path: Path) -> None:
    table = pd.DataFrame({"text": ["['a', 'b'] is a list", "[1]", *TEXTS[2:]], "label": ["a", "b"] * 30})
    data = load(tmp_path, table)
    assert {"['a', 'b'] is a list", "[1]"} <= {text for split in data.splits.values() for text in split.texts}


@pytest.mark.parametrize(
    ("cell", "what"),
    [([101, 7, 102], "numbers, such as token ids"), ([{"role": "user", "content": "Hi."}], "objects"), ({"en": "Hi."}, "'en'")],
)
def test_cells_that_are_no_texts_are_refused(cell: object, what: str, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=what):
        load(tmp_path, pd.DataFrame({"text": [cell] * 60, "label": ["a", "b"] * 30}))


def test_bytes_are_text_or_refused(tmp_path: Path) -> None:
    data = load(tmp_path, pd.DataFrame({"text": [one.encode() for one in TEXTS], "label": [b"a", b"b"] * 30}), "parquet")
    assert tuple(data.label_names) == ("a", "b") and set(data.splits["course"].texts) <= set(TEXTS)
    with pytest.raises(TaskError, match="bytes that are not UTF-8"):
        load(tmp_path, pd.DataFrame({"text": [b"\xff\xfe" + one.encode("utf-16") for one in TEXTS], "label": ["a", "b"] * 30}), "parquet")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [('["a", "b"]', ["a", "b"]), ("['a', 'b']", ["a", "b"]), ("['a' 'b'\n 'c']", ["a", "b", "c"]), ("[\"it's\", 'x']", ["it's", "x"]),
     ("[]", []), ("[a, b]", None), ("[" * 9000 + "]", None), ("['a', b]", None), (np.array(["a"]), ["a"]), ("a", None), (None, None),
     (r"['it\'s']", ["it's"])],
)  # fmt: skip
def test_lists_are_read_as_they_are_written(cell: object, expected: object) -> None:
    assert list_in(cell) == expected


def annotated(n_second: int = 0) -> list[dict[str, object]]:
    """Return rows as tools for annotation write them; so many have a second annotation, with another label."""
    rows = []
    for i, text in enumerate(TEXTS):
        given = [{"by": [{"value": {"picked": ["warm" if i % 2 else "cold"]}}]}]
        if i < n_second:
            given.append({"by": [{"value": {"picked": ["cold"]}}]})
        rows.append({"source": {"text": text}, "given": given})
    return rows


@pytest.mark.parametrize("label", ["given.0.by.0.value.picked.0", "given.0.by.0.value.picked"])
@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_labels_in_lists_are_reached_by_dotted_names(label: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows.{kind}"
    if kind == "json":
        path.write_text(json.dumps(annotated(3)))
    else:
        pd.DataFrame(annotated(3)).to_parquet(path)
    data = load_task(TaskSettings(name="files", train_file=str(path), text_column="source.text", label_column=label))
    course = data.splits["course"]
    assert all(data.label_names[one] == ("warm" if TEXTS.index(text) % 2 else "cold")
               for text, one in zip(course.texts, course.labels, strict=True))  # fmt: skip
    assert said(data, "3 rows have more than one element in 'given'", "number 0")


def test_a_part_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps(annotated()))
    with pytest.raises(TaskError, match=r"no label column 'given\.0\.by\.0\.value\.chosen'.*Did you mean 'given\.0\.by\.0\.value"):
        load_task(TaskSettings(name="files", train_file=str(tmp_path / "rows.json"), text_column="source.text",
                               label_column="given.0.by.0.value.chosen"))  # fmt: skip


@pytest.mark.parametrize("parts", [None, ("train",), ("train", "validation"), ("train", "test")])
def test_data_sets_saved_to_disk_are_read_from_their_folder(parts: tuple[str, ...] | None, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["warm", "cold"])})
    made = {part: datasets.Dataset.from_dict({"text": [f"{part} {one}" for one in TEXTS], "label": [0, 1] * 30}, features=features)
            for part in parts or ("train",)}  # fmt: skip
    (datasets.DatasetDict(made) if parts else made["train"]).save_to_disk(str(tmp_path / "saved"))
    data = load_task(TaskSettings(name="hub", hub_name=str(tmp_path / "saved"), hub_config="x", hub_revision="y"))
    assert tuple(data.label_names) == ("warm", "cold")
    for part in ("validation", "test"):
        if part in (parts or ()):
            assert len(data.splits[part]) == 60
    assert said(data, "task.hub_config", "no effect") and said(data, "task.hub_revision", "no effect")


def test_a_damaged_folder_gets_a_sentence(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    datasets.Dataset.from_dict({"text": TEXTS, "label": [0, 1] * 30}).save_to_disk(str(tmp_path / "saved"))
    next((tmp_path / "saved").glob("*.arrow")).write_bytes(b"nothing")
    with pytest.raises(TaskError, match="saved"):
        load_task(TaskSettings(name="hub", hub_name=str(tmp_path / "saved")))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_one_hot_lists_are_refused_as_such(kind: str, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"exactly one 1 in every row.*not read as single labels yet.*task\.label_column") as caught:
        load(tmp_path, labelled([1, 0, 0], [0, 1, 0]), kind)
    assert "multi-label" not in str(caught.value)


def test_one_row_is_one_row_and_a_note_comes_once(tmp_path: Path) -> None:
    assert said(load(tmp_path, labelled(*["a", "b"] * 29, "a", ["b"]), "jsonl"), "lists of one label (1 row)")
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"given": [{"text": one, "mark": "ab"[i % 2]}] * 2} for i, one in enumerate(TEXTS)]))
    data = load_task(TaskSettings(name="files", train_file=str(path), text_column="given.0.text", label_column="given.0.mark"))
    assert sum("more than one element in 'given'" in note for note in data.notes) == 1
