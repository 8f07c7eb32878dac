"""For how long a run has been silent: told by changes of its state.json, and by no clock of the machine that writes it.

A run beats by replacing its state.json. The time of the file is that of its file system, so a writer whose clock is wrong is heard all
the same. Where the file's time and the reader's clock do not go together either, two looks decide: a file that changes is alive.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

HEARTBEAT_LIMIT_SECONDS = 20.0
LOOK_AGAIN_SECONDS = 2.5
LONG_SILENT_SECONDS = 86_400.0
_LOOKS_APART_SECONDS = 0.1
_MOST_SEEN = 2_000

Mark = tuple[int, int]


@dataclass(kw_only=True)
class _Seen:
    """What was seen of a file: its mark, since when it stands (by this process's steady clock), and when it was looked at last."""

    mark: Mark
    since: float
    looked: float


_seen: dict[str, _Seen] = {}


def mark_of(stat: os.stat_result) -> Mark:
    """Return what changes with every beat: each one is a new file."""
    return stat.st_mtime_ns, stat.st_ino


def seconds_silent(path: str, mark: Mark) -> float:
    """Return for how many seconds a file has been as it is now; a first look at an old one may take some seconds."""
    now, before = time.monotonic(), _seen.get(path)
    if before is None or (before.mark != mark and now - before.looked > HEARTBEAT_LIMIT_SECONDS):
        mark, since = _first_look(path, mark)
    else:
        since = before.since if before.mark == mark else now
    if len(_seen) > _MOST_SEEN:
        _seen.clear()
    now = time.monotonic()
    _seen[path] = _Seen(mark=mark, since=since, looked=now)
    return now - since


def _first_look(path: str, mark: Mark) -> tuple[Mark, float]:
    """Return the mark of a file, and since when it stands by the steady clock."""
    age = time.time() - mark[0] / 1e9
    if abs(age) <= HEARTBEAT_LIMIT_SECONDS:
        return mark, time.monotonic() - max(age, 0.0)
    until = time.monotonic() + LOOK_AGAIN_SECONDS
    while age < LONG_SILENT_SECONDS and time.monotonic() < until:
        time.sleep(_LOOKS_APART_SECONDS)
        try:
            now = mark_of(os.stat(path))
        except OSError:
            break
        if now != mark:
            return now, time.monotonic()
    return mark, time.monotonic() - max(age, HEARTBEAT_LIMIT_SECONDS + 1.0)
