"""What can be done with a run from the list: a name, a note, a zip of it, deleting it; and taking in a zip."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import streamlit as st

from ikd.runs.importing import import_run
from ikd.trace.folder import RunFolder
from ikd.trace.notes import LONGEST_LABEL, LONGEST_TEXT, read_notes, write_notes
from ikd.trace.packing import pack_run
from ikd.trace.removal import checkpoint_bytes, delete_run, disk_bytes
from ikd.ui.shell import page_link, sentences
from ikd.ui.wording import plain

MOST_UPLOADED_MB = 200
_IMPORTED, _TURN = "imported-run", "import-turn"


def draw_manage(folder: RunFolder) -> None:
    """Draw the button behind which a run is managed; what lies behind it is made once it is open."""
    box = st.popover(f"Manage run {plain(folder.id)}", icon=":material/more_vert:", type="tertiary", on_change="rerun",
                     key=f"manage-{folder.id}", help="Name, note, download, delete")  # fmt: skip
    if box.open:
        with box, sentences():
            _draw_naming(folder)
            _draw_zip(folder)
            _draw_delete(folder)


def draw_import() -> None:
    """Draw the uploader for the zip of a run, and a link to the run that was imported last."""
    with st.container(key="import-run"), sentences():
        done = st.session_state.pop(_IMPORTED, None)
        if done is not None:
            st.success(f"Imported as run {plain(done)}.", icon=":material/check:")
            page_link("run", label="Open it", icon=":material/monitoring:", run=done)
        turn = st.session_state.setdefault(_TURN, 0)
        # More than the server takes would be refused at the end of the upload, by a number for a sentence.
        most = min(MOST_UPLOADED_MB, int(st.get_option("server.maxUploadSize")))
        given = st.file_uploader("Import a run", type=["zip"], max_upload_size=most, key=f"import-zip-{turn}",
                                 help="The zip that “Download the run” makes, here or in another lab.")  # fmt: skip
        if st.button("Import", icon=":material/upload:", key="import-now", disabled=given is None) and given is not None:
            with st.spinner("Importing …"):
                st.session_state[_IMPORTED] = import_run(given).id
            # An uploader of a new name is an empty one.
            st.session_state[_TURN] = turn + 1
            st.rerun()


def zipped_run(folder: RunFolder, *, checkpoints: bool) -> bytes:
    """Return a run as one zip.

    Raises:
        RunError: the run is gone or damaged, or there is no room for the zip.
    """
    with tempfile.TemporaryDirectory() as place:
        target = Path(place) / "run.zip"
        pack_run(folder, target, checkpoints=checkpoints)
        return target.read_bytes()


def _draw_naming(folder: RunFolder) -> None:
    notes = read_notes(folder.path)
    # In a form, what is typed waits in the browser for Save, whatever is drawn again meanwhile.
    with st.form(f"naming-{folder.id}", border=False):
        label = st.text_input("Name", notes.label, max_chars=LONGEST_LABEL, key=f"name-{folder.id}",
                              placeholder="As in its settings")  # fmt: skip
        text = st.text_area("Note", notes.text, max_chars=LONGEST_TEXT, key=f"note-{folder.id}", height=90)
        if st.form_submit_button("Save", icon=":material/save:", key=f"save-{folder.id}"):
            write_notes(folder.path, replace(notes, label=" ".join(label.split()), text=text.strip()))
            st.rerun()


def _draw_zip(folder: RunFolder) -> None:
    whole, kept = disk_bytes(folder), checkpoint_bytes(folder)
    st.caption(f"On the disk: {_megabytes(whole)}, of it trace {_megabytes(_size(folder.trace_path))}, "
               f"checkpoints {_megabytes(kept)}.")  # fmt: skip
    more = st.checkbox("With its checkpoints", key=f"with-{folder.id}", disabled=not kept)
    st.download_button("Download the run (zip)", lambda: zipped_run(folder, checkpoints=more), f"{folder.path.name}.zip",
                       "application/zip", icon=":material/download:", key=f"zip-{folder.id}", on_click="ignore")  # fmt: skip


def _draw_delete(folder: RunFolder) -> None:
    live = folder.state().live
    sure = st.checkbox("Yes, delete this run for good", key=f"sure-{folder.id}", disabled=live,
                       help="A run at work cannot be deleted: stop it first." if live else None)  # fmt: skip
    if st.button("Delete", icon=":material/delete:", key=f"delete-{folder.id}", disabled=not sure):
        delete_run(folder)
        st.rerun()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
