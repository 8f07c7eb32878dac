"""The Data page in a real browser: a file is uploaded, looked at, settled and trained on; nothing in it runs; nothing is cut off."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.looking import apologies, main, overhang
from tests.browser.server import Server, open_browser, settle, visit

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
WAIT_MILLISECONDS = 180_000
ROWS = [f"<img src=x onerror=window.__hit=1> A **sentence** number {i}.,{('good', 'fine', 'bad')[i % 3]}" for i in range(90)]
FILE = "text,label\n" + "\n".join([*ROWS, *ROWS[:4]]) + "\n"


def _upload(page: Page, name: str, content: str) -> None:
    page.locator("[data-testid=stFileUploaderDropzoneInput]").first.set_input_files(
        {"name": name, "mimeType": "text/csv", "buffer": content.encode()}
    )  # fmt: skip


def _choose_files(page: Page, server: Server) -> None:
    visit(page, f"{server.url}/data")
    main(page).get_by_text("Ready to train").wait_for(timeout=WAIT_MILLISECONDS)
    page.locator(".st-key-set-data-task-name input").first.click()
    page.get_by_role("option", name=re.compile("^files")).click()
    settle(page)
    main(page).get_by_text("Give a training file, or upload one").wait_for(timeout=WAIT_MILLISECONDS)


def _part(page: Page, name: str) -> None:
    page.locator(".st-key-data-part").get_by_role("radio", name=name, exact=True).or_(
        page.locator(".st-key-data-part button", has_text=name)).first.click()  # fmt: skip
    settle(page)


def test_an_uploaded_file_is_looked_at_settled_and_trained_on(server: Server) -> None:
    with open_browser(width=1400, height=1200) as page:
        _choose_files(page, server)
        _upload(page, "mine.csv", FILE)
        main(page).get_by_text(re.compile(r"Ready to train: .* in 3 classes")).wait_for(timeout=WAIT_MILLISECONDS)
        finding = page.locator(".st-key-finding-repeated")
        finding.get_by_text("4 training rows are the same as another one").wait_for()
        finding.locator("input").first.click()
        page.get_by_role("option", name=re.compile("^drop")).click()
        main(page).get_by_text("4 training rows repeat an earlier row, and were dropped").wait_for(timeout=WAIT_MILLISECONDS)
        for part, shown in (("Rows", "94 rows"), ("Labels", "Edit a class to rename it"), ("Splits", "Equal bars of a class"),
                            ("Lengths", "read at most 128 tokens")):  # fmt: skip
            _part(page, part)
            main(page).get_by_text(shown).first.wait_for(timeout=WAIT_MILLISECONDS)
        _part(page, "First batch")
        main(page).get_by_text("Soft target of the teacher as it stands").wait_for(timeout=WAIT_MILLISECONDS)
        assert "<img src=x" in page.locator(".st-key-text-batch").inner_text()
        page.get_by_role("link", name="Choose models and train").click()
        page.wait_for_url(re.compile("/train"))
        page.locator(".st-key-start button").wait_for(timeout=WAIT_MILLISECONDS)
        named = page.locator(".st-key-set-task-train_file input")
        assert re.search(r"mine-[0-9a-f]{12}\.csv$", named.input_value())
        page.locator("[data-testid=stSidebar]").get_by_role("link", name="Data", exact=True).click()
        main(page).get_by_text(re.compile(r"Ready to train: .* in 3 classes")).wait_for(timeout=WAIT_MILLISECONDS)
        assert page.evaluate("() => window.__hit") is None
        assert apologies(page) == []


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1400, True)])
def test_nothing_is_cut_off_on_a_telephone_or_in_the_dark(server: Server, width: int, dark: bool) -> None:
    with open_browser(width=width, height=900, dark=dark) as page:
        _choose_files(page, server)
        _upload(page, "mine.csv", FILE)
        main(page).get_by_text(re.compile("Ready to train")).wait_for(timeout=WAIT_MILLISECONDS)
        for part in ("Findings", "Rows", "Labels", "Splits", "Lengths"):
            _part(page, part)
            page.wait_for_timeout(500)
            assert overhang(page) <= 0, part
        assert apologies(page) == []
