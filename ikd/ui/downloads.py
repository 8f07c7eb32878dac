"""Downloads of what a view shows: CSV that no spreadsheet takes for formulas, and Parquet."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ikd.study.writing import csv, may_hold_texts

EVERY_ROW = "Both files have every row, not only what is drawn."
CSV_WORDS = (
    "In the CSV, lists are JSON, and a text that a spreadsheet could take for a formula (it begins with =, +, -, @, a tab or a "
    "line break, also behind spaces) has an apostrophe in front."
)


def draw_downloads(
    make_table: Callable[[], pd.DataFrame], *, name: str, key: str, rows: str = EVERY_ROW, what: str = ""
) -> None:
    """Draw two buttons, CSV and Parquet, and the words about them.

    Args:
        make_table: called in another thread when a button is clicked: it must not touch Streamlit.
        name: of the files, without their endings.
        key: unique on the page; the buttons are named after it.
        rows: which rows the files have, a sentence.
        what: words behind the names of the buttons, where a page has several.
    """
    with st.container(horizontal=True, key=f"downloads-{key}"):
        st.download_button(f"CSV{what}", lambda: csv_bytes(make_table()), f"{name}.csv", "text/csv", icon=":material/download:",
                           key=f"{key}-csv", on_click="ignore")  # fmt: skip
        st.download_button(f"Parquet{what}", lambda: parquet_bytes(make_table()), f"{name}.parquet",
                           "application/vnd.apache.parquet", icon=":material/download:", key=f"{key}-parquet",
                           on_click="ignore")  # fmt: skip
    st.caption(f"{rows} {CSV_WORDS}")


def csv_bytes(table: pd.DataFrame) -> bytes:
    """Return a table as CSV in UTF-8: lists as JSON, texts that look like formulas made harmless, no index."""
    shown = pd.DataFrame({at: table.iloc[:, at].map(_cell) if may_hold_texts(table.iloc[:, at]) else table.iloc[:, at]
                          for at in range(table.shape[1])}, index=table.index)  # fmt: skip
    shown.columns = table.columns
    return csv(shown).encode("utf-8")


def parquet_bytes(table: pd.DataFrame) -> bytes:
    """Return a table as Parquet (zstd): lists stay lists, texts stay as they are, no index."""
    shown = pd.DataFrame({str(name): table[name].map(_storable) if may_hold_texts(table[name]) else table[name]
                          for name in table.columns}, index=table.index)  # fmt: skip
    whole = io.BytesIO()
    shown.to_parquet(whole, engine="pyarrow", compression="zstd", index=False)
    return whole.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, np.ndarray | list | tuple):
        return json.dumps(_listed(value), ensure_ascii=False)
    return _storable(value) if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    """Return nested lists of plain numbers and words; JSON has no not-a-number, so that is null."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_listed(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        # Half of a surrogate pair has no UTF-8 form.
        return value.encode("utf-8", "replace").decode("utf-8")
    return value.tolist() if isinstance(value, np.ndarray) else value
