"""What each view of the soft targets page draws equals a recomputation from the exported Parquet files alone.

At both temperatures, with bins of several readings, and with the cursor in the middle of a bin, before the first bin is
complete, at a reading without an exam, and at the end.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from ikd.config import build_config
from ikd.trace import binning
from ikd.trace.binning import SCALES
from ikd.trace.export import export_parquet
from ikd.trace.folder import RunFolder
from ikd.trace.measures import softmax
from ikd.trace.recorder import Recorder
from ikd.trace.store import new_run
from ikd.ui.tail import Tail
from ikd.ui.targets import heat, places
from ikd.ui.targets.canvases import places_frame
from ikd.ui.targets.confusion import kept_classes
from ikd.ui.targets.course import log_frame, sorted_log
from ikd.ui.targets.course_heat import cells_frame
from ikd.ui.targets.data_map import map_frame
from ikd.ui.targets.frames import moved
from ikd.ui.targets.gain import base_step, gain_frame
from ikd.ui.targets.look import Look
from ikd.ui.targets.ribbons import BANDS, QUANTILES, example_line, ribbon_frame
from ikd.ui.targets.table import drift_frame
from tests.rehearsal import rehearsal

STEPS, EVERY, EXAM_START, N_PROBE = 61, 2, 9, 60
CURSORS = (0, 4, 8, 14, 34, 60)
Doubles = NDArray[np.float64]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunFolder]:
    config = build_config({"training.steps": STEPS, "policy.exam_start": EXAM_START, "record.probe_every": EVERY})
    folder = new_run(config, tmp_path_factory.mktemp("brute"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(binning, "MOST_BINS", 7)
        with Recorder(folder) as recorder:
            for event in rehearsal(STEPS, n_probe=N_PROBE, reading_every=EVERY, exam_start=EXAM_START):
                recorder.record(event)
        yield folder


@pytest.fixture(scope="module")
def files(folder: RunFolder) -> dict[str, pd.DataFrame]:
    export_parquet(folder, folder.path / "out")
    return {name: pd.read_parquet(folder.path / "out" / f"{name}.parquet") for name in ("probe", "course", "examples")}


@pytest.fixture(params=[(scale, cursor) for scale in SCALES for cursor in CURSORS], ids=lambda one: f"t={one[0]}, step {one[1]}")
def look(request: pytest.FixtureRequest, folder: RunFolder) -> Look:
    scale, cursor = request.param
    tail = Tail(folder)
    assert tail.started()
    digest = tail.digest()
    assert digest is not None and digest.width > EVERY, "bins hold several readings"
    return Look(folder=folder, tail=tail, digest=digest, config=folder.config(), n_steps=STEPS, newest=int(digest.steps[-1]),
                cursor=digest.reading_at(cursor), pinned=True, example=3, scale=scale, live=False, era=None)  # fmt: skip


class Brute:
    """Everything up to a cursor, worked out of the exported files with sums and loops of its own."""

    def __init__(self, look: Look, read: dict[str, pd.DataFrame]) -> None:
        probe, self.course, examples = read["probe"].sort_values(["step", "example"]), read["course"], read["examples"]
        self.t = 1.0 if look.scale == "1" else 2.0
        self.steps = probe["step"].unique()
        shape = (len(self.steps), N_PROBE, -1)
        self.teacher, self.student = (np.stack(probe[f"{who}_logits"]).reshape(shape).astype(float) for who in ("teacher", "student"))
        self.p, self.q = softmax(self.teacher, self.t), softmax(self.student, self.t)
        self.labels = probe["label"].to_numpy()[:N_PROBE]
        self.asked = {int(step): np.stack(rows["feedback"]).astype(float) for step, rows in probe.groupby("step")
                      if rows["feedback"].notna().all()}  # fmt: skip
        self.influence = {int(step): rows["influence"].to_numpy(float) for step, rows in probe.groupby("step")
                          if rows["influence"].notna().all()}  # fmt: skip
        self.truth = np.stack(examples[examples["split"] == "probe"].sort_values("id")["truth"])
        self.texts = examples[examples["split"] == "course"].set_index("id")["text"]
        self.at = int(np.searchsorted(self.steps, look.cursor))
        one = np.arange(N_PROBE)
        self.p_label, self.q_label = self.p[:, one, self.labels], self.q[:, one, self.labels]
        self.values = {
            "entropy": -(self.p * np.log(self.p)).sum(-1), "drift": (self.p * np.log(self.p / self.p[0])).sum(-1),
            "gap": (self.p * np.log(self.p / self.q)).sum(-1), "truth_gap": (self.truth * np.log(self.truth / self.p)).sum(-1),
            "teacher_label": self.p_label, "student_label": self.q_label,
        }  # fmt: skip
        self.classes = self.teacher.argmax(-1)

    def first_flip(self) -> Doubles:
        found = np.full(N_PROBE, np.nan)
        for row in range(1, self.at + 1):
            new = np.isnan(found) & (self.classes[row] != self.classes[0])
            found[new] = self.steps[row]
        return found

    def last_exam(self) -> int | None:
        """Return the last reading's step with feedback, up to the cursor."""
        return max((step for step in self.asked if step <= self.steps[self.at]), default=None)


