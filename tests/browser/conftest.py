"""A browser or a reason: without one these tests are skipped, and fail where IKD_REQUIRE_BROWSER=1 asks for it."""

from __future__ import annotations

import os

import pytest

from tests.browser.server import missing_browser


@pytest.fixture(scope="session", autouse=True)
def _browser() -> None:
    reason = missing_browser()
    if reason is None:
        return
    if os.environ.get("IKD_REQUIRE_BROWSER") == "1":
        pytest.fail(f"IKD_REQUIRE_BROWSER=1, but {reason}")
    pytest.skip(reason)
