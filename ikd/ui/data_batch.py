"""The first course batch of a run: exactly what both models will see, and what the teacher says to it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from ikd.config import RunConfig
from ikd.runs.background import first_batch_later
from ikd.runs.inspection import FirstBatch, SeenText
from ikd.trace.store import runs_root
from ikd.ui.shell import sentences
from ikd.ui.wording import plain, snippet, visible, whole

POLL_SECONDS = 0.5
MOST_CLASSES = 8
_AT = "batch-example"


def draw_first_batch(config: RunConfig) -> None:
    """Draw it, once a thread has built the models."""
    found = first_batch_later(config, runs_root())
    st.fragment(_wait, run_every=None if found else POLL_SECONDS)(config, found is not None)
    if found is None:
        return
    if found.refusal:
        st.error(plain(found.refusal, longest=1000), icon=":material/error:")
        return
    st.caption(f"{plain(found.teacher, longest=300)} A run with these settings begins with this batch of {len(found.texts)} texts.")
    options = list(range(len(found.texts)))
    if st.session_state.get(_AT) not in options:
        st.session_state[_AT] = 0
    at = st.selectbox("Example", options, key=_AT, format_func=lambda at: f"{found.texts[at].example} · {snippet(found.texts[at].text)}")
    _draw_text(found, found.texts[at])


def _wait(config: RunConfig, was_there: bool) -> None:
    with sentences():
        if was_there:
            return
        if first_batch_later(config, runs_root()) is not None:
            st.rerun()
        st.info("Building the models and drawing the batch …", icon=":material/hourglass_top:")


def _draw_text(found: FirstBatch, seen: SeenText) -> None:
    with st.container(border=True, key="batch-text"):
        with st.container(key="text-batch"):
            st.text(whole(seen.text))
            if seen.text_pair:
                st.text(whole(seen.text_pair))
        st.markdown(f"label **{plain(seen.label)}**" if seen.label else "without a label: the student learns from the soft target alone")
    same = seen.tokens["student"] == seen.tokens["teacher"]
    for role in ("student",) if same else ("student", "teacher"):
        real = sum(seen.mask[role]) if seen.mask[role] else len(seen.tokens[role])
        padding = len(seen.tokens[role]) - real
        st.markdown(f"**{'Both models read' if same else f'The {role} reads'}** {real} tokens and {padding} of padding")
        columns = {"token": [visible(token, longest=60) for token in seen.tokens[role]], "type": list(seen.types[role]),
                   "mask": list(seen.mask[role])}  # fmt: skip
        table = pd.DataFrame({name: values for name, values in columns.items() if values}).T
        table.columns = pd.Index([str(place) for place in range(table.shape[1])])
        st.dataframe(table.astype(str), key=f"tokens-{role}")
    st.markdown("**Soft target of the teacher as it stands**")
    order = sorted(range(len(seen.soft_target)), key=lambda at: -seen.soft_target[at])[:MOST_CLASSES]
    rows = {"class": [visible(found.label_names[at], longest=60) for at in order], "soft target": [seen.soft_target[at] for at in order]}
    if seen.truth is not None:
        rows["truth"] = [seen.truth[at] for at in order]
    formats = {name: st.column_config.ProgressColumn(format="%.3f", min_value=0.0, max_value=1.0) for name in ("soft target", "truth")}
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="batch-target", column_config=formats)
    if len(seen.soft_target) > MOST_CLASSES:
        st.caption(f"The {MOST_CLASSES} most probable of {len(seen.soft_target)} classes.")
