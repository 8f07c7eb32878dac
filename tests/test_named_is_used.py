"""Whatever a person names is used, refused, or said to have no effect: no setting that names something is passed over in silence."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from ikd.config import all_settings, build_config, remarks_on
from ikd.errors import IKDError
from ikd.models import build_student, build_teacher
from ikd.runs.devices import resolve_device
from ikd.tasks import load_task
from ikd.trace.store import new_run
from ikd.ui.run_view import name_of
from tests.zoo import zoo_folder

NAMING = [one.path for one in all_settings() if one.kind == "text"]


def write(path: Path, header: Sequence[str] = ("text", "label"), labels: Sequence[str] = ("no", "yes"), *, word: str = "row") -> str:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(header)
        for number in range(40):
            cells = {"text": f"{word} é {number}", "title": f"title of {number}", "label": labels[number % 2],
                     "votes": "[3, 1]" if number % 2 else "[1, 3]", "other": labels[number // 2 % 2]}  # fmt: skip
            rows.writerow([cells[name] for name in header])
    return str(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("named")
    every = ("text", "title", "label", "other", "votes")
    for name in ("train", "validation", "test", "more"):
        write(folder / f"{name}.csv", every, word=name)
    rows = [f"caf\xe9 {number},{'yes' if number % 2 else 'no'}\n" for number in range(40)]
    (folder / "latin.csv").write_text("text,label\n" + "".join(rows), encoding="latin-1")
    for split in ("train", "validation", "test"):
        write(folder / "hub" / f"{split}.csv", word=split)
        write(folder / "other" / f"{split}.csv", word=f"other {split}")
    zoo_folder(folder / "bert", "bert", ("no", "yes"))
    zoo_folder(folder / "twin", "bert", ("no", "yes"), seed=1)
    return folder


def cases(place: Path) -> dict[str, tuple[dict[str, Any], Any]]:
    """Return for each setting the settings beside it, and the value that is named."""
    files = {"task.name": "files", "task.train_file": str(place / "train.csv"), "task.label_column": "label"}
    votes = {**files, "task.soft_label_column": "votes"}
    stored = {**files, "task.soft_target_column": "votes"}
    hub = {"task.name": "hub", "task.hub_name": str(place / "hub")}
    return {
        "label": ({}, "my run"), "task.name": ({"task.train_size": 40}, "irony"), "machine.device": ({}, "cuda:7"),
        "task.train_file": (files, str(place / "more.csv")), "task.validation_file": (files, str(place / "validation.csv")),
        "task.test_file": (files, str(place / "test.csv")), "task.unlabelled_file": (files, str(place / "more.csv")),
        "task.exam_file": (files, str(place / "more.csv")),
        "task.group_column": (files, "other"), "task.source_column": (files, "other"),
        "task.soft_target_column": (files, "votes"), "task.soft_target_order": (stored, "yes,no"),
        "task.encoding": ({**files, "task.train_file": str(place / "latin.csv")}, "cp437"),
        "task.text_column": (files, "title"), "task.text_pair_column": (files, "title"), "task.label_column": (files, "other"),
        "task.soft_label_column": (files, "votes"), "task.soft_label_order": (votes, "yes,no"), "task.label_map": (files, "yes=good"),
        "task.hub_name": (hub, str(place / "other")), "task.hub_config": (hub, "other"), "task.hub_revision": (hub, "main"),
        "task.hub_validation_split": (hub, "test"), "task.hub_test_split": (hub, "nowhere"),
        "task.hub_exam_split": (hub, "nowhere"),
        "teacher.name": (files, str(place / "bert")), "teacher.revision": (files, "main"),
        "teacher.label_order": ({**files, "teacher.name": str(place / "bert")}, "yes,no"),
        "student.name": (files, str(place / "bert")), "student.revision": ({**files, "student.name": str(place / "bert")}, "main"),
        "student.checkpoint": ({**files, "student.name": str(place / "bert")}, str(place / "twin")),
    }  # fmt: skip


def outcome(values: dict[str, Any]) -> str:
    """Return all that a run would be made of, and all that is said of it."""
    try:
        config = build_config(values)
        data = load_task(config.task)
        teacher = build_teacher(config, data)
        student = build_student(config, data, teacher)
        weights = [float(sum(weight.detach().double().sum() for weight in one.parameters())) for one in (teacher.model, student.model)]
        first = torch.stack([weight.flatten()[0] for weight in teacher.model.parameters()]).tolist()
        said = [*data.notes, *teacher.notes, *student.notes, student.start, *remarks_on(config, n_classes=2)]
        device = str(resolve_device(config.machine.device))
        return repr([name_of(new_run(config)), data.fingerprint, data.label_names, weights, first, said, device])
    except IKDError as fault:
        return str(fault)


def test_every_setting_that_names_something_is_tried(place: Path) -> None:
    assert set(cases(place)) == set(NAMING)


@pytest.mark.parametrize("path", NAMING)
def test_what_is_named_is_used_or_said(path: str, place: Path) -> None:
    beside, value = cases(place)[path]
    named, left = outcome({**beside, path: value}), outcome(beside)
    assert named != left
    absent = ("machine.device", "task.hub_config", "task.hub_validation_split", "task.hub_test_split", "task.hub_exam_split")
    if path not in absent:  # they name what is not there
        assert named.startswith("["), named


@pytest.mark.parametrize("path", ["task.train_file", "task.hub_name", "task.label_map", "task.encoding"])
def test_what_has_no_effect_on_a_built_in_task_is_said_with_its_data(path: str) -> None:
    notes = load_task(build_config({path: "utf-8", "task.train_size": 20}).task).notes
    assert any(one.startswith(f"{path} is set and has no effect") for one in notes)


@pytest.mark.parametrize(("values", "unused"), [
    ({"policy.name": "fixed", "policy.exam_every": 4}, "policy.exam_every"),
    ({"student.layers": 2}, "student.layers"), ({"teacher.revision": "main"}, "teacher.revision"),
    ({"student.revision": "main"}, "student.revision"), ({"teacher.label_order": "a,b,c"}, "teacher.label_order"),
])  # fmt: skip
def test_what_has_no_effect_is_said(values: dict[str, Any], unused: str) -> None:
    assert any(one.startswith(f"{unused} has no effect") for one in remarks_on(build_config(values), n_classes=3))


def test_the_defaults_and_what_is_used_are_not_remarked_on() -> None:
    for values in ({}, {"policy.exam_every": 4}, {"student.name": "teacher", "student.layers": 1}, {"objective.alpha": 0.3}):
        assert not [one for one in remarks_on(build_config(values), n_classes=3) if "no effect in this run" in one]
