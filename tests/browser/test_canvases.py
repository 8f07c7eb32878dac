"""The simplex player and the heat map, by mouse and by keyboard, on a page of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.looking import overhang
from tests.browser.server import Server, errors_of, open_another, open_browser, settle, visit

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser
PAGE = Path(__file__).parent / "canvas_page.py"
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
    visit(browser_page, server.url)
    browser_page.wait_for_function(
        "() => [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]"
        ".filter(one => one.shadowRoot?.querySelector('[data-draw-ms]')).length === 2"
    )
    return browser_page


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


def scrub(page: Page, frame: int) -> None:
    """Drag the scrubber as a hand would: it moves, and comes to rest."""
    player(page).get_by_role("slider", name="Step shown").fill(str(frame))


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
    shown = player(page).evaluate("""root => [...Array(20).keys()].map(frame => {
        const scrub = root.querySelector('.scrub');
        scrub.value = frame;
        scrub.dispatchEvent(new Event('input'));
        return root.ikdView.at; })""")
    assert shown == list(range(20))
    assert page.evaluate("window.asked") == []
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


def test_the_keyboard_alone_plays_steps_and_selects(page: Page) -> None:
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
    stood = expect_python(page, r"example 100, step ([6-9]\d|\d{3}),")[1]
    expect_words(page, f"Pinned at step {stood}")
    page.keyboard.press("End")
    expect_python(page, "example 100, step 590")
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    expect_python(page, "example 100, step 580")


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


@pytest.mark.parametrize("which", [".player", ".heat"])
def test_a_picture_can_be_saved(page: Page, which: str) -> None:
    with page.expect_download() as download:
        page.locator(which).get_by_role("button", name="Save as PNG").click()
    assert download.value.suggested_filename.endswith("step-590.png")
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")


def test_a_selection_does_not_send_the_frames_again(server: Server, browser_page: Page) -> None:
    """Guards the parcels: what stands on the page already travels as a reference, and a reload brings all of it back."""
    received: list[int] = []
    with open_another(browser_page, height=1600) as page:
        page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(len(frame))))
        visit(page, f"{server.url}/?points=300")
        picture(page).focus()
        first = sum(received)
        received.clear()
        page.keyboard.press("n")
        expect_python(page, "example 100, step None")
        selection = sum(received)
        received.clear()
        page.get_by_role("button", name="50 new frames").click()
        expect_python(page, "example 100, step None, frames 110")
        page.reload()
        settle(page)
        page.wait_for_selector(".player [class=where]:has-text('Following')")
        assert first > 400_000
        # A click means two runs here, and each mount brings its script.
        assert selection < 150_000
        assert errors_of(page) == []


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
