"""Where a task's texts come from: the task, its files, uploads or hub name, and which columns are used."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from ikd.config import Setting, settings_of
from ikd.errors import HubError
from ikd.runs.hub_names import cached_data_sets, search_hub, used_data_sets
from ikd.runs.inspection import Inspection
from ikd.ui import state
from ikd.ui.controls import applies_now, draw_setting, help_of, values_of_session
from ikd.ui.shell import sentences
from ikd.ui.uploads import draw_kept_files, draw_uploads
from ikd.ui.wording import plain

FIRST = ("train_file", "validation_file", "test_file", "exam_file", "unlabelled_file", "hub_name", "hub_config", "ambiguity", "shift",
         "shift_strength")  # fmt: skip
SIZES = ("train_size", "exam_size", "validation_size", "test_size", "seed", "max_length", "long_texts")
REST = ("header", "delimiter", "encoding", "hub_revision", "hub_validation_split", "hub_test_split", "hub_exam_split", "soft_label_order",
        "soft_target_order")  # fmt: skip
COLUMNS = {"text": "text_column", "text_pair": "text_pair_column", "label": "label_column"}
BESIDE = {"group": "group_column", "source": "source_column"}
SEVERAL = {"soft": ("soft_label_column", "none: the truth is not known"), "soft_target": ("soft_target_column", "none: none are stored")}
NO_COLUMN = "-"
OF_A_SOURCE = ("task.text_column", "task.text_pair_column", "task.label_column", "task.soft_label_column", "task.soft_label_order",
               "task.group_column", "task.source_column", "task.soft_target_column", "task.soft_target_order",
               "task.label_map")  # fmt: skip
_FOUND = "hub-found"


def draw_source() -> None:
    """Draw the controls of the source."""
    every = {one.name: one for one in settings_of("task")}
    settle_source()
    with st.container(border=True, key="data-source"), sentences():
        draw_setting(every["name"], state.DATA)
        name = str(values_of_session().get("task.name", "reviews"))
        if name == "files":
            draw_uploads(state.DATA)
        elif name == "hub":
            _draw_hub()
        _draw(every, FIRST)
        with st.expander("Sizes and cutting", key="data-sizes"):
            _draw(every, SIZES)
        if any(applies_now(every[one]) for one in REST if one in every):
            with st.expander("Reading", key="data-rest"):
                _draw(every, REST)
        if name == "files":
            draw_kept_files()
    settle_source()


def _draw(every: dict[str, Setting], names: Sequence[str]) -> None:
    for name in names:
        if name in every and applies_now(every[name]):
            draw_setting(every[name], state.DATA)


def settle_source() -> None:
    """Let go of the columns and label names of another file or hub data set: they say nothing about this one.

    Those chosen before any file or data set was named stay: they are meant for the first.
    """
    chosen = values_of_session()
    now = tuple(str(chosen.get(f"task.{name}", "")) for name in ("name", "train_file", "hub_name", "hub_config"))
    before = st.session_state.get(state.SOURCE, now)
    st.session_state[state.SOURCE] = now
    gone = [path for path in OF_A_SOURCE if path in chosen] if before != now and any(before[1:]) else []
    for path in gone:
        put(path, None)
    if gone:
        st.toast("The columns and label names of the former source were let go.", icon=":material/info:")
        st.rerun()


def draw_columns(found: Inspection) -> None:
    """Draw which column is which, those of the training table to choose from; what was guessed stands there and can be changed."""
    if not found.tables:
        return
    table = found.tables[0]
    every = {one.name: one for one in settings_of("task")}
    with st.container(border=True, key="data-columns"):
        st.markdown("**Columns**" + (" · guessed, look whether they are right" if table.guessed else ""))
        for role, name in COLUMNS.items():
            extra = [NO_COLUMN] if role == "text_pair" else []
            _choose(every[name], [*extra, *dict.fromkeys(table.columns)], table.used.get(role))
        # Columns beside text and label may stand in another table alone.
        columns = list(dict.fromkeys(column for one in found.tables for column in one.columns))
        for role, name in BESIDE.items():
            _choose(every[name], columns, table.used.get(role), placeholder="none")
        for role, (name, nothing) in SEVERAL.items():
            _choose_several(every[name], columns, table.used.get(role, ""), placeholder=nothing)


def _choose(one: Setting, options: Sequence[str], used: str | None, *, placeholder: str = "choose a column") -> None:
    key = f"column-{one.name}"
    shown = str(values_of_session().get(one.path) or used or "") or None
    choices = list(options) if shown is None or shown in options else [shown, *options]
    st.session_state[key] = shown
    st.selectbox(one.label, choices, key=key, index=None, placeholder=placeholder, help=help_of(one),
                 format_func=lambda name: "none" if name == NO_COLUMN else plain_name(name),
                 on_change=_keep, args=(one.path, key, lambda value: value))  # fmt: skip


def _choose_several(one: Setting, options: Sequence[str], used: str, *, placeholder: str) -> None:
    key = f"column-{one.name}"
    named = str(values_of_session().get(one.path) or used)
    chosen = [named] if named in options else [name.strip() for name in named.split(",") if name.strip() in options]
    st.session_state[key] = chosen
    st.multiselect(one.label, options, key=key, help=help_of(one), placeholder=placeholder,
                   format_func=plain_name, on_change=_keep, args=(one.path, key, lambda value: ", ".join(value) or None))  # fmt: skip


def plain_name(name: str) -> str:
    """Return the name of a column on one line, not too long; a list of choices interprets no Markdown."""
    return " ".join(name.split())[:60] or "(no name)"


def _keep(path: str, key: str, as_value: Callable[..., str | None]) -> None:
    value = as_value(st.session_state[key])
    put(path, value)


def put(path: str, value: str | None) -> None:
    """Set one setting of the session, or let it take its default; its control on any page shows it from then on."""
    chosen = values_of_session()
    if value is None:
        chosen.pop(path, None)
    else:
        chosen[path] = value
    state.forget_controls(path)


def _draw_hub() -> None:
    with st.expander("Find a data set", key="hub-search", expanded=not values_of_session().get("task.hub_name")):
        words = st.text_input("Search the hub", key="hub-words", placeholder="for example: emotion", max_chars=100)
        if st.button("Search", key="hub-go", icon=":material/search:", disabled=not words.strip()):
            try:
                with st.spinner("Asking the hub …"):
                    st.session_state[_FOUND] = (words, search_hub(words.strip()))
            except HubError as fault:
                st.session_state.pop(_FOUND, None)
                st.error(plain(str(fault), longest=500), icon=":material/cloud_off:")
        asked, names = st.session_state.get(_FOUND, ("", []))
        groups = {f"Found for “{plain(asked)}”": names, "Used before": used_data_sets(), "In the local cache": cached_data_sets()}
        for title, found in groups.items():
            if found:
                st.caption(title)
                with st.container(horizontal=True, gap="small"):
                    for name in found[:12]:
                        st.button(plain(name, longest=60), key=f"hub-{title[:5]}-{name}", type="tertiary", on_click=put,
                                  args=("task.hub_name", name))  # fmt: skip
        if asked and not names:
            st.caption(f"The hub has nothing for “{plain(asked)}”.")
