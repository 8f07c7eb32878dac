"""The reliability diagram and the recall of classes: tables in, charts out."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ikd.metrics.calibration import reliability
from ikd.plots.recall import recall_chart, recall_table
from ikd.plots.reliability import COLUMNS, counts_chart, reliability_chart, reliability_table
from ikd.plots.theme import ROLE_SHAPES, ROLES


def bins() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    parts = []
    for role, scale in (("teacher", 3.0), ("student", 0.5)):
        found = reliability(scale * draw.normal(size=(90, 3)), draw.integers(0, 3, 90), 10)
        parts.append(pd.DataFrame({"role": role, "low": found.low, "high": found.high, "count": found.count,
                                   "confidence": found.confidence, "accuracy": found.accuracy}))
    return pd.concat(parts, ignore_index=True)


def test_each_bin_with_examples_is_a_point_and_a_bar() -> None:
    given = bins()
    table = reliability_table(given)
    assert list(table.columns) == COLUMNS
    full = given[given["count"] > 0].reset_index(drop=True)
    assert 0 < len(full) < len(given)
    points, bars = (table[table["kind"] == kind].reset_index(drop=True) for kind in ("point", "bar"))
    assert points["x"].tolist() == full["confidence"].tolist() and points["y"].tolist() == full["accuracy"].tolist()
    assert points["count"].tolist() == bars["y"].tolist() == full["count"].tolist() and points["who"].tolist() == full["role"].tolist()
    assert ((bars["x"] >= full["low"] - 1e-12) & (bars["until"] <= full["high"] + 1e-12)).all(), "inside its bin"
    teacher, student = (bars[bars["who"] == role].set_index("name") for role in ("teacher", "student"))
    both = teacher.index.intersection(student.index)
    assert len(both) and (teacher.loc[both, "until"] <= student.loc[both, "x"] + 1e-12).all(), "side by side"
    assert table.loc[table["kind"] == "diagonal", ["x", "y"]].to_numpy().tolist() == [[0, 0], [1, 1]]


def test_models_are_told_apart_by_shape_and_dash_as_well_as_colour() -> None:
    diagram, counts = (make(reliability_table(bins())).to_dict()["layer"] for make in (reliability_chart, counts_chart))
    point = next(one for one in diagram if one["mark"]["type"] == "point")["encoding"]
    assert point["shape"]["scale"] == {"domain": ["teacher", "student"], "range": list(ROLE_SHAPES.values())}
    assert point["color"]["scale"]["range"] == [ROLES["teacher"][0], ROLES["student"][0]]
    assert [point[axis]["scale"]["domain"] for axis in ("x", "y")] == [[0, 1], [0, 1]]
    assert "count" in [one["field"] for one in point["tooltip"]] and counts[0]["encoding"]["y"]["title"] == "examples"


@pytest.mark.parametrize("make", [reliability_chart, counts_chart, lambda table: recall_chart(table, n_rows=2)])
def test_a_specification_is_the_same_whatever_the_data(make: Any) -> None:
    def specification(table: pd.DataFrame) -> str:
        tree = make(table).to_dict()
        tree.pop("data", None), tree.pop("datasets", None)
        return re.sub("(view|data)_?-?[0-9a-f]+", "", json.dumps(tree))

    full = classes() if "recall" in json.dumps(make(pd.DataFrame()).to_dict()) else reliability_table(bins())
    assert specification(full) == specification(pd.DataFrame())


def classes() -> pd.DataFrame:
    values = {"teacher": [[0.9, 0.8, 1.0], [0.2, 0.1, 0.3]], "student": [[0.5, 0.4, 0.6], [0.3, 0.2, 0.4]]}
    return recall_table(["a " * 40, "b"], [1200, 7], values)


def test_each_class_has_its_count_and_both_models() -> None:
    table = classes()
    assert table["row"].tolist() == ["a a a a a a a a a a a a… (1,200)", "b (7)"] * 2
    assert table["who"].tolist() == ["teacher"] * 2 + ["student"] * 2 and table["value"].tolist() == [0.9, 0.2, 0.5, 0.3]
    assert table["low"].tolist() == [0.8, 0.1, 0.4, 0.2] and table["order"].tolist() == [0, 1, 0, 1]
    same = recall_table(["long name that ends otherwise: x", "long name that ends otherwise: y"], [3, 3], {"student": np.zeros((2, 3))})
    assert same["row"].nunique() == 2
    tree = recall_chart(table, n_rows=2).to_dict()
    assert tree["layer"][1]["encoding"]["x"]["scale"]["domain"] == [0, 1] and tree["layer"][0]["encoding"]["yOffset"]["field"] == "who"
    assert len(recall_table([], [], {})) == 0
