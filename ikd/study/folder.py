"""A study's folder, `_studies/NAME` beside its runs: what was asked, a line for each thing that became of a run, and its sessions.

- study.yaml: the study as it was asked last
- cells.jsonl: one line each time a run of the study begins or ends; of several lines on one run the last one holds
- sessions.jsonl: one line each time the study was begun or ended: command, versions, machine, times
- cancel: there while somebody asks the program at work to end
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, cast, get_args

from filelock import FileLock, Timeout

from ikd.config.permission import require_writable
from ikd.errors import BusyError, ConfigError, RunError, unknown_name
from ikd.study.cells import Cell, Stage
from ikd.study.plan import LARGEST_SEED, MOST_CELLS, NAME, Study
from ikd.study.reading import read_study, shipped_names, study_text
from ikd.trace.state import cannot_write
from ikd.trace.store import runs_root

CellState = Literal["waiting", "running", "done", "failed", "stopped", "interrupted"]
STUDIES = "_studies"
SECONDS_TO_HOLD = 1.0
MOST_JOBS = 256
JOBS = range(1, MOST_JOBS + 1)
LATEST = 1e11
"""A later second is none that a session began or ended in: the line is damaged."""
MOST_STEPS = 10**9
FACTS: Mapping[str, type] = {"jobs": int, "versions": dict, "seeds": list, "command": str, "machine": str}


@dataclass(frozen=True, kw_only=True)
class Row:
    """What became of one run of a study.

    Attributes:
        cell: which one.
        digest: of its config; a line of another config does not count.
        run: id of its run folder, "" where it never had one.
        state: "waiting" where an earlier line does not count any more.
        error: a sentence, where it failed.
        scores: named role/split/score; in the tune stage of validation texts alone.
        steps: of the student.
        forwards: planned cost in student forwards of one text, as the cost model counts them; None where the models' size was not known.
        flops: spent on teaching, None where the trace does not know.
        seconds: of teaching, readings included.
        wall: of the whole run, with loading and the teacher's fine-tuning where that was needed.
        curve: scores of the student on the probe set at each reading: `step`, `nll`, `accuracy`; empty where they were not kept.
    """

    cell: Cell
    digest: str
    run: str = ""
    state: CellState = "waiting"
    error: str | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    steps: int = 0
    forwards: float | None = None
    flops: float | None = None
    seconds: float | None = None
    wall: float | None = None
    curve: Mapping[str, Sequence[float]] = field(default_factory=dict)


class StudyFolder:
    """Where one study keeps its state. Building it touches no file."""

    def __init__(self, name: str, root: Path | None = None) -> None:
        self.name = name
        self.root = runs_root() if root is None else root
        self.path = self.root / STUDIES / name

    def study(self) -> Study:
        """Return the study as it was asked last.

        Raises:
            RunError: there is no such study here, or its file is damaged.
        """
        if not (self.path / "study.yaml").is_file():
            raise RunError(unknown_name("study", self.name[:80], studies_here(self.root),
                                        hint="Nothing of it was carried out here: start it first."))  # fmt: skip
        try:
            return read_study(self.path / "study.yaml")
        except ConfigError as fault:
            raise RunError(f"The study.yaml of study {self.name} is damaged or of another version. {fault}") from None

    def write_study(self, study: Study) -> None:
        """Write what is asked, as a whole; errors as in `append`."""
        require_writable()
        waiting = self.path / f".study.yaml.{os.getpid()}.{secrets.token_hex(4)}"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            waiting.write_text(study_text(study), encoding="utf-8")
            os.replace(waiting, self.path / "study.yaml")
        except OSError as fault:
            raise RunError(cannot_write(f"Study {self.name}", fault)) from fault

    def lines(self) -> list[Row]:
        """Return every line on runs, oldest first; one that was broken off is left out."""
        found = (_row(tree) for tree in _trees(self.path / "cells.jsonl"))
        return [row for row in found if row is not None]

    def rows(self) -> dict[Cell, Row]:
        """Return the last line on each run."""
        return {row.cell: row for row in self.lines()}

    def append(self, row: Row) -> None:
        """Add a line on a run.

        Raises:
            RunError: the disk is full, the folder cannot be written, or the lab is read-only.
        """
        self._append("cells.jsonl", {**asdict(row), "cell": row.cell._asdict()})

    def sessions(self) -> list[dict[str, Any]]:
        """Return what is known of each time the study was begun or ended, oldest first; a damaged line is left out."""
        found = (_session(tree) for tree in _trees(self.path / "sessions.jsonl"))
        return [session for session in found if session is not None]

    def append_session(self, facts: Mapping[str, Any]) -> None:
        """Add a line on a beginning or an end; errors as in `append`."""
        self._append("sessions.jsonl", facts)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Be the only one on this machine that carries the study out.

        Raises:
            BusyError: another program does.
            RunError: the folder cannot be written, or the lab is read-only.
        """
        require_writable()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # `at_work` of another program holds it for an instant.
            lock = FileLock(self.path / ".lock", thread_local=False).acquire(timeout=SECONDS_TO_HOLD)
        except Timeout:
            raise BusyError(f"Study {self.name} is at work already, in this program or another: wait for its end, or cancel it.") from None
        except OSError as fault:
            raise RunError(cannot_write(f"Study {self.name}", fault)) from fault
        with lock:
            yield

    def at_work(self) -> bool:
        """Return whether some program on this machine carries the study out now."""
        if not (self.path / ".lock").exists():
            return False
        try:
            with FileLock(self.path / ".lock", thread_local=False).acquire(timeout=0):
                return False
        except Timeout:
            return True
        except OSError:
            return False

    def ask_to_end(self) -> None:
        """Ask the program that carries the study out to end; errors as in `append`."""
        require_writable()
        try:
            (self.path / "cancel").touch()
        except OSError as fault:
            raise RunError(cannot_write(f"Study {self.name}", fault)) from fault

    def asked_to_end(self) -> bool:
        """Return whether it was asked to end."""
        return (self.path / "cancel").exists()

    def forget_the_asking(self) -> None:
        """Take the asking as answered."""
        require_writable()
        with suppress(OSError):
            (self.path / "cancel").unlink()

    def _append(self, name: str, tree: Mapping[str, Any]) -> None:
        require_writable()
        path = self.path / name
        try:
            with path.open("ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    broken = file.read(1) != b"\n"  # the last line was broken off: a line of its own begins behind it
                else:
                    broken = False
                file.write((b"\n" if broken else b"") + json.dumps(tree).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as fault:
            raise RunError(cannot_write(f"Study {self.name}", fault)) from fault


def studies_here(root: Path | None = None) -> list[str]:
    """Return the names of the studies that were begun here; never raises."""
    root = runs_root() if root is None else root
    try:
        names = sorted(os.listdir(root / STUDIES))
    except OSError:
        return []
    return [name for name in names if NAME.fullmatch(name) and (root / STUDIES / name / "study.yaml").is_file()]


def known_studies(root: Path | None = None) -> list[str]:
    """Return the names of the studies that come with the lab and of those that were begun here."""
    return sorted({*shipped_names(), *studies_here(root)})


def _trees(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        try:
            tree = json.loads(line)
            if "\\ud" in line.lower():  # half a character, that no file could take, becomes a question mark
                tree = json.loads(json.dumps(tree, ensure_ascii=False).encode("utf-8", "replace"))
        except (ValueError, RecursionError):
            continue
        if isinstance(tree, dict):
            yield tree


def _row(tree: Mapping[str, Any]) -> Row | None:
    known = {one.name for one in fields(Row)}
    try:
        cell = tree["cell"]
        values = {name: value for name, value in tree.items() if name in known and name != "cell"}
        row = Row(cell=Cell(cast(Stage, str(cell["stage"])), str(cell["task"]), str(cell["method"]), cell["seed"],
                            cell["choice"]), **values)  # fmt: skip
    except (KeyError, TypeError):
        return None
    sound = _is_cell(row.cell) and _are_scores(row.scores) and _are_plain(row) and _is_curve(row.curve)
    return row if sound and row.state in get_args(CellState) else None


def _is_cell(cell: Cell) -> bool:
    return _is_whole(cell.seed, most=LARGEST_SEED) and _is_whole(cell.choice, most=MOST_CELLS)


def _are_plain(row: Row) -> bool:
    numbers = (row.forwards, row.flops, row.seconds, row.wall)
    return (all(one is None or _is_number(one) for one in numbers) and _is_whole(row.steps, most=MOST_STEPS)
            and isinstance(row.digest, str) and isinstance(row.run, str) and (row.error is None or isinstance(row.error, str)))  # fmt: skip


def _is_whole(value: object, *, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _session(tree: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a line on a beginning or an end without what is of no use in it, None where it is none: anybody may have edited the file."""
    moments = [tree[name] for name in ("began", "ended") if name in tree]
    wrong = any(not isinstance(tree[name], kind) for name, kind in FACTS.items() if name in tree)
    if not moments or wrong or not all(map(_is_moment, moments)):
        return None
    useful = {"how": isinstance(tree.get("how"), str), "jobs": tree.get("jobs") in JOBS}
    return {name: value for name, value in tree.items() if useful.get(name, True)}


def _is_moment(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < LATEST


def _is_curve(curve: object) -> bool:
    if not isinstance(curve, dict) or not all(isinstance(one, list | tuple) and all(map(_is_number, one)) for one in curve.values()):
        return False
    steps = list(curve.get("step", ()))
    return len({len(one) for one in curve.values()} | {len(steps)}) == 1 and steps == sorted(set(steps))


def _are_scores(scores: object) -> bool:
    return isinstance(scores, dict) and all(str(name).count("/") == 2 and _is_number(value) for name, value in scores.items())
