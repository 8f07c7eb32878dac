"""What threads have freed goes back to the system, now and then."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from ikd.runs import memory
from tests.conftest import REPOSITORY

GLIBC = sys.platform.startswith("linux") and platform.libc_ver()[0] == "glibc"

# Many small blocks that only the C library can hand back, freed in a thread of their own that goes on living.
SCRIPT = """
import ctypes, sys, threading, psutil
from ikd.runs.memory import give_back_freed_memory
library = ctypes.CDLL(None)
library.malloc.restype, library.malloc.argtypes, library.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
def work():
    blocks = [library.malloc(1000) for _ in range(100_000)]
    for block in blocks:
        ctypes.memset(block, 1, 1000)
    kept = library.malloc(1000)  # at the top of the heap, so that nothing below it goes back by itself
    for block in blocks:
        library.free(block)
    done.set()
    end.wait()
done, end = threading.Event(), threading.Event()
threading.Thread(target=work).start()
done.wait()
before = psutil.Process().memory_info().rss
gave = give_back_freed_memory()
print(gave, before - psutil.Process().memory_info().rss, 'torch' in sys.modules)
end.set()
"""


@pytest.mark.skipif(not GLIBC, reason="another C library hands memory back by itself")
def test_freed_memory_of_threads_goes_back() -> None:
    """In a process of its own: what there is to hand back hangs on all that went before."""
    said = subprocess.run([sys.executable, "-c", SCRIPT], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split()
    assert said[0] == "True" and int(said[1]) > 50e6 and said[2] == "False"


def test_it_is_not_done_more_often_than_every_20_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_last", [100.0])
    assert not memory.give_back_freed_memory(now=119.0)
    assert memory._last == [100.0]
    memory.give_back_freed_memory(now=121.0)
    assert memory._last == ([121.0] if sys.platform.startswith("linux") else [100.0])
