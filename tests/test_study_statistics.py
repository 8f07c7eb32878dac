"""Statistics of studies: equal to scipy, statsmodels, closed forms and brute force; simulations are in test_study_coverage."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as sm_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from ikd.study.statistics import (
    MOST_MORE_SEEDS,
    Comparison,
    compare_examples,
    compare_seeds,
    holm,
    seeds_and_examples_interval,
    seeds_needed,
)
from ikd.study.statistics_examples import mcnemar

Array = np.ndarray[Any, Any]


def drawn(n: int, seed: int = 0, gain: float = 0.01) -> tuple[Array, Array]:
    """Return scores of n seeds, the first method better by about `gain`."""
    draw = np.random.default_rng(seed)
    b = draw.normal(0.8, 0.02, n)
    return b + draw.normal(gain, 0.015, n), b


def differing(gains: list[float]) -> Comparison:
    return compare_seeds(np.array(gains), np.zeros(len(gains)))


def by_all_signs(values: Array) -> float:
    """Return the sign-flip p value by every assignment of signs, one by one."""
    reached = [abs(sum(s * v for s, v in zip(signs, values, strict=True))) for signs in itertools.product((1, -1), repeat=len(values))]
    return float(np.mean(np.array(reached) >= abs(sum(values)) - 1e-9))


@pytest.mark.parametrize("n", [2, 3, 5, 10, 16, 30])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_means_interval_and_p_values_are_those_of_scipy(n: int, level: float) -> None:
    a, b = drawn(n, n)
    found, paired = compare_seeds(a, b, level=level), stats.ttest_rel(a, b)
    assert (found.mean_a, found.mean_b, found.gain) == pytest.approx((a.mean(), b.mean(), (a - b).mean()))
    assert found.spread == pytest.approx(np.std(a - b, ddof=1))
    assert found.t_p == pytest.approx(paired.pvalue)
    assert tuple(found.interval) == pytest.approx(tuple(paired.confidence_interval(level)))
    assert found.wilcoxon_p == pytest.approx(stats.wilcoxon(a - b).pvalue)
    assert found.cohen_d == pytest.approx((a - b).mean() / np.std(a - b, ddof=1))
    assert found.in_favour == (a > b).sum() and found.in_favour + found.against == n


@pytest.mark.parametrize("n", [2, 5, 8, 13])
def test_permutation_p_is_that_of_scipy_and_of_every_sign(n: int) -> None:
    a, b = drawn(n, n)
    found = compare_seeds(a, b)
    theirs = stats.permutation_test((a, b), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type="samples", vectorized=True)
    assert found.permutation_p == pytest.approx(theirs.pvalue) and found.permutation_p == pytest.approx(by_all_signs(a - b))


@pytest.mark.parametrize("gains", [[3, -1, -1, 2, 2, 0, 0.0], [1, 1, 1, -1, 1], [0.81 - 0.8, 0.71 - 0.7, 0.8 - 0.81, 0.3 - 0.28, 0]])
def test_ties_and_zeros_are_counted_as_the_brute_force_counts_them(gains: list[float]) -> None:
    values = np.round(gains, 9)
    found = differing(gains)
    assert found.permutation_p == by_all_signs(values)
    kept = values[values != 0]
    assert found.wilcoxon_p == by_all_signs(np.sign(kept) * stats.rankdata(abs(kept)))
    assert found.wilcoxon_p == pytest.approx(stats.wilcoxon(kept, method=stats.PermutationMethod(n_resamples=99_999)).pvalue)
    assert (found.in_favour, found.against, found.ties) == ((values > 0).sum(), (values < 0).sum(), (values == 0).sum())


def test_beyond_sixteen_seeds_signs_are_drawn_and_the_answer_is_near_the_exact_one() -> None:
    whole = np.random.default_rng(3).integers(-6, 12, 40)
    counts = np.ones(1)
    for value in abs(whole):
        spread = np.zeros(len(counts) + 2 * value)
        spread[: len(counts)] += counts / 2
        spread[2 * value :] += counts / 2
        counts = spread
    sums = np.arange(len(counts)) - abs(whole).sum()
    exact = counts[abs(sums) >= abs(whole.sum())].sum()
    found = differing(list(map(float, whole))).permutation_p
    assert 0.001 < exact < 0.2 and abs(found - exact) < 4 * math.sqrt(exact / 20_000)
    assert differing([1.0 + 0.01 * k for k in range(30)]).permutation_p == pytest.approx(1 / 20_000)


def test_hedges_correction_takes_the_lean_from_the_effect_size() -> None:
    draw, n = np.random.default_rng(0), 6
    found = [differing(list(gains)) for gains in draw.normal(0.8, 1.0, (800, n))]
    assert np.mean([one.cohen_d for one in found]) == pytest.approx(0.8 * 1.19, abs=0.06)
    assert np.mean([one.hedges_g for one in found]) == pytest.approx(0.8, abs=0.05)
    # Gamma(5/2) / (sqrt(5/2) Gamma(2)) by hand.
    factor = 0.75 * math.sqrt(math.pi) / math.sqrt(2.5)
    assert found[0].hedges_g == pytest.approx(found[0].cohen_d * factor)


def test_studentised_interval_of_five_values_is_that_of_every_resample() -> None:
    values = np.array([0.4, 1.9, -0.7, 1.0, 2.6])
    n, middle = 5, values.mean()
    every = values[np.array(list(itertools.product(range(n), repeat=n)))]
    with np.errstate(divide="ignore"):
        distances = np.sort((every.mean(axis=1) - middle) / np.where(np.ptp(every, axis=1) == 0, 0.0, every.std(axis=1, ddof=1) / n**0.5))
    error = values.std(ddof=1) / n**0.5
    low, high = (middle - np.quantile(distances, q, method="inverted_cdf") * error for q in (0.95, 0.05))
    found = compare_seeds(values, np.zeros(n), level=0.9).bootstrap
    assert tuple(found) == pytest.approx((low, high), abs=0.1)
    theirs = compare_seeds(values, np.zeros(n), level=0.9, rng=np.random.default_rng(7)).bootstrap
    assert found != theirs and tuple(found) == pytest.approx(tuple(theirs), abs=0.1)


def test_failed_runs_leave_with_their_pair_and_are_counted() -> None:
    a, b = drawn(6)
    found = compare_seeds([*a, np.nan, 0.9, np.nan, np.inf], [*b, 0.8, np.nan, np.nan, 0.8])
    assert (found.n_seeds, found.failed_a, found.failed_b, found.n_left_out) == (6, 3, 2, 4)
    alone = compare_seeds(a, b)
    assert (found.gain, found.interval, found.permutation_p) == (alone.gain, alone.interval, alone.permutation_p)


def test_too_few_seeds_have_no_interval_and_no_find() -> None:
    none, one, two = compare_seeds([], []), compare_seeds([0.9], [0.8]), compare_seeds([0.9, 0.7], [0.8, 0.65])
    assert none.n_seeds == 0 and all(math.isnan(value) for value in (none.gain, none.permutation_p, none.wilcoxon_p, *none.interval))
    assert one.gain == pytest.approx(0.1) and one.permutation_p == one.wilcoxon_p == 1
    assert all(math.isnan(value) for value in (one.spread, one.t_p, one.cohen_d, one.hedges_g, *one.interval, *one.bootstrap))
    assert two.permutation_p == two.smallest_p == 0.5 and math.isnan(two.hedges_g) and two.bootstrap == (-math.inf, math.inf)


def test_differences_that_are_all_the_same() -> None:
    same = compare_seeds([0.81, 0.71, 0.31], [0.8, 0.7, 0.3])
    assert same.spread == 0 and same.interval == same.bootstrap == (same.gain, same.gain) and same.gain == pytest.approx(0.01)
    assert same.permutation_p == 0.25 and same.t_p == 0 and same.cohen_d == same.hedges_g == math.inf
    zero = compare_seeds([0.81, 0.71], [0.81, 0.71])
    assert zero.permutation_p == zero.wilcoxon_p == zero.t_p == zero.smallest_p == 1 and zero.cohen_d == 0 and zero.interval == (0, 0)
    assert zero.ties == 2


@pytest.mark.parametrize(
    ("a", "b", "more", "complaint"),
    [([1.0], [1.0, 2.0], {}, "one score a seed"), ([[1.0]], [[1.0]], {}, "one score a seed"),
     ([1.0], [1.0], {"better": "bigger"}, "bigger"), ([1.0], [1.0], {"level": 95}, "between 0 and 1")],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(a: list[Any], b: list[Any], more: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        compare_seeds(a, b, **more)


SCORES = some.lists(some.tuples(*[some.integers(0, 500).map(lambda k: k / 500)] * 2), min_size=0, max_size=20)
MIRRORED = ("permutation_p", "wilcoxon_p", "t_p", "spread", "ties", "smallest_p", "n_seeds")


@given(pairs=SCORES)
@settings(max_examples=60)
def test_swapping_the_methods_turns_every_sign(pairs: list[tuple[float, float]]) -> None:
    a, b = (np.array([pair[k] for pair in pairs]) for k in (0, 1))
    there, back, lower = compare_seeds(a, b), compare_seeds(b, a), compare_seeds(b, a, better="lower")
    for name in MIRRORED:
        np.testing.assert_allclose(getattr(there, name), getattr(back, name), rtol=1e-9, err_msg=name)
    for name in ("gain", "cohen_d", "hedges_g"):
        np.testing.assert_allclose(getattr(there, name), -getattr(back, name), rtol=1e-9, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(getattr(there, name), getattr(lower, name), rtol=1e-9, atol=1e-12, err_msg=name)
    for name in ("interval", "bootstrap"):
        low, high = getattr(back, name)
        np.testing.assert_allclose(getattr(there, name), (-high, -low), rtol=1e-9, atol=1e-12, err_msg=name)
    assert (there.in_favour, there.against) == (back.against, back.in_favour)


@given(pairs=SCORES, shift=some.integers(-20, 20), gain=some.integers(-5, 5))
@settings(max_examples=60)
def test_what_both_methods_share_does_not_matter(pairs: list[tuple[float, float]], shift: int, gain: int) -> None:
    a, b = (np.array([pair[k] for pair in pairs]) for k in (0, 1))
    plain, shifted, ahead = compare_seeds(a, b), compare_seeds(a + shift, b + shift), compare_seeds(a + gain, b)
    for name in (*MIRRORED, "gain", "cohen_d", "interval", "bootstrap"):
        np.testing.assert_allclose(getattr(plain, name), getattr(shifted, name), rtol=1e-6, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(np.array(plain.interval) + gain, ahead.interval, atol=1e-9)


@given(values=some.lists(some.floats(0, 1), max_size=8), seed=some.integers(0, 99))
def test_holm_is_that_of_statsmodels(values: list[float], seed: int) -> None:
    found = holm(values)
    if values:
        np.testing.assert_allclose(found, multipletests(values, method="holm")[1])
    order = np.random.default_rng(seed).permutation(len(values))
    np.testing.assert_array_equal(holm(np.array(values)[order]), found[order])


def test_holm_by_hand_and_without_what_could_not_be_tested() -> None:
    np.testing.assert_allclose(holm([0.01, np.nan, 0.04, 0.03]), [0.03, np.nan, 0.06, 0.06])
    with pytest.raises(ValueError, match="from 0 to 1"):
        holm([0.2, 1.2])


@pytest.mark.parametrize("size", [0.25, 0.3, 0.5, 0.7, 1.0])
@pytest.mark.parametrize(("power", "n_tests"), [(0.8, 1), (0.9, 1), (0.8, 4)])
def test_seeds_needed_are_those_of_statsmodels(size: float, power: float, n_tests: int) -> None:
    wave = np.array([1.0, -1.0, 1.0, -1.0])
    found = differing(list(wave / wave.std(ddof=1) + size))
    assert found.cohen_d == pytest.approx(size)
    total = TTestPower().solve_power(size, alpha=0.05 / n_tests, power=power)
    assert seeds_needed(found, power=power, n_tests=n_tests) == min(math.ceil(total) - 4, MOST_MORE_SEEDS + 1)


def test_seeds_needed_are_bounded_and_enough_for_the_exact_test() -> None:
    assert seeds_needed(differing([1.0, -1.0])) == seeds_needed(differing([0.5, -0.49, 0.1, -0.1])) == MOST_MORE_SEEDS + 1
    assert seeds_needed(differing([0.3])) is None and seeds_needed(differing([])) is None
    assert seeds_needed(differing([1.0, 1.0, 1.0])) == 3 and seeds_needed(differing([1.0, 1.0, 1.0]), n_tests=5) == 5
    assert seeds_needed(differing([1.0, 1.1, 0.9] * 4)) == 0


def test_the_seeds_needed_give_the_power() -> None:
    """Of normal differences with the size that was seen, about four in five studies of that many seeds find it, by the exact test."""
    draw = np.random.default_rng(5)
    for size in (0.85, 1.0, 1.5, 3.0):
        total = 2 + (seeds_needed(differing([size - 0.5**0.5, size + 0.5**0.5])) or 0)
        found = [differing(list(gains)).permutation_p <= 0.05 for gains in draw.normal(size, 1.0, (400, total))]
        assert np.mean(found) > 0.74, size


def test_mcnemar_is_that_of_statsmodels_and_of_the_binomial() -> None:
    for wins, losses in [(0, 0), (1, 0), (5, 5), (3, 12), (40, 18), (700, 800), (4000, 4200)]:
        exact, mid = mcnemar(wins, losses)
        assert exact == pytest.approx(sm_mcnemar([[9, wins], [losses, 9]], exact=True).pvalue if wins + losses else 1.0)
        n = wins + losses
        p = stats.binom.pmf(np.arange(n + 1), n, 0.5)
        away = abs(2 * np.arange(n + 1) - n)
        halved = p[away > abs(wins - losses)].sum() + p[away == abs(wins - losses)].sum() / 2
        # Two splits are as uneven as (w, l), and each of them counts half.
        assert mid == pytest.approx(halved if n else 1.0)


def test_examples_of_one_seed_are_counted_as_a_table() -> None:
    a, b = np.array([1, 1, 1, 0, 0, 1, 0]), np.array([1, 0, 0, 0, 1, 0, 0])
    found = compare_examples(a, b)
    assert (found.both, found.only_a, found.only_b, found.neither) == (1, 3, 1, 2)
    assert (found.n_seeds, found.n_examples, found.wins, found.losses) == (1, 7, 3, 1) and found.exact_p == pytest.approx(0.625)
    back = compare_examples(b.astype(bool), a.astype(bool))
    assert (back.wins, back.losses, back.exact_p, back.mid_p) == (1, 3, found.exact_p, found.mid_p)


def test_examples_are_pooled_over_seeds_one_vote_an_example() -> None:
    a = np.array([[1, 1, 0, 1, np.nan], [1, 0, 0, 1, 1], [np.nan] * 5, [1, 1, 0, 0, 1]])
    b = np.array([[0, 0, 0, 1, 1], [0, 1, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 1, 0]])
    found = compare_examples(a, b)
    assert (found.n_seeds, found.n_examples, found.n_left_out) == (3, 4, 1)
    # The first and second example are won (3 : 0 and 2 : 1), the third and fourth lost.
    assert (found.wins, found.losses, found.only_a, found.only_b, found.exact_p) == (2, 2, 5, 3, 1.0)
    same = compare_examples(np.repeat(a[:1, :4], 5, axis=0), np.repeat(b[:1, :4], 5, axis=0))
    assert same.exact_p == compare_examples(a[0, :4], b[0, :4]).exact_p, "the same run five times is no more than once"
    with pytest.raises(ValueError, match="0 or 1"):
        compare_examples([0.5], [1])
    with pytest.raises(ValueError, match="alike"):
        compare_examples([0, 1], [1])


def test_crossed_interval_is_the_t_interval_where_one_source_is_all_there_is() -> None:
    draw = np.random.default_rng(2)
    only_seeds = draw.normal(0.3, 1, (5, 1)) + np.zeros((5, 40))
    theirs = stats.ttest_1samp(only_seeds[:, 0], 0).confidence_interval()
    found = seeds_and_examples_interval(only_seeds, np.zeros((5, 40)))
    assert tuple(found.interval) == pytest.approx(tuple(theirs)) and found.gain == pytest.approx(only_seeds.mean())
    assert found.seeds_error == pytest.approx(stats.sem(only_seeds[:, 0])) and found.examples_error == pytest.approx(0, abs=1e-12)
    only_examples = draw.normal(0.3, 1, (1, 40)) + np.zeros((5, 1))
    found = seeds_and_examples_interval(np.zeros((5, 40)), only_examples, better="lower")
    assert tuple(found.interval) == pytest.approx(tuple(stats.ttest_1samp(only_examples[0], 0).confidence_interval()))
    assert found.examples_error == pytest.approx(stats.sem(only_examples[0])) and found.seeds_error == pytest.approx(0, abs=1e-12)


def test_errors_of_seeds_and_examples_are_those_of_the_analysis_of_variance() -> None:
    """Against expected mean squares by their loops: of seeds, of examples, and the rest."""
    draw = np.random.default_rng(4)
    d = draw.normal(0, 0.5, (6, 1)) + draw.normal(0, 0.8, (1, 30)) + draw.normal(0, 1, (6, 30))
    m, rows, columns = d.mean(), d.mean(axis=1), d.mean(axis=0)
    rest = sum((d[s, i] - rows[s] - columns[i] + m) ** 2 for s in range(6) for i in range(30)) / (5 * 29)
    seeds, examples = (30 * rows.var(ddof=1) - rest) / 30, (6 * columns.var(ddof=1) - rest) / 6
    found = seeds_and_examples_interval(d, np.zeros_like(d))
    assert seeds > 0 and examples > 0
    assert (found.seeds_error, found.examples_error) == pytest.approx((math.sqrt(seeds / 6), math.sqrt(examples / 30)))
    error = math.sqrt(seeds / 6 + examples / 30 + rest / 180)
    middle, reach = m, (found.interval.high - found.interval.low) / 2
    assert sum(found.interval) / 2 == pytest.approx(middle) and stats.norm.ppf(0.975) < reach / error < stats.t.ppf(0.975, 5)


def test_hierarchical_bootstrap_spreads_as_its_formula_says() -> None:
    """Owen's bootstrap of a mean over two crossed factors: the variance of its draws is known in closed form."""
    draw = np.random.default_rng(6)
    d = draw.normal(0, 1, (8, 1)) + draw.normal(0, 1, (1, 50)) + draw.normal(0, 1, (8, 50))
    rows, columns = d.mean(axis=1), d.mean(axis=0)
    rest = ((d - rows[:, None] - columns + d.mean()) ** 2).mean()
    variance = rows.var() / 8 + columns.var() / 50 + rest / (8 * 50)
    low, high = seeds_and_examples_interval(d, np.zeros_like(d)).bootstrap
    assert (high - low) / (2 * stats.norm.ppf(0.975)) == pytest.approx(math.sqrt(variance), rel=0.08)


def test_crossed_interval_where_there_is_too_little_or_no_difference() -> None:
    one = seeds_and_examples_interval([1.0, 0.0, 1.0], [0.0, 0.0, 1.0])
    assert one.n_seeds == 1 and one.gain == pytest.approx(1 / 3) and all(math.isnan(end) for end in (*one.interval, *one.bootstrap))
    same = seeds_and_examples_interval(np.ones((3, 4)), np.ones((3, 4)))
    assert same.interval == same.bootstrap == (0, 0)
    failed = seeds_and_examples_interval([[np.nan] * 3, [1, 0, 1], [1, 1, 1]], [[1, 1, 1], [0, 0, 1], [0, 1, 0]])
    assert (failed.n_seeds, failed.n_left_out) == (2, 1) and failed.gain == pytest.approx(0.5)
