"""Scores: equal to scikit-learn and scipy on the same predictions; intervals: what resampling by hand gives, and they cover."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from scipy import special, stats
from scipy.spatial.distance import jensenshannon
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from ikd.metrics import calibration, resampling
from ikd.metrics.calibration import reliability
from ikd.metrics.predictions import predictions
from ikd.metrics.readings import reading_scores
from ikd.metrics.resampling import difference_interval, interval, intervals, resampled
from ikd.metrics.scores import METRICS, class_recall, point_values
from ikd.metrics.sums import example_rows, scores_of_sums

Case = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any] | None]


def drawn(n: int, n_classes: int, seed: int, *, truth: bool = True) -> Case:
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, n_classes, n)
    logits = (draw.normal(size=(n, n_classes)) * 2 + 2 * np.eye(n_classes)[labels]).astype(np.float32)
    return logits, labels, draw.dirichlet(np.ones(n_classes), n) if truth else None


def absent(n_classes: int = 5) -> Case:
    """Return labels of which the last class is absent, and answers among which the first one is."""
    logits, labels, truth = drawn(80, n_classes, 3)
    labels[labels == n_classes - 1] = 1
    logits[:, 0] = -9.0
    return logits, labels, truth


def one_class(answered: int) -> Case:
    logits, labels, truth = drawn(40, 3, 4)
    logits[:, answered] = 30.0
    return logits, labels, truth


def ties() -> Case:
    logits = np.zeros((12, 3), np.float32)
    logits[6:, 1:] = 1.0
    return logits, np.arange(12) % 3, np.tile([0.5, 0.5, 0.0], (12, 1))


def unlabelled() -> Case:
    logits, labels, truth = drawn(60, 4, 5)
    assert truth is not None
    labels[::3] = -1
    truth[::4], truth[1] = 0.0, np.nan
    return logits, labels, truth


CASES: dict[str, Case] = {
    "two classes": drawn(100, 2, 0), "three classes": drawn(200, 3, 1), "150 classes": drawn(300, 150, 2),
    "more classes than examples": drawn(40, 60, 7), "no truth": drawn(50, 3, 6, truth=False), "absent classes": absent(),
    "one class answered": one_class(2), "one label": (drawn(30, 3, 8)[0], np.full(30, 1), None),
    "second class never there": (drawn(30, 2, 9)[0] - [[0, 90]], np.zeros(30, np.int64), None),
    "one example": drawn(1, 3, 10), "ties": ties(), "unlabelled and unknown": unlabelled(),
    "sure beyond a float": (np.float32([[200, 0, -200], [0, 300, 0]]), np.array([1, 1]), np.float64([[0, 1, 0], [0.5, 0.5, 0]])),
}  # fmt: skip


def by_libraries(case: Case) -> dict[str, float]:
    """Return every score as scikit-learn and scipy have it."""
    logits, labels, truth = case
    there = labels >= 0
    p = np.minimum(special.softmax(logits.astype(np.float64), axis=1), 1.0)
    answers, hard, said = p.argmax(axis=1)[there], labels[there], p[there]
    n_classes = p.shape[1]
    found = {
        "accuracy": sk.accuracy_score(hard, answers), "macro_f1": sk.f1_score(hard, answers, average="macro", zero_division=0),
        "matthews": sk.matthews_corrcoef(hard, answers), "nll": -special.log_softmax(np.float64(logits), axis=1)[there, hard].mean(),
        "brier": np.mean(((said - np.eye(n_classes)[hard]) ** 2).sum(axis=1)), "ece": ece_by_hand(said, answers == hard),
    }  # fmt: skip
    if n_classes == 2:
        found["second_f1"] = sk.f1_score(hard, answers, pos_label=1, zero_division=0)
    if truth is not None:
        known = np.nan_to_num(truth).any(axis=1)
        t, q = np.nan_to_num(truth)[known], np.maximum(p[known], 1e-300)
        found["truth_kl"] = np.mean([stats.entropy(a, b) for a, b in zip(t, q, strict=True)])
        found["truth_js"] = np.mean([jensenshannon(a, b) ** 2 for a, b in zip(t, p[known], strict=True)])
    return {name: float(value) for name, value in found.items()}


def ece_by_hand(said: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> float:
    confidence = said.max(axis=1)
    total = 0.0
    for low, high in zip(np.arange(15) / 15, np.arange(1, 16) / 15, strict=True):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


def quietly(make: Any) -> Any:
    with warnings.catch_warnings():  # scikit-learn's own fears of few examples
        warnings.simplefilter("ignore", UserWarning)
        return make()


@pytest.mark.parametrize("name", CASES)
def test_every_score_equals_that_of_the_libraries(name: str) -> None:
    case = CASES[name]
    expected = quietly(lambda: by_libraries(case))
    found = point_values(*case)
    assert set(found) == set(expected)
    for score, value in found.items():
        assert value == pytest.approx(expected[score], rel=1e-9, abs=1e-12), score
        assert METRICS[score].low - 1e-12 <= value <= METRICS[score].high + 1e-12
        assert isinstance(value, float)


def test_likelihood_and_brier_score_equal_those_of_scikit_learn_where_it_cuts_nothing() -> None:
    logits, labels, _ = CASES["three classes"]
    p = special.softmax(logits.astype(np.float64), axis=1)
    found = point_values(logits, labels)
    assert found["nll"] == pytest.approx(sk.log_loss(labels, p, labels=range(3)), rel=1e-9)
    assert found["brier"] == pytest.approx(sk.brier_score_loss(labels, p, labels=range(3), scale_by_half=False), rel=1e-9)
    two, hard, _ = CASES["two classes"]
    halved = sk.brier_score_loss(hard, special.softmax(two.astype(np.float64), axis=1)[:, 1])
    assert point_values(two, hard)["brier"] == pytest.approx(2 * halved, rel=1e-9), "summed over both classes"


def test_a_model_that_agrees_with_the_truth_is_no_way_from_it_and_an_opposite_one_as_far_as_can_be() -> None:
    truth = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    same = point_values(np.log(truth), [0, 2], truth)
    assert same["truth_kl"] == pytest.approx(0, abs=1e-12) and same["truth_js"] == pytest.approx(0, abs=1e-12)
    far = point_values(np.array([[900.0, 0.0]]), [0], [[0.0, 1.0]])
    assert far["truth_js"] == pytest.approx(math.log(2)) and far["truth_kl"] == pytest.approx(900)


def test_votes_may_be_counts() -> None:
    logits, labels, truth = CASES["three classes"]
    assert truth is not None
    ours, counted = point_values(logits, labels, truth), point_values(logits, labels, truth * 10)
    assert counted == pytest.approx(ours)


def test_without_labels_only_the_truth_counts_and_without_both_nothing() -> None:
    logits, _, truth = CASES["three classes"]
    none = np.full(len(logits), -1)
    assert set(point_values(logits, none, truth)) == {"truth_kl", "truth_js"}
    assert point_values(logits, none) == {} and intervals(logits, none) == {}
    assert np.isnan(class_recall(logits, none)).all()


@pytest.mark.parametrize("name", [name for name in CASES if name != "one example"])
def test_recall_equals_that_of_scikit_learn(name: str) -> None:
    logits, labels, _ = CASES[name]
    there, n_classes = labels >= 0, logits.shape[1]
    expected = quietly(lambda: sk.recall_score(labels[there], logits[there].argmax(axis=1), labels=np.arange(n_classes), average=None,
                                               zero_division=0))  # fmt: skip
    found = class_recall(logits, labels)
    empty = np.bincount(labels[there], minlength=n_classes) == 0
    assert np.isnan(found).tolist() == empty.tolist()
    np.testing.assert_allclose(np.nan_to_num(found), expected)


@pytest.mark.parametrize(("logits", "labels", "truth"), [
    (np.zeros((2, 3)), [0, 3], None), (np.zeros((2, 3)), [0, -2], None), (np.zeros((2, 3)), [0], None), (np.zeros(3), [0, 1, 2], None),
    (np.zeros((2, 3)), [0, 1], np.ones((2, 2))), (np.zeros((1, 2)), [0], [[1.5, -0.5]]),
])  # fmt: skip
def test_what_does_not_fit_is_refused(logits: Any, labels: Any, truth: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        predictions(logits, labels, truth)


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_bins_of_confidence_are_those_of_scikit_learn(bins: int) -> None:
    logits, labels, _ = drawn(500, 4, 11)
    p = special.softmax(logits.astype(np.float64), axis=1)
    found = reliability(logits, labels, bins)
    accuracy, confidence = calibration_curve(p.argmax(axis=1) == labels, p.max(axis=1), n_bins=bins)
    there = found.count > 0
    np.testing.assert_allclose(found.accuracy[there], accuracy)
    np.testing.assert_allclose(found.confidence[there], confidence)
    assert found.count.sum() == 500 and np.isnan(found.accuracy[~there]).all() and len(found.low) == bins
    inside = (p.max(axis=1)[:, np.newaxis] > found.low) & (p.max(axis=1)[:, np.newaxis] <= found.high)
    assert inside.sum(axis=0).tolist() == found.count.tolist()


def test_a_model_that_is_right_in_four_cases_of_five_and_says_so_has_no_calibration_error() -> None:
    logits = np.tile([math.log(4), 0.0], (10, 1))
    assert reliability(logits, [0] * 8 + [1] * 2).error == pytest.approx(0)
    assert reliability(logits, [0] * 5 + [1] * 5).error == pytest.approx(0.3)
    assert calibration.BINS == 15


@pytest.mark.parametrize("name", CASES)
def test_resampled_values_are_the_scores_of_the_repeated_rows(name: str) -> None:
    """Each vectorised value against the libraries on the very examples that were drawn."""
    logits, labels, truth = CASES[name]
    given, n = predictions(logits, labels, truth), len(labels)
    values = resampled(given, n_resamples=20, seed=5)
    draw = np.random.default_rng(5)
    for number in range(20):
        rows = draw.integers(0, n, n)
        some = (logits[rows], labels[rows], None if truth is None else truth[rows])
        expected = point_values(*some)
        for score, value in expected.items():
            assert values[score][number] == pytest.approx(value, rel=1e-9, abs=1e-12), score
        np.testing.assert_allclose(values["recall"][number], class_recall(*some[:2]))
        assert not [score for score in values if score != "recall" and score not in expected and np.isfinite(values[score][number])]


def test_many_draws_are_made_in_parts_and_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    given = predictions(*CASES["three classes"])
    whole = resampled(given, n_resamples=50)
    monkeypatch.setattr(resampling, "_DRAWS_AT_ONCE", 1500)
    parts = resampled(given, n_resamples=50)
    for name in whole:
        np.testing.assert_array_equal(whole[name], parts[name])


def test_an_interval_lies_between_the_percentiles() -> None:
    logits, labels, truth = CASES["three classes"]
    found, values = intervals(logits, labels, truth, level=0.8), resampled(predictions(logits, labels, truth))
    assert set(found) == set(point_values(logits, labels, truth))
    for name, one in found.items():
        assert (one.low, one.high) == pytest.approx(tuple(np.quantile(values[name], [0.1, 0.9])))
        assert one.value == pytest.approx(point_values(logits, labels, truth)[name])
    assert found == intervals(logits, labels, truth, level=0.8)
    assert found != intervals(logits, labels, truth, level=0.8, seed=1)


def test_more_examples_and_less_certainty_make_intervals_narrower() -> None:
    widths = [(one := intervals(*drawn(n, 3, 12))["accuracy"]).high - one.low for n in (50, 200, 800)]
    assert widths[0] > 1.5 * widths[1] > 2.25 * widths[2] > 0
    logits, labels, _ = CASES["three classes"]
    by_level = [(one := intervals(logits, labels, level=level)["nll"]).high - one.low for level in (0.5, 0.8, 0.95, 0.99)]
    assert by_level == sorted(by_level) and len(set(by_level)) == 4


def test_recall_of_a_class_that_a_resample_lacks_counts_where_it_is_there() -> None:
    values = np.array([[0.0, np.nan], [np.nan, np.nan], [1.0, np.nan]])
    low, high = interval(values, level=0.5)
    assert (low[0], high[0]) == (0.25, 0.75) and np.isnan(low[1]) and np.isnan(high[1])


def test_the_difference_of_two_models_is_that_of_the_same_resamples() -> None:
    logits, labels, truth = CASES["three classes"]
    other = logits + np.float32(0.5) * np.random.default_rng(3).normal(size=logits.shape).astype(np.float32)
    found = difference_interval(logits, other, labels, truth)
    ours, theirs = (resampled(predictions(one, labels, truth)) for one in (logits, other))
    for name, one in found.items():
        assert one.value == pytest.approx(point_values(logits, labels, truth)[name] - point_values(other, labels, truth)[name])
        assert (one.low, one.high) == pytest.approx(tuple(np.quantile(ours[name] - theirs[name], [0.025, 0.975])))
    backwards = difference_interval(other, logits, labels, truth)["nll"]
    assert (backwards.low, backwards.high) == pytest.approx((-found["nll"].high, -found["nll"].low))
    same = difference_interval(logits, logits, labels)["accuracy"]
    assert same == (0, 0, 0)
    alone = intervals(logits, labels)["nll"]
    assert found["nll"].high - found["nll"].low < 0.8 * (alone.high - alone.low), "pairing takes out what both have in common"


@pytest.mark.parametrize("name", CASES)
def test_scores_of_readings_are_the_scores_of_each_reading(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    logits, labels, truth = CASES[name]
    readings = np.stack([logits, logits[::-1], -logits, 0.1 * logits])
    monkeypatch.setattr("ikd.metrics.readings._NUMBERS_AT_ONCE", 2 * logits.size)
    found = reading_scores(readings, labels, truth)
    for number, one in enumerate(readings):
        expected = point_values(one, labels, truth)
        assert set(found) == set(expected)
        assert {score: float(values[number]) for score, values in found.items()} == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert reading_scores(readings[:0], labels, truth) == {}


def test_a_score_is_a_function_of_the_sum_of_its_rows() -> None:
    logits, labels, truth = CASES["unlabelled and unknown"]
    rows = example_rows(predictions(logits, labels, truth)).toarray()
    found = scores_of_sums(rows.sum(axis=0))
    assert {name: float(found[name]) for name in point_values(logits, labels, truth)} == pytest.approx(point_values(logits, labels, truth))
    assert rows.shape == (60, 7 + 15 + 3 * 4)


def test_every_metric_has_its_words() -> None:
    for metric in METRICS.values():
        assert metric.label and metric.meaning.endswith(".") and metric.low < metric.high
    assert {name for name, one in METRICS.items() if one.larger_is_better} == {
        "accuracy", "worst_group_accuracy", "macro_f1", "second_f1", "matthews"}
    assert {name for name, one in METRICS.items() if one.needs_groups} == {"worst_group_accuracy"}
    assert {name for name, one in METRICS.items() if one.needs_truth} == {"truth_kl", "truth_js"}


@pytest.mark.slow
def test_intervals_cover_the_true_value_in_about_95_of_100_cases() -> None:
    """Models drawn on 150 examples of one population, against their scores on 200,000 of it."""
    population = drawn(200_000, 3, 20)
    wanted = point_values(*population)
    draw = np.random.default_rng(21)
    hits = dict.fromkeys(("accuracy", "macro_f1", "matthews", "nll", "brier", "truth_kl", "truth_js"), 0)
    for number in range(400):
        rows = draw.integers(0, 200_000, 150)
        found = intervals(population[0][rows], population[1][rows], population[2][rows], seed=number)  # type: ignore[index]
        for name in hits:
            hits[name] += found[name].low <= wanted[name] <= found[name].high
    # Two standard errors of a share of 0.95 in 400 are 0.022; a percentile interval of so few examples is somewhat narrow.
    assert all(0.91 <= count / 400 <= 0.98 for count in hits.values()), hits
