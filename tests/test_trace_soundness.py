"""Damage in a trace, its checkpoints or its state: found before anything is computed, and said with what can be done."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ikd.cli import main
from ikd.config import build_config
from ikd.errors import RunError
from ikd.events import StepTaken
from ikd.runs.checkpoints import newest_checkpoint
from ikd.runs.control import require_resumable
from ikd.teaching.snapshot import Snapshot
from ikd.trace import sums
from ikd.trace.branching import make_fork
from ikd.trace.folder import RunFolder
from ikd.trace.kept import FACTS, WEIGHTS, checkpoint_path, checkpoints_of, newest_sound_checkpoint
from ikd.trace.opening import require_sound_run
from ikd.trace.packing import pack_run
from ikd.trace.recorder import Recorder
from ikd.trace.store import list_runs, new_run, open_run, runs_root
from ikd.trace.sums import damaged_places, seal
from ikd.trace.unpacking import unpack_run
from tests.rehearsal import rehearsal
from tests.small_runs import again, assert_same, at_step, carried_out, facts, small, told


def recorded(n_steps: int = 12, root: Path | None = None, *, upto: int = 99) -> RunFolder:
    folder = new_run(build_config({"training.steps": n_steps}), root)
    with Recorder(folder) as recorder:
        for event in rehearsal(n_steps, shown=("hidden state 1",)):
            if not isinstance(event, StepTaken) or event.step < upto:
                recorder.record(event)
    return folder


def edited(folder: RunFolder, *statements: str) -> None:
    with closing(sqlite3.connect(folder.trace_path)) as trace:
        for one in statements:
            trace.execute(one)
        trace.commit()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return recorded(root=tmp_path_factory.mktemp("sound"))


def copy_of(folder: RunFolder) -> RunFolder:
    shutil.copytree(folder.path, runs_root() / folder.id)
    return open_run(folder.id)


def test_the_sums_kept_while_recording_are_those_of_what_was_recorded(sound: RunFolder, tmp_path: Path) -> None:
    """The running sums, by triggers, are compared with those of a pass over all rows."""
    with closing(sqlite3.connect(sound.trace_path)) as trace:
        assert damaged_places(trace) == set()
        kept = {(part, number): digest for part, number, digest in trace.execute("SELECT * FROM sums")}
        seal(trace.cursor())
        assert kept == {(part, number): digest for part, number, digest in trace.execute("SELECT * FROM sums")}
        assert {("step", step) for step in range(12)} <= kept.keys()
        parts = {part for part, _ in kept}
        trace.rollback()
    assert parts == {"schema", "meta", "teacher_training", "step", "examples probe", "examples course", "examples validation",
                     "examples test", "final frozen_teacher", "final teacher", "final student"}  # fmt: skip


@pytest.mark.parametrize(("place", "raised"), [
    ("as a row is noted", KeyboardInterrupt()), ("before a row is noted", KeyboardInterrupt()),
    ("as a row is noted", ArithmeticError("too large")),
])  # fmt: skip
def test_what_breaks_off_a_row_is_raised_as_it_is(place: str, raised: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards Ctrl-C within SQLite's call of the checksums: SQLite says that there was a fault, and not which."""
    real_hash, real_note, calls = sums._hash_of, sums.RunningSums._note, count()

    def hash_of(table: str, row: Sequence[Any]) -> int:
        if next(calls) == 300:
            raise raised
        return real_hash(table, row)

    def note(self: sums.RunningSums, *row: Any) -> None:
        if next(calls) == 300:
            raise raised
        real_note(self, *row)

    if place == "as a row is noted":
        monkeypatch.setattr(sums, "_hash_of", hash_of)
    else:
        monkeypatch.setattr(sums.RunningSums, "_note", note)
    with pytest.raises(type(raised), match=f"^{raised}$"):
        recorded()
    assert next(calls) > 300
    (folder,) = list_runs()
    require_sound_run(folder)
    with closing(sqlite3.connect(folder.trace_path)) as trace:
        assert not damaged_places(trace) and trace.execute("SELECT count(*) FROM steps").fetchone()[0] > 1


def test_the_sums_hold_after_steps_are_replaced() -> None:
    folder = recorded(upto=8)
    with Recorder(folder, resume=True) as recorder:
        for event in rehearsal(12, shown=("hidden state 1",)):
            if not isinstance(event, StepTaken):
                recorder.record(event)
            elif event.step >= 5:
                recorder.record(replace(event, scalars={**event.scalars, "course_loss": 9.0}))
    with closing(sqlite3.connect(folder.trace_path)) as trace:
        assert damaged_places(trace) == set()
        assert trace.execute("SELECT max(step) FROM steps").fetchone() == (11,)
    require_sound_run(folder)


