"""Runs as zips: out whole, even while at work; in only what a run is known to have."""

from __future__ import annotations

import io
import json
import sqlite3
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ikd.config import build_config
from ikd.errors import RunError
from ikd.events import StepTaken
from ikd.trace import unpacking
from ikd.trace.folder import RunFolder
from ikd.trace.notes import Notes, read_notes, write_notes
from ikd.trace.packing import pack_run
from ikd.trace.reader import TraceReader
from ikd.trace.recorder import Recorder
from ikd.trace.state import STATE_NAMES
from ikd.trace.store import list_runs, new_run, open_run
from ikd.trace.unpacking import unpack_run
from tests.synthetic import events, synthetic_run

CONFIG = build_config({}).model_dump_json().encode()
ENDED_ELSEWHERE = "interrupted" if "interrupted" in STATE_NAMES else "stopped"


def zipped(files: dict[str, bytes], *, top: str = "a-run", change: Callable[[zipfile.ZipInfo], None] | None = None) -> io.BytesIO:
    """Return a zip of these files in one folder."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(f"{top}/{name}" if top else name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if change is not None:
                change(info)
            archive.writestr(info, content)
    return whole


def names_below(path: Path) -> list[str]:
    return sorted(one.relative_to(path).as_posix() for one in path.rglob("*") if one.is_file())


@pytest.fixture
def full() -> RunFolder:
    """A finished run with all that a run can have, and some things it cannot."""
    folder = synthetic_run(3, n_steps=12)
    for name in ("student/model.safetensors", "student/tokenizer_config.json", "student/training_args.bin", "student/deep/x.json",
                 "checkpoints/8/student.safetensors", "checkpoints/latest/x.json", "stranger.txt", "stop"):  # fmt: skip
        (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.path / name).write_bytes(name.encode())
    folder.append_log("a line")
    write_notes(folder.path, Notes(label="Mine", text="A note.", parent="another-run", parent_step=4))
    return folder


@pytest.mark.parametrize("student, checkpoints", [(True, False), (False, False), (True, True), (False, True)])
def test_a_run_comes_back_as_it_went(full: RunFolder, tmp_path: Path, student: bool, checkpoints: bool) -> None:
    pack_run(full, tmp_path / "x.zip", student=student, checkpoints=checkpoints)
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["x.zip"]
    made = unpack_run(tmp_path / "x.zip", tmp_path / "other")
    more = ["checkpoints/8/student.safetensors"] if checkpoints else []
    more += ["student/model.safetensors", "student/tokenizer_config.json"] if student else []
    assert names_below(made.path) == sorted(["config.json", "imported.json", "log.txt", "notes.json", "state.json", "trace.sqlite", *more])
    assert made.id == full.id and open_run(made.id, tmp_path / "other").config() == full.config()
    assert read_notes(made.path) == read_notes(full.path) and made.log_tail() == full.log_tail()
    assert made.state() == replace(full.state(), pid=0, host="")
    ours, theirs = TraceReader(full), TraceReader(made)
    assert theirs.examples("probe").equals(ours.examples("probe"))
    assert theirs.scalars(["course_loss"]).equals(ours.scalars(["course_loss"]))


def test_a_run_at_work_is_caught_between_two_steps(tmp_path: Path) -> None:
    config = build_config({"training.steps": 60, "record.probe_size": 10, "label": "at work"})
    folder = new_run(config)
    with Recorder(folder) as recorder:
        for event in events(config, 3):
            if isinstance(event, StepTaken) and event.step == 30:
                break
            recorder.record(event)
        folder.write_state(replace(folder.state(), state="running", step=30))
        seen = TraceReader(folder).scalars(["course_loss"])
        pack_run(folder, tmp_path / "x.zip")
        made = unpack_run(tmp_path / "x.zip", tmp_path / "other")
        assert folder.state().state == "running"
    assert TraceReader(made).scalars(["course_loss"]).equals(seen) and len(seen)
    assert made.state().state == ENDED_ELSEWHERE and made.state().pid == 0 and made.state().host == "" and made.state().step == 30
    assert "journal" not in "".join(names_below(made.path)) and "wal" not in "".join(names_below(made.path))


def test_an_id_that_is_taken_gets_a_number(full: RunFolder, tmp_path: Path) -> None:
    pack_run(full, tmp_path / "x.zip")
    root = full.path.parent
    assert [unpack_run(tmp_path / "x.zip", root).id for _ in range(3)] == [f"{full.id}-{number}" for number in (2, 3, 4)]
    assert len(list_runs(root)) == 4


@pytest.mark.parametrize("top, made", [("My Run", "imported"), ("a" * 80, "a" * 80), ("a" * 81, "imported"), ("recorded", "recorded")])
def test_a_top_folder_that_is_no_id_is_given_one(tmp_path: Path, top: str, made: str) -> None:
    assert unpack_run(zipped({"config.json": CONFIG}, top=top), tmp_path).id == made
    again = unpack_run(zipped({"config.json": CONFIG}, top=top), tmp_path).id
    assert again == f"{made[:78]}-2" and open_run(again, tmp_path).config()


@pytest.mark.parametrize("state", STATE_NAMES)
def test_no_imported_run_is_at_work(tmp_path: Path, state: str) -> None:
    folder = new_run(build_config({}), tmp_path / "a")
    folder.write_state(replace(folder.state(), state=state))  # type: ignore[arg-type]
    pack_run(folder, tmp_path / "x.zip")
    made = unpack_run(tmp_path / "x.zip", tmp_path / "b").state()
    assert made.state == (state if state in ("finished", "failed", "stopped") else ENDED_ELSEWHERE)
    assert not made.live and made.pid == 0 and made.host == ""


def test_a_missing_run_and_a_full_disk_are_sentences(full: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError, match="is not there"):
        pack_run(RunFolder(tmp_path / "gone"), tmp_path / "x.zip")
    with pytest.raises(RunError, match="could not be written"):
        pack_run(full, tmp_path / "gone" / "x.zip")
    with pytest.raises(RunError, match="no file 'gone.zip'"):
        unpack_run(tmp_path / "gone.zip", tmp_path / "other")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RunError, match="could not be written"):
        unpack_run(zipped({"config.json": CONFIG}), tmp_path / "file")


def test_a_checkpoint_that_goes_while_it_is_packed_is_left_out(full: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = Path.is_file

    def gone_after_the_look(path: Path) -> bool:
        found = there(path)
        if found and path.parent.name == "8":
            path.unlink()
        return found

    monkeypatch.setattr(Path, "is_file", gone_after_the_look)
    pack_run(full, tmp_path / "x.zip", checkpoints=True)
    monkeypatch.undo()
    assert not [name for name in zipfile.ZipFile(tmp_path / "x.zip").namelist() if "checkpoints" in name]


def test_a_damaged_trace_is_not_packed(full: RunFolder, tmp_path: Path) -> None:
    full.trace_path.write_bytes(b"x" * 5000)
    with pytest.raises(RunError, match="damaged"):
        pack_run(full, tmp_path / "x.zip")
    assert not [one for one in tmp_path.iterdir() if one.is_file()]


def test_packing_changes_no_byte_of_the_run_and_follows_no_link(full: RunFolder, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_bytes(b"secret")
    (full.path / "student" / "linked.json").symlink_to(secret)
    (full.path / "log.txt").unlink()
    (full.path / "log.txt").symlink_to(secret)
    before = {name: (full.path / name).read_bytes() for name in names_below(full.path)}
    pack_run(full, tmp_path / "x.zip", checkpoints=True)
    assert before == {name: (full.path / name).read_bytes() for name in names_below(full.path)}
    assert not [name for name in zipfile.ZipFile(tmp_path / "x.zip").namelist() if "linked" in name or "log" in name]


BAD_NAMES = ["../evil.json", "a-run/../../evil.json", "/etc/passwd", "a-run//config.json", "a-run/./config.json", "a-run\\config.json",
             "C:/config.json", "a-run/C:evil.json", "a-run/student/../state.json", "a-run/student/x.bin", "a-run/student/x.pt",
             "a-run/student/x.pkl", "a-run/student/x.pt.PKL", "a-run/student/deep/x.json", "a-run/student/.hidden.json",
             "a-run/checkpoints/x.json", "a-run/checkpoints/one/x.json", "a-run/checkpoints/1/2/x.json", "a-run/stop", "a-run/x.py",
             "a-run/trace.sqlite-wal", "a-run/trace.sqlite-journal", "a-run/CONFIG.JSON", "a-run/config.json\0.txt", "config.json",
             "other/state.json", "a-run/student/", "a-run/evil/", "a-run/student/x.json\n", "a-run/ state.json",
             "a-run/config.json/x.json"]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
def test_everything_else_in_a_zip_is_refused_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    root = tmp_path / "deep" / "root"
    # Python cuts a name at a NUL when it writes it: it is put in afterwards.
    packed = zipped({"a-run/config.json": CONFIG, name.replace("\0", "#"): b"{}"}, top="")
    if "\0" in name:
        packed = io.BytesIO(packed.getvalue().replace(b"#", b"\0"))
    if name == "a-run/student/":  # an empty folder that a run can have is no fault
        assert unpack_run(packed, root).id == "a-run"
        return
    with pytest.raises(RunError, match="Nothing of it was taken|must hold one folder"):
        unpack_run(packed, root)
    assert not root.exists() or not list(root.iterdir())
    assert not [one for one in tmp_path.rglob("*") if one.is_file()]


def link(info: zipfile.ZipInfo) -> None:
    info.external_attr = (stat.S_IFLNK | 0o777) << 16


def test_links_duplicates_and_encrypted_entries_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is a link"):
        unpack_run(zipped({"config.json": CONFIG}, change=link), tmp_path)
    twice = io.BytesIO()
    with zipfile.ZipFile(twice, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a-run/config.json", CONFIG)
        archive.writestr("a-run/config.json", CONFIG)
    with pytest.raises(RunError, match="stands there twice"):
        unpack_run(twice, tmp_path)
    with pytest.raises(RunError, match="twice"):
        unpack_run(zipped({"config.json": CONFIG, "student/A.json": b"", "student/a.json": b""}), tmp_path)
    with pytest.raises(RunError, match="packed in a way"):
        unpack_run(zipped({"config.json": CONFIG}, change=lambda info: setattr(info, "compress_type", zipfile.ZIP_LZMA)), tmp_path)
    locked = bytearray(zipped({"config.json": CONFIG}).getvalue())
    locked[locked.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(RunError, match="is encrypted"):
        unpack_run(io.BytesIO(bytes(locked)), tmp_path)
    assert not list(tmp_path.iterdir())


def test_too_many_entries_are_refused_before_they_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"config.json": CONFIG, **{f"student/f{number}.json": b"" for number in range(2000)}}
    packed = zipped(files)
    monkeypatch.setattr(unpacking.zipfile, "ZipFile", lambda *_: pytest.fail("the list was read"))
    with pytest.raises(RunError, match="lists 2001 files, at most 2000"):
        unpack_run(packed, tmp_path)


def test_a_bomb_is_stopped_by_what_comes_out_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "FREE_OF_RATIO_BYTES", 100_000)
    bomb = zipped({"config.json": CONFIG, "student/model.safetensors": bytes(5_000_000)})
    with pytest.raises(RunError, match="too much for a zip of this size"):
        unpack_run(bomb, tmp_path)
    monkeypatch.setattr(unpacking, "MOST_RATIO", 2000)
    assert unpack_run(bomb, tmp_path).id == "a-run"
    monkeypatch.setattr(unpacking, "MOST_BYTES", 1_000_000)
    with pytest.raises(RunError, match="unpacks to more than"):
        unpack_run(bomb, tmp_path)
    with pytest.raises(RunError, match="unpacks to more than"):
        unpack_run(zipped({"config.json": CONFIG, "log.txt": bytes(5_000_000)}), tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["a-run"]


def test_a_header_that_lies_about_a_size_is_not_believed(tmp_path: Path) -> None:
    lying = bytearray(zipped({"config.json": CONFIG, "student/model.safetensors": bytes(300_000)}).getvalue())
    for mark, at in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        place = lying.rindex(mark)
        lying[place + at : place + at + 4] = struct.pack("<I", 10)
    with pytest.raises(RunError):
        unpack_run(io.BytesIO(bytes(lying)), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("files, words", [
    ({"config.json": b"{"}, "damaged or of another version"),
    ({"config.json": b'{"training": {"steps": -3}}'}, "damaged or of another version"),
    ({"config.json": b"\xff"}, "cannot be read"),
    ({"state.json": b"{}"}, "config.json in it"),
    ({"config.json": CONFIG, "trace.sqlite": b""}, "trace.sqlite is damaged"),
    ({"config.json": CONFIG, "trace.sqlite": b"SQLite format 3\0" + b"x" * 8000}, "trace.sqlite is damaged"),
    ({"config.json": CONFIG, "state.json": b'{"state": "finished", "started": Infinity}'}, "numbers that no run can have"),
    ({"config.json": CONFIG, "state.json": b'{"state": "finished", "scores": {"a": "b"}}'}, "state.json is damaged"),
])  # fmt: skip
def test_a_run_that_could_not_be_read_is_refused(tmp_path: Path, files: dict[str, bytes], words: str) -> None:
    with pytest.raises(RunError, match=words):
        unpack_run(zipped(files), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("statement", ["CREATE VIEW probe2 AS SELECT 1", "CREATE VIRTUAL TABLE f USING fts5(x)",
                                       "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM a; END"])  # fmt: skip
def test_a_trace_with_a_program_in_it_is_refused(tmp_path: Path, statement: str) -> None:
    with sqlite3.connect(tmp_path / "t") as made:
        made.execute("CREATE TABLE a (x)")
        made.execute(statement)
    made.close()
    with pytest.raises(RunError, match="trace.sqlite is damaged, or not the trace"):
        unpack_run(zipped({"config.json": CONFIG, "trace.sqlite": (tmp_path / "t").read_bytes()}), tmp_path / "root")


def test_a_missing_state_is_said_and_no_hindrance(tmp_path: Path) -> None:
    made = unpack_run(zipped({"config.json": CONFIG}), tmp_path)
    assert made.state().state == "failed" and "has no state.json" in str(made.state().error)
    assert json.loads((made.path / "state.json").read_text())["state"] == "failed"


def test_damaged_notes_come_in_empty(tmp_path: Path) -> None:
    made = unpack_run(zipped({"config.json": CONFIG, "notes.json": b'{"label": 3, "evil": 1}'}), tmp_path)
    assert json.loads((made.path / "notes.json").read_text()) == {"label": "", "text": "", "parent": "", "parent_step": None}


WHOLE = zipped({"config.json": CONFIG, "log.txt": b"x" * 300}).getvalue()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("any")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=150, deadline=None)
@given(data=st.data())
def test_no_file_whatever_gives_anything_but_a_run_or_a_sentence(place: Path, data: Any) -> None:
    content = bytearray(data.draw(st.one_of(st.binary(max_size=200), st.just(WHOLE))))
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 255)), max_size=3)):
        if at < len(content):
            content[at] = byte
    content = content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    before = {one.name for one in place.iterdir()}
    try:
        made = {unpack_run(io.BytesIO(bytes(content)), place).id}
    except RunError as fault:
        made = set()
        assert str(fault)
    assert {one.name for one in place.iterdir()} == before | made
