"""Pages of a run that has just begun, or begins anew as a fork does: whatever its trace does not say yet, no page fails."""

from __future__ import annotations

import itertools
import sqlite3
import time
from contextlib import closing
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from ikd.config import build_config
from ikd.trace.branching import make_fork
from ikd.trace.folder import RunFolder
from ikd.trace.recorder import Recorder
from ikd.trace.store import new_run
from ikd.ui.shell import OWN_FAULT, PAGES
from ikd.ui.tail import STARTED, Tail
from tests.conftest import REPOSITORY
from tests.synthetic import synthetic_run

SECONDS = 180
OF_A_RUN = ("run", "targets", "example", "compare")


def opened(page: str, *runs: RunFolder, **more: str) -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / PAGES[page].path), default_timeout=SECONDS)
    app.query_params["runs" if page == "compare" else "run"] = ",".join(one.id for one in runs)
    for name, value in more.items():
        app.query_params[name] = value
    return app.run()


def assert_sound(page: AppTest) -> None:
    assert not page.exception
    assert OWN_FAULT not in [one.value for one in page.error]


def alive(folder: RunFolder, stage: str = "preparing") -> RunFolder:
    folder.write_state(replace(folder.state(), state="running", stage=stage, heartbeat=time.time() + 3600))
    return folder


def without_meta(folder: RunFolder, *keys: str) -> RunFolder:
    with closing(sqlite3.connect(folder.trace_path)) as trace:
        trace.executemany("DELETE FROM meta WHERE key = ?", [(key,) for key in keys])
        trace.commit()
    return folder


@pytest.mark.parametrize("page", OF_A_RUN)
@pytest.mark.parametrize("key", sorted(STARTED))
def test_a_trace_that_lacks_what_it_says_at_its_start_is_no_fault(key: str, page: str) -> None:
    whole, half = synthetic_run(n_steps=20, n_probe=12), without_meta(synthetic_run(n_steps=20, n_probe=12), key)
    assert_sound(opened(page, half, whole) if page == "compare" else opened(page, half))
    assert not Tail(half).started() and Tail(whole).started()


@pytest.mark.parametrize("page", OF_A_RUN)
@pytest.mark.parametrize("live", [True, False])
def test_a_run_with_an_empty_trace_is_no_fault(live: bool, page: str) -> None:
    folder = new_run(build_config({"training.steps": 20}))
    with Recorder(folder):
        pass
    folder = alive(folder) if live else folder
    assert_sound(opened(page, folder, synthetic_run(n_steps=20, n_probe=12)) if page == "compare" else opened(page, folder))


@pytest.mark.parametrize("page", OF_A_RUN)
def test_a_fork_whose_attempt_begins_while_its_page_is_drawn_is_no_fault(monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    """Guards the KeyError of a first fork: a tail made anew between two parts of the page had not read its names and its temperature."""
    parent = synthetic_run(n_steps=20, n_probe=12)
    fork = alive(make_fork(parent, 12, {"objective.temperature": 3.0}, root=parent.path.parent), "teaching")
    attempts = itertools.count()
    monkeypatch.setattr("ikd.ui.tail.attempt_of", lambda folder: next(attempts))
    shown = opened(page, fork, parent) if page == "compare" else opened(page, fork)
    assert_sound(shown)
    if page == "run":
        assert [one for one in shown.subheader if one.value == "The board"]


def test_a_fork_says_in_what_it_differs() -> None:
    parent = synthetic_run(n_steps=20, n_probe=12, settings={"objective.temperature": 2.0})
    fork = make_fork(parent, 12, {"objective.temperature": 3.0}, root=parent.path.parent)
    words = [one.value.replace("\\", "") for one in opened("run", fork).caption]
    assert "Parent vs this fork: Temperature, from step 12 on: 2 vs 3." in words
    plain = make_fork(parent, 12, {}, root=parent.path.parent)
    assert "No setting differs from its parent's." in [one.value.replace("\\", "") for one in opened("run", plain).caption]
    compared = opened("compare", parent, fork)
    assert any("Temperature, from step 12 on: 2 vs 3" in one.value.replace("\\", "") for one in compared.markdown)


@pytest.mark.parametrize("step", [0, 1, 48, 59])
def test_bar_and_slider_of_a_replay_agree(step: int) -> None:
    page = opened("run", synthetic_run(n_steps=60, n_probe=12), step=str(step))
    slider, bar = page.slider[0], page.get("progress")[0].proto
    assert slider.value == step
    assert bar.text.startswith(f"Shown up to step {step} of {slider.max:g}") and bar.value == min(int(100 * step / slider.max), 99)


def test_the_bar_of_a_finished_run_is_full_where_nothing_is_replayed() -> None:
    for more in ({}, {"step": "60"}):
        bar = opened("run", synthetic_run(n_steps=60, n_probe=12), **more).get("progress")[0].proto
        assert bar.value == 100 and "Step 60 of 60" in bar.text
