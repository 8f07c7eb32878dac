"""What travels to the canvases: the places survive it, it is small, and wrong shapes are refused."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ikd.plots.palettes import BLUE_ORANGE, CIVIDIS
from ikd.trace.folder import RunFolder
from ikd.trace.measures import feedback_on_simplex
from ikd.ui.canvas import ASSETS, MISSING, WHOLE, as_text, asked_number, quantised
from ikd.ui.heat_map import NOTHING, raster_parcel
from ikd.ui.simplex_player import FRAMES_PER_PARCEL, STRONG_ARROW, Frames, message_bytes, parcels_of
from ikd.ui.tail import Tail
from ikd.ui.targets.frames import Moved, moved
from ikd.ui.targets.look import Look
from ikd.ui.targets.places import triangle
from tests.synthetic import synthetic_run

MOST_BYTES = 2_000_000
CORNERS = [("a", 0.0, 0.0), ("b", 1.0, 0.0), ("c", 0.5, 0.866)]


def frames(n_frames: int = 30, n_points: int = 4, **changed: Any) -> Frames:
    random = np.random.default_rng(1)
    values: dict[str, Any] = dict(
        steps=np.arange(n_frames) * 5, corners=CORNERS, teacher=random.random((n_frames, n_points, 2)),
        student=random.random((n_frames, n_points, 2)), ghosts=random.random((n_points, 2)), truth=None, arrows=None,
        slots=np.arange(n_points) % 3, ids=np.arange(n_points) + 10, legend=["a", "b", "c"],
    )  # fmt: skip
    return Frames(**{**values, **changed})


def decoded(text: str, *shape: int) -> np.ndarray[Any, np.dtype[np.uint16]]:
    return np.frombuffer(base64.b64decode(text), dtype="<u2").reshape(shape).astype(np.uint16)


def restored(levels: np.ndarray[Any, np.dtype[np.uint16]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.where(levels == MISSING, np.nan, levels / WHOLE)


def test_places_survive_the_journey() -> None:
    sent = frames(n_frames=60)
    _, *parts = parcels_of(sent)
    assert [part.content["frames"] for part in parts] == [25, 25, 10]
    for role in ("teacher", "student"):
        got = [restored(decoded(part.content[role], part.content["frames"], 4, 2)) for part in parts]
        np.testing.assert_allclose(np.concatenate(got), getattr(sent, role), atol=0.5 / 65534 + 1e-12)


def test_the_ends_and_what_is_missing_survive_exactly() -> None:
    values = np.array([0.0, 1.0, np.nan, 0.5])
    np.testing.assert_array_equal(restored(quantised(values)), values)


def test_arrows_survive_with_their_gaps() -> None:
    arrows = np.random.default_rng(2).normal(0, 0.3, (5, 4, 2))
    arrows[2] = np.nan
    part = parcels_of(frames(n_frames=5, arrows=arrows))[1].content
    got = (2 * restored(decoded(part["arrows"], 5, 4, 2)) - 1) * part["reach"]
    np.testing.assert_allclose(got, arrows, atol=part["reach"] / 65534)
    assert np.isnan(got[2]).all()


def test_new_frames_leave_the_parcels_before_as_they_are() -> None:
    """Guards what is sent while a run goes on: one parcel, not the whole history, though stronger arrows come and all are rescaled."""
    arrows = np.random.default_rng(4).normal(0, 0.01, (80, 4, 2))
    arrows[70] *= 1000
    long = frames(n_frames=80, arrows=arrows, arrow_scale=0.5)
    short = frames(n_frames=60, teacher=np.asarray(long.teacher)[:60], student=np.asarray(long.student)[:60], ghosts=long.ghosts,
                   arrows=arrows[:60], arrow_scale=7.0)  # fmt: skip
    before, after = ([one.digest for one in parcels_of(each)] for each in (short, long))
    assert before[:3] == after[:3]
    assert before[3] != after[3]


def seen(run: RunFolder) -> tuple[Look, Moved]:
    """Return a look at the newest reading of a run of three classes, and the frames of it."""
    tail = Tail(run)
    assert tail.started()
    digest = tail.digest()
    assert digest is not None
    newest = int(digest.steps[-1])
    look = Look(folder=run, tail=tail, digest=digest, config=None, n_steps=100, newest=newest, cursor=newest, pinned=False, example=0,
                scale="training", live=True, era=None)  # fmt: skip
    return look, moved(look, triangle(look.names))


def test_the_parcels_of_a_run_that_goes_on_stay_as_they_are() -> None:
    found = []
    for stop_before in (60, None):
        run = synthetic_run(3, n_steps=100, n_probe=12, settings={"record.probe_every": 1}, stop_before=stop_before)
        _, now = seen(run)
        found.append((now, parcels_of(Frames(
            steps=now.steps, corners=CORNERS, teacher=now.teacher, student=now.student, ghosts=now.ghosts, truth=now.truth,
            arrows=now.arrows, arrow_scale=now.arrow_scale, slots=np.zeros(12, int), ids=now.ids, legend=["a"],
        ))))  # fmt: skip
    (early, before), (late, after) = found
    assert [len(early.steps), len(late.steps)] == [60, 101]
    assert [one.digest for one in before[:3]] == [one.digest for one in after[:3]]
    assert early.arrow_scale != late.arrow_scale


def test_arrows_are_the_true_displacements_and_have_one_factor() -> None:
    look, now = seen(synthetic_run(3, n_steps=100, n_probe=12, settings={"record.probe_every": 1}))
    plane = triangle(look.names)
    lengths = np.hypot(now.arrows[..., 0], now.arrows[..., 1])
    assert np.nanquantile(lengths, 0.95) * now.arrow_scale == pytest.approx(STRONG_ARROW)
    at = now.steps.tolist().index(50)
    (teacher, feedback) = (look.reading(role, 50) for role in ("teacher", "feedback"))
    assert teacher is not None and feedback is not None
    wanted = plane.moves(feedback_on_simplex(teacher, feedback, look.temperature))
    np.testing.assert_allclose(now.arrows[at], wanted, rtol=1e-5, atol=1e-9)
    assert np.isnan(now.arrows[-1]).all()  # the last reading of a finished run is no exam


def test_the_largest_player_is_sent_in_less_than_two_megabytes() -> None:
    random = np.random.default_rng(3)
    largest = frames(200, 500, arrows=random.normal(size=(200, 500, 2)), truth=random.random((500, 2)), legend=["a"] * 500)
    assert message_bytes(largest) < MOST_BYTES
    assert max(one.size_bytes for one in parcels_of(largest)) < MOST_BYTES / 8
    assert len(parcels_of(largest)) == 1 + 200 // FRAMES_PER_PARCEL


def test_the_largest_raster_is_small() -> None:
    values = np.zeros((500, 400), dtype=np.uint8)
    found = raster_parcel(values, rows=np.arange(500), row_words=["x" * 90] * 500, columns=np.arange(400))
    assert found.size_bytes < 350_000


@pytest.mark.parametrize(
    "changed",
    [
        {"teacher": np.zeros((30, 3, 2))},
        {"student": np.zeros((29, 4, 2))},
        {"student": np.full((30, 4, 2), 1.5)},
        {"teacher": np.full((30, 4, 2), np.inf)},
        {"ghosts": np.zeros((4, 3))},
        {"truth": np.zeros((5, 2))},
        {"arrows": np.zeros((30, 4))},
        {"arrows": np.full((30, 4, 2), np.inf)},
        {"arrow_scale": 0.0},
        {"arrow_scale": -1.0},
        {"arrow_scale": np.inf},
        {"arrow_scale": np.nan},
        {"slots": [0, 1, 2, 3]},
        {"slots": [0, 1]},
        {"ids": [1, 1, 2, 3]},
        {"steps": np.zeros(30)},
        {"steps": []},
        {"corners": CORNERS[:1]},
        {"corners": [("a", 0.0, 0.0), ("b", 2.0, 0.0)]},
    ],
    ids=lambda one: next(iter(one)),
)
def test_frames_that_do_not_fit_together_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        frames(**changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"values": np.zeros((2, 3))},
        {"values": np.zeros(3, dtype=np.uint8)},
        {"values": np.zeros((2, 0), dtype=np.uint8)},
        {"values": np.zeros((501, 3), dtype=np.uint8)},
        {"rows": [1]},
        {"rows": [1, 1]},
        {"row_words": ["one"]},
        {"columns": [0, 1]},
        {"columns": [0, 2, 1]},
    ],
    ids=lambda one: next(iter(one)),
)
def test_rasters_that_do_not_fit_together_are_refused(changed: dict[str, Any]) -> None:
    values: dict[str, Any] = {"values": np.full((2, 3), NOTHING, dtype=np.uint8), "rows": [1, 2], "row_words": ["a", "b"],
                              "columns": [0, 5, 10], **changed}  # fmt: skip
    with pytest.raises(ValueError, match="must"):
        raster_parcel(values.pop("values"), **values)


@pytest.mark.parametrize("value", [True, None, "3", 3.0, 4, {"a": 1}, [3]])
def test_only_what_can_be_asked_for_is_heard_from_a_browser(value: object) -> None:
    assert asked_number(value, [0, 1, 3]) is None
    assert asked_number(3, [0, 1, 3]) == 3


def test_bytes_are_little_end_first() -> None:
    assert base64.b64decode(as_text(np.array([258], dtype=np.uint16))) == b"\x02\x01"
    assert base64.b64decode(as_text(np.array([258], dtype=">u2"))) == b"\x02\x01"


@pytest.mark.parametrize("palette", [CIVIDIS, BLUE_ORANGE], ids=["sequential", "diverging"])
def test_palettes_are_ordered_in_lightness(palette: tuple[str, ...]) -> None:
    """Guards reading them in grey: one way, or up to the middle and down again, without a step back."""
    light = [sum(w * (int(one[k : k + 2], 16) / 255) ** 2.2 for k, w in ((1, 0.2126), (3, 0.7152), (5, 0.0722))) for one in palette]
    middle = light.index(max(light))
    assert (np.diff(light[: middle + 1]) > 0).all()
    assert (np.diff(light[middle:]) < 0).all()
    assert middle in (len(palette) - 1, len(palette) // 2)


@pytest.mark.parametrize("path", sorted(ASSETS.glob("*.js")), ids=lambda path: path.name)
def test_scripts_fetch_nothing_and_write_no_markup(path: Path) -> None:
    text = path.read_text("utf-8")
    refused = ("innerHTML", "outerHTML", "insertAdjacentHTML", "fetch(", "http:", "https:", "import(", "eval(")
    assert not [one for one in refused if one in text]
    assert len(text.splitlines()) <= 300
