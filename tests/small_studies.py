"""A study of the smallest runs, for tests of studies, and a way to carry it out without worker processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from ikd.study import Study, StudyFolder, carry_out, study_from
from ikd.study.pool import Message
from ikd.study.results import Results, cost_table, read_results
from ikd.study.telling import tables
from ikd.study.worker import carried_out
from ikd.trace.store import open_run
from tests.small_runs import SMALL

TINY: dict[str, Any] = {
    "name": "tiny", "title": "Two methods and a task",
    "base": {**{path: value for path, value in SMALL.items() if path not in ("machine.threads", "record.probe_every")},
             "teacher.fine_tune_steps": 4, "training.steps": 6, "record.checkpoint_every": 2},
    "tasks": {"reviews": {}},
    "methods": {"KD": {"policy.name": "fixed"}, "exam": {"policy.name": "exam"}},
    "seeds": [0, 1], "baseline": "KD",
}  # fmt: skip


def tree(**changes: Any) -> dict[str, Any]:
    """Return the tiny study as plain values with some keys replaced."""
    return {**TINY, **changes}


def tiny_study(**changes: Any) -> Study:
    """Return the tiny study with some keys replaced."""
    return study_from(tree(**changes))


class Inline:
    """In place of worker processes: one worker, in the process of the test.

    Attributes:
        given: the runs carried out so far, in order.
    """

    given: list[str] = []

    def __init__(self, environments: Sequence[Mapping[str, str]], root: Path) -> None:
        self._root, self._order = root, ("", False, True)

    def free(self) -> list[int]:
        """Return the worker, where it is free."""
        return [] if self._order[0] else [0]

    def give(self, number: int, run_id: str, *, keep_student: bool, score_test: bool) -> None:
        """Take a run."""
        assert number == 0 and not self._order[0]
        self._order = (run_id, keep_student, score_test)

    def messages(self, seconds: float) -> list[Message]:
        """Carry the run out and say how it ended."""
        (run_id, keep_student, score_test), self._order = self._order, ("", False, True)
        type(self).given.append(run_id)
        said: list[object] = []
        outcome = carried_out(run_id, self._root, SimpleNamespace(send=said.append), keep_student=keep_student,  # type: ignore[arg-type]
                              score_test=score_test)  # fmt: skip
        return [*(Message(0, None) for _ in said), Message(0, outcome)]

    def end(self) -> None:
        """Do nothing: there is no process."""


def stopping(n_before: int) -> Callable[..., None]:
    """Return a `give` for `Inline` that lets the run after so many others be stopped, as on its own page."""
    def give(self: Inline, number: int, run_id: str, **how: bool) -> None:
        if len(self.given) == n_before:
            open_run(run_id).request_stop()
        Inline.give(self, number, run_id, **how)

    return give


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> type[Inline]:
    """Let studies be carried out in the process of the test, and return the stand-in with a fresh list of runs."""
    pool = type("InlineOfThisTest", (Inline,), {"given": []})
    monkeypatch.setattr("ikd.study.engine.Pool", pool)
    return pool


def carried(study: Study, **how: Any) -> Results:
    """Carry out what is missing of a study, and return what it has found."""
    for _ in carry_out(study, jobs=1, **how):
        pass
    return read_results(StudyFolder(study.name, how.get("root")))


def findings(results: Results) -> dict[str, pd.DataFrame]:
    """Return every table that must come out the same again."""
    found = {name: table for name, table in tables(results).items() if name not in ("cost", "runs")}
    return {**found, "cost": cost_table(results).drop(columns="seconds")}


def assert_same_findings(one: Results, other: Results) -> None:
    """Fail where two studies differ in any table but for times and ids."""
    ours, theirs = findings(one), findings(other)
    assert ours.keys() == theirs.keys() and len(ours["scores"])
    for name in ours:
        pd.testing.assert_frame_equal(ours[name], theirs[name], check_exact=True, obj=name)
