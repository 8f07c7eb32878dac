"""What the lab says of a task before it trains on it, against what then happens."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from ikd.cli import main
from ikd.config import RunConfig, build_config
from ikd.errors import IKDError, TaskError
from ikd.models.builtin import train_tokenizer
from ikd.models.encoding import both_ends
from ikd.runs import background
from ikd.runs.inspecting import first_batch, inspect
from ikd.runs.inspection import Finding, Inspection
from ikd.tasks import load_task
from ikd.trace.reader import TraceReader
from ikd.trace.store import runs_root
from tests.test_runs import SMALL, finished
from tests.test_tasks_files import BAD, EXPECTATIONS, needs_data


def config_of(**values: Any) -> RunConfig:
    """Return a config of small models with settings of the task."""
    models = {"teacher.name": "builtin/2x32", "student.name": "builtin/1x16"}
    return build_config(models | {f"task.{name}": value for name, value in values.items()})


def table(n: int = 80) -> pd.DataFrame:
    return pd.DataFrame({"text": [f"A sentence, number {i}." for i in range(n)], "label": ["no", "yes"] * (n // 2)})


def inspected(folder: Path, rows: pd.DataFrame, **more: Any) -> Inspection:
    rows.to_parquet(folder / "rows.parquet")
    return inspect(config_of(name="files", train_file=str(folder / "rows.parquet"), **more))


def finding(found: Inspection, kind: str) -> Finding:
    return next(one for one in found.findings if one.kind == kind)


def test_every_finding_counts_what_was_put_in(tmp_path: Path) -> None:
    rows = table()
    more = pd.DataFrame({"text": ["A sentence, number 3.", "a  SENTENCE, number 5.", "A sentence, number 7.", "Rare.", "", None, "Bare."],
                         "label": ["yes", "yes", "no", "maybe", "yes", "no", None]})  # fmt: skip
    test = pd.DataFrame({"text": ["A sentence, number 10.", "a sentence,  number 11.", "New."], "label": ["no", "yes", "no"]})
    test.to_csv(tmp_path / "test.csv", index=False)
    found = inspected(tmp_path, pd.concat([rows, more]), test_file=str(tmp_path / "test.csv"))
    assert not found.refusal
    assert finding(found, "repeated").count == 2 and finding(found, "repeated").setting == "task.duplicates"
    assert finding(found, "conflicts").count == 2 and {one[2] for one in finding(found, "conflicts").rows} == {"yes", "no"}
    assert finding(found, "shared with test").count == 2
    assert finding(found, "unlabelled").count == 1 and "Bare." in finding(found, "unlabelled").rows[0]
    assert finding(found, "rare").count == 1 and "'maybe' (1)" in finding(found, "rare").sentence
    assert finding(found, "empty").count == 2
    assert [(one.split, one.n_rows) for one in found.tables] == [("train", 87), ("test", 3)]
    assert {word: n for word, n, _ in found.labels} == {"no": 42, "yes": 43, "maybe": 1}


def test_a_clean_task_has_no_finding_and_what_is_said_is_what_is_taught(tmp_path: Path) -> None:
    found = inspected(tmp_path, table(400))
    assert not found.findings and not found.refusal
    data = load_task(config_of(name="files", train_file=str(tmp_path / "rows.parquet")).task)
    assert found.fingerprint == data.fingerprint
    assert {one.name: one.n_rows for one in found.splits} == {name: len(split) for name, split in data.splits.items()}
    for one in found.splits:
        assert list(one.classes) == [list(data.splits[one.name].labels).count(label) for label in range(2)]


def test_each_choice_does_what_it_says(tmp_path: Path) -> None:
    rows = pd.concat([table(), table().head(4)])
    assert finding(inspected(tmp_path, rows), "repeated").count == 4
    dropped = inspected(tmp_path, rows, duplicates="drop")
    assert sum(one.n_rows for one in dropped.splits) == 80
    assert any("4 training rows repeat an earlier row, and were dropped" in note for note in dropped.notes)


def test_votes_are_noticed_and_become_the_truth(tmp_path: Path) -> None:
    rows = table().assign(votes=[[9, 1], [2, 8]] * 40)
    assert "'votes'" in finding(inspected(tmp_path, rows), "votes").sentence
    found = inspected(tmp_path, rows, soft_label_column="votes")
    assert found.truth_is == "votes" and all(one.with_truth == one.n_rows for one in found.splits)


def test_text_lengths_are_those_of_the_tokenizer_and_the_cut_share_is_counted(tmp_path: Path) -> None:
    rows = table()
    rows["text"] = [f"{'word ' * (i % 40)}end {i}" for i in range(80)]
    found = inspected(tmp_path, rows, max_length=16)
    (role, tokens, most), *others = found.lengths
    assert (role, most, others) == ("teacher", 16, [])
    data = load_task(config_of(name="files", train_file=str(tmp_path / "rows.parquet")).task)
    tokenizer = train_tokenizer(list(data.splits["course"].texts), max_length=16)
    expected = [len(tokenizer(text)["input_ids"]) for text in data.splits["course"].texts]
    assert list(tokens) == expected
    assert finding(found, "long for the teacher").count == sum(n > 16 for n in expected) > 0


def test_labels_that_are_merged_and_splits_that_are_small_are_said(tmp_path: Path) -> None:
    rows = table().assign(label=["no", "Yes", "NO", "Yes"] * 20)
    found = inspected(tmp_path, rows)
    assert "'NO' to 'no'" in finding(found, "spellings").sentence and finding(found, "spellings").count == 20
    assert "exam 7" in finding(found, "small").sentence
    apart = inspected(tmp_path, rows, label_map="NO=never")
    assert all(one.kind != "spellings" for one in apart.findings) and len(apart.label_names) == 3


def test_imbalance_is_said(tmp_path: Path) -> None:
    rows = table(200)
    rows["label"] = ["no"] * 190 + ["yes"] * 10
    assert "'yes'" in finding(inspected(tmp_path, rows), "balance").sentence


def test_what_cannot_be_used_is_still_shown(tmp_path: Path) -> None:
    rows = table().rename(columns={"label": "user"})
    found = inspected(tmp_path, rows)
    assert "label" in found.refusal and list(found.tables[0].columns) == ["text", "user"] and len(found.tables[0].first) == 20
    mixed = table().assign(label=["1", "yes"] * 40)
    found = inspected(tmp_path, mixed)
    assert "task.label_map" in found.refusal and {word for word, _, _ in found.labels} == {"1", "yes"}
    assert not inspected(tmp_path, mixed, label_map=json.dumps({"1": "yes", "yes": "no"})).refusal
    assert inspect(config_of(name="files", train_file=str(tmp_path / "nowhere.csv"))).refusal.startswith("There is no file")


def test_a_huge_cell_is_never_shown_whole(tmp_path: Path) -> None:
    rows = table()
    rows.loc[0, "text"] = "x" * 1_000_000
    found = inspected(tmp_path, rows)
    assert len(found.tables[0].first["text"][0]) < 400 and not found.refusal


@pytest.mark.parametrize("policy", ["exam", "fixed"])
def test_the_first_batch_is_the_one_that_is_taught(policy: str) -> None:
    """Its examples, its soft targets and its tokens, against the trace and against transformers' own reading of the saved student."""
    folder = finished(policy__name=policy)
    config = folder.config()
    found = first_batch(config, runs_root())
    assert not found.refusal and "fine-tuned" in found.teacher and "not been" not in found.teacher
    course = TraceReader(folder).course(0)
    assert course is not None
    assert [one.example for one in found.texts] == course.examples.tolist()
    logits = course.teacher_logits.astype(float) / config.objective.temperature
    soft = np.exp(logits - logits.max(-1, keepdims=True))
    np.testing.assert_allclose([one.soft_target for one in found.texts], soft / soft.sum(-1, keepdims=True), atol=1e-5)
    examples = TraceReader(folder).examples("course").set_index("id")
    tokenizer = AutoTokenizer.from_pretrained(folder.path / "student")
    longest = max(len(tokenizer(one.text)["input_ids"]) for one in found.texts)
    for one in found.texts:
        assert one.text == examples.loc[one.example, "text"]
        assert one.label == found.label_names[examples.loc[one.example, "label"]]
        own = tokenizer(one.text, padding="max_length", max_length=longest, truncation=True)
        assert list(one.tokens["student"]) == tokenizer.convert_ids_to_tokens(own["input_ids"])
        assert list(one.mask["student"]) == own["attention_mask"]


