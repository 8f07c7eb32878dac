"""How much of a file is taken: bounds of uploads and tables, each set by an environment variable of its own."""

from __future__ import annotations

import os
from dataclasses import Field, dataclass, field, fields
from typing import Any

from ikd.errors import ConfigError

MB = 2**20
"""Bytes in a MB, here and in every sentence about one."""
LARGEST = 10**12


def _limit(default: int, variable: str, meaning: str) -> Any:
    return field(default=default, metadata={"variable": variable, "meaning": meaning})


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The bounds of what is read; the metadata of each field holds its variable and its meaning."""

    upload_mb: int = _limit(50, "IKD_MAX_UPLOAD_MB", "size of an uploaded file, in MB")
    uploads: int = _limit(200, "IKD_MOST_UPLOADS", "uploaded files that are kept")
    uploads_mb: int = _limit(2000, "IKD_MOST_UPLOADS_MB", "size of all uploaded files that are kept, in MB")
    imported_mb: int = _limit(20_000, "IKD_MOST_IMPORTED_MB", "size of all imported runs that are kept, in MB")
    file_mb: int = _limit(500, "IKD_MAX_FILE_MB", "size of a file named by its path, in MB")
    unpacked_mb: int = _limit(500, "IKD_MAX_UNPACKED_MB", "what a gzip or Parquet file unpacks to, in MB")
    rows: int = _limit(1_000_000, "IKD_MAX_ROWS", "rows of a file")
    columns: int = _limit(1000, "IKD_MAX_COLUMNS", "columns of a file")
    cells: int = _limit(20_000_000, "IKD_MAX_CELLS", "cells of a file, rows times columns")
    cell_characters: int = _limit(
        5_000_000, "IKD_MAX_CELL_CHARACTERS", "characters of a cell; a row with a longer one is left out, with a note"
    )
    classes: int = _limit(1000, "IKD_MAX_CLASSES", "classes of a task read from files")


def limits() -> Limits:
    """Return the bounds that hold in this process: the defaults, and what the environment says instead.

    Raises:
        ConfigError: a variable that is no whole number above 0.
    """
    return Limits(**{one.name: _value(one) for one in fields(Limits)})


def _value(one: Field[int]) -> int:
    variable = one.metadata["variable"]
    text = os.environ.get(variable, "").strip()
    if not text:
        return int(str(one.default))
    if not (text.isascii() and text.isdigit() and len(text) <= 15 and 0 < int(text) <= LARGEST):
        raise ConfigError(
            f"The environment variable {variable} is {text[:40]!r}: give a whole number from 1 to {LARGEST:,}, "
            f"without separators, or unset it for {one.default:,}."
        )
    return int(text)
