"""Addresses opened cold: a fresh server whose first visit is not to Home."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ikd.trace.folder import RunFolder
from tests.browser.looking import PAGES, apologies, main
from tests.browser.server import Server, open_another, open_browser, visit
from tests.synthetic import synthetic_run

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
TITLES = {"Home": "A teacher that learns to teach", "Data": "Data", "Train": "Train", "Run": "Which run?",
          "Soft targets": "Which run?", "Example": "Which run?", "Compare": "Compare", "Runs": "Runs", "Method": "Method"}  # fmt: skip


@pytest.fixture(scope="module")
def first_page() -> Iterator[Page]:
    """One browser for all servers; each test opens a visitor of its own in it."""
    with open_browser() as page:
        yield page


@pytest.mark.parametrize("label", PAGES)
def test_a_cold_deep_link_is_whole(first_page: Page, label: str) -> None:
    """Guards st.navigation's trap: a first visit to a deep link must not lose the frame, the labels or the title."""
    with Server() as server, open_another(first_page) as page:
        visit(page, f"{server.url}/{PAGES[label]}")
        main(page).get_by_role("heading", name=TITLES[label], exact=True).wait_for()
        assert page.title() == f"{label} · IKD Lab"
        links = page.locator("[data-testid=stSidebar] [data-testid=stPageLink-NavLink]")
        assert [link.inner_text().split("\n")[-1].strip() for link in links.all()] == list(PAGES)
        assert page.get_by_text("Page not found").count() == 0
        assert apologies(page) == []


def test_a_cold_link_to_a_run_shows_that_run(first_page: Page, home: Path) -> None:
    """Guards that an address with a run needs no earlier visit, and that nothing is asked of any other machine."""
    folder: RunFolder = synthetic_run()
    with Server() as server, open_another(first_page) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        visit(page, f"{server.url}/run?run={folder.id}")
        main(page).get_by_role("heading", name="reviews, the teacher learns from exams", exact=True).wait_for()
        main(page).get_by_text(folder.id, exact=True).wait_for()
        assert apologies(page) == []
        away = [one for one in asked if not one.startswith((server.url, "data:", "blob:"))]
        assert away == [], "the page asks other machines"
