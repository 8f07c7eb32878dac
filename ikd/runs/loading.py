"""Loading torch, transformers and all that a run needs: once, by one thread at a time.

transformers fills its modules lazily; two threads importing it for the first time together can see it half made.
"""

from __future__ import annotations

import gc
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

SWITCH_SECONDS = 0.0005
_one_at_a_time = threading.Lock()


def load_job() -> ModuleType:
    """Return `ikd.runs.job` with everything it imports; a second thread waits for the first."""
    with _one_at_a_time:
        from transformers import BertConfig, BertForSequenceClassification  # noqa: F401  # lazy: named to be loaded

        import ikd.runs.job

        # Streamlit collects garbage after every rerun of a page. With torch and transformers loaded one collection holds
        # the interpreter for half a second and the training waits: what the libraries hold is taken out of its sight.
        gc.freeze()
        # A training thread lets go of the interpreter at every step of its arithmetic. Where thirty pages are drawn beside it, it would
        # wait Python's usual 5 ms for each return.
        sys.setswitchinterval(SWITCH_SECONDS)
        return ikd.runs.job
