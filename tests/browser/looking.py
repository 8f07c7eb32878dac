"""What a person would see on a page, as questions to ask of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ikd.ui.shell import OWN_FAULT

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

PAGES = {"Home": "", "Data": "data", "Train": "train", "Run": "run", "Soft targets": "targets",
         "Example": "example", "Compare": "compare", "Runs": "runs", "Method": "method"}  # fmt: skip
"""Label in the menu to path in the address."""

OVERHANG = """() => [document.documentElement, document.body, document.querySelector('[data-testid=stMain]')]
    .map(one => one.scrollWidth - one.clientWidth)"""


def apologies(page: Page) -> list[str]:
    """Return what the page says of a fault of the lab itself: the lab's own words and Streamlit's."""
    found = page.locator("[data-testid=stException]").all_inner_texts()
    return [*found, *page.get_by_text(OWN_FAULT).all_inner_texts()]


def main(page: Page) -> Locator:
    """Return the page without its menu."""
    return page.locator("[data-testid=stMain]")


def badge(page: Page, word: str) -> Locator:
    """Return the state of the run at the head of its page, where it is this word."""
    return page.locator(".st-key-run-title .stMarkdownBadge").filter(has_text=re.compile(rf"\b{word}\s*$"))


def charts(page: Page) -> Locator:
    """Return the figures that are drawn."""
    return page.locator("[data-testid=stVegaLiteChart] :is(svg, canvas).marks")


def overhang(page: Page) -> int:
    """Return by how many pixels the page is wider than its window."""
    return int(max(page.evaluate(OVERHANG)))
