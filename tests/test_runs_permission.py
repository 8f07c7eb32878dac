"""What a lab lets its visitors do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ikd.config import build_config
from ikd.errors import RunError
from ikd.runs import start_run, stop_run
from ikd.runs.permission import MOST_QUEUED, MOST_RUNS, most_runs, read_only, require_room, require_writable
from ikd.trace.store import RunState, list_runs, new_run
from tests.conftest import REPOSITORY


@pytest.mark.parametrize("word, only", [("1", True), ("true", True), (" YES ", True), ("0", False), ("", False), ("no", False)])
def test_the_environment_makes_a_lab_read_only(monkeypatch: pytest.MonkeyPatch, word: str, only: bool) -> None:
    monkeypatch.setenv("IKD_READ_ONLY", word)
    assert read_only() is only
    if only:
        with pytest.raises(RunError, match="This lab is read-only: "):
            require_writable()
    else:
        require_writable()


def test_a_lab_is_writable_where_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IKD_READ_ONLY", raising=False)
    assert not read_only() and MOST_QUEUED == 20


@pytest.mark.parametrize("word, most", [("3", 3), ("", MOST_RUNS), ("0", MOST_RUNS), ("-2", MOST_RUNS), ("1e9", MOST_RUNS),
                                        ("many", MOST_RUNS), ("٣", MOST_RUNS), ("9" * 5000, MOST_RUNS), (" 7 ", 7)])  # fmt: skip
def test_a_bad_number_of_runs_is_the_default(monkeypatch: pytest.MonkeyPatch, word: str, most: int) -> None:
    monkeypatch.setenv("IKD_MOST_RUNS", word)
    assert most_runs() == most


def test_a_full_lab_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_MOST_RUNS", "2")
    new_run(build_config({}), tmp_path)
    require_room(tmp_path)
    new_run(build_config({}), tmp_path)
    with pytest.raises(RunError, match="There are 2 runs, and this lab keeps at most 2: delete some"):
        require_room(tmp_path)


def test_asking_loads_no_torch() -> None:
    program = "import sys, ikd.runs.permission; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=False, timeout=300).returncode == 0


def test_a_read_only_lab_starts_and_stops_nothing(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("IKD_READ_ONLY", "1")
    with pytest.raises(RunError, match="read-only"):
        start_run(build_config({}))
    with pytest.raises(RunError, match="read-only"):
        stop_run("no-run")
    assert not list(home.glob("2*"))


def test_a_lab_that_is_full_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_MOST_RUNS", "1")
    new_run(build_config({})).write_state(RunState(state="stopped"))
    with pytest.raises(RunError, match="at most 1"):
        start_run(build_config({}))
    assert len(list_runs()) == 1


def test_a_lab_may_bound_the_steps_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_MOST_STEPS", "50")
    with pytest.raises(RunError, match="from 1 to 50"):
        start_run(build_config({"training.steps": 51}))
    assert not list_runs()
