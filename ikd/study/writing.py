"""Tables of a study as Markdown, LaTeX, CSV and Parquet."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from ikd.errors import ConfigError

_LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
          "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}"}  # fmt: skip
_MARKDOWN = {"\\": "\\\\", "|": "\\|", "\n": " ", "<": "&lt;", "*": "\\*", "`": "\\`"}


def markdown(table: pd.DataFrame) -> str:
    """Return a table as Markdown, numbers with four significant digits."""
    head, *rows = _cells(table, _MARKDOWN)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)) + "\n"


def latex(table: pd.DataFrame) -> str:
    """Return a table as a LaTeX tabular, numbers as in `markdown`; it needs no package."""
    head, *rows = _cells(table, _LATEX)
    columns = "".join("r" if pd.api.types.is_numeric_dtype(table[name]) else "l" for name in table.columns)
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\hline", " & ".join(head) + r" \\", r"\hline",
             *(" & ".join(row) + r" \\" for row in rows), r"\hline", r"\end{tabular}"]  # fmt: skip
    return "\n".join(lines) + "\n"


def plain(table: pd.DataFrame) -> str:
    """Return a table for a terminal, in columns, numbers as in `markdown`."""
    rows = _cells(table, {"\n": " "})
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows) + "\n"


def csv(table: pd.DataFrame) -> str:
    """Return a table as CSV, numbers in full."""
    return str(table.to_csv(index=False, lineterminator="\n"))


TEXTS: dict[str, Callable[[pd.DataFrame], str]] = {".md": markdown, ".tex": latex, ".csv": csv, ".txt": plain}


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table to a file, in the format that the end of its name says: .md, .tex, .csv, .txt or .parquet.

    Raises:
        ConfigError: another end, or a file that cannot be written.
    """
    if path.suffix not in (*TEXTS, ".parquet"):
        raise ConfigError(f"A table cannot be written as {path.suffix or path.name!r}: end the file's name in .md, .tex, .csv, .txt or "
                          ".parquet.")  # fmt: skip
    try:
        if path.suffix == ".parquet":
            table.to_parquet(path, index=False, compression="zstd")
        else:
            path.write_text(TEXTS[path.suffix](table), encoding="utf-8")
    except OSError as fault:
        raise ConfigError(f"{path.name} cannot be written ({fault.strerror or type(fault).__name__}): choose another folder.") from None


def _cells(table: pd.DataFrame, escapes: dict[str, str]) -> list[list[str]]:
    rows = [[str(name).replace("_", " ") for name in table.columns]]
    rows += [[_word(value) for value in row] for row in table.to_numpy(dtype=object)]
    swapped = str.maketrans(escapes)
    return [[cell.translate(swapped) for cell in row] for row in rows]


def _word(value: Any) -> str:
    if value is None or value is pd.NA:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        if not math.isfinite(value):
            return ""
        return f"{value:.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.4g}"
    return str(value)
