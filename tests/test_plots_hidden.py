"""Feedback at hidden states as figures: names told apart, every layer against its own strongest, bars that never overlap."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ikd.plots.hidden_feedback import layer_word, layer_words, layers_chart, layers_table, strip_chart, strip_table
from ikd.plots.ribbons import frame_rows

NAMES = ["hidden state 0 of the student, 0 of the teacher", "attention 2 of the student, 4 of the teacher"]


def test_names_are_short_and_no_two_are_the_same() -> None:
    assert [layer_word(name) for name in NAMES] == ["hidden 0 · 0", "attention 2 · 4"]
    assert layer_word("another kind of thing that is long") == "another kind of thing th"
    assert layer_words([NAMES[0], NAMES[1], NAMES[0]]) == ["hidden 0 · 0 (1)", "attention 2 · 4", "hidden 0 · 0 (2)"]


def test_a_strip_is_measured_against_its_own_largest() -> None:
    norms = np.array([[1.0, 0.0], [4.0, 0.0], [2.0, 0.0]])
    table = strip_table([10, 14, 20], norms, names=NAMES, frame=frame_rows(14, {"first exam": 10}, [], reach=20))
    cells = table[table["kind"] == "cell"]
    assert cells["share"].tolist() == [0.25, 1.0, 0.5, 0.0, 0.0, 0.0] and cells["value"].tolist() == norms.T.reshape(-1).tolist()
    assert (cells["until"] - cells["since"] == 4).all() and "cursor" in set(table["kind"])
    chart = strip_chart(table, n_rows=2, window=(0, 20), zoom_name="zoom_layers").to_dict()
    cell = chart["layer"][0]["encoding"]
    assert cell["color"]["scale"]["domain"] == [0, 1] and cell["x"]["scale"]["domain"] == [0, 20]


def test_one_step_has_a_bar_and_a_number_for_each_layer() -> None:
    table = layers_table([0.5, 0.25], names=NAMES)
    assert table["value"].tolist() == [0.5, 0.25] and table["row"].tolist() == layer_words(NAMES)
    chart = layers_chart(table, n_rows=2).to_dict()
    assert [layer["mark"]["type"] for layer in chart["layer"]] == ["bar", "text"]
    assert layers_chart(pd.DataFrame(), n_rows=2).to_dict()["height"] == chart["height"]
    assert len(strip_table([5], [[1.0, 2.0]], names=NAMES)) == 2