DAMAGE: dict[str, tuple[str, str]] = {
    "a soft target": ("UPDATE course SET teacher_logits = zeroblob(length(teacher_logits)) WHERE step = 7", "step 7"),
    "a scalar": ("UPDATE scalars SET value = value + 1e-12 WHERE step = 5 AND name = 'course_loss'", "step 5"),
    "a reading": ("UPDATE probe SET logits = zeroblob(length(logits)) WHERE step = 10 AND role = 'student'", "step 10"),
    "influence": ("UPDATE probe_influence SET influence = zeroblob(length(influence)) WHERE step = 5", "step 5"),
    "norms": ("UPDATE hidden_feedback SET norms = zeroblob(length(norms)) WHERE step = 5 AND role = 'course'", "step 5"),
    "an index": ("UPDATE course_index SET position = position + 50 WHERE step = 6", "step 6"),
    "a time": ("UPDATE steps SET seconds = seconds + 1 WHERE step = 9", "step 9"),
    "a lost step": ("DELETE FROM steps WHERE step = 11", "step 11"),
    "a text": ("UPDATE examples SET text = text || 'x' WHERE split = 'probe' AND id = 3", "examples probe"),
    "a label": ("UPDATE examples SET label = 1 - min(label, 1) WHERE split = 'course' AND id = 1", "examples course"),
    "a fact": ("UPDATE meta SET value = '2.5' WHERE key = 'temperature'", "meta"),
    "a prediction": ("UPDATE final SET logits = zeroblob(length(logits)) WHERE role = 'frozen_teacher'", "final frozen_teacher"),
    "the teacher's own training": ("UPDATE teacher_training SET loss = 0 WHERE step = 3", "teacher_training"),
    "a change": ("INSERT INTO interventions VALUES (1, 3, 'objective.alpha', '0.5', '0.7', '', 0)", "interventions"),
    "a sum": ("UPDATE sums SET digest = zeroblob(16) WHERE part = 'step' AND number = 4", "step 4"),
    "no sums": ("DROP TABLE sums", "table of checksums is missing"),
    "a version of before": ("UPDATE meta SET value = '3' WHERE key = 'schema_version'", "meta"),
    "a version that is none": ("UPDATE meta SET value = 'w' WHERE key = 'schema_version'", "damaged"),
    "no version": ("DELETE FROM meta WHERE key = 'schema_version'", "version is missing"),
    "a column": ("ALTER TABLE course RENAME COLUMN feedback TO feedbaci", "no such column"),
    "a table": ("ALTER TABLE probe RENAME TO probf", "no such table"),
    "a trigger": ("CREATE TRIGGER one AFTER INSERT ON steps BEGIN SELECT 1; END", "schema"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_refused_before_anything_is_written(name: str, sound: RunFolder) -> None:
    folder = copy_of(sound)
    edited(folder, DAMAGE[name][0])
    before = folder.trace_path.read_bytes()
    with pytest.raises(RunError) as refused:
        Recorder(folder, resume=True)
    said = str(refused.value)
    assert DAMAGE[name][1] in said and "Nothing of the run was changed" in said and "Restore trace.sqlite" in said
    assert "free some space" not in said and "\n" not in said
    assert folder.trace_path.read_bytes() == before


@pytest.mark.parametrize("name", DAMAGE)
def test_a_fork_takes_over_what_is_sound_and_nothing_else(name: str, sound: RunFolder) -> None:
    folder = copy_of(sound)
    edited(folder, DAMAGE[name][0])
    word, _, number = DAMAGE[name][1].partition(" ")
    if number != "11":
        with pytest.raises(RunError) as refused:
            make_fork(folder, 11, {}, root=runs_root())
        assert word != "step" or f"python -m ikd fork {folder.id} {number}" in str(refused.value)
        assert list(runs_root().iterdir()) == [folder.path]
    if word == "step":
        child = make_fork(folder, int(number), {}, root=runs_root())
        require_sound_run(child)
        with closing(sqlite3.connect(child.trace_path)) as trace:
            assert damaged_places(trace) == set() and trace.execute("SELECT max(step) FROM steps").fetchone()[0] == int(number) - 1


def test_blobs_that_do_not_fit_the_run_are_refused_where_there_are_no_sums(sound: RunFolder) -> None:
    for statement in ("UPDATE course SET teacher_logits = substr(teacher_logits, 5) WHERE step = 7",
                      "UPDATE course SET influence = x'00' WHERE step = 7", "UPDATE probe SET logits = x'0000' WHERE step = 5",
                      "UPDATE probe_influence SET influence = x'00'", "UPDATE examples SET label = 3 WHERE split = 'test' AND id = 1",
                      "UPDATE examples SET truth = x'00' WHERE split = 'probe' AND id = 1"):  # fmt: skip
        folder = copy_of(sound)
        edited(folder, "DROP TABLE sums", "UPDATE meta SET value = '6' WHERE key = 'schema_version'", statement)
        with pytest.raises(RunError, match="do not fit the run"):
            Recorder(folder, resume=True)
        shutil.rmtree(folder.path)


def overwrite(path: Path, first: int, content: bytes) -> None:
    whole = bytearray(path.read_bytes())
    whole[first : first + len(content)] = content
    path.write_bytes(whole)


@pytest.mark.parametrize("spoil", [
    lambda path: overwrite(path, 0, b"X"), lambda path: overwrite(path, 18, b"\x03"), lambda path: overwrite(path, 19, b"\x03"),
    lambda path: overwrite(path, 100, b"\x00" * 12), lambda path: overwrite(path, 4096, b"\x55" * 900),
    lambda path: path.write_bytes(path.read_bytes()[:20_000]),
], ids=["magic", "read version", "write version", "first page", "a page", "cut off"])  # fmt: skip
def test_a_broken_file_is_refused_and_left_as_it_is(spoil: Callable[[Path], None], sound: RunFolder) -> None:
    folder = copy_of(sound)
    spoil(folder.trace_path)
    before = folder.trace_path.read_bytes()
    with pytest.raises(RunError, match="damaged") as refused:
        Recorder(folder, resume=True)
    assert "Restore trace.sqlite" in str(refused.value) and "free some space" not in str(refused.value)
    assert folder.trace_path.read_bytes() == before


def test_a_damaged_run_is_refused_on_the_command_line_and_its_fork_is_the_run_unharmed(capsys: pytest.CaptureFixture[str]) -> None:
    whole, broken = carried_out(small()), carried_out(small(), at_step(11, lambda one: one.request_stop()))
    edited(broken, "UPDATE course SET student_logits = zeroblob(length(student_logits)) WHERE step = 8")
    before = facts(broken)
    assert main(["resume", broken.id, "--quiet"]) == 1
    assert f"python -m ikd fork {broken.id} 8" in capsys.readouterr().err
    assert facts(broken) == before
    assert main(["fork", broken.id, "8", "--quiet"]) == 0
    assert_same(whole, list_runs()[0])


@pytest.mark.parametrize("name", [WEIGHTS, FACTS])
def test_a_checkpoint_with_one_flipped_bit_is_passed_over_with_a_notice(name: str) -> None:
    whole, broken = carried_out(small()), carried_out(small(), at_step(11, lambda one: one.request_stop()))
    path = checkpoint_path(broken, 12) / name
    # Of the weights the last bit of a number; of the facts one that leaves valid JSON.
    place = len(path.read_bytes()) - 4 if name == WEIGHTS else path.read_bytes().index(b'"course_drawn": ') + 16
    overwrite(path, place, bytes([path.read_bytes()[place] ^ 1]))
    found = list(newest_checkpoint(broken, at_most=12))
    assert "step 12" in str(found[0]) and "checksum" in str(found[0]) and isinstance(found[1], Snapshot) and found[1].step == 10
    assert newest_sound_checkpoint(broken, at_most=12) == 10
    child = make_fork(broken, 12, {}, root=runs_root())
    assert checkpoints_of(child) == [10]
    again(child)
    again(broken)
    assert "step 12 cannot be read" in told(broken)[0] and not told(child)
    assert_same(whole, broken)
    assert_same(whole, child)


@pytest.mark.parametrize("content", [None, "{", '{"state": "gone"}', '{"state": "stopped", "attempt": -4}'])
def test_a_lost_state_is_told_from_trace_and_checkpoints(content: str | None) -> None:
    whole, broken = carried_out(small()), carried_out(small(), at_step(11, lambda one: one.request_stop()))
    (broken.path / "state.json").unlink()
    if content is not None:
        (broken.path / "state.json").write_text(content)
    state = broken.state()
    assert (state.state, state.step, state.total, state.resumable) == ("interrupted", 12, 20, True)
    assert "told from its trace" in str(state.error)
    require_resumable(broken)
    again(broken)
    assert "state.json was missing or damaged" in told(broken)[0]
    assert broken.state().state == "finished" and broken.state().attempt == 2
    assert_same(whole, broken)
    (broken.path / "state.json").unlink()
    state = broken.state()
    assert state.state == "finished" and state.scores == whole.state().scores and state.step == state.total == 20


def test_a_state_that_contradicts_the_trace_does_not_keep_a_run_from_going_on() -> None:
    whole, broken = carried_out(small()), carried_out(small(), at_step(11, lambda one: one.request_stop()))
    broken.write_state(replace(broken.state(), state="finished", step=20, total=99, attempt=7))
    require_resumable(broken)
    again(broken)
    assert_same(whole, broken)
    with pytest.raises(RunError, match="is finished"):
        require_resumable(broken)
    broken.write_state(replace(broken.state(), state="queued"))  # its place in the queue was lost
    require_resumable(broken)


def test_a_run_without_state_and_trace_says_so_and_is_no_fault_of_the_lab() -> None:
    folder = new_run(small())
    (folder.path / "state.json").unlink()
    assert folder.state().state == "failed" and "no trace that tells" in str(folder.state().error)


def test_a_packed_and_a_forked_run_stay_checked(tmp_path: Path) -> None:
    broken = carried_out(small(), at_step(11, lambda one: one.request_stop()))
    pack_run(broken, tmp_path / "x.zip", checkpoints=True)
    taken = unpack_run(tmp_path / "x.zip", tmp_path / "other")
    require_sound_run(taken)
    edited(taken, "UPDATE scalars SET value = 0 WHERE step = 3")
    with pytest.raises(RunError, match="step 3"):
        require_sound_run(taken)
    tree = json.loads((checkpoint_path(taken, 12) / FACTS).read_text())
    assert tree["format"] == 2 and tree["weights_sum"] and tree["facts_sum"]
