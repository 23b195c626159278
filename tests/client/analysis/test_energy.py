"""Energy and power of processes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheostat.analysis import energy


@given(st.lists(st.lists(st.floats(0.0, 1.0), max_size=20), min_size=1, max_size=8))
def test_each_process_has_the_energy_of_its_own_pulses(pulses):
    flat = np.concatenate([np.array(each, dtype=float) for each in pulses])
    found = energy.process_energy(flat, [len(each) for each in pulses])
    np.testing.assert_allclose(found, [sum(each) for each in pulses], atol=1e-12)


def test_the_mean_power_weighs_pulses_alike_and_not_processes():
    mean, each = energy.process_power([0.2, 0.2, 0.2, 0.8], [3, 1], 0.8)
    assert each.tolist() == pytest.approx([0.25, 1.0])
    assert float(mean) == pytest.approx(1.4 / 3.2)


def test_counts_of_both_directions_give_both_means():
    counts = np.array([[1, 2], [3, 1]])
    mean, each = energy.process_power([1.0, 2.0, 2.0, 1.0, 1.0, 4.0, 5.0], counts, 2.0)
    np.testing.assert_allclose(each, [[0.5, 1.0], [1.0, 2.5]])
    np.testing.assert_allclose(mean, [7.0 / 8.0, 9.0 / 6.0])


def test_a_process_without_pulses_has_no_power_and_no_warning():
    with np.errstate(all="raise"):
        mean, each = energy.process_power([1.0], [0, 1], 0.5)
    assert np.isnan(each[0])
    assert float(mean) == 2.0


@pytest.mark.parametrize(
    ("counts", "width", "word"), [([2], 0.8, "add up"), ([1], 0.0, "width"), ([2, -1], 0.8, "add up")]
)
def test_counts_and_widths_that_cannot_be_are_refused(counts, width, word):
    with pytest.raises(ValueError, match=word):
        energy.process_power([1.0], counts, width)
