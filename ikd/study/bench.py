"""Which run of a study is due next, and what is known of all of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from ikd.config import RunConfig
from ikd.errors import IKDError, RunError
from ikd.study.cells import Cell, all_cells, choice_of, config_of, digest_of, needed_choices, teacher_of
from ikd.study.compute import student_forwards
from ikd.study.folder import Row, StudyFolder
from ikd.study.plan import Study, Values
from ikd.study.results import Results

ALIKE = {"title", "seeds", "baseline", "matters", "keep_students"}
"""What may change in a study without a doubt about the runs that are there."""

NO_CHOICE = "None of the settings that its method is tuned over came to its end with every seed: see the failed runs of the tuning."


@dataclass(frozen=True, kw_only=True)
class Due:
    """A run to be carried out.

    Attributes:
        before: the last line on the same run with the same config, if any.
        teacher: hash of what decides its teacher.
        forwards: planned cost; None where the models' size is not known.
    """

    cell: Cell
    config: RunConfig
    digest: str
    teacher: str
    forwards: float | None
    before: Row | None


class Bench:
    """The runs of one study: those that are over, those at work, and those to come.

    Attributes:
        study: they belong to.
    """

    def __init__(self, study: Study, folder: StudyFolder, *, retry: bool) -> None:
        """Take up what the folder has; nothing is written but that lines of another study of this name do not count any more."""
        self.study, self._folder, self._retry = study, folder, retry
        lines = folder.lines()
        self._known = {(row.cell, row.digest): row for row in lines if row.state != "waiting"}
        self._rows = {row.cell: row for row in lines}
        self._cells = all_cells(study)
        self._pending = list(self._cells)
        self._teachers: set[str] = set()
        self._preparing: dict[str, Cell] = {}
        self._failures: list[Row] = []
        if lines and not self._same_study():
            self._doubt()

    def results(self) -> Results:
        """Return what is known so far; it grows with every line."""
        return Results(study=self.study, rows=MappingProxyType(self._rows), sessions=(), root=self._folder.root)

    def rows(self) -> list[Row]:
        """Return the last line on each run of the study that has one."""
        return [self._rows[cell] for cell in self._cells if cell in self._rows]

    def missing(self) -> int:
        """Return how many runs have not come to their end yet."""
        return sum(1 for cell in self._cells if cell not in self._rows or self._rows[cell].state != "done")

    def counts(self) -> tuple[int, int, int]:
        """Return how many runs there are in all, how many are done, and how many have failed."""
        states = Counter(row.state for row in self.rows())
        return len(self._cells), states["done"], states["failed"]

    def next_due(self) -> Due | None:
        """Return the next run that can begin, None where there is none at present.

        Two runs whose teacher is fine-tuned alike do not begin together: the second one waits until it can read the first one's.
        """
        for cell in list(self._pending):
            due = self._looked_at(cell)
            if due is not None and due.teacher not in self._preparing:
                self._pending.remove(cell)
                if due.teacher not in self._teachers:
                    self._preparing[due.teacher] = cell
                return due
        return None

    def teacher_ready(self, due: Due, *, failed: bool = False) -> None:
        """Say that the teacher of a run is in the cache; or, where it failed, that another run must make it."""
        if self._preparing.get(due.teacher) == due.cell:
            del self._preparing[due.teacher]
            if not failed:
                self._teachers.add(due.teacher)

    def note(self, row: Row) -> None:
        """Keep a line on a run, here and in the folder.

        Raises:
            RunError: it cannot be written.
        """
        self._folder.append(row)
        self._rows[row.cell] = self._known[row.cell, row.digest] = row

    def failures(self) -> list[Row]:
        """Return the runs that turned out not to be possible since this was asked last, without being carried out."""
        found, self._failures = self._failures, []
        return found

    def seconds_left(self, jobs: int) -> float | None:
        """Return how long the rest will take at the pace so far, None where there is no pace yet."""
        ended = [row for row in self.rows() if row.state == "done" and row.wall]
        if not ended:
            return None
        paces = {method: _mean([row.wall or 0.0 for row in ended if row.cell.method == method]) for method in self.study.methods}
        counted = [row for row in ended if row.forwards]
        a_forward = sum(row.wall or 0.0 for row in counted) / sum(row.forwards or 0.0 for row in counted) if counted else None
        usual = _mean([row.wall or 0.0 for row in ended]) or 0.0
        waiting, total = set(self._pending), 0.0
        for cell in self._cells:
            row = self._rows.get(cell)
            if cell not in waiting and (row is None or row.state != "running"):
                continue
            pace, planned = paces[cell.method], row.forwards if row is not None else None
            total += pace if pace is not None else planned * a_forward if planned and a_forward else usual
        return total / max(jobs, 1)

    def _looked_at(self, cell: Cell) -> Due | None:
        """Return a run that can be carried out now; one that was before, or that cannot be, leaves the list."""
        chosen: dict[str, Values] = {}
        for method in needed_choices(self.study, cell):
            scores = self._validation(cell.task, method)
            if scores is None:
                return None
            index, _ = choice_of(self.study, method, lambda choice, seed: scores[choice, seed])  # noqa: B023  # asked at once
            if index is None:
                self._failed(cell, NO_CHOICE)
                return None
            chosen[method] = self.study.options(method)[index]
        try:
            config = config_of(self.study, cell, chosen)
        except IKDError as fault:
            self._failed(cell, str(fault))
            return None
        digest = digest_of(config)
        before = self._known.get((cell, digest))
        if before is not None and (before.state == "done" or (before.state == "failed" and not self._retry)):
            self._pending.remove(cell)
            if self._rows[cell] != before:
                self.note(before)
            return None
        return Due(cell=cell, config=config, digest=digest, teacher=teacher_of(config), forwards=_forwards(config), before=before)

    def _validation(self, task: str, method: str) -> dict[tuple[int, int], float | None] | None:
        """Return the score of each choice and seed on validation texts, None while some are still to come."""
        scores: dict[tuple[int, int], float | None] = {}
        for choice in range(self.study.budget(method)):
            for seed in self.study.tune_seeds:
                cell = Cell("tune", task, method, seed, choice)
                row = self._rows.get(cell)
                if row is None or row.state not in ("done", "failed") or cell in self._pending:
                    return None
                scores[choice, seed] = row.scores.get(f"student/validation/{self.study.score}") if row.state == "done" else None
        return scores

    def _failed(self, cell: Cell, error: str) -> None:
        self._pending.remove(cell)
        row = Row(cell=cell, digest="", state="failed", error=error)
        if self._rows.get(cell) != row:
            self.note(row)
        self._failures.append(row)

    def _same_study(self) -> bool:
        try:
            before = self._folder.study()
        except RunError:
            return False
        return before.model_dump(exclude=ALIKE) == self.study.model_dump(exclude=ALIKE)

    def _doubt(self) -> None:
        """Let no line count until its run is looked at: the study of this name was another one."""
        for row in list(self._rows.values()):
            if row.state != "waiting":
                self._folder.append(replace(row, state="waiting"))
                self._rows[row.cell] = replace(row, state="waiting")


def _forwards(config: RunConfig) -> float | None:
    names = (config.teacher.name, config.student.name)
    if not all(name.startswith("builtin/") or name == "teacher" or Path(name).exists() for name in names):
        return None  # not worth asking the hub for
    try:
        return student_forwards(config)
    except IKDError:
        return None


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
