"""Hub data sets without the hub: local folders, the cache, and every way in which the hub says no."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from ikd.config import TaskSettings
from ikd.errors import HubError, IKDError, TaskError
from ikd.protocols import TaskData
from ikd.tasks import KNOWN, load_task

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(sys.modules["ikd.tasks.hub"], "hub_reachable", lambda: False)
    return tmp_path / "cache"


def table(n: int = 60, start: int = 0) -> pd.DataFrame:
    return pd.DataFrame({"text": [f"Sentence {i}." for i in range(start, start + n)], "label": ["no", "yes"] * (n // 2)})


def load(name: str, **more: object) -> TaskData:
    return load_task(TaskSettings(**{"name": "hub", "hub_name": name, **more}))


def fail_with(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)


@pytest.mark.parametrize("inside", ["", "data"])
def test_a_local_folder_laid_out_like_a_hub_data_set_loads_without_a_network(inside: str, tmp_path: Path) -> None:
    folder = tmp_path / "rows" / inside
    folder.mkdir(parents=True)
    table().to_parquet(folder / "train.parquet")
    table(20, 60).to_parquet(folder / "validation.parquet")
    data = load(str(tmp_path / "rows"))
    assert data.name == "rows"
    assert {name: len(split) for name, split in data.splits.items()} == {"course": 54, "exam": 6, "validation": 20}
    assert data.label_names == ("no", "yes")


def test_a_folder_with_a_data_set_card_and_named_columns_loads(tmp_path: Path) -> None:
    card = "---\nconfigs:\n- config_name: small\n  data_files:\n  - split: train\n    path: a.csv\n" \
           "  - split: dev\n    path: b.csv\n---\n"
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "README.md").write_text(card)
    for file, rows in (("a.csv", table()), ("b.csv", table(20, 60))):
        rows.rename(columns={"text": "words", "label": "kind"}).to_csv(tmp_path / "rows" / file, index=False)
    named = {"hub_config": "small", "text_column": "words", "label_column": "kind"}
    data = load(str(tmp_path / "rows"), hub_validation_split="dev", **named)
    assert len(data.splits["validation"]) == 20
    with pytest.raises(TaskError, match=r"'deb'.*'dev'"):
        load(str(tmp_path / "rows"), hub_validation_split="deb", **named)


def test_an_unreachable_hub_is_said_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    started = time.monotonic()
    with pytest.raises(HubError, match=r"hub cannot be reached.*'files'"):
        load("owner/no-such-rows")
    with pytest.raises(HubError, match=r"'nyu-mll/glue' \(configuration 'sst2'\)"):
        load_task(TaskSettings(name="sst2"))
    assert time.monotonic() - started < 120, "libraries try again for minutes"


def test_a_cached_data_set_loads_although_the_hub_is_out_of_reach(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "rows").mkdir()
    table().to_parquet(tmp_path / "rows" / "train.parquet")
    made = datasets.load_dataset(str(tmp_path / "rows"))["train"]
    cached = cache / "owner___cached" / "default" / "0.0.0" / ("a" * 40)
    cached.mkdir(parents=True)
    source = Path(made.cache_files[0]["filename"])
    (cached / "cached-train.arrow").write_bytes(source.read_bytes())
    (cached / "dataset_info.json").write_bytes((source.parent / "dataset_info.json").read_bytes())
    assert len(load("owner/cached").splits["course"]) == 49
    assert len(load("owner/cached", hub_revision="a" * 40).splits["course"]) == 49
    for other in ("b" * 40, "main"):
        with pytest.raises(HubError, match=f"does not hold revision '{other}'.*commit {'a' * 40}"):
            load("owner/cached", hub_revision=other)


def test_offline_mode_is_left_as_it_was() -> None:
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    with pytest.raises(HubError):
        load("owner/no-such-rows")
    assert before == constants.HF_HUB_OFFLINE


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("Dataset scripts are no longer supported, but found rows.py"), "needs its own code"),
        (ValueError("Please pass the argument `trust_remote_code=True`"), "needs its own code"),
        (datasets.exceptions.DatasetNotFoundError("Dataset 'a/b' is a gated dataset on the Hub."), "is gated"),
        (datasets.exceptions.DatasetNotFoundError("Dataset 'a/b' doesn't exist on the Hub"), "no data set 'a/b'"),
        (ValueError("BuilderConfig 'x' not found.\nAvailable: ['y']"), "other configurations: .*'y'"),
        (ConnectionError("Couldn't reach the Hub"), "cannot be reached"),
        (OSError(28, "No space left on device"), "No space left"),
        (KeyError(), "could not be loaded"),
    ],
)
def test_whatever_the_hub_raises_becomes_one_plain_sentence(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(error, monkeypatch)
    with pytest.raises(HubError, match=said) as caught:
        load("a/b")
    assert "\n" not in str(caught.value)


def test_its_own_code_is_never_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **options: asked.append(options) or {})
    with pytest.raises(TaskError, match="'train'"):
        load("a/b", hub_revision="main")
    assert asked == [{"revision": "main"}]


@pytest.mark.parametrize("name", ["/no/such/folder", "../nowhere-at-all", "a/b/c", "~nobody-of-this-name/x", "x" * 400])
def test_a_folder_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(IKDError):
        load(name)


def test_a_file_or_an_empty_folder_is_refused(tmp_path: Path) -> None:
    table().to_parquet(tmp_path / "rows.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(TaskError, match="'files'"):
        load(str(tmp_path / "rows.parquet"))
    with pytest.raises(TaskError, match="holds no rows"):
        load(str(tmp_path / "empty"))
    with pytest.raises(TaskError, match="needs a data set's name"):
        load_task(TaskSettings(name="hub"))


@pytest.mark.parametrize("name", KNOWN)
def test_every_known_data_set_takes_its_columns_splits_and_class_names(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = KNOWN[name]
    columns = [column for column in (known.text, known.text_pair) if column]
    features = {column: datasets.Value("string") for column in columns}
    features[known.label] = datasets.ClassLabel(names=["first", "second"])

    def split(start: int, n: int, *, secret: bool = False) -> object:
        rows = {column: [f"{column} {i}." for i in range(start, start + n)] for column in columns}
        rows[known.label] = [-1 if secret else i % 2 for i in range(n)]
        return datasets.Dataset.from_dict(rows, features=datasets.Features(features))

    splits = {"train": split(0, 100), "test": split(200, 20, secret=known.test is None)}
    if known.validation:
        splits[known.validation] = split(100, 20)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: splits)
    data = load_task(TaskSettings(name=name))
    assert data.label_names == ("first", "second")
    assert ("test" in data.splits) == (known.test is not None)
    assert (data.splits["course"].text_pairs is not None) == (known.text_pair is not None)
    if known.validation:
        assert len(data.splits["validation"]) == 20
