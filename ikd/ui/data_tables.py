"""The rows of a task as they are read, and the classes that its labels become."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from ikd.config import TaskSettings
from ikd.runs.inspection import Inspection, TableView
from ikd.ui.data_source import put
from ikd.ui.wording import plain, visible

ROLE_WORDS = {"text": "text", "text_pair": "second text", "label": "label", "soft": "soft labels", "group": "group", "source": "source",
              "soft_target": "soft targets"}  # fmt: skip
MOST_LABELS = 1000
_EDITED = "label-editor"


def draw_tables(found: Inspection) -> None:
    """Draw the first rows of each table, and what each used column is."""
    if not found.tables:
        st.caption("No table could be read.")
    for table in found.tables:
        used = ", ".join(f"{ROLE_WORDS[role]}: **{plain(column)}**" for role, column in table.used.items())
        where, used = plain(table.where, longest=120), used or "no column is used yet"
        st.markdown(f"**{plain(table.split)}** · {where} · {table.n_rows:,} row{'' if table.n_rows == 1 else 's'} · {used}")
        used_first = sorted(table.first.columns, key=lambda name: name not in table.used.values())
        shown = table.first[used_first].map(lambda cell: visible(str(cell), longest=400))
        shown.insert(0, "row", range(1, len(shown) + 1))
        st.dataframe(shown, hide_index=True, key=f"rows-{table.split}", column_config=_widths(table))
        if table.n_rows > len(table.first):
            st.caption(f"The first {len(table.first)} of {table.n_rows:,} rows. Cells are cut here; nothing is cut in the data.")


def _widths(table: TableView) -> dict[str, Any]:
    texts = [table.used[role] for role in ("text", "text_pair") if role in table.used]
    return {name: st.column_config.TextColumn(width="large") for name in texts}


def draw_labels(found: Inspection, task: TaskSettings) -> None:
    """Draw each label of the training table with the class it becomes; the class can be edited, an empty one leaves the rows out."""
    if not found.labels:
        names = ", ".join(plain(name) for name in found.label_names[:50])
        st.caption(f"Classes: {names}." if names else "No label column is chosen yet, so there are no labels to show.")
        return
    st.caption("Each label as it stands in the training rows, and the class it becomes. Edit a class to rename it; give two labels one "
               "class to merge them; empty it to leave those rows out.")  # fmt: skip
    rows = found.labels[:MOST_LABELS]
    table = pd.DataFrame({"label": [visible(word, longest=200) for word, _, _ in rows], "rows": [n for _, n, _ in rows],
                          "class": [name for _, _, name in rows]})  # fmt: skip
    edited = st.data_editor(
        table, key=f"{_EDITED}-{hash(tuple(rows)) & 0xFFFFFF}", hide_index=True, disabled=["label", "rows"],
        column_config={"class": st.column_config.TextColumn(max_chars=200)},
    )  # fmt: skip
    if len(found.labels) > MOST_LABELS:
        st.caption(f"The {MOST_LABELS:,} most frequent of {len(found.labels):,} labels: this many are hardly classes.")
    wanted = {word: name.strip() if isinstance(name, str) else "" for (word, _, _), name in zip(rows, edited["class"], strict=True)}
    if wanted != {word: name for word, _, name in rows}:
        changed = changed_names({word: name for word, _, name in rows}, wanted)
        put("task.label_map", json.dumps(changed, ensure_ascii=False) if changed else None)
        st.rerun()
    if task.label_map and st.button("Labels as they stand", icon=":material/undo:", key="labels-back"):
        put("task.label_map", None)
        st.rerun()
    if found.truth_is:
        st.caption("The truth: " + ("people's votes, of the soft label column." if found.truth_is == "votes" else "exactly known."))


def changed_names(shown: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Return the names that must be given to labels: those unlike the label, and a label's own where another class is shown for it.

    A word such as NA, left out unless it is named, becomes a class called NA so.

    Args:
        shown: label to the class that it has now; "" for none.
        wanted: label to the class that it should have.
    """
    return {word: name for word, name in wanted.items() if name != word or shown[word] != word}
