"""Files as people have them: every encoding, kind and fault either loads or is refused in one plain sentence."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pandas as pd
import pytest

from ikd.config import TaskSettings
from ikd.errors import IKDError, TaskError
from ikd.protocols import TaskData
from ikd.tasks import load_task
from tests.tables import written

DATA = Path(__file__).parents[2] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the developers' data folder is not here")
BAD = DATA / "bad"
EXPECTATIONS = json.loads((BAD / "expectations.json").read_text())["files"] if BAD.is_dir() else []

NOT_LOADED = {
    "text_only_one_column.csv": "training needs labels, so an unlabelled file is refused with that reason",
}


def load(path: Path, **more: object) -> TaskData:
    return load_task(TaskSettings(**{"name": "files", "train_file": str(path), **more}))


def n_rows(data: TaskData) -> int:
    return sum(map(len, data.splits.values()))


def table(n: int = 40) -> pd.DataFrame:
    return pd.DataFrame({"text": [f"Sentence number {i}." for i in range(n)], "label": ["no", "yes"] * (n // 2)})


@needs_data
@pytest.mark.parametrize("expected", EXPECTATIONS, ids=lambda expected: expected["file"])
def test_every_bad_file_loads_with_a_note_or_is_refused_in_a_sentence(expected: dict[str, object]) -> None:
    try:
        data = load(BAD / str(expected["file"]))
    except IKDError as error:
        said = str(error)
        assert expected["outcome"] in ("ask", "reject") or expected["file"] in NOT_LOADED
        assert "\n" not in said and said.endswith((".", "?"))
    else:
        assert expected["outcome"] in ("accept", "accept_with_warning")
        assert expected["rows_after_import"] in (None, n_rows(data))
        said = " ".join(data.notes)
        assert all("�" not in text for split in data.splits.values() for text in split.texts)
    if expected["file"] != "random_bytes.csv":  # whatever its bytes are here, it is refused
        assert all(word.lower() in said.lower() for word in expected["must_mention"])


@needs_data
@pytest.mark.parametrize(
    ("folder", "classes", "n_test"), [("sst2", 2, 1821), ("trec", 6, 500), ("rte", 2, None), ("mrpc", 2, 1725)]
)
def test_real_data_keeps_its_official_splits(folder: str, classes: int, n_test: int | None) -> None:
    files = {f"{split}_file": str(DATA / folder / f"{split}.parquet") for split in ("validation", "test")
             if (DATA / folder / f"{split}.parquet").exists()}
    data = load(DATA / folder / "train.parquet", train_size=1000, **files)
    assert len(data.label_names) == classes
    assert (len(data.splits["test"]) if "test" in data.splits else None) == n_test
    assert len(data.splits["course"]) + len(data.splits["exam"]) <= 1000
    assert (data.splits["course"].text_pairs is not None) == (folder in ("rte", "mrpc"))


@needs_data
def test_real_uploads_are_read_by_the_columns_named() -> None:
    raw = DATA / "raw"
    trec = load(raw / "trec_questions_train.csv", text_column="question", label_column="category",
                test_file=str(raw / "trec_questions_test.csv"))
    assert trec.label_names == ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")
    columns = {"text_column": "#1 String", "text_pair_column": "#2 String", "label_column": "Quality"}
    pairs = load(raw / "msr_paraphrase_train.tsv", **columns)
    assert pairs.label_names == ("0", "1")
    assert n_rows(pairs) == 4076


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_every_kind_of_file_gives_the_same_task(kind: str, tmp_path: Path) -> None:
    rows = table()
    data = load(written(rows, tmp_path / f"rows.{kind}"))
    rows.to_csv(tmp_path / "same.csv", index=False)
    assert data.fingerprint == load(tmp_path / "same.csv").fingerprint
    assert data.label_names == ("no", "yes")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_every_usual_encoding_keeps_special_letters(encoding: str, tmp_path: Path) -> None:
    rows = table()
    rows["text"] += " Crème brûlée “fine”…"
    (tmp_path / "rows.csv").write_bytes(rows.to_csv(index=False).encode(encoding))
    data = load(tmp_path / "rows.csv")
    assert all(text.endswith("Crème brûlée “fine”…") for text in data.splits["course"].texts)
    assert any("Windows-1252" in note for note in data.notes) == (encoding == "cp1252")


@pytest.mark.parametrize(
    ("labels", "names"),
    [([10, 9], ("9", "10")), ([1.0, 0.0], ("0", "1")), ([True, False], ("False", "True")), (["b", "a"], ("a", "b"))],
)
def test_labels_of_every_type_become_sorted_names(labels: list[object], names: tuple[str, ...], tmp_path: Path) -> None:
    rows = table()
    rows["label"] = pd.Series(labels * 20)
    for path, write in ((tmp_path / "rows.csv", rows.to_csv), (tmp_path / "rows.parquet", rows.to_parquet)):
        write(path, index=False)
        assert load(path).label_names == names


def test_the_class_names_in_a_parquet_file_of_a_hub_data_set_are_used(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["yes", "no"])})
    rows = {"text": list(table()["text"]), "label": [0, 1] * 20}
    datasets.disable_progress_bars()
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(tmp_path / "train.parquet"))
    assert load(tmp_path / "train.parquet").label_names == ("yes", "no")


def _write_faults(folder: Path) -> dict[str, str]:
    """Write files nobody can use; return the word each refusal must hold, by file name."""
    bits = random.Random(0)
    contents: dict[str, tuple[bytes, str]] = {
        "noise.csv": (bits.randbytes(4096), "not text"),
        "noise.parquet": (bits.randbytes(4096), "Parquet"),
        "noise.jsonl": (bits.randbytes(4096), "not text"),
        "broken.json": (b'{"text": ', "JSON"),
        "deep.json": (b"[" * 100_000, "JSON"),
        "number.json": (b"3", "list of rows"),
        "words.jsonl": (b'"a"\n"b"\n', "no line"),
        "zeros.csv": (b"text,label\n\x00\x00,a\n", "zero bytes"),
        "rows.xlsx": (b"PK\x03\x04", ".parquet"),
        "nothing": (b"text,label\n", "nothing"),
        "unlabelled.csv": (b"text,label\n" + b"a sentence,\n" * 20, "no label"),
        "same.csv": (b"text,label\n" + b"a sentence,no\n" * 20 + b"a sentence,yes\n", "same text"),
    }
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    (folder / "folder.csv").mkdir()
    return {name: word for name, (_, word) in contents.items()} | {"folder.csv": "folder", "gone.csv": "no file"}


def test_unusable_files_are_refused_with_the_reason(tmp_path: Path) -> None:
    for name, word in _write_faults(tmp_path).items():
        with pytest.raises(TaskError, match=word) as caught:
            load(tmp_path / name)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize("path", ["~nobody-of-this-name/rows.csv", "x" * 900 + ".csv", "a\0b.csv"])
def test_impossible_paths_are_refused(path: str) -> None:
    with pytest.raises(TaskError):
        load(Path(path))


def test_no_training_file_is_refused() -> None:
    with pytest.raises(TaskError, match="needs a training file"):
        load_task(TaskSettings(name="files"))


def test_too_large_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_MAX_FILE_MB", "1")
    (tmp_path / "rows.csv").write_bytes(b"text,label\n".ljust(2**20 + 1, b"x"))
    with pytest.raises(TaskError, match="files up to 1 MB are read"):
        load(tmp_path / "rows.csv")


def test_a_missing_column_is_named_with_those_present_and_the_nearest(tmp_path: Path) -> None:
    table().rename(columns={"label": "opinion"}).to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(TaskError, match=r"'opinian'.*Did you mean 'opinion'.*'text', 'opinion'"):
        load(tmp_path / "rows.csv", label_column="opinian")
    with pytest.raises(TaskError, match=r"no label column called 'label'.*'text', 'opinion'"):
        load(tmp_path / "rows.csv")
    with pytest.raises(TaskError, match="must differ"):
        load(tmp_path / "rows.csv", label_column="text")


def test_a_label_that_training_does_not_know_is_refused(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "train.csv", index=False)
    pd.DataFrame({"text": ["Another one."], "label": ["maybe"]}).to_csv(tmp_path / "validation.csv", index=False)
    with pytest.raises(TaskError, match=r"validation data has the label 'maybe'.*'no', 'yes'"):
        load(tmp_path / "train.csv", validation_file=str(tmp_path / "validation.csv"))
