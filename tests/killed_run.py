"""Runs that are killed: a nursery that forks one child an attempt, points in the child at which it kills itself, and what must hold.

`python -m tests.killed_run` is the nursery: torch is loaded once, and each attempt is a process of its own. It reads one line an
attempt: the folder, a fault point ("-" for none) and at which passing of that point the child dies.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from ikd.trace.folder import RunFolder

REPOSITORY = Path(__file__).parents[1]
CHANGE_AFTER, CHANGED = 6, ("objective.alpha", 0.3)
FAULTS = (
    "fine-tuning", "saving the teacher", "in a transaction", "before a commit", "after a commit", "checkpoint: weights, no facts",
    "checkpoint: before the rename", "checkpoint: after the rename", "state: before the replace", "a step recorded",
    "catching up", "change recorded, command there", "saving the student",
)  # fmt: skip


def die() -> NoReturn:
    """End this process as the kernel does when memory is short: at once, with no word."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a dead process goes on")


class Point:
    """A place that a run passes; at its n-th passing the process dies."""

    def __init__(self, passings: int) -> None:
        self._left = passings

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            die()


def before(place: Any, name: str, point: Point) -> None:
    """Let a function of a module or class pass the point before its work."""
    real = getattr(place, name)

    def passed(*arguments: Any, **named: Any) -> Any:
        point()
        return real(*arguments, **named)

    setattr(place, name, passed)


def after(place: Any, name: str, point: Point) -> None:
    """Let a function of a module or class pass the point after its work."""
    real = getattr(place, name)

    def passed(*arguments: Any, **named: Any) -> Any:
        result = real(*arguments, **named)
        point()
        return result

    setattr(place, name, passed)


def around_transactions(recorder: Any, *, last: Point | None = None, done: Point | None = None) -> None:
    """Let every transaction pass a point right before its commit, or right after it."""
    real = recorder._transaction

    @contextmanager
    def transaction(self: Any, what: str) -> Iterator[Any]:
        with real(self, what) as cursor:
            yield cursor
            if last is not None:
                last()
        if done is not None:
            done()

    recorder._transaction = transaction


def arm(fault: str, count: int) -> None:
    """Set one fault point of this process, but for those that its watch sees."""
    import ikd.runs.checkpoints
    import ikd.runs.desk
    import ikd.runs.job
    import ikd.runs.teacher_cache
    import ikd.trace.recorder
    import ikd.trace.replacing

    point = Point(count)
    match fault:
        case "saving the teacher":
            after(ikd.runs.teacher_cache, "_checksum", point)  # the weights are written, and not yet in their place
        case "in a transaction":
            after(ikd.trace.recorder, "write_course", point)
        case "before a commit":
            around_transactions(ikd.trace.recorder.Recorder, last=point)
        case "after a commit":
            around_transactions(ikd.trace.recorder.Recorder, done=point)
        case "checkpoint: weights, no facts":
            after(ikd.runs.checkpoints, "save_file", point)
        case "checkpoint: before the rename":
            after(ikd.runs.checkpoints, "_written", point)
        case "checkpoint: after the rename":
            before(ikd.runs.checkpoints, "_let_go", point)
        case "state: before the replace":
            before(ikd.trace.replacing, "move_over", point)
        case "change recorded, command there":
            before(ikd.runs.desk, "done", point)
        case "saving the student":
            after(ikd.runs.job, "save_student", point)


def watching(fault: str, count: int) -> Callable[[RunFolder, Any], None]:
    """Return the watch of an attempt: it asks for the one change of the run, and has the points that are events."""
    from ikd.events import StepTaken, TeacherProgress
    from ikd.trace.commands import waiting
    from ikd.trace.reader import TraceReader

    point = Point(count)
    recorded: list[int] = []

    def watch(folder: RunFolder, event: Any) -> None:
        if not recorded:
            recorded.append(TraceReader(folder).last_step())
        if isinstance(event, TeacherProgress) and fault == "fine-tuning":
            point()
        if not isinstance(event, StepTaken):
            return
        if event.step == CHANGE_AFTER and not TraceReader(folder).interventions() and not waiting(folder.path):
            folder.ask("change", path=CHANGED[0], value=CHANGED[1])
        if fault == "a step recorded" or (fault == "catching up" and event.step <= recorded[0]):
            point()

    return watch


def attempt(path: Path, fault: str, count: int) -> None:
    """Carry out a run in this process, or die at the fault point."""
    from tests.small_runs import again

    arm(fault, count)
    again(RunFolder(path), watching(fault, count))


class Nursery:
    """The process that loads torch once and forks the attempts; use it as a context manager."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.killed_run"], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
        )  # fmt: skip
        assert self._answer() == ["ready"]
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(240)
        self._process.stdout.close()

    def attempt(self, folder: RunFolder, fault: str = "-", count: int = 1, *, seconds: float | None = None) -> bool:
        """Let a child carry out the run; kill it after some seconds, if any. Return whether it was killed."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{folder.path}\t{fault}\t{count}\n")
        self._process.stdin.flush()
        child = int(self._answer()[0])
        timer = None if seconds is None else threading.Timer(seconds, _kill, (child,))
        if timer is not None:
            timer.start()
        code = int(self._answer()[0])
        if timer is not None:
            timer.cancel()
        assert code in (0, -signal.SIGKILL), f"the child ended with {code}"
        return code != 0

    def _answer(self) -> list[str]:
        assert self._process.stdout is not None
        words = self._process.stdout.readline().split()
        assert words, "the nursery is gone"
        return words


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def committed(folder: RunFolder) -> dict[str, list[Any]]:
    """Return the recorded rows of a run whose process is gone, and leave its files as the kill left them."""
    from tests.small_runs import TABLES, facts

    with tempfile.TemporaryDirectory() as place:
        for path in folder.path.glob("trace.sqlite*"):
            if not path.name.endswith("-shm"):
                shutil.copy2(path, place)
        copy = RunFolder(Path(place))
        if not copy.trace_path.exists() or not _has_tables(copy.trace_path):
            return {name: [] for name in (*TABLES, "steps", "scores")}
        return facts(copy)


def _has_tables(path: Path) -> bool:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(path)) as trace:
        return trace.execute("SELECT 1 FROM sqlite_master WHERE name = 'steps'").fetchone() is not None


def check_nothing_lost(earlier: dict[str, list[Any]], now: dict[str, list[Any]]) -> int:
    """Fail where a row committed before is not there any more or twice; return how many were compared."""
    compared = 0
    for name, rows in earlier.items():
        missing = set(rows) - set(now[name])
        assert not missing, f"{len(missing)} rows of {name} were lost: {sorted(missing, key=str)[:3]}"
        assert len(set(now[name])) == len(now[name]), f"{name} has a row twice"
        compared += len(rows)
    steps = [step for (step,) in now["steps"]]
    assert steps == list(range(len(steps))), "a step is missing"
    return compared


def serve() -> None:
    """Be the nursery: fork a child for each line read, and say its process and how it ended."""
    from ikd.models import build_student, build_teacher
    from ikd.runs import job  # noqa: F401
    from ikd.runs.devices import use_threads
    from ikd.tasks import load_task
    from tests.small_runs import small

    use_threads(1)
    data = load_task(small().task)  # what is imported late is imported here, once
    build_student(small(), data, build_teacher(small(), data))
    print("ready", flush=True)
    for line in sys.stdin:
        path, fault, count = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            code = 1
            try:
                attempt(Path(path), fault, int(count))
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