@pytest.fixture
def brute(look: Look, files: dict[str, pd.DataFrame]) -> Brute:
    return Brute(look, files)


def close(found: object, wanted: object, said: str = "") -> None:
    np.testing.assert_allclose(np.asarray(found, dtype=float), np.asarray(wanted, dtype=float), rtol=3e-5, atol=2e-6, err_msg=said)


def test_ribbons_and_the_selected_examples_lines(look: Look, brute: Brute) -> None:
    for name in BANDS:
        frame = ribbon_frame(look, name)
        assert frame["step"].tolist() == brute.steps.tolist()
        close(frame[list(QUANTILES)], np.quantile(brute.values[name], (0.05, 0.25, 0.5, 0.75, 0.95), axis=1).T, name)
        steps, line = example_line(look, name)
        close(line, brute.values[name][np.searchsorted(brute.steps, steps), look.example], name)


@pytest.mark.parametrize("order", heat.ORDERS)
def test_heat_map_rows(look: Look, brute: Brute, order: str) -> None:
    exam = brute.last_exam()
    nothing = np.zeros(N_PROBE)
    key = {
        "drift": -brute.values["drift"][brute.at], "flip": np.nan_to_num(brute.first_flip(), nan=1e9), "label": brute.labels,
        "influence": nothing if exam is None else brute.influence[exam],
        "feedback": nothing if exam is None else -np.linalg.norm(brute.asked[exam], axis=-1), "number": np.arange(N_PROBE),
    }[order]  # fmt: skip
    rows = heat.row_order(look, order, look.cursor)
    assert sorted(rows.tolist()) == list(range(N_PROBE))
    assert (np.diff(key[rows]) >= -1e-7).all()
    same = np.flatnonzero(key[rows][:-1] == key[rows][1:])
    assert (rows[same] < rows[same + 1]).all(), "ties keep their numbers' order"
    said = heat.order_words(look, order, look.cursor)
    step = {"influence": exam, "feedback": exam, "drift": look.cursor, "flip": look.cursor}.get(order)
    assert f"step {step}" in said if step is not None else "no step" not in said


@pytest.mark.parametrize("measure", heat.MEASURES)
def test_heat_map_cells(look: Look, brute: Brute, measure: str) -> None:
    table = heat.heat_frame(look, measure).set_index("example")
    assert table.pop("label").tolist() == [look.names[one] for one in brute.labels]
    numbers = brute.steps // look.digest.width
    for name in table.columns:
        end = int(np.searchsorted(brute.steps, int(name.removeprefix("step "))))
        inside = np.flatnonzero(numbers == numbers[end])
        assert end == inside[-1], "a column is named by the last reading of its bin"
        wanted = brute.values["drift"][inside].max(axis=0) if measure == "drift_most" else brute.values[measure][end]
        close(table[name], wanted, name)


def test_data_map(look: Look, brute: Brute) -> None:
    half = look.digest.half(look.now)
    middle = int(np.searchsorted(brute.steps, half.last_step, side="right"))
    spans = {"": slice(0, brute.at + 1), "_early": slice(0, middle), "_late": slice(0 if half is look.now else middle, brute.at + 1)}
    for role, values in (("teacher", brute.p), ("student", brute.q)):
        frame = map_frame(look, role)
        for ending, span in spans.items():
            p = values[span][:, np.arange(N_PROBE), brute.labels]
            close(frame[f"confidence{ending}"], p.mean(axis=0), ending)
            np.testing.assert_allclose(frame[f"variability{ending}"], p.std(axis=0), atol=1e-4)
            close(frame[f"correctness{ending}"], (values[span].argmax(-1) == brute.labels).mean(axis=0), ending)


def test_gain_and_drift_table(look: Look, brute: Brute) -> None:
    first_exam = max(int(step) for step in brute.steps if step <= min(EXAM_START, look.cursor))
    assert base_step(look) == first_exam
    gain = brute.q_label[brute.at] - brute.q_label[np.searchsorted(brute.steps, first_exam)]
    scatter, table = gain_frame(look), drift_frame(look, look.cursor)
    for frame in (scatter, table):
        close(frame["drift"], brute.values["drift"][brute.at])
        close(frame["gain"], gain)
    for name, wanted in {
        "frozen": brute.p_label[0], "teacher": brute.p_label[brute.at], "student": brute.q_label[brute.at],
        "entropy": brute.values["entropy"][brute.at], "entropy_change": brute.values["entropy"][brute.at] - brute.values["entropy"][0],
        "gap": brute.values["gap"][brute.at], "truth_gap": brute.values["truth_gap"][brute.at], "first_flip": brute.first_flip(),
        "flips": (brute.classes[1 : brute.at + 1] != brute.classes[: brute.at]).sum(axis=0),
        "teacher_wrong": brute.classes[brute.at] != brute.labels, "student_wrong": brute.student[brute.at].argmax(-1) != brute.labels,
    }.items():  # fmt: skip
        close(table[name], wanted, name)
    exam = brute.last_exam()
    if exam is None:
        assert table[["feedback", "influence", "exam_step"]].isna().all(axis=None)
    else:
        assert set(table["exam_step"]) == {exam}
        close(table["feedback"], np.linalg.norm(brute.asked[exam], axis=-1))
        close(table["influence"], brute.influence[exam])
    ends = [int(np.flatnonzero(brute.steps <= end)[-1]) for end in look.digest.bin_ends if end < look.cursor]
    np.testing.assert_allclose(np.stack(table["path"]), brute.p_label[[*ends, brute.at]].T, atol=6e-4)


