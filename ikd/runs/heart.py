"""The heartbeat of a run: its state.json, rewritten every second by a thread that does nothing else."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import psutil

from ikd.config import RunConfig, Timeline
from ikd.errors import RunError
from ikd.trace.folder import RunFolder
from ikd.trace.state import RunState, read_state

BEAT_SECONDS = 1.0


def beginning(folder: RunFolder, config: RunConfig) -> RunState:
    """Return the state of a run that has just been given to its thread: a new one, or one that is resumed."""
    before = folder.state()
    again = folder.trace_path.exists()
    if again and not read_state(folder.path / "state.json").stage:
        folder.append_log("state.json was missing or damaged: it was written again from what the trace says.", warning=True)
    return RunState(
        state="preparing", stage="loading", total=Timeline(config).last.training.steps, step=before.step if again else 0,
        started=before.started if again else time.time(), attempt=before.attempt + 1 if again else 1,
    )  # fmt: skip


class Heart:
    """Keeps the state of one run on disk while it works; use it as a context manager around the run.

    Attributes:
        state: the present state; change it through `now` alone.
    """

    def __init__(self, folder: RunFolder, state: RunState) -> None:
        self._folder, self.state = folder, state
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._process = psutil.Process()
        self._thread = threading.Thread(target=self._beat, name=f"ikd-heart:{folder.id}", daemon=True)

    def __enter__(self) -> Self:
        with suppress(RunError):  # whoever works next meets the same full disk or deleted folder, and ends the run with a sentence
            self.now()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def note(self, **changes: Any) -> None:
        """Change the state; the next beat writes it."""
        with self._lock:
            self.state = replace(self.state, **changes)

    def now(self, **changes: Any) -> None:
        """Change the state and write it at once.

        Raises:
            RunError: the disk is full or the folder is gone.
        """
        self.note(**changes)
        with self._lock:
            memory = max(self.state.peak_memory_bytes, self._process.memory_info().rss)
            self.state = replace(self.state, heartbeat=time.time(), peak_memory_bytes=memory)
            self._folder.write_state(self.state)

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            try:
                self.now()
            except RunError:
                continue  # the recorder meets the same full disk and ends the run; a passing fault is outlived
