"""The example page under a person's hand: its keys, its downloads, a pin while another process records, and a telephone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pytest

from ikd.config import build_config
from ikd.trace.folder import RunFolder
from ikd.trace.store import new_run
from tests.browser.looking import apologies, charts, main, overhang
from tests.browser.server import REPOSITORY, Server, end_process, open_another, open_browser, settle, visit
from tests.course_run import course_run
from tests.synthetic import synthetic_run

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("one_home")]
# Records the events of a run up to each step that it is told on its input, and says so.
WRITER = """
import sys, threading, time
from dataclasses import replace
from ikd.events import StepTaken
from ikd.trace.recorder import Recorder
from ikd.trace.store import open_run
from tests.synthetic import events
folder, ended, step = open_run(sys.argv[1]), threading.Event(), 0
def beat():
    while not ended.wait(0.5):
        folder.write_state(replace(folder.state(), state="running", stage="teaching", step=step, total=60, heartbeat=time.time()))
heart = threading.Thread(target=beat)
source = events(folder.config(), 3)
with Recorder(folder) as recorder:
    heart.start()
    for line in sys.stdin:
        for event in source:
            recorder.record(event)
            if isinstance(event, StepTaken) and event.step >= int(line):
                break
        step = int(line)
        time.sleep(0.6)
        print(step, flush=True)
    ended.set()
    heart.join()
"""
# What is there and cannot be read: wider than its place, and neither wrapped nor scrolled. Formulas have a copy for readers.
CUT = """() => [...document.querySelectorAll('[data-testid=stMain] *')].filter(one => {
    const style = getComputedStyle(one);
    return one.clientWidth > 4 && one.scrollWidth > one.clientWidth + 1 && one.checkVisibility() && !one.closest('.katex')
        && (['hidden', 'clip'].includes(style.overflowX) || style.textOverflow === 'ellipsis');
}).map(one => `${one.className}: ${one.innerText.slice(0, 60)}`)"""


class Writer:
    """A run that another process records, step by step as it is told; use it as a context manager."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        self._process = subprocess.Popen([sys.executable, "-c", WRITER, self._folder.id], cwd=REPOSITORY, env={**os.environ}, text=True,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # type: ignore[call-overload]  # fmt: skip
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(240)
        finally:
            end_process(self._process, 5.0)
        self._process.stdout.close()

    def upto(self, step: int) -> None:
        """Record every step up to this one, and wait until it is on disk."""
        print(step, file=self._process.stdin, flush=True)
        assert self._process.stdout.readline().strip() == str(step)


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Page]:
    with open_browser() as page:
        yield page


def stands_at(page: Page, words: str) -> None:
    main(page).get_by_text(re.compile(words)).first.wait_for(timeout=30_000)


def address_has(page: Page, name: str, value: str | None) -> None:
    wanted = re.compile(rf"[?&]{name}={value}(&|$)") if value is not None else re.compile(rf"^((?![?&]{name}=).)*$")
    page.wait_for_url(wanted)
    settle(page)


def test_the_keys_go_to_the_next_example_along_the_steps_and_to_the_latest(server: Server, page: Page) -> None:
    visit(page, f"{server.url}/example?run={synthetic_run(3, n_probe=20).id}")
    charts(page).first.wait_for()
    first = re.search(r"ex=(\d+)", page.url)
    assert first is not None
    page.keyboard.press("n")
    page.wait_for_url(re.compile(rf"ex=(?!{first[1]}(&|$))\d+"))
    settle(page)
    page.keyboard.press("p")
    address_has(page, "ex", first[1])
    stands_at(page, "Latest, step 60")
    page.keyboard.press("ArrowLeft")
    address_has(page, "step", "55")
    page.keyboard.press("ArrowLeft")
    address_has(page, "step", "50")
    page.keyboard.press("ArrowRight")
    address_has(page, "step", "55")
    stands_at(page, "Pinned at step 55")
    page.keyboard.press("l")
    address_has(page, "step", None)
    stands_at(page, "Latest, step 60")
    assert apologies(page) == []


