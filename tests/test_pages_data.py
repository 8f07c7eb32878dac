"""The Data page: files in, everything about them shown, choices taken over to the training."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from ikd.config import build_config
from ikd.runs import background
from ikd.runs.inspecting import first_batch, inspect
from ikd.runs.uploads import keep_upload, kept_uploads
from ikd.ui import data_batch, data_source, data_view, state
from ikd.ui.data_tables import changed_names
from ikd.ui.shell import PAGES
from tests.conftest import REPOSITORY
from tests.test_tasks_files import BAD, DATA, EXPECTATIONS, needs_data

SECONDS = 180
ROWS = [(f"A sentence, number {i}.", "yes" if i % 2 else "no") for i in range(60)]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the answer of the thread be there when the page asks: AppTest has no timers."""
    monkeypatch.setattr(data_view, "inspect_later", inspect)
    monkeypatch.setattr(data_batch, "first_batch_later", first_batch)


def opened(values: dict[str, Any], *, part: str | None = None) -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=SECONDS)
    app.run()
    app.session_state[state.VALUES] = {"teacher.name": "builtin/2x32", "student.name": "builtin/1x16", **values}
    app.switch_page(PAGES["data"].path)
    page = app.run()
    return shown(page, part) if part else page


def shown(page: AppTest, part: str) -> AppTest:
    found: AppTest = page.segmented_control(key="data-part").set_value(part).run()
    return found


def of_file(path: Path, **more: Any) -> dict[str, Any]:
    return {"task.name": "files", "task.train_file": str(path), **{f"task.{name}": value for name, value in more.items()}}


def written(folder: Path, rows: list[tuple[Any, ...]] = ROWS, header: tuple[str, ...] = ("text", "label")) -> Path:
    pd.DataFrame(rows, columns=list(header)).to_csv(folder / "rows.csv", index=False)
    return folder / "rows.csv"


def words(page: AppTest) -> str:
    kinds = ("markdown", "caption", "info", "success", "error", "warning", "text")
    return "\n".join(str(one.value) for kind in kinds for one in page.get(kind))


def tables(page: AppTest) -> dict[str, pd.DataFrame]:
    return {str(one.proto.id): one.value for one in page.dataframe}


@pytest.mark.parametrize("name", ["reviews", "pairs", "irony"])
def test_a_built_in_task_is_ready(name: str) -> None:
    page = opened({"task.name": name, "task.train_size": 200})
    assert not page.exception and not page.error
    assert "Ready to train" in words(page)
    for part in ("Labels", "Splits", "Lengths", "First batch", "Findings"):
        page = shown(page, part)
        assert not page.exception and not page.error, part


def test_a_shift_is_marked_and_its_groups_and_sources_are_shown() -> None:
    page = opened({"task.shift": "sources", "task.shift_strength": 1.0, "task.train_size": 120}, part="Splits")
    assert "Ready to train (shifted: sources 1)" in words(page).replace("\\", "")
    found = {one.value.columns[0]: one.value for one in page.dataframe}
    sources = [f"source {letter}" for letter in "ABCDEF"]
    assert found["group"]["group"].tolist()[:6] == found["source"]["source"].tolist() == sources
    assert sum(found["source"]["course texts"]) == 100
    assert sorted(found["source"]["right when it says neutral"])[-1].startswith(("8", "9"))


def test_a_file_is_shown_with_its_columns_rows_labels_and_splits(tmp_path: Path) -> None:
    page = opened(of_file(written(tmp_path, header=("utterance", "intent"))))
    assert "guessed" in words(page) and "Ready to train" in words(page)
    boxes = {one.label: one for one in page.selectbox}
    assert boxes["Text column"].value == "utterance" and boxes["Label column"].value == "intent"
    page = shown(page, "Rows")
    first = page.dataframe[0].value
    assert list(first["utterance"]) == [text for text, _ in ROWS[:20]]
    page = shown(page, "Splits")
    assert page.dataframe[0].value["texts"].sum() == 60
    page = shown(page, "First batch")
    assert not page.error and "fresh classifier" in words(page)


def test_a_column_chosen_here_is_the_one_that_is_trained_on(tmp_path: Path) -> None:
    rows = [(text, "same", label) for text, label in ROWS]
    page = opened(of_file(written(tmp_path, rows, header=("text", "label", "opinion"))))
    assert "one class only" in words(page)
    page = next(one for one in page.selectbox if one.label == "Label column").set_value("opinion").run()
    assert "Ready to train" in words(page) and page.session_state[state.VALUES]["task.label_column"] == "opinion"
    page.switch_page(PAGES["train"].path)
    page = page.run()
    assert next(one for one in page.text_input if one.label == "Label column").value == "opinion"


