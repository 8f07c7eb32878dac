"""One contract for every task: whatever is in TASKS yields data of this shape."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ikd.config import TaskSettings
from ikd.errors import TaskError
from ikd.protocols import Split, TaskData
from ikd.tasks import BUILT_IN, TASKS, load_task

CASES = ("reviews", "pairs", "irony", "files", "hub", "sst2")


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Settings of one member of TASKS that needs no network."""
    name = request.param
    if name in BUILT_IN:
        return {"name": name, "train_size": 120, "validation_size": 40, "test_size": 40}
    rows = pd.DataFrame({"text": [f"Sentence number {i} of many." for i in range(90)], "label": ["a", "b", "c"] * 30})
    if name == "files":
        rows.to_csv(tmp_path / "rows.csv", index=False)
        return {"name": name, "train_file": str(tmp_path / "rows.csv")}
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    if name == "hub":
        (tmp_path / "folder").mkdir()
        rows.to_parquet(tmp_path / "folder" / "train.parquet")
        return {"name": name, "hub_name": str(tmp_path / "folder")}
    features = datasets.Features(
        {"sentence": datasets.Value("string"), "label": datasets.ClassLabel(names=["negative", "positive"])}
    )
    table = {"sentence": list(rows["text"]), "label": [0, 1] * 45}
    train = datasets.Dataset.from_dict(table, features=features)
    unlabelled = datasets.Dataset.from_dict({"sentence": ["Secret."], "label": [-1]}, features=features)
    splits = {"train": train.select(range(70)), "validation": train.select(range(70, 90)), "test": unlabelled}
    monkeypatch.setattr(sys.modules["ikd.tasks.hub"], "hub_reachable", lambda: True)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: splits)
    return {"name": name}


every_task = pytest.mark.parametrize("settings", CASES, indirect=True)


def rows_of(split: Split) -> set[tuple[str, str]]:
    return set(zip(split.texts, split.text_pairs or [""] * len(split), strict=True))


def load(settings: dict[str, object], **more: object) -> TaskData:
    return load_task(TaskSettings(**{**settings, **more}))


@every_task
def test_every_split_is_whole_and_its_labels_have_names(settings: dict[str, object]) -> None:
    data = load(settings)
    assert {"course", "exam", "validation"} <= set(data.splits) <= {"course", "exam", "validation", "test"}
    for split in data.splits.values():
        assert len(split.texts) == len(split.labels) > 0
        assert split.text_pairs is None or len(split.text_pairs) == len(split)
        assert all(isinstance(text, str) and text.strip() for text in (*split.texts, *(split.text_pairs or ())))
        assert all(type(label) is int and 0 <= label < len(data.label_names) for label in split.labels)
    assert len(set(data.splits["course"].labels)) >= 2
    assert all(note.endswith(".") for note in data.notes)


@every_task
def test_no_text_is_in_two_splits(settings: dict[str, object]) -> None:
    splits = list(load(settings).splits.values())
    for i, split in enumerate(splits):
        for other in splits[i + 1 :]:
            assert not rows_of(split) & rows_of(other)


@every_task
def test_the_same_settings_give_the_same_data_and_another_seed_gives_others(settings: dict[str, object]) -> None:
    first, again, other = load(settings), load(settings), load(settings, seed=1)
    assert first == again
    assert len(first.fingerprint) == 64
    assert first.fingerprint != other.fingerprint
    assert list(first.splits["course"].texts) != list(other.splits["course"].texts)


@every_task
def test_a_known_posterior_has_a_row_that_sums_to_one_for_every_text(settings: dict[str, object]) -> None:
    data = load(settings)
    for split in data.splits.values():
        assert (split.truth is None) == (settings["name"] not in BUILT_IN)
        if split.truth is not None:
            truth = np.asarray(split.truth, dtype=np.float64)
            assert truth.shape == (len(split), len(data.label_names))
            np.testing.assert_allclose(truth.sum(axis=1), 1.0, atol=1e-12)


def test_every_task_is_listed_by_name() -> None:
    assert {"reviews", "pairs", "irony", "files", "hub", "sst2", "mnli", "trec", "tweet_eval_irony"} <= set(TASKS)
    assert all(callable(task) for task in TASKS.values())


def test_an_unknown_task_is_named_with_its_nearest_and_the_way_out() -> None:
    with pytest.raises(TaskError, match=r"'review'.*'reviews'.*'files'.*'hub'"):
        load_task(TaskSettings(name="review"))
