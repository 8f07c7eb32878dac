"""The soft targets page: every view for few and many classes, one example and one step in all of them, wrong addresses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from ikd.trace.digest import Digest
from ikd.trace.export import export_parquet
from ikd.trace.folder import RunFolder
from ikd.trace.measures import course_cells, softmax
from ikd.trace.reader import TraceReader
from ikd.trace.store import list_recorded
from ikd.ui.shell import OWN_FAULT
from ikd.ui.tail import Tail
from ikd.ui.targets import heat, places
from ikd.ui.targets.table import kept_rows, sorted_rows
from ikd.ui.targets.words import VIEWS
from tests.conftest import REPOSITORY
from tests.synthetic import HOSTILE, synthetic_run

SECONDS = 180


def opened(folder: RunFolder | str, **address: str) -> AppTest:
    """Return the page of a run, drawn once."""
    app = AppTest.from_file(str(REPOSITORY / "pages" / "targets.py"), default_timeout=SECONDS)
    app.query_params["run"] = folder if isinstance(folder, str) else folder.id
    for name, value in address.items():
        app.query_params[name] = value
    return app.run()


def words(app: AppTest) -> str:
    """Return everything the page says."""
    kinds = (app.caption, app.markdown, app.header, app.subheader, app.text, app.warning, app.error, app.info)
    return "\n".join(str(one.value) for kind in kinds for one in kind)


def clean(app: AppTest) -> AppTest:
    """Return the page, which must show no fault of the lab."""
    assert not app.exception
    assert OWN_FAULT not in words(app)
    assert not app.error
    return app


def parameter(app: AppTest, name: str) -> str | None:
    value: Any = app.query_params.get(name)
    return value[0] if isinstance(value, list) else value


@pytest.mark.parametrize("n_classes", [2, 3, 20])
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_of_few_and_many_classes(n_classes: int, view: str) -> None:
    app = clean(opened(synthetic_run(n_classes), view=view, ex="3", step="20", t="1"))
    assert "Example 3" in words(app) and "pinned at step 20" in words(app) and "temperature 1" in words(app)
    assert not app.warning


@pytest.mark.parametrize("state", ["queued", "running", "paused", "stopped", "interrupted", "failed", "lost", "finished"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_state_of_a_run(state: str, view: str) -> None:
    app = clean(opened(synthetic_run(3, state=state, stop_before=31), view=view))
    assert "following, step 30" in words(app)


def test_the_recorded_runs_open_as_they_are() -> None:
    for folder in list_recorded():
        for view in VIEWS:
            clean(opened(folder.id, view=view))


def test_a_run_without_readings_says_so() -> None:
    assert "no soft targets to show" in words(clean(opened(synthetic_run(3, state="stopped", stop_before=0))))


def test_a_selection_is_made_once_and_stays() -> None:
    app = opened(synthetic_run(3))
    first = parameter(app, "ex")
    assert first is not None and f"Example {first}" in words(app)
    assert parameter(clean(app.run()), "ex") == first


def test_steps_and_examples_walk_by_buttons() -> None:
    folder = synthetic_run(3)
    steps = TraceReader(folder).reading_steps().tolist()
    app = opened(folder, ex="3")
    app.button(key="reading-before").click().run()
    assert parameter(app, "step") == str(steps[-2]) and f"pinned at step {steps[-2]}" in words(clean(app))
    app.button(key="reading-after").click().run()
    assert f"pinned at step {steps[-1]}" in words(app), "the newest step is pinned too, until a person follows again"
    app.button(key="jump-latest").click().run()
    assert parameter(app, "step") is None and "following" in words(app)
    app.selectbox(key="example-order").set_value("number").run()
    app.button(key="example-after").click().run()
    assert parameter(app, "ex") == "4"
    app.button(key="example-before").click().run()
    assert parameter(clean(app), "ex") == "3"


def test_a_typed_step_and_example_are_taken() -> None:
    app = opened(synthetic_run(3), ex="3")
    field = next(one for one in app.number_input if one.label == "Step")
    field.set_value(23).run()
    assert parameter(app, "step") == "23" and "pinned at step 20" in words(app), "the reading before it is shown"
    next(one for one in app.number_input if one.label == "Example").set_value(7).run()
    assert parameter(app, "ex") == "7" and "Example 7" in words(clean(app))


@pytest.mark.parametrize(
    ("address", "said"),
    [({"ex": "4000"}, "4000"), ({"ex": "-1"}, "-1"), ({"ex": "<b>x</b>"}, "0 to 39"), ({"step": "99999"}, "99999"),
     ({"step": "x"}, "0 to 60"), ({"view": "ribon"}, "ribbons"), ({"t": "7"}, "training")],
)  # fmt: skip
def test_wrong_addresses_get_a_sentence(address: dict[str, str], said: str) -> None:
    app = clean(opened(synthetic_run(3), **address))
    assert any(said in one.value.replace("\\", "") for one in app.warning)


def test_no_run_and_an_unknown_run() -> None:
    app = AppTest.from_file(str(REPOSITORY / "pages" / "targets.py"), default_timeout=SECONDS).run()
    assert "Which run?" in words(app)
    assert opened("20200101-000000-nothing").warning


def test_hostile_texts_are_shown_as_text() -> None:
    app = clean(opened(synthetic_run(3, texts=HOSTILE), ex="0", view="table"))
    assert any("<script>" in one.value for one in app.text)
    assert not any("<script>" in one.value for one in app.markdown)


def test_the_table_sorts_and_filters_on_the_server(tmp_path: Path) -> None:
    app = clean(opened(synthetic_run(3), view="table", step="40"))
    shown = app.dataframe[0].value
    assert shown["drift"].tolist() == sorted(shown["drift"].tolist(), reverse=True)
    app.selectbox(key="table-order").set_value("gain").run()
    gains = clean(app).dataframe[0].value["gain"].tolist()
    assert gains == sorted(gains, reverse=True)
    app.text_input(key="table-text").set_value("TABLE 7 ").run()
    assert app.dataframe[0].value["example"].tolist() == [7]


def test_the_tables_numbers_are_those_of_the_export(tmp_path: Path) -> None:
    folder = synthetic_run(3)
    shown = opened(folder, view="table", step="40").dataframe[0].value.set_index("example").sort_index()
    export_parquet(folder, tmp_path)
    probe = pd.read_parquet(tmp_path / "probe.parquet").sort_values("example")
    t = float(TraceReader(folder).meta()["temperature"])
    at, start, exam = (probe[probe["step"] == step].reset_index(drop=True) for step in (40, 0, 10))
    rows = np.arange(len(at))
    p, p0, q, q0 = (softmax(np.stack(frame[role]), t)[rows, at["label"]] for frame, role in (
        (at, "teacher_logits"), (start, "teacher_logits"), (at, "student_logits"), (exam, "student_logits")))
    for name, wanted in (("teacher", p), ("frozen", p0), ("student", q), ("gain", q - q0)):
        np.testing.assert_allclose(shown[name], wanted, atol=1e-6, err_msg=name)
    soft, frozen = (softmax(np.stack(frame["teacher_logits"]), t) for frame in (at, start))
    np.testing.assert_allclose(shown["drift"], (soft * np.log(soft / frozen)).sum(-1), atol=1e-6)
    np.testing.assert_allclose(shown["feedback"], np.linalg.norm(np.stack(at["feedback"]), axis=-1), rtol=1e-5)


def test_a_live_table_stands_until_it_is_refreshed() -> None:
    folder = synthetic_run(3, state="running", stop_before=31)
    app = clean(opened(folder, view="table"))
    assert "as they stood at step 30" in words(app) and not [one for one in app.button if one.key == "table-refresh"]
    later = synthetic_run(3, state="running", stop_before=51)
    (folder.path / "trace.sqlite").write_bytes((later.path / "trace.sqlite").read_bytes())
    folder.write_state(replace(folder.state(), step=50))
    app.run()
    assert "as they stood at step 30" in words(app) and "following, step 50" in words(app)
    app.button(key="table-refresh").click().run()
    assert "as they stood at step 50" in words(clean(app))


def test_rows_are_kept_and_sorted() -> None:
    frame = pd.DataFrame({"example": [0, 1, 2], "text": ["a (b", "B", "c"], "text_pair": [None, None, "the second (B"],
                          "label": ["x", "y", "x"], "flips": [0, 2, 1],
                          "teacher_wrong": [True, False, False], "student_wrong": [False, False, True],
                          "first_flip": [np.nan, 20, 10], "influence": [0.1, -0.5, np.nan]})  # fmt: skip
    assert kept_rows(frame, text="(B", labels=[], flags=[])["example"].tolist() == [0, 2]
    assert kept_rows(frame, text="", labels=["x"], flags=["flipped"])["example"].tolist() == [2]
    assert kept_rows(frame, text=" ", labels=[], flags=["student_wrong"])["example"].tolist() == [2]
    assert kept_rows(frame, text="", labels=[], flags=["influential"])["example"].tolist() == [1]
    assert sorted_rows(frame, "helpful")["example"].tolist() == [1, 0, 2]
    assert sorted_rows(frame, "influence")["example"].tolist() == [0, 1, 2]
    assert sorted_rows(frame, "first_flip")["example"].tolist() == [2, 1, 0]
    assert sorted_rows(frame, "flips")["example"].tolist() == [1, 2, 0]


def test_the_rasters_levels_are_the_values() -> None:
    levels = heat.raster(np.array([[0.0, 0.5, 1.0, np.nan, 2.0]], np.float32), 0.0, 1.0)
    assert levels.tolist() == [[0, 127, 254, 255, 254]]


@pytest.mark.parametrize("measure", heat.MEASURES)
def test_the_heat_maps_limits_hold_every_value(measure: str) -> None:
    digest = Digest(TraceReader(synthetic_run(3)))
    assert digest.update()
    low, high = heat.limits(digest, measure, "training", 3)
    values = digest.measure(measure, "training")
    assert (values >= low).all() and (values <= high * (1 + 1e-6)).all() and high > low


def test_places_are_linear_and_corners_are_the_classes() -> None:
    one_hot = np.eye(3)
    triangle = places.triangle(["a", "b", "c"])
    np.testing.assert_allclose(triangle.places(one_hot), triangle.corners)
    np.testing.assert_allclose(triangle.places([[0.5, 0.5, 0.0]]), [[0.5, 0.0]])
    square = places.square([str(one) for one in range(6)], [4, 0, 2], rest="others")
    assert square.names == ("4", "0", "2", "others")
    np.testing.assert_allclose(square.places([[0.1, 0.2, 0.3, 0.0, 0.4, 0.0]]), [[0.1 + 0.3, 0.3 + 0.2]])
    strip = places.strip(["no", "yes"])
    assert strip.places([[0.3, 0.7], [0.9, 0.1]])[:, 0].tolist() == pytest.approx([0.7, 0.1])
    circle = places.circle(["a", "b", "c", "d"])
    np.testing.assert_allclose(circle.places(np.full((1, 4), 0.25)), [[0.5, 0.5]], atol=1e-12)
    np.testing.assert_allclose(circle.moves([[0.0, 0.0, 0.0, 0.0]]), [[0.0, 0.0]])


def test_a_course_raster_sums_influences_and_averages_what_was_asked_bin_by_bin() -> None:
    sizes = pd.DataFrame({"step": [0, 1, 1, 4, 9, 9], "example": [7, 7, 3, 7, 3, 5], "asked": [2.0, 4.0, 1.0, 8.0, np.nan, 6.0],
                          "influence": [-1.0, 0.25, 3.0, 2.0, np.nan, 9.0]})  # fmt: skip
    ids, ends = np.array([7, 3]), np.array([1, 4, 8])
    nan = np.nan
    np.testing.assert_array_equal(course_cells(sizes, ids, ends, "influence"), [[-0.75, 2.0, nan], [3.0, nan, nan]])
    np.testing.assert_array_equal(course_cells(sizes, ids, ends, "asked"), [[3.0, 8.0, nan], [1.0, nan, nan]])
    late = sizes.assign(influence=1.0)
    assert course_cells(late, ids, ends, "influence")[1, 2] == 1.0, "a step after the last bin's end counts for it"


def test_a_step_still_to_come_pins_the_newest_reading_and_stays_there() -> None:
    folder = synthetic_run(3, state="running", stop_before=31)
    app = clean(opened(folder, step="55"))
    assert parameter(app, "step") == "30" and "pinned at step 30" in words(app)
    assert any("not there yet" in one.value for one in app.warning)
    later = synthetic_run(3, state="running", stop_before=51)
    (folder.path / "trace.sqlite").write_bytes((later.path / "trace.sqlite").read_bytes())
    folder.write_state(replace(folder.state(), step=50))
    app.run()
    assert parameter(app, "step") == "30" and "pinned at step 30" in words(clean(app))
    app.button(key="jump-latest").click().run()
    assert "following, step 50" in words(app) and not app.warning


def test_the_search_finds_the_end_of_a_long_text_and_the_second_of_a_pair() -> None:
    app = clean(opened(synthetic_run(3, texts=["x " * 200 + "needle", "short"]), view="table"))
    app.text_input(key="table-text").set_value("NEEDLE").run()
    assert clean(app).dataframe[0].value["example"].tolist() == [0]
    assert len(app.dataframe[0].value["text"].iloc[0]) <= 90, "what is shown is short"


def test_the_course_log_says_what_a_search_did_not_find() -> None:
    app = clean(opened(synthetic_run(3), view="course"))
    app.text_input(key="course-text").set_value("no such words").run()
    assert "holds this text" in words(clean(app))


def test_the_canvases_say_the_numbers_of_the_cursors_step() -> None:
    """The words for screen readers are of the very step they name, in the middle of a bin too."""
    folder = synthetic_run(3, n_steps=1000)
    app = clean(opened(folder, ex="3", step="505"))
    reader = TraceReader(folder)
    label = int(reader.examples("probe")["label"].iloc[3])
    p, q, start = (softmax(reader.readings_at(role, [step])[1][0, 3], 2.0)[label]
                   for role, step in (("teacher", 505), ("student", 505), ("teacher", 0)))  # fmt: skip
    said = [str(one.proto) for one in app.get("bidi_component")]
    assert any(f"gives it {start:.2f} at step 0 and {p:.2f} at step 505, the student {q:.2f}" in one for one in said)
    assert any(f"example 3 has {p:.3f}" in one for one in said)


def test_visitors_of_a_run_that_has_ended_share_its_condensed_readings_and_no_other_does() -> None:
    ended, other = synthetic_run(3), synthetic_run(3, state="running", stop_before=31)
    first, second = Tail(ended), Tail(ended)
    assert first.started() and first.digest() is second.digest() is not None
    assert first.frames(("plane", 1)) is second.frames(("plane", 1)) is not first.frames(("plane", 2))
    assert Tail(other).digest() is not Tail(other).digest(), "a run at work is read by each visitor"
    shared = first.digest()
    (ended.path / "trace.sqlite").write_bytes((other.path / "trace.sqlite").read_bytes())
    replaced = Tail(ended).digest()
    assert replaced is not shared and replaced is not None and int(replaced.steps[-1]) == 30, "another trace in its place"
