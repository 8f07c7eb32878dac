"""Deleting runs: which may go, what is swept, what is never followed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ikd.config import build_config
from ikd.errors import RunError
from ikd.trace import removal
from ikd.trace.folder import RunFolder
from ikd.trace.removal import checkpoint_bytes, delete_run, disk_bytes
from ikd.trace.state import STATE_NAMES
from ikd.trace.store import list_recorded, list_runs, new_run


def ended(root: Path, state: str = "finished") -> RunFolder:
    """Return a run that is in this state."""
    folder = new_run(build_config({}), root)
    folder.write_state(replace(folder.state(), state=state))  # type: ignore[arg-type]
    return folder


@pytest.mark.parametrize("state", ["finished", "stopped", "failed", "lost", "interrupted"])
def test_an_ended_run_is_deleted_with_all_it_had(tmp_path: Path, state: str) -> None:
    if state not in STATE_NAMES:
        pytest.skip(f"there is no state {state}")
    folder, other = ended(tmp_path, state), ended(tmp_path)
    (folder.path / "checkpoints" / "12").mkdir(parents=True)
    (folder.path / "checkpoints" / "12" / "student.safetensors").write_bytes(b"x" * 100)
    delete_run(folder)
    assert [one.name for one in tmp_path.iterdir()] == [other.id]


def test_a_damaged_run_is_deleted_too(tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    delete_run(RunFolder(tmp_path / "half"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("state", ["preparing", "running", "paused"])
def test_a_run_at_work_or_paused_stays(tmp_path: Path, state: str) -> None:
    if state not in STATE_NAMES:
        pytest.skip(f"there is no state {state}")
    folder = ended(tmp_path, state)
    with pytest.raises(RunError, match="stop it and wait"):
        delete_run(folder)
    assert sorted(one.name for one in folder.path.iterdir()) == ["config.json", "state.json"]


def test_recorded_runs_stay(tmp_path: Path) -> None:
    ended(tmp_path).path.rename(tmp_path / "shipped")
    for folder in [RunFolder(tmp_path / "shipped", recorded=True), *list_recorded()]:
        with pytest.raises(RunError, match="cannot be deleted"):
            delete_run(folder)
        assert folder.path.is_dir()


def test_a_run_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    folder = ended(tmp_path)
    delete_run(folder)
    with pytest.raises(RunError, match="is not there"):
        delete_run(folder)


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_bytes(b"x" * 10_000)
    root = tmp_path / "runs"
    folder = ended(root)
    (folder.path / "student").symlink_to(precious)
    (folder.path / "config.json").unlink()
    (folder.path / "config.json").symlink_to(precious / "file")
    (root / "linked").symlink_to(precious)
    assert disk_bytes(folder) < 10_000 and disk_bytes(RunFolder(root / "linked")) == 0
    delete_run(folder)
    delete_run(RunFolder(root / "linked"))
    assert not list(root.iterdir()) and (precious / "file").stat().st_size == 10_000


def test_a_deletion_cut_off_is_out_of_sight_and_swept_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = ended(tmp_path), ended(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(removal.shutil, "rmtree", lambda *_, **__: None)
        delete_run(first)
    assert [one.id for one in list_runs(tmp_path)] == [second.id]
    (left,) = tmp_path.glob(".deleted-*")
    assert left.name.startswith(f".deleted-{first.id}-")
    delete_run(second)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_moved_is_a_sentence_and_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def held(*_: object) -> None:
        raise PermissionError(13, "in use")

    folder = ended(tmp_path)
    monkeypatch.setattr(removal.os, "rename", held)
    with pytest.raises(RunError, match=r"could not be deleted \(in use\)"):
        delete_run(folder)
    assert folder.config() and len(list(folder.path.iterdir())) == 2


def test_room_is_counted_in_bytes_and_never_raises(tmp_path: Path) -> None:
    folder = ended(tmp_path)
    before = disk_bytes(folder)
    assert before == sum(one.stat().st_size for one in folder.path.iterdir()) and checkpoint_bytes(folder) == 0
    (folder.path / "checkpoints" / "3").mkdir(parents=True)
    (folder.path / "checkpoints" / "3" / "a.safetensors").write_bytes(b"x" * 1234)
    assert checkpoint_bytes(folder) == 1234 and disk_bytes(folder) == before + 1234
    assert disk_bytes(RunFolder(tmp_path / "gone")) == checkpoint_bytes(RunFolder(tmp_path / "gone")) == 0
