"""Files a visitor uploads for the task `files`: kept under a plain form of their name and the mark of their content."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from pathlib import Path

import streamlit as st

from ikd.config.limits import MB, limits
from ikd.config.names import FILE_KINDS
from ikd.errors import RunError, TaskError
from ikd.trace.store import list_runs, runs_root
from ikd.ui import state
from ikd.ui.controls import values_of_session
from ikd.ui.wording import plain

# The underscore keeps it out of the list of runs.
FOLDER = "_uploads"
SPLITS = {"task.train_file": "training", "task.validation_file": "validation", "task.test_file": "test",
          "task.unlabelled_file": "no labels"}  # fmt: skip


def draw_uploads(place: str = "") -> None:
    """Draw an uploader for the split that is chosen; an uploaded file takes the place of the path. `place` as in `state.setting_key`."""
    with st.expander("Upload files", expanded=not values_of_session().get("task.train_file"), key="uploads"):
        most = limits().upload_mb
        st.caption("CSV, TSV, text, JSON, JSON Lines or Parquet with a text and a label a row, also packed with gzip, at most "
                   f"{most:,} MB. They stay on this machine.")  # fmt: skip
        paths = {split: path for path, split in SPLITS.items()}
        split = str(st.segmented_control("Rows for", list(paths), key=f"upload-for-{place}", required=True, default="training"))
        kinds = [one[1:] for one in FILE_KINDS]
        given = st.file_uploader(f"Rows for {split}", type=kinds, key=f"upload-{place}{split}", max_upload_size=most,
                                 label_visibility="collapsed")  # fmt: skip
        if given is not None and st.session_state.get(f"uploaded-{split}") != given.file_id:
            kept = keep_upload(given.name, given.getvalue())
            st.session_state[f"uploaded-{split}"] = given.file_id
            values_of_session()[paths[split]] = str(kept)
            state.forget_controls(paths[split])
            st.rerun()


def keep_upload(name: str, content: bytes) -> Path:
    """Write an uploaded file and return where it lies; the same content always lies in the same place.

    Raises:
        TaskError: a file of another kind, one that is too large, or a disk that is full.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in FILE_KINDS:
        raise TaskError(f"A file ending in {suffix or 'nothing'!r} cannot be read: give one of {', '.join(FILE_KINDS)}.")
    most = limits().upload_mb
    if len(content) > most * MB:
        raise TaskError(
            f"The file has {len(content) / MB:,.0f} MB, at most {most:,} can be uploaded: put it beside the lab and give its path, "
            "or raise IKD_MAX_UPLOAD_MB."
        )
    stem = Path(name).stem
    if suffix == ".gz" and Path(stem).suffix.lower() in FILE_KINDS:  # what is packed in it
        stem, suffix = Path(stem).stem, Path(stem).suffix.lower() + suffix
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", stem)[:40].strip("-") or "rows"
    path = runs_root() / FOLDER / f"{stem}-{hashlib.sha256(content).hexdigest()[:12]}{suffix}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as fault:
        raise TaskError(f"The file could not be kept ({fault.strerror}): free some space, or give a path instead.") from None
    return path


def draw_kept_files() -> None:
    """Draw the files that were uploaded to this lab, each with a button that deletes it."""
    kept = kept_uploads()
    if not kept:
        return
    with st.expander(f"Uploaded files ({len(kept)})", key="kept-files"):
        st.caption("They stay on this machine until they are deleted. A run needs its files again when it is resumed or forked.")
        for path, n_bytes in kept:
            with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
                size = f"{n_bytes / 1e6:,.1f} MB" if n_bytes >= 100_000 else f"{n_bytes / 1e3:,.1f} kB"
                st.markdown(f"{plain(path.name, longest=70)} · {size}")
                with st.popover("Delete", icon=":material/delete:", type="tertiary", key=f"ask-{path.name}"):
                    users = runs_on(path)
                    st.markdown(f"Used by {len(users)} run{'' if len(users) == 1 else 's'}: " + ", ".join(plain(run) for run in users[:5])
                                + ". None of them can be resumed or forked without it." if users else "No run uses it.")  # fmt: skip
                    st.button("Delete it", key=f"delete-{path.name}", icon=":material/delete:", on_click=_delete, args=(path,))


def runs_on(path: Path) -> list[str]:
    """Return the runs that were started with a file."""
    found = []
    for folder in list_runs():
        with suppress(RunError):
            task = folder.config().task
            if str(path) in (task.train_file, task.validation_file, task.test_file, task.unlabelled_file):
                found.append(folder.id)
    return found


def _delete(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
    chosen = values_of_session()
    for setting in SPLITS:
        if chosen.get(setting) == str(path):
            chosen.pop(setting)
            state.forget_controls(setting)


def kept_uploads() -> list[tuple[Path, int]]:
    """Return the uploaded files that are kept, with their bytes, the newest first."""
    folder = runs_root() / FOLDER
    found = [(path, path.stat()) for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    return [(path, stat.st_size) for path, stat in sorted(found, key=lambda one: -one[1].st_mtime)]
