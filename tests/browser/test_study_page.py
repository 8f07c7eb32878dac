"""Studies on the Compare page: the recorded one as a person reads it, its report offline, and one's own from paste to verdict."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ikd.study import StudyFolder, study_text
from tests.browser.looking import apologies, charts, main, overhang
from tests.browser.server import Server, open_another, open_browser, settle, visit
from tests.small_studies import tiny_study

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("one_home")]
MOST_BYTES = 5_000_000
STUDY_MILLISECONDS = 120_000


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """One browser for the tests of this file."""
    with open_browser() as opened:
        yield opened


@pytest.mark.parametrize("width", [1400, 390])
def test_the_recorded_study_is_read_without_a_run(page: Page, server: Server, width: int) -> None:
    with open_another(page, width=width) as tab:
        visit(tab, f"{server.url}/compare?study=quick")
        said = main(tab).inner_text()
        assert "180 of 180 runs are done" in said and "recorded with the lab" in said.lower()
        assert "exam better than KD by" in said and "differs at equal compute" in said
        charts(tab).first.wait_for()
        assert overhang(tab) == 0 and apologies(tab) == []


def test_the_report_is_one_file_that_opens_offline(page: Page, server: Server, tmp_path: Path) -> None:
    visit(page, f"{server.url}/compare?study=quick")
    with page.expect_download() as given:
        page.get_by_role("button", name="Report as HTML").click()
    report = tmp_path / given.value.suggested_filename
    given.value.save_as(report)
    assert 20_000 < report.stat().st_size < MOST_BYTES
    with open_another(page) as tab:
        asked: list[str] = []
        tab.context.set_offline(True)
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(report.as_uri())
        words = tab.locator("body").inner_text()
        assert "exam better than KD by 0.050 nats" in words and "No difference" in words and "python -m ikd study quick" in words
        assert tab.locator("svg").count() >= 2 and tab.locator("table").count() >= 3
        assert [one for one in asked if not one.startswith(("file:", "data:"))] == []


def test_a_study_of_ones_own_goes_from_paste_to_verdict(page: Page, server: Server) -> None:
    study = tiny_study(name="pasted", title="Pasted in a browser")
    visit(page, f"{server.url}/compare?study=own:")
    box = page.get_by_label("The study as YAML")
    box.fill("name: pasted\nseeds: [")
    box.press("Control+Enter")
    main(page).get_by_text("The study is not YAML").first.wait_for()
    settle(page)
    assert box.input_value().startswith("name: pasted")
    box.fill(study_text(study))
    box.press("Control+Enter")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url("**study=pasted*")
    main(page).get_by_text("4 of 4 runs are done").first.wait_for(timeout=STUDY_MILLISECONDS)
    main(page).get_by_text("cannot give less than").first.wait_for()
    settle(page)
    folder = StudyFolder("pasted")
    assert folder.sessions()[-1]["how"] == "finished" and {row.state for row in folder.rows().values()} == {"done"}
    page.get_by_role("button", name="Compare these 2 runs").click()
    page.wait_for_url("**runs=*")
    settle(page)
    assert "pasted: exam" in main(page).inner_text() and apologies(page) == []
