"""The simplex player and the heat map, by mouse and by keyboard, on a page of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.canvases import (
    PAGE,
    bytes_when_quiet,
    expect_python,
    expect_words,
    open_page,
    picture,
    player,
    scrub,
)
from tests.browser.server import Server, errors_of, open_another, open_browser, settle

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
EVIL = "<img src=x onerror=\"window.evil=1\">"
# Where the teacher's mark of a point stands on the canvas.
PLACE = "(root, p) => [root.ikdView.places.teacher[2 * p], root.ikdView.places.teacher[2 * p + 1]]"
# The point whose teacher's mark is farthest from every other mark, so that a click cannot mean another one.
ALONE = """root => {
    const {teacher, student} = root.ikdView.places, n = teacher.length / 2;
    const far = p => { let least = Infinity; for (let q = 0; q < n; q++) for (const one of [teacher, student])
        if (q !== p) least = Math.min(least, Math.hypot(teacher[2*p] - one[2*q], teacher[2*p+1] - one[2*q+1])); return least; };
    return [...Array(n).keys()].sort((a, b) => far(b) - far(a))[0];
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


def test_a_click_selects_the_nearest_example_and_python_is_told(page: Page) -> None:
    point = player(page).evaluate(ALONE)
    x, y = player(page).evaluate(PLACE, point)
    picture(page).click(position={"x": x + 4, "y": y - 3})
    expect_python(page, rf"example {100 + point}, step None")
    assert player(page).evaluate("root => root.ikdView.selected") == 100 + point


def test_a_click_beside_all_points_selects_nothing(page: Page) -> None:
    picture(page).click(position={"x": 3, "y": 3})
    page.wait_for_timeout(300)
    expect_python(page, "example None, step None")


def test_scrubbing_pins_and_new_frames_do_not_move_the_pinned_cursor(page: Page) -> None:
    expect_words(page, "Following")
    assert not player(page).get_by_role("button", name="Jump to latest").is_visible()
    scrub(page, 12)
    expect_words(page, "Pinned at step 120")
    expect_python(page, "example None, step 120, frames 60")
    page.get_by_role("button", name="50 new frames").click()
    expect_python(page, "example None, step 120, frames 110")
    page.wait_for_function("root => root.ikdView.steps.length === 110", arg=player(page).element_handle())
    expect_words(page, "Pinned at step 120")
    expect_words(page, "1,090")
    assert player(page).evaluate("root => [root.ikdView.at, root.dataset.step]") == [12, "120"]
    player(page).get_by_role("button", name="Jump to latest").click()
    expect_python(page, "example None, step None, frames 110")
    expect_words(page, "Following the newest reading: step 1,090")


def test_a_scrub_under_way_is_shown_at_once_and_sent_once(page: Page) -> None:
    """Guards scrubbing without the server: only where the hand rests is a step for Python."""
    page.evaluate("window.asked = []")
    player(page).evaluate("""root => { const view = root.ikdView, send = view.send;
        view.send = (name, value) => { window.asked.push(value); send(name, value); }; }""")
    # In one task, so that no rest of a slow machine falls in between.
    shown, asked = player(page).evaluate("""root => [[...Array(20).keys()].map(frame => {
        const scrub = root.querySelector('.scrub');
        scrub.value = frame;
        scrub.dispatchEvent(new Event('input'));
        return root.ikdView.at; }), [...window.asked]]""")
    assert shown == list(range(20))
    assert asked == []
    expect_python(page, "example None, step 190")
    assert page.evaluate("window.asked") == [{"step": 190}]


def test_following_shows_new_frames(page: Page) -> None:
    page.get_by_role("button", name="50 new frames").click()
    expect_python(page, "example None, step None, frames 110")
    page.wait_for_function("root => root.dataset.step === '1090'", arg=player(page).element_handle())
    expect_words(page, "Following the newest reading: step 1,090")


def test_a_step_chosen_elsewhere_moves_the_cursor(page: Page) -> None:
    scrub(page, 3)
    expect_python(page, "example None, step 30")
    page.get_by_role("button", name="Step 200 from elsewhere").click()
    expect_python(page, "example None, step 200")
    page.wait_for_function("root => root.dataset.step === '200'", arg=player(page).element_handle())
    expect_words(page, "pinned at step 200", ".heat")


def test_the_keyboard_alone_plays_steps_and_selects(page: Page, server: Server) -> None:
    open_page(page, f"{server.url}/?frames=400")  # 50 seconds to play: the end is not reached between two keys
    page.get_by_role("button", name="Step 200 from elsewhere").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.shadowRoot.activeElement.className") == "picture"
    page.keyboard.press("Home")
    expect_python(page, "example None, step 0")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect_python(page, "example None, step 10")
    page.keyboard.press("n")
    page.keyboard.press("N")
    expect_python(page, "example 101, step 10")
    page.keyboard.press("p")
    expect_python(page, "example 100, step 10")
    page.keyboard.press("Space")
    expect_words(page, "Playing")
    page.wait_for_function("root => Number(root.dataset.step) >= 60", arg=player(page).element_handle())
    page.keyboard.press("Space")
    stood = expect_python(page, r"example 100, step ([6-9]\d|\d{3,}),")[1]
    expect_words(page, f"Pinned at step {int(stood):,}")
    page.keyboard.press("End")
    expect_python(page, "example 100, step 3990")
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    expect_python(page, "example 100, step 3980")


def test_play_starts_paused_and_ends_at_the_end(page: Page) -> None:
    assert player(page).get_by_role("button", name="Play").is_visible()
    player(page).get_by_role("radio", name="4×").check()
    scrub(page, 40)
    expect_python(page, "example None, step 400")
    player(page).get_by_role("button", name="Play").click()
    expect_python(page, "example None, step 590")
    assert player(page).get_by_role("button", name="Play").is_visible()


def test_names_from_data_are_text(page: Page) -> None:
    """Guards textContent: a name that is HTML stands there as it was written, and runs nothing."""
    ids = player(page).evaluate("root => root.ikdView.ground.slots.map((slot, p) => slot === 0 ? p : -1).filter(p => p >= 0)")
    x, y = player(page).evaluate(PLACE, ids[0])
    box = picture(page).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + x, box["y"] + y)
    assert EVIL in player(page).locator(".tip").inner_text()
    page.mouse.move(*_cell(page, row=5, column=30))
    assert EVIL in page.locator(".heat .tip").inner_text()
    assert page.locator("img[src=x]").count() == 0
    assert page.evaluate("window.evil") is None


