"""Files a visitor uploads for the task `files`: kept under a plain form of their name and the mark of their content."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import streamlit as st

from ikd.errors import TaskError
from ikd.trace.store import runs_root
from ikd.ui import state
from ikd.ui.controls import values_of_session

SUFFIXES = (".parquet", ".csv", ".tsv", ".jsonl", ".json")
MOST_BYTES = 50 * 2**20
# The underscore keeps it out of the list of runs.
FOLDER = "_uploads"
SPLITS = {"task.train_file": "training", "task.validation_file": "validation", "task.test_file": "test"}


def draw_uploads() -> None:
    """Draw an uploader for each split; an uploaded file takes the place of the path."""
    with st.expander("Upload files", expanded=not values_of_session().get("task.train_file"), key="uploads"):
        st.caption("Parquet, CSV, TSV, JSONL or JSON with a text and a label a row, at most 50 MB. They stay on this machine.")
        for path, split in SPLITS.items():
            given = st.file_uploader(f"Rows for {split}", type=[one[1:] for one in SUFFIXES], key=f"upload-{split}")
            if given is not None and st.session_state.get(f"uploaded-{split}") != given.file_id:
                kept = keep_upload(given.name, given.getvalue())
                st.session_state[f"uploaded-{split}"] = given.file_id
                values_of_session()[path] = str(kept)
                st.session_state.pop(state.setting_key(path), None)
                st.rerun()


def keep_upload(name: str, content: bytes) -> Path:
    """Write an uploaded file and return where it lies; the same content always lies in the same place.

    Raises:
        TaskError: a file of another kind, one that is too large, or a disk that is full.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise TaskError(f"A file ending in {suffix or 'nothing'!r} cannot be read: give one of {', '.join(SUFFIXES)}.")
    if len(content) > MOST_BYTES:
        raise TaskError(f"The file has {len(content) / 2**20:.0f} MB, at most 50 can be uploaded: put it beside the lab and give its path.")
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(name).stem)[:40].strip("-") or "rows"
    path = runs_root() / FOLDER / f"{stem}-{hashlib.sha256(content).hexdigest()[:12]}{suffix}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as fault:
        raise TaskError(f"The file could not be kept ({fault.strerror}): free some space, or give a path instead.") from None
    return path
