"""Small real runs for tests of steering and recovery: their settings, how they are carried out, and all that they recorded."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import torch
from safetensors.torch import load_file

from ikd.config import RunConfig, build_config
from ikd.events import Event, StepTaken
from ikd.runs.job import run_job
from ikd.trace.folder import RunFolder
from ikd.trace.store import new_run

SMALL: dict[str, Any] = {
    "task.train_size": 200, "task.exam_size": 60, "task.validation_size": 60, "task.test_size": 60,
    "teacher.name": "builtin/2x32", "student.name": "builtin/1x16", "teacher.fine_tune_steps": 8,
    "training.steps": 20, "training.batch_size": 8, "training.warmup_steps": 2, "policy.exam_start": 2,
    "policy.exam_batch_size": 16, "policy.teacher_learning_rate": 1e-3, "record.probe_size": 30,
    "record.probe_every": 4, "record.checkpoint_every": 5, "machine.threads": 1,
}  # fmt: skip
TABLES = ("examples", "scalars", "course", "course_index", "probe", "probe_influence", "hidden_feedback", "final", "bands",
          "digest", "numbers", "interventions")  # fmt: skip


def small(**values: Any) -> RunConfig:
    """Return the config of a small run with some settings replaced, `policy__exam_every` for `policy.exam_every`."""
    return build_config({**SMALL, **{name.replace("__", "."): value for name, value in values.items()}})


def carried_out(config: RunConfig, watch: Callable[[RunFolder, Event], None] | None = None) -> RunFolder:
    """Carry out a run in this thread; `watch` sees its folder and each event."""
    folder = new_run(config)
    again(folder, watch)
    return folder


def again(folder: RunFolder, watch: Callable[[RunFolder, Event], None] | None = None) -> None:
    """Carry out the run of a folder, resumed where it has begun."""
    run_job(folder, folder.config(), watch=None if watch is None else lambda event: watch(folder, event))


def at_step(wanted: int, act: Callable[[RunFolder], Any]) -> Callable[[RunFolder, Event], None]:
    """Return a watch that acts once, right after a course step was recorded."""
    seen: list[int] = []

    def watch(folder: RunFolder, event: Event) -> None:
        if isinstance(event, StepTaken) and event.course is not None and event.step == wanted and not seen:
            seen.append(wanted)
            act(folder)

    return watch


def told(folder: RunFolder) -> list[str]:
    """Return a run's warnings but for the one that its teacher, fine-tuned for a few steps, has hardly learned anything."""
    return [one for one in folder.warnings() if "better than guessing" not in one]


def facts(folder: RunFolder) -> dict[str, list[Any]]:
    """Return every recorded row that does not tell the time."""
    with closing(sqlite3.connect(folder.trace_path)) as trace:
        rows = {name: trace.execute(f"SELECT * FROM {name} ORDER BY 1, 2, 3").fetchall() for name in TABLES[:5]}
        rows |= {name: trace.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in TABLES[5:11]}
        rows["interventions"] = trace.execute("SELECT step, path, value, previous FROM interventions ORDER BY number").fetchall()
        rows["steps"] = trace.execute("SELECT step FROM steps ORDER BY step").fetchall()
        rows["scores"] = trace.execute("SELECT value FROM meta WHERE key = 'scores'").fetchall()
    return rows


def student_of(folder: RunFolder) -> dict[str, torch.Tensor]:
    """Return the weights of the student that a finished run has left."""
    return load_file(folder.path / "student" / "model.safetensors")


def assert_same(one: RunFolder, other: RunFolder, *, without: tuple[str, ...] = ()) -> None:
    """Fail where two finished runs differ in anything recorded, or in a weight of the student, by a single bit."""
    ours, theirs = facts(one), facts(other)
    for name in ours:
        assert name in without or ours[name] == theirs[name], f"{name} differ"
    ours_student, theirs_student = student_of(one), student_of(other)
    assert ours_student.keys() == theirs_student.keys()
    assert all(torch.equal(ours_student[name], theirs_student[name]) for name in ours_student)
