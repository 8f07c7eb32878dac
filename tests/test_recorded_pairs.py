"""The runs that come with the lab: pairs under one seed, feedback and the same teacher fixed; two of them on a shifted course."""

from __future__ import annotations

import re

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from ikd.trace.cues import cues_of
from ikd.trace.folder import RunFolder
from ikd.trace.reader import TraceReader
from ikd.trace.store import list_recorded, open_run
from ikd.ui.home_view import PAIRS
from tests.conftest import REPOSITORY

MOST_BYTES = 24_000_000
SHIFTS = {"reviews": "shortcut", "sources": "sources"}
"""Pairs whose course is shifted, as the demos' are."""


@pytest.mark.parametrize("name", PAIRS.values())
def test_the_two_runs_of_a_pair_differ_in_the_policy_alone(name: str) -> None:
    fixed, exam = (open_run(f"recorded:{name}-{policy}") for policy in ("fixed", "exam"))
    settings = [one.config().model_dump() for one in (fixed, exam)]
    assert [one["policy"].pop("name") for one in settings] == ["fixed", "exam"]
    assert len({one.pop("label") for one in settings}) == 2
    assert settings[0] == settings[1] and settings[0]["task"]["shift"] == SHIFTS.get(name, "none")
    assert settings[0]["task"]["name"] == ("reviews" if name in SHIFTS else name)
    readers = [TraceReader(one) for one in (fixed, exam)]
    assert readers[0].meta()["facts"]["fingerprint"] == readers[1].meta()["facts"]["fingerprint"]
    for role in ("teacher", "student"):
        first, second = (reader.reading_at(role, 0) for reader in readers)
        assert first is not None and second is not None
        np.testing.assert_array_equal(first, second, err_msg=f"the {role} begins elsewhere")
    teacher, moved = (reader.reading_at("teacher", settings[0]["training"]["steps"]) for reader in readers)
    begun = readers[0].reading_at("teacher", 0)
    assert teacher is not None and moved is not None and begun is not None
    np.testing.assert_array_equal(teacher, begun)
    assert np.abs(moved - begun).max() > 0.1


@pytest.mark.parametrize("folder", list_recorded(), ids=lambda one: one.path.name)
def test_a_recorded_run_is_whole_and_says_nothing_of_its_machine(folder: RunFolder) -> None:
    state, reader = folder.state(), TraceReader(folder)
    assert state.state == "finished" and (state.host, state.pid) == ("", 0)
    assert reader.last_step() == folder.config().training.steps
    assert all(reader.final(split) is not None for split in ("validation", "test"))
    assert not re.search(r"(^|\s)(/|[A-Z]:\\)\w", (folder.path / "log.txt").read_text("utf-8"))


def test_recordings_stay_small() -> None:
    files = [path for folder in list_recorded() for path in folder.path.rglob("*") if path.is_file()]
    assert 0 < sum(path.stat().st_size for path in files) < MOST_BYTES
    both = {f"{name}-{policy}" for name in PAIRS.values() for policy in ("fixed", "exam")}
    assert {path.parent.name for path in files if path.name == "trace.sqlite"} == both


def test_home_leads_to_each_pair_side_by_side() -> None:
    page = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=180).run()
    links = {str(one.proto.label): str(one.proto.query_string) for one in page.get("page_link")}
    assert {*PAIRS} <= {*links}
    for title, name in PAIRS.items():
        assert f"{name}-fixed" in links[title] and f"{name}-exam" in links[title]


def test_the_recorded_shortcut_is_unlearned_under_feedback_alone() -> None:
    fixed, exam = (TraceReader(open_run(f"recorded:reviews-{policy}")) for policy in ("fixed", "exam"))
    for reader, falls in ((fixed, False), (exam, True)):
        table = reader.scalars(["reliance_teacher"])["value"]
        assert (table.iloc[-1] < 0.6 * table.iloc[0]) == falls
    last = [reader.scalars(["reliance_student"])["value"].iloc[-1] for reader in (fixed, exam)]
    assert last[1] < 0.6 * last[0]
    assert cues_of(exam.meta()["facts"]) == cues_of(fixed.meta()["facts"]) is not None


@pytest.mark.parametrize("folder", list_recorded(), ids=lambda one: one.path.name)
def test_the_page_of_a_recorded_run_is_without_fault(folder: RunFolder) -> None:
    page = AppTest.from_file(str(REPOSITORY / "pages" / "run.py"), default_timeout=180)
    page.query_params["run"] = folder.id
    page.run()
    assert not page.exception and not page.error


def test_the_recorded_shortcut_is_compared_by_reliance() -> None:
    page = AppTest.from_file(str(REPOSITORY / "pages" / "compare.py"), default_timeout=180)
    page.query_params["runs"] = "recorded:reviews-fixed,recorded:reviews-exam"
    page.run()
    page.session_state["compare-series"] = "reliance_student"
    page.run()
    assert not page.exception and not page.error
    assert any("reliance on the cue word" in str(one.proto.alt) for one in page.get("vega_lite_chart"))
