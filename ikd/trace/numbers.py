"""The few numbers that a teacher learns, out of a trace."""

from __future__ import annotations

import sqlite3

import pandas as pd

from ikd.trace.decoding import decoded_blob, decoded_meta, has_table, table

COLUMNS = ["step", "number", "name", "value", "truth"]
KINDS = {"step": "int64", "number": "int64", "value": "float64", "truth": "float64"}


def numbers_table(trace: sqlite3.Connection | None, *, after: int) -> pd.DataFrame:
    """Return the numbers at each reading after a step, as `TraceReader.numbers`; no rows where there are none."""
    if trace is None or not has_table(trace, "numbers"):
        return table([], COLUMNS, KINDS)
    names = decoded_meta(trace, "numbers").get("numbers", [])
    truth = decoded_meta(trace, "numbers_truth").get("numbers_truth", [])
    rows = trace.execute("SELECT step, numbers FROM numbers WHERE step > ? ORDER BY step", (after,)).fetchall()
    found = [
        (step, at, name, float(value), truth[at] if at < len(truth) else float("nan"))
        for step, blob in rows for at, (name, value) in enumerate(zip(names, decoded_blob(blob, "<f4", len(names)), strict=True))
    ]  # fmt: skip
    return table(found, COLUMNS, KINDS)
