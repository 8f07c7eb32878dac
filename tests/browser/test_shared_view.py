"""Two visitors, one run: the address and the run's folder are all that a page needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.looking import apologies, badge, charts, main
from tests.browser.server import Server, open_another, open_browser, settle
from tests.browser.training import Training

if TYPE_CHECKING:
    from playwright.sync_api import Page, WebSocket

pytestmark = [pytest.mark.browser, pytest.mark.slow]
QUIET_MILLISECONDS = 5_000
FIRST_FIGURE_MILLISECONDS = 120_000


def test_reload_second_tab_and_stop(home: Path) -> None:
    """Guards that a reload and a second visitor see the run as it stands, that a stop reaches both, and that the pages
    then fall silent."""
    with Server() as server, Training(home) as training, open_browser() as first, open_another(first) as second:
        frames = [_frames(first), _frames(second)]
        address = f"{server.url}/run?run={training.run}"
        first.goto(address)
        charts(first).first.wait_for(timeout=FIRST_FIGURE_MILLISECONDS)
        before = _step(first)
        first.reload()
        charts(first).first.wait_for()
        assert _step(first) >= before
        second.goto(address)
        charts(second).first.wait_for()
        assert abs(_step(second) - _step(first)) <= 200
        for page in (first, second):
            assert main(page).get_by_text(training.run, exact=True).first.is_visible()
            assert main(page).get_by_role("button", name="Stop", exact=True).is_enabled()
        main(first).get_by_role("button", name="Stop", exact=True).click()
        for page in (first, second):
            badge(page, "stopped").wait_for()
            main(page).get_by_role("button", name="Stop", exact=True).wait_for(state="detached")
        assert training.process.wait(240) == 0
        _assert_silence(first, second, frames)
        for page in (first, second):
            assert apologies(page) == []


def _assert_silence(first: Page, second: Page, frames: list[list[str]]) -> None:
    for page in (first, second):
        settle(page)
    first.wait_for_timeout(2_000)  # what was under way may end
    counts = [len(one) for one in frames]
    first.wait_for_timeout(QUIET_MILLISECONDS)
    assert [len(one) for one in frames] == counts, "a timer goes on after the run's end"


def _frames(page: Page) -> list[str]:
    """Return a list that gathers the direction of every websocket frame of a page."""
    seen: list[str] = []

    def follow(socket: WebSocket) -> None:
        socket.on("framesent", lambda _: seen.append("sent"))
        socket.on("framereceived", lambda _: seen.append("received"))

    page.on("websocket", follow)
    return seen


def _step(page: Page) -> int:
    words = main(page).locator("[data-testid=stProgress]").first
    words.get_by_text(re.compile(r"^Step \d+ of")).wait_for()
    found = re.search(r"Step (\d+) of", words.inner_text())
    assert found is not None
    return int(found[1])
