"""The views below the canvases under a person's hand: what is clicked is selected, nothing is cut off, all can be reached."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ikd.config import build_config
from ikd.events import StepTaken
from ikd.trace.folder import RunFolder
from ikd.trace.measures import divergence
from ikd.trace.reader import TraceReader
from ikd.trace.recorder import Recorder
from ikd.trace.store import new_run
from ikd.ui.targets.words import VIEWS
from tests.browser.looking import apologies, main, overhang
from tests.browser.server import Server, errors_of, open_another, open_browser, settle, visit
from tests.rehearsal import rehearsal
from tests.synthetic import events, synthetic_run

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("one_home")]

# Where the mark of an example stands in a figure of Vega, in pixels of the window.
PLACE = """([figure, example]) => {
    const marks = [...document.querySelectorAll(`[class*="st-key-${figure}"] svg .mark-symbol path`)];
    const found = marks.find(one => one.__data__?.datum?.kind === 'point' && one.__data__.datum.example === example);
    if (!found) return null;
    found.scrollIntoView({block: 'center'});
    const box = found.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
}"""
CANVAS = """which => { const find = node => node.querySelector?.('.' + which) ?? [...(node.querySelectorAll?.('*') ?? [])]
    .map(one => one.shadowRoot && find(one.shadowRoot)).find(Boolean); return find(document.body).ikdView; }"""
# Words that are drawn on less room than they need, or beyond the window.
CUT = """() => {
    const main = document.querySelector('[data-testid=stMain]'), found = [];
    const hidden = one => ['hidden', 'clip'].includes(getComputedStyle(one).overflowX);
    for (const one of main.querySelectorAll('p, label, button, h1, h2, h3, summary, [data-testid=stCaptionContainer]')) {
        const box = one.getBoundingClientRect();
        if (!box.width || one.closest('[data-testid=stDataFrame], .katex, [role=tooltip]')) continue;
        if (one.scrollWidth > one.clientWidth + 1 && hidden(one)) found.push(one.innerText.slice(0, 60));
        else if (box.right > innerWidth + 1) found.push('beyond: ' + one.innerText.slice(0, 60));
    }
    for (const one of main.querySelectorAll('svg.marks')) {
        const frame = one.getBoundingClientRect();
        for (const word of one.querySelectorAll('text')) {
            const box = word.getBoundingClientRect();
            if (word.textContent && box.width && +getComputedStyle(word).opacity && (box.right > Math.min(frame.right, innerWidth) + 2
                || box.left < frame.left - 2) && !word.closest('[clip-path]')) found.push('figure: ' + word.textContent);
        }
    }
    return [...new Set(found)];
}"""


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Page]:
    with open_browser(width=1500, height=1300) as page:
        yield page


def open_targets(page: Page, server: Server, folder: RunFolder, **address: str) -> None:
    """Open the page of a run and wait until both canvases are drawn."""
    visit(page, f"{server.url}/targets?run={folder.id}" + "".join(f"&{name}={value}" for name, value in address.items()))
    for which in ("player", "heat"):
        page.locator(f".{which}[data-draw-ms]").first.wait_for()
    settle(page)


def expect_example(page: Page, example: int) -> None:
    """Wait until an example is selected in the address, the bar, both canvases and the drawn view."""
    page.wait_for_url(re.compile(rf"[?&]ex={example}(&|$)"))
    settle(page)
    main(page).get_by_text(re.compile(rf"^Example {example} · label")).first.wait_for()
    main(page).get_by_text(re.compile(rf"^Example {example}; ")).first.wait_for()
    for which in ("player", "heat"):
        page.wait_for_function(f"example => ({CANVAS})('{which}').selected === example", arg=example)


def click_point(page: Page, figure: str, example: int) -> None:
    """Click the mark of an example in a figure of Vega."""
    page.wait_for_function(PLACE, arg=[figure, example])
    page.wait_for_timeout(100)  # the page scrolls there
    x, y = page.evaluate(PLACE, [figure, example])
    page.mouse.click(x, y)


def test_points_of_both_data_maps_and_of_the_gain_figure_select_everywhere(server: Server, page: Page) -> None:
    """Guards the second map after a click in the first, and a second click on a point that was left by other means."""
    open_targets(page, server, synthetic_run(3, n_probe=12), ex="0", step="40", view="map")
    for figure, example in (("map-teacher", 5), ("map-student", 9), ("map-student", 7), ("map-teacher", 5)):
        click_point(page, figure, example)
        expect_example(page, example)
        page.locator(f"[class*=st-key-{figure}] svg").get_by_text(f"example {example}").first.wait_for()
    page.get_by_text("Drift and gain").first.click()
    settle(page)
    click_point(page, "gain-", 3)
    expect_example(page, 3)
    page.locator(".st-key-example-after button").first.click()
    page.wait_for_url(lambda url: not re.search(r"[?&]ex=3(&|$)", url))
    settle(page)
    click_point(page, "gain-", 3)
    expect_example(page, 3)
    assert apologies(page) == []


def test_a_zoom_in_one_panel_of_the_ribbons_is_one_in_all(server: Server, page: Page) -> None:
    open_targets(page, server, synthetic_run(3, n_probe=12), ex="0", view="ribbons")
    figure = page.locator(".st-key-ribbons svg.marks").first
    figure.wait_for()

    def steps_of_the_last() -> list[str]:
        return [one for one in figure.locator(".role-axis-label text").all_text_contents() if one.isdigit()]

    assert "60" in steps_of_the_last()
    figure.evaluate("one => one.scrollIntoView({block: 'start'})")
    page.wait_for_timeout(300)
    box = figure.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
    page.mouse.wheel(0, -600)
    page.wait_for_function("() => ![...document.querySelectorAll('.st-key-ribbons svg .role-axis-label text')]"
                           ".some(one => one.textContent === '60')")  # fmt: skip
    assert steps_of_the_last(), "the axis under the last panel has the zoom of the first"
    page.locator(".st-key-targets-step button").filter(has_text="Back").first.click()
    settle(page)
    assert "60" not in steps_of_the_last(), "the zoom outlives new data"


def rehearsed() -> RunFolder:
    """A finished run whose training examples have feedback."""
    folder = new_run(build_config({"training.steps": 40, "policy.exam_start": 3}))
    with Recorder(folder) as recorder:
        for event in rehearsal(40, n_probe=12):
            recorder.record(event)
    folder.write_state(replace(folder.state(), state="finished", stage="done", step=40, total=40))
    return folder


def test_a_picture_of_the_course_log_opens_the_example_that_was_clicked(server: Server, page: Page) -> None:
    """Guards the step too: a click there chooses an example and moves nothing."""
    open_targets(page, server, rehearsed(), ex="0", step="20", view="course")
    canvas = page.locator(".st-key-course-heat-canvas canvas.picture")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    canvas.hover(position={"x": box["width"] * 0.5, "y": 70})
    tip = page.locator(".st-key-course-heat-canvas .tip").inner_text()
    example = re.search(r"Example (\d+) at", tip)
    assert example is not None
    canvas.click(position={"x": box["width"] * 0.5, "y": 70})
    page.get_by_text(f"Open training example {example[1]}:").first.wait_for()
    settle(page)
    assert "step=20" in page.url and "ex=0" in page.url
    page.get_by_text(f"Open training example {example[1]}:").first.click()
    page.wait_for_url(re.compile(rf"/example\?.*ex={example[1]}(&|$)"))
    settle(page)
    assert "split=course" in page.url and apologies(page) == []


def test_no_table_offers_a_csv_in_which_a_text_is_a_formula(server: Server, page: Page) -> None:
    open_targets(page, server, synthetic_run(3, n_probe=12, texts=("=1+1",)), ex="0", view="table")
    page.locator(".st-key-drift-table").hover()
    toolbar = page.locator(".st-key-drift-table").locator("xpath=..").locator("[data-testid=stElementToolbarButton]:visible")
    toolbar.first.wait_for()
    names = [one.get_attribute("aria-label") or "" for one in toolbar.locator("button").all()]
    assert any(name.startswith("Fullscreen") for name in names) and not any("CSV" in name for name in names)
    page.locator(".st-key-more-table summary").click()
    with page.expect_download() as download:
        page.locator(".st-key-save-table-csv button").click()
    text = Path(download.value.path()).read_text("utf-8")
    assert "'=1+1" in text and not re.search(r"(^|,)=1\+1", text, re.MULTILINE)


@contextmanager
def growing(config_steps: int = 400) -> Iterator[tuple[RunFolder, object]]:
    """A run at work in this process, and a function that records its steps up to one."""
    config = build_config({"training.steps": config_steps, "record.probe_size": 20, "record.probe_every": 1})
    folder, source, ended = new_run(config), events(config, 3), Event()

    def beat() -> None:
        while not ended.wait(0.5):
            folder.write_state(replace(folder.state(), heartbeat=time.time()))

    with Recorder(folder) as recorder:
        def upto(step: int) -> None:
            for event in source:
                recorder.record(event)
                if isinstance(event, StepTaken) and event.step >= step:
                    break

        folder.write_state(replace(folder.state(), state="running", stage="teaching", total=config_steps))
        heart = Thread(target=beat, daemon=True)
        heart.start()
        try:
            yield folder, upto
        finally:
            ended.set()
            heart.join()


def furthest(folder: RunFolder) -> list[str]:
    """Return the probe examples by the student's divergence from the teacher at the newest reading, the largest first."""
    reader = TraceReader(folder)
    teacher, student = (reader.reading_at(role, 10**6) for role in ("teacher", "student"))
    assert teacher is not None and student is not None
    return [str(one) for one in np.argsort(-divergence(teacher, student, 2.0), kind="stable")]


