"""On an imported run's page: the files of this machine that its settings name, and the button that agrees to read them."""

from __future__ import annotations

import streamlit as st

from ikd.config import RunConfig
from ikd.errors import IKDError
from ikd.runs.permission import read_only
from ikd.trace.folder import RunFolder
from ikd.trace.imported import trust_places, untrusted_places
from ikd.ui.shell import notice
from ikd.ui.wording import plain

_COMPLAINT = "trust-complaint"


def draw_trust(folder: RunFolder, config: RunConfig | None) -> None:
    """Draw what an imported run would read, and the way to agree; nothing where nothing is to be agreed to or changed."""
    if read_only() or config is None:
        return
    notice(st.session_state.pop(_COMPLAINT, ""))
    asked = untrusted_places(folder, config)
    if not asked:
        return
    named = ", ".join(f"{plain(place, longest=200)} ({plain(path)})" for path, place in asked.items())
    with st.container(border=True, key="trust"):
        st.warning(f"This run was imported, and its settings name files or folders of this machine: {named}. They are not read, so the "
                   "run can be neither resumed nor forked, until you agree.", icon=":material/folder_open:")  # fmt: skip
        sure = st.checkbox("Read these files", key=f"trust-sure-{folder.id}")
        st.button("Agree", icon=":material/check:", key=f"trust-{folder.id}", disabled=not sure, on_click=_agree, args=(folder,))


def _agree(folder: RunFolder) -> None:
    if not st.session_state.get(f"trust-sure-{folder.id}"):
        return
    try:
        trust_places(folder)
    except IKDError as fault:
        st.session_state[_COMPLAINT] = str(fault)