def test_a_click_on_the_heat_map_gives_example_and_step(page: Page) -> None:
    page.mouse.click(*_cell(page, row=7, column=30))
    expect_python(page, "example 107, step 300")
    expect_words(page, "Pinned at step 300")


def test_the_heat_map_by_keyboard(page: Page) -> None:
    page.mouse.click(*_cell(page, row=7, column=30))
    expect_python(page, "example 107, step 300")
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect_python(page, "example 109, step 310")
    for key in ("PageUp", "Home", "Enter"):
        page.keyboard.press(key)
    expect_python(page, "example 100, step 0")
    assert "no value" in page.locator(".heat [role=status]").text_content()  # type: ignore[operator]


def test_the_key_cursor_of_the_heat_map_stays_at_its_example_when_rows_change_places(page: Page) -> None:
    """Guards a live page sorted by drift: Enter picks what the frame stood at, not what has moved to its row."""
    picture(page, ".heat").focus()
    for key in ("Home", "ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    assert "Example 102 at step 10" in page.locator(".heat [role=status]").inner_text()
    page.get_by_role("button", name="Rows the other way").dispatch_event("click")  # the focus stays where it is
    page.wait_for_function("root => root.ikdView.raster.ids[0] === 139", arg=page.locator(".heat").element_handle())
    settle(page)
    page.locator(".heat .tip").filter(has_text="Example 102 at step 10").wait_for()
    page.keyboard.press("Enter")
    expect_python(page, "example 102, step 10")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect_python(page, "example 101, step 10")


def test_a_step_within_a_bin_is_in_the_column_of_that_bin(page: Page) -> None:
    """Guards long runs, where a column is named by the last of its readings: a step belongs to the first that ends no earlier."""
    columns = page.locator(".heat").evaluate("root => [200, 201, 210, 211, 9999, null].map(step => root.ikdView.columnOf(step))")
    assert columns == [20, 21, 21, 22, 59, 59]


def test_a_selection_does_not_send_the_frames_again(server: Server, browser_page: Page) -> None:
    """Guards the parcels: what stands on the page already travels as a reference, and a reload brings all of it back.

    New frames leave the parcels before as they are, though stronger arrows are among them.
    """
    received: list[int] = []
    with open_another(browser_page, height=1600) as page:
        page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(len(frame))))
        open_page(page, f"{server.url}/?points=300&frames=200")
        first = bytes_when_quiet(page, received)
        scale = player(page).evaluate("root => root.ikdView.data.arrows.scale")
        received.clear()
        picture(page).focus()
        page.keyboard.press("n")
        expect_python(page, "example 100, step None")
        selection = bytes_when_quiet(page, received)
        received.clear()
        page.get_by_role("button", name="50 new frames").click()
        expect_python(page, "example 100, step None, frames 250")
        growth = bytes_when_quiet(page, received)
        assert player(page).evaluate("root => root.ikdView.data.arrows.scale") != scale
        page.reload()
        settle(page)
        page.wait_for_selector(".player [class=where]:has-text('Following')")
        assert first > 900_000
        assert growth < first / 2
        # A click means two runs here, and each mount brings its script.
        assert selection < 150_000
        assert errors_of(page) == []


def test_who_asks_for_little_motion_sees_whole_readings(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    scrub(page, 0)
    player(page).get_by_role("button", name="Play").click()
    page.wait_for_function("root => root.ikdView.at > 1.2", arg=player(page).element_handle())
    found = player(page).evaluate("root => root.ikdView.scene().at")
    assert found == int(found)
    page.emulate_media(reduced_motion="no-preference")


def _cell(page: Page, *, row: int, column: int) -> tuple[float, float]:
    box = picture(page, ".heat").bounding_box()
    plan: dict[str, Any] = page.locator(".heat").evaluate("root => ({...root.ikdView.at, n: root.ikdView.steps.length})")
    assert box is not None
    return (box["x"] + plan["left"] + (column + 0.5) * plan["inner"] / plan["n"],
            box["y"] + plan["top"] + (row + 0.5) * plan["high"] / plan["rows"])  # fmt: skip
