"""Visitors of one live run share what was read of it, and nothing that they chose."""

from __future__ import annotations

import gc
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ikd.config import build_config
from ikd.events import StepTaken
from ikd.trace.folder import RunFolder
from ikd.trace.reader import TraceReader
from ikd.trace.recorder import Recorder
from ikd.trace.store import new_run
from ikd.ui import condensed, tail
from ikd.ui.tail import Tail
from tests.synthetic import events, synthetic_run

NAMES = ("student_accuracy", "agreement")


@pytest.fixture
def live() -> RunFolder:
    return synthetic_run(3, n_steps=60, state="running", stop_before=31)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Return what was asked of any trace, and how many rows came."""
    asked: list[tuple[str, int]] = []
    scalars, readings = TraceReader.scalars, TraceReader.readings

    def counted_scalars(self: TraceReader, *args: Any, **more: Any) -> Any:
        found = scalars(self, *args, **more)
        asked.append(("scalars", len(found)))
        return found

    def counted_readings(self: TraceReader, *args: Any, **more: Any) -> Any:
        found = readings(self, *args, **more)
        asked.append(("readings", len(found[0])))
        return found

    monkeypatch.setattr(TraceReader, "scalars", counted_scalars)
    monkeypatch.setattr(TraceReader, "readings", counted_readings)
    return asked


def test_each_row_is_read_once_for_all(live: RunFolder, read: list[tuple[str, int]]) -> None:
    tails = [Tail(live) for _ in range(5)]
    tables = [one.scalars(*NAMES) for one in tails]
    readings = [one.readings("teacher", (3, 1)) for one in tails]
    assert all(table.equals(tables[0]) for table in tables) and len(tables[0])
    assert all(np.array_equal(logits, readings[0][1]) for _, logits in readings) and readings[0][1].shape[1] == 2
    assert sum(rows for what, rows in read if what == "scalars") == len(tables[0])
    assert sum(rows for what, rows in read if what == "readings") == len(readings[0][0])


def test_threads_that_read_at_once_get_what_the_trace_has(live: RunFolder) -> None:
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(Tail(live).scalars(*NAMES))) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    expected = TraceReader(live).scalars(NAMES)
    assert len(found) == 8 and all(table.equals(expected) for table in found)


def test_a_visitor_keeps_the_examples_that_were_chosen(live: RunFolder) -> None:
    first, second = Tail(live), Tail(live)
    whole = TraceReader(live).readings("student")[1]
    for one, ids in ((first, (3, 1)), (second, (7,)), (first, (3, 1)), (second, (1, 3)), (first, (3, 1))):
        assert np.array_equal(one.readings("student", ids)[1], whole[:, list(ids)])


def test_what_a_visitor_keeps_for_a_cursor_is_its_own(live: RunFolder) -> None:
    first, second = Tail(live), Tail(live)
    assert first.once("asked", 5, lambda: "five") == "five" and second.once("asked", 9, lambda: "nine") == "nine"
    assert first.once("asked", 5, lambda: "anew") == "five"


def test_nothing_is_kept_when_the_last_visitor_has_left(live: RunFolder) -> None:
    tail = Tail(live)
    tail.readings("teacher", (3,))
    tail.readings("teacher", (4,))
    gc.collect()
    mine = [what for trace, what in condensed._growing if trace == condensed.trace_key(live)]
    assert mine == [("readings teacher", (4,))]
    del tail
    gc.collect()
    assert not [what for trace, what in condensed._growing if trace == condensed.trace_key(live)]


def test_another_trace_in_its_place_is_read_anew(live: RunFolder) -> None:
    tail, other = Tail(live), synthetic_run(3, n_steps=60, state="running", stop_before=11)
    longer = len(tail.scalars(*NAMES))
    moved = live.trace_path.with_name("moved")
    moved.write_bytes(other.trace_path.read_bytes())
    moved.replace(live.trace_path)
    assert 0 < len(tail.scalars(*NAMES)) < longer


def test_a_live_run_is_held_within_bounds_with_its_spikes(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it becomes: a tick at its end costs no more than one in its middle, and all visitors hold the same."""
    monkeypatch.setattr(tail, "MOST_HELD", 70)
    monkeypatch.setattr(tail, "NEWEST_HELD", 20)
    monkeypatch.setattr(tail, "STRETCHES", 4)
    config = build_config({"training.steps": 900, "record.probe_size": 12, "record.probe_every": 5})
    folder = new_run(config)
    folder.write_state(replace(folder.state(), state="running", stage="teaching"))
    visitors, sizes = [Tail(folder) for _ in range(2)], []
    with Recorder(folder) as recorder:
        for event in events(config, 3):
            recorder.record(event)
            if isinstance(event, StepTaken) and event.step % 40 == 39:
                tables = [one.live_scalars(*NAMES) for one in visitors]
                readings = [one.live_readings("teacher", (3, 1)) for one in visitors]
                assert tables[0] is tables[1] and readings[0] is readings[1]
                sizes.append((tables[0]["step"].nunique(), len(readings[0][0])))
    assert max(steps for steps, _ in sizes) <= 70 + 40 // 5 and max(held for _, held in sizes) <= 70 + 40 // 5
    whole, held = Tail(folder).scalars(*NAMES), visitors[0].live_scalars(*NAMES)
    assert len(held) < len(whole) and held.merge(whole, on=["step", "name", "value"]).shape == held.shape
    for name in NAMES:
        all_of_it, kept = (one[one["name"] == name]["value"] for one in (whole, held))
        assert (kept.min(), kept.max(), kept.iloc[0], kept.iloc[-1]) == (
            all_of_it.min(), all_of_it.max(), all_of_it.iloc[0], all_of_it.iloc[-1])
    steps, logits = visitors[0].live_readings("teacher", (3, 1))
    every, said = Tail(folder).readings("teacher", (3, 1))
    np.testing.assert_array_equal(logits, said[np.searchsorted(every, steps)])
    assert steps[0] == 0 and steps[-1] == every[-1] and (steps[-20:] == every[-20:]).all()
