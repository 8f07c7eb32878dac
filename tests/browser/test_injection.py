"""Texts and labels from a person's file are shown as they are: they run nothing, draw nothing, turn nothing around."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ikd.trace.folder import RunFolder
from ikd.trace.notes import Notes, write_notes
from ikd.trace.reader import TraceReader
from ikd.ui.wording import visible
from tests.browser.looking import apologies, badge, charts, main
from tests.browser.server import Server, open_browser, visit
from tests.browser.training import Training

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
HTML = '<script>window.__hit=1</script><img src=x onerror="window.__hit=1"><h1>OWNED</h1>'
MARKDOWN = "# big **bold** [x](javascript:alert(1)) $$x^2$$ :red[x] ![](https://example.org/x.png)"
BIDI = "safe \u202edesrever\u202c end"
LABELS = (HTML, f"{MARKDOWN} one", BIDI)
SMALL: dict[str, Any] = {
    "task.name": "files", "teacher.name": "builtin/1x16", "student.name": "builtin/1x16", "teacher.fine_tune_steps": 4,
    "training.steps": 8, "training.batch_size": 8, "training.warmup_steps": 2, "policy.exam_start": 2,
    "policy.exam_batch_size": 8, "record.probe_every": 2, "machine.threads": 1, "label": f"{MARKDOWN} {HTML}"[:80],
}  # fmt: skip
TRACES = """() => ({
    hit: window.__hit ?? null,
    drawn: [...document.querySelectorAll('h1')].filter(one => one.textContent.includes('OWNED')).length,
    links: [...document.querySelectorAll('a[href]')].filter(one => /^javascript:/i.test(one.getAttribute('href'))).length,
    pictures: document.querySelectorAll('img[src=x], img[src*="example.org"]').length,
    formulas: document.querySelectorAll('[class*=st-key-card-] .katex').length,
    turned: (document.body.innerText.match(/[\\u202a-\\u202e\\u2066-\\u2069]/g) ?? []).length,
})"""
NONE = {"hit": None, "drawn": 0, "links": 0, "pictures": 0, "formulas": 0, "turned": 0}


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """A page in front of a finished run on hostile texts."""

    page: Page
    url: str
    folder: RunFolder


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    """Train on a file of hostile texts from the command line, and open a server on it."""
    home = tmp_path_factory.mktemp("hostile")
    files = {"task.train_file": _write_rows(home / "train.csv", range(90)),
             "task.validation_file": _write_rows(home / "validation.csv", range(90, 108))}  # fmt: skip
    with Training(home, {**SMALL, **files}) as training:
        assert training.process.wait(240) == 0, training.said()
    folder = training.folder
    write_notes(folder.path, Notes(text=f"{HTML}\n{MARKDOWN}\n{BIDI}"))
    folder.write_state(replace(folder.state(), error=f"{HTML} {MARKDOWN}"))
    folder.append_log(f"{HTML} {MARKDOWN}", warning=True)
    with Server(environment={"IKD_HOME": str(home)}) as server, open_browser() as page:
        yield Hostile(page=page, url=server.url, folder=training.folder)


def test_hostile_texts_on_the_run_page_are_only_texts(hostile: Hostile) -> None:
    """Guards the board, its figures and their tooltips against HTML, Markdown and direction marks from a file."""
    page = hostile.page
    for text in (HTML, MARKDOWN, "safe ‹U+202E›desrever‹U+202C› end"):
        visit(page, f"{hostile.url}/run?run={hostile.folder.id}&ex={_ids_with(hostile.folder, text)}")
        charts(page).first.wait_for()
        assert page.locator("[data-testid=stText]").filter(has_text=text).first.is_visible(), text
        assert page.evaluate(TRACES) == NONE, text
    badge(page, "finished").wait_for()
    figures = page.locator("[class*=st-key-card-] [data-testid=stVegaLiteChart]").all()
    assert figures
    for figure in figures:
        figure.hover()
        page.wait_for_timeout(150)  # a tooltip has no end to wait for
    assert page.evaluate(TRACES) == NONE
    assert apologies(page) == []


def test_a_hostile_note_error_and_log_line_are_only_text(hostile: Hostile) -> None:
    """Guards what people and other machines write beside a run: its note, its error, its notices and its log."""
    page = hostile.page
    visit(page, f"{hostile.url}/run?run={hostile.folder.id}")
    page.locator(".st-key-run-note").get_by_text(HTML).first.wait_for()
    for text in (HTML, "# big **bold** [x](javascript:alert(1))"):
        assert main(page).locator("[data-testid=stAlert]").filter(has_text=text).count() == 2, text
    assert page.evaluate(TRACES) == NONE
    assert apologies(page) == []


@pytest.mark.parametrize("path", ["", "runs"])
def test_a_hostile_label_in_the_lists_of_runs_is_only_text(hostile: Hostile, path: str) -> None:
    """Guards the lists of runs, which show the label a person gave."""
    visit(hostile.page, f"{hostile.url}/{path}")
    main(hostile.page).get_by_text("# big **bold** [x](javascript:alert(1))").first.wait_for()
    assert hostile.page.evaluate(TRACES) == NONE
    assert apologies(hostile.page) == []


def _write_rows(path: Path, numbers: range) -> str:
    with path.open("w", encoding="utf-8", newline="") as rows:
        writer = csv.writer(rows)
        writer.writerow(["text", "label"])
        writer.writerows([f"{(HTML, MARKDOWN, BIDI)[row // 3 % 3]} {row}", LABELS[row % 3]] for row in numbers)
    return str(path)


def _ids_with(folder: RunFolder, text: str) -> str:
    probe = TraceReader(folder).examples("probe")
    found = [str(one.id) for one in probe.itertuples() if visible(str(one.text)).startswith(text)]
    assert found, f"no probe example holds {text}"
    return ",".join(found[:2])
