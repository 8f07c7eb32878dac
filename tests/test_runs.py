"""Whole runs through the public doors: the same seed gives the same trace, from the app and from the command line."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from ikd.cli import main
from ikd.config import RunConfig, build_config
from ikd.errors import BusyError
from ikd.runs import active_run, start_run, stop_run
from ikd.runs.job import run_job
from ikd.trace.folder import RunFolder
from ikd.trace.reader import TraceReader
from ikd.trace.store import list_runs, new_run, open_run

SMALL: dict[str, Any] = {
    "task.train_size": 200, "task.exam_size": 60, "task.validation_size": 60, "task.test_size": 60,
    "teacher.name": "builtin/2x32", "student.name": "builtin/1x16", "teacher.fine_tune_steps": 8,
    "training.steps": 12, "training.batch_size": 8, "training.warmup_steps": 2, "policy.exam_start": 2,
    "policy.exam_batch_size": 16, "policy.teacher_learning_rate": 1e-3, "record.probe_size": 30,
    "record.probe_every": 4, "machine.threads": 1,
}  # fmt: skip


def finished(**values: Any) -> RunFolder:
    """Carry out a small run in this thread."""
    config = build_config({**SMALL, **{name.replace("__", "."): value for name, value in values.items()}})
    folder = new_run(config)
    run_job(folder, config)
    state = folder.state()
    assert state.state == "finished", state.error
    return folder


def facts(folder: RunFolder) -> dict[str, list[Any]]:
    """Return every recorded row that does not tell the time."""
    connection = sqlite3.connect(folder.trace_path)
    tables = ("examples", "scalars", "course", "course_index", "probe", "teacher_training")
    rows = {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2, 3").fetchall() for name in tables[:-1]}
    rows["teacher_training"] = connection.execute("SELECT * FROM teacher_training ORDER BY 1").fetchall()
    rows["scores"] = connection.execute("SELECT value FROM meta WHERE key = 'scores'").fetchall()
    connection.close()
    return rows


def student_of(folder: RunFolder) -> dict[str, torch.Tensor]:
    return load_file(folder.path / "student" / "model.safetensors")


def wait_for_end(run_id: str, seconds: float = 300) -> RunFolder:
    folder = open_run(run_id)
    end = time.monotonic() + seconds
    while folder.state().live and time.monotonic() < end:
        time.sleep(0.05)
    for thread in threading.enumerate():
        if thread.name.endswith(run_id):
            thread.join(timeout=10)
    return folder


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_teacher_that_does_not_move_teaches_as_a_fixed_one(optimizer: str) -> None:
    """Bit for bit: policy exam with teacher learning rate 0 against policy fixed, on the same batches."""
    shared = {"training__optimizer": optimizer, "policy__fixed_studies_exam": False}
    exam = finished(policy__name="exam", policy__teacher_learning_rate=0.0, **shared)
    fixed = finished(policy__name="fixed", **shared)
    assert len(TraceReader(exam).scalars(["exam_loss"])) == 10
    ours, theirs = student_of(exam), student_of(fixed)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    for role in ("teacher", "student"):
        assert (TraceReader(exam).readings(role)[1] == TraceReader(fixed).readings(role)[1]).all()


def test_the_teacher_moves_when_its_rate_is_not_zero() -> None:
    teacher = TraceReader(finished(policy__exam_start=6)).readings("teacher")[1]  # readings at steps 0, 4, 8, 12
    assert (teacher[1] == teacher[0]).all() and (teacher[2] != teacher[0]).any() and (teacher[-1] != teacher[2]).any()


def test_the_same_seed_gives_the_same_trace_from_app_and_command_line(tmp_path: Path) -> None:
    config = build_config(SMALL)
    from_app = wait_for_end(start_run(config))
    assert from_app.state().state == "finished", from_app.state().error
    path = tmp_path / "run.json"
    path.write_text(config.model_dump_json())
    assert main(["train", "--config", str(path), "--quiet"]) == 0
    from_shell = list_runs()[0]
    assert from_shell.id != from_app.id
    ours, theirs = facts(from_app), facts(from_shell)
    assert ours == theirs
    assert facts(finished(seed=1))["course"] != ours["course"]


def test_a_cached_teacher_is_the_teacher_that_was_trained() -> None:
    first, second = finished(), finished()
    assert "read from the cache" in "\n".join(second.log_tail()) and "read from the cache" not in "\n".join(first.log_tail())
    assert len(facts(first)["teacher_training"]) == 8 and facts(first) == facts(second)
    other = finished(teacher__fine_tune_steps=9)
    assert "read from the cache" not in "\n".join(other.log_tail())


@pytest.mark.parametrize(
    "switches",
    [
        {"policy__student_update": "redo"},
        {"policy__exam_source": "train"},
        {"policy__exam_every": 3},
        {"policy__hypergradient": "finite_difference"},
        {"policy__hypergradient": "unrolled"},
        {"policy__inner_update": "sgd"},
        {"policy__inner_update": "off", "policy__anchor": "labels"},
        {"policy__anchor": "initial_teacher"},
        {"policy__teacher_scope": "head"},
        {"policy__teacher_scope": "top_layers"},
        {"policy__teacher_freeze_at": 6},
        {"policy__teacher_optimizer": "sgd", "training__optimizer": "sgd"},
        {"student__name": "teacher", "student__initialisation": "first_layers"},
        {"student__name": "teacher", "student__initialisation": "spread_layers", "student__layers": 2},
        {"task__name": "pairs"},
        {"task__name": "irony"},
        {"student__dropout": False, "training__max_gradient_norm": None, "training__schedule": "cosine"},
        {"record__probe_dtype": "float16"},
    ],
    ids=lambda switches: "-".join(f"{k.split('__')[1]}={v}" for k, v in switches.items()),
)
def test_every_switch_runs_and_leaves_a_whole_trace(switches: dict[str, Any]) -> None:
    folder = finished(**switches)
    config, reader = folder.config(), TraceReader(folder)
    assert reader.last_step() == config.training.steps
    assert reader.reading_steps().tolist() == [0, 4, 8, 12]
    assert set(reader.course_sizes()["step"].unique()) == set(range(12))
    exams = [s for s in range(12) if reader.course(s).influence is not None]  # type: ignore[union-attr]
    end = config.policy.teacher_freeze_at or 12
    wanted = [s for s in range(2, end) if s % config.policy.exam_every == 0]
    assert exams == ([] if config.policy.inner_update == "off" else wanted)
    moved = (reader.readings("teacher")[1][-1] != reader.readings("teacher")[1][0]).any()
    assert moved
    assert 0 <= reader.meta()["scores"]["student/test/accuracy"] <= 1


def test_the_student_that_is_left_is_the_student_that_was_scored() -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = finished()
    reader = TraceReader(folder)
    student = AutoModelForSequenceClassification.from_pretrained(folder.path / "student").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder.path / "student")
    probe = reader.examples("probe")
    with torch.no_grad():
        logits = student(**tokenizer(list(probe.text), padding=True, return_tensors="pt")).logits
    torch.testing.assert_close(logits, torch.from_numpy(reader.readings("student")[1][-1]), atol=1e-5, rtol=1e-5)
    assert list(student.config.id2label.values()) == reader.meta()["label_names"]


def test_one_run_at_a_time_and_a_stop_that_stops() -> None:
    run_id = start_run(build_config({**SMALL, "training.steps": 100_000}))
    with pytest.raises(BusyError, match=run_id):
        start_run(build_config(SMALL))
    assert active_run() == run_id
    folder = open_run(run_id)
    end = time.monotonic() + 300
    while folder.state().step < 3 and folder.state().live and time.monotonic() < end:
        time.sleep(0.05)
    stop_run(run_id)
    state = wait_for_end(run_id, 30).state()
    assert state.state == "stopped" and state.error is None
    assert TraceReader(folder).last_step() >= 3
    assert active_run() is None


def test_a_stopped_run_keeps_what_it_recorded_in_one_file() -> None:
    config = build_config(SMALL)
    folder = new_run(config)

    def watch(event: object) -> None:
        if getattr(event, "step", -1) == 5 and hasattr(event, "course"):
            folder.request_stop()

    run_job(folder, config, watch=watch)
    assert folder.state().state == "stopped"
    assert TraceReader(folder).last_step() == 5
    assert not list(folder.path.glob("*-wal"))


def test_config_on_disk_is_the_config_that_ran() -> None:
    folder = finished(policy__exam_every=2)
    assert folder.config() == RunConfig.model_validate(json.loads((folder.path / "config.json").read_text()))
    assert folder.config().policy.exam_every == 2
