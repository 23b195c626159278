"""The figures of Z. Diao et al. (Nanoscale Horiz. 10, 780, 2025), Fig. 4, from 66 processes of the virtual device."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rheostat.analysis import energy, levels, linearity
from tests.client.analysis.coverage import covers
from tests.client.analysis.sweeps import WIDTH, WINDOW, Process, processes

PROCESSES = 66
KINDS = {"potentiation": 0, "depression": 1}


@pytest.fixture(scope="module")
def both() -> tuple[list[Process], list[Process]]:
    return processes(PROCESSES, seed=2025)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> int:
    return KINDS[request.param]


@pytest.fixture
def of_one(both: tuple[list[Process], list[Process]], kind: int) -> list[Process]:
    return both[kind]


def sampled(of_one: list[Process], n: int, method: levels.Method) -> np.ndarray:
    return levels.samples([each.readings for each in of_one], n, WINDOW, of_one[0].direction, method)


@pytest.mark.parametrize(
    ("n", "printed"), [(32, (4.95e-3, 4.91e-3)), (128, (3.10e-4, 3.10e-4)), (512, (1.91e-5, 1.93e-5))]
)
def test_v_is_the_printed_one_by_the_papers_indexing_and_zero_unbiased(of_one, kind, n, printed):
    actual = sampled(of_one, n, "argmin")
    paper, unbiased = (
        linearity.mean_over(linearity.nonlinearity(actual, WINDOW, of_one[0].direction, indexing).v)
        for indexing in ("paper", "unbiased")
    )
    print(f"n {n}: v {paper.value:.4g} +- {paper.stderr:.1g}, unbiased {unbiased.value:.2g} +- {unbiased.stderr:.1g}")
    assert paper.value == pytest.approx(printed[kind], rel=0.05)
    assert abs(unbiased.value) < 0.1 * printed[kind]
    assert abs(unbiased.value) < 5.0 * unbiased.stderr


def test_the_non_linearity_factor_is_the_printed_one_by_first_passage_and_half_by_argmin(of_one, kind):
    wanted = levels.targets(512, WINDOW, of_one[0].direction)
    first, nearest = (
        float(linearity.mean_over(linearity.nonlinearity_factor(sampled(of_one, 512, method), wanted, WINDOW)).value)
        for method in ("first passage", "argmin")
    )
    print(f"NLF {first:.5f} by first passage, {nearest:.5f} by argmin")
    assert first == pytest.approx((0.0010, 0.0009)[kind], rel=0.2)
    assert nearest == pytest.approx(0.5 * first, rel=0.05)


@pytest.mark.parametrize(("n", "printed"), [(32, (0, 0)), (512, (117, 8))])
def test_as_many_levels_are_skipped_as_in_the_paper_where_it_says(of_one, kind, n, printed):
    direction = of_one[0].direction
    first = sampled(of_one, n, "first passage")
    skipped = levels.skipped(levels.normalised(first, levels.targets(n, WINDOW, direction), direction))
    print(f"n {n}: {np.count_nonzero(skipped)} skipped")
    assert printed[kind] / 2 <= np.count_nonzero(skipped) <= printed[kind] * 2
    if np.any(skipped):  # near HRS in potentiation, near LRS in depression: after the turn
        assert np.flatnonzero(skipped).max() < 1.5 * printed[kind]


def test_with_argmin_samples_no_level_is_skipped(of_one):
    direction = of_one[0].direction
    wanted = levels.targets(512, WINDOW, direction)
    assert not np.any(levels.skipped(levels.normalised(sampled(of_one, 512, "argmin"), wanted, direction)))


def test_about_465_of_512_levels_are_occupied_in_potentiation_and_more_in_depression(both):
    occupied = [
        np.mean([512 - len(levels.segmented(each.readings, 512, WINDOW, each.direction).unoccupied) for each in of_one])
        for of_one in both
    ]
    assert occupied[0] == pytest.approx(465.0, rel=0.02)
    assert occupied[0] < occupied[1] < 512.0


def test_the_mean_power_and_the_pulses_are_those_of_the_paper(of_one, kind):
    counts = np.array([len(each.energy) for each in of_one])
    mean, each = energy.process_power(np.concatenate([each.energy for each in of_one]), counts, WIDTH)
    print(f"{counts.mean():.0f} +- {counts.std(ddof=1):.0f} pulses, {1e3 * float(mean):.1f} mW")
    assert float(mean) == pytest.approx((0.2407, 0.1146)[kind], rel=0.1)
    assert each.mean() == pytest.approx(float(mean), rel=0.01)
    assert counts.mean() == pytest.approx((494, 579)[kind], rel=0.02)


def test_ends_of_a_sweep_beyond_or_short_of_the_window_by_a_step_change_nothing_that_is_compared(of_one, kind):
    """A sweep may start past the end (880.3 ohm), after it, or miss the reading after its last pulse."""
    direction = of_one[0].direction
    whole = [each.readings for each in of_one]
    v = [
        float(linearity.mean_over(linearity.nonlinearity(actual, WINDOW, direction).v).value)
        for sweeps in (whole, [each[1:] for each in whole], [each[:-1] for each in whole])
        for actual in [levels.samples(sweeps, 512, WINDOW, direction)]
    ]
    np.testing.assert_allclose(v, v[0], atol=0.01 * 1.91e-5)


def test_the_error_of_the_mean_covers_and_that_of_one_fit_is_right_at_few_levels_and_small_at_many(kind):
    of_one = processes(600, seed=17)[kind]
    excess = {}
    for n in (32, 512):
        found = linearity.nonlinearity(sampled(of_one, n, "argmin"), WINDOW, of_one[0].direction)
        means = linearity.mean_over(found.v.reshape(60, 10).T)
        half = stats.t.ppf(0.975, 9) * means.stderr
        assert covers(np.abs(means.value - found.v.mean()) <= half, 0.95)
        excess[n] = found.v.std(ddof=1) / found.stderr.mean()
    print(f"scatter over standard error: {excess[32]:.2f} at 32 levels, {excess[512]:.2f} at 512")
    assert excess[32] == pytest.approx(1.0, abs=0.15)
    assert excess[512] == pytest.approx((1.45, 1.05)[kind], abs=0.15)
