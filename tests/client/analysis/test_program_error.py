"""Program error: quantisation, and Student's t fitted to errors whose distribution is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rheostat.analysis.program_error import StudentT, fit, quantise


def covered(trials, rate):
    """The counts that a binomial of this rate leaves in one run out of 100,000."""
    low, high = stats.binom.interval(1.0 - 1e-5, trials, rate)
    return range(int(low), int(high) + 1)


def draws(nu, m, seed, loc=0.3, scale=2.0):
    return StudentT(loc, scale, nu).sample(np.random.default_rng(seed), m)


@given(st.floats(-1.0, 1.0), st.integers(2, 600), st.floats(0.1, 100.0))
def test_a_value_goes_to_the_nearest_of_n_levels(value, n, half):
    level = float(quantise(half * value, n, (-half, half)))
    levels = np.linspace(-half, half, n)
    assert np.min(np.abs(levels - level)) < 1e-9 * half
    assert abs(level - half * value) <= np.min(np.abs(levels - half * value)) + 1e-9 * half


@given(st.integers(1, 10))
def test_no_number_of_bits_has_a_level_at_zero_and_every_odd_number_of_levels_has(bits):
    assert abs(quantise(0.0, 2**bits)) == pytest.approx(1.0 / (2**bits - 1))
    assert quantise(0.0, 2**bits + 1) == pytest.approx(0.0, abs=1e-15)


def test_both_ends_are_levels_and_what_lies_beyond_goes_there():
    assert quantise([-9.0, -4.0, 4.0, 9.0], 8, (-4.0, 4.0)).tolist() == [-4.0, -4.0, 4.0, 4.0]


@pytest.mark.parametrize(("n", "ends"), [(1, (-1.0, 1.0)), (2.5, (-1.0, 1.0)), (4, (1.0, 1.0)), (4, (0.0, math.inf))])
def test_levels_that_cannot_be_are_refused(n, ends):
    with pytest.raises(ValueError, match="levels"):
        quantise(0.0, n, ends)


@pytest.mark.parametrize("nu", [1.5, 4.0, 60.0, math.inf])
def test_the_distribution_is_scipys(nu):
    x = np.linspace(-30.0, 30.0, 101)
    ours = StudentT(0.7, 1.9, nu)
    theirs = stats.norm(0.7, 1.9) if math.isinf(nu) else stats.t(nu, 0.7, 1.9)
    assert ours.log_density(x) == pytest.approx(theirs.logpdf(x), abs=1e-9)
    assert ours.cumulative(x) == pytest.approx(theirs.cdf(x), abs=1e-12)
    assert ours.deviation == pytest.approx(theirs.std())
    assert stats.kstest(ours.sample(np.random.default_rng(2), 4000), theirs.cdf).pvalue > 1e-3


@pytest.mark.parametrize(("nu", "m"), [(1.2, 60), (2.0, 30), (3.0, 66), (5.0, 500), (20.0, 3000)])
@pytest.mark.parametrize("seed", [1, 2])
def test_no_fit_of_scipy_is_likelier(nu, m, seed):
    errors = draws(nu, m, seed)
    found = fit(errors, replicates=0)
    theirs = stats.t.fit(errors)
    best = float(np.sum(stats.t.logpdf(errors, *theirs))) if theirs[0] >= 1.0 else -math.inf
    normal = float(np.sum(stats.norm.logpdf(errors, errors.mean(), errors.std())))
    assert normal + 0.5 * found.student_over_normal >= best - 1e-5
    if math.isfinite(found.distribution.nu):
        ours = float(found.distribution.log_density(errors).sum())
        assert ours == pytest.approx(normal + 0.5 * found.student_over_normal, abs=1e-6)


def test_one_reading_gone_wild_does_not_carry_the_fit_away():
    errors = np.append(draws(math.inf, 65, seed=1), 1e7)
    found = fit(errors, replicates=0).distribution
    assert abs(found.loc - 0.3) < 1.0
    assert 0.8 < found.scale < 2.5
    assert found.nu < 2.0


@settings(max_examples=25, deadline=None)
@given(st.floats(1e-6, 1e6), st.floats(-100.0, 100.0), st.booleans(), st.integers(0, 100))
def test_unit_origin_and_sign_of_the_errors_go_through_the_fit(unit, shift, mirrored, seed):
    sign = -1.0 if mirrored else 1.0
    errors = draws(3.0, 80, seed)
    one, other = fit(errors, replicates=0), fit(sign * unit * (errors + shift), replicates=0)
    assert other.distribution.loc == pytest.approx(sign * unit * (one.distribution.loc + shift), abs=1e-5 * unit)
    assert other.distribution.scale == pytest.approx(unit * one.distribution.scale, rel=1e-5)
    assert 1.0 / other.distribution.nu == pytest.approx(1.0 / one.distribution.nu, abs=1e-5)
    assert other.stderr.scale == pytest.approx(unit * one.stderr.scale, rel=1e-4)


def test_parameters_are_recovered_with_errors_that_cover_them_as_often_as_they_say():
    trials, inside = 250, np.zeros(3, dtype=int)
    truth = StudentT(0.3, 2.0, 3.0)
    for seed in range(trials):
        found = fit(draws(3.0, 250, seed), replicates=0)
        low, high = found.nu_interval(0.9)
        inside += [
            abs(found.distribution.loc - truth.loc) < 1.645 * found.stderr.loc,
            abs(np.log(found.distribution.scale / truth.scale)) < 1.645 * found.stderr.scale / found.distribution.scale,
            low <= truth.nu <= high,
        ]
    assert all(count in covered(trials, 0.9) for count in inside)


def test_errors_of_a_large_sample_are_those_of_the_expected_information():
    found = fit(draws(4.0, 40_000, 3), replicates=0)
    assert found.distribution.nu == pytest.approx(4.0, abs=4.0 * found.stderr.nu)
    nu, m = 4.0, 40_000
    assert found.stderr.loc == pytest.approx(2.0 * math.sqrt((nu + 3.0) / (nu + 1.0) / m), rel=0.03)
    assert found.stderr.nu == pytest.approx(found.distribution.nu - found.nu_interval(0.683)[0], rel=0.1)


def test_the_mean_of_a_normal_lies_in_its_interval_as_often_as_stated_with_few_errors_too():
    for m in (4, 9):
        edge = stats.t.ppf(0.95, m - 1)
        fits = [fit(draws(math.inf, m, seed), replicates=0) for seed in range(800)]
        assert all(math.isinf(each.distribution.nu) for each in fits)
        inside = sum(abs(each.distribution.loc - 0.3) < edge * each.stderr.loc for each in fits)
        assert inside in covered(800, 0.9)


@pytest.mark.parametrize("nu", [1.5, 3.0, 5.0, 10.0, math.inf])
def test_loc_and_scale_of_66_errors_are_covered_whatever_the_tails(nu):
    """Also where nu could as well be inf. Not less often than stated; more often where the tail ends at the normal."""
    trials, inside, edge = 150, np.zeros(2, dtype=int), stats.t.ppf(0.95, 65)
    for seed in range(trials):
        found = fit(draws(nu, 66, 5000 + seed), replicates=0)
        inside += [
            abs(found.distribution.loc - 0.3) < edge * found.stderr.loc,
            abs(np.log(found.distribution.scale / 2.0)) < edge * found.stderr.scale / found.distribution.scale,
        ]
    assert inside[0] in covered(trials, 0.9)
    assert min(covered(trials, 0.9)) <= inside[1] <= max(covered(trials, 0.95))


def test_normal_errors_are_seldom_called_heavy_and_heavy_tails_are_seen():
    fits = [fit(draws(math.inf, 66, seed), replicates=0) for seed in range(250)]
    assert sum(each.student_over_normal > 2.71 for each in fits) <= max(covered(250, 0.05))
    assert sum(math.isinf(each.nu_interval()[1]) for each in fits) >= min(covered(250, 0.95))
    assert 0.3 < np.mean([math.isinf(each.distribution.nu) for each in fits]) < 0.8
    seen = sum(math.isfinite(fit(draws(2.5, 66, seed), replicates=0).distribution.nu) for seed in range(100))
    assert seen > 95
    assert fit(draws(math.inf, 66, 1), replicates=0).nu_interval()[1] == math.inf


@pytest.mark.parametrize(("nu", "m", "trials"), [(4.0, 40, 120), (math.inf, 25, 120), (math.inf, 7, 200)])
def test_the_p_value_is_uniform_where_the_errors_are_what_was_fitted(nu, m, trials):
    generator = np.random.default_rng(8)
    found = [
        fit(StudentT(5.0, 0.1, nu).sample(generator, m), replicates=49, generator=generator) for _ in range(trials)
    ]
    values = np.array([each.check.p_value for each in found]) - generator.uniform(0.0, 1.0 / 50.0, trials)
    assert stats.kstest(values, "uniform").pvalue > 1e-3


@pytest.mark.full
@pytest.mark.parametrize(("nu", "m"), [(1.5, 40), (3.0, 66), (8.0, 66), (math.inf, 66), (math.inf, 12)])
def test_the_p_value_is_uniform_over_many_sets_of_errors(nu, m):
    generator = np.random.default_rng(9)
    found = [fit(StudentT(5.0, 0.1, nu).sample(generator, m), replicates=99, generator=generator) for _ in range(1000)]
    values = np.array([each.check.p_value for each in found]) - generator.uniform(0.0, 0.01, 1000)
    assert stats.kstest(values, "uniform").pvalue > 1e-3
    assert sum(each.check.fits is False for each in found) <= max(covered(1000, 0.01)) + 5


def test_what_is_no_student_t_is_told_so():
    generator = np.random.default_rng(1)
    for errors in (generator.exponential(size=100), np.concatenate([generator.normal(m, 0.1, 60) for m in (-1, 1)])):
        check = fit(errors).check
        assert check.fits is False
        assert check.verdict == "does not fit (p = 0.005)"
    assert fit(draws(3.0, 100, 1)).check.verdict.startswith("fits (p = 0.")


def test_the_same_errors_get_the_same_p_value():
    assert fit(draws(3.0, 30, 1)).check == fit(draws(3.0, 30, 1)).check


def test_a_fit_to_few_errors_is_normal_and_says_that_nothing_was_checked():
    found = fit([1.0, 2.0, 4.0])
    assert math.isinf(found.distribution.nu)
    assert found.distribution.loc == pytest.approx(7.0 / 3.0)
    assert found.nu_interval() == (1.0, math.inf)
    assert found.check.fits is None
    assert found.check.verdict == "not checked"


def test_errors_of_which_half_are_one_value_are_fitted_by_a_normal_that_does_not_fit():
    found = fit(np.concatenate([np.zeros(40), draws(3.0, 30, 1)]))
    assert math.isinf(found.distribution.nu)
    assert found.check.fits is False


@pytest.mark.parametrize("errors", [[], [1.0], [[1.0, 2.0]], [3.0] * 20, [0.0, 0.0], [1.0, math.nan], [1.0, math.inf]])
def test_what_cannot_be_fitted_is_refused(errors):
    with pytest.raises(ValueError, match="errors"):
        fit(errors)
