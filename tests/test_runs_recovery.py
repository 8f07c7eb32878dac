"""Every way a run can end badly: its state, its sentence, that nothing recorded is lost, and that the next action works."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import ikd.runs.checkpoints as checkpoints
import ikd.trainer as trainer
from ikd.errors import BusyError, RunError
from ikd.events import Event, RunStarted, Stage, StepTaken
from ikd.runs import active_run, start_run
from ikd.runs.devices import hold_run
from ikd.runs.job import run_job
from ikd.trace import liveness
from ikd.trace.branching import make_fork
from ikd.trace.folder import RunFolder
from ikd.trace.kept import checkpoints_of
from ikd.trace.reader import TraceReader
from ikd.trace.store import list_runs, new_run, open_run, runs_root
from tests.browser.training import Training
from tests.small_runs import SMALL, again, assert_same, at_step, carried_out, facts, small, told


def is_kept(before: dict[str, list[Any]], folder: RunFolder) -> bool:
    now = facts(folder)
    return all(set(rows) <= set(now[name]) for name, rows in before.items())


def ended(folder: RunFolder, state: str, *words: str) -> None:
    """Fail where a run has not ended so, with these words in one plain sentence."""
    said = folder.state()
    assert said.state == state and said.ended is not None, said
    for word in words:
        assert word in str(said.error)
    assert "\n" not in str(said.error) and "Traceback" not in str(said.error)
    assert said.resumable


def goes_on(folder: RunFolder, **values: Any) -> None:
    """Fail where the run, resumed, loses a row or is not the run that never broke off."""
    before = facts(folder)
    again(folder)
    assert folder.state().state == "finished", folder.state().error
    assert is_kept(before, folder)
    assert_same(carried_out(small(**values)), folder)


def wait_until(holds: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_command_line_interrupts_the_run_in_good_order(number: signal.Signals, home: Path) -> None:
    with Training(home, {**SMALL, "training.steps": 100_000}) as training:
        folder = training.folder
        wait_until(lambda: folder.state().step >= 7)
        training.process.send_signal(number)
        assert training.process.wait(240) == 130
        assert "Traceback" not in training.said()
    ended(folder, "interrupted")
    assert folder.state().step == TraceReader(folder).last_step() + 1
    before = facts(folder)
    folder.ask("stop")  # a stop that came too late is not meant for the next attempt
    again(folder, at_step(folder.state().step + 3, lambda one: one.request_stop()))
    assert is_kept(before, folder) and folder.state().attempt == 2 and folder.state().state == "stopped"


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of some megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = os.name == "posix" and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("mount") is not None
    if not mounted or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(place)], capture_output=True).returncode:
        pytest.skip("a small disk can only be mounted by root, where the system allows it")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Leave no byte free on a disk."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError as fault:
                assert fault.errno == errno.ENOSPC
    return ballast


@pytest.mark.parametrize("step", [7, 9], ids=["in the trace", "in a checkpoint"])
def test_a_full_disk_ends_the_run_and_room_lets_it_go_on(step: int, tiny_disk: Path) -> None:
    folder = new_run(small(), tiny_disk / "home")
    ballast: list[Path] = []
    kept: list[dict[str, list[Any]]] = []

    def fill_up(one: RunFolder) -> None:
        kept.append(facts(one))
        ballast.append(fill(tiny_disk))

    again(folder, at_step(step, fill_up))
    ended(folder, "failed", "disk is full", "resume")
    ballast[0].unlink()
    assert is_kept(kept[0], folder)
    goes_on(folder)


def test_a_disk_that_fills_while_a_checkpoint_is_written_leaves_no_half_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = checkpoints.save_file

    def full(tensors: Any, path: Path) -> None:
        real(tensors, path)
        path.write_bytes(path.read_bytes()[:500])
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = carried_out(small(), at_step(7, lambda one: monkeypatch.setattr(checkpoints, "save_file", full)))
    monkeypatch.setattr(checkpoints, "save_file", real)
    ended(folder, "failed", "disk is full", "resume")
    assert checkpoints_of(folder) == [5] and not list((folder.path / "checkpoints").glob(".*"))
    assert TraceReader(folder).last_step() == 9
    goes_on(folder)


@pytest.mark.parametrize("fault", [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"), MemoryError(),
    RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes."),
], ids=["cuda", "python", "cpu"])  # fmt: skip
def test_memory_that_runs_out_in_a_step_loses_only_that_step(fault: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = trainer.POLICIES["exam"], []

    def heavy(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 9:
            raise fault
        return real(*arguments)

    monkeypatch.setitem(trainer.POLICIES, "exam", heavy)
    folder = carried_out(small())
    ended(folder, "failed", "out of memory", "training.batch_size", "fork")
    assert TraceReader(folder).last_step() == 7
    child = make_fork(folder, 7, {"training.batch_size": 4}, root=runs_root())
    again(child)
    assert child.state().state == "finished"
    goes_on(folder)


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_poisoned_weights_end_the_run_before_they_are_recorded(poison: float, monkeypatch: pytest.MonkeyPatch) -> None:
    real = trainer.Training._next_step

    def poisoned(self: Any, batches: Any) -> Any:
        if self.step == 8:
            torch.nn.init.constant_(self._lesson.student.classifier.bias, poison)
        return real(self, batches)

    monkeypatch.setattr(trainer.Training, "_next_step", poisoned)
    folder = carried_out(small(record__probe_every=3))
    monkeypatch.undo()
    ended(folder, "failed", "At step 8", "cannot go on", "fork it")
    assert TraceReader(folder).last_step() == 7


def test_a_collapsed_teacher_ends_the_run_and_a_fork_that_freezes_it_goes_on() -> None:
    folder = carried_out(small(machine__teacher_accuracy_floor=0.3, policy__teacher_learning_rate=0.5, training__steps=60))
    ended(folder, "failed", "collapsed", "policy.teacher_learning_rate", "Fork")
    child = make_fork(folder, 2, {"policy.teacher_freeze_at": 2}, root=runs_root())
    again(child)
    assert child.state().state == "finished", child.state().error


@pytest.mark.parametrize("moment", ["a step", "the scores"])
def test_a_folder_deleted_in_mid_run_ends_it_and_is_not_made_again(moment: str) -> None:
    def delete(folder: RunFolder, event: Event) -> None:
        if (moment == "a step" and isinstance(event, StepTaken) and event.step == 7) or (
            moment == "the scores" and isinstance(event, Stage) and event.name == "final scores"
        ):
            shutil.rmtree(folder.path)

    folder = carried_out(small(), delete)
    assert not folder.path.exists() and not list_runs()
    assert carried_out(small()).state().state == "finished"


def test_a_run_of_the_app_whose_folder_is_deleted_frees_its_device() -> None:
    folder = open_run(start_run(small(training__steps=100_000)))
    wait_until(lambda: folder.state().step > 3)
    while folder.path.exists():
        shutil.rmtree(folder.path, ignore_errors=True)
    wait_until(lambda: active_run() is None)
    assert not folder.path.exists()
    other = open_run(start_run(small()))
    wait_until(lambda: active_run() is None)
    assert other.state().state == "finished", other.state().error


def test_a_trace_that_vanishes_is_missed_at_once_and_computed_again() -> None:
    folder = carried_out(small(), at_step(7, lambda one: one.trace_path.unlink()))
    ended(folder, "failed", "trace", "deleted", "Resume")
    again(folder)
    assert folder.state().state == "finished", folder.state().error
    assert_same(carried_out(small()), folder)


def test_a_trace_that_cannot_be_written_any_more_ends_the_run() -> None:
    import sqlite3

    def spoil(folder: RunFolder) -> None:
        with sqlite3.connect(folder.trace_path) as trace:
            trace.execute("CREATE TRIGGER refuse BEFORE INSERT ON steps BEGIN SELECT RAISE(ABORT, 'readonly database'); END")
        trace.close()

    folder = carried_out(small(), at_step(7, spoil))
    ended(folder, "failed", "could not be written", "everything up to step 7 is kept")
    with sqlite3.connect(folder.trace_path) as trace:
        trace.execute("DROP TRIGGER refuse")
    trace.close()
    goes_on(folder)


@pytest.mark.parametrize("sign", ["a dead process", "an old heartbeat"])
def test_a_crashed_run_is_found_lost_and_goes_on(sign: str) -> None:
    folder = carried_out(small(), at_step(8, lambda one: one.request_stop()))
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    alive = replace(folder.state(), state="running", ended=None, error=None)
    if sign == "a dead process":
        folder.write_state(replace(alive, pid=child.pid))
    else:
        folder.write_state(alive)
        os.utime(folder.path / "state.json", (time.time() - 60,) * 2)
        liveness._seen.clear()  # as for a program that looks at it for the first time
    ended(folder, "lost", "resume")
    goes_on(folder)


def test_half_written_and_senseless_commands_hold_nothing_up() -> None:
    def litter(folder: RunFolder) -> None:
        place = folder.path / "commands"
        place.mkdir(exist_ok=True)
        (place / f".{1:020d}-00000000").write_text('{"kind": "sto')
        texts = ('{"kind": "sto', "", "[]", "null", '{"kind": "fly"}', '{"kind": "stop", "at": -1}', "\x00" * 50,
                 '{"kind": "change", "path": 3}', "[" * 100_000, '{"kind": "change", "path": "x", "value": NaN}')  # fmt: skip
        for number, text in enumerate(texts):
            (place / f"{number + 2:020d}-00000000.json").write_text(text)

    folder = carried_out(small(), at_step(7, litter))
    assert folder.state().state == "finished", folder.state().error
    assert_same(carried_out(small()), folder)
    assert not [one for one in (folder.path / "commands").iterdir() if one.suffix == ".json"]


@pytest.mark.parametrize("moment", ["loading", "fine-tuning the teacher", "scoring the teacher"])
def test_a_stop_given_while_preparing_is_obeyed_and_the_run_goes_on_later(moment: str) -> None:
    def act(folder: RunFolder, event: Event) -> None:
        if isinstance(event, Stage) and event.name == moment:
            folder.request_stop()

    folder = carried_out(small(seed=5), act)
    ended(folder, "stopped")
    assert TraceReader(folder).last_step() == -1
    again(folder)
    assert_same(carried_out(small(seed=5)), folder)


def test_a_change_given_while_a_resumed_run_prepares_waits_for_its_place() -> None:
    """A change has its effect after what is recorded already, wherever in the loading it was given."""
    folder = carried_out(small(), at_step(11, lambda one: one.request_stop()))

    def change(one: RunFolder, event: Event) -> None:
        if isinstance(event, Stage) and event.name == "loading":
            one.ask("change", path="objective.alpha", value=0.2)

    before = facts(folder)
    again(folder, change)
    assert [(one.step, one.path) for one in TraceReader(folder).interventions()] == [(12, "objective.alpha")]
    assert is_kept(before, folder) and not told(folder)


def test_a_change_after_the_last_step_is_refused() -> None:
    def change(one: RunFolder, event: Event) -> None:
        if isinstance(event, Stage) and event.name == "final scores":
            one.ask("change", path="objective.alpha", value=0.2)

    folder = carried_out(small(), change)
    assert "came after the last step" in told(folder)[0] and not TraceReader(folder).interventions()
    assert_same(carried_out(small()), folder)


def test_a_run_paused_while_it_loads_can_be_stepped_and_let_go_when_it_was_resumed() -> None:
    folder = carried_out(small(), at_step(11, lambda one: one.request_stop()))
    shutil.rmtree(folder.path / "checkpoints")

    def hold(one: RunFolder, event: Event) -> None:
        if isinstance(event, RunStarted):
            one.ask("step")

    worker = threading.Thread(target=again, args=(folder, hold))
    worker.start()
    wait_until(lambda: folder.state().state == "paused")
    assert folder.state().stage == "catching up" and TraceReader(folder).last_step() == 11
    folder.ask("resume")
    worker.join(300)
    assert not worker.is_alive() and folder.state().state == "finished"
    assert_same(carried_out(small()), folder)


def test_a_run_at_work_cannot_be_carried_out_a_second_time() -> None:
    folder = carried_out(small(), at_step(8, lambda one: one.request_stop()))
    before = (folder.path / "state.json").read_bytes()
    with ExitStack() as held:
        held.enter_context(hold_run(folder.path))
        with pytest.raises(BusyError, match="at work already"):
            run_job(folder, folder.config(), share_device=True)
        assert (folder.path / "state.json").read_bytes() == before
    goes_on(folder)
    shutil.rmtree(folder.path)
    with pytest.raises(RunError, match="not there any more"):
        run_job(folder, small())
    assert not folder.path.exists()
