"""Carrying a study out, run by run: what is there is kept, what is half done goes on, and one failure leaves the others alone."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from ikd.config import RunConfig
from ikd.errors import ConfigError, RunError
from ikd.runs.permission import most_runs, require_steps, require_writable
from ikd.study.bench import Bench, Due
from ikd.study.cells import option_configs
from ikd.study.digests import digest_of
from ikd.study.folder import MOST_JOBS, Row, StudyFolder
from ikd.study.made_with import commit, machine, versions
from ikd.study.outcome import Outcome
from ikd.study.plan import Study
from ikd.study.pool import Pool, default_jobs, environments
from ikd.study.results import Results
from ikd.trace.commands import clear_spent
from ikd.trace.folder import RunFolder
from ikd.trace.store import list_runs, new_run, open_run

LOOK_SECONDS = 0.5
SECONDS_TO_END = 15.0


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a study is.

    Attributes:
        total, done, failed, running: runs, those of the tuning among them.
        seconds_left: from what runs have taken so far; None while nothing is known of that.
        jobs: how many runs go side by side.
        row: the run that has just ended, None at the beginning.
        results: what is known of all runs; it grows as the study goes on.
    """

    total: int
    done: int
    failed: int
    running: int
    seconds_left: float | None
    jobs: int
    row: Row | None
    results: Results


class _AtWork(NamedTuple):
    """A run that a worker carries out, and its line."""

    due: Due
    row: Row


def carry_out(
    study: Study, root: Path | None = None, *, jobs: int | None = None, retry: bool = False, command: str = ""
) -> Iterator[Progress]:
    """Carry out what is missing of a study, yielding its progress at the start and after every run.

    Closing the generator, Ctrl-C, and `StudyFolder.ask_to_end` end it: the runs at work stop after their step and go on the next time.

    Args:
        study: to be carried out; what its folder has of runs with the same settings is kept.
        root: folder of all runs.
        jobs: runs side by side; None: one a core, or one a GPU.
        retry: carry out the failed ones again.
        command: that was given, for the record.

    Raises:
        BusyError: it is being carried out already.
        RunError: the lab is read-only or full, or the disk is.
        ConfigError: a number of jobs that cannot be.
    """
    require_writable()
    folder = StudyFolder(study.name, root)
    configs = _allowed_configs(study)
    jobs = _jobs(jobs, configs)
    with folder.hold():
        folder.forget_the_asking()  # at once: what is asked from here on is asked of this program
        bench = Bench(study, folder, retry=retry)
        strays = _strays(folder)
        _require_room(folder, bench, strays)
        bench.begin()
        _begin(folder, study, jobs, command)
        ended = "finished"
        try:
            ended = yield from _work(bench, folder, Pool(environments(jobs, configs), folder.root), jobs, strays)
        except BaseException as fault:
            ended = "failed" if isinstance(fault, Exception) else "interrupted"
            raise
        finally:
            with suppress(RunError):
                folder.append_session({"ended": time.time(), "how": ended})


def _work(bench: Bench, folder: StudyFolder, pool: Pool, jobs: int, strays: dict[str, RunFolder]) -> Generator[Progress, None, str]:
    """Yield progress until nothing is left to do; return how it ended."""
    at_work: dict[int, _AtWork] = {}
    try:
        yield _progress(bench, at_work, jobs)
        while True:
            if folder.asked_to_end():
                folder.forget_the_asking()
                return "cancelled"
            for number in pool.free():
                due = bench.next_due()
                yield from (_progress(bench, at_work, jobs, row) for row in bench.failures())
                if due is None:
                    break
                at_work[number] = _AtWork(due, _begun(bench, due, folder.root, strays))
                pool.give(number, at_work[number].row.run, keep_student=bench.study.keep_students, score_test=due.cell.stage != "tune")
            if not at_work:
                return "finished" if bench.is_over() else "incomplete"
            ended = []  # all are noted before any is told: whoever is told may end the study there
            for message in pool.messages(LOOK_SECONDS):
                if message.outcome is None:
                    bench.teacher_ready(at_work[message.worker].due)
                else:
                    ended.append(_ended(bench, at_work.pop(message.worker), message.outcome))
            yield from (_progress(bench, at_work, jobs, row) for row in ended)
    finally:
        _end_all(bench, pool, at_work, folder.root)


def _begun(bench: Bench, due: Due, root: Path, strays: dict[str, RunFolder]) -> Row:
    run = _half_done(due, root) or strays.pop(due.digest, None) or new_run(due.config, root)
    row = Row(cell=due.cell, digest=due.digest, run=run.id, state="running", steps=due.config.training.steps, forwards=due.forwards)
    bench.note(row)
    return row


