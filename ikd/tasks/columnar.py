"""Parquet into a table."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from ikd.config.limits import MB, Limits
from ikd.errors import TaskError
from ikd.tasks.structured import with_parts
from ikd.tasks.tables import Table, check_columns, check_size, framed, left_out


def read_parquet(file: Path | bytes, name: str, most: Limits) -> Table:
    """Return the rows of a Parquet file, or of the bytes of one.

    Raises:
        TaskError: a damaged file, or one of too many rows, columns, cells or bytes.
    """
    try:
        schema = parquet.read_schema(_opened(file))
        # Repeated texts stay one text in memory, however often a small file repeats a large one.
        texts = [field.name for field in schema if _is_text(field.type)]
        with parquet.ParquetFile(_opened(file), read_dictionary=texts) as opened:
            _check_bounds(opened.metadata, len(schema.names), name, most)
            table = opened.read()
        columns = [_cells(column) for column in table.columns]
    except TaskError:
        raise
    except Exception as error:  # pyarrow raises many kinds; all of them mean the same to the reader
        raise TaskError(
            f"{name} is not a readable Parquet file; it may be cut off or be of another kind. Write it again."
        ) from error
    if not table.num_rows or not columns:
        raise TaskError(f"{name} has no data rows.")
    table_read = _as_table(schema.names, columns, name, most)
    return table_read._replace(class_names=_class_labels(schema.metadata or {}), layout="parquet")


def _opened(file: Path | bytes) -> Path | io.BytesIO:
    return io.BytesIO(file) if isinstance(file, bytes) else file


def _is_text(kind: pa.DataType) -> bool:
    return any(is_kind(kind) for is_kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary))


def _check_bounds(shape: Any, n_columns: int, name: str, most: Limits) -> None:
    """Refuse, by what a Parquet file says of itself, more than is read."""
    groups = [shape.row_group(i) for i in range(shape.num_row_groups)]
    n_values = sum(group.column(i).num_values for group in groups for i in range(group.num_columns))
    check_columns(name, n_columns, most)
    check_size(name, shape.num_rows, max(n_values, shape.num_rows * n_columns), most)
    if sum(group.total_byte_size for group in groups) > most.unpacked_mb * MB:
        raise TaskError(
            f"{name} unpacks to more than {most.unpacked_mb:,} MB, the most that is read: keep the columns that are needed, cut it, "
            "or raise IKD_MAX_UNPACKED_MB."
        )


def _cells(column: Any) -> list[Any]:
    """Return the cells of a column as Python's own values; bytes that are text become text."""
    if not pa.types.is_dictionary(column.type):
        return list(column.to_pylist())
    cells: list[Any] = []
    for chunk in column.chunks:
        words = chunk.dictionary
        if pa.types.is_binary(words.type) or pa.types.is_large_binary(words.type):
            with suppress(pa.ArrowInvalid):
                words = words.cast(pa.large_string())
        known = words.to_pylist()
        cells += [None if i is None else known[i] for i in chunk.indices.to_pylist()]
    return cells


def _as_table(names: list[str], columns: list[list[Any]], name: str, most: Limits) -> Table:
    long = {
        i for cells in columns for i, cell in enumerate(cells) if isinstance(cell, str) and len(cell) > most.cell_characters
    }
    notes: tuple[str, ...] = ()
    if long:
        why = f"a cell longer than {most.cell_characters:,} characters"
        notes = (left_out(name, [i + 1 for i in sorted(long)], why, one="row", many="rows"),)
        columns = [[cell for i, cell in enumerate(cells) if i not in long] for cells in columns]
    if len(set(names)) < len(names):  # whose parts would be whose?
        return Table(framed(names, columns), notes)
    parted = with_parts(dict(zip(names, columns, strict=True)), most)
    return Table(framed(list(parted), list(parted.values())), notes)


def _class_labels(metadata: dict[bytes, bytes]) -> dict[str, dict[int, str]]:
    """Return the class names that the `datasets` library leaves in a Parquet file, by column."""
    try:
        features: dict[str, Any] = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        inner = {column: feature.get("feature", feature) if isinstance(feature, dict) else {} for column, feature in features.items()}
        return {
            column: dict(enumerate(map(str, feature["names"])))
            for column, feature in inner.items()  # a list of classes names them too
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
