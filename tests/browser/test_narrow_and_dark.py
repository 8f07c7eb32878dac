"""Every page on a telephone and in the dark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.browser.looking import PAGES, apologies, charts, main, overhang
from tests.browser.server import Server, open_browser, settle, visit
from tests.synthetic import synthetic_run

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
NARROW = 390
OF_A_RUN = ("Run", "Soft targets", "Example")
# How light the page's ground is, 0 to 255.
GROUND = """() => { const [r, g, b] = getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor
    .match(/\\d+/g).map(Number); return (r + g + b) / 3; }"""


@dataclass(frozen=True, kw_only=True)
class Look:
    """One server with one finished run, and one page in front of it."""

    page: Page
    url: str
    run: str


@pytest.fixture(scope="module", params=[False, True], ids=["light", "dark"])
def narrow(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Look]:
    """A telephone's window, in the light and in the dark."""
    home = tmp_path_factory.mktemp("narrow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IKD_HOME", str(home))
        run = synthetic_run().id
        with Server() as server, open_browser(width=NARROW, height=800, dark=request.param) as page:
            visit(page, server.url)
            light = page.evaluate(GROUND)
            assert light < 64 if request.param else light > 192, "the page does not follow the reader's light or dark"
            yield Look(page=page, url=server.url, run=run)


@pytest.mark.parametrize("label", PAGES)
def test_no_page_is_wider_than_a_telephone(narrow: Look, label: str) -> None:
    """Guards reading on a narrow screen: a page scrolls down, never sideways."""
    page = narrow.page
    visit(page, f"{narrow.url}/{PAGES[label]}{f'?run={narrow.run}' if label in OF_A_RUN else ''}")
    if label in OF_A_RUN:
        charts(page).first.wait_for()
        settle(page)
    assert main(page).locator("h1, h2").first.is_visible()
    assert overhang(page) <= 0
    assert apologies(page) == []