def test_a_sorted_table_keeps_its_rows_while_data_arrive(server: Server, page: Page) -> None:
    with growing() as (folder, upto):
        upto(60)  # type: ignore[operator]
        open_targets(page, server, folder, ex="0", view="table")
        page.locator(".st-key-table-order input").first.scroll_into_view_if_needed()
        settle(page)
        page.locator(".st-key-table-order input").first.click()
        page.get_by_role("option", name="student furthest from teacher", exact=True).click()
        settle(page)
        rows = page.locator(".st-key-drift-table [role=row] [role=gridcell][aria-colindex='1']")
        # A table draws its rows a moment after the page stands: the gaps of these rows must fall.
        page.wait_for_function("ids => [...document.querySelectorAll(\"[aria-colindex='1'][role=gridcell]\")].slice(0, 5)"
                               ".map(one => one.innerText).join() === ids.join()", arg=furthest(folder)[:5])  # fmt: skip
        before = rows.all_inner_texts()
        upto(90)  # type: ignore[operator]
        page.get_by_role("button", name=re.compile("Refresh to step")).wait_for(timeout=30_000)
        assert rows.all_inner_texts() == before, "the rows stand while data arrive"
        page.locator(".st-key-drift-table .dvn-scroller").click(position={"x": 300, "y": 35 * 4 + 18})
        expect_example(page, int(before[3]))
    assert apologies(page) == []


