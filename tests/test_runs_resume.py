"""Runs that are stopped, paused, stepped, changed, forked and resumed: the same record gives the same run, bit for bit."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from ikd.errors import ConfigError, RunError
from ikd.events import Event, StepTaken
from ikd.runs.control import change_run, fork_run, pause_run, require_resumable, resume_run, step_run, stop_run_at
from ikd.trace.branching import fork_config, make_fork, recorded_config
from ikd.trace.export import export_parquet
from ikd.trace.folder import RunFolder
from ikd.trace.kept import checkpoint_path, checkpoints_of, kept_steps
from ikd.trace.reader import TraceReader
from ikd.trace.store import new_run, open_run, runs_root
from ikd.trace.sums import seal
from tests.small_runs import again, assert_same, at_step, carried_out, facts, small, student_of, told

SWITCHES: list[dict[str, Any]] = [
    {},
    {"training__optimizer": "sgd", "policy__teacher_optimizer": "sgd", "training__schedule": "cosine"},
    {"policy__anchor": "initial_teacher", "policy__student_update": "redo", "policy__exam_every": 3},
    {"policy__name": "fixed"},
    {"policy__teacher_scope": "head", "policy__exam_source": "train", "record__probe_dtype": "float16"},
    {"policy__teacher_scope": "adapter", "objective__name": "dkd", "objective__temperature_end": 1.0, "training__pieces": 2},
    {"objective__name": "tinybert", "policy__name": "online", "training__length_buckets": True},
    {"objective__name": "sum", "objective__cosine_weight": 0.5, "objective__minilm_weight": 2.0, "policy__teacher_schedule": "cosine"},
    {"policy__name": "annealed", "policy__cached_targets": "always", "objective__name": "dist"},
    {"policy__name": "direct", "policy__exam_every": 2, "policy__anchor": "initial_teacher", "training__kept_student": "best_exam",
     "training__balanced_batches": True, "training__then_exam_steps": 12},
]


def stop(folder: RunFolder) -> None:
    folder.request_stop()


def wait_for(folder: RunFolder, holds: Callable[[RunFolder], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not holds(folder):
        assert time.monotonic() < end, folder.state()
        time.sleep(0.02)


@pytest.mark.parametrize("switches", SWITCHES, ids=lambda one: "-".join(f"{k.split('__')[1]}={v}" for k, v in one.items()) or "plain")
@pytest.mark.parametrize("step", [2, 5, 11])
def test_a_run_stopped_and_resumed_is_the_run_that_was_never_stopped(switches: dict[str, Any], step: int) -> None:
    config = small(**switches)
    whole, broken = carried_out(config), carried_out(config, at_step(step, stop))
    assert broken.state().state == "stopped" and TraceReader(broken).last_step() == step
    assert checkpoints_of(broken)[-1] == step + 1
    again(broken)
    assert broken.state().state == "finished" and broken.state().attempt == 2
    assert_same(whole, broken)


@pytest.mark.parametrize("lost", [(), (10, 12), (5, 10, 12)], ids=["newest", "one before", "none left"])
def test_steps_after_the_checkpoint_are_computed_again_and_left_as_they_are(lost: tuple[int, ...]) -> None:
    whole, broken = carried_out(small()), carried_out(small(), at_step(11, stop))
    before = facts(broken)
    for one in lost:
        shutil.rmtree(checkpoint_path(broken, one))
    seen: list[tuple[int, str]] = []

    def watch(folder: RunFolder, event: Event) -> None:
        if isinstance(event, StepTaken):
            seen.append((event.step, folder.state().stage))
            now = facts(folder)
            assert all(set(before[name]) <= set(now[name]) for name in before), "a committed row was taken back"

    again(broken, watch)
    assert seen[0][0] == {(): 12, (10, 12): 5, (5, 10, 12): 0}[lost]
    assert_same(whole, broken)
    assert not told(broken)


def test_a_damaged_checkpoint_is_said_and_an_earlier_one_taken() -> None:
    whole, broken = carried_out(small()), carried_out(small(), at_step(11, stop))
    weights = checkpoint_path(broken, 12) / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    again(broken)
    assert "checkpoint at step 12 cannot be read" in told(broken)[0]
    assert_same(whole, broken)


def test_a_step_that_differs_when_computed_again_is_recorded_anew_from_there() -> None:
    import sqlite3

    whole, broken = carried_out(small()), carried_out(small(), at_step(11, stop))
    shutil.rmtree(checkpoint_path(broken, 12))
    trace = sqlite3.connect(broken.trace_path)
    trace.execute("UPDATE scalars SET value = value + 1 WHERE name = 'course_loss' AND step = 11")
    seal(trace.cursor())  # as another machine would have recorded it
    trace.commit()
    trace.close()
    again(broken)
    assert "Step 11, computed again after a resume, differs" in told(broken)[0]
    assert_same(whole, broken)


def test_a_run_interrupted_before_its_first_step_starts_again() -> None:
    def break_off(folder: RunFolder, event: Event) -> None:
        if type(event).__name__ == "TeacherProgress" and event.step == 3:  # type: ignore[union-attr]
            raise KeyboardInterrupt

    folder = new_run(small(seed=3))
    with pytest.raises(KeyboardInterrupt):
        again(folder, break_off)
    assert folder.state().state == "interrupted" and folder.state().resumable
    again(folder)
    assert_same(carried_out(small(seed=3)), folder)


def test_pause_step_and_resume_change_nothing_but_the_time() -> None:
    folder = new_run(small())
    worker = threading.Thread(target=again, args=(folder, at_step(6, lambda one: one.ask("pause"))))
    worker.start()
    wait_for(folder, lambda one: one.state().state == "paused")
    assert TraceReader(folder).last_step() == 6 and checkpoints_of(folder)[-1] == 7
    for step in (7, 8, 9):
        step_run(folder.id)
        wait_for(folder, lambda one, step=step: TraceReader(one).last_step() == step and one.state().state == "paused")  # type: ignore[misc]
        time.sleep(0.2)
        assert TraceReader(folder).last_step() == step and folder.state().step == step + 1
    resume_run(folder.id)
    worker.join(300)
    assert folder.state().state == "finished"
    assert_same(carried_out(small()), folder)


CHANGES: list[tuple[str, Any]] = [
    ("objective.temperature", 5.0), ("objective.alpha", 0.2), ("training.learning_rate", 1e-4),
    ("policy.teacher_learning_rate", 1e-2), ("policy.exam_every", 4), ("policy.teacher_freeze_at", 8),
    ("policy.anchor_weight", 3.0), ("record.probe_every", 1),
]  # fmt: skip


@pytest.mark.parametrize("path, value", CHANGES)
def test_a_change_in_flight_takes_effect_at_its_step_and_its_record_gives_the_same_run(path: str, value: Any) -> None:
    config = small(policy__anchor="labels")
    changed = carried_out(config, at_step(7, lambda folder: folder.ask("change", path=path, value=value)))
    kept = TraceReader(changed).interventions()
    assert [(one.step, one.path, one.value) for one in kept] == [(8, path, value)]
    whole, record = facts(carried_out(config)), recorded_config(changed)
    ours = facts(changed)
    assert [row for row in ours["course"] if row[0] <= 8] != [] and ours["scalars"] != whole["scalars"]
    assert [row for row in ours["course"] if row[0] < 8] == [row for row in whole["course"] if row[0] < 8]
    assert_same(changed, carried_out(record), without=("interventions",))


def test_freezing_and_thawing_the_teacher() -> None:
    def act(folder: RunFolder, event: Event) -> None:
        if isinstance(event, StepTaken) and event.step in (5, 11):
            folder.ask("change", path="policy.teacher_freeze_at", value=6 if event.step == 5 else None)

    reader = TraceReader(carried_out(small(), act))
    assert [int(one) for one in reader.series("exam_loss")[0]] == [2, 3, 4, 5, *range(12, 20)]


def test_a_changed_run_that_is_stopped_and_resumed_is_the_same() -> None:
    def change(folder: RunFolder) -> None:
        folder.ask("change", path="objective.alpha", value=0.2)

    def change_and_stop(folder: RunFolder, event: Event) -> None:
        at_7(folder, event)
        at_12(folder, event)

    at_7, at_12 = at_step(7, change), at_step(12, stop)
    whole, broken = carried_out(small(), at_step(7, change)), carried_out(small(), change_and_stop)
    for one in (10, 13):
        shutil.rmtree(checkpoint_path(broken, one))
    again(broken)
    assert_same(whole, broken)


@pytest.mark.parametrize("path, value, words", [
    ("objective.temperature", -1, "objective.temperature cannot be -1"), ("policy.exam_every", 0, "policy.exam_every cannot be 0"),
    ("policy.anchor_weight", 1.0, "has no effect in this run"), ("objective.alpha", 0.0, "never sees a soft target"),
])  # fmt: skip
def test_a_change_that_cannot_be_is_refused_in_a_sentence_and_loses_nothing(path: str, value: Any, words: str) -> None:
    folder = carried_out(small(), at_step(7, lambda one: one.ask("change", path=path, value=value)))
    assert words in told(folder)[0]
    assert_same(carried_out(small()), folder)


@pytest.mark.parametrize("step", [0, 5, 8, 12])
def test_a_fork_is_its_parent_up_to_its_step_and_its_config_alone_gives_it_again(step: int) -> None:
    parent = carried_out(small())
    child = make_fork(parent, step, {"policy.teacher_freeze_at": step, "objective.alpha": 0.5}, root=runs_root(), label="what if")
    assert TraceReader(child).last_step() == step - 1
    again(child)
    assert child.state().state == "finished" and not told(child)
    ours, theirs = facts(child), facts(parent)
    for name in ("course", "probe"):
        column = 0 if name == "course" else 2
        assert [row for row in ours[name] if row[column] < step] == [row for row in theirs[name] if row[column] < step]
    assert [row[:2] for row in ours["course"]] == [row[:2] for row in theirs["course"]], "the same examples in the same order"
    assert ours["course"] != theirs["course"]
    assert not [one for one in TraceReader(child).series("exam_loss")[0] if one >= step]
    assert_same(child, carried_out(child.config()))


def test_a_fork_that_changes_nothing_is_its_parent() -> None:
    parent = carried_out(small())
    child = make_fork(parent, 12, {}, root=runs_root())
    again(child)
    assert_same(parent, child)


def test_a_finished_run_goes_on_in_a_fork_with_more_steps_and_a_stopped_one_from_where_it_stands() -> None:
    whole = carried_out(small())
    again(longer := make_fork(whole, 20, {"training.steps": 26}, root=runs_root()))
    assert TraceReader(longer).last_step() == 26
    assert_same(longer, carried_out(longer.config()))
    stopped = carried_out(small(), at_step(7, stop))
    again(child := make_fork(stopped, 8, {}, root=runs_root()))
    assert_same(child, whole)


def test_a_fork_of_a_changed_run_and_of_a_fork() -> None:
    parent = carried_out(small(), at_step(6, lambda one: one.ask("change", path="objective.alpha", value=0.3)))
    child = make_fork(parent, 10, {"training.steps": 25, "training.batch_size": 4}, root=runs_root())
    again(child)
    assert TraceReader(child).last_step() == 25
    assert [(one.step, one.path) for one in child.config().plan] == [
        (7, "objective.alpha"), (10, "training.steps"), (10, "training.batch_size")]  # fmt: skip
    assert_same(child, carried_out(child.config()))
    again(grandchild := make_fork(child, 22, {"objective.temperature": 4.0}, root=runs_root()))
    assert_same(grandchild, carried_out(grandchild.config()))


@pytest.mark.parametrize("step, changes, words", [
    (21, {}, "from 0 to 20"), (-1, {}, "from 0 to 20"), (20, {}, "has nothing left to do"), (5, {"seed": 3}, "Unknown change 'seed'"),
    (5, {"teacher.name": "builtin/2x64"}, "Unknown change"), (5, {"objective.alpha": 7}, "objective.alpha cannot be 7"),
    (5, {"training.steps": 4}, "training.steps cannot be 4 from step 5 on"),
])  # fmt: skip
def test_a_fork_that_cannot_be_is_refused(step: int, changes: dict[str, Any], words: str) -> None:
    parent = carried_out(small())
    before = sorted(one.name for one in runs_root().iterdir())
    with pytest.raises((RunError, ConfigError), match=words):
        fork_run(parent.id, step, changes)
    assert sorted(one.name for one in runs_root().iterdir()) == before
    assert fork_config(parent, 5, {}).plan == ()


def test_a_stop_at_a_step_waits_for_it_and_survives_a_crash() -> None:
    def ask(folder: RunFolder) -> None:
        stop_run_at(folder.id, 14)

    folder = carried_out(small(), at_step(3, ask))
    assert folder.state().state == "stopped" and folder.state().stop_at == 14
    assert TraceReader(folder).last_step() == 13 and checkpoints_of(folder)[-1] == 14
    again(folder)
    assert_same(carried_out(small()), folder)


def test_what_cannot_be_done_with_a_run_is_said() -> None:
    folder = carried_out(small(training__steps=3))
    for act in (lambda: pause_run(folder.id), lambda: step_run(folder.id), lambda: stop_run_at(folder.id, 2),
                lambda: change_run(folder.id, "objective.alpha", 0.2), lambda: resume_run(folder.id)):  # fmt: skip
        with pytest.raises(RunError, match="finished"):
            act()
    with pytest.raises(RunError, match="recorded run"):
        require_resumable(open_run("recorded:reviews-exam"))


def test_checkpoints_are_bounded() -> None:
    folder = carried_out(small(training__steps=60, record__checkpoint_every=2, record__checkpoints_kept=2, record__checkpoint_keep_every=5))
    assert checkpoints_of(folder) == [10, 20, 30, 40, 50, 58, 60]
    tight = carried_out(small(training__steps=60, record__checkpoint_every=2, record__checkpoint_megabytes=1))
    assert 1 <= len(checkpoints_of(tight)) < 10 and checkpoints_of(tight)[-1] == 60
    many = list(range(10, 20_010, 10))
    kept = kept_steps(many, every=10, newest=3, keep_every=5, most=40)
    assert len(kept) <= 40 and kept[-3:] == many[-3:] and student_of(folder)


@pytest.mark.parametrize("forked", [False, True])
def test_exported_soft_targets_are_those_issued_at_the_temperature_of_their_step(tmp_path: Path, forked: bool) -> None:
    change = at_step(7, lambda one: one.ask("change", path="objective.temperature", value=6.0))
    folder = carried_out(small(), change)
    if forked:
        again(folder := make_fork(folder, 12, {"objective.temperature": 1.5}, root=runs_root()))
    export_parquet(folder, tmp_path)
    table = pd.read_parquet(tmp_path / "course.parquet")
    for step, issued, logits in zip(table["step"], table["soft_target"], table["teacher_logits"], strict=True):
        temperature = 2.0 if step < 8 else 1.5 if forked and step >= 12 else 6.0
        np.testing.assert_allclose(issued, torch.softmax(torch.tensor(logits) / temperature, 0).numpy(), atol=1e-6)
