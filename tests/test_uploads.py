"""Uploaded files: how many are kept, how large together, and which may be deleted."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ikd.errors import RunError, TaskError
from ikd.runs.uploads import FOLDER, delete_upload, keep_upload, kept_uploads


def test_no_more_files_are_kept_than_may_be(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_MOST_UPLOADS", "2")
    first, second = keep_upload("a.csv", b"text,label\n"), keep_upload("b.csv", b"text,label\n")
    with pytest.raises(TaskError, match="There are 2 uploaded files, and this lab keeps at most 2: delete some on the Data page"):
        keep_upload("c.csv", b"text,label\n")
    assert {path for path, _ in kept_uploads()} == {first, second}, "none is removed to make room"
    assert keep_upload("a.csv", b"text,label\n") == first, "a file that is there already needs no room"
    delete_upload(second)
    assert keep_upload("c.csv", b"text,label\n").is_file()


def test_no_more_megabytes_are_kept_than_may_be(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_MOST_UPLOADS_MB", "1")
    kept = keep_upload("a.csv", b"x" * 700_000)
    with pytest.raises(TaskError, match=r"have 0\.7 MB, and with this one .* more than the 1 MB"):
        keep_upload("b.csv", b"y" * 700_000)
    assert [path for path, _ in kept_uploads()] == [kept]
    assert keep_upload("b.csv", b"y" * 300_000).is_file()


def test_visitors_at_once_do_not_pass_the_bound_together(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_MOST_UPLOADS", "3")
    refused: list[str] = []

    def upload(number: int) -> None:
        try:
            keep_upload(f"{number}.csv", b"text,label\n")
        except TaskError as fault:
            refused.append(str(fault))

    threads = [threading.Thread(target=upload, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept_uploads()) == 3 and len(refused) == 9


def test_a_refused_file_leaves_nothing_behind(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_MAX_UPLOAD_MB", "1")
    with pytest.raises(TaskError, match="at most 1 can be uploaded"):
        keep_upload("a.csv", b"x" * (2**20 + 1))
    with pytest.raises(TaskError, match="cannot be read"):
        keep_upload("a.exe", b"x")
    assert kept_uploads() == [] and not (home / FOLDER).exists()


def test_nothing_but_an_uploaded_file_is_deleted(home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(b"text,label\n")
    kept = keep_upload("a.csv", b"text,label\n")
    for path in (tmp_path / "mine.csv", home / FOLDER / ".." / ".." / "mine.csv", home / FOLDER / ".lock"):
        with pytest.raises(RunError, match="is not an uploaded file"):
            delete_upload(path)
    assert (tmp_path / "mine.csv").is_file() and kept.is_file()
    delete_upload(kept)
    delete_upload(kept)
    assert kept_uploads() == []
