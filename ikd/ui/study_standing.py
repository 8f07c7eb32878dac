"""Where a study stands, from its lines alone: how far it is, whether it is at work, and how it ended the last time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ikd.study.background import LOG
from ikd.study.bench import BROKEN, left_words
from ikd.study.cells import Cell, all_cells
from ikd.study.folder import Row, StudyFolder
from ikd.study.plan import Study
from ikd.study.results import Results

SECONDS_TO_BEGIN = 90.0
"""A program that has not begun after so long will not: torch loads in seconds, on a crowded machine in some more."""
BARELY = 0.3
LAST_BYTES, LAST_LINES = 8_000, 3
OWN_FAULT = "The program ended by a fault of its own: the details are in log.txt, in the folder of the study."


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a study stands.

    Attributes:
        total, done, failed: runs of the study as it was asked last, those of the tuning among them.
        running: the runs at work.
        at_work: whether a program carries the study out.
        beginning: whether one was started and has not begun yet.
        ending: whether it was asked to end.
        seconds_left: at the pace so far; None where there is none.
        ended: how it ended the last time: finished, incomplete (with nothing left that could go on), cancelled, interrupted, failed, or
            "lost" where nobody noted it; "" before that.
        last_words: of the program, where it ended otherwise than it should.
        more_asked: whether the seeds of the study are others than those of its last session.
        jobs: runs side by side in the last session, None where that is not known.
        stopped: the runs that were stopped by hand or broke off by themselves, while nothing is at work.
        left: what is left over by that, in a sentence.
        why: the sentence with which most runs failed, of the tuning where any of it did: nothing can be compared after that.
    """

    total: int
    done: int
    failed: int
    running: tuple[Row, ...] = ()
    at_work: bool = False
    beginning: bool = False
    ending: bool = False
    seconds_left: float | None = None
    ended: str = ""
    last_words: str = ""
    more_asked: bool = False
    jobs: int | None = None
    stopped: tuple[Row, ...] = ()
    left: str = ""
    why: str = ""

    @property
    def active(self) -> bool:
        """Return whether it is at work or about to be."""
        return self.at_work or self.beginning

    @property
    def missing(self) -> int:
        """Return how many runs are neither done nor failed."""
        return self.total - self.done - self.failed


def standing_of(study: Study, results: Results | None, folder: StudyFolder | None) -> Standing:
    """Return where a study stands.

    Args:
        study: as it is asked.
        results: what is known of its runs, None where it has not begun.
        folder: where it is carried out; None for a recorded study, which nobody carries out.
    """
    cells = all_cells(study)
    rows: Mapping[Cell, Row] = {} if results is None else results.rows
    states = [rows[cell].state if cell in rows else "waiting" for cell in cells]
    failed = [rows[cell] for cell, state in zip(cells, states, strict=True) if state == "failed"]
    first = [row for row in failed if row.cell.stage == "tune"] or failed
    why = Counter(str(row.error or "No reason was noted.") for row in first).most_common(1)
    counted = Standing(total=len(cells), done=states.count("done"), failed=len(failed), why=why[0][0] if why else "")
    if folder is None:
        return counted
    sessions = [] if results is None else results.sessions
    at_work = folder.at_work()
    asked, said = _time(folder, f"asked/{study.name}.yaml"), _time(folder, LOG)
    began = max((float(one["began"]) for one in sessions if "began" in one), default=_time(folder, "sessions.jsonl"))
    unanswered = not at_work and asked > began
    died = unanswered and said > asked + BARELY
    beginning = unanswered and not died and time.time() - asked < SECONDS_TO_BEGIN
    ended = "" if at_work or beginning else "failed" if unanswered else how_it_ended(sessions)
    lost, over = ended in ("failed", "lost"), ended in ("finished", "incomplete")
    return replace(
        counted, at_work=at_work, beginning=beginning, ending=at_work and folder.asked_to_end(), ended=ended,
        running=tuple(rows[cell] for cell in cells if cell in rows and rows[cell].state == "running") if at_work else (),
        seconds_left=seconds_left(cells, rows, sessions) if at_work else None, last_words=last_words(folder) if lost else "",
        stopped=tuple(rows[cell] for cell in cells if cell in rows and rows[cell].state in BROKEN) if over else (),
        left=left_words(study, rows) if over else "", jobs=_last(sessions, "jobs"),
        more_asked=_last(sessions, "seeds") not in (None, list(study.seeds)),
    )  # fmt: skip


def how_it_ended(sessions: Sequence[Mapping[str, Any]]) -> str:
    """Return how a study that is not at work ended, "" where it never began."""
    if not sessions:
        return ""
    return str(sessions[-1].get("how", "")) if "ended" in sessions[-1] else "lost"


def seconds_left(cells: Sequence[Cell], rows: Mapping[Cell, Row], sessions: Sequence[Mapping[str, Any]]) -> float | None:
    """Return how long the rest takes at the pace of the runs that are over, None while there is none; running ones count as a half."""
    walls: dict[str, list[float]] = {}
    for row in rows.values():
        if row.state == "done" and row.wall:
            walls.setdefault(row.cell.method, []).append(row.wall)
    if not walls:
        return None
    every = [wall for several in walls.values() for wall in several]
    usual = sum(every) / len(every)
    total = 0.0
    for cell in cells:
        state = rows[cell].state if cell in rows else "waiting"
        if state not in ("done", "failed"):
            several = walls.get(cell.method)
            total += (sum(several) / len(several) if several else usual) * (0.5 if state == "running" else 1.0)
    return total / (_last(sessions, "jobs") or 1)


def last_words(folder: StudyFolder) -> str:
    """Return the last sentences that the program has written, or one that says where they are if they are not for people."""
    try:
        with (folder.path / LOG).open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - LAST_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    lines = text.splitlines()
    traces = [number for number, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if traces:
        rest = lines[traces[-1] + 1 :]
        lines = rest[next((number for number, line in enumerate(rest) if not line.startswith(" ")), len(rest)) + 1 :]
    said = [line.strip() for line in lines if line.strip() and not line.startswith("[")]
    return " ".join(said[-LAST_LINES:]) or (OWN_FAULT if traces else "")


def _last(sessions: Sequence[Mapping[str, Any]], fact: str) -> Any:
    return next((one[fact] for one in reversed(sessions) if fact in one), None)


def _time(folder: StudyFolder, name: str) -> float:
    try:
        return (folder.path / name).stat().st_mtime
    except OSError:
        return 0.0
