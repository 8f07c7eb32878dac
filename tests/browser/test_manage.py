"""Managing a run from the list: the page refreshes every five seconds and must lose nothing meanwhile."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ikd.trace.notes import read_notes
from ikd.trace.store import list_runs
from tests.browser.looking import apologies, overhang
from tests.browser.server import Server, open_browser, settle, visit
from tests.synthetic import synthetic_run

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("one_home")]
TWO_LOOKS_MILLISECONDS = 11_000


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """One browser for the tests of this file."""
    with open_browser() as opened:
        yield opened


def open_menu(page: Page, run: str) -> None:
    """Open what stands behind the button at the end of a run's line."""
    page.get_by_role("button", name=f"Manage run {run}").click()
    page.get_by_label("Name").wait_for()
    settle(page)


def test_typed_words_stay_while_the_page_looks_again(page: Page, server: Server) -> None:
    """Guards the popover and the text in it against the fragment that is drawn again every five seconds."""
    folder = synthetic_run(3, n_steps=12)
    visit(page, f"{server.url}/runs")
    open_menu(page, folder.id)
    page.get_by_label("Name").fill("My *own* name")
    page.get_by_label("Note").fill("half a sent")
    page.wait_for_timeout(TWO_LOOKS_MILLISECONDS)
    assert page.get_by_label("Name").input_value() == "My *own* name"
    assert page.get_by_label("Note").input_value() == "half a sent"
    page.get_by_label("Note").press_sequentially("ence")
    page.get_by_role("button", name="Save").click()
    page.locator("a", has_text="My *own* name").wait_for()
    settle(page)
    notes = read_notes(folder.path)
    assert (notes.label, notes.text) == ("My *own* name", "half a sentence")
    assert apologies(page) == []


def test_a_run_is_downloaded_imported_and_deleted(page: Page, server: Server, tmp_path: Path) -> None:
    """Guards the whole way of a run out of one lab, into another, and off the disk."""
    folder = synthetic_run(3, n_steps=12)
    visit(page, f"{server.url}/runs")
    open_menu(page, folder.id)
    with page.expect_download() as given:
        page.get_by_role("button", name="Download the run").click()
    packed = tmp_path / given.value.suggested_filename
    given.value.save_as(packed)
    assert packed.name == f"{folder.id}.zip"
    with zipfile.ZipFile(packed) as archive:
        assert f"{folder.id}/trace.sqlite" in archive.namelist()
    page.keyboard.press("Escape")
    page.locator("input[type=file]").set_input_files(packed)
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_text("Imported as run").wait_for()
    settle(page)
    assert f"{folder.id}-2" in {one.id for one in list_runs()}
    open_menu(page, f"{folder.id}-2")
    assert page.get_by_role("button", name="Delete").is_disabled()
    page.get_by_text("Yes, delete this run for good").click()
    settle(page)
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name=f"Manage run {folder.id}-2").wait_for(state="detached")
    assert {one.id for one in list_runs()} >= {folder.id} and f"{folder.id}-2" not in {one.id for one in list_runs()}
    assert apologies(page) == []


def test_the_buttons_show_icons_alone_and_fit_a_telephone(page: Page, server: Server) -> None:
    """Guards the width of a run's line, with the words of its button there for who hears the page."""
    folder = synthetic_run(3, n_steps=12)
    visit(page, f"{server.url}/runs")
    button = page.get_by_role("button", name=re.compile(f"Manage run {folder.id}"))
    box = button.bounding_box()
    assert box is not None and box["width"] < 90
    page.set_viewport_size({"width": 390, "height": 800})
    settle(page)
    assert button.is_visible() and overhang(page) <= 0
    button.click()
    page.get_by_label("Name").wait_for()
    assert overhang(page) <= 0
    page.set_viewport_size({"width": 1280, "height": 900})
