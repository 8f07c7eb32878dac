"""What a browser says on its console of every page: no warning of a figure, and no address of ours asked for in vain."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.looking import PAGES, apologies
from tests.browser.server import Server, open_another, open_browser, refused_of, visit, warnings_of
from tests.synthetic import synthetic_run

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
VIEWS = ("ribbons", "confusion", "map", "gain", "table", "course")
STREAMLITS = re.compile(r"/(?:data|train|run|targets|example|compare|runs|method)/_stcore/(?:health|host-config)$")
"""Streamlit's own page looks for its server first below the page's address and then at the root: the first try is always in vain."""


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A server with a run of each kind, by what it is."""

    page: Page
    url: str
    runs: dict[str, str]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IKD_HOME", str(home))
        runs = {"finished": synthetic_run(n_probe=20), "two classes": synthetic_run(2, n_probe=20),
                "stopped at once": synthetic_run(n_probe=20, state="stopped", stop_before=1),
                "just begun": synthetic_run(n_probe=20, state="running", stop_before=1),
                "no exams": synthetic_run(n_probe=20, state="running", stop_before=3, settings={"policy.name": "fixed"})}  # fmt: skip
        for one in runs.values():
            if one.state().state == "running":
                one.write_state(replace(one.state(), heartbeat=time.time() + 3600))
        ids = {name: one.id for name, one in runs.items()} | {"recorded": "recorded:irony-exam", "recorded fixed": "recorded:pairs-fixed"}
    with Server(environment={"IKD_HOME": str(home)}) as server, open_browser() as page:
        yield Lab(page=page, url=server.url, runs=ids)


def assert_quiet(lab: Lab, *addresses: str) -> None:
    """Open each address; fail where the console has a warning, or something of ours is not there."""
    with open_another(lab.page) as page:
        for address in addresses:
            visit(page, f"{lab.url}/{address}")
            page.wait_for_timeout(300)  # what comes late has no end to wait for
            assert apologies(page) == [], address
            assert warnings_of(page) == [], address
            assert [one for one in refused_of(page) if not STREAMLITS.search(one)] == [], address


def test_no_page_warns_or_asks_for_what_is_not_there(lab: Lab) -> None:
    finished, other = lab.runs["finished"], lab.runs["two classes"]
    assert_quiet(lab, *PAGES.values(), f"compare?runs={finished},{other}", "compare?runs=recorded:irony-exam,recorded:irony-fixed",
                 f"compare?runs={finished},{lab.runs['just begun']}", "compare?study=glue-small")  # fmt: skip


@pytest.mark.parametrize("name", ["finished", "two classes", "stopped at once", "just begun", "no exams", "recorded", "recorded fixed"])
def test_no_figure_of_a_run_warns(lab: Lab, name: str) -> None:
    """Guards "Infinite extent": figures whose table came after them, and layers with nothing to draw."""
    run = lab.runs[name]
    views = VIEWS if name in ("finished", "just begun") else VIEWS[:1]
    assert_quiet(lab, f"run?run={run}", f"run?run={run}&step=0", f"example?run={run}",
                 *(f"targets?run={run}&view={view}" for view in views))  # fmt: skip


def test_a_deep_link_is_whole_where_it_is_the_first_visit(lab: Lab, tmp_path: Path) -> None:
    for path in ("run?run=recorded:irony-exam", "train"):
        with Server(environment={"IKD_HOME": str(tmp_path)}) as server, open_another(lab.page) as page:
            visit(page, f"{server.url}/{path}")
            assert [one for one in refused_of(page) if not STREAMLITS.search(one)] == []
