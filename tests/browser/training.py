"""A run started on the command line, in a process of its own: the pages then watch it from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from ikd.trace.folder import RunFolder
from ikd.trace.store import open_run
from tests.browser.server import REPOSITORY, end_process

START_SECONDS = 240.0
END_SECONDS = 60.0
# A teacher that is ready soon, and a course that outlasts every test on any machine: each test stops it.
LONG: dict[str, Any] = {"teacher.fine_tune_steps": 20, "training.steps": 2000, "machine.threads": 1}


class Training:
    """`python -m ikd train` as a child process; use it as a context manager.

    Attributes:
        run: id of the run.
        folder: of the run.
        process: that computes it.
    """

    run: str
    folder: RunFolder
    process: subprocess.Popen[bytes]

    def __init__(self, home: Path, values: Mapping[str, Any] = LONG) -> None:
        """Keep the home of the runs and the settings by dotted path."""
        self._home, self._values = home, values

    def __enter__(self) -> Self:
        """Start the run and learn its id.

        Raises:
            RuntimeError: the command refused, or named no run in time.
        """
        flags = [word for path, value in self._values.items() for word in (f"--{path.replace('_', '-')}", str(value))]
        self._said: IO[bytes] = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "ikd", "train", "--quiet", *flags], cwd=REPOSITORY,
            env={**os.environ, "IKD_HOME": str(self._home)}, stdout=self._said, stderr=self._said,
            preexec_fn=_hears_interrupts,
        )  # fmt: skip
        end = time.monotonic() + START_SECONDS
        while not self.said().startswith("Run "):
            if self.process.poll() is not None or time.monotonic() > end:
                said = self.said()
                self.__exit__(None, None, None)
                raise RuntimeError(f"The run did not start: {said}")
            time.sleep(0.05)
        self.run = self.said().split()[1]
        self.folder = open_run(self.run, self._home)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Interrupt the run, or end it by force."""
        end_process(self.process, END_SECONDS)
        if kind is not None:
            print(f"The run said:\n{self.said()}", file=sys.stderr)
        self._said.close()

    def said(self) -> str:
        """Return what the command has printed so far."""
        # The child writes through the same open file: reading at a place of our own must not move its end.
        return os.pread(self._said.fileno(), 1_000_000, 0).decode("utf-8", "replace")


def _hears_interrupts() -> None:
    # A shell starts what it puts in the background, these tests too, with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
