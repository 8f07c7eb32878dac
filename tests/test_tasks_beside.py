"""Groups, sources and stored soft targets stay with their rows, whatever becomes of the rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ikd.cli import main
from ikd.config import TaskSettings
from ikd.errors import TaskError
from ikd.protocols import UNLABELLED, Split, TaskData
from ikd.tasks import load_task
from ikd.tasks.checking import checked
from ikd.tasks.rows import Rows
from ikd.tasks.settling import contradicting, of_several_sources, repeated
from ikd.tasks.splits import make_task
from tests.tables import written

TARGETS = {"no": (0.75, 0.25), "yes": (0.125, 0.875)}


def table(n: int = 60, *, start: int = 0) -> pd.DataFrame:
    """Return texts of three domains and two annotators, with a soft target each that agrees with the label."""
    labels = ["no", "yes"] * (n // 2)
    return pd.DataFrame({
        "text": [f"Sentence number {i}." for i in range(start, start + n)], "label": labels, "domain": [f"d{i % 3}" for i in range(n)],
        "who": [f"w{i % 2}" for i in range(n)], "said": [list(TARGETS[label]) for label in labels],
    })  # fmt: skip


NAMED = {"group_column": "domain", "source_column": "who", "soft_target_column": "said"}


def load(folder: Path, rows: pd.DataFrame, kind: str = "parquet", **more: Any) -> TaskData:
    path = written(rows, folder / f"rows.{kind}")
    return load_task(TaskSettings(**{"name": "files", "train_file": str(path), **NAMED, **more}))


def beside(data: TaskData) -> dict[str, tuple[str, str, tuple[float, ...]]]:
    """Return group, source and soft target of each text."""
    return {text: (group, source, tuple(target)) for split in data.splits.values() for text, group, source, target in zip(
        split.texts, split.groups or (), split.sources or (), split.soft_targets or (), strict=True)}  # fmt: skip


FORMS: dict[str, Callable[[Sequence[float]], Any]] = {
    "list": list, "counts": lambda said: [int(8 * one) for one in said], "words": lambda said: " ".join(map(str, said)),
    "by name": lambda said: json.dumps(dict(zip(("no", "yes"), said, strict=True))),
    "by name, in another order": lambda said: json.dumps({"yes": said[1], "no": said[0]}),
}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("form", FORMS)
def test_a_row_keeps_its_group_source_and_soft_target(tmp_path: Path, form: str, kind: str) -> None:
    rows = table()
    rows["said"] = [FORMS[form](said) for said in rows["said"]]
    data = load(tmp_path, rows, kind)
    expected = {row.text: (row.domain, row.who, TARGETS[row.label]) for row in table().itertuples()}
    assert beside(data) == expected
    assert data.source_names == ("w0", "w1") and data.group_names == ("d0", "d1", "d2") and not data.truth_is
    assert data.splits["course"].truth is None


def test_one_column_for_each_class_and_columns_within_columns(tmp_path: Path) -> None:
    rows = table()
    wide = rows.assign(no=[said[0] for said in rows["said"]], yes=[said[1] for said in rows["said"]])
    assert beside(load(tmp_path, wide, "csv", soft_target_column="no, yes")) == beside(load(tmp_path, rows))
    nested = rows.assign(meta=[{"who": who, "where": {"domain": domain}} for who, domain in zip(rows["who"], rows["domain"], strict=True)])
    found = load(tmp_path, nested.drop(columns=["who", "domain"]), "jsonl", group_column="meta.where.domain", source_column="meta.who")
    assert beside(found) == beside(load(tmp_path, rows))


def test_a_missing_name_or_soft_target_is_empty(tmp_path: Path) -> None:
    rows = table()
    rows.loc[3, ["domain", "who", "said"]] = None
    rows.loc[4, "domain"] = "  "
    data = load(tmp_path, rows)
    assert beside(data)["Sentence number 3."] == ("", "", (0.0, 0.0)) and beside(data)["Sentence number 4."][:2] == ("", "w0")
    notes = " ".join(data.notes)
    assert "names 3 groups: 'd0', 'd1', 'd2'; 2 rows name none." in notes and "names 2 sources: 'w0', 'w1'; 1 row names none." in notes
    assert "59 of 60 rows for the course have a stored soft target." in notes


def test_a_class_that_no_row_names_has_nothing(tmp_path: Path) -> None:
    rows = table().assign(label=["a", "b", "c"] * 20, said=[{"a": 3, "b": 1}, {"b": 4}, {"a": 4}] * 20)
    data = load(tmp_path, rows.assign(said=[json.dumps(said) for said in rows["said"]]), soft_target_order=None)
    assert {target for _, _, target in beside(data).values()} == {(0.75, 0.25, 0.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)}


def test_an_order_that_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    labels = ["a", "b", "c"] * 20
    said = [[1.0, 0.0, 0.0] if i % 7 == 0 else [0.0, 0.0, 1.0] if i % 2 else [0.0, 1.0, 0.0] for i in range(60)]
    rows = table().assign(label=labels, said=said)
    with pytest.raises(TaskError, match=r"soft target of The train data.*task\.soft_target_order"):
        load(tmp_path, rows)
    data = load(tmp_path, rows, soft_target_order="c, b, a")
    assert beside(data)["Sentence number 0."][2] == (0.0, 0.0, 1.0)


def test_columns_that_other_splits_have_are_read_there_and_those_they_lack_are_told(tmp_path: Path) -> None:
    parts = {"validation": table(10, start=100), "exam": table(10, start=200)[["text", "label"]], "test": table(10, start=300)}
    parts["test"]["said"] = None
    files = {f"{split}_file": str(written(rows, tmp_path / f"{split}.parquet")) for split, rows in parts.items()}
    data = load(tmp_path, table(), **files)
    exam, test = data.splits["exam"], data.splits["test"]
    assert (exam.groups, exam.sources, exam.soft_targets) == (None, None, None)
    assert list(test.groups or ()) == list(parts["test"]["domain"]) and test.soft_targets is None
    assert list(data.splits["validation"].soft_targets or ()) == [TARGETS[label] for label in parts["validation"]["label"]]
    assert "The exam rows have no column 'domain' and belong to no group." in data.notes


def test_texts_without_labels_may_have_soft_targets_of_other_sources(tmp_path: Path) -> None:
    more = table(20, start=100).assign(who="served").drop(columns=["label", "domain"])
    path = written(more, tmp_path / "more.parquet")
    data = load(tmp_path, table().drop(columns=["said", "who"]), unlabelled_file=str(path), soft_target_order="no,yes")
    course = data.splits["course"]
    bare = [i for i, label in enumerate(course.labels) if label == UNLABELLED]
    assert {course.texts[i] for i in bare} == set(more["text"]) and {(course.sources or ())[i] for i in bare} == {"served"}
    assert {tuple((course.soft_targets or ())[i]) for i in bare} == set(TARGETS.values()) and (course.groups or ())[bare[0]] == ""
    labelled = [i for i in range(len(course)) if i not in bare]
    assert {tuple((course.soft_targets or ())[i]) for i in labelled} == {(0.0, 0.0)} and data.source_names == ("served",)
    with pytest.raises(TaskError, match=r"The unlabelled data stands for which class cannot be told"):
        load(tmp_path, table().drop(columns=["said", "who"]), unlabelled_file=str(path))


def test_rows_without_a_label_that_are_studied_keep_their_soft_targets(tmp_path: Path) -> None:
    rows = table()
    rows.loc[10:19, "label"] = None
    data = load(tmp_path, rows, missing_labels="study")
    assert beside(data) == {row.text: (row.domain, row.who, tuple(row.said)) for row in table().itertuples()}
    assert sum("soft targets" in note and "agrees with 100 %" in note for note in data.notes) == 1


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no such group": ({"group_column": "domian"}, r"no group column 'domian'\. Did you mean 'domain'\?.*task\.group_column"),
    "no such source": ({"source_column": "x"}, r"no source column 'x'.*task\.source_column"),
    "no such soft target": ({"soft_target_column": "x"}, r"no soft target column 'x'.*task\.soft_target_column"),
    "one of two": ({"soft_target_column": "said, x"}, r"no soft target column 'x'"),
    "too many groups": ({"group_column": "id"}, r"has 60 different names, and at most 50 groups"),
    "a text": ({"source_column": "text"}, r"the source column 'text' is a text column"),
    "no numbers": ({"soft_target_column": "domain"}, r"no usable soft target in 'domain'"),
    "the label": ({"soft_target_column": "label", "label_column": "label"}, r"no usable soft target in 'label'"),
    "nothing": ({"soft_target_column": "empty"}, r"soft target column 'empty' is empty in every training row"),
    "an order of others": ({"soft_target_order": "no,perhaps"}, r"task\.soft_target_order names 'no', 'perhaps'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_columns_that_cannot_be_used_are_refused_in_a_sentence(tmp_path: Path, what: str) -> None:
    more, said = REFUSED[what]
    rows = table().assign(id=range(60), empty=None)
    with pytest.raises(TaskError, match=said) as refusal:
        load(tmp_path, rows, **more)
    assert "\n" not in str(refusal.value) and str(refusal.value).endswith(".")


def test_too_many_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="has 202 different names, and at most 200 sources"):
        load(tmp_path, table(202).assign(who=range(202)))


def test_a_column_that_is_something_else_is_not_guessed_as_the_label(tmp_path: Path) -> None:
    rows = table().rename(columns={"domain": "category", "label": "gold"})
    with pytest.raises(TaskError, match="no label column"):
        load(tmp_path, rows, group_column="category")
    assert load(tmp_path, table(), group_column="label").group_names == ("no", "yes")
    test = written(table(10, start=100)[["text", "domain"]], tmp_path / "test.parquet")
    assert "test" not in load(tmp_path, table(), test_file=str(test)).splits, "its groups are no labels"


def test_rows_of_different_sources_neither_repeat_nor_contradict() -> None:
    texts = ["One", "one ", "ONE", "Two", "two", "Three"]
    rows = Rows(texts=texts, text_pairs=None, labels=["a", "a", "b", "a", "b", "a"], sources=["x", "y", "z", "x", "x", "x"])
    assert repeated(rows) == [] and contradicting(rows) == [3, 4] and of_several_sources(rows) == [[0, 1, 2]]
    plain = Rows(texts=texts, text_pairs=None, labels=rows.labels)
    assert repeated(plain) == [1] and contradicting(plain) == [0, 1, 2, 3, 4]
    stored = Rows(texts=["One", "one", "One"], text_pairs=None, labels=["a"] * 3, targets=[(0.0, 1.0), (1.0, 0.0), (0.0, 1.0)])
    assert repeated(stored) == [2]


def some_rows(drawn: Sequence[tuple[int, str]], word: str) -> Rows:
    """Return rows whose exact text tells them apart, though their texts repeat; all that is beside a text follows from it."""
    texts = [f"Text {number}{' ' * i}{word}" for i, (number, _) in enumerate(drawn)]
    return Rows(
        texts=texts, text_pairs=None, labels=[label for _, label in drawn], groups=[group_of(one) for one in texts],
        sources=[source_of(one) for one in texts], targets=[target_of(one) for one in texts], target_names=("b", "c", "a"),
    )  # fmt: skip


def group_of(text: str) -> str:
    return f"g{len(text) % 3}" if len(text) % 4 else ""


def source_of(text: str) -> str:
    return f"s{len(text) % 5}" if len(text) % 7 else ""


def target_of(text: str) -> tuple[float, float, float] | None:
    return None if len(text) % 6 == 0 else ((0.5, 0.25, 0.25), (0.0, 1.0, 0.0))[len(text) % 2]


def is_aligned(split: Split) -> bool:
    targets = [target_of(text) or (0.0, 0.0, 0.0) for text in split.texts]
    found = (list(split.groups or ()), list(split.sources or ()), list(split.soft_targets or ()))
    return found == ([group_of(one) for one in split.texts], [source_of(one) for one in split.texts], [(a, b, c) for b, c, a in targets])


def tables(labels: str, fewest: int) -> st.SearchStrategy[list[tuple[int, str]]]:
    return st.lists(st.tuples(st.integers(0, 30), st.sampled_from([*labels])), min_size=fewest, max_size=60)


@settings(max_examples=40)
@given(train=tables("abc", 30), exam=tables("abc", 8) | st.none(), test=tables("abc", 8) | st.none(), more=tables("a", 8) | st.none(),
       choices=st.fixed_dictionaries({
           "shared_texts": st.sampled_from(["train", "held_out"]), "duplicates": st.sampled_from(["keep", "drop"]),
           "conflicts": st.sampled_from(["keep", "drop"]), "rare_classes": st.sampled_from(["keep", "drop"]), "seed": st.integers(0, 9),
           "train_size": st.none() | st.integers(12, 40), "exam_size": st.none() | st.integers(4, 12)}))  # fmt: skip
def test_every_row_keeps_what_is_beside_it_whatever_is_asked_for(
    train: list[tuple[int, str]], exam: list[tuple[int, str]] | None, test: list[tuple[int, str]] | None,
    more: list[tuple[int, str]] | None, choices: dict[str, Any],
) -> None:  # fmt: skip
    given_parts = {"train": train, "exam": exam, "test": test, "unlabelled": more}
    parts = {name: some_rows(drawn, name) for name, drawn in given_parts.items() if drawn is not None}
    try:
        data = checked(make_task(TaskSettings(name="files", **choices), "rows", parts))
    except TaskError as refusal:
        assert str(refusal).endswith(".")
        return
    assert all(is_aligned(split) for split in data.splits.values())


def test_the_property_above_meets_tasks_that_can_be_made() -> None:
    drawn = [(i % 30, "abc"[i % 3]) for i in range(60)]
    parts = {"train": some_rows(drawn, "train"), "exam": some_rows(drawn[:20], "exam"), "unlabelled": some_rows(drawn[:9], "more")}
    data = checked(make_task(TaskSettings(name="files", missing_labels="study", duplicates="drop"), "rows", parts))
    assert all(is_aligned(split) for split in data.splits.values()) and UNLABELLED in data.splits["course"].labels


def test_the_command_line_shows_groups_and_sources(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = table()
    rows.loc[0, "said"] = [0.1, 0.9]
    rows = pd.concat([rows, rows.head(4).assign(who="w2", label="yes", said=None)])
    path = written(rows, tmp_path / "rows.parquet")
    named = [word for name, column in NAMED.items() for word in (f"--task.{name.replace('_', '-')}", column)]
    exam = written(table(20, start=100), tmp_path / "exam.parquet")
    assert main(["data", "--task", "files", "--task.train-file", str(path), "--task.exam-file", str(exam), *named,
                 "--task.validation-file", str(written(table(20, start=200), tmp_path / "validation.parquet")),
                 "--teacher", "builtin/1x16", "--student", "builtin/1x16"]) == 0  # fmt: skip
    said = capsys.readouterr().out
    assert "group 'domain', source 'who', soft target 'said'" in said
    assert "exam: 20 texts, 20 with a stored soft target" in said and "  group 'd0': 7" in said
    assert "source 'w0': 30 course texts, 30 with a stored soft target, 97 % of them as the label" in said
    assert "source 'w2': 4 course texts" in said
    assert "found: 8 training rows are of 4 texts that several sources speak of" in said
