"""A run outlives its pages; one that its server takes down is marked, and goes on from the page of the next server."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ikd.trace.folder import RunFolder
from ikd.trace.reader import TraceReader
from ikd.trace.store import new_run
from tests.browser.server import REPOSITORY, Server, open_browser, visit
from tests.small_runs import small, told

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CLOSED_SECONDS = 30
SECONDS_TO_END = 5
# Long enough to outlast the tabs and a server on any machine, and its rest short enough to be waited for.
STEPS = 3000


def wait_until(holds: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def run_threads(process: int) -> int:
    """Return how many threads of a process compute a run: Linux knows them by the first 15 letters of their names."""
    names = [path.read_text().strip() for path in Path(f"/proc/{process}/task").glob("*/comm")]
    return sum(name.startswith("ikd-run:") for name in names)


def interrupted_run(home: Path) -> RunFolder:
    """Return a run that waits to be resumed, as a server leaves it that ends before the first step."""
    from dataclasses import replace

    folder = new_run(small(training__steps=STEPS, machine__threads=1), home)
    folder.write_state(replace(folder.state(), state="interrupted", stage="done", ended=time.time()))
    return folder


def press_resume(server: Server, folder: RunFolder) -> None:
    with open_browser() as page:
        visit(page, f"{server.url}/run?run={folder.id}")
        page.get_by_role("button", name="Resume").first.click()
        wait_until(lambda: folder.state().state == "running")


def test_a_run_outlives_its_tabs_a_saved_file_and_its_server(tmp_path: Path) -> None:
    folder = interrupted_run(tmp_path)
    environment = {"IKD_HOME": str(tmp_path)}
    with Server(environment=environment) as server:
        press_resume(server, folder)
        first = folder.state().step
        time.sleep(CLOSED_SECONDS)
        assert folder.state().state == "running" and folder.state().step > first + 10
        with open_browser() as page:
            visit(page, f"{server.url}/run?run={folder.id}")
            os.utime(REPOSITORY / "ikd" / "trainer.py")  # saved unchanged: a hot reload
            page.wait_for_timeout(3000)
            page.reload()
            page.wait_for_timeout(2000)
            before = folder.state()
            page.wait_for_timeout(2000)
            assert folder.state().step > before.step and folder.state().attempt == before.attempt
            if Path("/proc/self/task").is_dir() and run_threads(os.getpid()) == 0:
                assert run_threads(server.process.pid) <= 1
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(SECONDS_TO_END) is not None
    state = folder.state()
    assert state.state == "interrupted" and state.resumable
    kept = TraceReader(folder).last_step()
    with Server(environment=environment) as server:
        press_resume(server, folder)
        wait_until(lambda: TraceReader(folder).last_step() > kept)
        assert folder.state().attempt == state.attempt + 1 and not told(folder)
        folder.request_stop()
        wait_until(lambda: folder.state().state == "stopped")