def test_playing_moves_the_line_of_the_heat_map_and_makes_no_fault(server: Server, page: Page) -> None:
    with open_another(page, width=1500, height=1300) as fresh:
        open_targets(fresh, server, synthetic_run(3, n_probe=12, n_steps=300), ex="0")
        fresh.locator(".player .play").click()
        fresh.wait_for_function(f"() => ({CANVAS})('heat').played > 20")
        assert "as the player has it" in fresh.locator(".heat .where").first.inner_text()
        fresh.locator(".player .play").click()
        fresh.wait_for_url(re.compile(r"[?&]step=\d+"))
        settle(fresh)
        fresh.wait_for_function(f"() => ({CANVAS})('heat').shownStep === ({CANVAS})('player').pinned")
        assert not [one for one in errors_of(fresh) if "TypeError" in one]


def test_the_keys_of_the_player_walk_in_the_order_of_the_page(server: Server, page: Page) -> None:
    open_targets(page, server, synthetic_run(3, n_probe=12), ex="0")
    page.locator(".st-key-example-after button").first.click()
    page.wait_for_url(lambda url: not re.search(r"[?&]ex=0(&|$)", url))
    settle(page)
    second = re.search(r"[?&]ex=(\d+)", page.url)
    open_targets(page, server, RunFolder(Path(re.search(r"run=([\w-]+)", page.url)[1])), ex="0")  # type: ignore[index]
    page.locator(".player canvas.picture").press("n")
    assert second is not None
    expect_example(page, int(second[1]))


