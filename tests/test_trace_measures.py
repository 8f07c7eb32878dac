"""Measures: by hand, against scipy, and where probabilities are too small for a float."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special, stats

from ikd.trace import measures

LN2, LN3 = np.log(2), np.log(3)
LOGITS = arrays(np.float64, (4, 3), elements=st.floats(-50, 50))


def test_softmax_by_hand():
    np.testing.assert_allclose(measures.softmax([0.0, LN3]), [0.25, 0.75])
    np.testing.assert_allclose(measures.softmax([0.0, 2 * LN3], temperature=2.0), [0.25, 0.75])
    np.testing.assert_allclose(measures.log_softmax([0.0, LN3]), [np.log(0.25), np.log(0.75)])
    np.testing.assert_array_equal(measures.softmax([1e4, 0.0]), [1.0, 0.0])
    np.testing.assert_allclose(measures.log_softmax([1e4, 0.0]), [0.0, -1e4])


def test_entropy_by_hand():
    np.testing.assert_allclose(measures.entropy([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]]),
                               [LN2, 0.0, 0.25 * np.log(4) + 0.75 * np.log(4 / 3)])


def test_drift_by_hand_and_shape():
    frozen = np.array([[0.0, 0.0], [0.0, LN3]])
    now = np.stack([frozen, [[0.0, LN3], [0.0, 0.0]]])
    expected = [[0, 0], [0.25 * np.log(0.5) + 0.75 * np.log(1.5), 0.5 * np.log(2) + 0.5 * np.log(2 / 3)]]
    np.testing.assert_allclose(measures.drift(now, frozen, 1.0), expected)
    np.testing.assert_allclose(measures.drift(2 * now, 2 * frozen, 2.0), expected)


def test_drift_needs_no_probability_that_a_float_can_hold():
    # softmax gives exactly (1, 0) here, so a KL of clipped probabilities would be wrong by hundreds of nats.
    assert measures.drift([[0.0, 1000.0]], [[1000.0, 0.0]], 1.0)[0] == pytest.approx(1000.0)
    assert measures.drift([[0.0, 1000.0]], [[0.0, 1000.0]], 1.0)[0] == 0.0
    # Near zero it is a second-order quantity: e^2/8 for two classes at even odds.
    assert measures.drift([[0.0, 1e-5]], [[0.0, 0.0]], 1.0)[0] == pytest.approx(1e-10 / 8, rel=1e-4)


def test_accuracy_agreement_and_nll_by_hand():
    logits = np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 1.0], [0.0, 4.0]])
    assert measures.accuracy(logits, [0, 1, 1, 1]) == 0.75
    assert measures.agreement(logits, logits[:, ::-1]) == 0.0 and measures.agreement(logits, 2 * logits) == 1.0
    assert measures.nll([[0.0, LN3], [0.0, 0.0]], [1, 0]) == pytest.approx((np.log(4 / 3) + LN2) / 2)
    assert measures.nll([[0.0, 1000.0]], [0]) == pytest.approx(1000.0)
    stacked = np.stack([logits, -logits])
    np.testing.assert_array_equal(measures.accuracy(stacked, [0, 1, 1, 1]), [0.75, 0.25])
    assert measures.nll(stacked, [0, 1, 1, 1]).shape == (2,) and measures.agreement(stacked, logits).tolist() == [1.0, 0.0]


def test_quantile_bands_by_hand():
    bands = measures.quantile_bands([[0.0, 1, 2, 3, 4], [5, 5, 5, 5, 5]])
    np.testing.assert_allclose(bands, [[0.2, 1, 2, 3, 3.8], [5] * 5])
    assert measures.quantile_bands(np.zeros((0, 4))).shape == (0, 5)
    assert np.isnan(measures.quantile_bands(np.zeros((2, 0)))).all()


def test_feedback_on_simplex_by_hand():
    np.testing.assert_allclose(measures.feedback_on_simplex([0.0, 0.0], [1.0, 0.0], 1.0), [0.25, -0.25])
    np.testing.assert_allclose(measures.feedback_on_simplex([0.0, 0.0], [1.0, 0.0], 2.0), [0.125, -0.125])


@settings(max_examples=50, deadline=None)
@given(a=LOGITS, b=LOGITS, temperature=st.floats(0.5, 10))
def test_measures_agree_with_scipy(a, b, temperature):
    p, q = special.softmax(a / temperature, axis=-1), special.softmax(b / temperature, axis=-1)
    np.testing.assert_allclose(measures.softmax(a, temperature), p, rtol=1e-12)
    np.testing.assert_allclose(measures.log_softmax(a, temperature), special.log_softmax(a / temperature, axis=-1), atol=1e-12)
    np.testing.assert_allclose(measures.entropy(p), stats.entropy(p, axis=-1), atol=1e-12)
    np.testing.assert_allclose(measures.drift(a, b, temperature), special.rel_entr(p, q).sum(-1), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(measures.divergence(a, b, temperature), stats.entropy(p, q, axis=-1), rtol=1e-9, atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(logits=arrays(np.float64, (4, 3), elements=st.floats(-5, 5)), feedback=arrays(np.float64, (4, 3), elements=st.floats(-1, 1)),
       temperature=st.floats(0.5, 10))
def test_feedback_on_simplex_is_the_derivative_of_the_soft_targets(logits, feedback, temperature):
    step = 1e-5
    difference = (measures.softmax(logits + step * feedback, temperature)
                  - measures.softmax(logits - step * feedback, temperature)) / (2 * step)
    moved = measures.feedback_on_simplex(logits, feedback, temperature)
    np.testing.assert_allclose(moved, difference, atol=1e-8)
    np.testing.assert_allclose(moved.sum(-1), 0, atol=1e-12)


def test_inputs_are_left_as_they_were():
    logits = np.ones((2, 3), np.float32)
    for measure in (measures.softmax, measures.log_softmax, measures.entropy):
        assert measure(logits).dtype == np.float64
    measures.drift(logits, logits, 2.0)
    np.testing.assert_array_equal(logits, np.ones((2, 3)))


def test_at_label_picks_the_labels_column():
    assert measures.at_label([[0.1, 0.9], [0.6, 0.4]], [1, 0]).tolist() == [0.9, 0.6]
    assert measures.at_label([[[0.1, 0.9], [0.6, 0.4]]], [0, 0]).tolist() == [[0.1, 0.6]]


def test_divergence_is_torchs_kl_at_a_temperature():
    draw = np.random.default_rng(3)
    a, b = draw.normal(size=(2, 5, 4, 3))
    first, second = (torch.log_softmax(torch.tensor(one) / 3, -1) for one in (a, b))
    wanted = torch.nn.functional.kl_div(second, first, log_target=True, reduction="none").sum(-1)
    np.testing.assert_allclose(measures.divergence(a, b, 3.0), wanted.numpy(), rtol=1e-9, atol=1e-12)


def test_truth_gap_by_hand_and_by_scipy():
    logits = np.log([[0.5, 0.25, 0.25], [0.2, 0.3, 0.5]])
    truth = np.array([[0.5, 0.5, 0.0], [np.nan] * 3])
    gap = measures.truth_gap(truth, logits, 1.0)
    assert gap[0] == pytest.approx(0.5 * np.log(2))  # 0.5 log(0.5/0.5) + 0.5 log(0.5/0.25)
    assert gap[0] == pytest.approx(special.rel_entr(truth[0], [0.5, 0.25, 0.25]).sum())
    assert np.isnan(gap[1])


def test_flips_and_first_flip():
    classes = [[0, 1, 2], [0, 2, 2], [1, 1, 2], [0, 1, 2]]
    assert measures.flips(classes).tolist() == [2, 2, 0]
    assert measures.first_flip([0, 10, 20, 30], classes).tolist() == [20, 10, -1]


def test_confidence_and_variability_by_hand_from_sums():
    p = np.array([[0.2, 1.0], [0.4, 1.0], [0.6, 1.0]])
    confidence, variability = measures.moments(p.sum(0), (p**2).sum(0), 3)
    np.testing.assert_allclose(confidence, [0.4, 1.0])
    np.testing.assert_allclose(variability, [np.sqrt(0.08 / 3), 0.0], atol=1e-8)
    np.testing.assert_allclose(variability, p.std(axis=0), atol=1e-8)
    assert np.isnan(measures.moments([0.0], [0.0], 0)).all()


def test_soft_confusion_by_hand():
    p = [[0.8, 0.2, 0.0], [0.4, 0.4, 0.2], [0.1, 0.1, 0.8]]
    found = measures.soft_confusion(p, [0, 0, 2], 3)
    np.testing.assert_allclose(found[0], [0.6, 0.3, 0.1])
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[2], p[2])


def test_feedback_size_is_a_length():
    assert measures.feedback_size([[3.0, -4.0], [0.0, 0.0]]).tolist() == [5.0, 0.0]


def test_flips_of_two_roles_at_once():
    assert measures.flips([[[0, 1], [2, 2]], [[0, 2], [2, 1]]]).tolist() == [[0, 1], [0, 1]]


def test_correct_by_hand():
    assert measures.correct([[2.0, 0.0], [0.0, 1.0], [0.0, 3.0]], [0, 0, 1]).tolist() == [True, False, True]


def test_gain_and_change_of_entropy_by_hand():
    before, now = np.log([[0.5, 0.5], [0.25, 0.75]]), np.log([[0.25, 0.75], [0.5, 0.5]])
    np.testing.assert_allclose(measures.gain(now, before, [1, 1], 1.0), [0.25, -0.25])
    np.testing.assert_allclose(measures.gain(2 * now, 2 * before, [0, 0], 2.0), [-0.25, 0.25])
    sharp = 0.25 * np.log(4) + 0.75 * np.log(4 / 3)
    np.testing.assert_allclose(measures.entropy_change(now, before, 1.0), [sharp - LN2, LN2 - sharp])


def test_arrow_scale_by_hand():
    arrows = np.array([[3.0, 4.0], [0.0, 5.0], [5.0, 0.0], [np.nan, np.nan]])
    assert measures.arrow_scale(arrows, 0.5) == pytest.approx(0.1), "all known ones are five long"
    assert measures.arrow_scale([[[0.0, 1.0]], [[0.0, 3.0]]], 1.0, quantile=0.5) == pytest.approx(0.5)
    assert measures.arrow_scale(np.zeros((2, 2)), 0.5) == measures.arrow_scale(np.full((2, 2), np.nan), 0.5) == 1.0


def test_course_log_and_cells_by_hand():
    sizes = pd.DataFrame({"step": [0, 0, 1, 3, 3], "example": [7, 2, 7, 7, 2], "position": [0, 1, 0, 0, 1],
                          "asked": [np.nan, np.nan, 1.0, 3.0, 5.0], "influence": [np.nan, np.nan, -0.5, 0.25, 0.125]})  # fmt: skip
    log = measures.course_log(sizes, upto=3)
    assert log.loc[7].to_dict() == {"issued": 3, "exams": 2, "asked": 2.0, "influence": -0.25, "most_helped": -0.5, "most_harmed": 0.25,
                                    "last_step": 3}  # fmt: skip
    assert measures.course_log(sizes, upto=1).loc[2, ["issued", "exams"]].tolist() == [1, 0]
    cells = measures.course_cells(sizes, [2, 7], [0, 2, 3], "influence")
    np.testing.assert_array_equal(cells, [[np.nan, np.nan, 0.125], [np.nan, -0.5, 0.25]])
    both = measures.course_cells(sizes, [7], [3], "asked")
    np.testing.assert_array_equal(both, [[2.0]])
