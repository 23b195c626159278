"""Pearson's correlation of repeated trains, and what noise alone makes of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rheostat.analysis import correlation

CURVES = arrays(np.float64, (2, 12), elements=st.integers(0, 4000).map(lambda k: 740.0 + 0.064 * k))


@given(CURVES)
def test_the_correlation_is_that_of_numpy(curves):
    x, y = curves
    found = float(correlation.pearson(x, y))
    if np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-9)
        assert -1.0 <= found <= 1.0


@given(CURVES, st.floats(0.1, 10.0), st.floats(-100.0, 100.0))
def test_the_correlation_knows_neither_scale_nor_offset_but_the_sign(curves, scale, offset):
    x, y = curves
    plain = correlation.pearson(x, y)
    np.testing.assert_allclose(correlation.pearson(scale * x + offset, y), plain, atol=1e-7)
    np.testing.assert_allclose(correlation.pearson(-x, y), -plain, atol=1e-7)


def test_leading_axes_are_trains_of_their_own():
    x = np.random.default_rng(1).normal(size=(3, 4, 20))
    found = correlation.pearson(x, x[0, 0])
    assert found.shape == (3, 4)
    assert found[0, 0] == pytest.approx(1.0)
    assert found[2, 3] == pytest.approx(np.corrcoef(x[2, 3], x[0, 0])[0, 1])


def test_a_curve_that_does_not_move_has_no_correlation_and_no_warning():
    flat = np.full(100, 800.1)  # whose mean is not 800.1, to rounding
    moving = np.linspace(880.0, 740.0, 100)
    with np.errstate(all="raise"):
        assert np.isnan(correlation.pearson(flat, moving))
        assert np.isnan(correlation.pearson(flat, flat))
        assert np.isnan(correlation.mean_correlation([flat, moving, moving]))
        assert correlation.dynamic_range([flat, flat]) == 0.0


def test_the_mean_correlation_is_that_of_the_last_repetition_with_each_before():
    trains = np.random.default_rng(2).normal(size=(2, 5, 30))
    expected = np.mean([np.corrcoef(trains[1, 4], trains[1, k])[0, 1] for k in range(4)])
    found = correlation.mean_correlation(trains)
    assert found.shape == (2,)
    assert found[1] == pytest.approx(expected)


def test_the_dynamic_range_is_the_mean_of_the_repetitions():
    assert correlation.dynamic_range([[880.0, 870.0, 860.0], [880.0, 866.0, 850.0]]) == 25.0


@pytest.mark.parametrize("span", [0.05, 0.2, 5.0])
def test_trains_that_differ_in_noise_only_correlate_as_expected(span):
    random = np.random.default_rng(3)
    curve = 880.0 - span * -np.expm1(-np.arange(101) / 30.0)
    pairs = curve + 0.02 * random.normal(size=(2, 4000, 101))
    found = correlation.pearson(*pairs)
    error = found.std(ddof=1) / np.sqrt(len(found))
    bias = 1.0 / 101  # of the correlation coefficient of so few readings
    assert abs(found.mean() - float(correlation.expected_correlation(curve, 0.02))) < 4.0 * error + bias


def test_noise_makes_the_correlation_of_small_ranges_low():
    curve = np.linspace(0.0, 1.0, 101)
    expected = correlation.expected_correlation(curve * np.array([[0.0], [0.05], [100.0]]), 0.02)
    assert expected[0] == 0.0
    assert expected[1] < 0.4
    assert expected[2] > 0.9999
    assert np.isnan(correlation.expected_correlation(np.zeros(5), 0.0))


@pytest.mark.parametrize("wrong", [np.zeros((1, 10)), np.zeros(10), np.zeros((3, 1))])
def test_what_is_no_set_of_repetitions_is_refused(wrong):
    with pytest.raises(ValueError, match=r"repetitions|readings"):
        correlation.mean_correlation(wrong)