def test_labels_are_renamed_and_merged_in_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(text, ("good", "fine", "bad")[i % 3]) for i, (text, _) in enumerate(ROWS)]
    values = of_file(written(tmp_path, rows))
    edited = pd.DataFrame({"label": ["bad", "fine", "good"], "rows": [20, 20, 20], "class": ["bad", "good", "good"]})
    page = opened(values, part="Labels")
    monkeypatch.setattr("ikd.ui.data_tables.st.data_editor", lambda table, **_: edited if set(table["class"]) != {"bad", "good"} else table)
    page = page.run()
    assert json.loads(page.session_state[state.VALUES]["task.label_map"]) == {"fine": "good"}
    assert "in 2 classes" in words(page)
    page = next(one for one in page.button if one.label == "Labels as they stand").click().run()


def test_a_finding_has_its_count_and_a_choice_that_works(tmp_path: Path) -> None:
    page = opened(of_file(written(tmp_path, [*ROWS, *ROWS[:5]])))
    assert "5 training rows are the same as another one" in words(page).replace("\\", "")
    page = next(one for one in page.selectbox if one.label == "Repeated rows").set_value("drop").run()
    assert page.session_state[state.VALUES]["task.duplicates"] == "drop" and "were dropped" in words(page)


def test_a_text_in_both_held_out_splits_has_one_choice(tmp_path: Path) -> None:
    """Two findings, of validation and of test, hang on one setting."""
    files = {}
    for split in ("validation", "test"):
        pd.DataFrame([*ROWS[:5], (f"New {split}.", "no")], columns=["text", "label"]).to_csv(tmp_path / f"{split}.csv", index=False)
        files[f"{split}_file"] = str(tmp_path / f"{split}.csv")
    page = opened(of_file(written(tmp_path), **files))
    assert not page.exception and not page.error
    assert words(page).count("split too, capitals and spaces aside") == 2 and "is for these rows too" in words(page)
    assert [one.label for one in page.selectbox].count("Texts on both sides") == 1


def test_votes_are_offered_as_the_truth(tmp_path: Path) -> None:
    rows = [(text, label, "[8, 2]" if label == "no" else "[1, 9]") for text, label in ROWS]
    page = opened(of_file(written(tmp_path, rows, header=("text", "label", "votes"))))
    page = next(one for one in page.button if one.label == "Use it as the truth").click().run()
    assert page.session_state[state.VALUES]["task.soft_label_column"] == "votes"
    assert "people's votes" in words(shown(page, "Labels"))


def test_exam_texts_of_their_own_are_named_here_and_shown(tmp_path: Path) -> None:
    exam = tmp_path / "exam.csv"
    trusted = [(f"Trusted, number {i}.", "yes" if i % 2 else "no") for i in range(40)]
    pd.DataFrame(trusted, columns=["text", "label"]).to_csv(exam, index=False)
    page = opened(of_file(written(tmp_path)))
    page = next(one for one in page.text_input if one.label == "Exam file").input(str(exam)).run()
    assert "40 exam" in words(page) and "54 course" in words(page), "training gives rows to validation alone"
    pd.DataFrame(ROWS[:9], columns=["text", "label"]).assign(label="yes").to_csv(exam, index=False)
    refused = opened(of_file(tmp_path / "rows.csv", exam_file=str(exam)))
    assert len(refused.error) == 1 and "one class only" in words(refused)
    page.switch_page(PAGES["train"].path)
    page = page.run()
    assert next(one for one in page.text_input if one.label == "Exam file").value == str(exam)
    assert "exam" in next(one for one in page.segmented_control if one.label == "Rows for").options


@needs_data
def test_film_reviews_are_studied_and_kitchen_reviews_examined_on_the_page(tmp_path: Path) -> None:
    kitchen = pd.read_parquet(DATA / "amazon_kitchen" / "train.parquet").drop_duplicates("text").sample(300, random_state=0)
    films = pd.read_parquet(DATA / "mr" / "train.parquet").sample(300, random_state=0)
    parts = {"train": films, "exam": kitchen[:100], "validation": kitchen[100:200], "test": kitchen[200:]}
    for split, rows in parts.items():
        rows.to_parquet(tmp_path / f"{split}.parquet")
    page = opened({"task.name": "files"})
    for split, label in (("train", "Training"), ("exam", "Exam"), ("validation", "Validation"), ("test", "Test")):
        page = next(one for one in page.text_input if one.label == f"{label} file").input(str(tmp_path / f"{split}.parquet")).run()
    assert not page.exception and not page.error
    assert "300 course, 100 exam, 100 validation, 100 test texts in 2 classes" in words(page)


