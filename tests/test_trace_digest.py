"""A digest is what a brute-force look at every reading gives, whether it was written with the trace or derived from it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ikd.config import build_config
from ikd.trace import binning
from ikd.trace.binning import SCALES
from ikd.trace.digest import Digest
from ikd.trace.export import export_parquet
from ikd.trace.folder import RunFolder
from ikd.trace.measures import softmax
from ikd.trace.reader import TraceReader
from ikd.trace.recorder import Recorder
from ikd.trace.store import new_run
from tests.rehearsal import rehearsal

STEPS = 61


@pytest.fixture(params=["derived", "written"])
def run(request: pytest.FixtureRequest, tmp_path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run whose bins hold several readings, with a digest in its trace or without one."""
    monkeypatch.setattr(binning, "MOST_BINS", 7)
    monkeypatch.setattr(binning, "LONG_TRACE_NUMBERS", 0 if request.param == "written" else 10**12)
    folder = new_run(build_config({"training.steps": STEPS, "policy.exam_start": 3}), tmp_path)
    with Recorder(folder) as recorder:
        for event in rehearsal(STEPS, n_probe=60, reading_every=2):
            recorder.record(event)
    written = len(TraceReader(folder).digest_rows()[0])
    assert (written > 0) == (request.param == "written")
    return folder


class Brute:
    """Every measure of every reading, from the exported Parquet alone, with pandas and scipy's formulas in plain sums."""

    def __init__(self, folder: RunFolder, tmp_path, t: float) -> None:
        export_parquet(folder, tmp_path)
        probe = pd.read_parquet(tmp_path / "probe.parquet").sort_values(["step", "example"])
        truth = pd.read_parquet(tmp_path / "examples.parquet").query("split == 'probe'").sort_values("id")
        self.steps = probe["step"].unique()
        shape = (len(self.steps), probe["example"].nunique(), -1)
        teacher, student = (np.stack(probe[name]).reshape(shape).astype(float) for name in ("teacher_logits", "student_logits"))
        p, q = softmax(teacher, t), softmax(student, t)
        labels = probe["label"].to_numpy().reshape(shape[:2])
        self.labels, self.p = labels[0], p
        known = np.stack(truth["truth"])
        self.values = {
            "teacher_label": np.take_along_axis(p, labels[..., None], -1)[..., 0],
            "student_label": np.take_along_axis(q, labels[..., None], -1)[..., 0],
            "entropy": -(p * np.log(p)).sum(-1),
            "drift": (p * np.log(p / p[0])).sum(-1),
            "gap": (p * np.log(p / q)).sum(-1),
            "truth_gap": (known * np.log(known / p)).sum(-1),
        }
        self.classes = {"teacher": teacher.argmax(-1), "student": student.argmax(-1)}

    def ends(self, width: int) -> list[int]:
        """Return the place of each bin's last reading."""
        numbers = self.steps // width
        return [int(np.flatnonzero(numbers == one)[-1]) for one in np.unique(numbers)]


@pytest.fixture
def digest(run: RunFolder) -> Digest:
    digest = Digest(TraceReader(run))
    assert digest.update()
    return digest


