"""Verdicts in plain words: what they say, and that they claim no more than the comparison shows."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from ikd.metrics.scores import METRICS
from ikd.study.statistics import MOST_MORE_SEEDS, Comparison, compare_seeds
from ikd.study.verdicts import UNITS, Verdict, verdict, with_control

CLEAR = [0.006, 0.010, 0.008, 0.012, 0.004, 0.009, 0.007, 0.011, 0.005, 0.008]
UNSURE = [0.006, -0.010, 0.008, -0.003, 0.004, -0.009, 0.007, 0.001, 0.005, -0.001]


def differing(gains: list[float], **more: Any) -> Comparison:
    return compare_seeds(0.75 + np.array(gains), np.full(len(gains), 0.75), **more)


def said(gains: list[float], **more: Any) -> Verdict:
    return verdict(differing(gains), method="IKD", other="KD", **more)


def test_better_and_worse_are_said_with_interval_seeds_and_p() -> None:
    found = said(CLEAR, p=0.02, n_tests=4)
    assert found.kind == "better" and found.seeds_needed is None
    assert found.sentence == "IKD better than KD by 0.80 points [0.62, 0.98] in accuracy, 10 seeds (Holm-corrected p 0.02)."
    back = said([-gain for gain in CLEAR])
    assert back.kind == "worse"
    assert back.sentence == "IKD worse than KD by 0.80 points [0.62, 0.98] in accuracy, 10 seeds (p 0.002)."


def test_no_difference_is_only_not_shown() -> None:
    found = said(UNSURE)
    assert (found.kind, found.seeds_needed) == ("open", MOST_MORE_SEEDS + 1)
    assert found.sentence == (
        "No difference between IKD and KD is shown in accuracy: +0.08 points [-0.38, 0.54], 10 seeds (p 0.73); "
        "more than 200 more seeds would be needed."
    )


def test_a_study_and_its_control_in_one_sentence() -> None:
    main, control = said(CLEAR, p=0.02, n_tests=4), said([gain + 0.0015 for gain in UNSURE])
    joined = with_control(main, control)
    assert joined.kind == "mixed" and joined.seeds_needed == control.seeds_needed == 54
    assert joined.sentence == (
        "IKD better than KD by 0.80 points [0.62, 0.98] in accuracy, 10 seeds (Holm-corrected p 0.02); at equal compute no difference is "
        "shown: +0.23 points [-0.23, 0.69] (p 0.3); about 60 more seeds would be needed."
    )
    assert with_control(main, main, at="equal steps").kind == "better"
    assert with_control(said([-gain for gain in CLEAR]), main).kind == "mixed"
    alike = said(UNSURE, matters=0.05)
    assert alike.kind == "equivalent" and with_control(alike, control).kind == with_control(control, alike).kind == "open"


def test_a_small_p_whose_interval_holds_zero_shows_nothing_and_it_is_said_why() -> None:
    found = said(UNSURE, p=0.03)
    assert found.kind == "open" and "(p 0.03; but the interval holds zero)" in found.sentence
    assert "holds zero" not in said(UNSURE, p=0.06).sentence and "holds zero" not in said(CLEAR, p=0.03).sentence


def test_five_seeds_that_agree_are_not_enough_and_it_is_said_why() -> None:
    found = said(CLEAR[:5])
    assert (found.kind, found.seeds_needed) == ("open", 1)
    assert found.sentence == (
        "IKD ahead of KD by 0.80 points [0.41, 1.19] in accuracy, but no difference is shown, 5 seeds "
        "(p 0.062; 5 seeds cannot give less than 0.062); about 1 more seed would be needed."
    )
    assert said([-gain for gain in CLEAR[:5]]).clause.startswith("behind by 0.80 points [0.41, 1.19], but no difference is shown")


def test_no_difference_that_matters_is_said_where_the_interval_lies_inside() -> None:
    assert said(UNSURE, matters=0.005).kind == "open"
    inside = said(UNSURE, matters=0.006)
    assert inside.kind == "equivalent" and inside.seeds_needed is None
    assert inside.sentence == (
        "No difference larger than 0.6 points between IKD and KD in accuracy: +0.08 points [-0.38, 0.54], 10 seeds (p 0.73)."
    )
    small = said(CLEAR, matters=0.02)
    assert small.kind == "equivalent" and small.clause.endswith("+0.80 points [0.62, 0.98] (p 0.002: there is one, but smaller)")
    assert said([0.001, 0.001], matters=0.02).kind == "open", "two seeds that agree to the digit prove nothing"
    assert said([0.0] * 6, matters=0.02).kind == "equivalent"


def test_few_seeds_none_and_failed_ones() -> None:
    assert said([]).sentence == "IKD and KD cannot be compared in accuracy: no seed has both runs; at least 6 seeds would be needed."
    one = said([0.008], n_tests=4)
    assert one.kind == "open" and one.seeds_needed is None
    assert one.sentence == (
        "No difference between IKD and KD is shown in accuracy: +0.80 points, 1 seed (one seed has no interval); "
        "at least 7 more seeds would be needed."
    )
    failed = verdict(compare_seeds([0.9, np.nan, 0.8], [0.8, 0.8, 0.7]), method="IKD", other="KD")
    assert failed.sentence.endswith("; 1 seed left out for want of a score (IKD 1, KD 0).")
    assert said([0.0] * 4).sentence.endswith("is shown in accuracy: +0.0 points [0.0, 0.0], 4 seeds (every seed gave the same).")
    assert "3 seeds that differ cannot give less than 0.25" in said([0.01, 0.0, 0.012, 0.02]).sentence


def test_lower_is_better_for_a_likelihood_and_the_sentence_speaks_of_the_better_one() -> None:
    b = np.full(10, 0.9)
    found = verdict(compare_seeds(b - np.array(CLEAR), b, better="lower"), method="IKD", other="KD", metric="nll")
    assert found.sentence == "IKD better than KD by 0.0080 nats [0.0062, 0.0098] in negative log-likelihood, 10 seeds (p 0.002)."


def test_a_p_value_is_never_rounded_to_the_other_side() -> None:
    assert "(p 0.0504)" in said(UNSURE, p=0.0504).sentence and "(p 0.05)" in said(CLEAR, p=0.0499999).sentence
    assert "(p below 0.001)" in said(CLEAR, p=1e-5).sentence


def test_another_level_is_named() -> None:
    found = verdict(differing(CLEAR, level=0.9), method="IKD", other="KD")
    assert "0.80 points 90 % interval [0.65, 0.95]" in found.sentence


def test_what_would_be_said_wrongly_is_refused() -> None:
    with pytest.raises(ValueError, match="no score is named 'acuracy'; there are accuracy"):
        said(CLEAR, metric="acuracy")
    with pytest.raises(ValueError, match="nll was compared as if higher were better"):
        said(CLEAR, metric="nll")
    with pytest.raises(ValueError, match="above 0"):
        said(CLEAR, matters=0.0)


def test_every_score_has_its_unit() -> None:
    assert set(UNITS) == set(METRICS)
    for name, unit in UNITS.items():
        better: Any = "higher" if METRICS[name].larger_is_better else "lower"
        sentence = verdict(differing(CLEAR, better=better), method="A", other="B", metric=name).sentence
        assert f"{unit.name} [" in sentence and sentence.endswith(").")


@given(gains=some.lists(some.integers(-40, 60).map(lambda k: k / 2000), max_size=14), n_tests=some.integers(1, 6),
       matters=some.sampled_from([None, 0.002, 0.01]))  # fmt: skip
def test_no_sentence_claims_more_than_the_numbers(gains: list[float], n_tests: int, matters: float | None) -> None:
    comparison = differing(gains)
    p = min(1.0, comparison.permutation_p * n_tests)
    found = verdict(comparison, method="IKD", other="KD", p=p, n_tests=n_tests, matters=matters)
    low, high = comparison.interval
    if found.kind in ("better", "worse"):
        assert p <= 0.05 and len(gains) >= 6 and (low > 0 if found.kind == "better" else high < 0)
    elif found.kind == "equivalent":
        assert matters is not None and -matters < low <= high < matters
    else:
        assert found.kind == "open" and not re.search(r"better|worse|larger than", found.sentence)
    assert "-0.0 " not in found.sentence and "nan" not in found.sentence and found.sentence.endswith(".")
    back = verdict(differing([-gain for gain in gains]), method="KD", other="IKD", p=p, n_tests=n_tests, matters=matters)
    assert back.kind == {"better": "worse", "worse": "better"}.get(found.kind, found.kind)
    assert back.seeds_needed == found.seeds_needed


def test_a_failed_pair_is_not_said_to_lack_seeds() -> None:
    failed = verdict(compare_seeds([np.nan] * 2, [np.nan] * 2), method="IKD", other="KD")
    assert failed.sentence == ("IKD and KD cannot be compared in accuracy: no seed has both runs; 2 seeds left out for want of a score "
                               "(IKD 2, KD 2).")  # fmt: skip


def test_a_gain_is_said_alone_as_it_is_in_a_sentence() -> None:
    from ikd.study.verdicts import said_gain

    one = differing(UNSURE)
    assert said_gain(one.gain, one.interval, "accuracy") == "+0.08 points [-0.38, 0.54]" in said(UNSURE).sentence
    assert said_gain(-0.00002, one.interval, "nll").startswith("-0.0000") or said_gain(-0.0, one.interval, "nll").startswith("+0.0000")
