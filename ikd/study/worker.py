"""A process that carries out runs of a study, one after the other, as it is told through a pipe.

Loading this module loads no torch; `work` does, once, in the process it was started in.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from pathlib import Path

from ikd.errors import BusyError, IKDError
from ikd.events import Event, RunStarted
from ikd.study.outcome import Outcome, let_go, outcome_of
from ikd.trace.store import open_run

TAUGHT = "taught"
"""Sent when the teacher of the present run is there: from now on others may read it from the cache."""

SECONDS_FOR_ANOTHER = 30.0


def work(connection: Connection, root: str, environment: Mapping[str, str]) -> None:
    """Carry out the runs whose ids arrive, each with what `carried_out` must know besides, and answer each with its `Outcome`.

    It ends at None, or when the other side is gone.
    """
    os.environ.update(environment)  # before torch looks for its devices
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    while True:
        try:
            order = connection.recv()
        except (EOFError, OSError):
            return
        if order is None:
            return
        run_id, keep_student, score_test = order
        connection.send(carried_out(run_id, Path(root), connection, keep_student=keep_student, score_test=score_test))


def carried_out(run_id: str, root: Path, connection: Connection, *, keep_student: bool, score_test: bool) -> Outcome:
    """Carry out a run, new or half-done, and return how it ended; one that is finished is only read.

    Args:
        run_id: its folder.
        root: folder of all runs.
        connection: where it is said that its teacher is there.
        keep_student: whether its trained student stays.
        score_test: False for a run of the tuning, which must not touch the test texts.
    """
    from ikd.runs.loading import load_job

    def watch(event: Event) -> None:
        if isinstance(event, RunStarted):
            connection.send(TAUGHT)

    try:
        job, folder = load_job(), open_run(run_id, root)
        began = time.monotonic()
        until = time.monotonic() + SECONDS_FOR_ANOTHER
        while folder.state().state != "finished":
            try:
                job.run_job(folder, folder.config(), watch=watch, share_device=True, score_test=score_test)
                break
            except BusyError:  # a worker of a study that was killed may still be ending
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
        outcome = replace(outcome_of(folder), wall=time.monotonic() - began)
        if outcome.state == "done":
            let_go(folder, keep_student=keep_student)
        return outcome
    except IKDError as fault:
        return Outcome(state="failed", error=str(fault))
    except Exception as fault:
        said = (str(fault).strip().splitlines() or [""])[0][:200]
        return Outcome(state="failed", error=f"The run could not be carried out ({type(fault).__name__}: {said}).")


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)  # its run is resumed when the study is: nobody is there to be told anything
