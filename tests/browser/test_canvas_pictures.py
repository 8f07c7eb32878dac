"""What the simplex player and the heat map draw and say, on a page of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ikd.ui.simplex_player import LONGEST_ARROW
from tests.browser.canvases import PAGE, expect_words, open_page, picture, player, scrub
from tests.browser.looking import overhang
from tests.browser.server import Server, errors_of, open_another, open_browser, visit

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
# The picture as it is drawn now, as text.
PAINTED = "root => { root.ikdView.draw(); return root.querySelector('canvas').toDataURL(); }"
# Of the one point of a page: how far the dots of its arrow reach in the plane, and its displacement.
REACH_OF_ARROW = """root => {
    const canvas = root.querySelector('canvas'), ctx = canvas.getContext('2d'), tick = root.querySelector('input.arrows');
    const dots = on => { tick.checked = on; root.ikdView.draw(); return ctx.getImageData(0, 0, canvas.width, canvas.height).data; };
    const [without, all] = [dots(false), dots(true)];
    let box = [Infinity, -Infinity, Infinity, -Infinity];
    for (let k = 0; k < all.length; k += 4) {
        const [x, y] = [(k / 4) % canvas.width, Math.floor(k / 4 / canvas.width)];
        if ([0, 1, 2].some(c => all[k + c] !== without[k + c]))
            box = [Math.min(box[0], x), Math.max(box[1], x), Math.min(box[2], y), Math.max(box[3], y)];
    }
    const { frames, plan } = root.ikdView, reach = frames.reach.at(-1);
    const [dx, dy] = [...frames.arrows.at(-1)].map(level => (2 * level / 65534 - 1) * reach);
    return [Math.hypot((box[1] - box[0]) / plan.sx, (box[3] - box[2]) / plan.sy), Math.hypot(dx, dy)];
}"""
# The squares of the labels in the legend, all painted in one colour.
SQUARES_IN_GREY = """root => {
    const view = root.ikdView, ctx = root.querySelector('canvas').getContext('2d');
    view.ground.light = view.ground.dark = ['#888888'];
    view.draw();
    const { legend } = view.plan;
    return legend.entries.filter(one => !one.kind).map(one =>
        ctx.getImageData(Math.round(legend.x + one.x) + 3, Math.round(legend.y + one.y) + 5, 11, 11).data.join());
}"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(PAGE) as started:
        yield started


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    with open_browser(height=1600) as opened:
        yield opened


@pytest.fixture
def page(server: Server, browser_page: Page) -> Page:
    """Return a page that was loaded anew: a session of its own."""
    open_page(browser_page, server.url)
    return browser_page


def test_arrows_belong_to_the_teacher(page: Page) -> None:
    arrows, show = player(page).locator("input.arrows"), player(page).get_by_role("group", name="Show")
    with_arrows = player(page).evaluate(PAINTED)
    arrows.uncheck()
    assert player(page).evaluate(PAINTED) != with_arrows
    show.get_by_role("radio", name="student").check()
    alone = player(page).evaluate(PAINTED)
    assert arrows.is_disabled()
    show.get_by_role("radio", name="teacher").check()
    player(page).evaluate(PAINTED)
    arrows.check()
    show.get_by_role("radio", name="student").check()
    assert player(page).evaluate(PAINTED) == alone


@pytest.mark.parametrize("scale", [150, 300, 100_000])
def test_an_arrow_is_its_displacement_by_one_factor_up_to_the_longest(server: Server, browser_page: Page, scale: int) -> None:
    open_page(browser_page, f"{server.url}/?points=1&frames=6&scale={scale}")
    drawn, displacement = player(browser_page).evaluate(REACH_OF_ARROW)
    assert displacement > 1e-4
    assert drawn == pytest.approx(min(scale * displacement, LONGEST_ARROW), abs=0.02)  # of the head, and under the mark


def test_a_reading_without_an_exam_says_so(page: Page) -> None:
    words = player(page).locator(".where")
    scrub(page, 15)
    expect_words(page, "Pinned at step 150")
    assert "no exam" not in words.inner_text()
    scrub(page, 14)
    expect_words(page, "Pinned at step 140; the latest is 590 · no exam at this reading, so no arrows")
    player(page).locator("input.arrows").uncheck()
    words.filter(has_not_text="no exam").wait_for()


def test_frames_that_are_not_every_reading_say_so(server: Server, browser_page: Page) -> None:
    open_page(browser_page, f"{server.url}/?every=50")
    expect_words(browser_page, "step 590 · a frame every ~50 steps")


def test_frozen_places_are_shown_from_the_start(page: Page) -> None:
    """Guards the origin: without it no movement can be read."""
    shown = player(page).evaluate(PAINTED)
    player(page).get_by_role("checkbox", name="all frozen places").uncheck()
    assert player(page).evaluate(PAINTED) != shown


def test_labels_are_told_apart_without_colour(server: Server, browser_page: Page) -> None:
    open_page(browser_page, f"{server.url}/?classes=8&points=80")
    squares = player(browser_page).evaluate(SQUARES_IN_GREY)
    assert len(squares) == len(set(squares)) == 7


def test_five_hundred_examples_are_drawn_within_a_frame_of_the_screen(server: Server, browser_page: Page) -> None:
    open_page(browser_page, f"{server.url}/?points=500")
    times = player(browser_page).evaluate(
        "root => [...Array(15)].map(() => (root.ikdView.draw(), Number(root.dataset.drawMs))).sort((a, b) => a - b)")
    assert times[3] < 16  # of fifteen, not the median: other work on the machine is not the player's


@pytest.mark.parametrize(("which", "name"), [(".player", "soft-targets"), (".heat", "heat-map")])
def test_a_picture_can_be_saved(page: Page, which: str, name: str) -> None:
    with page.expect_download() as download:
        page.locator(which).get_by_role("button", name="Save as PNG").click()
    assert download.value.suggested_filename == f"recorded-made-up-{name}-step-590.png"
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_on_a_telephone(server: Server, browser_page: Page, dark: bool) -> None:
    with open_another(browser_page, width=360, height=800) as page:
        page.emulate_media(color_scheme="dark" if dark else "light")
        for classes in (2, 3, 6):
            visit(page, f"{server.url}/?classes={classes}")
            page.wait_for_selector(".heat[data-draw-ms]")
            assert overhang(page) <= 0
            box = picture(page).bounding_box()
            assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 360
        assert errors_of(page) == []
