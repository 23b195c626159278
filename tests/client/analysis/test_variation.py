"""Devices and cycles told apart: known variances, and intervals that hold them as often as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rheostat.analysis.variation import nested

UNEQUAL = (2, 3, 5, 9, 1, 14)


def covered(trials, rate):
    """The counts that a binomial of this rate leaves in one run out of 100,000."""
    low, high = stats.binom.interval(1.0 - 1e-5, trials, rate)
    return range(int(low), int(high) + 1)


def measured(sizes, between, within, generator, mean=100.0):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    device = between * generator.normal(size=len(sizes))
    return mean + device[groups] + within * generator.normal(size=len(groups)), groups


@pytest.mark.parametrize("sizes", [(5,) * 8, (20,) * 4, UNEQUAL], ids=["eight", "four", "unequal"])
@pytest.mark.parametrize("between", [0.0, 0.5, 3.0])
def test_both_variances_are_unbiased_and_lie_in_their_intervals_as_often_as_stated(sizes, between):
    """The interval between devices errs on the safe side where there are none, or sizes differ."""
    generator = np.random.default_rng(6)
    trials = 1000
    found = [nested(*measured(sizes, between, 1.0, generator), 0.9) for _ in range(trials)]
    assert sum(each.within.low <= 1.0 <= each.within.high for each in found) in covered(trials, 0.9)
    held = sum(each.between.low <= between**2 <= each.between.high for each in found)
    assert held >= min(covered(trials, 0.9))
    if sizes != UNEQUAL and between > 1.0:
        assert held <= max(covered(trials, 0.92))
    for name, truth in (("between", between**2), ("within", 1.0)):
        unbiased = np.array([getattr(each, name).unbiased for each in found])
        assert unbiased.mean() == pytest.approx(truth, abs=4.0 * unbiased.std() / math.sqrt(trials))
    edge = stats.t.ppf(0.95, len(sizes) - 1)
    if between > 1.0 or sizes != UNEQUAL:
        inside = sum(abs(each.mean - 100.0) < edge * each.mean_error for each in found)
        assert inside in covered(trials, 0.9)


def test_groups_of_one_size_give_the_analysis_of_variance():
    values, groups = measured((6,) * 5, 2.0, 1.0, np.random.default_rng(1))
    table = values.reshape(5, 6)
    inside = table.var(axis=1, ddof=1).mean()
    outside = 6.0 * table.mean(axis=1).var(ddof=1)
    found = nested(values, groups)
    assert found.within.variance == pytest.approx(inside)
    assert found.between.variance == pytest.approx((outside - inside) / 6.0)
    assert found.share == pytest.approx((outside - inside) / (outside + 5.0 * inside))


def test_the_interval_starts_at_zero_exactly_where_the_f_test_finds_no_devices():
    generator = np.random.default_rng(2)
    for sizes in ((5,) * 6, (3,) * 10):
        for _ in range(100):
            values, groups = measured(sizes, 0.4, 1.0, generator)
            test = stats.f_oneway(*values.reshape(len(sizes), -1))
            assert (nested(values, groups).between.low > 0.0) == (test.pvalue < 0.025)


def test_a_negative_estimate_is_told_and_cut_at_zero():
    values, groups = np.array([1.0, 3.0, 3.0, 1.0, 1.0, 3.0]), np.array([0, 0, 1, 1, 2, 2])
    found = nested(values, groups)
    assert found.between.unbiased == pytest.approx(-1.0)
    assert found.between.variance == found.between.deviation == found.between.low == 0.0
    assert found.share == 0.0


@given(st.floats(1e-6, 1e6), st.floats(-1e3, 1e3), st.sampled_from([(4, 4, 4), UNEQUAL]))
def test_variances_follow_the_unit_and_not_the_origin(unit, shift, sizes):
    values, groups = measured(sizes, 2.0, 1.0, np.random.default_rng(3))
    one, other = nested(values, groups), nested(unit * (values + shift), groups)
    for part in ("between", "within"):
        for name in ("unbiased", "low", "high"):
            expected = unit**2 * getattr(getattr(one, part), name)
            assert getattr(getattr(other, part), name) == pytest.approx(expected, rel=1e-6, abs=1e-9 * unit**2)
    assert other.mean == pytest.approx(unit * (one.mean + shift), abs=1e-9 * unit)


def test_names_and_order_of_the_devices_do_not_matter():
    values, groups = measured(UNEQUAL, 2.0, 1.0, np.random.default_rng(4))
    order = np.random.default_rng(5).permutation(len(values))
    names = np.array([f"S{9 - k}" for k in range(len(UNEQUAL))])[groups]
    assert nested(values[order], names[order]).between.high == pytest.approx(nested(values, groups).between.high)


def test_relative_variation_is_that_of_the_logarithms_where_it_is_small():
    values, groups = measured((30,) * 12, 3.0, 1.0, np.random.default_rng(7))
    plain, logs = nested(values, groups), nested(np.log(values), groups)
    for relative, part in ((plain.relative_between, logs.between), (plain.relative_within, logs.within)):
        assert relative == pytest.approx((part.deviation, *part.interval), rel=0.03)


def test_cycles_that_do_not_vary_leave_all_variation_to_the_devices():
    for groups in ([0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 2]):
        found = nested(np.array([1.0, 2.0, 4.0])[groups], groups)
        assert found.within.high < 1e-20  # rounding
        assert found.between.variance == pytest.approx(7.0 / 3.0)
        low, high = (2.0 * (7.0 / 3.0) / stats.chi2.ppf(q, 2) for q in (0.975, 0.025))
        assert (found.between.low, found.between.high) == pytest.approx((low, high))


def test_values_that_are_all_the_same_vary_nowhere():
    found = nested(np.full(6, 3.0), [0, 0, 1, 1, 2, 2])
    assert (found.between.variance, found.between.high, found.within.high) == (0.0, 0.0, 0.0)
    assert math.isnan(found.share)
    assert all(math.isnan(figure) for figure in nested([-1.0, 1.0, -1.0, 1.0], [0, 0, 1, 1]).relative_within)


@pytest.mark.parametrize(
    ("values", "groups", "confidence"),
    [
        ([1.0, 2.0], [0, 0], 0.95),
        ([1.0, 2.0], [0, 1], 0.95),
        ([1.0, math.nan, 2.0], [0, 0, 1], 0.95),
        ([1.0, 2.0, 3.0], [0, 1], 0.95),
        ([[1.0, 2.0], [3.0, 4.0]], [[0, 0], [1, 1]], 0.95),
        ([1.0, 2.0, 3.0], [0, 0, 1], 1.0),
    ],
)
def test_what_cannot_be_told_apart_is_refused(values, groups, confidence):
    with pytest.raises(ValueError):
        nested(values, groups, confidence)
