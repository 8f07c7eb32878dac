"""Runs that want a device another run has, resumes that come second, and writers whose clocks are wrong."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ikd.cli import main
from ikd.errors import BusyError
from ikd.runs import start_run
from ikd.runs.control import require_resumable, resume_run
from ikd.runs.devices import device_lock, hold_run
from ikd.runs.job import run_job
from ikd.trace import liveness
from ikd.trace.folder import RunFolder
from ikd.trace.state import WAITING, RunState, read_state, replace_state
from ikd.trace.store import list_runs, new_run, open_run, runs_root
from tests.browser.training import _hears_interrupts
from tests.conftest import REPOSITORY
from tests.small_runs import SMALL, again, assert_same, at_step, carried_out, small
from tests.small_runs import told as warned


def wait_until(holds: Callable[[], bool], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextmanager
def device_in_use(run_id: str = "another-run") -> Iterator[None]:
    with device_lock(runs_root(), "cpu", run_id=run_id):
        yield


def flags(**values: Any) -> list[str]:
    settings = {**SMALL, **{name.replace("__", "."): value for name, value in values.items()}}
    return ["--quiet", *(part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", str(value)))]


def in_a_thread(folder: RunFolder, told: list[str]) -> threading.Thread:
    worker = threading.Thread(target=run_job, args=(folder, folder.config()), kwargs={"on_busy": told.append})
    worker.start()
    return worker


def test_a_run_waits_for_its_device_says_for_whom_and_is_the_run_that_never_waited(capsys: pytest.CaptureFixture[str]) -> None:
    folder, told = new_run(small()), list[str]()
    with device_in_use():
        worker = in_a_thread(folder, told)
        wait_until(lambda: folder.state().stage == WAITING)
        assert folder.state().live and not folder.trace_path.exists()
        time.sleep(0.5)
        assert main(["runs"]) == 0 and WAITING in capsys.readouterr().out
        assert told == ["The device is in use by run another-run: this run waits for it."]
    worker.join(60)
    assert folder.state().state == "finished" and not warned(folder)
    assert_same(carried_out(small()), folder)


@pytest.mark.parametrize("kind, state", [("stop", "stopped"), ("interrupt", "interrupted")])
def test_a_run_that_waits_can_be_ended_and_started_later(kind: str, state: str) -> None:
    folder = new_run(small())
    with device_in_use():
        worker = in_a_thread(folder, [])
        wait_until(lambda: folder.state().stage == WAITING)
        folder.ask(kind)
        worker.join(30)
    assert not worker.is_alive() and folder.state().state == state and folder.state().resumable and not folder.trace_path.exists()
    require_resumable(folder)
    again(folder)
    assert folder.state().state == "finished"


@pytest.mark.parametrize("command", ["train", "resume", "fork"])
def test_no_wait_fails_at_once_with_exit_code_1(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", *flags()]
    if command != "train":
        folder = carried_out(small(), at_step(9, lambda one: one.request_stop()))
        words = [command, folder.id, *(["5"] if command == "fork" else []), "--quiet"]
    with device_in_use():
        assert main([*words, "--no-wait"]) == 1
    assert "is busy with another-run" in capsys.readouterr().err
    assert list_runs()[0].state().resumable


def test_a_run_of_the_app_waits_for_one_of_the_command_line_that_was_quicker() -> None:
    with device_in_use():
        folder = open_run(start_run(small()))
        wait_until(lambda: folder.state().stage == WAITING)
    wait_until(lambda: not folder.state().live)
    assert folder.state().state == "finished", folder.state().error


@pytest.mark.slow
def test_train_waits_in_its_own_program_and_ctrl_c_leaves_a_run_that_was_never_begun(home: Path) -> None:
    words = [sys.executable, "-m", "ikd", "train", *flags()]
    with device_in_use():
        programs = [subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                     preexec_fn=_hears_interrupts) for _ in range(2)]
        wait_until(lambda: [one.state().stage for one in list_runs()] == [WAITING] * 2)
        first = next(one for one in programs if one.pid == list_runs()[1].state().pid)
        second = next(one for one in programs if one is not first)
        given_up, goes_on = list_runs()[1], list_runs()[0]
        first.send_signal(2)
        assert first.wait(60) == 130
        said = first.communicate()[1]
        assert "in use by run another-run" in said and "Ctrl-C gives up" in said and "Traceback" not in said
        assert given_up.state().state == "interrupted" and given_up.state().resumable
    said = second.communicate(timeout=120)[1]
    assert second.returncode == 0 and "in use by run another-run" in said
    assert goes_on.state().state == "finished"
    again(given_up)
    assert_same(goes_on, given_up)


def test_the_second_of_two_resumes_says_who_has_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    folder = carried_out(small(), at_step(9, lambda one: one.request_stop()))
    with hold_run(folder.path):
        folder.write_state(replace(folder.state(), state="running", ended=None, begun=time.time()))
        who = f"process {os.getpid()} on {platform.node()} since 20"
        assert main(["resume", folder.id]) == 2
        said = capsys.readouterr().err
        assert who in said and "at work already" in said and "goes on" not in said
        for ask in (lambda: resume_run(folder.id), lambda: require_resumable(folder), lambda: run_job(folder, folder.config())):
            with pytest.raises(BusyError, match=who):
                ask()
        folder.write_state(replace(folder.state(), state="paused"))
        assert main(["resume", folder.id]) == 0
        assert "Asked: it goes on." in capsys.readouterr().out
        folder.write_state(replace(folder.state(), state="running"))
        folder.ask("pause")  # not carried out yet: a resume takes it back
        assert main(["resume", folder.id]) == 0
    folder.write_state(replace(folder.state(), state="stopped"))
    again(folder)
    assert folder.state().state == "finished"


class World:
    """A file server, a writer that beats once a second, and a reader: each has a clock of its own, and none is waited for.

    It takes the place of the module `time` where the reader looks.
    """

    def __init__(self, path: Path, *, writer: float, reader: float) -> None:
        self.path, self._writer, self._reader = path, writer, reader
        self._begun, self._now, self.alive = time.time(), 0.0, True
        self._beat()

    def time(self) -> float:
        return self._begun + self._now + self._reader

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        before, self._now = self._now, self._now + seconds
        if self.alive and int(before) != int(self._now):
            self._beat()

    def _beat(self) -> None:
        now = self._begun + self._now
        clock = now + self._writer
        replace_state(self.path, RunState(state="running", stage="teaching", host="elsewhere", started=clock, heartbeat=clock))
        os.utime(self.path, (now, now))


CLOCKS = [(0.0, 0.0), (-3600.0, 0.0), (3600.0, 0.0), (-1e7, 0.0), (0.0, -3600.0), (0.0, 3600.0), (3600.0, -3600.0)]


@pytest.mark.parametrize("writer, reader", CLOCKS)
def test_a_run_is_heard_whatever_the_clocks_say_and_lost_soon_after_it_stops(
    writer: float, reader: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path / "state.json", writer=writer, reader=reader)
    monkeypatch.setattr(liveness, "time", world)
    monkeypatch.setattr(liveness, "_seen", {})
    for seconds in (0.0, 0.3, 1.0, 7.0, 19.0, 300.0, 2.0):
        world.sleep(seconds) if seconds < 20 else [world.sleep(1.0) for _ in range(int(seconds))]
        assert read_state(world.path).state == "running", seconds
    world.alive = False
    world.sleep(10.0)
    assert read_state(world.path).state == "running"
    world.sleep(11.0)
    lost = read_state(world.path)
    assert lost.state == "lost" and "not been heard from" in str(lost.error)
    monkeypatch.setattr(liveness, "_seen", {})  # another program, that looks at it for the first time
    assert read_state(world.path).state == "lost"
    world.alive = True
    world.sleep(1.0)
    assert read_state(world.path).state == "running"
