"""Curves: tables in, charts out; a specification that does not change with the data."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pandas as pd

from ikd.plots.curves import COLUMNS, drift_chart, drift_table, score_chart, score_table
from ikd.plots.theme import LOSSES, ON_DARK, ROLES, on_dark


def layers_by_kind(chart: Any) -> dict[str, dict[str, Any]]:
    tree = chart.to_dict()
    found = {}
    for layer in tree["layer"]:
        kind = next(one["filter"] for one in layer["transform"])
        found.setdefault(str(kind).split("'")[1], layer)
    return found


def score_rows() -> pd.DataFrame:
    series = {"teacher": ([0, 5, 10], [0.7, 0.7, 0.72]), "student": ([0, 5, 10], [0.3, 0.5, 0.6])}
    return score_table(series, n_steps=40, frozen=0.7, marks={"first exam": 5}, exams=[5, 10])


def test_score_table_has_every_line_the_frozen_one_along_all_steps_and_the_marks() -> None:
    rows = score_rows()
    assert list(rows.columns) == COLUMNS
    frozen = rows[rows["who"] == "frozen teacher"]
    assert frozen["step"].tolist() == [0, 40] and frozen["value"].tolist() == [0.7, 0.7]
    assert rows.loc[rows["kind"] == "rule", ["step", "name"]].values.tolist() == [[5.0, "first exam"]]
    assert rows.loc[rows["kind"] == "exam", "step"].tolist() == [5, 10]
    assert (rows["kind"] == "point").sum() == 6


def test_a_single_reading_is_a_point_because_a_line_of_one_point_is_invisible() -> None:
    rows = score_table({"student": ([0], [0.4])}, n_steps=40)
    assert rows["kind"].tolist() == ["line", "point"]


def test_scores_are_told_apart_by_dash_as_well_as_colour_and_go_from_zero_to_one() -> None:
    line = layers_by_kind(score_chart(score_rows(), window=(0, 40), title="accuracy", zoom_name="zoom_a"))["line"]
    dashes = line["encoding"]["strokeDash"]["scale"]
    assert dashes["domain"] == list(ROLES) and dashes["range"] == [[1, 0], [6, 3], [2, 3]]
    assert line["encoding"]["color"]["scale"]["domain"] == list(ROLES)
    assert line["encoding"]["y"]["scale"]["domain"] == [0, 1]
    assert line["encoding"]["x"]["scale"]["domain"] == [0, 40]


def test_the_zoom_is_a_named_interval_bound_to_the_scale_of_steps_alone() -> None:
    for chart in (score_chart(score_rows(), window=(0, 40), title="accuracy", zoom_name="zoom_a"),
                  drift_chart(drift_table(drift_bands()), window=(0, 40), zoom_name="zoom_a")):  # fmt: skip
        (zoom,) = chart.to_dict()["params"]
        assert zoom["name"] == "zoom_a" and zoom["bind"] == "scales"
        assert zoom["select"] == {"type": "interval", "encodings": ["x"]}


def test_the_specification_is_the_same_whatever_the_data() -> None:
    def specification(table: pd.DataFrame) -> str:
        tree = score_chart(table, window=(0, 40), title="loss", zoom_name="z", looks=LOSSES, unit_interval=False).to_dict()
        tree.pop("data"), tree.pop("datasets", None)
        # Altair names a view after its data.
        return re.sub("view_[0-9a-f]+", "view", json.dumps(tree))

    assert specification(score_rows()) == specification(pd.DataFrame())


def drift_bands() -> pd.DataFrame:
    columns = {"step": [0, 5], "q05": [0, 0.1], "q25": [0, 0.2], "median": [0, 0.3], "q75": [0, 0.4], "q95": [0, 0.5]}
    return pd.DataFrame(columns)


def test_drift_has_two_bands_a_median_and_an_axis_from_zero() -> None:
    rows = drift_table(drift_bands(), ceiling=0.9)
    wide, middle = (rows[(rows["kind"] == kind) & (rows["step"] == 5)].iloc[0] for kind in ("wide", "middle"))
    assert (wide["low"], wide["high"], middle["low"], middle["high"]) == (0.1, 0.5, 0.2, 0.4)
    assert rows.loc[rows["kind"] == "ceiling", "value"].tolist() == [0.9]
    layers = layers_by_kind(drift_chart(rows, window=(0, 40), zoom_name="z"))
    assert layers["wide"]["encoding"]["y"]["scale"] == {"domainMin": 0, "zero": True}
    assert layers["wide"]["encoding"]["y2"]["field"] == "high"


def test_a_drift_of_nothing_still_has_an_axis() -> None:
    rows = drift_table(drift_bands().iloc[:0])
    assert rows["kind"].tolist() == ["ceiling"] and np.isclose(rows["value"].iloc[0], 0.01)


def test_a_window_that_moves_comes_from_the_data_so_that_the_chart_is_not_built_anew() -> None:
    line = layers_by_kind(score_chart(score_rows(), window=None, title="accuracy", zoom_name="z"))["line"]
    assert "domain" not in line["encoding"]["x"]["scale"]


def test_on_a_dark_ground_the_deep_blue_and_the_ink_are_lightened() -> None:
    assert on_dark('{"color": "#0072B2", "fill": "#1B1F24"}') == '{"color": "#56B4E9", "fill": "#FFFFFF"}'
    assert all(ON_DARK[one] != one for one in ON_DARK)


def test_a_curve_that_fits_its_values_may_begin_at_zero() -> None:
    for wanted in (False, True):
        chart = score_chart(score_rows(), window=None, title="reliance", zoom_name="zoom_a", unit_interval=False, from_zero=wanted)
        assert layers_by_kind(chart)["line"]["encoding"]["y"]["scale"] == {"zero": wanted, "nice": True}
