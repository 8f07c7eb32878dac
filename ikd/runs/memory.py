"""Memory that is freed goes back: a server in which each look of each visitor has a thread of its own would keep it otherwise."""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from contextlib import suppress
from threading import Lock

EVERY_SECONDS = 20.0
_at_work = Lock()
_last = [0.0]


def give_back_freed_memory(*, now: float | None = None) -> bool:
    """Collect cyclic garbage and hand what all threads have freed back to the system, at most every 20 s; return whether that was done.

    Streamlit's own collection after each rerun is off, as it would stop a training thread some times a second, and Python's comes seldom
    once so much is loaded: what thirty visitors' reruns leave behind would grow by 2 MB a minute (`benchmarks/README.md`). What was
    loaded with torch is frozen (`ikd.runs.loading`), so a collection looks at the rest alone.

    The GNU C library keeps what was freed in a heap of each thread, up to eight heaps a core: a server that thirty visitors watch
    grew by 5 MB a minute in Streamlit's short threads, with not one Python object more. Bounding the number of heaps instead did not
    help: 3 MB a minute (`benchmarks/README.md`).

    Args:
        now: the monotonic clock's seconds; None: the clock is read.
    """
    now = time.monotonic() if now is None else now
    if now - _last[0] < EVERY_SECONDS or not _at_work.acquire(blocking=False):
        return False
    try:
        _last[0] = now
        gc.collect()
        if sys.platform.startswith("linux"):
            with suppress(OSError, AttributeError):  # another C library
                ctypes.CDLL(None).malloc_trim(0)
    finally:
        _at_work.release()
    return True
