"""The soft targets page under a person's hand: one example and one step in all views, pinned while data arrive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ikd.config import build_config
from ikd.events import StepTaken
from ikd.trace.recorder import Recorder
from ikd.trace.store import new_run
from tests.browser.canvases import bytes_when_quiet
from tests.browser.looking import apologies, main
from tests.browser.server import Server, open_another, open_browser, settle, visit
from tests.synthetic import events, synthetic_run

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("one_home")]
EVIL = "<img src=x onerror='window.__hit=1'>"


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Page]:
    with open_browser(width=1500, height=1400) as page:
        yield page


def canvas(page: Page, which: str) -> Locator:
    """Return a canvas that has been drawn."""
    found = page.locator(f".{which}[data-draw-ms] canvas.picture")
    found.wait_for()
    return found


def address(page: Page, name: str) -> str | None:
    found = re.search(rf"[?&]{name}=([^&]*)", page.url)
    return found[1] if found else None


def wait_for_address(page: Page, name: str, value: str | None) -> None:
    wanted = re.compile(rf"[?&]{name}={value}(&|$)") if value is not None else re.compile(rf"^((?![?&]{name}=).)*$")
    page.wait_for_url(wanted)
    settle(page)


def test_a_click_in_either_canvas_selects_everywhere(server: Server, page: Page) -> None:
    visit(page, f"{server.url}/targets?run={synthetic_run(3, n_probe=20).id}&ex=0&step=20")
    heat = canvas(page, "heat")
    box = heat.bounding_box()
    assert box is not None
    heat.click(position={"x": box["width"] * 0.6, "y": 100})
    page.wait_for_url(re.compile(r"ex=(?!0(&|$))\d+"))
    settle(page)
    example, step = address(page, "ex"), address(page, "step")
    assert step is not None and step != "20"
    main(page).get_by_text(re.compile(rf"Example {example}; pinned at step {step}")).wait_for()
    main(page).get_by_text(re.compile(rf"Pinned at step {step}")).wait_for()
    assert main(page).get_by_text(re.compile(rf"Example {example} · label")).first.is_visible()
    player = canvas(page, "player")
    spot = page.evaluate("""() => {
        const host = document.querySelector('.st-key-player [data-testid=stBidiComponentRegular], .st-key-player');
        const find = node => node.querySelector?.('.player') ?? [...(node.querySelectorAll?.('*') ?? [])].map(one =>
            one.shadowRoot && find(one.shadowRoot)).find(Boolean);
        const view = find(document.body).ikdView, points = view.places.teacher;
        const other = [...view.ground.ids.keys()].find(p => p !== view.chosen && !Number.isNaN(points[2 * p]));
        return [points[2 * other], points[2 * other + 1]];
    }""")
    player.click(position={"x": spot[0], "y": spot[1]})
    page.wait_for_url(lambda url: f"ex={example}&" not in url and not url.endswith(f"ex={example}"))
    settle(page)
    main(page).get_by_text(re.compile(rf"Example {address(page, 'ex')} · label")).first.wait_for()
    assert address(page, "step") == step, "selecting an example moves no step"
    assert apologies(page) == []


def test_the_table_selects_the_row_that_was_clicked(server: Server, page: Page) -> None:
    visit(page, f"{server.url}/targets?run={synthetic_run(3, n_probe=20).id}&ex=0&step=40&view=table")
    order = page.locator(".st-key-table-order input").first
    order.scroll_into_view_if_needed()
    page.wait_for_timeout(500)  # a list that opens while the page scrolls closes again
    order.click()
    page.get_by_role("option", name="gain of the student", exact=True).click()
    settle(page)
    table = page.locator("[data-testid=stDataFrame]").first
    table.locator(".dvn-scroller").click(position={"x": 20, "y": 35 * 3 + 18})
    page.wait_for_url(re.compile(r"ex=(?!0(&|$))\d+"))
    settle(page)
    number = re.compile(rf"^{address(page, 'ex')}$")  # the table draws its rows a moment after the page stands
    table.locator("[role=row][aria-selected=true] [role=gridcell]", has_text=number).first.wait_for(state="attached")
    main(page).get_by_text(re.compile(rf"Example {address(page, 'ex')} is selected")).wait_for()
    assert apologies(page) == []


def test_the_keyboard_alone_plays_steps_and_selects(server: Server, page: Page) -> None:
    visit(page, f"{server.url}/targets?run={synthetic_run(3, n_probe=20).id}&ex=5")
    player = canvas(page, "player")
    player.focus()
    player.press("ArrowLeft")
    wait_for_address(page, "step", "55")
    canvas(page, "player").press("n")
    page.wait_for_url(re.compile(r"[?&]ex=(?!5(&|$))\d+"))
    settle(page)
    canvas(page, "player").press("Home")
    wait_for_address(page, "step", "0")
    canvas(page, "player").press("Space")
    wait_for_address(page, "step", "60")
    main(page).get_by_role("button", name="Jump to latest").first.press("Enter")
    wait_for_address(page, "step", None)
    heat = canvas(page, "heat")
    heat.focus()
    for key in ("ArrowDown", "ArrowLeft", "Enter"):
        canvas(page, "heat").press(key)
    page.wait_for_url(re.compile(r"step=\d+"))
    settle(page)
    assert apologies(page) == []


def test_scrubbing_pins_and_latest_follows_again(server: Server, page: Page) -> None:
    visit(page, f"{server.url}/targets?run={synthetic_run(3, n_probe=20).id}&ex=5")
    canvas(page, "player")
    page.locator(".player input.scrub").evaluate(
        "one => { one.value = 2; one.dispatchEvent(new Event('input', {bubbles: true})); }")
    wait_for_address(page, "step", "10")
    main(page).get_by_text("pinned at step 10").first.wait_for()
    page.locator(".st-key-jump-latest button").first.click()
    wait_for_address(page, "step", None)
    main(page).get_by_text("following, step 60").first.wait_for()
    assert apologies(page) == []


def test_a_cold_deep_link_gives_the_same_view(server: Server, page: Page) -> None:
    run = synthetic_run(3, n_probe=20).id
    with open_another(page, width=1500, height=1400) as page:
        visit(page, f"{server.url}/targets?run={run}&ex=7&step=30&view=confusion&t=1")
        canvas(page, "player")
        main(page).get_by_text("pinned at step 30").first.wait_for()
        main(page).get_by_text("Now: step 30").wait_for()
        assert main(page).get_by_text(re.compile("Example 7 · label .* temperature 1")).is_visible()
        assert apologies(page) == []


def test_pinned_stays_pinned_while_fifty_steps_arrive(server: Server, page: Page) -> None:
    """Guards the cursor of a person who looks at something: data that arrive never move it."""
    config = build_config({"training.steps": 400, "record.probe_size": 20, "record.probe_every": 1})
    folder = new_run(config)
    source = events(config, 3)
    with Recorder(folder) as recorder:
        def upto(step: int) -> None:
            for event in source:
                recorder.record(event)
                if isinstance(event, StepTaken) and event.step >= step:
                    break
            folder.write_state(replace(folder.state(), state="running", stage="teaching", step=step, total=400))
            folder.write_state(replace(folder.state(), heartbeat=folder.state().heartbeat))

        import threading
        import time
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(0.5):
                folder.write_state(replace(folder.state(), heartbeat=time.time()))

        upto(60)
        threading.Thread(target=beat, daemon=True).start()
        time.sleep(1)
        visit(page, f"{server.url}/targets?run={folder.id}&ex=3")
        canvas(page, "player")
        main(page).get_by_text("following, step 60").first.wait_for()
        page.locator(".st-key-pin-here button").first.click()
        wait_for_address(page, "step", "60")
        upto(112)
        page.locator(".player .where").get_by_text(re.compile("the latest is 112")).wait_for(timeout=30_000)
        main(page).get_by_text("pinned at step 60").first.wait_for()
        assert address(page, "step") == "60"
        page.locator(".st-key-jump-latest button").first.click()
        main(page).get_by_text("following, step 112").first.wait_for(timeout=30_000)
        ended.set()
    assert apologies(page) == []


def test_names_and_texts_from_data_are_only_text(server: Server, page: Page) -> None:
    visit(page, f"{server.url}/targets?run={synthetic_run(3, n_probe=20, texts=(EVIL, EVIL)).id}&ex=0&view=table")
    canvas(page, "heat").hover(position={"x": 300, "y": 60})
    canvas(page, "player").hover(position={"x": 100, "y": 100})
    page.wait_for_timeout(500)
    assert page.evaluate("() => window.__hit") is None
    assert apologies(page) == []


def test_long_history_is_not_sent_again_for_a_click(server: Server, page: Page) -> None:
    """Guards the size of messages: after the frames have come once, a selection sends kilobytes."""
    run = synthetic_run(3, n_probe=200, n_steps=300, settings={"record.probe_every": 1}).id
    received: list[int] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(len(frame))))
    visit(page, f"{server.url}/targets?run={run}&ex=0&step=20&view=confusion")
    canvas(page, "player")
    first = bytes_when_quiet(page, received)
    received.clear()
    page.locator(".st-key-example-after button").first.click()
    page.wait_for_url(re.compile(r"ex=(?!0(&|$))\d+"))
    assert first > 300_000 and bytes_when_quiet(page, received) < first / 4 and max(received) < 300_000
