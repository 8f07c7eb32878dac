"""Runs held against each other: every number against a recount by hand or another library."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from sklearn.metrics import accuracy_score, f1_score

from ikd.config import PlannedChange, build_config
from ikd.plots.compare import curve_chart, curve_table, frontier_chart, frontier_table
from ikd.trace.comparing import (
    along,
    differences_in_words,
    gap_words,
    mcnemar,
    paired_scores,
    same_texts,
    settings_that_differ,
    wins_and_losses,
)
from ikd.trace.final import Final
from ikd.trace.reader import TraceReader
from tests.test_runs import finished


def final(seed: int, n: int = 300, classes: int = 3, *, sure: float = 1.0) -> Final:
    draw = np.random.default_rng(seed)
    labels = np.random.default_rng(0).integers(0, classes, n)
    logits = draw.normal(size=(n, classes)) + sure * np.eye(classes)[labels]
    return Final(labels=labels, truth=None, logits={"student": logits.astype(np.float32), "teacher": logits.astype(np.float32)})


def test_only_settings_that_differ_are_listed_in_words() -> None:
    configs = {"a": build_config({"policy.name": "exam", "label": "one"}), "b": build_config({"policy.name": "fixed", "label": "two"}),
               "c": build_config({"policy.name": "fixed", "training.max_gradient_norm": None})}  # fmt: skip
    table = settings_that_differ(configs).set_index("setting")
    assert sorted(table.index) == ["policy.name", "training.max_gradient_norm"]
    assert table.loc["policy.name", ["a", "b", "c"]].tolist() == ["exam", "fixed", "fixed"]
    assert table.loc["training.max_gradient_norm", "c"] == "empty"
    assert settings_that_differ({"a": configs["a"], "b": configs["a"]}).empty


def test_scores_and_differences_are_those_of_the_predictions() -> None:
    first, second = final(1), final(2, sure=2.0)
    table = paired_scores({"one": first, "two": second}).set_index(["score", "run"])
    guesses = {"one": first.logits["student"].argmax(1), "two": second.logits["student"].argmax(1)}
    for run, guess in guesses.items():
        assert table.loc[("accuracy", run), "value"] == pytest.approx(accuracy_score(first.labels, guess))
        assert table.loc[("macro_f1", run), "value"] == pytest.approx(f1_score(first.labels, guess, average="macro"))
    gap = table.loc[("accuracy", "two")]
    assert gap["difference"] == pytest.approx(gap["value"] - table.loc[("accuracy", "one"), "value"])
    assert gap["difference_low"] < gap["difference"] < gap["difference_high"] and gap["difference_low"] > 0
    assert np.isnan(table.loc[("accuracy", "one"), "difference"])
    same = paired_scores({"one": first, "again": first}).set_index(["score", "run"]).loc[("nll", "again")]
    assert same["difference"] == same["difference_low"] == same["difference_high"] == 0


@pytest.mark.parametrize(("value", "low", "high", "larger", "said"), [
    (0.1, 0.05, 0.2, True, "better"), (0.1, 0.05, 0.2, False, "worse"), (-0.1, -0.2, -0.05, False, "better"),
    (0.1, -0.05, 0.2, True, "no difference shown"), (0.0, 0.0, 0.0, True, "no difference shown"),
])  # fmt: skip
def test_a_difference_is_told_in_words(value: float, low: float, high: float, larger: bool, said: str) -> None:
    assert gap_words(value, low, high, larger_is_better=larger).endswith(said)


def test_won_and_lost_texts_are_counted_one_by_one() -> None:
    first, second = final(3), final(4)
    first.labels[5] = -1
    table = wins_and_losses(first, second)
    assert len(table) == 299 and 5 not in set(table["example"])
    expected = {"both right": 0, "first alone": 0, "second alone": 0, "both wrong": 0}
    for at, label in enumerate(first.labels):
        if label >= 0:
            a, b = (one.logits["student"][at].argmax() == label for one in (first, second))
            expected["both right" if a and b else "first alone" if a else "second alone" if b else "both wrong"] += 1
    assert table["outcome"].value_counts().to_dict() == expected
    gaps = (table["p_first"] - table["p_second"]).abs()
    assert gaps.is_monotonic_decreasing
    ours, theirs, p = mcnemar(table)
    assert (ours, theirs) == (expected["first alone"], expected["second alone"])
    least = min(ours, theirs)
    assert p == pytest.approx(min(1.0, 2 * binom.cdf(least, ours + theirs, 0.5)))
    first.labels[5] = 0


def test_nothing_to_tell_apart_has_p_1() -> None:
    assert mcnemar(wins_and_losses(final(1), final(1))) == (0, 0, 1.0)


def test_only_runs_with_one_mark_have_the_same_texts() -> None:
    assert same_texts(["a", "a"]) and not same_texts(["a", "b"]) and not same_texts(["", ""])


def test_the_axes_of_a_run() -> None:
    folder = finished()
    reader, config = TraceReader(folder), folder.config()
    steps = np.arange(12)
    assert along(reader, config, steps, "step").tolist() == steps.tolist()  # type: ignore[union-attr]
    epochs = along(reader, config, steps, "epoch")
    assert epochs is not None and epochs[-1] == pytest.approx(11 * 8 / 140)
    seconds = along(reader, config, steps, "seconds")
    assert seconds is not None and (np.diff(seconds) >= 0).all() and seconds[-1] > 0
    assert along(reader, None, steps, "epoch") is None


def test_the_frontier_is_what_no_other_run_beats() -> None:
    draw = np.random.default_rng(5)
    points = pd.DataFrame({"run": list("abcdefgh"), "cost": draw.integers(1, 6, 8).astype(float), "value": draw.integers(1, 5, 8) / 5,
                           "low": 0.0, "high": 1.0})  # fmt: skip
    for larger in (True, False):
        table = frontier_table(points, larger_is_better=larger).set_index("run")
        for one in points.itertuples():
            better = [other for other in points.itertuples() if other.cost <= one.cost
                      and (other.value >= one.value if larger else other.value <= one.value)
                      and (other.cost < one.cost or other.value != one.value)]  # fmt: skip
            assert table.loc[one.run, "frontier"] == (not better)


def test_each_run_has_a_colour_a_dash_and_a_shape() -> None:
    table = curve_table({"a": ([0, 1], [0.1, 0.2]), "b": ([0, 2], [0.3, 0.4])})
    assert table["run"].tolist() == ["a", "a", "b", "b"] and table["x"].tolist() == [0, 1, 0, 2]
    chart = curve_chart(table, runs=["a", "b"], slots=[2, 0], x_title="steps", title="accuracy", zoom_name="z").to_dict()
    encoding = chart["layer"][0]["encoding"]
    assert len(set(encoding["color"]["scale"]["range"])) == 2
    assert len({str(one) for one in encoding["strokeDash"]["scale"]["range"]}) == 2
    points = pd.DataFrame({"run": ["a", "b"], "cost": [1.0, 2.0], "value": [0.1, 0.2], "low": [0.0, 0.1], "high": [0.2, 0.3]})
    front = frontier_chart(frontier_table(points, larger_is_better=True), runs=["a", "b"], slots=[0, 1], x_title="x", title="y").to_dict()
    assert len(set(front["layer"][2]["encoding"]["shape"]["scale"]["range"])) == 2


def changed(step: int, path: str, value: float | str | None) -> PlannedChange:
    return PlannedChange(step=step, path=path, value=value)


def test_a_fork_differs_in_what_was_changed_at_it_alone() -> None:
    """Guards "What differs" of a fork: what its parent changed before the fork is the same in both."""
    parent = build_config({"training.steps": 100})
    early, late = changed(10, "objective.alpha", 0.3), changed(60, "training.learning_rate", 0.001)
    fork = parent.model_copy(update={"plan": (early, changed(40, "objective.temperature", 4.0))})
    table = settings_that_differ({"parent": parent, "fork": fork}, {"parent": [early]})
    assert differences_in_words(table) == ["Temperature, from step 40 on: 2 vs 4"]
    assert table["setting"].tolist() == ["objective.temperature"]
    both = settings_that_differ({"parent": parent, "fork": fork}, {"parent": [early, late], "fork": []})
    assert differences_in_words(both) == ["Temperature, from step 40 on: 2 vs 4", "Student learning rate, from step 60 on: 0.001 vs empty"]


def test_the_same_run_forked_without_a_change_differs_in_nothing() -> None:
    parent, early = build_config({}), changed(10, "objective.alpha", 0.3)
    fork = parent.model_copy(update={"plan": (early,)})
    assert settings_that_differ({"parent": parent, "fork": fork}, {"parent": [early]}).empty


def test_settings_that_move_are_told_with_their_steps() -> None:
    one = build_config({"training.steps": 100})
    other = one.model_copy(update={"plan": (changed(20, "objective.alpha", 0.3), changed(50, "objective.alpha", 0.9))})
    words = differences_in_words(settings_that_differ({"one": one, "other": other}))
    assert words == [f"Alpha, from step 20 on: {one.objective.alpha:g} vs 0.3, then 0.9 from step 50"]
    freeze = one.model_copy(update={"plan": (changed(30, "policy.teacher_freeze_at", 30),)})
    assert "empty vs 30" in differences_in_words(settings_that_differ({"one": one, "other": freeze}))[0]
    three = settings_that_differ({"a": one, "b": build_config({"policy.name": "fixed"}, one), "c": one})
    assert differences_in_words(three) == ["Teacher policy: exam vs fixed vs exam"]


def test_a_plan_that_cannot_be_carried_out_is_left_out() -> None:
    one = build_config({})
    broken = one.model_copy(update={"plan": (changed(10, "task.name", "irony"),)})
    assert settings_that_differ({"one": one, "broken": broken}).empty
