"""A live chart keeps the zoom a person gave it, and is there in every frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.looking import apologies, badge, charts
from tests.browser.server import Server, open_browser, settle
from tests.browser.training import Training

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
FIRST_FIGURE_MILLISECONDS = 120_000
ARRIVALS_MILLISECONDS = 600_000
WATCHED_SECONDS = 30
TICKS = 10
CHART = ".st-key-chart-accuracy-0"

# Looks at every frame the browser draws: does each keyed place that had charts still have as many, drawn and of some
# size? Places are looked up anew each time, because the browser may put other elements there. Also counts how often the
# lines of one chart changed, and how often its drawing was replaced as a whole.
WATCH = """chart => {
    const DRAWING = '[data-testid=stVegaLiteChart] :is(svg, canvas).marks';
    const drawn = one => {
        const box = one.getBoundingClientRect();
        return box.width > 20 && box.height > 20 && (one.tagName !== 'svg' || one.querySelector('path'));
    };
    const place = one => [...one.closest('[class*=st-key-]').classList].find(name => name.startsWith('st-key-'));
    const count = () => {
        const found = {};
        for (const one of document.querySelectorAll(DRAWING)) found[place(one)] = (found[place(one)] ?? 0) + Boolean(drawn(one));
        return found;
    };
    const first = count();
    const seen = window.__seen = {frames: 0, blank: [], changes: 0, replaced: 0, stop: false};
    let lines = '', drawing = null;
    const look = () => {
        if (seen.stop) return;
        seen.frames += 1;
        const now_drawn = count();
        for (const [name, least] of Object.entries(first))
            if ((now_drawn[name] ?? 0) < least) seen.blank.push(`frame ${seen.frames}: ${name}: ${now_drawn[name]} of ${least}`);
        const now = [...document.querySelectorAll(chart + ' .mark-line path')].map(one => one.getAttribute('d')).join();
        if (now && lines && now !== lines) seen.changes += 1;
        lines = now || lines;
        const present = document.querySelector(`${chart} ${DRAWING}`);
        if (drawing && present !== drawing) seen.replaced += 1;
        drawing = present;
        requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
    return Object.values(first).reduce((sum, one) => sum + one, 0);
}"""

# The horizontal axis as places of its labels: two of them give the steps at both ends of the axis.
RANGE = """chart => {
    const axis = [...document.querySelectorAll(chart + ' .role-axis')].find(one =>
        one.querySelector('.role-axis-title')?.textContent === 'step');
    const labels = [...axis.querySelectorAll('.role-axis-label text')].map(one => [
        Number(one.textContent.replaceAll(',', '').replace('\\u2212', '-')),
        Number(/translate\\(([-\\d.]+)/.exec(one.getAttribute('transform'))[1])]);
    const [[s0, x0], [s1, x1]] = [labels[0], labels[labels.length - 1]];
    return {labels: labels.map(one => one[0]), left: s0 - x0 * (s1 - s0) / (x1 - x0), per_pixel: (s1 - s0) / (x1 - x0)};
}"""


@dataclass(frozen=True, kw_only=True)
class Live:
    """A page that shows a run at work."""

    page: Page
    training: Training


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One run from the command line and one page that watches it, for all tests here."""
    home = tmp_path_factory.mktemp("live")
    with Server(environment={"IKD_HOME": str(home)}) as server, Training(home) as training, open_browser() as page:
        page.goto(f"{server.url}/run?run={training.run}")
        page.locator(f"{CHART} .mark-line path").first.wait_for(timeout=FIRST_FIGURE_MILLISECONDS, state="attached")
        charts(page).first.wait_for()
        settle(page)
        yield Live(page=page, training=training)


def test_no_frame_lacks_a_chart(live: Live) -> None:
    """Guards against flicker: in 30 s of live data no drawn frame may lack a chart that was there before."""
    page = live.page
    assert page.evaluate(WATCH, CHART) >= 2, "there were no charts to watch"
    page.wait_for_timeout(WATCHED_SECONDS * 1000)
    page.wait_for_function("() => window.__seen.changes >= 5", timeout=ARRIVALS_MILLISECONDS)  # a busy machine draws less often
    seen = _end_watch(page)
    assert badge(page, "running").is_visible(), "the run ended before the charts were watched long enough"
    assert seen["frames"] > 5 * WATCHED_SECONDS
    assert seen["blank"] == [], f"{len(seen['blank'])} of {seen['frames']} frames lacked a chart"


def test_a_zoom_is_kept_while_data_arrive(live: Live) -> None:
    """Guards the named zoom: after ten arrivals of new data the steps shown are those the person chose."""
    page = live.page
    whole = page.evaluate(RANGE, CHART)
    box = page.locator(f"{CHART} [data-testid=stVegaLiteChart]").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"])
    for _ in range(4):
        page.mouse.wheel(0, -200)
        page.wait_for_timeout(150)
    page.wait_for_timeout(500)
    chosen = page.evaluate(RANGE, CHART)
    assert chosen["per_pixel"] < 0.8 * whole["per_pixel"], "the wheel did not zoom"
    page.evaluate(WATCH, CHART)
    page.wait_for_function("ticks => window.__seen.changes >= ticks", arg=TICKS, timeout=ARRIVALS_MILLISECONDS)
    seen = _end_watch(page)
    kept = page.evaluate(RANGE, CHART)
    assert badge(page, "running").is_visible(), "the run ended too soon"
    assert kept["per_pixel"] == pytest.approx(chosen["per_pixel"], rel=0.01)
    assert kept["left"] == pytest.approx(chosen["left"], abs=2 * chosen["per_pixel"])
    assert kept["labels"] == chosen["labels"]
    assert seen["blank"] == []
    assert apologies(page) == []


def _end_watch(page: Page) -> dict[str, Any]:
    seen: dict[str, Any] = page.evaluate("() => { window.__seen.stop = true; return window.__seen; }")
    return seen
