"""The first thing a visitor does: press the demo's button and watch the teacher unlearn its shortcut.

The demo's own settings take minutes; `benchmarks/demo_time.py` measures them.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.looking import apologies, badge, charts, main
from tests.browser.server import Server, open_browser, visit
from tests.browser.small_demo import entry_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
FIRST_POINT_SECONDS = 240
WHOLE_DEMO_SECONDS = 500
TEACHER = re.compile(r"teacher ([\d.]+) at step 0, ([\d.]+) at step \d+")
CONTRADICTS = re.compile(r"cue contradicts ([\d.]+) at step 0, ([\d.]+) at step \d+")


def test_the_demo_shows_reliance_fall_and_the_contradicting_group_rise(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards the whole path button, run, live figures, 100 %, final scores, with no other page or command."""
    with Server(entry_page(tmp_path), environment={"IKD_HOME": str(home)}) as server, open_browser() as page:
        visit(page, server.url)
        pressed = time.monotonic()
        page.get_by_role("button", name="Start the demo").click()
        page.wait_for_url(re.compile(r"/run\?run=[a-z0-9-]+"))
        reading = main(page).locator(".st-key-newest").get_by_text(re.compile(r"^\s*[01]\.\d{3}\s*$"))
        reading.first.wait_for(timeout=FIRST_POINT_SECONDS * 1000)
        first_point = time.monotonic() - pressed
        charts(page).first.wait_for()
        badge(page, "finished").wait_for(timeout=WHOLE_DEMO_SECONDS * 1000)
        whole = time.monotonic() - pressed
        with capsys.disabled():
            print(f"\ndemo: first point after {first_point:.1f} s, finished after {whole:.1f} s")
        main(page).get_by_text("100%").wait_for()
        main(page).get_by_role("heading", name="Final scores").wait_for()
        main(page).locator(".st-key-final-test [data-testid=stDataFrame]").wait_for()
        before, after = _said(page, "reliance", TEACHER)
        assert after < before / 2
        main(page).locator(".st-key-curves-whose").get_by_role("radio", name="Teacher").click()
        before, after = _said(page, "groups_teacher", CONTRADICTS)
        assert after > before + 0.1
        main(page).locator(".st-key-board-misled").get_by_text(re.compile("because it begins with")).wait_for()
        assert apologies(page) == []


def _said(page: Page, figure: str, words: re.Pattern[str]) -> tuple[float, float]:
    """Return the first and the newest value that a figure's description names."""
    button = main(page).locator(f".st-key-chart-{figure}-0 button[aria-label^='Show data']")
    button.wait_for(state="attached")
    found = words.search(button.get_attribute("aria-label") or "")
    assert found is not None, button.get_attribute("aria-label")
    return float(found[1]), float(found[2])
