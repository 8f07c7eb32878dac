"""An imported run that names files of this machine: none is read before a person agrees."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from ikd.cli import main
from ikd.config import all_settings, build_config
from ikd.config.places import local_places
from ikd.errors import RunError
from ikd.runs import control
from ikd.runs.hub_names import used_data_sets
from ikd.runs.importing import import_run
from ikd.trace.branching import make_fork
from ikd.trace.folder import RunFolder
from ikd.trace.imported import IMPORTED_FILE, is_imported, require_trusted, trust_places, untrusted_places
from ikd.trace.packing import pack_run
from ikd.trace.removal import delete_run, disk_bytes
from ikd.trace.store import list_runs
from tests.conftest import REPOSITORY
from tests.synthetic import synthetic_run

SECONDS = 180
PLACES = {"task.train_file", "task.validation_file", "task.test_file", "task.exam_file", "task.unlabelled_file",
          "task.hub_name", "teacher.name", "student.name", "student.checkpoint"}  # fmt: skip
NO_PLACES = {"task.delimiter", "task.encoding", "task.header"}
"""Settings whose meaning speaks of a file, and that name none."""


def imported(tmp_path: Path, **settings: Any) -> RunFolder:
    """Return a run that was stopped, taken in from a zip with these settings, `task__name` for `task.name`."""
    values = {name.replace("__", "."): value for name, value in settings.items()}
    made = synthetic_run(n_steps=12, n_probe=12, state="stopped", stop_before=9, settings=values)
    pack_run(made, tmp_path / "run.zip")
    delete_run(made)
    return import_run(tmp_path / "run.zip")


@pytest.mark.parametrize(("settings", "named"), [
    ({}, {}),
    ({"task__name": "files", "task__train_file": "a.csv"}, {"task.train_file": "a.csv"}),
    ({"task__name": "files", "task__train_file": "/etc/passwd", "task__test_file": "b.csv"},
     {"task.train_file": "/etc/passwd", "task.test_file": "b.csv"}),
    ({"task__name": "hub", "task__hub_name": "owner/name"}, {}),
    ({"task__name": "hub", "task__hub_name": "~/data"}, {"task.hub_name": "~/data"}),
    ({"task__name": "hub", "task__hub_name": "a/b/c"}, {"task.hub_name": "a/b/c"}),
    ({"task__name": "hub", "task__hub_name": "docs/decisions"}, {"task.hub_name": "docs/decisions"}),
    ({"teacher__name": "owner/bert"}, {}),
    ({"teacher__name": "/models/bert"}, {"teacher.name": "/models/bert"}),
    ({"teacher__name": "docs"}, {"teacher.name": "docs"}),
    ({"student__name": "./mine"}, {"student.name": "./mine"}),
    ({"student__initialisation": "checkpoint", "student__checkpoint": "weights"}, {"student.checkpoint": "weights"}),
])  # fmt: skip
def test_settings_that_name_a_place_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], named: dict[str, str]
) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert local_places(build_config({name.replace("__", "."): value for name, value in settings.items()})) == named


def test_every_setting_that_can_name_a_place_is_known() -> None:
    """Guards that a new setting for a file or folder is asked about too: its meaning says what it names."""
    texts = [one for one in all_settings() if one.default is None or isinstance(one.default, str)]
    asked = {one.path for one in texts if re.search(r"\b(file|folder|path)\b", one.meaning.lower())}
    assert asked == {*PLACES, *NO_PLACES}


def test_an_imported_run_that_names_files_is_neither_resumed_nor_forked(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("text,label\na,b\n")
    folder = imported(tmp_path, task__name="files", task__train_file=str(secret), teacher__name="/some/folder")
    assert is_imported(folder)
    n_runs = len(list_runs())
    for door in (lambda: control.resume_run(folder.id), lambda: control.fork_run(folder.id, 4, {}), lambda: control.start_folder(folder),
                 lambda: make_fork(folder, 4, {}, root=folder.path.parent), lambda: require_trusted(folder)):  # fmt: skip
        with pytest.raises(RunError, match="was imported, and its settings name files or folders of this machine") as told:
            door()
        assert str(secret) in str(told.value) and "/some/folder" in str(told.value) and "--trust-files" in str(told.value)
    assert len(list_runs()) == n_runs and folder.state().state == "stopped"


def test_who_agrees_agrees_to_these_files_alone(tmp_path: Path) -> None:
    folder = imported(tmp_path, task__name="files", task__train_file="/a/one.csv")
    trust_places(folder)
    require_trusted(folder)
    config = build_config({"task.train_file": "/a/other.csv"}, folder.config())
    (folder.path / "config.json").write_text(config.model_dump_json(), encoding="utf-8")
    assert untrusted_places(folder, folder.config()) == {"task.train_file": "/a/other.csv"}


def test_runs_of_this_lab_and_imported_ones_without_places_are_free(tmp_path: Path) -> None:
    own = synthetic_run(settings={"task.name": "files", "task.train_file": "mine.csv"})
    require_trusted(own)
    folder = imported(tmp_path, teacher__name="owner/bert")
    assert is_imported(folder)
    require_trusted(folder)
    assert make_fork(folder, 4, {}, root=folder.path.parent).path.is_dir()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"agreed": 3}', b"\xff"])
def test_a_damaged_mark_agrees_to_nothing(tmp_path: Path, content: bytes) -> None:
    folder = imported(tmp_path, task__name="files", task__train_file="/a/one.csv")
    trust_places(folder)
    (folder.path / IMPORTED_FILE).write_bytes(content)
    with pytest.raises(RunError, match="/a/one.csv"):
        require_trusted(folder)


def test_no_zip_brings_its_own_agreement(tmp_path: Path) -> None:
    folder = imported(tmp_path, task__name="files", task__train_file="/a/one.csv")
    trust_places(folder)
    pack_run(folder, tmp_path / "again.zip")
    assert not [name for name in zipfile.ZipFile(tmp_path / "again.zip").namelist() if IMPORTED_FILE in name]
    again = import_run(tmp_path / "again.zip")
    with pytest.raises(RunError, match="/a/one.csv"):
        require_trusted(again)
    with zipfile.ZipFile(tmp_path / "again.zip", "a") as archive:
        archive.writestr(f"{folder.path.name}/{IMPORTED_FILE}", json.dumps({"agreed": {"task.train_file": "/a/one.csv"}}))
    with pytest.raises(RunError, match="is not among the files of a run"):
        import_run(tmp_path / "again.zip")


def test_data_sets_of_imported_runs_are_not_offered(tmp_path: Path) -> None:
    synthetic_run(settings={"task.name": "hub", "task.hub_name": "owner/mine"})
    imported(tmp_path, task__name="hub", task__hub_name="owner/theirs")
    assert used_data_sets() == ["owner/mine"]


def test_the_command_line_says_how_to_agree_and_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = imported(tmp_path, task__name="files", task__train_file=str(tmp_path / "nowhere.csv"))
    assert main(["resume", folder.id, "--quiet"]) == 2
    assert "--trust-files" in capsys.readouterr().err
    assert main(["fork", folder.id, "4", "--quiet"]) == 2
    assert "python -m ikd fork" in capsys.readouterr().err
    assert main(["resume", folder.id, "--quiet", "--trust-files"]) == 1  # the file is not there, which is said now
    assert "nowhere.csv" in capsys.readouterr().err
    require_trusted(folder)


def test_the_page_asks_and_takes_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = imported(tmp_path, task__name="files", task__train_file="/a/one.csv")

    def opened() -> AppTest:
        page = AppTest.from_file(str(REPOSITORY / "pages" / "run.py"), default_timeout=SECONDS)
        page.query_params["run"] = folder.id
        return page.run()

    page = opened()
    assert any("/a/one" in one.value for one in page.warning)
    assert page.button(key=f"trust-{folder.id}").disabled
    page.button(key="resume-ended").click().run()
    assert any("imported" in one.value for one in page.error) and folder.state().state == "stopped"
    page.checkbox(key=f"trust-sure-{folder.id}").check().run()
    page.button(key=f"trust-{folder.id}").click().run()
    assert not any("imported" in one.value for one in page.warning)
    require_trusted(folder)
    (folder.path / IMPORTED_FILE).write_text("{}")
    monkeypatch.setenv("IKD_READ_ONLY", "1")
    assert not any("imported" in one.value for one in opened().warning)


def test_imported_runs_are_bounded_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = imported(tmp_path)
    monkeypatch.setenv("IKD_MOST_IMPORTED_MB", "1")
    (first.path / "padding").write_bytes(b"x" * (2**20 - 4000 - disk_bytes(first)))
    n_runs = len(list_runs())
    with pytest.raises(RunError, match="more than this lab has room for .IKD_MOST_IMPORTED_MB."):
        import_run(tmp_path / "run.zip")
    (first.path / "padding").write_bytes(b"x" * 2**20)
    with pytest.raises(RunError, match="keeps at most 1 MB of them"):
        import_run(tmp_path / "run.zip")
    assert len(list_runs()) == n_runs
