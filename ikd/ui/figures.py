"""Showing a figure: its specification is made once, and each tick sends only its table.

Building and checking an Altair chart takes some 50 ms, and a live page draws a dozen of them each second.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

import altair as alt
import pandas as pd
import streamlit as st

from ikd.plots.theme import on_dark
from ikd.ui import state

MOST_KEPT = 300
_specifications: dict[str, str] = {}


def show_figure(
    make: Callable[..., alt.LayerChart],
    table: pd.DataFrame,
    *,
    key: str,
    spoken: str,
    era: int | None = None,
    zoom: str | None = None,
    width: Literal["stretch", "content"] = "stretch",
    **options: Any,
) -> None:
    """Show a figure of `ikd.plots`.

    Args:
        make: the chart function, from a table and options to a chart.
        table: what it draws.
        key: stable name of the chart on the page.
        spoken: description with numbers, for screen readers.
        era: while data arrive, the description is renewed only when this number changes: with each new description
            the browser builds the figure anew. None renews it at once.
        zoom: name of its zoom, which then survives new data.
        width: of the page's column, or the figure's own.
        options: of the chart function.
    """
    spoken = _settled(key, spoken, era)
    text = specification_of(make, **options)
    specification = json.loads(on_dark(text) if st.context.theme.type == "dark" else text)
    if zoom is None:
        st.vega_lite_chart(table, specification, key=key, alt=spoken, width=width)
    else:
        # Only a selection that is listed and asks for a rerun is given back to the chart with its new data.
        st.vega_lite_chart(table, specification, key=key, alt=spoken, width=width, on_select="rerun", selection_mode=[zoom])


def _settled(key: str, spoken: str, era: int | None) -> str:
    said: dict[str, tuple[int, str]] = st.session_state.setdefault(state.SPOKEN, {})
    if era is None:
        said.pop(key, None)
        return spoken
    if said.get(key, (None, ""))[0] != era:
        said[key] = (era, spoken)
    return said[key][1]


def specification_of(make: Callable[..., alt.LayerChart], **options: Any) -> str:
    """Return a chart's specification as JSON, without its data."""
    name = f"{make.__module__}.{make.__qualname__} {options!r}"
    if name not in _specifications:
        if len(_specifications) >= MOST_KEPT:
            _specifications.clear()
        tree = make(pd.DataFrame(), **options).to_dict()
        tree.pop("data", None)
        tree.pop("datasets", None)
        _specifications[name] = json.dumps(tree)
    return _specifications[name]
