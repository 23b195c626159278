"""The linear part of pulse trains, on curves whose parameters are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheostat.figures.characterize import linear_part


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
    part = linear_part(train(cycles=2, slope=slope, bend=bend))
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
    assert linear_part(train(bend=11.9)).r_squared == pytest.approx(0.99898, abs=2e-5)
    assert linear_part(train(bend=10.2)).r_squared == pytest.approx(0.99925, abs=2e-5)


def test_sigma_is_the_scatter_from_cycle_to_cycle():
    part = linear_part(train(cycles=2000, sigma=23.7))
    assert part.sigma == pytest.approx(23.7, rel=0.02)
    assert part.sigmas.shape == part.means.shape == (16,)


def test_the_longest_stretch_stops_where_the_line_does():
    assert linear_part(train(), None, r_squared=0.99999).count == 16
    assert linear_part(train(), None, r_squared=0.9).count == 20
    assert linear_part(train(bend=30.0), None, r_squared=0.999).count < 16


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