@pytest.mark.parametrize("scale", SCALES)
def test_bins_and_bands_equal_brute_force(run: RunFolder, digest: Digest, scale: str, tmp_path) -> None:
    brute = Brute(run, tmp_path, 1.0 if scale == "1" else float(TraceReader(run).meta()["temperature"]))
    ends = brute.ends(digest.width)
    assert len(ends) > 3 and digest.bin_ends.tolist() == brute.steps[ends].tolist()
    assert digest.steps.tolist() == brute.steps.tolist()
    for name, values in brute.values.items():
        np.testing.assert_allclose(digest.measure(name, scale), values[ends], rtol=2e-5, atol=1e-6, err_msg=name)
    starts = [0, *(one + 1 for one in ends[:-1])]
    most = [brute.values["drift"][a : b + 1].max(axis=0) for a, b in zip(starts, ends, strict=True)]
    np.testing.assert_allclose(digest.measure("drift_most", scale), most, rtol=2e-5, atol=1e-6)
    for name in binning.BANDS:
        steps, bands = digest.bands(name, scale)
        assert steps.tolist() == brute.steps.tolist()
        wanted = np.quantile(brute.values[name], (0.05, 0.25, 0.5, 0.75, 0.95), axis=1).T
        np.testing.assert_allclose(bands, wanted, rtol=2e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("scale", SCALES)
def test_the_state_at_every_reading_equals_brute_force(run: RunFolder, digest: Digest, scale: str, tmp_path) -> None:
    """At every reading, in the middle of bins and before the first one is complete: a cursor can stand anywhere."""
    brute = Brute(run, tmp_path, 1.0 if scale == "1" else float(TraceReader(run).meta()["temperature"]))
    # Backwards, so that no answer leans on the one before.
    for end in reversed(range(len(brute.steps))):
        upto, state = slice(0, end + 1), digest.state(int(brute.steps[end]))
        assert (state.readings, state.last_step) == (end + 1, brute.steps[end])
        for name, values in brute.values.items():
            np.testing.assert_allclose(state.measure(name, scale), values[end], rtol=2e-5, atol=1e-6, err_msg=name)
        for role, who in enumerate(("teacher", "student")):
            values, classes = brute.values[f"{who}_label"][upto], brute.classes[who][upto]
            np.testing.assert_allclose(state.total(f"{who}_label", scale), values.sum(0), rtol=1e-6)
            np.testing.assert_allclose(state.total(f"{who}_label_squared", scale), (values**2).sum(0), rtol=1e-6)
            assert state.count(f"{who}_right").tolist() == (classes == brute.labels).sum(0).tolist()
            assert state.count(f"{who}_flips").tolist() == (classes[1:] != classes[:-1]).sum(0).tolist()
            assert state.classes[role].tolist() == classes[-1].tolist()
        changed = brute.classes["teacher"][upto] != brute.classes["teacher"][0]
        first = np.where(changed.any(0), brute.steps[changed.argmax(0)], -1)
        assert state.count("first_flip").tolist() == first.tolist()


def test_half_of_the_readings_ends_with_a_bin(run: RunFolder, digest: Digest) -> None:
    now = digest.state(int(digest.steps[-1]))
    half = digest.half(now)
    assert half.last_step in digest.bin_ends and now.readings <= 2 * half.readings < 2 * now.readings
    assert all(2 * digest.state(int(end)).readings < now.readings for end in digest.bin_ends if end < half.last_step)
    first = digest.state(0)
    assert digest.half(first) is first, "one reading has no half"


def test_a_digest_grows_with_its_run(run: RunFolder, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards that updates along the way end where one look at the end does."""
    folder = new_run(build_config({"training.steps": STEPS}), tmp_path / "growing")
    events = list(rehearsal(STEPS, n_probe=60, reading_every=2))
    digest = Digest(TraceReader(folder))
    assert not digest.update()
    with Recorder(folder) as recorder:
        for event in events:
            recorder.record(event)
            digest.update()
        last = Digest(TraceReader(folder))
        assert last.update()
    for name in binning.MEASURES:
        np.testing.assert_array_equal(digest.measure(name, "1"), last.measure(name, "1"))
    assert digest.state(10**6).readings == last.state(10**6).readings == len(last.steps)
    assert digest.reading_at(3) == 2 and digest.reading_at(-1) == 0


def test_long_traces_alone_are_written_with_a_digest() -> None:
    assert binning.is_long(10_000, 500, 3) and binning.is_long(2_000, 500, 150) and not binning.is_long(61, 120, 3)
    assert [binning.steps_of_a_bin(n) for n in (0, 399, 400, 10_000)] == [1, 1, 2, 26]


def test_chosen_readings_are_those_of_their_steps(run: RunFolder) -> None:
    reader = TraceReader(run)
    steps, logits = reader.readings("teacher")
    found, chosen = reader.readings_at("teacher", [int(steps[5]), 1, int(steps[0])])
    assert found.tolist() == [steps[0], steps[5]]
    np.testing.assert_array_equal(chosen, logits[[0, 5]])
    between, part = reader.readings("student", after=int(steps[1]), until=int(steps[3]))
    assert between.tolist() == steps[2:4].tolist() and len(part) == 2
