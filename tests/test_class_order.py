"""The self-test's statistics against scipy, closed forms, and simulation: it finds exchanged classes and leaves sound teachers alone."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from ikd.metrics.class_order import class_order


def said(classes: np.ndarray, n_classes: int, sureness: float = 3.0) -> np.ndarray:
    return sureness * np.eye(n_classes)[classes]


def drawn(n: int, n_classes: int, accuracy: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, and answers of which so many are right and the others spread evenly."""
    random = np.random.default_rng(seed)
    labels = random.integers(n_classes, size=n)
    wrong = (labels + random.integers(1, n_classes, size=n)) % n_classes
    return labels, np.where(random.random(n) < accuracy, labels, wrong)


def test_numbers_against_their_definitions() -> None:
    labels, answers = drawn(137, 3, 0.7, seed=1)
    found = class_order(said(answers, 3), labels)
    right = int((labels == answers).sum())
    assert found.n == 137 and found.accuracy == right / 137
    np.testing.assert_allclose((found.low, found.high), proportion_confint(right, 137, method="wilson"))
    shares = [(np.mean(labels == c), np.mean(answers == c)) for c in range(3)]
    np.testing.assert_allclose(found.chance, sum(a * b for a, b in shares))
    np.testing.assert_allclose(found.p_below, binom.cdf(right, 137, found.chance))
    best = max(permutations(range(3)), key=lambda order: sum(answers == np.asarray(order)[labels]))
    assert found.order == best == (0, 1, 2)


@pytest.mark.parametrize("order", list(permutations(range(3)))[1:])
def test_exchanged_classes_are_found_with_their_order(order: tuple[int, ...]) -> None:
    labels, answers = drawn(150, 3, 0.85, seed=2)
    found = class_order(said(np.asarray(order)[answers], 3), labels)
    assert found.other_order and found.order == order and abs(found.best_accuracy - 0.85) < 0.1


def test_two_of_six_exchanged_are_found() -> None:
    labels, answers = drawn(300, 6, 0.9, seed=3)
    swap = np.asarray([0, 1, 5, 3, 4, 2])
    assert class_order(said(swap[answers], 6), labels).order == tuple(swap)
    assert class_order(said(swap[answers], 6), labels).other_order


def test_few_texts_are_enough_where_all_are_exchanged() -> None:
    labels = np.arange(24) % 2
    assert class_order(said(1 - labels, 2), labels).other_order


@pytest.mark.parametrize(("n_classes", "accuracy"), [(2, 0.52), (2, 0.5), (3, 0.36), (6, 0.2), (2, 0.95)])
def test_a_sound_teacher_of_a_hard_task_is_left_alone(n_classes: int, accuracy: float) -> None:
    stopped = 0
    for seed in range(300):
        labels, answers = drawn(384, n_classes, accuracy, seed)
        found = class_order(said(answers, n_classes), labels)
        stopped += found.other_order or found.below_chance
    assert stopped == 0


def test_a_teacher_that_always_says_one_class_is_at_chance_and_no_order_is_better() -> None:
    labels = np.asarray([0] * 70 + [1] * 30)
    found = class_order(said(np.ones(100, dtype=int), 2), labels)
    assert found.at_chance and not found.other_order and not found.below_chance


def test_texts_without_a_label_are_left_out() -> None:
    labels, answers = drawn(100, 2, 0.8, seed=5)
    some = np.concatenate([labels, [-1] * 20])
    both = class_order(said(np.concatenate([answers, [0] * 20]), 2), some), class_order(said(answers, 2), labels)
    assert both[0] == both[1]
