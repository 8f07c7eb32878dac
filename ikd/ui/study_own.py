"""A study of one's own, as YAML: uploaded, pasted or begun from another one; what is typed stays while others are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import streamlit as st

from ikd.errors import ConfigError
from ikd.runs.permission import read_only
from ikd.study.plan import Study
from ikd.study.reading import LARGEST_BYTES, study_from_text, study_text
from ikd.ui import state
from ikd.ui.shell import notice
from ikd.ui.wording import plain

TEXT, UPLOAD, BEGIN_WITH = "study-yaml", "study-upload", "study-begin-with"
MOST_UPLOADED_MB = 1
HEIGHT_PIXELS = 320
EMPTY = "name, tasks, methods, seeds, baseline: paste it here, upload it, or begin with a copy"
_REFUSAL, _BEFORE = "study-refusal", "study-text-before"


def draw_own(others: Mapping[str, Study]) -> Study | None:
    """Draw the uploader and the text, and return the study in it; None, with the reason as a sentence, where there is none.

    Args:
        others: studies to begin with, by name.
    """
    st.session_state.setdefault(TEXT, st.session_state.get(state.STUDY_TEXT, ""))
    with st.container(border=True, key="study-own"):
        text = str(st.text_area("The study as YAML", key=TEXT, height=HEIGHT_PIXELS, on_change=_forget_refusal, placeholder=EMPTY))
        st.session_state[state.STUDY_TEXT] = text
        if not read_only():
            st.file_uploader("Or a file", type=["yaml", "yml"], key=UPLOAD, max_upload_size=MOST_UPLOADED_MB,
                             on_change=_take_file)  # fmt: skip
        if not text.strip():
            _draw_beginnings(others)
        if before := str(st.session_state.get(_BEFORE, "")):
            st.button("Back to the text that the file replaced", icon=":material/undo:", key="study-back", on_click=_put, args=(before,))
        notice(st.session_state.get(_REFUSAL, ""))
        if not text.strip():
            return None
        study = own_study(text)
        if isinstance(study, str):
            st.error(plain(study, longest=1000), icon=":material/error:")
            return None
        then = "The command below carries it out in a lab of your own." if read_only() else "It can be started below."
        st.success(f"This is a study: {plain(study.title or study.name)}. {then}", icon=":material/check:")
        return study


@lru_cache(maxsize=16)
def own_study(text: str) -> Study | str:
    """Return the study in a text that a person has given; where it is none that can be carried out, why, in one sentence."""
    if len(text.encode("utf-8", "replace")) > LARGEST_BYTES:
        return f"The text has more than {LARGEST_BYTES:,} bytes: that is no study. Give names, settings and seeds alone."
    try:
        return study_from_text(text)
    except ConfigError as fault:
        return str(fault)


def _draw_beginnings(others: Mapping[str, Study]) -> None:
    if not others:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = str(st.selectbox("Begin with a copy of", list(others), key=BEGIN_WITH, width=260))
        st.button("Copy", icon=":material/content_copy:", key="study-copy", on_click=_put, args=(study_text(others[name]),))


def _take_file() -> None:
    given = st.session_state.get(UPLOAD)
    if given is None:
        return
    content = given.getvalue()
    _forget_refusal()
    if len(content) > LARGEST_BYTES:
        st.session_state[_REFUSAL] = f"The file {given.name[:80]} has more than {LARGEST_BYTES:,} bytes: that is no study. The text stays."
        return
    try:
        _put(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        st.session_state[_REFUSAL] = f"The file {given.name[:80]} is not UTF-8 text: save it as UTF-8. The text stays as it was."


def _put(text: str) -> None:
    typed = str(st.session_state.get(TEXT, ""))
    st.session_state[_BEFORE] = typed if typed.strip() and typed != text else ""
    st.session_state[TEXT] = text
    _forget_refusal()


def _forget_refusal() -> None:
    st.session_state.pop(_REFUSAL, None)
