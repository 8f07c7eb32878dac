"""Thinning keeps what an eye would miss if it were gone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikd.trace.thin import old_points_kept, thin


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


VALUES = st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=300)


@given(values=VALUES, every=st.integers(1, 7), newest_from=st.integers(0, 1500), width=st.sampled_from([1, 2, 16, 64]))
def test_of_the_past_the_spikes_of_every_stretch_are_kept(values, every, newest_from, width):
    steps, heights = np.arange(len(values)) * every, np.asarray(values)
    kept = old_points_kept(steps, heights, newest_from=newest_from, width=width)
    assert kept[0] and kept[steps >= newest_from].all()
    for stretch in {*(steps[steps < newest_from] // width).tolist()}:
        own = (steps // width == stretch) & (steps < newest_from)
        assert 1 <= (own & kept).sum() <= 2 + bool(own[0])
        if not np.isnan(heights[own]).all():
            assert np.nanmin(heights[own & kept]) == np.nanmin(heights[own])
            assert np.nanmax(heights[own & kept]) == np.nanmax(heights[own])


@given(values=VALUES, border=st.integers(0, 200))
def test_thinning_again_with_a_wider_stretch_is_thinning_once(values, border):
    steps, heights = np.arange(len(values)), np.asarray(values)
    narrow = old_points_kept(steps, heights, newest_from=border, width=8)
    again = old_points_kept(steps[narrow], heights[narrow], newest_from=border + 90, width=32)
    once = old_points_kept(steps, heights, newest_from=border + 90, width=32)
    np.testing.assert_array_equal(steps[narrow][again & (steps[narrow] >= border + 90)], steps[once & (steps >= border + 90)])
    for stretch in {*(steps[steps < border + 90] // 32).tolist()}:
        ours, theirs = (heights[one][(at[one] // 32 == stretch) & (at[one] < border + 90)]
                        for one, at in ((once, steps), (narrow.nonzero()[0][again], steps)))
        if not np.isnan(theirs).all():
            assert (np.nanmin(ours), np.nanmax(ours)) == (np.nanmin(theirs), np.nanmax(theirs))
