"""The tests themselves: those with a browser say so, and none depends on how busy its machine is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

LEAST_SECONDS = 180
FILES = sorted((REPOSITORY / "tests").rglob("*.py"))
IN_BROWSER = [path for path in FILES if path.parent.name == "browser" and path.name.startswith("test_")]
ELAPSED = re.compile(r"assert\b.*\b(?:monotonic|perf_counter|time)\(\)\s*-\s*\w+\s*<=?\s*(\S+?)[,:]?$")


def name_of(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


@pytest.mark.parametrize("path", IN_BROWSER, ids=name_of)
def test_every_file_with_a_browser_carries_its_mark(path: Path) -> None:
    """Guards that `pytest -m "not browser"` opens none."""
    marks = [ast.unparse(one.value) for one in ast.parse(path.read_text("utf-8")).body
             if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "pytestmark"]  # fmt: skip
    assert marks and "pytest.mark.browser" in marks[0]


@pytest.mark.parametrize("path", [path for path in FILES if "AppTest.from_" in path.read_text("utf-8")], ids=name_of)
def test_pages_have_time_on_a_busy_machine(path: Path) -> None:
    """Guards that each page under test is given time: Streamlit's own 3 seconds are over soon where others work too."""
    tree = ast.parse(path.read_text("utf-8"))
    known = {ast.unparse(one.targets[0]): one.value.value for one in tree.body
             if isinstance(one, ast.Assign) and isinstance(one.value, ast.Constant)}  # fmt: skip
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and re.fullmatch(r"AppTest\.from_\w+", ast.unparse(call.func)):
            given = {one.arg: one.value for one in call.keywords}.get("default_timeout")
            seconds = given.value if isinstance(given, ast.Constant) else known.get(ast.unparse(given)) if given is not None else 0
            assert isinstance(seconds, int) and seconds >= LEAST_SECONDS, f"line {call.lineno}"
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "run":
            given = {one.arg: one.value for one in call.keywords}.get("timeout")
            assert not isinstance(given, ast.Constant) or int(str(given.value)) >= LEAST_SECONDS, f"line {call.lineno}"


def test_no_test_fails_by_the_clock_on_the_wall() -> None:
    """Guards that elapsed time is bounded by processor time, or so widely that only a hang passes it."""
    lines = [(name_of(path), line.strip()) for path in FILES for line in path.read_text("utf-8").splitlines()]
    timed = {f"{place}: {line}": found[1] for place, line in lines if (found := ELAPSED.match(line))}
    narrow = [place for place, most in timed.items() if "process_time" not in place and not (most.isdigit() and int(most) >= 100)]
    assert narrow == []
