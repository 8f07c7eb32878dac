"""Any sequence of commands: a run of drawn numbers in the real engine neither hangs nor loses, repeats or misstates a step."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import ikd.runs.job as job
from ikd.events import Event, Stage, StepTaken
from ikd.runs.checkpoints import newest_checkpoint
from ikd.teaching.snapshot import Snapshot
from ikd.trace.branching import make_fork
from ikd.trace.commands import waiting
from ikd.trace.folder import RunFolder
from ikd.trace.reader import TraceReader
from ikd.trace.store import new_run
from tests.rehearsal import rehearsal
from tests.small_runs import facts, small

STEPS = 12
MOST_MORE = 3
SECONDS = 180
GOOD, BAD = ("change", {"path": "objective.alpha", "value": 0.25}), ("change", {"path": "objective.alpha", "value": 9})
Asked = tuple[str, dict[str, Any]]
COMMANDS: list[Asked] = [
    ("pause", {}), ("resume", {}), ("step", {}), ("stop", {}), ("stop", {"at": 5}), ("stop", {"at": 9}), ("interrupt", {}), GOOD, BAD,
    ("change", {"path": "seed", "value": 3}), ("change", {"path": "policy.exam_every", "value": 2}), ("fault", {}),
]  # fmt: skip


class Drawn:
    """A teaching of drawn numbers, with the doors of `ikd.trainer.Training` that the desk uses."""

    def __init__(self, start: Snapshot | None) -> None:
        self.step, self._start = 0, start

    def events(self) -> Iterator[Event]:
        for event in rehearsal(STEPS, n_probe=10, batch_size=4):
            if isinstance(event, Stage) and event.name == "teaching" and self._start is not None:
                self.step = self._start.step
            if not isinstance(event, StepTaken):
                yield event
            elif event.step >= self.step:
                self.step = event.step + 1
                yield event

    def snapshot(self) -> Snapshot:
        return Snapshot(step=self.step, tensors={"one": torch.zeros(1)}, course_drawn=0, exam_drawn=0, scores={})


def drawn_events(folder: RunFolder, *_: Any, desk: Any, recorded: int) -> Iterator[Event]:
    yield Stage(name="loading")
    start = next((one for one in newest_checkpoint(folder, at_most=recorded + 1) if isinstance(one, Snapshot)), None)
    desk.training = Drawn(start)
    yield from desk.training.events()


class Attempt:
    """One attempt of a run, asked for things at its events, and woken where nobody else would."""

    def __init__(self, folder: RunFolder, script: list[tuple[int, Asked]], woken: list[Asked]) -> None:
        self._folder, self._script, self._woken, self._seen = folder, list(script), list(woken), 0
        self.lies: list[str] = []

    def watch(self, event: Event) -> None:
        state = self._folder.state()
        if isinstance(event, StepTaken) and state.state == "paused":
            self.lies.append(f"paused while step {event.step} was taken")
        while self._script and self._script[0][0] <= self._seen:
            kind, named = self._script.pop(0)[1]
            if kind == "fault":
                raise ZeroDivisionError("as if by accident")
            self._folder.ask(kind, **named)
        self._seen += 1

    def carry_out(self) -> None:
        worker = threading.Thread(target=job.run_job, args=(self._folder, self._folder.config()), kwargs={"watch": self.watch})
        worker.start()
        end = time.monotonic() + SECONDS
        while worker.is_alive() and time.monotonic() < end:
            state = self._folder.state()
            # A change waits while recorded steps are computed again, a stop for its step; that a person resumes the run does not.
            asked = [one for one in waiting(self._folder.path) if one.kind != "change" and one.at is None]
            if state.state == "paused" and not asked:
                last = TraceReader(self._folder).last_step()
                if self._folder.state() == state and state.step != last + 1:
                    self.lies.append(f"paused at step {state.step}, recorded {last}")
                kind, named = self._woken.pop(0) if self._woken else ("resume", {})
                self._folder.ask("resume" if kind == "fault" else kind, **named)
            worker.join(0.005)
        assert not worker.is_alive(), f"the run hangs: {self._folder.state()}"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "_events", drawn_events)
    monkeypatch.setattr("ikd.runs.desk.LOOK_SECONDS", 0.002)


moments = st.tuples(st.integers(0, 30), st.sampled_from(COMMANDS))
scripts = st.lists(moments, max_size=8).map(lambda found: sorted(found, key=lambda one: one[0]))


@pytest.mark.usefixtures("drawn")
@settings(max_examples=100, deadline=None, derandomize=True, phases=[Phase.generate],
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(attempts=st.lists(scripts, min_size=1, max_size=3), woken=st.lists(st.sampled_from(COMMANDS), max_size=4), forked=st.booleans())
def test_any_commands_in_any_order(attempts: list[Any], woken: list[Any], forked: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    root: Path = tmp_path_factory.mktemp("runs")
    folder = new_run(small(training__steps=STEPS, record__checkpoint_every=3), root)
    kept: dict[str, list[Any]] = {}
    for script in [*attempts, []]:
        one = Attempt(folder, script, woken)
        one.carry_out()
        assert one.lies == []
        kept = check(folder, kept)
        if folder.state().state == "finished":
            break
        if forked and TraceReader(folder).last_step() > 2:
            folder, kept, forked = make_fork(folder, 2, {"objective.alpha": 0.5}, root=root), {}, False
    for _ in range(MOST_MORE):  # what the sequences still held back
        if folder.state().state == "finished":
            break
        assert folder.state().resumable, folder.state()
        Attempt(folder, [], []).carry_out()
        kept = check(folder, kept)
    assert folder.state().state == "finished", "a run that nobody disturbs does not come to its end"


def check(folder: RunFolder, before: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Fail where the end of an attempt is not as its state says, or a row is gone or there twice; return the rows."""
    state, now = folder.state(), facts(folder)
    assert not state.live and state.ended is not None and (state.error is None or "ZeroDivision" in state.error), state
    steps = [step for (step,) in now["steps"]]
    assert steps == list(range(len(steps))) and (state.step == len(steps) or state.state == "failed" and state.step <= len(steps))
    assert state.state != "finished" or len(steps) == STEPS
    assert not waiting(folder.path)
    assert not folder.warnings() or not any("differs" in line for line in folder.warnings())
    for name, rows in before.items():
        assert set(rows) <= set(now[name]), f"rows of {name} were lost"
    changed = [row[0] for row in now["interventions"]]
    assert changed == sorted(changed)
    return now


@pytest.mark.usefixtures("drawn")
def test_changes_are_made_once_and_in_the_order_given(tmp_path: Path) -> None:
    folder = new_run(small(training__steps=STEPS), tmp_path)
    values = [0.1, 0.2, 0.3, 0.4, 0.5]
    script = [(number + 18, ("change", {"path": "objective.alpha", "value": value})) for number, value in enumerate(values)]
    Attempt(folder, [(18, ("pause", {})), *script], [("step", {})] * 3).carry_out()
    made = TraceReader(folder).interventions()
    assert [one.value for one in made] == values and [one.previous for one in made] == [0.7, *values[:-1]]
    assert len({one.command for one in made}) == len(values)