def _strays(folder: StudyFolder) -> dict[str, RunFolder]:
    """Return by digest the runs of the study that no line tells of: it was ended right between making a folder and noting it."""
    sessions = folder.sessions()
    if not sessions or sessions[-1].get("how") in ("finished", "incomplete", "cancelled"):
        return {}
    noted, found = {row.run for row in folder.lines()}, {}
    for run in list_runs(folder.root):
        with suppress(RunError):
            if run.id not in noted and run.config().label.startswith(f"{folder.name}: ") and run.state().stage == "queued":
                found[digest_of(run.config())] = run
    return found


def _half_done(due: Due, root: Path) -> RunFolder | None:
    """Return the folder of an attempt that can go on or is over, ready to be given to a worker."""
    folder = _attempt(due, root)
    state = None if folder is None else folder.state()
    if folder is not None and state is not None and (not state.live or state.pid == os.getpid()):
        clear_spent(folder.path)  # asked of the attempt that broke off; one of this program was never begun: its workers have others
    return folder


def _attempt(due: Due, root: Path) -> RunFolder | None:
    """Return the folder of an attempt that can go on, or that has come to its end without anybody noting it."""
    if due.before is None or not due.before.run:
        return None
    try:
        folder = open_run(due.before.run, root)
        state = folder.state()
        if digest_of(folder.config()) != due.digest or state.state == "failed" or (due.before.state == "failed" and not state.resumable):
            return None
    except RunError:  # deleted or damaged
        return None
    return folder


def _ended(bench: Bench, one: _AtWork, outcome: Outcome) -> Row:
    bench.teacher_ready(one.due, failed=outcome.state != "done")
    scores = outcome.scores
    if one.due.cell.stage == "tune":  # it left the test texts alone, unless another version of the lab has carried it out
        scores = {name: value for name, value in scores.items() if "/validation/" in name}
    row = replace(one.row, state=outcome.state, error=outcome.error, scores=scores,
                  flops=outcome.flops, seconds=outcome.seconds, wall=outcome.wall, curve=outcome.curve)  # fmt: skip
    bench.note(row)
    return row


def _end_all(bench: Bench, pool: Pool, at_work: dict[int, _AtWork], root: Path) -> None:
    """Let the runs at work stop after their present step, and note how they stand; what does not answer is ended."""
    try:
        for one in at_work.values():
            with suppress(RunError):
                open_run(one.row.run, root).ask("interrupt")
        until = time.monotonic() + SECONDS_TO_END
        while at_work and time.monotonic() < until:
            for message in pool.messages(LOOK_SECONDS):
                if message.outcome is not None:
                    _ended(bench, at_work.pop(message.worker), message.outcome)
        for row in StudyFolder(bench.study.name, root).rows().values():  # one whose line was written just now is not among those at work
            if row.state == "running":
                bench.note(replace(row, state="interrupted"))
    finally:
        pool.end()


def _progress(bench: Bench, at_work: Mapping[int, _AtWork], jobs: int, row: Row | None = None) -> Progress:
    total, done, failed = bench.counts()
    return Progress(total=total, done=done, failed=failed, running=len(at_work), seconds_left=bench.seconds_left(jobs), jobs=jobs, row=row,
                    results=bench.results())  # fmt: skip


def _allowed_configs(study: Study) -> list[RunConfig]:
    """Return a config of each task, method and option, before anything is chosen.

    Raises:
        RunError: one has more steps than this lab takes; those that are counted are looked at when they are.
    """
    configs = []
    for _, method, config in option_configs(study):
        if study.equal_compute_to(method) is None:
            require_steps(config.training.steps)
        configs.append(config)
    return configs


def _jobs(asked: int | None, configs: Sequence[RunConfig]) -> int:
    if asked is None:
        return default_jobs(configs)
    if not 1 <= asked <= MOST_JOBS:
        raise ConfigError(f"{asked} runs side by side cannot be: give a number of jobs from 1 to {MOST_JOBS}, or none for one a core.")
    return asked


def _require_room(folder: StudyFolder, bench: Bench, strays: Mapping[str, RunFolder]) -> None:
    n_runs, most = len(list_runs(folder.root)), most_runs()
    missing = sum(1 for due in bench.to_come() if due is None or (due.digest not in strays and _attempt(due, folder.root) is None))
    if missing and n_runs + missing > most:
        raise RunError(f"The study {folder.name} needs {missing} more runs beside the {n_runs} that are there, and this lab keeps at most "
                       f"{most}: delete some on the page Runs, or set IKD_MOST_RUNS to {n_runs + missing} or more.")  # fmt: skip


def _begin(folder: StudyFolder, study: Study, jobs: int, command: str) -> None:
    folder.write_study(study)
    folder.append_session({"began": time.time(), "command": command, "jobs": jobs, "pid": os.getpid(), "seeds": list(study.seeds),
                           "versions": versions(), "commit": commit(), "machine": machine()})  # fmt: skip
