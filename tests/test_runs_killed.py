"""Runs that are killed again and again, at every dangerous point and at random, lose nothing and are the run never killed."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from ikd.trace.folder import RunFolder
from ikd.trace.store import new_run
from tests.killed_run import FAULTS, Nursery, check_nothing_lost, committed
from tests.small_runs import assert_same, small, told

pytestmark = pytest.mark.slow
# Before a point that is passed only by a run that has come some way, another fault lets it come so far.
FIRST: dict[str, list[tuple[str, int]]] = {"catching up": [("a step recorded", 9)], "saving the student": [("a step recorded", 7)]}
PASSINGS = {
    "fine-tuning": (3, 7), "saving the teacher": (1, 1), "in a transaction": (3, 6), "before a commit": (1, 5),
    "after a commit": (2, 6), "state: before the replace": (2, 1), "a step recorded": (4, 8), "catching up": (2, 3),
    "saving the student": (1, 1),
}  # fmt: skip


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


@pytest.fixture(scope="module")
def whole(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The run that is never killed."""
    folder = new_run(small(), tmp_path_factory.mktemp("whole"))
    assert not nursery.attempt(folder) and folder.state().state == "finished"
    return folder


def finish(nursery: Nursery, folder: RunFolder, whole: RunFolder, before: dict[str, list[object]]) -> None:
    assert not nursery.attempt(folder)
    assert folder.state().state == "finished", folder.state().error
    check_nothing_lost(before, committed(folder))
    assert_same(whole, folder)
    assert not told(folder), "a step computed again was not the same"
    assert not list((folder.path / "commands").glob("*")) and not list((folder.path / "checkpoints").glob(".*"))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_killed_at_a_dangerous_point_goes_on_as_if_nothing_had_been(
    fault: str, nursery: Nursery, whole: RunFolder, tmp_path: Path
) -> None:
    folder = new_run(small(), tmp_path)
    before = committed(folder)
    plan = [*FIRST.get(fault, []), *((fault, count) for count in PASSINGS.get(fault, (1, 1)))]
    if fault == "change recorded, command there":
        plan = plan[:1]  # once carried out, the command is gone
    for point, count in plan:
        assert nursery.attempt(folder, point, count), f"the run never came to {point!r}"
        now = committed(folder)
        check_nothing_lost(before, now)
        assert folder.state().state == "lost" and folder.state().resumable and "resume" in str(folder.state().error)
        before = now
    finish(nursery, folder, whole, before)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_killed_at_random_moments_is_the_run_that_was_never_killed(seed: int, nursery: Nursery, tmp_path: Path) -> None:
    draw = random.Random(seed)
    whole, folder = new_run(small(training__steps=80), tmp_path), new_run(small(training__steps=80), tmp_path)
    assert not nursery.attempt(whole)
    before, kills = committed(folder), 0
    while kills < 8 and nursery.attempt(folder, seconds=draw.uniform(0.02, 0.6)):
        kills += 1
        now = committed(folder)
        check_nothing_lost(before, now)
        state = folder.state()  # a child killed before its first word leaves what this process wrote
        assert state.pid == os.getpid() or (state.state == "lost" and state.resumable)
        before = now
    assert kills >= 2
    if folder.state().state != "finished":
        finish(nursery, folder, whole, before)
    assert_same(whole, folder)
