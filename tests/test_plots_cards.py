"""Figures of one example's card, for 2, 3 and 150 classes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ikd.plots.belief import (
    NAME_LENGTH,
    REST,
    arrow,
    belief_chart,
    belief_table,
    gathered,
    short_name,
    shown_classes,
    slots_of,
)
from ikd.plots.path import path_chart, path_table
from ikd.plots.simplex import CORNERS, simplex_chart, simplex_table
from ikd.plots.theme import CLASS_COLOURS, REST_SLOT


@pytest.mark.parametrize(("n_classes", "n_rows"), [(2, 2), (3, 3), (6, 6), (7, 5), (150, 5)])
def test_few_classes_are_all_shown_and_many_as_four_and_the_rest(n_classes: int, n_rows: int) -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(n_classes))
    shown = shown_classes(p, label=n_classes - 1)
    kept = gathered(p, shown)
    assert len(kept) == n_rows and np.isclose(kept.sum(), 1)
    assert n_classes - 1 in shown
    slots = slots_of(n_rows, n_classes)
    assert len(set(slots)) == n_rows and max(slots) < len(CLASS_COLOURS)
    assert (slots[-1] == REST_SLOT) == (n_rows < n_classes)


def test_the_most_probable_in_any_of_the_beliefs_are_shown_in_the_order_of_the_labels() -> None:
    teacher, student = np.full(10, 0.01), np.full(10, 0.01)
    teacher[[8, 2]], student[[5]] = 0.4, 0.9
    assert shown_classes(teacher, student, label=0).tolist() == [0, 2, 5, 8]


@pytest.mark.parametrize(("pull", "words"), [(0.5, "▲ +0.50"), (-1.0, "▼ −1.00"), (0.001, "· 0"), (float("nan"), "")])
def test_feedback_is_said_with_direction_and_size(pull: float, words: str) -> None:
    assert arrow(pull) == words


def test_beliefs_are_drawn_from_zero_to_one_with_a_mark_of_its_own_for_each_role() -> None:
    table = belief_table(["no", "yes"], [0, 1], teacher=[0.2, 0.8], frozen=[0.4, 0.6], student=[0.5, 0.5], pull=[-1, 1])
    assert table["truth"].isna().all() and table["arrow"].tolist() == ["▼ −1.00", "▲ +1.00"]
    layers = belief_chart(table).to_dict()["layer"]
    marks = [layer["mark"] for layer in layers]
    assert [one["type"] for one in marks] == ["bar", "bar", "text", "point", "text"]
    assert marks[1]["strokeDash"] and marks[3]["shape"] == "diamond" and marks[2]["text"] == "★"
    assert all(layer["encoding"]["x"]["scale"]["domain"] == [0, 1] for layer in layers[:4])
    assert layers[0]["encoding"]["y"]["axis"]["labelPadding"] > marks[2]["fontSize"] / 2, "a star at zero covers no name"


def test_a_long_name_is_shortened_where_it_would_take_the_room_of_the_figure() -> None:
    assert short_name("neutral") == "neutral" and short_name("x" * NAME_LENGTH) == "x" * NAME_LENGTH
    assert short_name("y" * 50) == "y" * (NAME_LENGTH - 1) + "…"


def test_a_path_has_a_dash_for_each_role_and_the_class_named_at_its_end() -> None:
    steps = np.array([0, 5, 10])
    p = np.array([[0.2, 0.8], [0.3, 0.7], [0.4, 0.6]])
    table = path_table({"teacher": (steps, p), "student": (steps, p[::-1])}, [0.2, 0.8], names=["no", "yes"], slots=[0, 1], n_steps=20,
                       truth=[0.5, 0.5])  # fmt: skip
    frozen = table[table["who"] == "frozen teacher"]
    assert sorted(set(frozen["step"])) == [0, 20]
    assert sorted(table.loc[table["kind"] == "word", "name"]) == ["no", "yes"]
    assert table.loc[table["kind"] == "end", "step"].tolist() == [10, 10]
    line = path_chart(table, n_steps=20).to_dict()["layer"][0]
    assert line["encoding"]["strokeDash"]["scale"]["range"] == [[1, 0], [6, 3], [2, 3]]
    assert line["encoding"]["y"]["scale"]["domain"] == [0, 1] and line["encoding"]["x"]["scale"]["domain"] == [0, 20]


def test_a_path_has_its_marks() -> None:
    p = np.array([[0.2, 0.8]])
    table = path_table({"teacher": ([0], p)}, p[0], names=["a", "b"], slots=[0, 1], n_steps=20, marks={"alpha 0.5": 7, "fork": 12})
    marks = table[table["kind"] == "mark"]
    assert dict(zip(marks["name"], marks["step"], strict=True)) == {"alpha 0.5": 7, "fork": 12}
    assert any(layer["mark"]["type"] == "rule" for layer in path_chart(table, n_steps=20).to_dict()["layer"])


def test_names_that_would_overlap_are_moved_apart() -> None:
    p = np.array([[0.98, 0.99, 1.0]])
    table = path_table({"teacher": ([0], p)}, p[0], names=["a", "b", "c"], slots=[0, 1, 2], n_steps=5)
    heights = np.sort(table.loc[table["kind"] == "word", "p"].to_numpy(dtype=float))
    assert (np.diff(heights) > 0.08).all() and heights.max() <= 1


def test_the_triangle_has_its_classes_at_the_corners_and_the_frozen_teacher_as_a_ghost() -> None:
    paths = {"teacher": np.eye(3)[[0, 1]], "student": np.full((2, 3), 1 / 3)}
    table = simplex_table(paths, names=["a", "b", "c"], frozen=[1, 0, 0], truth=[0, 0, 1], pull=[-1, 0, 1])
    path = table[(table["kind"] == "path") & (table["who"] == "teacher")]
    assert np.allclose(path[["x", "y"]].to_numpy(dtype=float), CORNERS[:2])
    ghost = table[table["kind"] == "ghost"].iloc[0]
    assert (ghost["x"], ghost["y"]) == (0, 0)
    assert table.loc[table["kind"] == "corner", "who"].tolist() == ["a", "b", "c"]
    assert np.allclose(table.loc[table["kind"] == "truth", ["x", "y"]].to_numpy(dtype=float), CORNERS[2])


def test_the_arrow_points_where_the_feedback_pulls() -> None:
    table = simplex_table({"teacher": [[1 / 3] * 3], "student": [[1 / 3] * 3]}, names=list("abc"), frozen=[1 / 3] * 3,
                          pull=[-0.5, -0.5, 1.0])  # fmt: skip
    shaft = table[table["kind"] == "shaft"]
    assert np.isclose(shaft["x"].iloc[0], shaft["x"].iloc[1]) and shaft["y"].iloc[1] > shaft["y"].iloc[0]
    assert np.isclose(table.loc[table["kind"] == "head", "angle"].iloc[0], 0)


def test_no_feedback_draws_no_arrow() -> None:
    table = simplex_table({"teacher": [[1, 0, 0]], "student": [[0, 1, 0]]}, names=list("abc"), frozen=[1, 0, 0])
    assert not {"shaft", "head"} & set(table["kind"])
    assert simplex_chart(pd.DataFrame()).to_dict()["width"] == simplex_chart(table).to_dict()["width"]


def test_the_last_row_of_many_classes_is_the_rest() -> None:
    assert REST == "all others"
