"""The course log: every training example that was issued soft targets, and what the student asked of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ikd.trace.measures import course_log
from ikd.ui import state
from ikd.ui.shell import page_link
from ikd.ui.targets.course_heat import PICKED_KEY, cells_frame, draw_course_heat
from ikd.ui.targets.look import Look
from ikd.ui.targets.panel import draw_words
from ikd.ui.targets.table import clicked_row, holding, shortened
from ikd.ui.targets.words import VIEWS
from ikd.ui.wording import plain

MOST_ROWS = 200
ORDERS = {
    "asked": "asked most about", "helped": "helped the exams most", "harmed": "harmed the exams most", "issued": "issued most often",
    "example": "number",
}  # fmt: skip
ROWS_KEY = "course-table"


def draw_course(look: Look) -> int | None:
    """Draw the log up to the cursor; a click on a cell or a row leads to the page of that training example."""
    log = look.tail.once("course-log", (look.cursor, len(look.tail.sizes())), lambda: log_frame(look))
    if log.empty:
        st.info("No soft target was issued up to this step: the first course step comes after the first reading.")
        return None
    with st.container(horizontal=True, vertical_alignment="bottom", key="course-choice"):
        text = st.text_input("Text contains", key="course-text", max_chars=200, width=240)
        order = st.selectbox("Sorted by", list(ORDERS), format_func=ORDERS.__getitem__, key="course-order", width=240)
    found = log[holding(log, text)]
    shown = sorted_log(found, order).head(MOST_ROWS)
    st.caption(_count_words(look, log, found, len(shown)))
    if shown.empty:
        return None
    picked = draw_course_heat(look, shown)
    if picked.example is not None:
        st.session_state[PICKED_KEY] = picked.example
    event = st.dataframe(
        shortened(shown).drop(columns="text_pair"), hide_index=True, height=420, key=f"{ROWS_KEY}-{order}-{look.cursor}-{text}",
        selection_mode=["single-row", "single-cell"], on_select="rerun", column_config=_columns(),
        alt=f"Course log of {len(found)} training examples up to step {look.cursor}.",
    )  # fmt: skip
    row = clicked_row(event.selection)
    if row is not None and state.is_news(ROWS_KEY, int(shown["example"].iloc[min(row, len(shown) - 1)])):
        st.session_state[PICKED_KEY] = int(shown["example"].iloc[min(row, len(shown) - 1)])
    _draw_picked(look, log)
    draw_words("course", VIEWS["course"], look, make_table=lambda: log,
               others={"picture": lambda: cells_frame(look, shown["example"].to_numpy(dtype=np.int64))})  # fmt: skip
    return None


def _count_words(look: Look, log: pd.DataFrame, found: pd.DataFrame, n_shown: int) -> str:
    if found.empty:
        return f"None of the {len(log)} training examples issued up to step {look.cursor} holds this text: shorten or empty it."
    exams, issued = int(found["exams"].sum()), int(found["issued"].sum())
    which = f"All {len(found)}" if n_shown == len(found) else f"The first {n_shown} of {len(found)}"
    return (f"{which} training examples, up to step {look.cursor}: {issued} soft targets were issued to them, {exams} of these with "
            f"an exam{'' if exams else ', so none has feedback or influence'}.")  # fmt: skip


def _draw_picked(look: Look, log: pd.DataFrame) -> None:
    found = log[log["example"] == st.session_state.get(PICKED_KEY, -1)]
    if found.empty:
        st.caption("Click a row of the picture or of the table to choose a training example and open its page.")
        return
    example = int(found["example"].iloc[0])
    page_link("example", label=f"Open training example {example}: {plain(str(found['text'].iloc[0]), longest=60)}",
              icon=":material/search:", run=look.folder.id, more={state.SPLIT: "course", state.EXAMPLES: str(example)})  # fmt: skip


def log_frame(look: Look) -> pd.DataFrame:
    """Return the course log up to the cursor with texts and labels, one row an example."""
    log = course_log(look.tail.sizes(), upto=look.cursor).reset_index()
    # New training examples come with new steps: the texts are read again only when there are some.
    texts = look.tail.once("course-texts", int(log["example"].nunique()), lambda: look.tail.reader.examples("course"))
    texts = texts.set_index("id")
    labels = texts["label"].reindex(log["example"]).tolist()
    words = texts["text"].reindex(log["example"]).fillna("").tolist()
    log.insert(1, "text", [str(one) for one in words])
    log.insert(2, "text_pair", texts["text_pair"].reindex(log["example"]).tolist())
    log.insert(3, "label", [look.names[int(one)] if one == one and 0 <= int(one) < len(look.names) else "" for one in labels])
    return log


def sorted_log(log: pd.DataFrame, order: str) -> pd.DataFrame:
    """Return the rows by one of `ORDERS`, the foremost first; what is not known comes last."""
    column, rising = {"asked": ("asked", False), "helped": ("influence", True), "harmed": ("influence", False),
                      "issued": ("issued", False), "example": ("example", True)}[order]  # fmt: skip
    return log.sort_values(column, ascending=rising, kind="stable", na_position="last")


def _columns() -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "example": number("example", width=70), "text": st.column_config.TextColumn("text", width=430),
        "asked": number("asked, mean |f|", format="%.2e"), "influence": number("influence, sum", format="%+.2e"),
        "most_helped": number("lowest influence", format="%+.2e"), "most_harmed": number("highest influence", format="%+.2e"),
        "last_step": number("last step", format="%d"), "issued": number("issued", format="%d"),
    }  # fmt: skip
