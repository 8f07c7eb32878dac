"""Whether anything may be started or changed in this lab."""

from __future__ import annotations

import os

from ikd.errors import RunError


def read_only() -> bool:
    """Return whether nothing may be started or changed here: IKD_READ_ONLY is 1, true or yes."""
    return os.environ.get("IKD_READ_ONLY", "").strip().lower() in ("1", "true", "yes")


def require_writable() -> None:
    """Do nothing where runs may be started and changed. Every function that writes into the folder of runs calls it.

    Raises:
        RunError: the lab is read-only.
    """
    if read_only():
        raise RunError("This lab is read-only: runs can be looked at, and none can be started, changed or deleted. "
                       "To do more, run a lab of your own without IKD_READ_ONLY.")  # fmt: skip
