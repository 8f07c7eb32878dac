"""A read-only lab behind a real server: what a client sends by itself is not kept, and no page has a place for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.browser.looking import PAGES, apologies, main
from tests.browser.server import Server, open_browser, visit
from tests.synthetic import synthetic_run
from tests.test_read_only import facts_below

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
UPLOAD = """async ([session, id, size]) => {
    const token = document.cookie.split('; ').find(one => one.startsWith('_streamlit_xsrf=')).split('=')[1];
    const body = new FormData();
    body.append('file', new Blob([new Uint8Array(size)]), 'forged.csv');
    const answer = await fetch(`/_stcore/upload_file/${session}/${id}`, {method: 'PUT', body, headers: {'X-Xsrftoken': token}});
    return answer.status;
}"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IKD_HOME", str(home))
        synthetic_run(n_steps=12, n_probe=12)
        yield home


def sessions_of(page: Page) -> list[str]:
    """Return a list that fills with the ids of the page's sessions, as the server names them."""
    found: list[str] = []

    def read(frame: Any) -> None:
        message = ForwardMsg()
        message.ParseFromString(frame if isinstance(frame, bytes) else frame.encode())
        if message.WhichOneof("type") == "new_session":
            found.append(message.new_session.initialize.session_id)

    page.on("websocket", lambda socket: socket.on("framereceived", read))
    return found


@pytest.mark.parametrize(("read_only", "answer"), [("1", 413), ("", 204)])
def test_an_upload_with_a_made_up_id_is_refused_and_changes_nothing(home: Path, read_only: str, answer: int) -> None:
    """Guards against clients that ask no page: a read-only server takes no file, and another one keeps it in memory alone."""
    with Server(environment={"IKD_HOME": str(home), "IKD_READ_ONLY": read_only}) as server, open_browser() as page:
        sessions = sessions_of(page)
        visit(page, f"{server.url}/train")
        before = facts_below(home)
        assert [page.evaluate(UPLOAD, [sessions[-1], f"made-up-{k}", 100_000]) for k in range(3)] == [answer] * 3
        assert page.evaluate(UPLOAD, [sessions[-1], "large", 60 * 2**20]) == 413
        assert page.evaluate(UPLOAD, ["no-session", "x", 10]) in (400, 413)
        if read_only:
            for path in PAGES.values():
                visit(page, f"{server.url}/{path}")
                assert page.locator("[data-testid=stFileUploader]").count() == 0 and apologies(page) == []
            assert main(page).count() == 1 and facts_below(home) == before
        assert not (home / "_uploads").exists()
