"""What pages ask about a task, worked out by a thread that loads torch: drawing a page never does.

An answer is kept until others take its place; a question that nobody asks any more is not worked out.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ikd.config import RunConfig, given_files
from ikd.config.permission import read_only
from ikd.runs.inspection import FirstBatch, Inspection
from ikd.runs.loading import load_job

MOST_ANSWERS = 64
FORGOTTEN_SECONDS = 5.0
"""A page asks again twice a second: what nobody has asked for so long is not worked out any more."""

READ_ONLY = "This lab is read-only: its visitors watch runs, and bring no data of their own."

Answer = Inspection | FirstBatch
_answers: dict[str, Answer] = {}
_asked: dict[str, float] = {}
_lock = threading.Lock()
_one_at_a_time = threading.Lock()


def inspect_later(config: RunConfig) -> Inspection | None:
    """Return what is known of the task of a config, None while a background thread still reads it."""
    chosen = config.model_dump_json(include={"task": True, "teacher": {"name", "revision"}, "student": {"name", "checkpoint", "revision"}})
    found = _later(f"inspection {chosen} {_marks(config)}", lambda module: module.inspect(config), Inspection)
    return found if isinstance(found, Inspection) else None


def first_batch_later(config: RunConfig, root: Path) -> FirstBatch | None:
    """Return the first course batch of a config, None while a background thread still makes it."""
    key = f"batch {root} {config.model_dump_json(exclude={'label', 'plan', 'record'})} {_marks(config)}"
    found = _later(key, lambda module: module.first_batch(config, root), FirstBatch)
    return found if isinstance(found, FirstBatch) else None


def _later(key: str, work: Callable[[Any], Answer], kind: type[Answer]) -> Answer | None:
    if read_only():  # nothing that a visitor names is read
        return kind(refusal=READ_ONLY)
    with _lock:
        if key in _answers:
            return _answers[key]
        waits = key in _asked
        _asked[key] = time.monotonic()
        if not waits:
            threading.Thread(target=_work, args=(key, work, kind), name="ikd-looking", daemon=True).start()
    return None


def _work(key: str, work: Callable[[Any], Answer], kind: type[Answer]) -> None:
    with _one_at_a_time:
        with _lock:
            if time.monotonic() - _asked[key] > FORGOTTEN_SECONDS:  # settings changed again meanwhile
                del _asked[key]
                return
        try:
            load_job()  # everything below is loaded by one thread at a time
            import ikd.runs.inspecting

            answer = work(ikd.runs.inspecting)
        except Exception as fault:
            traceback.print_exc()
            # Whoever waits must not wait for ever.
            answer = kind(refusal=f"Internal error ({type(fault).__name__}). See the server log.")
        with _lock:
            _answers[key] = answer
            del _asked[key]
            while len(_answers) > MOST_ANSWERS:
                del _answers[next(iter(_answers))]


def _marks(config: RunConfig) -> str:
    """Return what tells whether a file was written anew."""
    marks: list[tuple[int, int] | None] = []
    for path in given_files(config.task).values():
        try:
            stat = Path(path).stat()
        except (OSError, ValueError):
            marks.append(None)
        else:
            marks.append((stat.st_size, stat.st_mtime_ns))
    return str(marks)
