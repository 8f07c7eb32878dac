"""Replacing a small file as a whole, so that a reader sees the old one or the new one."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from ikd.config.permission import require_writable


def replace_text(path: Path, text: str, *, encoding: str = "utf-8") -> None:
    """Write a text beside its place and move it there; where that fails nothing is left beside the old file.

    Raises:
        OSError: the disk is full, or the folder is gone or cannot be written.
        RunError: the lab is read-only.
    """
    require_writable()
    waiting = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        waiting.write_text(text, encoding=encoding)
        move_over(waiting, path)
    except OSError:
        with suppress(OSError):  # on a disk that turned read-only this fails too
            waiting.unlink()
        raise


def move_over(waiting: Path, path: Path) -> None:
    """Move a file to where another one may be."""
    require_writable()
    for attempt in range(5):
        try:
            os.replace(waiting, path)
            return
        except PermissionError:
            # Windows refuses while a page has the file open, which lasts a moment.
            if attempt == 4:
                raise
            time.sleep(0.02)
