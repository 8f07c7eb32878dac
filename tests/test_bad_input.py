"""Bad input ends in one plain sentence: on the command line with a non-zero exit code, in a run as its recorded end."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import torch

import ikd.runs.job as job
import ikd.runs.preparation as preparation
from ikd.cli import main
from ikd.config import build_config
from ikd.trace.reader import TraceReader
from ikd.trace.recorder import Recorder
from ikd.trace.store import list_runs, new_run
from tests.test_models import save_encoder
from tests.test_runs import SMALL

ROWS = [("a good day", "yes"), ("a bad day", "no")] * 40


def table(path: Path, rows: list[tuple[str, str]], header: str = "text,label") -> str:
    path.write_text(header + "\n" + "".join(f"{text} {number},{label}\n" for number, (text, label) in enumerate(rows)))
    return str(path)


def flags(values: dict[str, Any]) -> list[str]:
    return [part for name, value in values.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def said(capsys: pytest.CaptureFixture[str], **values: Any) -> str:
    """Run `python -m ikd train` with small settings and return the sentence it ends with."""
    capsys.readouterr()
    code = main(["train", "--quiet", *flags({**SMALL, **{k.replace("__", "."): v for k, v in values.items()}})])
    captured = capsys.readouterr()
    assert code != 0
    lines = [line for line in captured.err.splitlines() if line.strip()]
    assert len(lines) == 1 and "Traceback" not in captured.err + captured.out
    assert lines[0][-1] in ".!?"
    states = [folder.state() for folder in list_runs()]
    assert all(state.state == "failed" for state in states)
    if "Run folder" in captured.out:  # refused in the run itself, not before it
        assert lines[0] in [state.error for state in states]
        assert all("Traceback" not in "\n".join(folder.log_tail(500)) for folder in list_runs())
    return lines[0]


def test_unknown_names_bring_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert "'reviews'" in said(capsys, task__name="revews")
    assert "builtin/2x64" in said(capsys, teacher__name="builtin/2x65x")
    assert "builtin/2x64" in said(capsys, teacher__name="bultin/2x64")
    assert "exam" in said(capsys, policy__name="exma")
    assert not any(folder.state().state == "finished" for folder in list_runs())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train", "--polcy", "exam"], "--policy"),
        (["train", "--config", "nowhere.json"], "nowhere.json"),
        (["train", "--training.steps", "many"], "whole number"),
        (["train", "--training.steps", "0"], "from 1"),
        (["train", "--policy.inner-update", "off"], "anchor"),
        (["train", "--objective.alpha", "0"], "alpha"),
        (["train", "--machine.device", "gpu9"], "cuda"),
        (["train", "--task", "files"], "train_file"),
        (["train", "--preset", "nothing"], "demo"),
        (["export", "no-such-run", "out"], "no-such-run"),
        (["nonsense"], "train"),
        ([], "COMMAND"),
    ],
)
def test_a_command_that_cannot_be_carried_out(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert expected in captured.err and captured.err.count("\n") == 1
    assert not list_runs()


def test_a_config_that_is_no_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text, expected in (("{", "not JSON"), ("[]", "object"), ('{"policy": {"exam_evry": 2}}', "exam_every"), ('{"seed": null}', "seed")):
        path = tmp_path / "run.json"
        path.write_text(text)
        assert main(["train", "--config", str(path)]) == 2
        assert expected in capsys.readouterr().err


def test_files_that_cannot_be_learned_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = table(tmp_path / "good.csv", ROWS)
    shared = {"task__name": "files", "task__exam_size": 10}
    assert "text" in said(capsys, **shared, task__train_file=good, task__text_column="txt")
    one_class = table(tmp_path / "one.csv", [("a day", "yes")] * 80)
    assert "class" in said(capsys, **shared, task__train_file=one_class)
    unlabelled = table(tmp_path / "none.csv", [("a day", "")] * 80)
    assert "label" in said(capsys, **shared, task__train_file=unlabelled)
    empty = table(tmp_path / "empty.csv", [])
    assert "row" in said(capsys, **shared, task__train_file=good, task__validation_file=empty)
    assert "nowhere.csv" in said(capsys, **shared, task__train_file=str(tmp_path / "nowhere.csv"))


def test_models_that_do_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert "no model" in said(capsys, teacher__name=str(tmp_path / "empty"))
    assert "hub" in said(capsys, teacher__name="nobody/no-such-model")
    assert "wide" in said(capsys, student__name="builtin/1x64", student__initialisation="first_layers")
    two = save_encoder(tmp_path / "two", labels=("no", "yes"))
    assert "2 classes" in said(capsys, teacher__name=str(two), teacher__fine_tune="never")


def test_a_data_hub_out_of_reach(capsys: pytest.CaptureFixture[str]) -> None:
    sentence = said(capsys, task__name="hub", task__hub_name="nobody/no-such-data")
    assert "nobody/no-such-data" in sentence


def failing_run(monkeypatch: pytest.MonkeyPatch, at_step: int, fault: BaseException) -> tuple[str, TraceReader]:
    """Let a run meet a fault when it records a step; return its sentence and its trace."""
    record = Recorder.record

    def broken(self: Recorder, event: Any) -> None:
        if getattr(event, "step", -1) == at_step and hasattr(event, "course"):
            raise fault
        record(self, event)

    monkeypatch.setattr(job.Recorder, "record", broken)
    config = build_config(SMALL)
    folder = new_run(config)
    job.run_job(folder, config)
    state = folder.state()
    assert state.state == "failed" and state.error and "\n" not in state.error
    assert any("Traceback" in line for line in folder.log_tail(200))
    return state.error, TraceReader(folder)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
        (sqlite3.OperationalError("database or disk is full"), "disk is full"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"), "out of memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes."), "out of memory"),
        (MemoryError(), "out of memory"),
        (ZeroDivisionError("division by zero"), "internal error"),
    ],
)
def test_faults_in_mid_run_keep_what_was_recorded(
    fault: BaseException, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence, reader = failing_run(monkeypatch, 6, fault)
    assert expected in sentence
    assert reader.last_step() == 5 and reader.course(5) is not None


def test_a_loss_that_is_not_finite_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def poisoned(model: Any, role: str, *arguments: Any, **more: Any) -> None:
        if role == "student":  # after all that is looked at before the first step
            torch.nn.init.constant_(model.classifier.bias, float("nan"))

    monkeypatch.setattr(preparation, "try_model", poisoned)
    config = build_config(SMALL)
    folder = new_run(config)
    job.run_job(folder, config)
    assert folder.state().state == "failed" and "cannot go on" in str(folder.state().error)


def test_a_collapsed_teacher_stops_the_run_with_its_reason() -> None:
    config = build_config({**SMALL, "machine.teacher_accuracy_floor": 0.99})
    folder = new_run(config)
    job.run_job(folder, config)
    assert "collapsed" in str(folder.state().error) and "teacher_learning_rate" in str(folder.state().error)
