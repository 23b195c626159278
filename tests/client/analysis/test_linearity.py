"""Non-linearity: known curves, the floor of the formula, standard errors that cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from rheostat.analysis import linearity
from rheostat.analysis.linearity import mean_over, nonlinearity, staircase
from tests.client.analysis.coverage import covers

LRS, HRS = WINDOW = (740.0, 880.0)
INDEXINGS = ("paper", "unbiased")
DIRECTIONS = st.sampled_from([1, -1])


def printed(v, n, direction):
    """Equations 2 and 3 as they stand in the paper, n_j = 1..n."""
    nj = np.arange(1, n + 1)
    if direction > 0:
        share = (1.0 - np.exp(v * (nj - n))) / (1.0 - np.exp(-v * n))
    else:
        share = (1.0 - np.exp(v * nj)) / (1.0 - np.exp(v * n))
    return LRS + (HRS - LRS) * share


@given(st.floats(0.01, 1.0), st.booleans(), st.integers(3, 200), DIRECTIONS)
def test_the_equations_of_the_paper_are_fitted_as_they_are_printed(size, negative, n, direction):
    v = -size if negative else size
    assert float(nonlinearity(printed(v, n, direction), WINDOW, direction, "paper").v) == pytest.approx(v, rel=1e-9)


@given(st.floats(-2.0, 2.0), st.integers(3, 600), DIRECTIONS, st.sampled_from(INDEXINGS))
def test_v_is_recovered_whatever_its_sign_and_size(v, n, direction, indexing):
    levels = staircase(v, n, WINDOW, direction, indexing)
    assert np.all(direction * np.diff(levels) <= 0.0)
    found = nonlinearity(levels, WINDOW, direction, indexing)
    assert float(found.v) == pytest.approx(v, rel=1e-10, abs=1e-13)


@pytest.mark.parametrize("v", [0.0, 1e-300, 1e-9, -1e-9, 1e-6, 3.9e-5, 4.1e-5, -20.0])
@pytest.mark.parametrize("direction", [1, -1])
def test_near_zero_and_far_from_it_nothing_is_lost(v, direction):
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        found = nonlinearity(staircase(v, 512, WINDOW, direction), WINDOW, direction)
    assert float(found.v) == pytest.approx(v, rel=1e-7, abs=1e-16)  # 1e-16: rounding of the levels themselves


@pytest.mark.parametrize(
    ("n", "floor", "paper"), [(32, 4.984e-3, 4.95e-3), (128, 3.068e-4, 3.1e-4), (512, 1.91e-5, 1.91e-5)]
)
def test_a_straight_staircase_has_the_printed_v_by_the_papers_indexing_and_none_unbiased(n, floor, paper):
    assert linearity.straight(n, "paper") == pytest.approx(floor, rel=1e-3)
    assert linearity.straight(n, "paper") == pytest.approx(paper, rel=0.012)
    assert linearity.straight(n, "paper") == pytest.approx(5.0 / n**2, rel=0.03)
    assert abs(linearity.straight(n)) < 1e-16


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("indexing", INDEXINGS)
def test_a_positive_v_moves_slowly_first(direction, indexing):
    levels = staircase(0.05, 33, WINDOW, direction, indexing)
    travelled = np.abs(levels[16] - levels[0]) / (HRS - LRS)
    assert travelled < 0.4
    saturating = HRS + LRS - levels[::-1]  # fast first
    assert nonlinearity(levels, WINDOW, direction, indexing).v > 0.0
    assert nonlinearity(saturating, WINDOW, direction, indexing).v < 0.0


@given(st.integers(0, 2**32 - 1), st.sampled_from(INDEXINGS))
def test_mirrored_resistances_in_the_other_direction_have_the_same_v(seed, indexing):
    random = np.random.default_rng(seed)
    levels = np.linspace(HRS, LRS, 40) + random.normal(scale=2.0, size=40)
    falling = nonlinearity(levels, WINDOW, 1, indexing)
    rising = nonlinearity(HRS + LRS - levels, WINDOW, -1, indexing)
    assert float(rising.v) == pytest.approx(float(falling.v), rel=1e-9, abs=1e-13)
    assert float(rising.stderr) == pytest.approx(float(falling.stderr), rel=1e-9)


@given(st.integers(0, 2**32 - 1))
def test_a_curve_travelled_backwards_has_the_opposite_v(seed):
    levels = np.sort(np.random.default_rng(seed).uniform(LRS, HRS, 40))
    forwards = nonlinearity(levels, WINDOW, -1).v
    assert float(nonlinearity(levels[::-1], WINDOW, 1).v) == pytest.approx(-float(forwards), rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("indexing", INDEXINGS)
@pytest.mark.parametrize("v", [-0.2, 0.0, 0.02])
def test_the_fit_is_the_least_of_the_sum_of_squares(v, indexing):
    random = np.random.default_rng(5)
    levels = staircase(v, 48, WINDOW, -1, indexing) + random.normal(scale=3.0, size=(20, 48))
    fitted = nonlinearity(levels, WINDOW, -1, indexing).v

    def squares(trial, row):
        return float(np.sum((staircase(trial, 48, WINDOW, -1, indexing) - row) ** 2))

    for row, found in zip(levels, fitted, strict=True):
        best = optimize.minimize_scalar(squares, args=(row,), bounds=(-1.0, 1.0), options={"xatol": 1e-10})
        assert found == pytest.approx(best.x, abs=1e-6)
        assert squares(found, row) <= best.fun * (1.0 + 1e-12)


@pytest.mark.parametrize("indexing", INDEXINGS)
def test_leading_axes_are_staircases_of_their_own(indexing):
    levels = staircase([[0.0, 0.01, 0.3], [-0.01, -1.5, 1e-5]], 64, WINDOW, 1, indexing)
    found = nonlinearity(levels, WINDOW, 1, indexing)
    assert found.v.shape == found.stderr.shape == (2, 3)
    assert found.v[1, 1] == float(nonlinearity(levels[1, 1], WINDOW, 1, indexing).v)


def test_what_cannot_be_fitted_is_nan_and_spoils_nothing_else():
    good = staircase(0.01, 16, WINDOW, -1)
    never = np.full(16, LRS)
    at_once = np.append(LRS, np.full(15, HRS))
    missing = np.append(good[:-1], np.nan)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        found = nonlinearity([never, at_once, missing, good], WINDOW, -1)
    assert np.all(np.isnan(found.v[:3]))
    assert np.all(np.isnan(found.stderr[:3]))
    assert found.v[3] == pytest.approx(0.01)


@pytest.mark.parametrize("indexing", INDEXINGS)
@pytest.mark.parametrize(
    ("v", "n", "scatter"), [(0.0, 32, 0.08), (0.01, 128, 0.08), (-0.05, 64, 1.0), (0.0, 512, 0.08)]
)
def test_the_standard_error_covers_the_truth_at_the_stated_rate(v, n, scatter, indexing):
    """Independent errors: those of argmin samples at few levels, 0.08 ohm being a step over the square root of 12."""
    random = np.random.default_rng([7, n])
    levels = staircase(v, n, WINDOW, 1) + random.normal(scale=scatter, size=(2000, n))
    found = nonlinearity(levels, WINDOW, 1, indexing)
    true = float(nonlinearity(staircase(v, n, WINDOW, 1), WINDOW, 1, indexing).v)
    for rate in (0.6827, 0.95):
        half = stats.t.ppf(0.5 + 0.5 * rate, n - 1) * found.stderr
        assert covers(np.abs(found.v - true) <= half, rate)


@pytest.mark.parametrize("count", [3, 66])
def test_the_standard_error_of_a_mean_covers_the_truth_at_the_stated_rate(count):
    found = mean_over(np.random.default_rng(8).normal(4.95e-3, 8e-5, size=(count, 4000)))
    half = stats.t.ppf(0.975, count - 1) * found.stderr
    assert found.count == count
    assert covers(np.abs(found.value - 4.95e-3) <= half, 0.95)


def test_the_mean_of_one_process_has_no_standard_error():
    with np.errstate(all="raise"):
        found = mean_over([3.0])
    assert (found.value, found.count) == (3.0, 1)
    assert np.isnan(found.stderr)
    with pytest.raises(ValueError, match="process"):
        mean_over([])


def test_the_factor_is_the_mean_distance_in_windows():
    factor = linearity.nonlinearity_factor(
        [[741.4, 808.6, 880.0], [740.0, 810.0, np.nan]], [740.0, 810.0, 880.0], WINDOW
    )
    assert factor[0] == pytest.approx((1.4 + 1.4) / 3 / 140.0)
    assert np.isnan(factor[1])


@pytest.mark.parametrize(
    ("levels", "window", "direction", "indexing", "word"),
    [
        ([740.0, 880.0], WINDOW, 1, "paper", "three levels"),
        ([740.0, 800.0, 880.0], (880.0, 740.0), 1, "paper", "window"),
        ([740.0, 800.0, 880.0], WINDOW, 0, "paper", "direction"),
        ([740.0, 800.0, 880.0], WINDOW, 1, "printed", "indexing"),
    ],
)
def test_what_has_no_v_is_refused(levels, window, direction, indexing, word):
    with pytest.raises(ValueError, match=word):
        nonlinearity(levels, window, direction, indexing)
