"""What visitors share of a run: of one that has ended its condensed readings and the frames of its player, of one at work its series.

The former take longest when the page of a long run is opened; the latter are asked for at every tick of every page. All are
the same for everybody. The condensed readings of a run at work are not shared: there each visitor's page reads on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from ikd.trace.digest import Digest
from ikd.trace.folder import RunFolder
from ikd.trace.reader import TraceReader

MOST_RUNS = 2
MOST_FRAME_SETS = 4
Key = tuple[str, int, int, int]


@dataclass(kw_only=True)
class Condensed:
    """Of one trace that is not written any more.

    Attributes:
        digest: its readings, up to date.
        frames: places by step, for a plane, a temperature and a choice of examples.
        lock: held by whoever adds to either.
    """

    digest: Digest
    frames: dict[Hashable, dict[int, Any]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def frames_of(self, key: Hashable) -> dict[int, Any]:
        """Return the frames made so far for a key; the few keys asked for last are kept."""
        with self.lock:
            found = self.frames.pop(key, {})
            self.frames[key] = found
            while len(self.frames) > MOST_FRAME_SETS:
                del self.frames[next(iter(self.frames))]
            return found


class Growing:
    """A series of a trace that grows, read by all visitors who watch: whoever comes first reads what is new."""

    def __init__(self) -> None:
        """Start with nothing read."""
        self._read: Any = None
        self._lock = threading.Lock()

    def grown(self, grow: Callable[[Any], Any]) -> Any:
        """Return what was read with what is new; `grow` makes one of the other, from None at first, and changes nothing in place."""
        with self._lock:
            self._read = grow(self._read)
            return self._read


_known: dict[Key, Condensed] = {}
# A series lives as long as a visitor's tail holds it.
_growing: WeakValueDictionary[tuple[Hashable, Hashable], Growing] = WeakValueDictionary()
_one_at_a_time = threading.Lock()


def trace_key(folder: RunFolder) -> Hashable | None:
    """Return what tells one growing trace from another, None where there is none: the one place to tell attempts of a run apart."""
    try:
        stat = folder.trace_path.stat()
    except OSError:
        return None
    return str(folder.trace_path.absolute()), stat.st_ino, folder.state().started, *attempt_of(folder)


def attempt_of(folder: RunFolder) -> tuple[int, bool]:
    """Return which attempt of the run writes its trace, and whether it computes again what is recorded and may replace it."""
    run = folder.state()
    return run.attempt, run.live and run.stage == "catching up"


def growing_of(trace: Hashable, what: Hashable) -> Growing:
    """Return the series of a trace that all visitors share; the caller holds it as long as it is wanted."""
    with _one_at_a_time:
        return _growing.setdefault((trace, what), Growing())


def condensed_of(folder: RunFolder, reader: TraceReader) -> Condensed | None:
    """Return what is shared of a run that has ended, None for one at work or without a trace."""
    if folder.state().live:
        return None
    try:
        stat = folder.trace_path.stat()
    except OSError:
        return None
    # A trace put in the place of another one, or written on after a resume, is another trace.
    key = (str(folder.trace_path), stat.st_ino, stat.st_size, stat.st_mtime_ns)
    with _one_at_a_time:
        found = _known.pop(key, None) or Condensed(digest=Digest(reader))
        _known[key] = found
        while len(_known) > MOST_RUNS:
            del _known[next(iter(_known))]
        found.digest.update()
    return found
