"""Tables written as files, as a person would give them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd


def written(table: pd.DataFrame, path: Path) -> Path:
    """Write a table in the form that the ending of the path names, and return the path."""
    match path.suffix:
        case ".csv" | ".tsv":
            table.to_csv(path, index=False, sep="," if path.suffix == ".csv" else "\t")
        case ".parquet":
            table.to_parquet(path)
        case _:
            table.to_json(path, orient="records", lines=path.suffix == ".jsonl")
    return path
