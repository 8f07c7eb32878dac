"""A finished run and the recorded run that comes with the lab replay from their trace alone: no training, no torch."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ikd.trace.store import list_recorded
from tests.browser.looking import apologies, badge, charts, main
from tests.browser.server import Server, open_browser, settle, visit
from tests.synthetic import synthetic_run

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
# -1 while there is no slider, as between two reruns.
CURSOR = "() => Number(document.querySelector('.st-key-player input[type=range]')?.value ?? -1)"
CURSOR_BETWEEN = f"([least, most]) => {{ const now = ({CURSOR})(); return least <= now && now <= most; }}"


@pytest.fixture
def server(home: Path) -> Server:
    """Return a server, not yet started, that sees the runs of this test."""
    assert home
    return Server()


def test_a_finished_run_replays(server: Server) -> None:
    """Guards play and pause, and that the pages of runs stay light: the server never loads torch for them."""
    folder = synthetic_run(n_steps=400)
    with server, open_browser() as page:
        visit(page, server.url)
        main(page).get_by_role("link", name=folder.id).click()
        page.wait_for_url(f"**/run?run={folder.id}")
        badge(page, "finished").wait_for()
        _assert_plays_and_pauses(page)
        assert not _has_torch(server)


def test_the_recorded_run_replays_from_home(server: Server) -> None:
    """Guards the other door of Home: the recorded run plays at once on a machine that trains nothing."""
    recorded = list_recorded()
    if not recorded:
        pytest.skip("no recorded run comes with this copy of the lab")
    with server, open_browser() as page:
        visit(page, server.url)
        page.get_by_role("button", name="Watch a recorded run").click()
        page.wait_for_url(re.compile("/run.run=recorded(:|%3A)"))
        badge(page, "recorded, finished").wait_for()
        _assert_plays_and_pauses(page)
        assert not _has_torch(server)


def _assert_plays_and_pauses(page: Page) -> None:
    charts(page).first.wait_for()
    settle(page)
    end = _cursor(page)
    page.get_by_role("button", name="Replay").click()
    pause = page.get_by_role("button", name="Pause")
    pause.wait_for()
    page.wait_for_function(CURSOR_BETWEEN, arg=[0, end / 2])
    early = _cursor(page)
    page.wait_for_function(CURSOR_BETWEEN, arg=[early + 1, end])
    later = _cursor(page)
    pause.click()
    page.get_by_role("button", name="Replay").wait_for()
    settle(page)
    stood = _cursor(page)
    assert 0 <= early < later <= stood < end
    page.wait_for_timeout(2_000)
    assert _cursor(page) == stood
    assert f"step={stood}" in page.url
    board = re.search(r"Step (\d+), at the training temperature", main(page).inner_text())
    assert board is not None
    assert int(board[1]) <= stood
    assert apologies(page) == []


def _cursor(page: Page) -> int:
    return int(page.evaluate(CURSOR))


def _has_torch(server: Server) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    return "libtorch" in Path(f"/proc/{server.process.pid}/maps").read_text()
