"""The drawing of the method for the Home page; its text takes the page's colour, so it fits light and dark."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

DRAWING = Path(__file__).parents[2] / "assets" / "ikd.svg"


def draw_method() -> None:
    """Draw teacher, student and the two steps between them."""
    with st.container(key="drawing"):
        # On one line, or Markdown would take its indented lines for code. It is the lab's own file and holds no data.
        st.markdown(" ".join(DRAWING.read_text(encoding="utf-8").split()), unsafe_allow_html=True)