def test_groups_sources_and_soft_targets_are_chosen_here_and_shown(tmp_path: Path) -> None:
    said = {"no": "[0.9, 0.1]", "yes": "[0.2, 0.8]"}
    rows = [(text, label, f"d{i % 3}", f"w{i % 2}", said[label]) for i, (text, label) in enumerate(ROWS)]
    rows[0] = (*rows[0][:2], "", *rows[0][3:])
    again = (*ROWS[1], "d1", "w0", said["no"])
    page = opened(of_file(written(tmp_path, [*rows, again], header=("text", "label", "domain", "who", "said"))))
    page = next(one for one in page.selectbox if one.label == "Group column").set_value("domain").run()
    page = next(one for one in page.selectbox if one.label == "Source column").set_value("who").run()
    page = next(one for one in page.multiselect if one.label == "Soft target column").set_value(["said"]).run()
    chosen = page.session_state[state.VALUES]
    assert [chosen[f"task.{name}"] for name in ("group_column", "source_column", "soft_target_column")] == ["domain", "who", "said"]
    assert not page.exception and not page.error
    assert "2 training rows are of 1 text that several sources speak of" in words(page).replace("\\", "")
    page = shown(page, "Splits")
    sizes, groups, sources = (page.dataframe[at].value for at in range(3))
    assert list(groups["group"]) == ["d0", "d1", "d2", "(in none)"] and sizes["with a stored soft target"].sum() == 61
    assert groups[list(sizes["split"])].sum().tolist() == sizes["texts"].tolist()
    assert list(sources["source"]) == ["w0", "w1"] and sources["stored soft targets"].tolist() == sources["course texts"].tolist()
    assert sources["agrees with the label"].str.endswith("%").all()
    page = next(one for one in page.selectbox if one.label == "Group column").set_value(None).run()
    assert "task.group_column" not in page.session_state[state.VALUES]


def test_texts_of_every_script_and_markup_are_shown_as_they_are(tmp_path: Path) -> None:
    odd = "<b>bold</b> **stars** \u05e9\u05dc\u05d5\u05dd \U0001f468\u200d\U0001f469\u200d\U0001f467 $x$"
    page = opened(of_file(written(tmp_path, [(odd + f" {i}", label) for i, (_, label) in enumerate(ROWS)])), part="First batch")
    assert any(str(one.value).startswith(odd) for one in page.get("text"))


def test_a_hub_out_of_reach_is_a_sentence_and_a_folder_laid_out_like_one_is_read(tmp_path: Path) -> None:
    page = opened({"task.name": "hub", "task.hub_name": "owner/no-such-data-set"})
    assert len(page.error) == 1 and "hub cannot be reached" in words(page).replace("\\", "")
    pd.DataFrame(ROWS, columns=["text", "label"]).to_parquet(tmp_path / "train.parquet")
    assert "Ready to train" in words(opened({"task.name": "hub", "task.hub_name": str(tmp_path)}))


def test_the_hub_is_searched_and_what_is_found_can_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    page = opened({"task.name": "hub"})
    page = next(one for one in page.text_input if one.label == "Search the hub").input("emotion").run()
    page = next(one for one in page.button if one.label == "Search").click().run()
    assert "switched off" in words(page).replace("\\", ""), "the tests have no hub"
    monkeypatch.setattr(data_source, "search_hub", lambda asked: [f"someone/{asked}"])
    page = next(one for one in page.button if one.label == "Search").click().run()
    page = next(one for one in page.button if "someone/emotion" in one.label).click().run()
    assert page.session_state[state.VALUES]["task.hub_name"] == "someone/emotion"


def test_an_uploaded_file_can_be_deleted_again() -> None:
    kept = keep_upload("mine.csv", b"text,label\n" + b"".join(f"{text},{label}\n".encode() for text, label in ROWS))
    page = opened({"task.name": "files", "task.train_file": str(kept)})
    assert [path for path, _ in kept_uploads()] == [kept]
    assert "No run uses it." in words(page)
    page = next(one for one in page.button if one.label == "Delete it").click().run()
    assert not kept.exists() and "task.train_file" not in page.session_state[state.VALUES] and not page.exception


def test_what_was_said_of_one_file_is_not_taken_for_another(tmp_path: Path) -> None:
    """Columns and label names go with their file; without it they stay, page after page."""
    page = opened(of_file(written(tmp_path), label_map="yes=good") | {"task.text_column": "text"})
    chosen = page.session_state[state.VALUES]
    assert chosen["task.label_map"] == "yes=good" and chosen["task.text_column"] == "text"
    other = tmp_path / "other.csv"
    pd.DataFrame(ROWS, columns=["said", "kind"]).assign(label=[label for _, label in ROWS]).to_csv(other, index=False)
    page = next(one for one in page.text_input if one.label == "Training file").input(str(other)).run()
    chosen = page.session_state[state.VALUES]
    assert "task.label_map" not in chosen and "task.text_column" not in chosen and chosen["task.train_file"] == str(other)
    assert "Ready to train" in words(page)


