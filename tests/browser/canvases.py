"""The page of `canvas_page.py` in a browser: both canvases, the hands on them, and what Python was told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser.server import settle, visit

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

PAGE = Path(__file__).parent / "canvas_page.py"
BOTH_DRAWN = """() => [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]
    .filter(one => one.shadowRoot?.querySelector('[data-draw-ms]')).length === 2"""


def open_page(page: Page, address: str) -> None:
    """Open an address and wait until both canvases are drawn."""
    visit(page, address)
    page.wait_for_function(BOTH_DRAWN)


def player(page: Page) -> Locator:
    return page.locator(".player")


def picture(page: Page, which: str = ".player") -> Locator:
    return page.locator(f"{which} canvas")


def expect_words(page: Page, words: str, which: str = ".player") -> None:
    """Wait until the words of the cursor hold some words; they are drawn with the next frame of the screen."""
    page.locator(f"{which} .where").filter(has_text=words).wait_for()


def expect_python(page: Page, pattern: str) -> re.Match[str]:
    """Wait until the page's own words say what Python has."""
    page.get_by_text(re.compile(f"python has {pattern}")).wait_for()
    settle(page)
    found = re.search(f"python has {pattern}", page.get_by_text("python has").inner_text())
    assert found is not None
    return found


def bytes_when_quiet(page: Page, received: list[int]) -> int:
    """Return how many bytes have come, once a still page has got no more of them for a while."""
    seen = -1
    while seen != len(received):
        seen = len(received)
        page.wait_for_timeout(300)
        settle(page)
    return sum(received)


def scrub(page: Page, frame: int) -> None:
    """Drag the scrubber as a hand would: it moves, and comes to rest."""
    player(page).get_by_role("slider", name="Step shown").fill(str(frame))
