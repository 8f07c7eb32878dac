"""Memory that is freed goes back: a server in which each look of each visitor has a thread of its own would keep it otherwise."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from functools import cache

_ARENA_MAX, ARENAS = -8, 2


@cache
def keep_few_arenas() -> bool:
    """Let the C library keep few heaps for all threads together, where it is the GNU one; return whether it does.

    It gives threads heaps of their own, up to eight a core, and each keeps what was freed in it: the memory of a server that
    thirty visitors watch grew by 5 MB a minute in Streamlit's short threads, with not one Python object more.
    """
    if not sys.platform.startswith("linux"):
        return False
    with suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None).mallopt(_ARENA_MAX, ARENAS))
    return False
