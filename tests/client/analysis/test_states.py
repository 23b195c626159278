"""The states of pulse trains, on curves whose parameters are known: linear part, symmetry, bins, stated errors."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rheostat.analysis.states import LinearPart, bits, linear_part, pair_bins, symmetry


def train(cycles=100, slope=81.0, sigma=0.0, bend=0.0, seed=0):
    """Twenty states: four that move less, then sixteen on a line with `bend` uS of rms curvature."""
    line = 2600.0 + slope * np.arange(16)
    parabola = (np.arange(16) - 7.5) ** 2
    parabola -= parabola.mean()
    line = line + bend * parabola / np.sqrt(np.mean(parabola**2))
    head = line[0] - slope * np.array([1.1, 0.9, 0.65, 0.35])
    means = np.concatenate([head, line])
    return means + sigma * np.random.default_rng(seed).normal(size=(cycles, 20))


@settings(max_examples=30)
@given(st.floats(40.0, 120.0), st.booleans(), st.floats(0.0, 5.0))
def test_slope_bins_and_curvature_of_a_known_line_are_found(slope, falling, bend):
    slope = -slope if falling else slope
    part = linear_part(train(cycles=2, slope=slope, bend=bend), 16)
    assert (part.first, part.count, part.bins) == (4, 16, 31)
    assert part.slope == pytest.approx(slope)
    assert part.bin_width == pytest.approx(abs(slope))
    assert part.intercept == pytest.approx(2600.0)
    assert part.curvature == pytest.approx(bend, abs=1e-6)
    assert part.sigma == pytest.approx(0.0, abs=1e-9)
    variance = slope**2 * (16**2 - 1) / 12.0
    assert part.r_squared == pytest.approx(1.0 - bend**2 / (variance + bend**2), abs=1e-9)


def test_ten_to_twelve_microsiemens_of_curvature_are_an_r_squared_of_0_999():
    """What the printed 0.99898 and 0.99925 say about 16 states 81 uS apart."""
    assert linear_part(train(bend=11.9), 16).r_squared == pytest.approx(0.99898, abs=2e-5)
    assert linear_part(train(bend=10.2), 16).r_squared == pytest.approx(0.99925, abs=2e-5)


def test_sigma_is_the_scatter_from_cycle_to_cycle():
    part = linear_part(train(cycles=2000, sigma=23.7), 16)
    assert part.sigma == pytest.approx(23.7, rel=0.02)
    assert part.sigmas.shape == part.means.shape == (16,)


def test_the_longest_stretch_stops_where_the_line_does():
    assert linear_part(train(), None, r_squared=0.99999).count == 16
    assert linear_part(train(), None, r_squared=0.9).count == 20
    assert linear_part(train(bend=30.0), None, r_squared=0.999).count < 16


def test_a_line_as_straight_as_the_printed_ones_is_one_in_nearly_every_hundred_cycles():
    """R^2 of 0.99898, as printed of potentiation: a sharp limit at 0.99895 would cut a state off every other time."""
    counts = [linear_part(train(sigma=23.7, bend=11.7, seed=seed)).count for seed in range(200)]
    assert np.mean(np.array(counts) >= 16) > 0.95


def test_scatter_makes_no_line_of_states_that_never_moved():
    found = 0
    for seed in range(200):
        states = 3000.0 + 20.0 * np.random.default_rng(seed).normal(size=(5, 20))
        try:
            found = max(found, linear_part(states).count)
        except ValueError:
            continue
    assert found <= 4


@pytest.mark.parametrize("kept", [0.0, 0.75])
def test_the_error_of_the_mean_sigma_is_its_scatter_also_where_states_keep_some_of_the_last(kept):
    generator = np.random.default_rng(3)
    parts = []
    for _ in range(300):
        scatter = generator.normal(size=(50, 16))
        for k in range(1, 16):
            scatter[:, k] = kept * scatter[:, k - 1] + np.sqrt(1.0 - kept**2) * scatter[:, k]
        parts.append(linear_part(2600.0 + 81.0 * np.arange(16) + 23.7 * scatter, 16))
    stated = np.mean([part.sigma_error for part in parts])
    assert stated == pytest.approx(np.std([part.sigma for part in parts]), rel=0.12)
    assert (stated > 1.3 * 23.7 / np.sqrt(2 * 49 * 16)) == (kept > 0.0)


def test_the_error_of_r_squared_is_its_scatter():
    parts = [linear_part(train(sigma=23.7, bend=11.7, seed=seed), 16) for seed in range(300)]
    assert np.mean([part.r_squared_error for part in parts]) == pytest.approx(
        np.std([part.r_squared for part in parts]), rel=0.15
    )
    mean = float(np.mean([part.r_squared for part in parts]))
    assert sum(abs(part.r_squared - mean) < 1.645 * part.r_squared_error for part in parts) in covered(300, 0.9)


@pytest.mark.parametrize("states", [np.zeros(20), np.zeros((1, 20)), np.full((3, 20), np.nan)])
def test_what_is_no_set_of_cycles_is_refused(states):
    with pytest.raises(ValueError, match="states"):
        linear_part(states)


@pytest.mark.parametrize("count", [2, 21])
def test_more_states_than_pulses_or_fewer_than_a_line_needs_are_refused(count):
    with pytest.raises(ValueError, match="count"):
        linear_part(train(), count)


def test_a_train_that_never_moves_has_no_linear_part():
    with pytest.raises(ValueError, match="R"):
        linear_part(np.full((5, 20), 3000.0), None)


def slow_longest(states, r_squared):
    """(first, count) of the longest stretch by trying every one, its error by leaving out every cycle."""

    def square(y):
        return stats.linregress(np.arange(len(y)), y).rvalue ** 2

    cycles, pulses = states.shape
    for length in range(pulses, 2, -1):
        reached = {}
        for first in range(pulses - length + 1):
            stretch = states[:, first : first + length]
            found = square(stretch.mean(axis=0))
            without = [square(np.delete(stretch, k, axis=0).mean(axis=0)) for k in range(cycles)]
            error = np.sqrt((cycles - 1) * np.var(without))
            if found + min(2.0 * error, 0.5 * (1.0 - r_squared)) >= r_squared:
                reached[first] = found
        if reached:
            return max(reached, key=reached.get), length
    return None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 30), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_longest_stretch_is_the_one_that_trying_all_finds(seed, pulses, r_squared):
    generator = np.random.default_rng(seed)
    states = np.cumsum(generator.normal(1.0, 1.0, pulses)) + 0.1 * generator.normal(size=(3, pulses))
    expected = slow_longest(states, r_squared)
    if expected is None:
        with pytest.raises(ValueError, match="R"):
            linear_part(states, None, r_squared)
    else:
        part = linear_part(states, None, r_squared)
        assert (part.first, part.count) == expected


def test_the_linear_part_of_a_thousand_states_takes_a_moment():
    x = np.linspace(0.0, 3.0, 1000)
    states = np.tanh(x) + 1e-4 * np.random.default_rng(0).normal(size=(10, 1000))
    start = time.perf_counter()
    part = linear_part(states)
    assert time.perf_counter() - start < 1.0
    assert 100 < part.count < 600
    assert part.first < 20


@settings(max_examples=30)
@given(st.floats(1e-6, 1e6), st.floats(-10.0, 10.0), st.integers(0, 1000))
def test_the_unit_of_the_states_changes_no_choice_and_scales_every_figure(scale, shift, seed):
    states = train(cycles=5, sigma=20.0, bend=8.0, seed=seed)
    one, other = linear_part(states), linear_part(scale * (states + 1000.0 * shift))
    assert (one.first, one.count) == (other.first, other.count)
    assert other.r_squared == pytest.approx(one.r_squared, abs=1e-9)
    for name in ("slope", "slope_error", "intercept_error", "bin_width", "bin_width_error", "sigma", "curvature"):
        assert getattr(other, name) == pytest.approx(scale * getattr(one, name), rel=1e-6, abs=scale * 1e-7)
    assert pair_bins(one) == pair_bins(other)


def covered(trials, rate):
    """The counts that a binomial of this rate leaves in one run out of 100,000."""
    low, high = stats.binom.interval(1.0 - 1e-5, trials, rate)
    return range(int(low), int(high) + 1)


def test_the_errors_of_line_and_bin_width_cover_the_truth_as_often_as_they_say():
    """Also where the states of a cycle move together, which an error from the residuals would not see."""
    generator = np.random.default_rng(4)
    trials, cycles = 1500, 12
    line = 2600.0 + 81.0 * np.arange(16)
    hits = np.zeros(3, dtype=int)
    edge = stats.t.ppf(0.95, cycles - 1)
    for _ in range(trials):
        common = generator.normal(0.0, 15.0, (cycles, 1)) * (1.0 + 0.05 * np.arange(16))
        part = linear_part(line + common + generator.normal(0.0, 18.0, (cycles, 16)), 16)
        off = [part.slope - 81.0, part.intercept - 2600.0, part.bin_width - 81.0]
        errors = [part.slope_error, part.intercept_error, part.bin_width_error]
        hits += np.abs(off) <= edge * np.array(errors)
    assert all(count in covered(trials, 0.90) for count in hits)


@pytest.mark.parametrize("cycles", [3, 100])
def test_the_intervals_of_sigma_cover_it_as_often_as_they_say(cycles):
    inside = 0
    for seed in range(120):
        low, high = linear_part(train(cycles, sigma=23.7, seed=seed), 16).sigma_intervals(0.8)
        inside += np.count_nonzero((low <= 23.7) & (high >= 23.7))
    assert inside in covered(120 * 16, 0.8)


def part_of(means, sigma=23.7, cycles=100):
    """A part with exactly these means and standard deviations."""
    scatter = np.random.default_rng(1).normal(size=(cycles, len(means)))
    scatter = (scatter - scatter.mean(axis=0)) / scatter.std(axis=0, ddof=1)
    return linear_part(np.asarray(means) + sigma * scatter, len(means))


def test_the_figures_of_the_paper_give_its_bins_and_bits():
    """81.077 uS and sigma 23.700 uS: more than 2 sigma of a state, and of the difference of two states, too."""
    part = part_of(2640.0 + 81.077 * np.arange(16))
    assert part.bin_width == pytest.approx(81.077)
    assert part.sigma == pytest.approx(23.700)
    assert pair_bins(part) == pair_bins(part, of="difference") == part.bins == 31
    assert bits(31) == pytest.approx(4.954, abs=1e-3)
    low, high = part.sigma_intervals()
    assert low == pytest.approx(20.8, abs=0.05)
    assert high == pytest.approx(27.5, abs=0.05)


@pytest.mark.parametrize(
    ("k_sigma", "of", "bins"),
    [(3.4, "state", 31), (3.5, "state", 15), (2.4, "difference", 31), (2.5, "difference", 15), (7.0, "state", 11)],
)
def test_where_states_lie_too_close_a_pair_uses_every_second_or_third(k_sigma, of, bins):
    assert pair_bins(part_of(2640.0 + 81.077 * np.arange(16)), k_sigma, of) == bins


def test_no_state_can_be_told_from_another_where_sigma_exceeds_the_range():
    assert pair_bins(part_of(100.0 + np.arange(16.0), sigma=50.0)) == 1
    assert bits(1) == 0.0


@pytest.mark.parametrize("call", [lambda p: pair_bins(p, -1.0), lambda p: pair_bins(p, of="pair"), lambda p: bits(0)])
def test_bins_of_what_cannot_be_are_refused(call):
    with pytest.raises(ValueError):
        call(part_of(np.arange(5.0)))


def test_a_train_and_its_mirror_image_are_symmetric():
    curve = 3000.0 + 1000.0 * np.tanh(np.arange(16) / 12.0)
    alike = symmetry(part_of(curve), part_of(curve[::-1]))
    assert alike.overlap == pytest.approx(1.0)
    assert alike.width == pytest.approx(0.0, abs=1e-9)
    assert alike.distance == pytest.approx(0.0, abs=1e-6)


def test_what_is_not_symmetric_is_told_in_numbers():
    """Depression 1 % narrower, from a state that lies half a bin higher; the curves bend to opposite sides by 12 uS."""
    up = 2600.0 + 80.0 * np.arange(16)
    down = (2640.0 + 79.2 * np.arange(16))[::-1]
    told = symmetry(part_of(up, 0.0), part_of(down, 0.0))
    assert told.width == pytest.approx(0.8 / 79.6)
    assert told.overlap == pytest.approx((3800.0 - 2640.0) / (3828.0 - 2600.0))
    bend = np.sin(np.pi * np.arange(16) / 15.0)
    bent = symmetry(part_of(up + 12.0 * bend, 0.0), part_of((up - 12.0 * bend)[::-1], 0.0))
    assert bent.distance == pytest.approx(24.0 * np.std(np.sin(np.linspace(0.0, np.pi, 1000))), rel=0.03)


def test_directions_without_a_common_range_have_no_distance():
    apart = symmetry(part_of(np.arange(5.0), 0.0), part_of(10.0 + np.arange(5.0), 0.0))
    assert apart.overlap == 0.0
    assert np.isnan(apart.distance)


def test_the_error_of_the_relative_width_covers_no_difference_as_often_as_it_says():
    generator = np.random.default_rng(9)
    line = 2600.0 + 81.0 * np.arange(16)
    inside = 0
    for _ in range(800):
        parts = [linear_part(line + generator.normal(0.0, 23.7, (60, 16)), 16) for _ in range(2)]
        told = symmetry(*parts)
        inside += abs(told.width) <= 1.645 * told.width_error
    assert inside in covered(800, 0.90)


def test_a_part_keeps_what_was_measured_of_its_states():
    states = train(cycles=4, sigma=5.0)
    part = linear_part(states, 16)
    assert isinstance(part, LinearPart)
    assert np.array_equal(part.states, states[:, 4:])
    assert part.cycles == 4
