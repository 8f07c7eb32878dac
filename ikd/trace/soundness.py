"""Whether a trace is what was written: looked at as a whole before a run is resumed or forked, and before anything is computed."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from pathlib import Path

from ikd.errors import RunError
from ikd.trace.connection import is_busy
from ikd.trace.decoding import decoded_meta, has_table, probe_count
from ikd.trace.schema import PROBE_BLOCK, SCHEMA_VERSION
from ikd.trace.sums import BIN, STEP, SUMS, Place, damaged_places

FIRST_WITH_SUMS = 7
_HEADER = b"SQLite format 3\x00"
_RESTORE = "Restore trace.sqlite from a copy"
_NOTHING_CHANGED = "Nothing of the run was changed."


def require_sound(connection: sqlite3.Connection, path: Path, run_id: str, *, before: int | None = None) -> None:
    """Do nothing where a trace holds what was written to it.

    Args:
        connection: to the trace, or to a copy of it.
        path: of the trace.
        run_id: named in the sentence.
        before: only what a fork at this step takes over; None: all.

    Raises:
        RunError: it is damaged; it says where, and what can be done.
    """
    try:
        _check_header(path)
        fault = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
        if fault != "ok":
            raise _Unsound(f"SQLite says: {' '.join(fault.split())[:120]}")
        if _is_summed(connection, run_id):
            _check_sums(connection, run_id, before=before)
        _check_shapes(connection)
    except _Unsound as unsound:
        why = str(unsound)
    except (sqlite3.DatabaseError, RunError, ValueError, TypeError, AttributeError) as other:
        if isinstance(other, _Located) or is_busy(other):
            raise
        why = (str(other).strip().splitlines() or [""])[0][:160].rstrip(".")
    else:
        return
    raise RunError(f"The trace of run {run_id} is damaged ({why}). {_NOTHING_CHANGED} {_RESTORE}, or start the run again with its "
                   "config.json.")  # fmt: skip


def last_sound_step(places: Collection[Place], bin_steps: int) -> int | None:
    """Return the step up to which a damaged trace can be trusted, None where what is damaged belongs to no step."""
    steps = []
    for part, number in places:
        if part not in (STEP, BIN):
            return None
        steps.append(number if part == STEP else number * bin_steps)
    return max(min(steps), 0)


class _Unsound(Exception):
    """A trace that is damaged, with the reason."""


class _Located(RunError):
    """A fault with a sentence of its own: damage at known steps, or another version of the lab."""


def _check_header(path: Path) -> None:
    with path.open("rb") as file:
        header = file.read(20)
    # The two bytes say which versions of SQLite may read and write it: 1, or 2 while there is a write-ahead log.
    if header[:16] != _HEADER or header[18:20] not in (b"\x01\x01", b"\x02\x02"):
        raise _Unsound("its first bytes are not those of a trace")


def _is_summed(connection: sqlite3.Connection, run_id: str) -> bool:
    row = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    if row is None:
        raise _Unsound("its version is missing")
    version = int(row[0])
    if version > SCHEMA_VERSION:
        raise _Located(f"Run {run_id} was recorded by a newer version of the lab and cannot be resumed or forked here: what it recorded "
                       "is kept. Update the lab, or start the run again with its config.json.")  # fmt: skip
    summed = has_table(connection, SUMS)
    if version >= FIRST_WITH_SUMS and not summed:
        raise _Unsound("its table of checksums is missing")
    return summed


def _check_sums(connection: sqlite3.Connection, run_id: str, *, before: int | None) -> None:
    places = damaged_places(connection)
    if not places:
        return
    width = connection.execute("SELECT value FROM meta WHERE key = 'bin_steps'").fetchone()
    bin_steps = int(width[0]) if width and ("meta", 0) not in places else 1
    if before is not None:
        places = {place for place in places if not _is_left_behind(place, before, bin_steps)}
        if not places:
            return
    sound = last_sound_step(places, bin_steps)
    if sound is None:
        parts = ", ".join(sorted(part for part, _ in places if part not in (STEP, BIN)))
        raise _Unsound(f"the checksum does not fit its {parts}")
    where = f"The trace of run {run_id} is damaged: the checksum of step {sound} does not fit what is recorded there. {_NOTHING_CHANGED}"
    if not sound:
        raise _Located(f"{where} {_RESTORE}, or start the run again with its config.json.")
    raise _Located(f"{where} {_RESTORE}, or go on in a fork from step {sound}, up to which it is sound: "
                   f"python -m ikd fork {run_id} {sound}.")  # fmt: skip


def _is_left_behind(place: Place, before: int, bin_steps: int) -> bool:
    part, number = place
    first = {STEP: before, BIN: before // bin_steps}.get(part)
    return part in ("final teacher", "final student") if first is None else number >= first


def _check_shapes(connection: sqlite3.Connection) -> None:
    """Raise where a blob has another length than the classes and the probe set give it."""
    meta = decoded_meta(connection)
    if "label_names" not in meta:  # not started yet
        return
    sizes = {
        "classes": len(meta["label_names"]), "probe": probe_count(connection), "shown": len(meta.get("shown", ())),
        "numbers": len(meta.get("numbers", ())), "width": 2 if meta.get("probe_dtype") == "float16" else 4, "block": PROBE_BLOCK,
    }  # fmt: skip
    for table, wrong in _WRONG.items():
        if has_table(connection, table):
            found = connection.execute(f"SELECT count(*) FROM {table} WHERE {wrong}", sizes).fetchone()
            if found[0]:
                raise _Unsound(f"{found[0]} rows of its table {table} have sizes or labels that do not fit the run")


_BATCH = "length(examples) / 8"
_WRONG = {
    "examples": "label < -1 OR label >= :classes OR (truth IS NOT NULL AND length(truth) != 8 * :classes)",
    "course": f"length(examples) % 8 != 0 OR length(teacher_logits) != {_BATCH} * 4 * :classes OR "
    f"length(student_logits) != {_BATCH} * 4 * :classes OR coalesce(length(feedback), {_BATCH} * 4 * :classes) != {_BATCH} * 4 * :classes "
    f"OR coalesce(length(influence), {_BATCH} * 4) != {_BATCH} * 4",
    "probe": "length(logits) != min(:block, :probe - block * :block) * :classes * (CASE role WHEN 'feedback' THEN 4 ELSE :width END)",
    "numbers": "length(numbers) != 4 * :numbers",
    "probe_influence": "length(influence) != 4 * :probe",
    "hidden_feedback": "length(norms) % (4 * max(:shown, 1)) != 0 OR (role = 'probe' AND length(norms) != 4 * :probe * :shown)",
}
