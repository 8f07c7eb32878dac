"""From the rows of a trace back to arrays and tables."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ikd.errors import RunError
from ikd.events import Course, Floats, Integers
from ikd.trace.binning import BANDS, COUNTS, MEASURES, SUMS, Bin
from ikd.trace.schema import PROBE_BLOCK

Row = tuple[Any, ...]

# One row per issued soft target: the slices are cut by SQLite, so a batch's other examples are never copied.
COURSE_ROWS = (
    "SELECT example, course.step, position, substr(teacher_logits, position * :width + 1, :width),"
    " substr(student_logits, position * :width + 1, :width), substr(feedback, position * :width + 1, :width),"
    " substr(influence, position * 4 + 1, 4), {hidden} "
    "FROM course_index JOIN course ON course.step = course_index.step "
    "WHERE {where} ORDER BY example, course_index.step, position LIMIT :at_once"
)
_HIDDEN = "(SELECT substr(norms, position * :shown + 1, :shown) FROM hidden_feedback AS h WHERE role = 'course' AND h.step = course.step)"


@dataclass(frozen=True, kw_only=True)
class ProbeShape:
    """Sizes of a reading, and the precision it is stored in."""

    examples: int
    classes: int
    dtype: np.dtype[Any]

    @property
    def blocks(self) -> int:
        """Number of blocks a reading is stored in."""
        return -(-self.examples // PROBE_BLOCK)

    def decoded(self, blob: bytes, n_examples: int) -> Floats:
        """Return the numbers of a blob as float32 (n_examples, C)."""
        return decoded_blob(blob, self.dtype, n_examples, self.classes).astype(np.float32)


def probe_count(trace: sqlite3.Connection) -> int:
    """Return the number of probe examples."""
    return int(trace.execute("SELECT count(*) FROM examples WHERE split = 'probe'").fetchone()[0])


def examples_table(trace: sqlite3.Connection | None, split: str) -> pd.DataFrame:
    """Return the examples of a split as `TraceReader.examples` has them; in traces before version 8 all groups and sources are empty."""
    later = "group_name, source_name" if trace is not None and has_column(trace, "examples", "group_name") else "'', ''"
    query = f"SELECT id, text, text_pair, label, truth, {later} FROM examples WHERE split = ? ORDER BY id"
    found = [] if trace is None else trace.execute(query, (split,)).fetchall()
    rows = [(*row[:4], None if row[4] is None else tuple(decoded_blob(row[4], "<f8", len(row[4]) // 8).tolist()), *row[5:])
            for row in found]  # fmt: skip
    return table(rows, ["id", "text", "text_pair", "label", "truth", "group_name", "source_name"], {"id": "int64", "label": "int64"})


def check_examples(wanted: Integers, n_examples: int) -> None:
    """Do nothing where all numbers are those of probe examples.

    Raises:
        RunError: one is not.
    """
    beyond = wanted[(wanted < 0) | (wanted >= n_examples)]
    if len(beyond):
        raise RunError(f"Probe example {beyond[0]} is not in this run: its probe set has the examples 0 to {n_examples - 1}.")


def probe_shape(trace: sqlite3.Connection, role: str) -> ProbeShape | None:
    """Return the sizes of a role's readings, None before the run has started."""
    meta = decoded_meta(trace)
    examples = probe_count(trace)
    if "label_names" not in meta or not examples:
        return None
    # Feedback is of the order of the learning rate: half precision would lose it to zero.
    halved = meta.get("probe_dtype") == "float16" and role != "feedback"
    dtype = np.dtype("<f2" if halved else "<f4")
    return ProbeShape(examples=examples, classes=len(meta["label_names"]), dtype=dtype)


def decoded_meta(trace: sqlite3.Connection, *keys: str) -> dict[str, Any]:
    """Return the facts fixed for the run: those named, or all.

    Raises:
        RunError: a fact is not JSON.
    """
    where = f" WHERE key IN ({marks(keys)})" if keys else ""
    rows = trace.execute(f"SELECT key, value FROM meta{where}", keys).fetchall()
    try:
        return {key: json.loads(value) for key, value in rows}
    except ValueError:
        raise RunError("The trace is damaged: its table meta holds a fact that is not JSON. Delete the run and start it again.") from None