def test_a_class_that_is_cleared_leaves_its_rows_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The editor gives None for a cell that was cleared by a key."""
    rows = [(text, ("good", "fine", "bad")[i % 3]) for i, (text, _) in enumerate(ROWS)]
    page = opened(of_file(written(tmp_path, rows)), part="Labels")
    cleared = {"bad": "bad", "fine": None, "good": float("nan")}
    monkeypatch.setattr("ikd.ui.data_tables.st.data_editor",
                        lambda table, **_: table.assign(**{"class": [cleared[one] if name else name for one, name in
                                                                     zip(table["label"], table["class"], strict=True)]}))  # fmt: skip
    page = page.run()
    assert json.loads(page.session_state[state.VALUES]["task.label_map"]) == {"fine": "", "good": ""}
    assert page.segmented_control(key="data-part").value == "Labels", "the table stays where it is"


def test_a_read_only_lab_reads_no_file_for_its_visitors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_READ_ONLY", "1")
    monkeypatch.setattr(data_view, "inspect_later", lambda config: pytest.fail("a file was read"))
    page = opened(of_file(written(tmp_path)))
    assert "read-only" in words(page)


def test_the_answer_of_the_thread_is_kept_and_a_file_written_anew_is_read_anew(tmp_path: Path) -> None:
    def answer() -> Any:
        config = build_config(of_file(path) | {"teacher.name": "builtin/1x16"})
        end = time.monotonic() + SECONDS
        while (found := background.inspect_later(config)) is None and time.monotonic() < end:
            time.sleep(0.02)
        return found

    path = written(tmp_path)
    first = answer()
    assert answer() is first and sum(one.n_rows for one in first.splits) == 60
    written(tmp_path, ROWS[:40])
    assert sum(one.n_rows for one in answer().splits) == 40


@needs_data
@pytest.mark.parametrize("expected", EXPECTATIONS, ids=lambda expected: expected["file"])
def test_every_awkward_file_ends_on_the_page_as_expected(expected: dict[str, Any]) -> None:
    name = str(expected["file"])
    page = opened(of_file(BAD / name))
    assert not page.exception
    said = words(page).replace("\\", "")
    ready = expected["outcome"] in ("accept", "accept_with_warning") and name != "text_only_one_column.csv"
    assert ("Ready to train" in said) == ready and len(page.error) == (not ready), said
    if name != "random_bytes.csv":
        assert all(str(word).lower() in said.lower() for word in expected["must_mention"]), said
    for part in ("Rows", "Labels"):
        shown_part = shown(page, part)
        assert not shown_part.exception


RAW = json.loads((DATA / "raw" / "expected.json").read_text()) if DATA.is_dir() else {}


@needs_data
@pytest.mark.parametrize("name", RAW)
def test_every_raw_file_is_imported_with_its_counts(name: str) -> None:
    expected = RAW[name]
    columns = expected["text_columns"]
    label = str(expected["label_column"]).partition(" ")[0]
    named = {} if not isinstance(columns[0], str) else {
        "text_column": columns[0], **({"text_pair_column": columns[1]} if len(columns) > 1 else {}), "label_column": label}  # fmt: skip
    found = inspect(build_config(of_file(DATA / "raw" / name, **named) | {"teacher.name": "builtin/1x16"}))
    assert not found.refusal and found.tables[0].n_rows == expected["rows"]
    counts = {word: n for word, n, _ in found.labels}
    assert counts == expected.get("label_counts", counts) and len(counts) == expected.get("num_labels", len(counts))
    guessed = inspect(build_config(of_file(DATA / "raw" / name) | {"teacher.name": "builtin/1x16"}))
    assert {one.name: one.n_rows for one in guessed.splits} == {one.name: one.n_rows for one in found.splits}, "guessed rightly"
    assert "Ready to train" in words(opened(of_file(DATA / "raw" / name)))


def test_a_word_for_a_missing_label_can_be_made_a_class_of_its_own_name() -> None:
    assert changed_names({"yes": "yes", "NA": ""}, {"yes": "yes", "NA": "NA"}) == {"NA": "NA"}
    assert changed_names({"yes": "yes", "no": "no"}, {"yes": "good", "no": "no"}) == {"yes": "good"}


def test_notes_on_labels_stand_on_the_page(tmp_path: Path) -> None:
    rows = [(f"A sentence, number {i}.", ["for", "against", "NONE"][i % 3]) for i in range(90)]
    page = opened(of_file(written(tmp_path, rows)), part="Findings")
    assert "kept as a class" in words(page) and "NONE" in words(page)
    refused = opened(of_file(written(tmp_path, [(text, "yes,no" if i % 9 == 0 else label) for i, (text, label) in enumerate(ROWS)])))
    assert "multi-label" in words(refused).replace("\\", "")
