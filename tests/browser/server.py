"""A server of the lab on a free port, and a browser in front of it. No pytest here: the benchmarks use it too."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from playwright.sync_api import Page

REPOSITORY = Path(__file__).parents[2]
APP = REPOSITORY / "app.py"
START_SECONDS = 240.0
END_SECONDS = 30.0
WAIT_MILLISECONDS = 90_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync")  # fmt: skip
# Streamlit tells on its outermost element whether a script is at work; skeletons stand where elements are awaited.
STILL = """() => {
    const app = document.querySelector('[data-testid=stApp]');
    return app && app.dataset.testScriptState === 'notRunning' && app.dataset.testConnectionState === 'CONNECTED'
        && !document.querySelector('[data-testid=stAppSkeleton], [data-testid=stSkeleton]');
}"""


class Server:
    """The lab's server as a child process; use it as a context manager.

    Attributes:
        url: of the Home page, without a slash at the end.
        process: the server.
    """

    url: str
    process: subprocess.Popen[bytes]

    def __init__(self, script: Path = APP, *, environment: dict[str, str] | None = None) -> None:
        """Keep what to start.

        Args:
            script: the page that is served as the entry.
            environment: variables to set beside those of this process, for example IKD_HOME.
        """
        self._script, self._environment = script, environment or {}
        self._log = Path(tempfile.mkdtemp(prefix="ikd-server-")) / "log"

    def __enter__(self) -> Self:
        """Start the server and wait until it answers.

        Raises:
            RuntimeError: it ended, or gave no answer in `START_SECONDS`; the message has its log.
        """
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "streamlit", "run", str(self._script)]
        command += ["--server.port", str(port), "--server.headless", "true"]
        environment = {**os.environ, **self._environment}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=log, stderr=log)
        try:
            self._wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the server in good order, or by force where it does not end."""
        end_process(self.process, END_SECONDS)
        if kind is not None:
            print(f"Log of the server:\n{self.log()}", file=sys.stderr)
        shutil.rmtree(self._log.parent, ignore_errors=True)

    def log(self) -> str:
        """Return what the server has printed so far."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    def _wait(self) -> None:
        end = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < end:
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise RuntimeError(f"The server did not start:\n{self.log()}")


def end_process(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Interrupt a child process, and end it by force where it does not end."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def missing_browser() -> str | None:
    """Return why no browser can be opened here, None where one can."""
    if find_spec("playwright") is None:
        return "the package playwright is not installed"
    if browser_path() is None:
        return f"no browser: none of {', '.join(BROWSERS)} is on the path, and IKD_CHROMIUM names none"
    return None


def browser_path() -> str | None:
    """Return the browser named by IKD_CHROMIUM, else the first one on the path."""
    return os.environ.get("IKD_CHROMIUM") or next((found for name in BROWSERS if (found := shutil.which(name))), None)


@contextmanager
def open_browser(*, width: int = 1280, height: int = 900, dark: bool = False) -> Iterator[Page]:
    """Open a browser of its own with one empty tab; errors on its console gather in `page.console_errors`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), headless=True, args=list(ARGUMENTS))
        try:
            scheme: Literal["dark", "light"] = "dark" if dark else "light"
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            yield _watched(context.new_page())
        finally:
            browser.close()


@contextmanager
def open_another(page: Page, *, width: int = 1280, height: int = 900) -> Iterator[Page]:
    """Open a tab for a second visitor, who shares no cookie and no storage with the first, in the browser of `page`."""
    browser = page.context.browser
    assert browser is not None
    context = browser.new_context(viewport={"width": width, "height": height})
    try:
        yield _watched(context.new_page())
    finally:
        context.close()


def settle(page: Page) -> None:
    """Wait until the page is connected, no script runs, and nothing is a skeleton any more."""
    page.wait_for_function(STILL)


def visit(page: Page, address: str) -> None:
    """Open an address and wait until its page stands."""
    page.goto(address)
    settle(page)


def errors_of(page: Page) -> list[str]:
    """Return the errors on the console of a page of `open_browser` or `open_another`."""
    return list(page.console_errors)  # type: ignore[attr-defined]


def warnings_of(page: Page) -> list[str]:
    """Return the warnings on the console of a page of `open_browser` or `open_another`."""
    return list(page.console_warnings)  # type: ignore[attr-defined]


def refused_of(page: Page) -> list[str]:
    """Return the addresses that the page asked for in vain."""
    return list(page.refused)  # type: ignore[attr-defined]


def _watched(page: Page) -> Page:
    found: list[str] = []
    warned: list[str] = []
    lost: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    page.on("console", lambda message: warned.append(message.text) if message.type == "warning" else None)
    page.on("response", lambda answer: lost.append(answer.url) if answer.status >= 400 else None)
    page.on("pageerror", lambda fault: found.append(str(fault)))
    page.console_errors, page.console_warnings, page.refused = found, warned, lost  # type: ignore[attr-defined]
    page.set_default_timeout(WAIT_MILLISECONDS)
    return page


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