def decoded_readings(
    trace: sqlite3.Connection, role: str, *, after: int, until: int, examples: Integers, shape: ProbeShape
) -> tuple[Integers, Floats]:
    """Return steps (R,) and logits (R, P, C) of a role, for the examples wanted (P,), in their order."""
    parts: dict[int, dict[int, Floats]] = {}
    for block in np.unique(examples // PROBE_BLOCK).tolist() or [0]:
        parts[block] = _block_by_step(trace, role, block=block, span=(after, until), examples=examples, shape=shape)
    common = sorted(set.intersection(*(set(one) for one in parts.values())))
    steps = np.asarray(common, dtype=np.int64)
    logits = np.zeros((len(steps), len(examples), shape.classes), np.float32)
    for block, by_step in parts.items():
        places = np.flatnonzero(examples // PROBE_BLOCK == block)
        for row, step in enumerate(common):
            logits[row, places] = by_step[step]
    return steps, logits


def _block_by_step(
    trace: sqlite3.Connection, role: str, *, block: int, span: tuple[int, int], examples: Integers, shape: ProbeShape
) -> dict[int, Floats]:
    rows = examples[examples // PROBE_BLOCK == block] % PROBE_BLOCK
    first, last = (int(rows.min()), int(rows.max())) if len(rows) else (0, 0)
    width = shape.classes * shape.dtype.itemsize
    found = trace.execute("SELECT step, substr(logits, ?, ?) FROM probe WHERE role = ? AND block = ? AND step > ? AND step <= ?",
                          (first * width + 1, (last - first + 1) * width, role, block, *span))
    return {step: shape.decoded(blob, last - first + 1)[rows - first] for step, blob in found}


def chosen_readings(
    trace: sqlite3.Connection, role: str, steps: Sequence[int], shape: ProbeShape
) -> tuple[Integers, Floats]:
    """Return those of some steps (F,) at which a role was read, and its logits (F, P, C)."""
    query = "SELECT logits FROM probe WHERE role = ? AND block = ? AND step = ?"
    found: dict[int, bytes] = {}
    for step in steps:
        blobs = [trace.execute(query, (role, block, step)).fetchone() for block in range(shape.blocks)]
        if None not in blobs:
            found[step] = b"".join(blob for blob, in blobs)
    logits = np.zeros((len(found), shape.examples, shape.classes), np.float32)
    for row, blob in enumerate(found.values()):
        logits[row] = shape.decoded(blob, shape.examples)
    return np.asarray(list(found), dtype=np.int64), logits


def decoded_digest(trace: sqlite3.Connection) -> tuple[list[Bin], list[int], list[Floats]]:
    """Return the bins and the quantiles (2, 4, 5) with their steps that were written with a long trace."""
    n_probe = probe_count(trace)
    bins = [decoded_bin(row, n_probe) for row in trace.execute(
        "SELECT bin, first_step, last_step, readings, measures, classes, sums, counts FROM digest ORDER BY bin")]  # fmt: skip
    rows = trace.execute("SELECT step, quantiles FROM bands ORDER BY step").fetchall()
    return bins, [step for step, _ in rows], list(decoded_quantiles([blob for _, blob in rows]))


def decoded_bin(row: Row, n_probe: int) -> Bin:
    """Return a row of the table `digest` as a bin."""
    return Bin(
        number=row[0], first_step=row[1], last_step=row[2], readings=row[3],
        measures=decoded_blob(row[4], "<f4", 2, len(MEASURES), n_probe), classes=decoded_blob(row[5], "<i4", 2, n_probe),
        sums=decoded_blob(row[6], "<f8", 2, len(SUMS), n_probe), counts=decoded_blob(row[7], "<i4", len(COUNTS), n_probe),
    )  # fmt: skip


def decoded_quantiles(blobs: Sequence[bytes]) -> Floats:
    """Return rows (R,) of the table `bands` as quantiles (R, 2, 4, 5)."""
    return decoded_blob(b"".join(blobs), "<f4", len(blobs), 2, len(BANDS), 5)


def course_table(trace: sqlite3.Connection, where: str, *, at_once: int = -1, **values: int) -> pd.DataFrame:
    """Return soft targets as a table: example, step, position, teacher_logits, student_logits, feedback, influence, hidden_feedback.

    Args:
        where: condition on `example`, `course.step` and `position`, with named values.
        at_once: at most this many rows; -1 gives all.
        values: of the names in the condition.
    """
    n_classes = class_count(trace)
    n_shown = shown_count(trace)
    query = COURSE_ROWS.format(where=where, hidden=_HIDDEN if n_shown else "NULL")
    found = trace.execute(query, {**values, "at_once": at_once, "width": 4 * n_classes, "shown": 4 * n_shown})
    rows = [(*row[:3], *(None if blob is None else decoded_blob(blob, "<f4", n_classes) for blob in row[3:6]),
             np.nan if row[6] is None else float(decoded_blob(row[6], "<f4", 1)[0]),
             None if row[7] is None else decoded_blob(row[7], "<f4", n_shown)) for row in found]
    names = ["example", "step", "position", "teacher_logits", "student_logits", "feedback", "influence", "hidden_feedback"]
    kinds = {"example": "int64", "step": "int64", "position": "int64", "influence": "float64"}
    return table(rows, names, kinds)


def decoded_course(trace: sqlite3.Connection, step: int) -> Course | None:
    """Return every soft target issued at a step, None where none was."""
    row = trace.execute("SELECT examples, teacher_logits, student_logits, feedback, influence FROM course"
                        " WHERE step = ?", (step,)).fetchone()
    if row is None:
        return None
    batch, n_classes = len(row[0]) // 8, class_count(trace)
    return Course(
        examples=decoded_blob(row[0], "<i8", batch),
        teacher_logits=decoded_blob(row[1], "<f4", batch, n_classes),
        student_logits=decoded_blob(row[2], "<f4", batch, n_classes),
        feedback=None if row[3] is None else decoded_blob(row[3], "<f4", batch, n_classes),
        influence=None if row[4] is None else decoded_blob(row[4], "<f4", batch),
        hidden_feedback=norms_at(trace, "course", step),
    )


def has_table(trace: sqlite3.Connection, name: str) -> bool:
    """Return whether a trace has a table: tables came with later versions of the format, so an older trace lacks some."""
    return trace.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone() is not None


def has_column(trace: sqlite3.Connection, table: str, name: str) -> bool:
    """Return whether a table of a trace has a column: some came with later versions of the format."""
    return trace.execute("SELECT 1 FROM pragma_table_info(?) WHERE name = ?", (table, name)).fetchone() is not None


def norms_at(trace: sqlite3.Connection, role: str, step: int) -> Floats | None:
    """Return the norms (examples, K) of the feedback at hidden states of "course" or "probe" at exactly a step, None where none were."""
    width = shown_count(trace)
    if not width:
        return None
    row = trace.execute("SELECT norms FROM hidden_feedback WHERE role = ? AND step = ?", (role, step)).fetchone()
    return None if row is None else decoded_blob(row[0], "<f4", len(row[0]) // (4 * width), width)


def norms_of_probe(trace: sqlite3.Connection, examples: Integers, n_probe: int) -> tuple[Integers, Floats]:
    """Return the steps (F,) at which the probe set's norms were recorded, and those of chosen examples (F, len(examples), K)."""
    width = shown_count(trace)
    rows = trace.execute("SELECT step, norms FROM hidden_feedback WHERE role = 'probe' ORDER BY step").fetchall() if width else []
    found = {step: decoded_blob(blob, "<f4", n_probe, width)[examples] for step, blob in rows}
    norms = np.asarray(list(found.values()), dtype=np.float32).reshape(len(found), len(examples), width)
    return np.asarray(list(found), dtype=np.int64), norms


def shown_count(trace: sqlite3.Connection) -> int:
    """Return K, the hidden states and attentions shown beside the logits; 0 where the trace is too old to know."""
    return len(decoded_meta(trace, "shown").get("shown", ())) if has_table(trace, "hidden_feedback") else 0


def class_count(trace: sqlite3.Connection) -> int:
    """Return the number of classes, 0 before the run has started."""
    return len(decoded_meta(trace, "label_names").get("label_names", ()))


def table(rows: Sequence[Row], names: Sequence[str], kinds: Mapping[str, str]) -> pd.DataFrame:
    """Return rows as a table with stated column types; columns without one hold Python objects."""
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return pd.DataFrame({name: pd.Series(_column(values, kinds.get(name)))
                         for name, values in zip(names, columns, strict=True)})


def _column(values: Sequence[Any], kind: str | None) -> NDArray[Any]:
    if kind == "float64":
        # SQLite has no NaN: it keeps a null, which is read back as what was meant.
        return np.asarray([np.nan if one is None else one for one in values], dtype=np.float64)
    if kind is not None:
        return np.asarray(values, dtype=kind)
    column = np.empty(len(values), dtype=object)
    for place, one in enumerate(values):
        column[place] = one
    return column


def decoded_blob(blob: bytes, dtype: str | np.dtype[Any], *shape: int) -> NDArray[Any]:
    """Return a blob as an array of its own, of the shape it must have.

    Raises:
        RunError: the blob is longer or shorter than that.
    """
    kind = np.dtype(dtype)
    if len(blob) != math.prod(shape) * kind.itemsize:
        raise RunError(f"The trace is damaged: one of its arrays has {len(blob)} bytes where the shape {shape} needs "
                       f"{math.prod(shape) * kind.itemsize}. Restore trace.sqlite from a copy, or start the run again.")
    return np.frombuffer(blob, kind).reshape(shape).astype(kind.newbyteorder("="))


def bindable(values: Sequence[object]) -> tuple[object, ...]:
    """Return values of a query as SQLite takes them: of numpy's a plain number, since else it finds nothing without a word."""
    # It takes a numpy number for a blob, which is greater than every number.
    return tuple(one.item() if isinstance(one, np.generic) else one for one in values)


def marks(values: Iterable[object]) -> str:
    """Return as many SQL placeholders as there are values."""
    return ", ".join("?" for _ in values)
