"""What pages ask about a task, worked out by a thread that loads torch: drawing a page never does.

An answer is kept until others take its place; where settings change while one is at work, only the newest question is answered.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ikd.config import RunConfig
from ikd.runs.inspection import FirstBatch, Inspection
from ikd.runs.loading import load_job

MOST_ANSWERS = 8
_answers: dict[str, Any] = {}
_waiting: dict[str, str] = {}
_lock = threading.Lock()
_one_at_a_time = threading.Lock()


def inspect_later(config: RunConfig) -> Inspection | None:
    """Return what is known of the task of a config, None while a background thread still reads it."""
    chosen = config.model_dump_json(include={"task": True, "teacher": {"name", "revision"}, "student": {"name", "checkpoint", "revision"}})
    found: Inspection | None = _later("inspection", f"{chosen} {_marks(config)}", lambda module: module.inspect(config))
    return found


def first_batch_later(config: RunConfig, root: Path) -> FirstBatch | None:
    """Return the first course batch of a config, None while a background thread still makes it."""
    key = f"{root} {config.model_dump_json(exclude={'label', 'plan', 'record'})} {_marks(config)}"
    found: FirstBatch | None = _later("batch", key, lambda module: module.first_batch(config, root))
    return found


def _later(kind: str, key: str, work: Callable[[Any], Any]) -> Any:
    whole = f"{kind} {key}"
    with _lock:
        if whole in _answers:
            return _answers[whole]
        if _waiting.get(kind) != whole:
            _waiting[kind] = whole
            threading.Thread(target=_work, args=(kind, whole, work), name=f"ikd-{kind}", daemon=True).start()
    return None


def _work(kind: str, key: str, work: Callable[[Any], Any]) -> None:
    with _one_at_a_time:
        with _lock:
            if _waiting.get(kind) != key:  # settings changed again meanwhile: only the newest are worth the work
                return
        load_job()  # everything below is loaded by one thread at a time
        import ikd.runs.inspecting

        answer = work(ikd.runs.inspecting)
        with _lock:
            _answers[key] = answer
            _waiting.pop(kind, None)
            while len(_answers) > MOST_ANSWERS:
                del _answers[next(iter(_answers))]


def _marks(config: RunConfig) -> str:
    """Return what tells whether a file was written anew."""
    marks = []
    for path in (config.task.train_file, config.task.validation_file, config.task.test_file, config.task.unlabelled_file):
        try:
            stat = Path(path).stat() if path else None
        except (OSError, ValueError):
            stat = None
        marks.append((stat.st_size, stat.st_mtime_ns) if stat else None)
    return str(marks)
