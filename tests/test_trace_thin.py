"""Thinning keeps what an eye would miss if it were gone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikd.trace.thin import thin


def test_a_single_spike_survives_in_ten_thousand_points():
    steps, values = np.arange(10_000), np.zeros(10_000)
    values[6_543], values[1_234] = 1.0, -1.0
    thinned_steps, thinned = thin(steps, values, 100)
    assert len(thinned) <= 100
    assert {6_543, 1_234, 0, 9_999} <= set(thinned_steps.tolist())
    assert thinned.max() == 1.0 and thinned.min() == -1.0


def test_a_short_curve_is_returned_whole():
    steps, values = thin([1, 2, 3], [3.0, 2.0, 1.0], 4)
    assert steps.tolist() == [1, 2, 3] and values.tolist() == [3.0, 2.0, 1.0]
    assert thin([], [], 4)[0].shape == (0,)


def test_what_is_not_a_number_hides_no_spike():
    values = np.full(1_000, np.nan)
    values[500] = 7.0
    assert 7.0 in thin(np.arange(1_000), values, 20)[1]


@pytest.mark.parametrize("steps, values, n", [([1, 2], [1.0], 10), ([[1]], [[1.0]], 10), ([1], [1.0], 3)])
def test_what_cannot_be_thinned_is_refused(steps, values, n):
    with pytest.raises(ValueError):
        thin(steps, values, n)


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), n=st.integers(4, 60))
def test_ends_extremes_order_and_number(values, n):
    steps, thinned = thin(np.arange(len(values)) * 5, np.asarray(values), n)
    assert len(thinned) <= n and (np.diff(steps) > 0).all()
    assert steps[0] == 0 and steps[-1] == 5 * (len(values) - 1)
    assert thinned.min() == min(values) and thinned.max() == max(values)
    assert all(values[step // 5] == value for step, value in zip(steps.tolist(), thinned.tolist(), strict=True))
