"""The course log: what was asked of each training example, against sums done by hand and against every recorded row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ikd.config import build_config
from ikd.trace.measures import course_log
from ikd.trace.reader import TraceReader
from ikd.trace.recorder import Recorder
from ikd.trace.store import new_run
from tests.rehearsal import rehearsal


@pytest.fixture
def reader(tmp_path) -> TraceReader:
    folder = new_run(build_config({}), tmp_path)
    with Recorder(folder) as recorder:
        for event in rehearsal(23):
            recorder.record(event)
    return TraceReader(folder)


def test_sizes_are_those_of_every_recorded_row(reader: TraceReader) -> None:
    sizes = reader.course_sizes()
    wanted = pd.concat(reader.course_rows(last_step=100, at_once=50)).sort_values(["step", "position"])
    assert sizes[["step", "example", "position"]].to_numpy().tolist() == wanted[["step", "example", "position"]].to_numpy().tolist()
    asked = [np.nan if one is None else np.linalg.norm(one) for one in wanted["feedback"]]
    np.testing.assert_allclose(sizes["asked"], asked, rtol=1e-6)
    np.testing.assert_allclose(sizes["influence"], wanted["influence"], rtol=1e-6)
    assert sizes["asked"].isna().any() and sizes["asked"].notna().any()
    assert reader.course_sizes(after=20)["step"].unique().tolist() == [21, 22]


def test_a_trace_without_soft_targets_gives_an_empty_log(tmp_path) -> None:
    sizes = TraceReader(tmp_path / "nothing.sqlite").course_sizes()
    assert sizes.empty and course_log(sizes, upto=10).empty


def test_the_log_by_hand() -> None:
    sizes = pd.DataFrame({"step": [0, 1, 1, 2], "example": [7, 7, 3, 7], "position": 0, "asked": [np.nan, 2.0, 1.0, 4.0],
                          "influence": [np.nan, -0.5, 0.25, 0.125]})
    log = course_log(sizes, upto=2)
    assert log.index.tolist() == [3, 7]
    assert log.loc[7].tolist() == [3, 2, 3.0, -0.375, -0.5, 0.125, 2]
    assert course_log(sizes, upto=0).loc[7, ["issued", "exams"]].tolist() == [1, 0]
    assert np.isnan(course_log(sizes, upto=0).loc[7, "influence"])
