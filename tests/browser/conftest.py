"""A browser or a reason: without one these tests are skipped, and fail where IKD_REQUIRE_BROWSER=1 asks for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.server import Server, missing_browser


@pytest.fixture(scope="session", autouse=True)
def _browser() -> None:
    reason = missing_browser()
    if reason is None:
        return
    if os.environ.get("IKD_REQUIRE_BROWSER") == "1":
        pytest.fail(f"IKD_REQUIRE_BROWSER=1, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def home_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the runs of a whole file of tests, for one server in front of all of them."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("IKD_HOME", str(home))
        yield home


@pytest.fixture
def one_home(home: Path, home_of_all: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test write its run where the one server looks."""
    monkeypatch.setenv("IKD_HOME", str(home_of_all))


@pytest.fixture(scope="module")
def server(home_of_all: Path) -> Iterator[Server]:
    """The one server of a file of tests; a file with a server of another kind has a fixture of its own."""
    with Server(environment={"IKD_HOME": str(home_of_all)}) as server:
        yield server
