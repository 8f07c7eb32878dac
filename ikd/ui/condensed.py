"""What visitors share of a run that has ended: its condensed readings, and the frames of its player.

Both take longest when the page of a long run is opened, and both are the same for everybody. A run at work has none of it:
there each visitor's page reads on from where it stood.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

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


_known: dict[Key, Condensed] = {}
_one_at_a_time = threading.Lock()


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
