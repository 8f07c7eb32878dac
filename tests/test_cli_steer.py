"""Runs steered from the command line."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from ikd.cli import main
from ikd.config import config_from_json
from ikd.runs import start_run
from ikd.runs.control import fork_run, resume_run
from ikd.trace.branching import make_fork, recorded_config
from ikd.trace.commands import waiting
from ikd.trace.folder import RunFolder
from ikd.trace.kept import checkpoints_of
from ikd.trace.notes import read_notes
from ikd.trace.reader import TraceReader
from ikd.trace.store import list_runs, open_run
from tests.conftest import REPOSITORY
from tests.small_runs import assert_same, at_step, carried_out, small


def wait_until(folder: RunFolder, *states: str) -> None:
    end = time.monotonic() + 300
    while folder.state().state not in states:
        assert time.monotonic() < end, folder.state()
        time.sleep(0.02)


def test_a_run_of_the_app_is_paused_stepped_changed_and_ended_from_the_command_line() -> None:
    folder = open_run(start_run(small(training__steps=100_000)))
    wait_until(folder, "running")
    assert main(["pause", folder.id]) == 0
    wait_until(folder, "paused")
    stood = TraceReader(folder).last_step()
    assert main(["change", folder.id, "objective.alpha", "0.25"]) == 0
    assert main(["step", folder.id]) == 0
    end = time.monotonic() + 300
    while TraceReader(folder).last_step() == stood and time.monotonic() < end:
        time.sleep(0.02)
    wait_until(folder, "paused")
    time.sleep(0.2)
    assert TraceReader(folder).last_step() == stood + 1
    assert [(one.step, one.value, one.previous) for one in TraceReader(folder).interventions()] == [(stood + 1, 0.25, 0.7)]
    assert main(["stop", folder.id, "--at", str(stood + 4)]) == 0 and main(["resume", folder.id]) == 0
    wait_until(folder, "stopped")
    assert TraceReader(folder).last_step() == stood + 3


def test_resume_and_fork_carry_out_a_run_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    whole, broken = carried_out(small()), carried_out(small(), at_step(9, lambda folder: folder.request_stop()))
    assert main(["resume", broken.id, "--quiet"]) == 0
    assert_same(whole, broken)
    assert main(["resume", broken.id, "--quiet"]) == 2
    assert "is finished and cannot be resumed" in capsys.readouterr().err
    assert main(["fork", whole.id, "8", "--set", "policy.teacher-freeze-at=8", "--label", "no more feedback", "--quiet"]) == 0
    child = list_runs()[0]
    assert child.state().state == "finished" and child.state().attempt == 1
    assert (read_notes(child.path).parent, read_notes(child.path).parent_step) == (whole.id, 8)
    assert child.config().label == "no more feedback"
    assert main(["runs"]) == 0
    assert f"forked from {whole.id} at step 8" in capsys.readouterr().out


def test_a_fork_started_from_a_page_runs_in_its_thread() -> None:
    parent = carried_out(small())
    child = open_run(fork_run(parent.id, 12, {"objective.alpha": 0.5}))
    wait_until(child, "finished", "failed")
    assert child.state().state == "finished", child.state().error
    assert child.state().attempt == 1
    assert_same(child, carried_out(child.config()))


def test_the_record_of_a_changed_run_is_a_config_that_the_command_line_takes(tmp_path: Path) -> None:
    changed = carried_out(small(), at_step(7, lambda folder: folder.ask("change", path="policy.exam_every", value=4)))
    path = tmp_path / "record.json"
    path.write_text(recorded_config(changed).model_dump_json())
    assert config_from_json(path.read_text()).plan[0].step == 8
    assert main(["train", "--config", str(path), "--quiet"]) == 0
    assert_same(changed, list_runs()[0], without=("interventions",))


@pytest.mark.parametrize("words, said", [
    (["pause", "no-run"], "Unknown run"), (["fork", "recorded:reviews-exam", "3", "--set", "alpha"], "has no value"),
    (["fork", "recorded:reviews-exam", "3", "--set", "seed=4"], "Unknown change"), (["step", "recorded:reviews-exam"], "finished"),
    (["resume", "recorded:reviews-exam"], "recorded run"), (["delete", "recorded:reviews-exam", "--yes"], "recorded run"),
    (["change", "recorded:reviews-exam", "seed", "3"], "finished"), (["stop", "no-run", "--at", "x"], "invalid int value"),
    (["fork", "recorded:reviews-exam", "1000000"], "Give a step from 0 to"), (["rename", "recorded:reviews-exam"], "Nothing to write"),
])  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_sentence(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    err = capsys.readouterr().err
    assert said in err and "Traceback" not in err


def test_rename_pack_unpack_and_delete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = carried_out(small(), at_step(9, lambda one: one.request_stop()))
    assert main(["rename", folder.id, "my run", "--note", "a note"]) == 0
    assert main(["pack", folder.id, str(tmp_path / "run.zip"), "--checkpoints"]) == 0
    assert main(["delete", folder.id]) == 2 and folder.path.exists()
    assert main(["delete", folder.id, "--yes"]) == 0 and not folder.path.exists()
    assert main(["unpack", str(tmp_path / "run.zip")]) == 0
    again = open_run(capsys.readouterr().out.split()[-1])
    assert read_notes(again.path).text == "a note"
    assert main(["resume", again.id, "--quiet"]) == 0
    assert_same(again, carried_out(small()))


def test_an_ended_run_resumed_from_a_page_goes_on_in_a_thread() -> None:
    broken = carried_out(small(), at_step(9, lambda folder: folder.request_stop()))
    resume_run(broken.id)
    wait_until(broken, "finished", "failed")
    assert broken.state().attempt == 2
    assert_same(broken, carried_out(small()))


def test_what_a_run_at_work_cannot_do_is_said_at_once_and_not_asked_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    folder = open_run(start_run(small(training__steps=100_000)))
    wait_until(folder, "running")
    assert main(["pause", folder.id]) == 0
    wait_until(folder, "paused")
    stood = folder.state().step
    for arguments, words in (
        (["stop", folder.id, "--at", str(stood)], f"it has completed {stood}. Give a step from {stood + 1}"),
        (["stop", folder.id, "--at", "100001"], "to 100000"),
        (["change", folder.id, "objective.alpha", "abc"], "objective.alpha cannot be 'abc'"),
        (["change", folder.id, "objective.alpha", "7"], "a number from 0 up to 1"),
    ):
        assert main(arguments) == 2
        assert words in capsys.readouterr().err
    assert not waiting(folder.path) and folder.state().state == "paused"
    assert main(["stop", folder.id]) == 0
    wait_until(folder, "stopped")


def test_a_teacher_frozen_now_is_frozen_at_the_step_of_the_change() -> None:
    """The page says the step it knows; the run may be further, and its record says where it happened."""
    folder = carried_out(small(), at_step(12, lambda one: one.ask("change", path="policy.teacher_freeze_at", value=3)))
    (made,) = TraceReader(folder).interventions()
    assert made.value == made.step > 3


def test_a_fork_of_a_fork_goes_on_from_a_checkpoint_of_its_grandparent() -> None:
    whole = carried_out(small(record__checkpoint_every=5, record__checkpoint_keep_every=1))
    child = make_fork(whole, 16, {"objective.alpha": 0.5}, root=whole.path.parent)
    grandchild = make_fork(child, 10, {}, root=whole.path.parent)
    assert checkpoints_of(child) == [15] and checkpoints_of(grandchild) == [10]


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    carried_out(small())
    closed = "import os, sys; os.close(1); r, w = os.pipe(); os.close(r); os.dup2(w, 1)"
    program = f"{closed}; from ikd.cli import main; sys.exit(main(['runs']))"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
