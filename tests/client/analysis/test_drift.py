"""Retention: drifts that are known, what their fits claim of them, and which model is chosen."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rheostat.analysis.drift import akaike_weights, compare, fit_logarithmic, fit_none, fit_power

TIMES = np.geomspace(1.0, 1e5, 12)  # s
LATER = 3.15e7  # s, a year
ERROR = np.linspace(0.2, 0.6, 12)  # ohm


def logarithmic(t, v0=800.0, a=0.004, t0=1.0):
    return v0 * (1.0 + a * np.log10(1.0 + np.asarray(t) / t0))


def power(t, v0=800.0, nu=0.003, t0=1.0):
    return v0 * (np.asarray(t) / t0) ** -nu


def flat(t):
    return np.full_like(np.asarray(t, dtype=float), 800.0)


def covered(trials, rate):
    """The counts that a binomial of this rate leaves in one run out of 100,000."""
    low, high = stats.binom.interval(1.0 - 1e-5, trials, rate)
    return range(int(low), int(high) + 1)


@given(st.floats(1.0, 1e6), st.floats(-0.04, 0.04), st.floats(0.1, 1e3))
def test_a_logarithmic_drift_without_noise_is_found_exactly(v0, a, t0):
    found = fit_logarithmic(TIMES, logarithmic(TIMES, v0, a, t0), 1e-3 * v0, t0)
    assert found["v0"] == pytest.approx(v0)
    assert found["a"] == pytest.approx(a, abs=1e-9)
    assert found.chi_square == pytest.approx(0.0, abs=1e-9)


@given(st.floats(1e-6, 1e6), st.floats(-0.3, 0.3), st.floats(0.1, 1e3))
def test_a_power_law_without_noise_is_found_exactly(v0, nu, t0):
    found = fit_power(TIMES, power(TIMES, v0, nu, t0), 1e-3 * v0, t0)
    assert found["v0"] == pytest.approx(v0)
    assert found["nu"] == pytest.approx(nu, abs=1e-9)


@pytest.mark.parametrize(
    ("fit", "law", "truth"),
    [
        (fit_none, flat, {"v0": 800.0}),
        (fit_logarithmic, logarithmic, {"v0": 800.0, "a": 0.004}),
        (fit_power, power, {"v0": 800.0, "nu": 0.003}),
        (lambda t, v, e: fit_power(t, v, e, 1e3), lambda t: power(t, 1.0, 0.2, 1e3), {"v0": 1.0, "nu": 0.2}),
        (
            lambda t, v, e: fit_logarithmic(t, v, e, None),
            lambda t: logarithmic(t, 800.0, 0.05, 300.0),
            {"v0": 800.0, "a": 0.05, "t0": 300.0},
        ),
    ],
    ids=["none", "logarithmic", "power", "power from elsewhere", "t0 fitted"],
)
def test_parameters_predictions_and_chi_square_are_right_as_often_as_they_say(fit, law, truth):
    """Each within its error at 90 %, the value after a year in its band of 90 %, chi^2 above its 90 % in 10 %."""
    trials = 300
    generator = np.random.default_rng(3)
    error = ERROR * law(TIMES)[0] / 800.0
    inside = dict.fromkeys(truth, 0)
    in_band, misfits = 0, 0
    for _ in range(trials):
        found = fit(TIMES, law(TIMES) + error * generator.normal(size=12), error)
        assert found.names == tuple(truth)
        for name in truth:
            inside[name] += abs(found[name] - truth[name]) < 1.645 * found.error(name)
        _, low, high = found.predict(LATER, 0.9)
        in_band += low <= law(LATER) <= high
        misfits += found.p_value < 0.1
    assert all(count in covered(trials, 0.9) for count in inside.values())
    assert in_band in covered(trials, 0.9)
    assert misfits in covered(trials, 0.1)


@pytest.mark.parametrize(
    ("law", "model"),
    [
        (flat, "none"),
        (lambda t: logarithmic(t, a=0.02, t0=100.0), "logarithmic"),
        (lambda t: power(t, nu=0.1), "power"),
    ],
)
def test_the_true_model_is_chosen(law, model):
    generator = np.random.default_rng(4)
    chosen = [compare(TIMES, law(TIMES) + ERROR * generator.normal(size=12), ERROR, 100.0) for _ in range(100)]
    assert sum(models[0].model == model for models in chosen) >= 80
    for models in chosen:
        assert {drift.model for drift in models} == {"none", "logarithmic", "power"}
        assert np.all(np.diff([drift.aicc for drift in models]) >= 0.0)
        weights = akaike_weights(models)
        assert weights.sum() == pytest.approx(1.0)
        assert np.all(np.diff(weights) <= 0.0)


def test_a_model_that_does_not_fit_says_so():
    values = power(TIMES, nu=0.1)
    assert fit_none(TIMES, values, ERROR).p_value < 1e-6
    assert fit_logarithmic(TIMES, values, ERROR).p_value < 1e-6
    assert fit_power(TIMES, values, ERROR).p_value > 0.99


@given(st.floats(1e-6, 1e6), st.floats(1e-2, 1e2))
def test_the_units_of_value_and_time_go_through_the_fits(unit, second):
    values = power(TIMES, nu=0.01) + ERROR * np.random.default_rng(5).normal(size=12)
    for fit, name in ((fit_logarithmic, "a"), (fit_power, "nu")):
        one = fit(TIMES, values, ERROR)
        other = fit(second * TIMES, unit * values, unit * ERROR, second)
        assert other["v0"] == pytest.approx(unit * one["v0"])
        assert other.error("v0") == pytest.approx(unit * one.error("v0"), rel=1e-4)
        assert other[name] == pytest.approx(one[name], rel=1e-5)
        assert other.error(name) == pytest.approx(one.error(name), rel=1e-4)
        assert other.chi_square == pytest.approx(one.chi_square, rel=1e-5)


def test_the_band_grows_with_the_time_beyond_the_readings():
    found = fit_logarithmic(TIMES, logarithmic(TIMES), ERROR)
    value, low, high = found.predict([[1e3, 1e5], [1e7, 1e9]])
    assert value.shape == low.shape == high.shape == (2, 2)
    assert value == pytest.approx(logarithmic(np.array([[1e3, 1e5], [1e7, 1e9]])))
    assert np.all(np.diff((high - low).ravel()) > 0.0)


def test_a_reading_at_time_zero_is_part_of_the_logarithm_and_of_no_comparison():
    times, values = np.append(0.0, TIMES), np.append(800.0, logarithmic(TIMES))
    assert fit_logarithmic(times, values, 0.3).freedom == 11
    assert {drift.freedom for drift in compare(times, values, 0.3)} == {10, 11}
    with pytest.raises(ValueError, match="above 0"):
        fit_power(times, values, 0.3)


def test_too_few_readings_to_correct_for_cannot_win():
    models = compare([1.0, 10.0, 100.0], [800.0, 801.0, 802.0], 0.5)
    assert models[0].model == "none"
    assert models[1].aicc == models[2].aicc == math.inf
    assert math.isnan(fit_logarithmic([1.0, 10.0], [1.0, 2.0], 0.1).p_value)


@pytest.mark.parametrize(
    ("times", "values", "errors"),
    [
        ([1.0], [1.0], 0.1),
        ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], 0.1),
        ([1.0, 2.0], [1.0, math.nan], 0.1),
        ([1.0, math.inf], [1.0, 2.0], 0.1),
        ([-1.0, 2.0], [1.0, 2.0], 0.1),
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 2.0], [1.0, 2.0], [0.1, math.nan]),
        ([1.0, 2.0, 3.0], [1.0, 2.0], 0.1),
    ],
)
@pytest.mark.parametrize("fit", [fit_logarithmic, fit_power, compare])
def test_readings_that_cannot_be_fitted_are_refused(fit, times, values, errors):
    with pytest.raises(ValueError):
        fit(times, values, errors)


@pytest.mark.parametrize(
    "call",
    [
        lambda: fit_logarithmic(TIMES, flat(TIMES), 0.1, 0.0),
        lambda: fit_logarithmic([0.0, 1.0, 2.0], [1.0, 1.0, 1.0], 0.1, None),
        lambda: fit_power(TIMES, -flat(TIMES), 0.1),
        lambda: fit_power(TIMES, flat(TIMES), 0.1).predict(0.0),
        lambda: fit_none(TIMES, flat(TIMES), 0.1).predict(-1.0),
        lambda: fit_none(TIMES, flat(TIMES), 0.1).predict(1.0, 1.0),
    ],
)
def test_what_has_no_answer_is_refused(call):
    with pytest.raises(ValueError):
        call()
