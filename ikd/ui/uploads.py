"""The uploader of files for the task `files`, and the list of those that are kept."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ikd.config.limits import limits
from ikd.config.names import FILE_KINDS
from ikd.errors import IKDError
from ikd.runs.permission import read_only
from ikd.runs.uploads import delete_upload, keep_upload, kept_uploads, runs_on
from ikd.ui import state
from ikd.ui.controls import values_of_session
from ikd.ui.shell import notice
from ikd.ui.wording import plain

_COMPLAINT = "upload-complaint"
SPLITS = {"task.train_file": "training", "task.validation_file": "validation", "task.test_file": "test",
          "task.exam_file": "exam", "task.unlabelled_file": "no labels"}  # fmt: skip


def draw_uploads(place: str = "") -> None:
    """Draw an uploader for the split that is chosen; an uploaded file takes the place of the path. `place` as in `state.setting_key`.

    Nothing is drawn in a lab that is read-only.
    """
    if read_only():
        return
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


def draw_kept_files() -> None:
    """Draw the files that were uploaded to this lab, each with a button that deletes it; nothing in a lab that is read-only."""
    if read_only():
        return
    notice(st.session_state.pop(_COMPLAINT, ""))
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


def _delete(path: Path) -> None:
    try:
        delete_upload(path)
    except IKDError as fault:
        st.session_state[_COMPLAINT] = str(fault)
        return
    chosen = values_of_session()
    for setting in SPLITS:
        if chosen.get(setting) == str(path):
            chosen.pop(setting)
            state.forget_controls(setting)
