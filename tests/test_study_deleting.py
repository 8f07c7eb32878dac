"""Deleting a study: which runs go, which stay, what refuses, and what is left of a deletion that was cut off."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ikd.cli import main
from ikd.config import build_config
from ikd.errors import BusyError, RunError
from ikd.study import Row, StudyFolder, delete_study, runs_to_delete, studies_here
from ikd.study.cells import Cell, all_cells
from ikd.trace.folder import RunFolder
from ikd.trace.notes import Notes, write_notes
from ikd.trace.removal import DELETED
from ikd.trace.store import list_recorded, list_runs, new_run
from tests.written_studies import hand_row, hand_study, written_study


def ended(label: str, root: Path | None = None, *, state: str = "finished") -> RunFolder:
    """Return a run of this label."""
    folder = new_run(build_config({"label": label}), root)
    folder.write_state(replace(folder.state(), state=state))  # type: ignore[arg-type]
    return folder


def with_runs(n_runs: int = 3, *, root: Path | None = None, name: str = "hand") -> tuple[StudyFolder, list[RunFolder]]:
    """Return a study and its runs, each of which its lines name twice."""
    study = hand_study(name=name)
    runs = [ended(f"{name}: KD, reviews, seed {seed}", root) for seed in range(n_runs)]
    folder = written_study(study, root=root, runs={cell: run.id for cell, run in zip(all_cells(study), runs, strict=False)})
    folder.append(hand_row(all_cells(study)[0], run=runs[0].id))
    return folder, runs


def add_line(folder: StudyFolder, run: str) -> None:
    """Let an older line of the study name a run, as that of an attempt before."""
    folder.append(Row(cell=Cell("main", "reviews", "KD", 0), digest="d", run=run, state="interrupted"))


def hold(path: Path, patch: pytest.MonkeyPatch) -> None:
    """Let a folder be one that cannot be moved."""
    move = os.rename

    def moved(source: Path, target: Path) -> None:
        if source == path:
            raise PermissionError(13, "in use")
        move(source, target)

    patch.setattr(os, "rename", moved)


def names(root: Path) -> set[str]:
    return {one.name for one in root.iterdir()}


def test_a_study_goes_with_its_runs_and_no_other_run(home: Path) -> None:
    folder, runs = with_runs()
    earlier = ended("hand: KD, reviews, seed 0", state="failed")
    add_line(folder, earlier.id)
    other, theirs = with_runs(2, name="hand-2")
    ordinary, alike, renamed = ended("My run"), ended("hand: KD, reviews, seed 0"), ended("")
    write_notes(renamed.path, Notes(label="hand: KD, reviews, seed 1"))
    add_line(folder, ordinary.id)  # a line that was written by hand
    add_line(folder, theirs[0].id)
    assert {one.id for one in runs_to_delete("hand")} == {*(one.id for one in runs), earlier.id}
    assert delete_study("hand") == 4
    stays = {one.id for one in (*theirs, ordinary, alike, renamed)}
    assert {one.id for one in list_runs()} == stays and names(home) == {*stays, "_studies"}
    assert studies_here() == ["hand-2"] and names(home / "_studies") == {"hand-2"} and len(other.rows()) == 54


def test_a_run_at_work_and_a_damaged_one_stay_and_the_study_goes() -> None:
    folder, runs = with_runs(1)
    kept = [ended("hand: KD, reviews, seed 8", state="paused"), ended("hand: KD, reviews, seed 9")]
    (kept[1].path / "config.json").write_text("{", "utf-8")
    for one in kept:
        add_line(folder, one.id)
    assert delete_study("hand") == 1 and {one.id for one in list_runs()} == {one.id for one in kept} and not studies_here()


@pytest.mark.parametrize("run", ["../outside", "_studies", "..", "/etc", "recorded:overconfident", "20990101-000000-gone", "a" * 200, ""])
def test_a_line_that_names_what_is_no_run_of_this_lab_deletes_nothing(run: str, home: Path) -> None:
    folder, runs = with_runs(1)
    outside = home.parent / "outside"
    outside.mkdir()
    (outside / "config.json").write_text(build_config({"label": "hand: KD"}).model_dump_json(), "utf-8")
    add_line(folder, run)
    recorded = [one.id for one in list_recorded()]
    assert delete_study("hand") == 1 and (outside / "config.json").is_file() and [one.id for one in list_recorded()] == recorded


def test_a_study_at_work_stays_whole() -> None:
    folder, runs = with_runs()
    with folder.hold(), pytest.raises(BusyError, match="Study hand is at work already"):
        delete_study("hand")
    assert len(list_runs()) == len(runs) and studies_here() == ["hand"]
    assert delete_study("hand") == len(runs), "once it has ended"


def test_a_read_only_lab_deletes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with_runs()
    monkeypatch.setenv("IKD_READ_ONLY", "1")
    with pytest.raises(RunError, match="read-only"):
        delete_study("hand")
    assert len(list_runs()) == 3 and studies_here() == ["hand"]


@pytest.mark.parametrize("name", ["..", "../hand", "", ".", "hand/../hand", "Hand", "a" * 41, "/tmp"])
def test_what_is_no_name_of_a_study_is_refused_before_any_path_is_built(name: str, home: Path) -> None:
    with_runs(1)
    with pytest.raises(RunError, match="is not the name of a study"):
        delete_study(name)
    assert studies_here() == ["hand"] and len(list_runs()) == 1 and home.is_dir()


def test_a_study_that_was_not_begun_here_is_a_sentence_and_leaves_no_folder(home: Path) -> None:
    with_runs(1)
    with pytest.raises(RunError, match="Unknown study 'quick'. Known: hand. Nothing of it was begun here"):
        delete_study("quick")
    assert names(home / "_studies") == {"hand"}


def test_a_deletion_that_was_cut_off_is_done_again(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    folder, runs = with_runs()
    with monkeypatch.context() as patch:
        hold(runs[1].path, patch)
        with pytest.raises(RunError, match=f"Run {runs[1].id} could not be deleted"):
            delete_study("hand")
    assert {one.id for one in list_runs()} == {runs[1].id, runs[2].id} and studies_here() == ["hand"]
    with monkeypatch.context() as patch:
        hold(folder.path, patch)
        with pytest.raises(RunError, match=r"folder of study hand could not be deleted \(in use\).* 2 of its runs are deleted"):
            delete_study("hand")
    assert not list_runs() and studies_here() == ["hand"] and len(folder.rows()) == 54
    with monkeypatch.context() as patch:
        patch.setattr("ikd.trace.removal.shutil.rmtree", lambda *_, **__: None)
        assert delete_study("hand") == 0 and studies_here() == []
    (left,) = (home / "_studies").iterdir()
    assert left.name.startswith(f"{DELETED}hand-")
    with_runs(1)
    assert delete_study("hand") == 1 and not names(home / "_studies"), "what was left goes too"


def test_a_run_that_another_deleted_meanwhile_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    from ikd.study import deleting

    done = deleting.delete_run
    _, runs = with_runs()

    def late(run: RunFolder) -> None:
        if run.id == runs[0].id:
            done(run)
        done(run)

    monkeypatch.setattr(deleting, "delete_run", late)
    assert delete_study("hand") == 2 and not list_runs() and not studies_here()


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
def test_links_are_removed_and_not_followed(home: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    folder, runs = with_runs(1, root=elsewhere)
    (home / "_studies").mkdir(parents=True)
    (home / "_studies" / "hand").symlink_to(folder.path)
    (home / runs[0].id).symlink_to(runs[0].path)
    own = written_study(hand_study(name="own"))
    (own.path / "link").symlink_to(tmp_path / "elsewhere")
    assert delete_study("hand") == 1 and delete_study("own") == 0
    assert not list_runs() and not names(home / "_studies")
    assert runs[0].config().label.startswith("hand: ") and len(folder.rows()) == 54 and (folder.path / "study.yaml").is_file()


def test_a_damaged_study_is_deleted_too() -> None:
    folder, _ = with_runs(2)
    (folder.path / "study.yaml").write_text("methods: [", "utf-8")
    with (folder.path / "cells.jsonl").open("ab") as file:
        file.write(b'{"cell": {"stage"\n\xff\xfe\n')
    assert delete_study("hand") == 2 and not folder.path.exists()


def test_the_command_says_what_would_go_and_needs_yes(capsys: pytest.CaptureFixture[str]) -> None:
    with_runs()
    assert main(["study", "hand", "--delete"]) == 2
    printed = capsys.readouterr()
    assert printed.err == "Study hand would be deleted for good, with 3 runs and its folder: add --yes to do it.\n" and not printed.out
    assert len(list_runs()) == 3 and studies_here() == ["hand"]
    assert main(["study", "hand", "--delete", "--yes"]) == 0
    assert capsys.readouterr().out == "Deleted: 3 runs of study hand, and its folder.\n" and not list_runs() and not studies_here()
    assert main(["study", "hand", "--delete", "--yes"]) == 2
    assert capsys.readouterr().err.startswith("Unknown study 'hand'.")


def test_the_command_refuses_while_it_is_at_work_and_in_a_read_only_lab(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = with_runs()
    with folder.hold():
        assert main(["study", "hand", "--delete", "--yes"]) == 2
    assert capsys.readouterr().err.startswith("Study hand is at work already")
    monkeypatch.setenv("IKD_READ_ONLY", "1")
    assert main(["study", "hand", "--delete"]) == 2 and "read-only" in capsys.readouterr().err
    assert len(list_runs()) == 3 and studies_here() == ["hand"]
