"""Worker processes for the runs of a study: started when they are needed, and replaced when one dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from ikd.config import RunConfig
from ikd.study.outcome import Outcome
from ikd.study.worker import TAUGHT, work

SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Message:
    """What a worker says of its present run.

    Attributes:
        worker: its number.
        outcome: how the run ended; None: its teacher is ready, and it goes on.
    """

    worker: int
    outcome: Outcome | None


@dataclass(frozen=True)
class _Worker:
    process: BaseProcess
    connection: Connection


class Pool:
    """Workers by number, each busy with one run or free."""

    def __init__(self, environments: Sequence[Mapping[str, str]], root: Path) -> None:
        """Prepare as many workers as there are environments; no process is started yet."""
        self._environments, self._root = environments, root
        self._workers: dict[int, _Worker] = {}
        self._busy: set[int] = set()

    def free(self) -> list[int]:
        """Return the numbers of the workers without a run."""
        return [number for number in range(len(self._environments)) if number not in self._busy]

    def give(self, number: int, run_id: str, *, keep_student: bool, score_test: bool) -> None:
        """Let a free worker carry out a run; the last two as in `ikd.study.worker.carried_out`."""
        if number not in self._workers:
            self._workers[number] = self._started(number)
        self._busy.add(number)
        with suppress(OSError):  # it has died since: `messages` says so
            self._workers[number].connection.send((run_id, keep_student, score_test))

    def messages(self, seconds: float) -> list[Message]:
        """Return what the busy workers say, waiting for so long at most."""
        busy = {self._workers[number].connection: number for number in self._busy}
        said = []
        for connection in wait(list(busy), timeout=seconds):
            number = busy[connection]  # type: ignore[index]
            outcome = self._received(number)
            if outcome is not None:
                self._busy.discard(number)
            said.append(Message(number, outcome))
        return said

    def end(self) -> None:
        """End all workers: the free ones by a word, those at work at once."""
        for number, worker in self._workers.items():
            if number in self._busy:
                worker.process.terminate()
            else:
                with suppress(OSError):
                    worker.connection.send(None)
        until = time.monotonic() + 5
        for worker in self._workers.values():
            worker.process.join(timeout=max(0.0, until - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join(timeout=5)
            worker.connection.close()
            worker.process.close()
        self._workers.clear()
        self._busy.clear()

    def _received(self, number: int) -> Outcome | None:
        worker = self._workers[number]
        try:
            said = worker.connection.recv()
        except (EOFError, OSError):
            worker.process.join(timeout=5)
            code = worker.process.exitcode
            worker.connection.close()
            del self._workers[number]
            return Outcome(state="failed", error=f"The process that carried the run out ended without a word (exit code {code}), as "
                           "where the machine runs out of memory: carry it out again with --retry, and with fewer --jobs.")  # fmt: skip
        return None if said == TAUGHT else said

    def _started(self, number: int) -> _Worker:
        ours, theirs = SPAWN.Pipe()
        process = SPAWN.Process(target=work, args=(theirs, str(self._root), dict(self._environments[number])), daemon=True,
                                name=f"ikd-study-{number}")  # fmt: skip
        with _deaf_to_interrupts():
            process.start()
        theirs.close()
        return _Worker(process, ours)


def default_jobs(configs: Sequence[RunConfig]) -> int:
    """Return how many runs go side by side where nobody says: one a core, or one a GPU where there are any."""
    if all(config.machine.device == "cpu" for config in configs):
        return _cores()
    return _gpus() or _cores()


def environments(jobs: int, configs: Sequence[RunConfig]) -> list[dict[str, str]]:
    """Return the environment of each worker: where several GPUs are free to choose from, each has one of its own."""
    apart = jobs > 1 and any(config.machine.device in ("auto", "cuda") for config in configs)
    n_gpus = _gpus() if apart else 0
    if n_gpus < 2:
        return [{} for _ in range(jobs)]
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = [name.strip() for name in seen.split(",") if name.strip()] or [str(number) for number in range(n_gpus)]
    return [{"CUDA_VISIBLE_DEVICES": names[number % len(names)]} for number in range(jobs)]


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def _gpus() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Start processes that do not hear Ctrl-C: the one that started them does, and ends them in good order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
