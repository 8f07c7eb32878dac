"""The first thing a visitor does: press the demo's button and watch it to its end."""

from __future__ import annotations

import re
import time

import pytest

from tests.browser.looking import apologies, badge, charts, main
from tests.browser.server import Server, open_browser, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1500)]
FIRST_POINT_SECONDS = 240
WHOLE_DEMO_SECONDS = 900


def test_the_demo_runs_to_its_end_before_the_eyes(capsys: pytest.CaptureFixture[str]) -> None:
    """Guards the whole path button, run, live figures, 100 %, final scores, with no other page or command."""
    with Server() as server, open_browser() as page:
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
        assert apologies(page) == []