def test_new_data_of_another_process_move_the_followed_page_and_not_the_pinned_one(server: Server, page: Page) -> None:
    folder = new_run(build_config({"training.steps": 60, "record.probe_size": 20}))
    with Writer(folder) as writer, open_another(page) as pinned, open_another(page) as early:
        writer.upto(30)
        visit(page, f"{server.url}/example?run={folder.id}&ex=3")
        stands_at(page, "Following, step 30")
        visit(pinned, f"{server.url}/example?run={folder.id}&ex=3&step=23")
        stands_at(pinned, "Pinned at step 20")
        visit(early, f"{server.url}/example?run={folder.id}&ex=3&step=55")
        stands_at(early, "Step 55 is not there yet: this page is pinned at step 30")
        address_has(early, "step", "30")
        writer.upto(56)
        stands_at(page, "Following, step 55")
        for one, shown, asked in ((pinned, 20, "23"), (early, 30, "30")):
            stands_at(one, "the newest 55")
            stands_at(one, f"Pinned at step {shown}")
            address_has(one, "step", asked)
        early.keyboard.press("l")
        stands_at(early, "Following, step 55")
        assert apologies(page) == apologies(pinned) == apologies(early) == []


def test_names_beside_the_lines_of_a_live_figure_are_not_cut(server: Server, page: Page) -> None:
    """Guards the room at the right: the figure is laid out once, when it has few data, and then only takes new ones."""
    folder = new_run(build_config({"training.steps": 60, "record.probe_size": 20}))
    with Writer(folder) as writer:
        writer.upto(5)
        visit(page, f"{server.url}/example?run={folder.id}&ex=3")
        stands_at(page, "Following, step 5")
        writer.upto(30)
        stands_at(page, "Following, step 30")
        page.wait_for_timeout(1000)
        over = page.evaluate("""() => { const svg = document.querySelector('[class*=st-key-example-timeline] svg.marks');
            const edge = svg.getBoundingClientRect().right;
            return [...svg.querySelectorAll('text')].map(one => one.getBoundingClientRect().right - edge); }""")
        assert len(over) > 10 and max(over) <= 1


def test_the_figure_and_its_table_are_saved_under_their_own_names(server: Server, page: Page) -> None:
    run = synthetic_run(3, n_probe=20).id
    visit(page, f"{server.url}/example?run={run}&ex=7&step=20")
    page.locator(".st-key-example-more summary").click()
    page.locator(".st-key-example-more button", has_text="Feedback").click()
    page.locator(".st-key-example-more-svg-feedback button").wait_for()
    settle(page)
    saved: dict[str, bytes] = {}
    for button in ("svg-feedback", "feedback-csv", "feedback-parquet"):
        with page.expect_download() as download:
            page.locator(f".st-key-example-more-{button} button").click()
        saved[download.value.suggested_filename] = Path(download.value.path()).read_bytes()
    assert list(saved) == [f"{run}-probe-7-feedback.{end}" for end in ("svg", "csv", "parquet")]
    svg, csv, parquet = saved.values()
    assert svg.startswith(b"<svg") and b"first exam" in svg and b"positive" in svg
    assert csv.startswith(b"step,feedback: negative,") and parquet.startswith(b"PAR1")
    assert apologies(page) == []


@pytest.mark.parametrize("split", ["probe", "course"])
def test_nothing_is_cut_on_a_telephone(server: Server, page: Page, split: str) -> None:
    settings = {"label": "A label as long as labels can be, with every word that somebody thought of"}
    folder = synthetic_run(3, n_probe=20, settings=settings) if split == "probe" else course_run(20)
    with open_another(page, width=390, height=844) as narrow:
        visit(narrow, f"{server.url}/example?run={folder.id}&split={split}&ex=3&step=20")
        charts(narrow).first.wait_for()
        narrow.locator(".st-key-example-more summary").click()
        narrow.locator(".st-key-example-more [data-testid=stDataFrame]").wait_for()
        settle(narrow)
        assert overhang(narrow) <= 0
        assert narrow.evaluate(CUT) == []
        for part in ("title", "choice", "steps", "switches"):
            box = narrow.locator(f".st-key-example-{part}").bounding_box()
            assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390
        assert main(narrow).get_by_text(folder.id).is_visible()
