"""One flipped bit anywhere in a stopped run: it is refused in a sentence, or the run ends bit for bit as if nothing had been."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ikd.errors import IKDError
from ikd.runs.control import require_resumable
from ikd.trace.branching import make_fork
from ikd.trace.folder import RunFolder
from ikd.trace.kept import FACTS, WEIGHTS, checkpoint_path, checkpoints_of
from ikd.trace.store import open_run
from tests.small_runs import again, assert_same, at_step, carried_out, small

SETTINGS: dict[str, Any] = {"training__steps": 14, "policy__exam_start": 1, "record__checkpoint_every": 4}
STOPPED_AT, FORKED_AT = 9, 10
FLIPS, EVERY_DAY = 100, 12
Runs = tuple[RunFolder, RunFolder]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """A run that was never stopped, and one that was."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IKD_HOME", str(tmp_path_factory.mktemp("runs")))
        config = small(**SETTINGS)
        yield carried_out(config), carried_out(config, at_step(STOPPED_AT, lambda one: one.request_stop()))


def copied(stopped: RunFolder, root: Path) -> RunFolder:
    """Return a copy of the stopped run, with the teachers it was fine-tuned from beside it."""
    shutil.copytree(stopped.path.parent / "_teachers", root / "_teachers", dirs_exist_ok=True)
    shutil.copytree(stopped.path, root / stopped.id)
    return open_run(stopped.id, root)


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def targets(folder: RunFolder) -> list[Path]:
    newest = checkpoint_path(folder, checkpoints_of(folder)[-1])
    return [newest / WEIGHTS, newest / FACTS, folder.trace_path, folder.path / "config.json", folder.path / "state.json"]


def outcome(folder: RunFolder, whole: RunFolder, *, forked: bool = False) -> str:
    """Resume or fork a run as a person would, fail where it ends in any other way than the two that are right, and return which."""
    try:
        folder = make_fork(folder, FORKED_AT, {}, root=folder.path.parent) if forked else folder
        require_resumable(folder)
        again(folder)
    except IKDError as fault:
        said = str(fault)
    else:
        state = folder.state()
        if state.state == "finished":
            assert_same(whole, folder)
            return "unharmed"
        assert state.state == "failed", state
        said = str(state.error)
    assert said.endswith((".", "!")) and "\n" not in said
    assert "fault of the lab" not in said and "internal error" not in said.lower() and "free some space" not in said, said
    return said


def check_flip(number: int, runs: Runs, root: Path, *, forked: bool = False) -> str:
    whole, stopped = runs
    draw = random.Random(number)
    folder = copied(stopped, root)
    path = targets(folder)[number % 5]
    bit = draw.randrange(8 * path.stat().st_size)
    flip(path, bit)
    try:
        return outcome(folder, whole, forked=forked)
    except BaseException:
        print(f"flip {number}: bit {bit} of {path.name}")
        raise


@pytest.mark.parametrize("number", range(EVERY_DAY))
def test_a_flipped_bit_is_refused_or_does_no_harm(number: int, runs: Runs, home: Path) -> None:
    check_flip(number, runs, home)


@pytest.mark.parametrize("number", range(FLIPS, FLIPS + 5))
def test_a_flipped_bit_in_the_parent_of_a_fork_is_refused_or_does_no_harm(number: int, runs: Runs, home: Path) -> None:
    check_flip(number, runs, home, forked=True)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(EVERY_DAY, FLIPS))
def test_a_hundred_flipped_bits_are_refused_or_do_no_harm(number: int, runs: Runs, home: Path) -> None:
    check_flip(number, runs, home)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(FLIPS + 5, FLIPS + 40))
def test_flipped_bits_in_the_parent_of_a_fork_are_refused_or_do_no_harm(number: int, runs: Runs, home: Path) -> None:
    check_flip(number, runs, home, forked=True)
