"""Notes: what a person says of a run, kept whole and read without ever failing."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ikd.config import build_config
from ikd.errors import RunError
from ikd.trace import notes as notes_module
from ikd.trace.notes import Notes, read_notes, write_notes
from ikd.trace.store import list_recorded, new_run

ANY_JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)  # fmt: skip


@pytest.mark.parametrize("notes", [Notes(), Notes(label="Müller\u202e <b>", text="two\nlines", parent="a-run", parent_step=12),
                                   Notes(label="\ud800", text="x" * 2000)])  # fmt: skip
def test_notes_come_back_as_they_were_written(tmp_path: Path, notes: Notes) -> None:
    folder = new_run(build_config({}), tmp_path)
    write_notes(folder.path, Notes(label="older"))
    write_notes(folder.path, notes)
    assert read_notes(folder.path) == notes
    assert sorted(one.name for one in folder.path.iterdir()) == ["config.json", "notes.json", "state.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"label": 3}', b'{"text": []}', b"[" * 90_000,
                                     b'{"parent_step": "3"}', b'{"parent_step": true}', b'{"parent_step": -1}',
                                     b" " * 200_000 + b"{}"])  # fmt: skip
def test_damaged_notes_are_empty_ones(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "notes.json").write_bytes(content)
    assert read_notes(tmp_path) == Notes()


def test_missing_notes_and_a_folder_in_their_place_are_empty_ones(tmp_path: Path) -> None:
    assert read_notes(tmp_path) == read_notes(tmp_path / "gone") == Notes()
    (tmp_path / "notes.json").mkdir()
    assert read_notes(tmp_path) == Notes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
@given(tree=st.fixed_dictionaries({}, optional=dict.fromkeys(("label", "text", "parent", "parent_step", "more"), ANY_JSON)))
def test_reading_never_raises_and_keeps_the_bounds(tmp_path: Path, tree: dict[str, object]) -> None:
    (tmp_path / "notes.json").write_text(json.dumps(tree), "utf-8")
    notes = read_notes(tmp_path)
    assert len(notes.label) <= 80 and len(notes.text) <= 2000
    write_notes(tmp_path, notes)
    assert read_notes(tmp_path) == notes


@pytest.mark.parametrize("notes, words", [(Notes(label="x" * 81), "name .* 81 characters, at most 80"),
                                          (Notes(text="x" * 2001), "note .* 2001 characters, at most 2000")])  # fmt: skip
def test_too_long_notes_are_refused_and_the_old_ones_stay(tmp_path: Path, notes: Notes, words: str) -> None:
    write_notes(tmp_path, Notes(label="old"))
    with pytest.raises(RunError, match=words):
        write_notes(tmp_path, notes)
    assert read_notes(tmp_path) == Notes(label="old")


def test_a_full_disk_is_a_sentence_and_the_old_notes_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write_notes(tmp_path, Notes(label="old"))
    monkeypatch.setattr("ikd.trace.replacing.os.replace", full)
    with pytest.raises(RunError, match="disk is full"):
        write_notes(tmp_path, Notes(label="new"))
    assert read_notes(tmp_path) == Notes(label="old") and len(list(tmp_path.iterdir())) == 1


def test_a_run_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="could not be written"):
        write_notes(tmp_path / "gone", Notes(label="x"))


def test_recorded_runs_keep_no_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes_module, "assets_root", lambda: tmp_path)
    (tmp_path / "overconfident").mkdir()
    for path in [tmp_path / "overconfident", *(one.path for one in list_recorded())]:
        monkeypatch.setattr(notes_module, "assets_root", lambda path=path: path.parent)
        with pytest.raises(RunError, match="recorded run and cannot be changed"):
            write_notes(path, Notes(label="x"))
        assert not (path / "notes.json").exists()
