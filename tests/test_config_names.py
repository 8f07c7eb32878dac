"""What is known of a task before its data are here is what its data say."""

from __future__ import annotations

import pytest

from ikd.config import TaskSettings, build_config, task_title
from ikd.config.names import N_CLASSES, TASK_NAMES
from ikd.tasks import BUILT_IN, load_task


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_tasks_have_as_many_classes_as_is_said(name: str) -> None:
    task = load_task(TaskSettings(name=name, train_size=120, validation_size=40, test_size=40))
    assert len(task.label_names) == N_CLASSES[name]


def test_every_named_task_has_a_number_of_classes_that_its_line_does_not_deny() -> None:
    assert set(N_CLASSES) == set(TASK_NAMES) - {"files", "hub"}
    for name, words in TASK_NAMES.items():
        said = [int(one) for one in words.replace(",", "").split() if one.isdigit()]
        assert not said or said == [N_CLASSES[name]] or words.startswith("built in")


def test_a_task_of_ones_own_is_called_by_its_file_or_data_set() -> None:
    named = {
        "reviews": {}, "mine.csv": {"task.name": "files", "task.train_file": "/some/where/mine-0123456789ab.csv"},
        "rows.csv.gz": {"task.name": "files", "task.train_file": "rows.csv.gz"},
        "emotion": {"task.name": "hub", "task.hub_name": "a/emotion"},
    }  # fmt: skip
    for title, values in named.items():
        assert task_title(build_config(values).task) == title
