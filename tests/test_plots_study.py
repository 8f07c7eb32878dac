"""The figures of a study: what they draw is what the table says, method by method."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ikd.plots.compare import frontier_table
from ikd.plots.study import LINE_PIXELS, beside_each_other, cost_chart, cost_ticks, forest_chart, forest_table
from ikd.plots.theme import CLASS_COLOURS
from ikd.ui.html_file import html_figure

METHODS = ["KD", "KD, equal compute", "exam"]


def gains() -> pd.DataFrame:
    rows = [("reviews", "exam", "exam: +0.05", "equal steps", 0.05, 0.03, 0.07), ("reviews", "exam", "exam against it", "equal compute",
             0.02, -0.01, 0.05), ("irony", "exam", "exam: none yet", "equal steps", np.nan, np.nan, np.nan)]  # fmt: skip
    return pd.DataFrame(rows, columns=["task", "method", "label", "at", "gain", "low", "high"])


def drawn(table: pd.DataFrame, **changes: Any) -> dict[str, Any]:
    options = {"methods": METHODS, "slots": [0, 1, 2], "n_lines": len(table), "x_title": "gain in nll, nats", "than": "KD", **changes}
    tree: dict[str, Any] = forest_chart(table, **options).to_dict()
    return tree


def test_the_lines_of_the_forest_are_the_rows_of_the_table_under_their_tasks() -> None:
    table = forest_table(gains())
    assert table["kind"].tolist() == ["task", "gain", "gain", "task", "gain"] and table["place"].tolist() == [0, 1, 2, 3, 4]
    own = table[table["kind"] == "gain"].reset_index(drop=True)
    pd.testing.assert_frame_equal(own[gains().columns.tolist()], gains())
    heads = table[table["kind"] == "task"]
    assert heads["label"].tolist() == ["reviews", "irony"] and heads[["gain", "low", "high"]].isna().all(axis=None)
    assert forest_table(gains().iloc[:0]).empty


def test_the_forest_draws_gain_and_interval_with_a_line_at_zero_and_says_which_side_is_better() -> None:
    layers = drawn(forest_table(gains()))["layer"]
    guides, zero, ground, rule, point, words, heads, worse, better = layers
    assert zero["encoding"]["x"]["datum"] == 0 and zero["transform"] == [{"filter": "datum.kind === 'gain'"}]
    letters = words["mark"]["dy"]
    assert letters + 7 < zero["mark"]["yOffset"] < 0 < zero["mark"]["y2Offset"] < LINE_PIXELS + letters - 7, "it runs through no word"
    assert (rule["encoding"]["x"]["field"], rule["encoding"]["x2"]["field"]) == ("low", "high")
    assert point["encoding"]["x"]["field"] == "gain" and point["encoding"]["x"]["scale"]["zero"]
    assert {one["encoding"]["y"]["field"] for one in (guides, ground, rule, point, words, heads)} == {"place"}
    assert ground["encoding"] == words["encoding"] and ground["mark"]["dy"] == words["mark"]["dy"], "the ground lies under its words"
    first, last = point["encoding"]["y"]["scale"]["domain"]
    assert first > 4 and last < 0, "the first line stands above the last one, and all have room"
    assert worse["mark"]["text"] == "← worse than KD" and better["mark"]["text"] == "better than KD →"
    assert (worse["mark"]["align"], better["mark"]["align"]) == ("left", "right")
    assert "equal compute" in str(rule["encoding"]["strokeDash"])


def test_a_long_name_does_not_meet_the_other_direction() -> None:
    layers = drawn(forest_table(gains()), than="x" * 30)["layer"]
    assert layers[-1]["mark"]["text"] == "better →" and layers[-2]["mark"]["text"] == "← worse"


def test_a_forest_is_higher_for_more_lines() -> None:
    few, many = drawn(forest_table(gains())), drawn(forest_table(pd.concat([gains(), gains().assign(task="third")])))
    assert many["height"] > few["height"] > 100


@pytest.mark.parametrize("n_methods", [3, 16])
def test_every_method_has_a_look_of_its_own_which_stays(n_methods: int) -> None:
    methods = [f"m{number}" for number in range(n_methods)]
    encoding = drawn(forest_table(gains()), methods=methods, slots=list(range(n_methods)))["layer"][4]["encoding"]
    assert encoding["color"]["scale"]["domain"] == methods == encoding["shape"]["scale"]["domain"]
    looks = list(zip(encoding["color"]["scale"]["range"], encoding["shape"]["scale"]["range"], strict=True))
    assert len(set(looks)) == n_methods and looks[2][0] == CLASS_COLOURS[2]


def test_costs_are_drawn_on_a_logarithmic_axis_with_the_line_that_no_method_beats() -> None:
    points = pd.DataFrame({"method": METHODS, "cost": [10.0, 40.0, 40.0], "value": [0.60, 0.61, 0.55], "low": [0.58, 0.6, 0.5],
                           "high": [0.62, 0.62, 0.6]})  # fmt: skip
    table = frontier_table(points, larger_is_better=False)
    assert dict(zip(table["method"], table["frontier"], strict=True)) == {"KD": True, "KD, equal compute": False, "exam": True}
    tree = cost_chart(table, methods=METHODS, slots=[0, 1, 2], x_title="GFLOPs", title="nll").to_dict()
    front, rule, point = tree["layer"]
    assert front["transform"] == [{"filter": "datum.frontier"}]
    assert point["encoding"]["x"]["scale"]["type"] == "log" and point["encoding"]["x"]["field"] == "cost"
    assert (rule["encoding"]["y"]["field"], rule["encoding"]["y2"]["field"], point["encoding"]["y"]["field"]) == ("low", "high", "value")


@pytest.mark.parametrize("most", [0.02, 60.0, 4_000.0])
def test_the_numbers_on_the_axes_are_plain(most: float) -> None:
    table = forest_table(gains().assign(gain=most / 2, low=-most, high=most))
    chart = forest_chart(pd.DataFrame(), methods=METHODS, slots=[0, 1, 2], n_lines=len(table), x_title="gain")
    numbers = re.findall(r">([\d.,e+−-]+)</text>", html_figure(chart, table))
    assert len(numbers) >= 3 and not [one for one in numbers if "e" in one] and {"0", "0.00", "0.0", "0.000"} & set(numbers)
    costs = [22.9443328 * most, 31.0 * most, 30.0 * most]
    points = pd.DataFrame({"method": METHODS, "cost": costs, "value": [0.6, 0.7, 0.8], "low": 0.5, "high": 0.9})
    points = frontier_table(points, larger_is_better=False).assign(moved=0.0)
    ticks = cost_ticks(costs)
    drawing = cost_chart(pd.DataFrame(), methods=METHODS, slots=[0, 1, 2], x_title="GFLOPs", title="nll", ticks=ticks)
    numbers = re.findall(r">([\d.,e+k-]+)</text>", html_figure(drawing, points))
    assert numbers and all(len(one) <= 6 and "e" not in one for one in numbers)


@pytest.mark.parametrize("costs", [[1.9, 9.2], [10.0, 40.0, 40.0], [3.0, 5e6], [22.9, 24.1], [7.0], [0.0012, 0.0019]])
def test_the_ticks_of_a_cost_lie_among_the_costs_and_are_few_and_round(costs: list[float]) -> None:
    ticks = cost_ticks(costs)
    assert 1 <= len(ticks) <= 7 and all(float(f"{tick:.2g}") == tick for tick in ticks)
    assert all(min(costs) <= tick <= max(costs) for tick in ticks) and ticks == sorted(set(ticks))


def test_marks_at_the_same_cost_stand_beside_each_other_and_the_others_where_they_are() -> None:
    assert beside_each_other([40.0, 10.0, 40.1]) == [-7.0, 0.0, 7.0]
    assert beside_each_other([5.0, 5.0, 5.0]) == [-14.0, 0.0, 14.0] and beside_each_other([]) == []
