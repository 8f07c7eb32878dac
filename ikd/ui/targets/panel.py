"""Around each figure: its sentence, formula and what to look for, the same as a table, and its downloads."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import pandas as pd
import streamlit as st

from ikd.ui.downloads import EVERY_ROW, draw_downloads
from ikd.ui.figures import Shown
from ikd.ui.targets.look import Look
from ikd.ui.targets.words import Words

MOST_ROWS = 2_000


def draw_words(
    name: str, words: Words, look: Look, *, make_table: Callable[[], pd.DataFrame], figures: dict[str, Shown] | None = None,
    others: dict[str, Callable[[], pd.DataFrame]] | None = None, rows: str = EVERY_ROW,
) -> None:  # fmt: skip
    """Draw what stands below a figure; the table is made only while the words are open.

    Args:
        name: of the view, for keys and files.
        words: of the view.
        look: at the run.
        make_table: gives the whole content of the figure.
        figures: words of a button to the figure it saves as SVG.
        others: more tables to save, by name.
        rows: which rows the files have.
    """
    st.caption(words.sentence)
    more = st.expander("Formula · what to look for · as a table · download", key=f"more-{name}", on_change="rerun")
    with more:
        if not more.open:
            return
        st.latex(words.formula)
        st.markdown(f"**Look for:** {words.look_for}")
        st.caption(f"Shown {look.scale_words()}, step {look.cursor}.")
        table = make_table()
        st.dataframe(table.head(MOST_ROWS), hide_index=True, height=240, key=f"as-table-{name}",
                     alt=f"The content of {words.title} as a table.")  # fmt: skip
        if len(table) > MOST_ROWS:
            st.caption(f"The first {MOST_ROWS} of {len(table)} rows; the files below have all of them.")
        title = f"run {look.folder.id}, step {look.cursor}, {look.scale_words()}"
        file = f"{look.folder.path.name}-{name}-step-{look.cursor}"
        draw_downloads(lambda: table, name=file, key=f"save-{name}", rows=rows)
        for other, make in (others or {}).items():
            draw_downloads(make, name=f"{file}-{other}", key=f"save-{name}-{other}", rows=f"The {other} as a table.",
                           what=f" of the {other}")  # fmt: skip
        with st.container(horizontal=True, key=f"svgs-{name}"):
            for label, figure in (figures or {}).items():
                part = re.sub(r"[^a-z0-9]+", "-", label.removesuffix(" as SVG").lower()).strip("-")
                save = partial(figure.svg, f"{words.title}: {title}")
                st.download_button(label, save, f"{file}-{part}.svg", "image/svg+xml", icon=":material/image:",
                                   key=f"svg-{name}-{label}", on_click="ignore")  # fmt: skip
