"""Errors of all levels together, from thousands a level to less than one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, stats

from rheostat.analysis import smoothing
from rheostat.analysis.program_error import LevelErrors, StudentT, fit, fit_levels


def smooth_truth(n):
    """As in the paper's potentiation: widest at one end; tails heavier there."""
    x = np.linspace(0.0, 1.0, n)
    return 0.05 * np.sin(6.0 * x), 0.08 + 0.2 * np.exp(-8.0 * x), 4.0 + 6.0 * x


def rough_truth(n, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(0.0, 0.1, n), 0.1 * np.exp(generator.normal(0.0, 0.5, n)), generator.uniform(2.5, 8.0, n)


def drawn(truth, levels, generator):
    loc, scale, nu = truth
    return loc[levels] + scale[levels] * generator.standard_t(nu[levels])


def test_with_many_errors_a_level_each_keeps_its_own_fit():
    truth = rough_truth(12)
    levels = np.repeat(np.arange(12), 3000)
    errors = drawn(truth, levels, np.random.default_rng(1))
    together = fit_levels(levels, errors, 12)
    for k in range(12):
        alone = fit(errors[levels == k], replicates=0)
        assert abs(together.loc[k] - alone.distribution.loc) < 0.2 * alone.stderr.loc
        assert abs(together.scale[k] - alone.distribution.scale) < 0.8 * alone.stderr.scale
        assert abs(together.nu[k] - alone.distribution.nu) < 1.0 * alone.stderr.nu
        assert together.loc_error[k] == pytest.approx(alone.stderr.loc, rel=0.1)
        assert together.scale_error[k] == pytest.approx(alone.stderr.scale, rel=0.2)
    assert together.freedom[0] > 11.9


@pytest.mark.parametrize(("each", "loc_off", "scale_off"), [(1, 0.035, 0.25), (3, 0.02, 0.15), (66, 0.005, 0.05)])
def test_with_few_errors_a_level_gets_those_of_its_neighbourhood(each, loc_off, scale_off):
    truth = smooth_truth(256)
    levels = np.repeat(np.arange(256), each)
    found = fit_levels(levels, drawn(truth, levels, np.random.default_rng(2)), 256)
    assert np.sqrt(np.mean((found.loc - truth[0]) ** 2)) < loc_off
    assert np.sqrt(np.mean(np.log(found.scale / truth[1]) ** 2)) < scale_off
    assert np.all(found.nu > 2.0)
    assert np.all(found.measured == each)
    if each < 66:
        assert sum(found.freedom) < 60


def test_levels_that_were_never_measured_lie_between_their_neighbours_and_the_ends_stay():
    truth = smooth_truth(100)
    levels = np.repeat(np.arange(10, 90, 4), 40)
    found = fit_levels(levels, drawn(truth, levels, np.random.default_rng(3)), 100)
    inside = slice(10, 87)
    assert np.abs(found.loc - truth[0])[inside].max() < 0.08
    assert np.abs(np.log(found.scale / truth[1]))[inside].max() < 0.4
    assert found.measured[11] == 0
    for values in (found.loc, found.scale, found.nu):
        assert np.all(values[:10] == values[10])
        assert np.all(values[87:] == values[86])


def test_normal_errors_give_levels_without_tails_to_speak_of():
    generator = np.random.default_rng(4)
    levels = np.repeat(np.arange(64), 20)
    found = fit_levels(levels, generator.normal(0.1, 0.3, levels.size), 64)
    assert np.all(found.nu > 50.0)
    assert found.scale == pytest.approx(0.3, rel=0.1)
    assert found.loc == pytest.approx(0.1, abs=0.06)


def test_scale_is_not_too_small_where_every_level_has_a_loc_of_its_own():
    """Two errors a level: half of the scatter goes into the locs, and is given back."""
    generator = np.random.default_rng(5)
    levels = np.repeat(np.arange(300), 2)
    found = fit_levels(levels, generator.normal(0.0, 3.0, 300)[levels] + generator.normal(0.0, 0.2, 600), 300)
    assert np.median(found.scale) == pytest.approx(0.2, rel=0.15)


@pytest.mark.parametrize("trials", [12, pytest.param(100, marks=pytest.mark.full)])
def test_the_errors_of_loc_and_scale_cover_the_truth_about_as_often_as_they_say(trials):
    """40 levels of their own, 40 errors at each; a loc's departures are normal, as the smoothing takes them to be."""
    inside, n = np.zeros(2, dtype=int), 40
    for seed in range(trials):
        truth = (*rough_truth(n, seed)[:2], np.full(n, 4.0))
        levels = np.repeat(np.arange(n), 40)
        found = fit_levels(levels, drawn(truth, levels, np.random.default_rng(1000 + seed)), n)
        inside += [
            np.count_nonzero(np.abs(found.loc - truth[0]) < 1.645 * found.loc_error),
            np.count_nonzero(np.abs(np.log(found.scale / truth[1])) < 1.645 * found.scale_error / found.scale),
        ]
    for count in inside:
        low, high = stats.binom.interval(1.0 - 1e-4, trials * n, 0.9)
        assert low - 0.03 * trials * n <= count <= high + 0.03 * trials * n


def test_one_error_a_level_covers_a_smooth_scale_though_its_tails_look_normal():
    inside, n = [], 128
    for seed in range(10):
        loc, scale, _ = smooth_truth(n)
        levels = np.arange(n)
        found = fit_levels(levels, drawn((loc, scale, np.full(n, 4.0)), levels, np.random.default_rng(200 + seed)), n)
        inside.append(np.mean(np.abs(np.log(found.scale / scale)) < 1.645 * found.scale_error / found.scale))
    assert np.mean(inside) > 0.8


def test_a_scale_of_its_own_shows_from_three_errors_a_level_on():
    n = 128
    generator = np.random.default_rng(8)
    scale = 0.1 * np.exp(generator.normal(0.0, 0.5, n))
    levels = np.repeat(np.arange(n), 4)
    found = fit_levels(levels, scale[levels] * generator.normal(size=levels.size), n)
    assert found.freedom[1] > 20.0
    inside = np.abs(np.log(found.scale / scale)) < 1.645 * found.scale_error / found.scale
    assert np.mean(inside) > 0.6


@settings(max_examples=4, deadline=None)
@given(st.floats(1e-4, 1e4), st.floats(-10.0, 10.0))
def test_unit_and_origin_of_the_errors_go_through_the_fit(unit, shift):
    levels = np.repeat(np.arange(20), 6)
    errors = drawn(smooth_truth(20), levels, np.random.default_rng(6))
    one, other = fit_levels(levels, errors, 20), fit_levels(levels, unit * (errors + shift), 20)
    assert other.loc == pytest.approx(unit * (one.loc + shift), abs=1e-3 * unit)
    assert other.scale == pytest.approx(unit * one.scale, rel=1e-2)


def test_the_order_of_the_errors_does_not_matter():
    levels = np.repeat(np.arange(20), 6)
    errors = drawn(smooth_truth(20), levels, np.random.default_rng(6))
    order = np.random.default_rng(7).permutation(120)
    one, other = fit_levels(levels, errors, 20), fit_levels(levels[order], errors[order], 20)
    assert other.scale == pytest.approx(one.scale, rel=1e-3)


def test_samples_have_the_distribution_of_their_level():
    flat = np.zeros(3)
    errors = LevelErrors(
        np.array([-1.0, 0.0, 2.0]), np.array([1.0, 2.0, 0.5]), np.array([2.5, 6.0, math.inf]), flat.astype(int),
        flat, flat, (3.0, 3.0, 3.0),
    )  # fmt: skip
    levels = np.random.default_rng(0).integers(0, 3, (100, 300))
    drawn_errors = errors.sample(levels, np.random.default_rng(1))
    assert drawn_errors.shape == levels.shape
    for k in range(3):
        one = StudentT(float(errors.loc[k]), float(errors.scale[k]), float(errors.nu[k]))
        assert stats.kstest(drawn_errors[levels == k], one.cumulative).pvalue > 1e-3
    with pytest.raises(ValueError, match="levels"):
        errors.sample([3], np.random.default_rng(1))


@pytest.mark.parametrize(
    ("levels", "errors"),
    [
        ([0, 1], [0.1, 0.2]),
        ([0, 1, 2, 3], [0.1, 0.2, 0.3, 0.4, 0.5]),
        ([0, 1, 2, 3, 9], [0.1, 0.2, 0.3, 0.4, 0.5]),
        ([0, 1, 2, 3, -1], [0.1, 0.2, 0.3, 0.4, 0.5]),
        ([0, 1, 2, 3, 0.5], [0.1, 0.2, 0.3, 0.4, 0.5]),
        ([0, 1, 2, 3, 4], [0.1, 0.2, 0.3, 0.4, math.nan]),
        ([0, 1, 2, 3, 4], [0.1] * 5),
    ],
)
def test_what_cannot_be_fitted_is_refused(levels, errors):
    with pytest.raises(ValueError):
        fit_levels(levels, errors, 5)


@pytest.mark.parametrize("levels", [[0] * 12, [2, 3] * 6])
def test_one_or_two_levels_that_were_measured_stand_for_all(levels):
    errors = np.random.default_rng(0).normal(0.0, 1.0, 12)
    found = fit_levels(levels, errors, 5)
    assert np.all(np.isfinite(found.loc) & np.isfinite(found.scale) & (found.scale > 0.0))


@pytest.mark.parametrize("order", [1, 2])
def test_the_smoothing_is_that_of_dense_matrices(order):
    n = 9
    generator = np.random.default_rng(1)
    y, v = generator.normal(size=n), generator.uniform(0.5, 2.0, n)
    v[4] = np.inf
    hyper = smoothing.Hyper(0.3, 0.2, 1.0)
    found = smoothing.smooth(np.where(np.isfinite(v), y, 0.0), v, order, True, (hyper,))
    difference = np.diff(np.eye(n), order, axis=0)
    precision = difference.T @ difference / 0.3 + np.diag(1.0 / (v + 0.2))
    inverse = linalg.inv(precision)
    curve = inverse @ np.where(np.isfinite(v), y / (v + 0.2), 0.0)
    share = 0.2 / (0.2 + v)
    assert found.mean == pytest.approx(curve + share * np.where(np.isfinite(v), y - curve, 0.0))
    assert found.variance == pytest.approx(0.2 * (1.0 - share) + (1.0 - share) ** 2 * np.diagonal(inverse))


@pytest.mark.parametrize(("roughness", "departure"), [(0.0, 0.0), (0.01, 0.0), (0.0, 4.0)])
def test_the_strength_of_the_smoothing_comes_from_the_data(roughness, departure):
    generator = np.random.default_rng(2)
    n = 400
    curve = np.cumsum(np.cumsum(generator.normal(0.0, math.sqrt(roughness), n)))
    truth = curve + generator.normal(0.0, math.sqrt(departure), n)
    found = smoothing.smooth(truth + generator.normal(size=n), np.ones(n), 2, True)
    likeliest = max(found.hypers, key=lambda hyper: hyper.weight)
    assert sum(hyper.weight for hyper in found.hypers) == pytest.approx(1.0)
    assert likeliest.departure == pytest.approx(departure, rel=0.3, abs=0.15)
    if roughness:
        assert 0.3 * roughness < likeliest.roughness < 3.0 * roughness
    else:
        assert likeliest.roughness < 1e-5
    assert np.mean(np.abs(found.mean - truth) < 1.96 * np.sqrt(found.variance)) > 0.88
