"""Levels of sweeps: nearest samples, first passages, skipped and unoccupied levels, their definitions to the letter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rheostat.analysis import levels

WINDOW = (740.0, 880.0)
SWEEPS = arrays(np.float64, st.integers(1, 60), elements=st.floats(730.0, 890.0))


@given(SWEEPS, st.integers(2, 40), st.sampled_from([1, -1]))
def test_an_argmin_sample_is_a_reading_and_none_is_nearer(sweep, n, direction):
    wanted = levels.targets(n, WINDOW, direction)
    actual = levels.argmin_samples(sweep, wanted)
    assert np.all(np.isin(actual, sweep))
    assert np.all(np.abs(actual - wanted) == np.abs(sweep[:, None] - wanted).min(axis=0))


@given(SWEEPS, st.integers(2, 40), st.sampled_from([1, -1]))
def test_a_first_passage_is_the_first_reading_at_or_past_the_level(sweep, n, direction):
    wanted = levels.targets(n, WINDOW, direction)
    for found, level in zip(levels.first_passage(sweep, wanted, direction), wanted, strict=True):
        past = sweep[direction * (sweep - level) <= 0.0]
        assert found == past[0] if len(past) else np.isnan(found)


@given(
    arrays(np.float64, st.integers(1, 60), elements=st.integers(0, 1280).map(lambda eighths: 730.0 + eighths / 8.0)),
    st.sampled_from([2, 3, 8, 29, 141]),
    st.sampled_from(["argmin", "first passage"]),
)
def test_both_directions_are_mirrors_of_each_other(sweep, n, method):
    """In numbers that a float holds, so that equally near readings stay equally near."""
    rising = levels.samples([sum(WINDOW) - sweep], n, WINDOW, -1, method)
    np.testing.assert_array_equal(sum(WINDOW) - rising, levels.samples([sweep], n, WINDOW, 1, method))


def test_targets_run_along_travel_with_both_ends():
    assert levels.targets(3, WINDOW, 1).tolist() == [880.0, 810.0, 740.0]
    assert levels.targets(3, WINDOW, -1).tolist() == [740.0, 810.0, 880.0]


def test_samples_have_a_row_for_each_process_also_of_sweeps_of_different_length():
    sweeps = [[880.3, 812.0, 806.0, 739.9], [879.8, 809.0, 745.0]]
    assert levels.samples(sweeps, 3, WINDOW, 1).tolist() == [[880.3, 812.0, 739.9], [879.8, 809.0, 745.0]]
    first = levels.samples(sweeps, 3, WINDOW, 1, "first passage")
    assert first[0].tolist() == [812.0, 806.0, 739.9]  # 880.3 is not past HRS yet
    np.testing.assert_array_equal(first[1], [879.8, 809.0, np.nan])  # LRS was never reached
    assert levels.samples([], 3, WINDOW, 1).shape == (0, 3)


def test_a_normalised_level_is_0_on_its_level_and_1_on_the_next():
    wanted = levels.targets(3, WINDOW, 1)
    x = levels.normalised([[880.0, 740.0, 740.0], [845.0, 775.0, 733.0], [880.0, np.nan, np.nan]], wanted, 1)
    np.testing.assert_allclose(x, [[0.0, 1.0], [0.5, 0.5], [0.0, np.nan]])
    rising = levels.normalised([[775.0, 880.7, 880.7]], levels.targets(3, WINDOW, -1), -1)
    np.testing.assert_allclose(rising, [[0.5, 1.01]])
    with pytest.raises(ValueError, match="targets"):
        levels.normalised([[775.0, 880.7, 880.7]], wanted, -1)


@given(arrays(np.float64, (66, 3), elements=st.floats(0.0, 2.0)))
def test_with_66_processes_numpys_linear_quantile_says_the_same(x):
    np.testing.assert_array_equal(levels.skipped(x), np.quantile(x, 0.8, axis=0) > 1.0)


@given(arrays(np.float64, st.tuples(st.integers(1, 50), st.just(2)), elements=st.floats(0.0, 2.0)), st.integers(1, 20))
def test_a_level_is_skipped_where_the_quantile_of_the_observed_distribution_exceeds_1(x, twentieths):
    at = twentieths / 20.0
    rank = -(-twentieths * len(x) // 20)  # of the smallest x that a share `at` does not exceed
    np.testing.assert_array_equal(levels.skipped(x, at), np.sort(x, axis=0)[rank - 1] > 1.0)


def test_a_process_that_never_came_to_a_level_has_not_met_it():
    x = np.full((10, 3), 0.5)
    x[:2, 1] = np.nan  # 8 of 10 met it
    x[:3, 2] = np.nan
    assert levels.skipped(x).tolist() == [False, False, True]
    rising, share = levels.cpd(x[:, 2])
    assert rising.tolist() == [0.5] * 7
    assert share[-1] == pytest.approx(0.7)


def test_the_cumulative_probability_rises_to_1():
    rising, share = levels.cpd([0.3, 1.4, 0.1, 0.9])
    assert rising.tolist() == [0.1, 0.3, 0.9, 1.4]
    assert share.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert [len(each) for each in levels.cpd([])] == [0, 0]


def test_a_segmented_sweep_names_its_unoccupied_levels_and_the_pulses_between_the_others():
    sweep = [880.0, 868.0, 851.0, 830.0, 807.0, 792.0, 771.0, 740.0]  # levels lie 20 ohm apart
    cut = levels.segmented(sweep, 8, WINDOW, 1)
    assert cut.targets.tolist() == [880.0, 860.0, 840.0, 820.0, 800.0, 780.0, 760.0, 740.0]
    assert cut.actual.tolist() == [880.0, 868.0, 830.0, 830.0, 807.0, 771.0, 771.0, 740.0]
    assert cut.unoccupied == (4, 7)
    assert [list(group) for group in cut.groups] == [[0], [1, 2], [], [3], [4, 5], [], [6]]


@given(SWEEPS.filter(lambda sweep: len(sweep) > 1), st.integers(2, 40), st.sampled_from([1, -1]))
def test_the_groups_are_all_pulses_up_to_the_last_level_in_their_order(sweep, n, direction):
    cut = levels.segmented(sweep, n, WINDOW, direction)
    pulses = [pulse for group in cut.groups for pulse in group]
    first, last = int(cut.segmentation.pulses[0]), int(cut.segmentation.pulses[-1])
    assert pulses == list(range(first, last))
    assert last <= len(sweep) - 1  # the reading after the last pulse precedes none
    assert [len(cut.groups[level - 2]) for level in cut.unoccupied] == [0] * len(cut.unoccupied)


@pytest.mark.parametrize("sweep", [[], [[800.0]], [800.0, np.nan]])
def test_what_is_no_sweep_is_refused(sweep):
    with pytest.raises(ValueError, match="sweep"):
        levels.argmin_samples(sweep, [800.0])


def test_the_error_of_the_number_of_skipped_levels_is_its_scatter():
    """Known shares of jumps, 0.1 to 0.3 along 200 levels, each level on its own."""
    generator = np.random.default_rng(4)
    jumps = np.linspace(0.1, 0.3, 200)
    numbers, stated = [], []
    for _ in range(60):
        x = np.where(generator.random((66, 200)) < jumps, 1.5, 0.5)
        numbers.append(np.count_nonzero(levels.skipped(x)))
        stated.append(levels.skipped_error(x))
    assert np.mean(stated) == pytest.approx(np.std(numbers), rel=0.3)
    assert np.isnan(levels.skipped_error([[0.5, 1.5]]))
    assert levels.skipped_error(np.full((66, 4), 0.5)) == 0.0


def test_unknown_methods_directions_and_probabilities_are_refused():
    with pytest.raises(ValueError, match="method"):
        levels.samples([[800.0]], 3, WINDOW, 1, "nearest")
    with pytest.raises(ValueError, match="direction"):
        levels.first_passage([800.0], [800.0], 0)
    with pytest.raises(ValueError, match="probability"):
        levels.skipped([[0.5]], at=80)
    with pytest.raises(ValueError, match="process"):
        levels.skipped(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="two levels"):
        levels.targets(1, WINDOW, 1)