def test_the_first_batch_says_when_the_teacher_is_still_untaught(tmp_path: Path) -> None:
    found = first_batch(build_config(SMALL | {"seed": 7}), tmp_path)
    assert "not been fine-tuned" in found.teacher and len(found.texts) == 8
    refused = first_batch(config_of(name="files", train_file=str(tmp_path / "nowhere.csv")), tmp_path)
    assert refused.refusal and not refused.texts


def test_pairs_show_which_text_a_token_belongs_to() -> None:
    found = first_batch(build_config(SMALL | {"task.name": "pairs"}), runs_root())
    types = found.texts[0].types["student"]
    assert found.texts[0].text_pair and sorted(set(types)) == [0, 1]


@pytest.mark.parametrize("kept", ["start", "end", "ends"])
def test_the_part_of_a_long_text_that_is_kept(kept: str, tmp_path: Path) -> None:
    rows = table(60)
    rows["text"] = [" ".join(f"word{i}x{j}" for j in range(60)) for i in range(60)]
    rows.to_parquet(tmp_path / "rows.parquet")
    values = {**SMALL, "task.name": "files", "task.train_file": str(tmp_path / "rows.parquet"), "task.max_length": 24,
              "task.long_texts": kept, "task.exam_size": 10, "task.train_size": None}  # fmt: skip
    seen = first_batch(build_config(values), tmp_path).texts[0]
    tokenizer = train_tokenizer(list(load_task(build_config(values).task).splits["course"].texts), max_length=24)
    whole = tokenizer(seen.text, add_special_tokens=False, verbose=False)["input_ids"]
    ids = tokenizer.convert_tokens_to_ids(list(seen.tokens["student"]))
    inner, room = ids[1:-1], 24 - tokenizer.num_special_tokens_to_add()
    assert len(ids) == 24 < len(whole)
    expected = {"start": whole[:room], "end": whole[-room:], "ends": [*whole[: room - room // 2], *whole[-(room // 2) :]]}
    assert inner == expected[kept]


def test_a_short_text_is_read_whole_and_special_tokens_stay_at_their_ends() -> None:
    assert list(both_ends([1, 0, 0, 1], 4)) == [0, 1, 2, 3]
    assert list(both_ends([1, 0, 0, 0, 0, 0, 0, 1], 6)) == [0, 1, 2, 5, 6, 7]
    assert list(both_ends([1, 0, 0, 0, 0, 0, 0, 1], 5)) == [0, 1, 2, 6, 7]
    assert list(both_ends([0, 0, 0, 0, 0, 1], 3)) == [0, 4, 5], "a family with nothing at the start"
    assert list(both_ends([1, 0, 0, 0, 1], 3)) == [0, 1, 4]


def test_the_saved_student_cuts_texts_where_it_was_trained_to(tmp_path: Path) -> None:
    folder = finished(task__long_texts="end", task__max_length=16)
    tokenizer = AutoTokenizer.from_pretrained(folder.path / "student")
    assert tokenizer.truncation_side == "left"
    model = AutoModelForSequenceClassification.from_pretrained(folder.path / "student")
    ids = tokenizer("word " * 40, truncation=True, max_length=16, return_tensors="pt")
    with torch.no_grad():
        assert model(**ids).logits.shape == (1, 3)


def test_the_command_line_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = pd.concat([table(), table().head(4)])
    rows.to_csv(tmp_path / "rows.csv", index=False)
    arguments = ["data", "--task", "files", "--task.train-file", str(tmp_path / "rows.csv"), "--teacher", "builtin/2x32"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "4 training rows are the same as another one" in said and "labels: 'no' 42, 'yes' 42" in said and "course: " in said
    assert main([*arguments, "--task.label-column", "nothing"]) == 2
    captured = capsys.readouterr()
    assert "Did you mean" in captured.err or "no label column" in captured.err
    assert len(captured.err.splitlines()) == 1 and "rows.csv" in captured.out


@needs_data
@pytest.mark.parametrize("expected", EXPECTATIONS, ids=lambda expected: expected["file"])
def test_every_awkward_file_ends_as_expected_on_the_command_line(expected: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    name = str(expected["file"])
    code = main(["data", "--task", "files", "--task.train-file", str(BAD / name), "--teacher", "builtin/1x16"])
    captured = capsys.readouterr()
    said = captured.out + captured.err
    assert "Traceback" not in said and code in (0, 2)
    unlabelled = name == "text_only_one_column.csv"  # it can be studied, beside a file with labels
    assert (code == 0) == (expected["outcome"] in ("accept", "accept_with_warning") and not unlabelled), said
    if name != "random_bytes.csv":
        assert all(str(word).lower() in said.lower() for word in expected["must_mention"]), said
    if code == 0 and expected["rows_after_import"] is not None:
        sizes = [int(line.split()[1].replace(",", "")) for line in captured.out.splitlines()
                 if line.startswith(("course: ", "exam: ", "validation: "))]  # fmt: skip
        assert sum(sizes) == expected["rows_after_import"]


def test_thirty_who_ask_different_things_are_all_answered_by_few_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class looks at data: each visitor asks again twice a second, and no question starts a second thread."""
    started: list[str] = []
    monkeypatch.setattr(background, "load_job", lambda: time.sleep(0.02))
    real = threading.Thread

    def counted(**options: Any) -> threading.Thread:
        started.append("one")
        return real(**options)

    monkeypatch.setattr(background.threading, "Thread", counted)
    monkeypatch.setattr("ikd.runs.inspecting.inspect", lambda config: Inspection(fingerprint=str(config.task.seed)))
    configs = [config_of(name="reviews", seed=1000 + seed) for seed in range(6)]
    found: dict[int, Inspection] = {}
    end = time.monotonic() + 300
    while len(found) < 6 and time.monotonic() < end:
        for one in configs:
            answer = found.get(one.task.seed) or background.inspect_later(one)
            if answer is not None:
                found[one.task.seed] = answer
        time.sleep(0.01)
    assert {seed: one.fingerprint for seed, one in found.items()} == {1000 + seed: str(1000 + seed) for seed in range(6)}
    assert len(started) == 6


def test_a_fault_while_working_is_answered_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "load_job", lambda: 1 / 0)
    end = time.monotonic() + 300
    while (found := background.inspect_later(config_of(name="reviews", seed=77))) is None and time.monotonic() < end:
        time.sleep(0.01)
    assert found is not None and "ZeroDivisionError" in found.refusal


KINDS: dict[str, tuple[list[object], dict[str, object]]] = {
    "a word for nothing kept": (["for", "against", "NONE"], {}),
    "a word for nothing named": (["for", "against", "NA"], {"label_map": "NA="}),
    "codes": (["007", "07", "7"], {"label_map": "8=x"}),
    "lists of one": ([["a"], "b"], {}),
    "several labels": ([["a", "b"], ["a"]], {}),
    "joined": (["a", "b", "a|b"], {}),
    "minus one": ([-1, 0, 1, 2], {}),
    "fractions": ([0.5, 1.5], {}),
    "objects": ([{"x": "a"}, {"x": "b"}], {}),
    "accents": (["cafe\u0301", "caf\u00e9", "tea"], {}),
    "long": (["x" * 5000, "y" * 5000], {}),
    "idle": (["a", "b"], {"delimiter": "comma"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_said_before_is_what_training_says(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels, more = KINDS[kind]
    rows = table(120).assign(label=pd.Series((labels * 120)[:120], dtype=object))
    path = tmp_path / "rows.jsonl"
    rows.to_json(path, orient="records", lines=True)
    values = {"name": "files", "train_file": str(path), **more}
    config = config_of(**values)
    found = inspect(config)
    try:
        data = load_task(config.task)
    except IKDError as refusal:
        assert found.refusal == str(refusal)
        said = [str(refusal)]
    else:
        assert (list(found.notes), list(found.label_names)) == (list(data.notes), list(data.label_names)) and not found.refusal
        classes = {name for _, _, name in found.labels if name}
        assert classes == set(data.label_names)
        said = list(data.notes)
    flags = [flag for name, value in values.items() if name != "name" for flag in (f"--task.{name.replace('_', '-')}", str(value))]
    main(["data", "--task", "files", *flags, "--teacher", "builtin/2x32", "--student", "builtin/1x16"])
    shown = capsys.readouterr()
    words = " ".join((shown.out + shown.err).split())
    assert all(" ".join(one.split()) in words for one in said) and max(map(len, shown.out.splitlines())) < 2000


def test_a_fault_that_no_reader_knows_names_the_file_and_blames_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table().to_csv(tmp_path / "odd.csv", index=False)

    def broken(*_: object, **__: object) -> None:
        raise KeyError("strange")

    monkeypatch.setattr("ikd.tasks.files.take_rows", broken)
    config = config_of(name="files", train_file=str(tmp_path / "odd.csv"))
    with pytest.raises(TaskError, match=r"odd\.csv holds something that cannot be read.*Save it as a CSV file"):
        load_task(config.task)
    found = inspect(config)
    assert found.refusal.startswith("odd.csv holds something") and "the lab" not in found.refusal
    assert found.labels and found.tables


@pytest.mark.parametrize("choice", ["drop", "study"])
def test_rows_left_out_by_the_label_map_are_a_finding_of_their_own(choice: str, tmp_path: Path) -> None:
    rows = pd.concat([table(), pd.DataFrame({"text": ["One more.", "Two more.", "Bare."], "label": ["odd", "odd", None]})])
    rows.head(20).assign(text=[f"Held out {i}." for i in range(20)]).to_csv(tmp_path / "test.csv", index=False)
    found = inspected(tmp_path, rows, label_map="odd=", missing_labels=choice, test_file=str(tmp_path / "test.csv"))
    assert finding(found, "left out of train").count == 2 and "task.label_map" in finding(found, "left out of train").sentence
    assert finding(found, "unlabelled").count == 1 and all(one.kind not in ("empty", "left out of test") for one in found.findings)


def test_small_splits_are_a_note_of_the_run_and_said_once_where_data_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = inspected(tmp_path, table(12))
    data = load_task(config_of(name="files", train_file=str(tmp_path / "rows.parquet")).task)
    assert finding(found, "small").sentence in data.notes and "validation 1" in finding(found, "small").sentence
    main(["data", "--task", "files", "--task.train-file", str(tmp_path / "rows.parquet"), "--teacher", "builtin/1x16"])
    assert capsys.readouterr().out.count("Splits of fewer than") == 1


def test_a_refusal_without_a_table_prints_no_empty_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "--task", "files", "--task.train-file", str(tmp_path / "rows")]) == 2
    assert capsys.readouterr().out == ""
    (tmp_path / "rows").write_text("text,label\n")
    assert main(["data", "--task", "files", "--task.train-file", str(tmp_path / "rows")]) == 2
    assert "has no ending" in capsys.readouterr().err