def test_the_menu_leads_to_the_same_run_example_and_step(server: Server, page: Page) -> None:
    folder = synthetic_run(3, n_probe=12)
    open_targets(page, server, folder, ex="7", step="20", t="1")
    for label, path in (("Example", "example"), ("Soft targets", "targets")):
        page.locator("[data-testid=stSidebar]").get_by_text(label, exact=True).click()
        page.wait_for_url(re.compile(rf"/{path}\?.*step=20"))
        settle(page)
        assert all(part in page.url for part in (f"run={folder.id}", "ex=7", "t=1"))
    page.locator("[data-testid=stSidebar]").get_by_text("Run", exact=True).click()
    page.wait_for_url(re.compile(r"/run\?.*step=20"))
    settle(page)
    assert folder.id in page.url and re.search(r"[?&]ex=7(&|%2C|,|$)", page.url), "on the board, its example comes first"
    assert apologies(page) == []


def test_the_tab_key_reaches_everything_that_can_be_used(server: Server, page: Page) -> None:
    """Guards whoever has no mouse: every button, field and canvas of the page comes under the focus."""
    open_targets(page, server, synthetic_run(3, n_probe=12), ex="0", step="20", view="table")
    page.evaluate("() => { window.__reached = new Set(); document.body.focus(); }")
    note = """() => { let at = document.activeElement; while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
        const seen = window.__reached.has(at); window.__reached.add(at); return seen; }"""
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate(note) and page.evaluate("() => window.__reached.size") > 30:
            break
    missed = page.evaluate("""() => { const inGroup = one => [...(one.closest('[role=toolbar], [role=radiogroup]')
            ?.querySelectorAll('button') ?? [])].some(other => window.__reached.has(other));
        const all = [], walk = node => { for (const one of node.querySelectorAll('*')) {
            if (one.shadowRoot) walk(one.shadowRoot);
            if (one.matches('button, input:not([type=radio]), canvas.picture, summary, a[href]')) all.push(one); } };
        walk(document.querySelector('[data-testid=stMain]'));
        return all.filter(one => one.checkVisibility({checkVisibilityCSS: true, checkOpacity: true}) && !one.disabled
            && one.getAttribute('tabindex') !== '-1' && !inGroup(one) && !one.closest('[data-testid=stElementToolbar]')
            && !window.__reached.has(one))
            .map(one => one.getAttribute('aria-label') || one.innerText || one.outerHTML.slice(0, 120)); }""")
    assert missed == []
    group = page.locator(".st-key-targets-view button")
    group.first.focus()
    group.first.press("ArrowRight")
    assert group.nth(1).evaluate("one => one === document.activeElement"), "inside a group of choices the arrows move"


@pytest.mark.parametrize("n_classes", [2, 3, 8])
def test_on_a_telephone_nothing_of_any_view_is_cut_off(server: Server, page: Page, n_classes: int) -> None:
    folder = synthetic_run(n_classes, n_probe=12)
    with open_another(page, width=390, height=800) as telephone:
        for view in VIEWS:
            open_targets(telephone, server, folder, ex="3", step="20", view=view)
            telephone.wait_for_timeout(300)
            assert overhang(telephone) <= 0, view
            assert telephone.evaluate(CUT) == [], view
