"""Tables of a study as Markdown, LaTeX, CSV and Parquet."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from ikd.errors import ConfigError

FORMULA_STARTS = ("=", "+", "-", "@")
"""First visible characters that make a spreadsheet take a text for a formula, as OWASP lists them; also in their wide and small forms."""
CUT_OFF = ("\t", "\r", "\n")
"""First characters that some spreadsheets cut off or take for a new cell."""
_UNSEEN = "\u115f\u1160\u2800\u3164\uffa0"  # letters by their kind, that are drawn as nothing

# Behind the end of a row LaTeX takes a star or a bracket for its own; a bar is a dash in its first encoding.
_LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "[": "{[}", "*": "{*}",
})  # fmt: skip
_ACTIVE = re.compile(r"""
      [\\`*~$|<]                # code, stress, struck out, formulas, cells of tables, HTML
    | &(?=\#|\w+;)              # a character by its name or number
    | (?<![^\W_])_ | _(?![^\W_]) # stress, where it does not stand between two letters
    | \](?=[(\[:])              # a link or a picture: brackets alone are none
    | ^\[(?=[ xX]\]\s)          # a box to tick
    | (?:^|(?<=\s))\#           # a heading, or its end
    | ^[-+=>](?!\d)             # a list, a line below a heading, a quotation; no number with its sign
    | ^\d{1,9}[.)](?=\s|$)      # a numbered list
    """, re.VERBOSE)  # fmt: skip
_BY_NAME = {"<": "&lt;", "&": "&amp;"}


def escaped(text: str) -> str:
    """Return free text for use inside a paragraph, a heading or a cell of Markdown: on one line, and read as it was written.

    Only what Markdown or HTML would take for its own is escaped, so that ordinary names and sentences stay as they are.
    """
    return _ACTIVE.sub(lambda found: _BY_NAME.get(found[0], f"{found[0][:-1]}\\{found[0][-1]}"), " ".join(text.split()))


def latex_escaped(text: str) -> str:
    """Return free text for use inside a paragraph or a cell of LaTeX: on one line, and read as it was written."""
    return " ".join(text.split()).translate(_LATEX)


def markdown(table: pd.DataFrame) -> str:
    """Return a table as Markdown, numbers with four significant digits."""
    head, *rows = _cells(table, escaped)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)) + "\n"


def latex(table: pd.DataFrame) -> str:
    """Return a table as a LaTeX tabular, numbers as in `markdown`; it needs no package."""
    head, *rows = _cells(table, latex_escaped)
    columns = "".join("r" if pd.api.types.is_numeric_dtype(table[name]) else "l" for name in table.columns)
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\hline", " & ".join(head) + r" \\", r"\hline",
             *(" & ".join(row) + r" \\" for row in rows), r"\hline", r"\end{tabular}"]  # fmt: skip
    return "\n".join(lines) + "\n"


def plain(table: pd.DataFrame) -> str:
    """Return a table for a terminal, in columns, numbers as in `markdown`."""
    rows = _cells(table, str)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows) + "\n"


def csv(table: pd.DataFrame) -> str:
    """Return a table as CSV, numbers in full; a text that a spreadsheet would take for a formula has an apostrophe in front."""
    shown = pd.DataFrame({at: table.iloc[:, at].map(_harmless) if may_hold_texts(table.iloc[:, at]) else table.iloc[:, at]
                          for at in range(table.shape[1])}, index=table.index)  # fmt: skip
    shown.columns = pd.Index([_harmless(str(name)) for name in table.columns])
    # Only with both characters at the end of a row is a text that holds one of them quoted.
    return str(shown.to_csv(index=False, lineterminator="\r\n"))


def may_hold_texts(column: pd.Series[Any]) -> bool:
    """Return whether a column of a table is of something else than numbers or times."""
    return not pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_datetime64_any_dtype(column)


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
            path.write_text(TEXTS[path.suffix](table), encoding="utf-8", newline="")
    except OSError as fault:
        raise ConfigError(f"{path.name} cannot be written ({fault.strerror or type(fault).__name__}): choose another folder.") from None


def looks_like_formula(text: str) -> bool:
    """Return whether a spreadsheet could take a text for a formula: invisible characters in front of it hide none."""
    first = next((one for one in text if unicodedata.category(one)[0] not in "CZM" and one not in _UNSEEN), "")
    return text.startswith(CUT_OFF) or unicodedata.normalize("NFKC", first).startswith(FORMULA_STARTS)


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and looks_like_formula(value) else value


def _cells(table: pd.DataFrame, escape: Callable[[str], str]) -> list[list[str]]:
    rows = [[str(name).replace("_", " ") for name in table.columns]]
    rows += [[_word(value) for value in row] for row in table.to_numpy(dtype=object)]
    return [[escape(" ".join(cell.split())) for cell in row] for row in rows]


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
