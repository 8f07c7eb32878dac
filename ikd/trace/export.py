"""A trace as five Parquet files, for DuckDB, pandas and `datasets`; a run that is still at work can be exported too."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ikd.config import PlannedChange, Timeline, temperature_at
from ikd.errors import IKDError, RunError
from ikd.events import Floats, Integers
from ikd.trace.final import FINAL_ROLES, SCORED
from ikd.trace.folder import RunFolder
from ikd.trace.measures import softmax
from ikd.trace.reader import ROLES, TraceReader
from ikd.trace.schema import PARQUET_TABLES, PROBE_BLOCK, SCALARS, SCHEMA_VERSION
from ikd.trace.state import cannot_write

_COURSE_ROWS = 20_000
_PROBE_BYTES = 64_000_000
_TYPES = {"string": pa.string(), "int64": pa.int64(), "double": pa.float64(), "float": pa.float32(),
          "list<float>": pa.list_(pa.float32()), "list<double>": pa.list_(pa.float64())}


def export_parquet(folder: RunFolder | Path, out_dir: Path) -> list[Path]:
    """Write scalars, course, probe, examples and final predictions of a run as Parquet, column by column as `schema.PARQUET_TABLES` says.

    Rows are written in pieces of bounded size. Each file is put in place when it is complete.

    Args:
        folder: a run's folder, or the path of its trace.
        out_dir: made where it is missing; files of the same names are replaced.

    Raises:
        RunError: the run has not started, its trace is damaged, or the files cannot be written.
    """
    reader = TraceReader(folder)
    meta = reader.meta()
    if "label_names" not in meta:
        raise RunError("This run has recorded nothing yet: export it after its first step.")
    # Rows never change once written, so a bound on the step is a snapshot, even of a run at work.
    last_step = reader.last_step()
    pieces = {
        "scalars.parquet": _scalars(reader, last_step),
        "course.parquet": _course(reader, last_step, _temperatures(folder, reader, float(meta["temperature"]))),
        "probe.parquet": _probe(reader, last_step, len(meta["label_names"])),
        "examples.parquet": _examples(reader, list(meta["label_names"])),
        "final.parquet": _final(reader),
    }
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        return [_written(out_dir / name, tables, _schema(name, meta)) for name, tables in pieces.items()]
    except OSError as fault:
        raise RunError(cannot_write("The Parquet export", fault)) from fault


def _schema(name: str, meta: dict[str, Any]) -> pa.Schema:
    fields = [pa.field(column, _TYPES[words.split(":")[0]]) for column, words in PARQUET_TABLES[name].items()]
    notes = {"ikd_schema_version": str(SCHEMA_VERSION), "ikd_temperature": str(meta["temperature"]),
             "ikd_label_names": "\n".join(meta["label_names"]), "ikd_shown": "\n".join(meta.get("shown", ()))}
    return pa.schema(fields, metadata=notes)


def _written(path: Path, pieces: Iterable[dict[str, Any]], schema: pa.Schema) -> Path:
    waiting = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with pq.ParquetWriter(waiting, schema, compression="zstd") as writer:
            for columns in pieces:
                writer.write_table(pa.table([pa.array(columns[one.name], type=one.type) for one in schema], schema=schema))
        os.replace(waiting, path)
    finally:
        waiting.unlink(missing_ok=True)
    return path


def _examples(reader: TraceReader, label_names: list[str]) -> Iterator[dict[str, Any]]:
    for split in ("course", "probe", *SCORED):
        table = reader.examples(split)
        columns = {name: table[name].tolist() for name in table.columns}
        names = [label_names[label] if 0 <= label < len(label_names) else None for label in columns["label"]]
        yield {**columns, "split": [split] * len(table), "label_name": names}


def _final(reader: TraceReader) -> Iterator[dict[str, Any]]:
    for split in SCORED:
        found = reader.final(split)
        if found is not None:
            n = len(found.labels)
            said = {f"{role}_logits": _lists(found.logits[role]) if role in found.logits else [None] * n for role in FINAL_ROLES}
            yield {"split": [split] * n, "example": np.arange(n), "label": found.labels, **said}


def _scalars(reader: TraceReader, last_step: int) -> Iterator[dict[str, Any]]:
    for name in SCALARS:
        table = reader.scalars([name])
        table = table[table["step"] <= last_step]
        yield {"name": table["name"].tolist(), "step": table["step"].to_numpy(), "value": table["value"].to_numpy()}


def _temperatures(folder: RunFolder | Path, reader: TraceReader, start: float) -> Callable[[int], float]:
    """Return the temperature of the soft targets issued at a step, which can be changed on the way."""
    home = folder if isinstance(folder, RunFolder) else RunFolder(folder if folder.is_dir() else folder.parent)
    changes = [PlannedChange(step=one.step, path=one.path, value=one.value) for one in reader.interventions()]
    try:
        timeline = Timeline(home.config(), changes)
    except IKDError:  # a trace alone, without its config: what was changed in flight it knows itself
        given = [(one.step, float(one.value)) for one in changes if one.path == "objective.temperature" and one.value is not None]
        return lambda step: next((value for at, value in reversed(given) if at <= step), start)
    return lambda step: temperature_at(step, timeline.at(step))


def _course(reader: TraceReader, last_step: int, temperature: Callable[[int], float]) -> Iterator[dict[str, Any]]:
    examples = reader.examples("course")
    labels = dict(zip(examples["id"].tolist(), examples["label"].tolist(), strict=True))
    for table in reader.course_rows(last_step=last_step, at_once=_COURSE_ROWS):
        teacher = np.stack(table["teacher_logits"].tolist())
        temperatures = np.asarray([temperature(step) for step in table["step"].tolist()])
        yield {
            "example": table["example"].to_numpy(),
            "step": table["step"].to_numpy(),
            "position": table["position"].to_numpy(),
            "label": [labels.get(one) for one in table["example"].tolist()],
            "soft_target": _lists(softmax(teacher / temperatures[:, np.newaxis]).astype(np.float32)),
            "teacher_logits": _lists(teacher),
            "student_logits": _lists(np.stack(table["student_logits"].tolist())),
            "feedback": table["feedback"].tolist(),
            "influence": pa.array(table["influence"].to_numpy(dtype=np.float32), mask=_missing(table["feedback"])),
            "hidden_feedback": table["hidden_feedback"].tolist(),
        }


def _probe(reader: TraceReader, last_step: int, n_classes: int) -> Iterator[dict[str, Any]]:
    labels = reader.examples("probe")["label"].to_numpy()
    n_readings = max(len(reader.reading_steps()), 1)
    group = int(np.clip(_PROBE_BYTES // (n_readings * n_classes * 4 * len(ROLES)), 1, PROBE_BLOCK))
    for block in range(0, len(labels), PROBE_BLOCK):
        for first in range(block, min(block + PROBE_BLOCK, len(labels)), group):
            examples = list(range(first, min(first + group, block + PROBE_BLOCK, len(labels))))
            yield _probe_piece(reader, examples, labels[examples], last_step)


def _probe_piece(reader: TraceReader, examples: list[int], labels: NDArray[Any], last_step: int) -> dict[str, Any]:
    steps, teacher = reader.readings("teacher", examples=examples)
    n_readings = int((steps <= last_step).sum())
    steps = steps[:n_readings]
    columns: dict[str, Any] = {"teacher_logits": _by_example(teacher[:n_readings])}
    for role in ROLES[1:]:
        own_steps, logits = reader.readings(role, examples=examples)
        at = {step: row for row, step in enumerate(own_steps.tolist())}
        rows = [at.get(step) for step in steps.tolist()]
        if None in rows:
            columns[role] = [None if row is None else logits[row, place] for place in range(len(examples)) for row in rows]
        else:
            columns[role] = _by_example(logits[:n_readings])
    return {
        "example": np.repeat(np.asarray(examples), n_readings),
        "step": np.tile(steps, len(examples)),
        "label": np.repeat(labels, n_readings),
        "teacher_logits": columns["teacher_logits"],
        "student_logits": columns["student"],
        "feedback": columns["feedback"],
        "influence": _influence(reader, examples, steps),
        "hidden_feedback": _hidden(reader, examples, steps),
    }


def _influence(reader: TraceReader, examples: list[int], steps: Integers) -> pa.Array:
    own_steps, influence = reader.influences(examples)
    known = np.isin(steps, own_steps)
    values = np.zeros((len(steps), len(examples)), np.float32)
    values[known] = influence[np.isin(own_steps, steps)]
    return pa.array(values.T.reshape(-1), mask=np.tile(~known, len(examples)))


def _hidden(reader: TraceReader, examples: list[int], steps: Integers) -> list[Floats | None]:
    own_steps, norms = reader.hidden_feedback_of(examples)
    at = {step: row for row, step in enumerate(own_steps.tolist())} if norms.shape[-1] else {}
    return [norms[at[step], place] if step in at else None for place in range(len(examples)) for step in steps.tolist()]


def _by_example(logits: Floats) -> pa.Array:
    return _lists(np.ascontiguousarray(logits.transpose(1, 0, 2)).reshape(-1, logits.shape[-1]))


def _lists(rows: Floats) -> pa.Array:
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[-1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(rows.reshape(-1), type=pa.float32()))


def _missing(column: pd.Series[Any]) -> NDArray[np.bool_]:
    return np.asarray([one is None for one in column], dtype=bool)