def test_player(look: Look, brute: Brute) -> None:
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3) / 2]])
    seen = moved(look, places.triangle(look.names))
    rows = np.searchsorted(brute.steps, seen.steps)
    assert {0, look.cursor, look.newest} <= set(seen.steps.tolist()) and brute.steps[rows].tolist() == seen.steps.tolist()
    np.testing.assert_allclose(seen.teacher, brute.p[rows] @ corners, atol=1e-6)
    np.testing.assert_allclose(seen.student, brute.q[rows] @ corners, atol=1e-6)
    np.testing.assert_allclose(seen.ghosts, brute.p[0] @ corners, atol=1e-6)
    np.testing.assert_allclose(seen.truth, brute.truth @ corners, atol=1e-6)  # type: ignore[arg-type]
    for row, step in enumerate(seen.steps.tolist()):
        if step not in brute.asked:
            assert np.isnan(seen.arrows[row]).all()
            continue
        p, f = brute.p[rows[row]], brute.asked[step]
        np.testing.assert_allclose(seen.arrows[row], p * (f - (p * f).sum(-1, keepdims=True)) / brute.t @ corners, atol=1e-8)
    table = places_frame(look, seen)
    one = table[(table["step"] == look.cursor) & (table["example"] == look.example)].iloc[0]
    close(one[[f"teacher: {name}" for name in look.names]], brute.p[brute.at, look.example])
    close(one[["student_x", "student_y"]], brute.q[brute.at, look.example] @ corners)
    assert one["label"] == look.names[brute.labels[look.example]]


def test_course_log(look: Look, brute: Brute) -> None:
    issued = brute.course[brute.course["step"] <= look.cursor].assign(
        asked=lambda rows: [np.nan if f is None else float(np.linalg.norm(f)) for f in rows["feedback"]])
    log = log_frame(look)
    wanted = {int(example): rows for example, rows in issued.groupby("example")}
    assert log["example"].tolist() == sorted(wanted)
    for row in log.to_dict("records"):
        own = wanted[row["example"]]
        known = own["influence"].dropna()
        assert (row["issued"], row["exams"], row["last_step"]) == (len(own), len(known), own["step"].max())
        assert row["text"] == brute.texts[row["example"]]
        close(row["asked"], own["asked"].mean())
        close(row["influence"], known.sum() if len(known) else np.nan)
        close([row["most_helped"], row["most_harmed"]], [known.min(), known.max()] if len(known) else [np.nan] * 2)
    for order, (column, rising) in {"asked": ("asked", False), "helped": ("influence", True), "harmed": ("influence", False),
                                    "issued": ("issued", False), "example": ("example", True)}.items():  # fmt: skip
        found = sorted_log(log, order)[column].dropna()
        assert found.tolist() == sorted(found.tolist(), reverse=not rising)


def test_cells_of_the_course_picture(look: Look, brute: Brute) -> None:
    cells = cells_frame(look, np.unique(brute.course["example"]))
    exams = brute.course[brute.course["influence"].notna() & (brute.course["step"] <= look.cursor)]
    ends = sorted({*(end for end in look.digest.bin_ends.tolist() if end <= look.cursor), look.cursor})
    if exams.empty:
        assert cells.empty
        return
    until = np.asarray([int(ends[min(int(np.searchsorted(ends, step)), len(ends) - 1)]) for step in exams["step"]])
    asked = np.asarray([np.linalg.norm(f) for f in exams["feedback"]])
    groups = pd.DataFrame({"example": exams["example"].to_numpy(), "until": until, "influence": exams["influence"].to_numpy(),
                           "asked": asked}).groupby(["example", "until"])  # fmt: skip
    wanted = groups.agg(influence=("influence", "sum"), asked=("asked", "mean")).reset_index()
    assert cells[["example", "until_step"]].to_numpy().tolist() == wanted[["example", "until"]].to_numpy().tolist()
    close(cells[["influence", "asked"]], wanted[["influence", "asked"]])


def test_the_ten_classes_that_changed_most_are_kept() -> None:
    draw = np.random.default_rng(0)
    before, now = draw.dirichlet(np.ones(14), 14), draw.dirichlet(np.ones(14), 14)
    before[5] = now[5] = np.nan
    moved_most = sorted(np.argsort(-np.nan_to_num(np.abs(now - before).sum(axis=1), nan=-1))[:10].tolist())
    assert kept_classes(before, now) == moved_most and 5 not in moved_most
    assert kept_classes(before[:4, :4], now[:4, :4]) == [0, 1, 2, 3]
