"""The Train page with a hand on it: presets, a refused combination, a start, a stop; and addresses of nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from ikd.config import PRESETS
from ikd.ui.state import setting_key
from tests.browser.looking import apologies, badge, main
from tests.browser.server import WAIT_MILLISECONDS, Server, open_browser, settle, visit

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser
STOP_MILLISECONDS = 60_000
NO_RUNS = ("20200101-000000-no-such-run", "../../etc/passwd", "<script>window.__hit=1</script>", "recorded:nothing", "A" * 300)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests here."""
    with Server(environment={"IKD_HOME": str(tmp_path_factory.mktemp("train"))}) as server:
        yield server


@pytest.mark.slow
def test_preset_refusal_start_and_stop(server: Server) -> None:
    """Guards the way to a person's own run: a preset fills in, a bad pair gets a sentence, a good one starts."""
    with open_browser(width=1500, height=1400) as page:
        visit(page, f"{server.url}/train")
        _choose_preset(page, PRESETS["irony"].title)
        main(page).get_by_text(f"Look for: {PRESETS['irony'].look_for[:40]}").wait_for()
        _expect_value(_number(page, "training.steps"), "500")
        _type(page, "policy.exam_start", "9000")
        main(page).get_by_text("The first exam would be at step 9000, but the run ends after 500 steps").wait_for()
        # The button that is off is another than the one that starts, and for a moment both stand on the page.
        _expect_able(page.locator(".st-key-start-refused button"), False)
        start = page.locator(".st-key-start button")
        _type(page, "policy.exam_start", "20")
        main(page).get_by_text("The first exam would be").wait_for(state="detached")
        _expect_able(start, True)
        assert apologies(page) == []
        start.click()
        page.wait_for_url(re.compile(r"/run\?run=[a-z0-9-]+-irony-"))
        main(page).locator("[data-testid=stProgress]").first.wait_for()
        main(page).get_by_role("button", name="Stop", exact=True).click()
        badge(page, "stopped").wait_for(timeout=STOP_MILLISECONDS)
        assert apologies(page) == []


@pytest.mark.parametrize("run", NO_RUNS)
def test_an_address_of_no_run_is_answered_politely(server: Server, run: str) -> None:
    """Guards against a fault, a path or markup from the address: one sentence, and a way on."""
    with open_browser() as page:
        visit(page, f"{server.url}/run?run={run}")
        main(page).locator("[data-testid=stAlert]").first.wait_for()
        assert main(page).get_by_role("link", name="All runs").is_visible()
        assert page.evaluate("() => window.__hit") is None
        assert "root:" not in main(page).inner_text()
        assert apologies(page) == []


def test_a_preset_in_the_address_fills_in_and_a_wrong_one_is_named(server: Server) -> None:
    """Guards links to presets, which lessons and the documentation hold."""
    with open_browser() as page:
        visit(page, f"{server.url}/train?preset=too_fast")
        main(page).get_by_text(PRESETS["too_fast"].look_for[:40]).wait_for()
        visit(page, f"{server.url}/train?preset=dem")
        main(page).get_by_text(re.compile("preset 'dem'")).wait_for()
        assert apologies(page) == []


def _expect_value(field: Locator, value: str) -> None:
    from playwright.sync_api import expect

    expect(field).to_have_value(value, timeout=WAIT_MILLISECONDS)


def _expect_able(button: Locator, able: bool) -> None:
    from playwright.sync_api import expect

    expect(button).to_be_enabled(enabled=able, timeout=WAIT_MILLISECONDS)


def _choose_preset(page: Page, title: str) -> None:
    page.locator(".st-key-preset-choice input").first.click()
    page.get_by_role("option", name=title).click()
    settle(page)


def _number(page: Page, setting: str) -> Locator:
    return page.locator(f".st-key-{setting_key(setting)} input")


def _type(page: Page, setting: str, value: str) -> None:
    field = _number(page, setting)
    field.fill(value)
    field.press("Enter")
