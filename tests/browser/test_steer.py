"""A run steered from its page: paused, stepped, changed, resumed, stopped, and resumed again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.looking import apologies, badge, main
from tests.browser.server import Server, open_browser, visit
from tests.browser.training import Training
from tests.small_runs import SMALL

pytestmark = [pytest.mark.browser, pytest.mark.slow]
VALUES = {**SMALL, "training.steps": 4000, "record.checkpoint_every": 20}
SECONDS = 180.0


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def test_a_run_is_paused_stepped_changed_resumed_and_stopped(server: Server, home_of_all: Path) -> None:
    with Training(home_of_all, VALUES) as training, open_browser(height=1400) as page:
        folder = training.folder
        until(lambda: folder.state().state == "running" and folder.state().step > 12)
        visit(page, f"{server.url}/run?run={folder.id}")

        def press(key: str) -> None:
            main(page).get_by_role("button", name=key, exact=True).click()

        press("Pause")
        badge(page, "paused").wait_for()
        step = folder.state().step
        time.sleep(1.0)
        assert folder.state().step == step
        page.get_by_text(f"Paused after step {step} of 4000").wait_for()
        press("Step")
        page.get_by_text(f"Paused after step {step + 1} of 4000").wait_for()
        assert folder.state().step == step + 1
        page.get_by_role("button", name="Steer").click()
        page.locator("[class*=st-key-steer-objective] input[aria-label=Alpha]").fill("0.4")
        page.get_by_role("button", name="Change", exact=True).click()
        page.get_by_text("Changes made on the way").wait_for()
        page.keyboard.press("Escape")
        page.locator("[data-testid=stVegaLiteChart]").get_by_text("alpha 0.4").first.wait_for()
        press("Resume")
        badge(page, "running").wait_for()
        until(lambda: folder.state().step > step + 10)
        press("Stop")
        badge(page, "stopped").wait_for()
        ended = folder.state().step
        training.process.wait(240)
        press("Resume")
        badge(page, "running").wait_for()
        until(lambda: folder.state().step > ended)
        press("Stop")
        badge(page, "stopped").wait_for()
        assert folder.state().attempt == 2 and apologies(page) == []
