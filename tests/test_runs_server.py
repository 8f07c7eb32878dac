"""Runs started by many at once: one is carried out, the others wait in line or are refused, and no thread is left behind."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from ikd.errors import BusyError, IKDError
from ikd.runs import active_run, launch, queued_runs, start_run, stop_run, tend_queue
from ikd.runs.control import resume_run
from ikd.trace.folder import RunFolder
from ikd.trace.reader import TraceReader
from ikd.trace.store import list_runs, open_run
from tests.small_runs import assert_same, at_step, carried_out, small


def wait_until(holds: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, [(one.id, one.state()) for one in list_runs()]
        time.sleep(0.02)


def idle() -> bool:
    return active_run() is None and not queued_runs() and not any(one.name == "ikd-next" for one in threading.enumerate())


def states() -> list[str]:
    return [one.state().state for one in list_runs()]


def together(act: Callable[[], str], n: int = 8) -> list[str | IKDError]:
    barrier = threading.Barrier(n)

    def one() -> str | IKDError:
        barrier.wait()
        try:
            return act()
        except IKDError as fault:
            return fault

    with ThreadPoolExecutor(n) as pool:
        return [future.result() for future in [pool.submit(one) for _ in range(n)]]


def test_of_eight_starts_at_once_one_runs_and_seven_are_refused() -> None:
    found = together(lambda: start_run(small(training__steps=100_000)))
    refused = [one for one in found if isinstance(one, BusyError)]
    (run,) = [one for one in found if isinstance(one, str)]
    assert len(refused) == 7 and all(run in str(one) for one in refused) and len(list_runs()) == 1
    wait_until(lambda: open_run(run).state().step > 0)
    stop_run(run)
    wait_until(idle)


def test_of_four_starts_in_line_each_runs_in_its_turn_and_no_thread_is_left() -> None:
    before = {one.name for one in threading.enumerate()}
    found = together(lambda: start_run(small(training__steps=6), queue=True), n=4)
    assert all(isinstance(one, str) for one in found) and len(set(map(str, found))) == 4
    wait_until(lambda: idle() and states() == ["finished"] * 4)
    spans = sorted((one.state().started, one.state().ended or 0.0) for one in list_runs())
    assert all(first[1] <= second[1] for first, second in zip(spans, spans[1:], strict=False))
    assert {one.name for one in threading.enumerate() if one.name.startswith("ikd-")} <= before


def test_the_line_goes_on_after_a_failed_and_a_deleted_run(monkeypatch: pytest.MonkeyPatch) -> None:
    first = start_run(small(task__name="files", task__train_file="nowhere.csv", teacher__fine_tune="never"), queue=True)
    rest = [start_run(small(training__steps=6, seed=number), queue=True) for number in range(3)]
    if open_run(rest[1]).state().state == "queued":
        shutil.rmtree(open_run(rest[1]).path)
    wait_until(idle)
    assert open_run(first).state().state == "failed"
    assert [open_run(one).state().state for one in (rest[0], rest[2])] == ["finished", "finished"]


def test_a_damaged_run_in_line_does_not_hold_up_those_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_READ_ONLY", "")
    run = start_run(small(training__steps=100_000))
    rest = [start_run(small(training__steps=6), queue=True) for _ in range(2)]
    (open_run(rest[0]).path / "config.json").write_text("{")
    monkeypatch.setattr(launch, "read_only", lambda: True)  # for the queue alone: the run at work is one of a lab for all
    tend_queue()
    assert [one.id for one in queued_runs()] == rest
    open_run(run).request_stop()
    wait_until(lambda: active_run() is None)
    time.sleep(0.3)
    assert len(queued_runs()) == 2, "a lab that only shows starts nothing"
    monkeypatch.setattr(launch, "read_only", lambda: False)
    tend_queue()
    wait_until(idle)
    assert [open_run(one).state().state for one in rest] == ["failed", "finished"]


def test_a_run_resumed_from_eight_tabs_is_resumed_once() -> None:
    folder = carried_out(small(), at_step(8, lambda one: one.request_stop()))

    def act() -> str:
        resume_run(folder.id)
        return folder.id

    together(act)
    wait_until(idle)
    assert folder.state().state == "finished" and folder.state().attempt == 2
    assert TraceReader(folder).last_step() == 20
    assert_same(carried_out(small()), RunFolder(folder.path))
