"""Figures of the soft targets and the example page: what their tables hold, and specifications that no data change."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pytest
from colorspacious import cspace_convert, deltaE

from ikd.plots.confusion import confusion_chart, soft_confusion_table
from ikd.plots.data_map import BINS, data_map_chart, data_map_table
from ikd.plots.feedback_bars import HARMS, HELPS, feedback_chart, feedback_table, influence_chart
from ikd.plots.gain import CLASS_SHAPES, gain_chart, gain_table
from ikd.plots.palettes import BLUE_ORANGE, CIVIDIS
from ikd.plots.ribbons import frame_rows, ribbon_table
from ikd.plots.stack import SHARES, Panel, shares_table, stack_chart, stack_table
from ikd.plots.theme import CLASS_COLOURS, LOSSES, ON_DARK, PAPER, ROLES
from ikd.plots.timeline import timeline_chart, timeline_table
from ikd.ui.figures import Shown

STEPS = np.arange(0, 50, 5)
NAMES = ["sad", "so-so", "glad"]
DRAW = np.random.default_rng(3)
BANDS = np.sort(DRAW.random((len(STEPS), 5)), axis=1)
SOFT = DRAW.dirichlet(np.ones(3), size=len(STEPS))


FRAME = frame_rows(20, {"first exam": 10, "exams end": 40}, [10, 15], reach=60, span=(10, 39, "an exam at every step"))


def ribbons() -> pd.DataFrame:
    return ribbon_table(STEPS, BANDS, cursor=20, marks={"first exam": 10, "cooling": 12}, exams=[10, 15], n_steps=60,
                        line=([5, 45], [0.2, 0.4]), line_name="example 3")  # fmt: skip


def stack() -> pd.DataFrame:
    shares = shares_table({"teacher": (STEPS, BANDS[:, 4]), "student": (STEPS, BANDS[:, 0])}, cursor=20, marks={"first exam": 10}, exams=[],
                          span=(10, 59, "an exam at every step"), n_steps=60)  # fmt: skip
    return stack_table({SHARES: shares, "entropy": ribbons()})


def data_map() -> pd.DataFrame:
    early, late = np.array([[0.1, 0.2], [0.3, 0.4], [0.0, 0.9]]), np.array([[0.2, 0.6], [0.3, 0.4], [0.1, 0.5]])
    return data_map_table(early, late, [0.0, 0.5, 1.0], [4, 7, 9], selected=9, words=["a", "b" * 200, "c"], arrows=[4, 7])


def gains() -> pd.DataFrame:
    return gain_table([0.1, 0.2], [0.3, -0.4], [0, 2], [5, 6], names=NAMES, slots=[0, 1, 2], selected=6)


def timeline() -> pd.DataFrame:
    return timeline_table(STEPS, SOFT, SOFT[::-1], SOFT[0], names=NAMES, slots=[0, 1, 2], n_steps=60, label_slot=2,
                          truth=[0.2, 0.3, 0.5], frame=FRAME)  # fmt: skip


def feedback() -> pd.DataFrame:
    pulls = np.where(np.arange(len(STEPS))[:, None] % 2, np.nan, DRAW.normal(size=(len(STEPS), 3)))
    return feedback_table(STEPS, pulls, np.where(np.isnan(pulls[:, 0]), np.nan, -0.5), names=NAMES, slots=[0, 1, 2],
                          frame=FRAME)  # fmt: skip


CHARTS: dict[str, tuple[Callable[[], pd.DataFrame], Callable[[pd.DataFrame], alt.LayerChart | alt.VConcatChart]]] = {
    "ribbons": (stack, lambda table: stack_chart(table, panels=(Panel(name="entropy", title="entropy", unit="nats", colour_of="teacher"),),
                                                 window=(0, 60), zoom_name="z", looks=ROLES)),
    "confusion": (lambda: soft_confusion_table(np.eye(3), NAMES, change=False), lambda table: confusion_chart(table, change=False)),
    "confusion, change": (lambda: soft_confusion_table(np.zeros((3, 3)), NAMES, change=True),
                          lambda table: confusion_chart(table, change=True)),
    "data map": (data_map, data_map_chart),
    "gain": (gains, lambda table: gain_chart(table, names=NAMES, slots=[0, 1, 2], reach=1.0)),
    "timeline": (timeline, lambda table: timeline_chart(table, n_steps=60, stacked=False, zoom_name="z")),
    "areas": (timeline, lambda table: timeline_chart(table, n_steps=60, stacked=True, zoom_name="z")),
    "feedback": (feedback, lambda table: feedback_chart(table, n_rows=3, window=(0, 60), zoom_name="z")),
    "influence": (feedback, lambda table: influence_chart(table, window=(0, 60), zoom_name="z")),
}  # fmt: skip


def specification(chart: alt.LayerChart | alt.VConcatChart) -> str:
    tree: dict[str, Any] = chart.to_dict()
    tree.pop("data", None), tree.pop("datasets", None)
    # Altair names a view after its data.
    return re.sub("view_[0-9a-f]+", "view", json.dumps(tree))


@pytest.mark.parametrize("name", CHARTS)
def test_the_specification_is_the_same_whatever_the_data(name: str) -> None:
    make, chart = CHARTS[name]
    assert specification(chart(make())) == specification(chart(make().iloc[:3])) == specification(chart(pd.DataFrame()))


@pytest.mark.parametrize("name", CHARTS)
def test_every_row_a_chart_is_given_can_be_drawn_and_saved(name: str) -> None:
    make, chart = CHARTS[name]
    table = make()
    svg = Shown(specification=specification(chart(pd.DataFrame())), table=table, picked=None).svg().decode("utf-8")
    assert svg.startswith("<svg") and "NaN" not in svg
    filters = re.findall(r"datum\.kind === '([a-z ]+)'", specification(chart(pd.DataFrame())))
    # One table serves two charts, and each of them draws the rows that it knows.
    drawn = set(filters) | ({"end", "word", "area word"} if name in ("timeline", "areas") else set())
    drawn |= {"row", "scale", "bar", "influence", "zero", "above", "below"} if name in ("feedback", "influence") else set()
    drawn |= {"extra", "word"}
    assert set(table["kind"]) <= drawn


def test_ribbons_hold_the_quantiles_as_they_are() -> None:
    table = ribbons()
    for kind, low, high in (("wide", 0, 4), ("middle", 1, 3)):
        rows = table[table["kind"] == kind]
        assert rows["step"].tolist() == STEPS.tolist()
        np.testing.assert_array_equal(rows[["low", "value", "high"]], BANDS[:, [low, 2, high]])
    assert table.loc[table["kind"] == "cursor", "step"].tolist() == [20]
    one = table[table["kind"] == "extra"]
    assert one[["step", "value", "name"]].to_numpy().tolist() == [[5, 0.2, "example 3"], [45, 0.4, "example 3"]]
    marks = table[table["kind"] == "rule"].set_index("name")
    assert marks["step"].to_dict() == {"first exam": 10, "cooling": 12} and marks["lane"].nunique() == 2, "their words would meet"


def test_the_stack_keeps_each_panels_rows_apart_and_zooms_all_of_them() -> None:
    table = stack()
    shares = table[(table["panel"] == SHARES) & (table["kind"] == "share")]
    assert shares.loc[shares["name"] == "student", "value"].tolist() == BANDS[:, 0].tolist()
    assert set(table.loc[table["panel"] == "entropy", "kind"]) >= {"wide", "middle", "line", "extra"}
    span = table[table["kind"] == "span"].iloc[0]
    assert (span["step"], span["high"], span["panel"]) == (10, 59, SHARES)
    tree = CHARTS["ribbons"][1](table).to_dict()
    assert tree["resolve"] == {"scale": {"x": "shared"}} and len(tree["vconcat"]) == 2
    assert [one["name"] for one in tree["params"]] == ["z"], "one zoom"
    assert tree["params"][0]["views"] == [view["layer"][0]["name"] for view in tree["vconcat"]], "for both panels"


def test_the_confusion_writes_each_cell_and_says_where_there_is_no_example() -> None:
    matrix = np.array([[0.7, 0.2, 0.1], [np.nan] * 3, [0.25, 0.25, 0.5]])
    table = soft_confusion_table(matrix, NAMES, change=False, counts=[3, 0, 1])
    cells = table[table["kind"] == "cell"]
    assert cells["text"].tolist() == ["0.70", "0.20", "0.10", "0.25", "0.25", "0.50"]
    assert table.loc[table["kind"] == "void", "row"].unique().tolist() == ["so-so\n0 examples"]
    change = soft_confusion_table([[0.1, -0.1], [0.001, -0.001]], NAMES[:2], change=True)
    assert change["text"].tolist() == ["+0.10", "−0.10", "0.00", "0.00"]


def test_the_data_map_draws_the_ways_that_are_long_enough_and_rings_one() -> None:
    table = data_map()
    arrows = table[table["kind"] == "arrow"]
    assert arrows["example"].tolist() == [4, 9], "example 7 stood still; 9 is selected"
    np.testing.assert_allclose(arrows[["x0", "y0", "x", "y"]], [[0.1, 0.2, 0.2, 0.6], [0.0, 0.9, 0.1, 0.5]])
    points = table[table["kind"] == "point"]
    assert points["bin"].tolist() == list(BINS) and points["name"].str.len().max() <= 80
    assert table.loc[table["kind"] == "ring", "name"].tolist() == ["example 9"]


def test_the_gain_chart_has_the_selected_example_and_its_zero_line() -> None:
    table = gains().set_index("kind")
    assert table.loc["ring", ["example", "x", "y", "label"]].tolist() == [6, 0.2, -0.4, "glad"]
    assert table.loc["zero", "y"] == 0.0 and table.loc["helped", "name"].startswith("▲")


def test_areas_sum_to_one_with_the_hard_label_at_the_bottom() -> None:
    table = timeline()
    taught = table[(table["kind"] == "line") & (table["who"] == "teacher")]
    assert (taught.loc[taught["name"] == "glad", "low"] == 0).all()
    np.testing.assert_allclose(taught.groupby("step")["high"].max().to_numpy(dtype=np.float64), 1.0)
    edges = taught[["low", "high", "value"]].to_numpy(dtype=np.float64)
    np.testing.assert_allclose(edges[:, 1] - edges[:, 0], edges[:, 2], atol=1e-12)
    frozen = table[(table["who"] == "frozen teacher") & (table["name"] == "sad")]
    assert frozen["step"].tolist() == [0, 60] and set(frozen["value"]) == {SOFT[0, 0]}


@pytest.mark.parametrize("name", ["timeline", "areas", "feedback", "influence"])
def test_the_exams_of_the_run_are_marked_on_the_figures_of_an_example(name: str) -> None:
    make, chart = CHARTS[name]
    table = make()
    marks = table[table["kind"] == "rule"].set_index("name")
    assert marks["step"].to_dict() == {"first exam": 10, "exams end": 40}
    assert table.loc[table["kind"] == "exam", "step"].tolist() == [10, 15]
    assert table.loc[table["kind"] == "cursor", "step"].tolist() == [20]
    assert table.loc[table["kind"] == "span", ["step", "high"]].to_numpy().tolist() == [[10, 39]]
    svg = Shown(specification=specification(chart(pd.DataFrame())), table=table, picked=None).svg().decode("utf-8")
    assert ("first exam</text>" in svg) == (name != "influence"), "its bars would stand on the words; a figure above has them"


def test_the_names_beside_a_figure_are_within_its_width_and_a_long_one_is_shortened() -> None:
    def width(names: list[str]) -> float:
        table = timeline_table(STEPS, SOFT, SOFT, SOFT[0], names=names, slots=[0, 1, 2], n_steps=60, label_slot=2)
        _, chart = CHARTS["timeline"]
        svg = Shown(specification=specification(chart(pd.DataFrame())), table=table, picked=None).svg().decode("utf-8")
        return float(re.search(r'width="([\d.]+)"', svg)[1])  # type: ignore[index]

    assert width(["a", "b", "a name of length"]) > width(["a", "b", "c"]) + 40
    assert width(["a", "b", "x" * 500]) <= width(["a", "b", "x" * 18]) + 20


@pytest.mark.parametrize("name", ["timeline", "areas", "feedback"])
def test_what_stands_beside_the_plot_is_not_clipped_by_its_zoom(name: str) -> None:
    _, chart = CHARTS[name]
    beside = [one["mark"] for one in chart(pd.DataFrame()).to_dict()["layer"] if "text" in one["encoding"] and one["mark"].get("dx")]
    assert beside and all(mark["clip"] is False for mark in beside if not isinstance(mark["dx"], dict))


def test_a_name_that_is_a_formula_or_markup_is_only_ever_text() -> None:
    evil = ["<img src=x onerror=alert(1)>", "'); drop('", "$\\frac{1}{2}$"]
    chart = gain_chart(gains(), names=evil, slots=[0, 1, 2], reach=1.0)
    table = gain_table([0.1], [0.3], [0], [5], names=evil, slots=[0, 1, 2], selected=5)
    svg = Shown(specification=specification(chart), table=table, picked=None).svg().decode("utf-8")
    assert "<img" not in svg and "&lt;img" in svg


def test_feedback_bars_share_one_scale_and_influence_is_named() -> None:
    table = feedback()
    bars = table[table["kind"] == "bar"]
    heights = (bars["high"] - bars["low"]) / bars["value"]
    assert heights.round(9).nunique() == 1 and (bars["since"] < bars["step"]).all()
    assert set(table.loc[table["kind"] == "influence", "name"]) == {HELPS} != {HARMS}
    gaps = bars[bars["name"] == "sad"].sort_values("step")
    assert (gaps["until"].to_numpy()[:-1] < gaps["since"].to_numpy()[1:]).all(), "bars never touch"
    largest = bars["value"].abs().max()
    ends = table[table["kind"] == "scale"]
    assert ends["name"].tolist() == [f"+{largest:.2g}", f"−{largest:.2g}"]
    assert ends["row"].abs().to_numpy() == pytest.approx(bars["high"].sub(bars["row"]).abs().max()), "beside the end of the largest bar"


# Seen by whoever lacks the cones for middle wavelengths (Machado 2009); distances in CAM02-UCS, where 1 is just visible.
def seen(colour: str) -> Any:
    rgb = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    return np.clip(cspace_convert(rgb, {"name": "sRGB1+CVD", "cvd_type": "deuteranomaly", "severity": 100}, "sRGB1"), 0, 1)


def apart(first: str, second: str) -> float:
    return float(deltaE(seen(first), seen(second), input_space="sRGB1"))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("looks", [ROLES, LOSSES], ids=["roles", "losses"])
def test_lines_are_told_apart_by_deuteranopes_by_colour_and_by_dash(looks: dict[str, tuple[str, list[int]]], dark: bool) -> None:
    for (first, dash), (second, other) in itertools.combinations(looks.values(), 2):
        a, b = (ON_DARK.get(one, one) if dark else one for one in (first, second))
        assert apart(a, b) > 10 and dash != other


@pytest.mark.parametrize("dark", [False, True])
def test_classes_are_told_apart_by_deuteranopes_and_each_has_a_shape_of_its_own(dark: bool) -> None:
    colours = [ON_DARK.get(one, one) if dark else one for one in CLASS_COLOURS]
    assert min(apart(a, b) for a, b in itertools.combinations(colours, 2)) > 10
    assert len(set(CLASS_SHAPES)) == len(CLASS_COLOURS)
    ground = ON_DARK[PAPER] if dark else PAPER
    assert min(apart(one, ground) for one in colours) > 15
    assert len({shape for _, shape in BINS.values()}) == len(BINS)


def test_a_sequential_scale_grows_lighter_for_every_eye_and_a_diverging_one_is_lightest_in_the_middle() -> None:
    def lightness(colour: str) -> float:
        return float(cspace_convert(seen(colour), "sRGB1", "CAM02-UCS")[0])

    assert np.all(np.diff([lightness(one) for one in CIVIDIS]) > 3)
    rising, falling = BLUE_ORANGE[: len(BLUE_ORANGE) // 2 + 1], BLUE_ORANGE[len(BLUE_ORANGE) // 2 :]
    assert np.all(np.diff([lightness(one) for one in rising]) > 0) and np.all(np.diff([lightness(one) for one in falling]) < 0)
    assert apart(BLUE_ORANGE[1], BLUE_ORANGE[-2]) > 20, "helps and harms"
