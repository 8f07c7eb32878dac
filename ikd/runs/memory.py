"""Memory that is freed goes back: a server in which each look of each visitor has a thread of its own would keep it otherwise."""

from __future__ import annotations

import ctypes
import sys
import time
from contextlib import suppress
from threading import Lock

EVERY_SECONDS = 20.0
_at_work = Lock()
_last = [0.0]


def give_back_freed_memory(*, now: float | None = None) -> bool:
    """Hand what all threads have freed back to the system, at most every 20 s; return whether anything was handed back.

    The GNU C library keeps what was freed in a heap of each thread, up to eight heaps a core: a server that thirty visitors watch
    grew by 5 MB a minute in Streamlit's short threads, with not one Python object more. Bounding the number of heaps instead did not
    help: 3 MB a minute (`benchmarks/README.md`).

    Args:
        now: the monotonic clock's seconds; None: the clock is read.
    """
    now = time.monotonic() if now is None else now
    if not sys.platform.startswith("linux") or now - _last[0] < EVERY_SECONDS or not _at_work.acquire(blocking=False):
        return False
    try:
        _last[0] = now
        with suppress(OSError, AttributeError):  # another C library
            return bool(ctypes.CDLL(None).malloc_trim(0))
    finally:
        _at_work.release()
    return False
