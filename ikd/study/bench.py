"""Which run of a study is due next, and what is known of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from ikd.config import STORED, RunConfig
from ikd.errors import HubError, IKDError, RunError
from ikd.runs.permission import require_steps
from ikd.study.cells import Cell, all_cells, choice_of, config_of, needed_choices
from ikd.study.compute import student_forwards
from ikd.study.digests import digest_of, teacher_of
from ikd.study.folder import Row, StudyFolder
from ikd.study.plan import Study, Values
from ikd.study.results import Results

ALIKE = {"title", "seeds", "baseline", "also_against", "matters", "keep_students"}
"""What may change in a study without a doubt about the runs that are there."""

BROKEN = ("stopped", "interrupted")
"""States of runs that were ended by other hands than those of the study: they go on when it is started again."""

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
        """Take up what the folder has; nothing is written before `begin`."""
        self.study, self._folder, self._retry = study, folder, retry
        lines = folder.lines()
        self._known = {(row.cell, row.digest): row for row in lines if row.state != "waiting"}
        self._written = {row.cell: row for row in lines}
        self._rows = dict(self._written)
        self._cells = all_cells(study)
        self._pending = dict.fromkeys(self._cells)
        self._teachers: set[str] = set()
        self._preparing: dict[str, Cell] = {}
        self._impossible: dict[Cell, str] = {}
        self._out_of_reach: dict[str, str] = {}
        self._failures: list[Row] = []
        if lines and not self._same_study():  # no line of another study of this name counts until its run is looked at
            self._rows = {cell: replace(row, state="waiting") for cell, row in self._written.items()}
        self._take_up()

    def begin(self) -> None:
        """Write which lines do not count any more, the study of this name having been another one, and which do again.

        Raises:
            RunError: they cannot be written.
        """
        for cell, row in self._rows.items():
            if row != self._written.get(cell):
                self._folder.append(row)

    def results(self) -> Results:
        """Return what is known so far; it grows with every line."""
        return Results(study=self.study, rows=MappingProxyType(self._rows), sessions=(), root=self._folder.root)

    def rows(self) -> list[Row]:
        """Return the last line on each run of the study that has one."""
        return [self._rows[cell] for cell in self._cells if cell in self._rows]

    def to_come(self) -> Iterator[Due | None]:
        """Yield each run that is not over and can be carried out, None for one whose settings are still to be chosen.

        One that is done stays so in all likelihood, though the settings that it has are chosen again.
        """
        yield from (due for _, due in self.left())

    def left(self) -> Iterator[tuple[Cell, Due | None]]:
        """Yield the same runs, each behind its cell."""
        for cell in self._pending:
            seen = self._seen(cell)
            if isinstance(seen, Due) or (seen is None and not self._is_done(cell)):
                yield cell, seen

    def is_over(self) -> bool:
        """Return whether every run is done or has failed: one that was stopped, and one that waits for what it would tell, are left."""
        return not self._pending and all(row.state in ("done", "failed") for row in self.rows())

    def _is_done(self, cell: Cell) -> bool:
        return cell in self._rows and self._rows[cell].state == "done"

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
                del self._pending[cell]
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
        total = 0.0
        for cell in self._cells:
            row = self._rows.get(cell)
            if cell not in self._pending and (row is None or row.state != "running"):
                continue
            pace, planned = paces[cell.method], row.forwards if row is not None else None
            total += pace if pace is not None else planned * a_forward if planned and a_forward else usual
        return total / max(jobs, 1)

    def _take_up(self) -> None:
        """Let the runs that are over leave the list; one that is may tell the settings of others, which are over too."""
        left = len(self._pending) + 1
        while len(self._pending) < left:
            left = len(self._pending)
            for cell in list(self._pending):
                seen = self._seen(cell)
                if isinstance(seen, Row):
                    del self._pending[cell]
                    self._rows[cell] = seen

    def _looked_at(self, cell: Cell) -> Due | None:
        """Return a run that can be carried out now; one that was before, or that cannot be, leaves the list."""
        seen = self._seen(cell)
        if isinstance(seen, str):
            self._failed(cell, seen)
        elif isinstance(seen, Row):
            del self._pending[cell]
            if self._rows.get(cell) != seen:
                self.note(seen)
        return seen if isinstance(seen, Due) else None

    def _seen(self, cell: Cell) -> Due | Row | str | None:
        """Return a run that can be carried out now, the line by which it is over, why it cannot be, or None while settings are chosen."""
        chosen: dict[str, Values] = {}
        for method in needed_choices(self.study, cell):
            scores = self._validation(cell.task, method)
            if scores is None:
                return None
            index, _ = choice_of(self.study, method, lambda choice, seed: scores[choice, seed])  # noqa: B023  # asked at once
            if index is None:
                return NO_CHOICE
            chosen[method] = self.study.options(method)[index]
        config = self._config(cell, chosen)
        if isinstance(config, str):
            return config
        digest = digest_of(config)
        before = self._known.get((cell, digest))
        if before is not None and (before.state == "done" or (before.state == "failed" and not self._retry)):
            return before
        return _too_long(self.study, cell, config) or Due(
            cell=cell, config=config, digest=digest, teacher=teacher_of(config), forwards=_forwards(config), before=before)  # fmt: skip

    def _config(self, cell: Cell, chosen: Mapping[str, Values]) -> RunConfig | str:
        """Return the config of a run, or why there is none. A hub out of reach is asked once for a method: it may take a minute."""
        known = self._impossible.get(cell) or self._out_of_reach.get(cell.method)
        if known is not None:
            return known
        try:
            return config_of(self.study, cell, chosen)
        except HubError as fault:  # its steps are counted by the sizes of models that are not here
            self._out_of_reach[cell.method] = str(fault)
            return str(fault)
        except IKDError as fault:
            self._impossible[cell] = str(fault)
            return str(fault)

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
        del self._pending[cell]
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


def left_words(study: Study, rows: Mapping[Cell, Row]) -> str:
    """Return in a sentence which runs are left of a study that went on as long as it could; "" where none was stopped or broken off."""
    states = {cell: rows[cell].state if cell in rows else "waiting" for cell in all_cells(study)}
    broken = [cell for cell, state in states.items() if state in BROKEN]
    trials = {(cell.task, cell.method) for cell in broken if cell.stage == "tune"}
    waiting = sum(1 for cell, state in states.items()
                  if state == "waiting" and any((cell.task, method) in trials for method in needed_choices(study, cell)))  # fmt: skip
    by_hand = sum(1 for cell in broken if states[cell] == "stopped")
    said = [f"{n} {'run was' if n == 1 else 'runs were'} {how}" for n, how in (
        (by_hand, "stopped by hand"), (len(broken) - by_hand, "interrupted")) if n]  # fmt: skip
    if waiting:
        by = "it" if len(broken) == 1 else "them"
        said.append(f"{waiting} {'run waits' if waiting == 1 else 'runs wait'} for settings to be chosen by {by}")
    return f"{', and '.join(said)}." if said else ""


def _too_long(study: Study, cell: Cell, config: RunConfig) -> str | None:
    target = study.equal_compute_to(cell.method)
    try:
        require_steps(config.training.steps)
    except RunError as fault:
        return str(fault) if target is None else f"{fault} Its steps are counted, for the compute of {target!r}: give that one fewer."
    return None


def _forwards(config: RunConfig) -> float | None:
    names = (config.teacher.name, config.student.name)
    if not all(name.startswith("builtin/") or name in ("teacher", STORED) or Path(name).exists() for name in names):
        return None  # not worth asking the hub for
    try:
        return student_forwards(config)
    except IKDError:
        return None


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
