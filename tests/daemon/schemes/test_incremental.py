"""Incremental pulses: amplitude and width rise until the device moves and fall after an overshoot; no table."""

from __future__ import annotations

import numpy as np
import pytest

from rheostat.wire import Outcome


def test_it_needs_no_table(driver_of, plant_of):
    assert driver_of("incremental", plant_of(resistance=850.0), table=None).to(800.0).outcome == Outcome.VERIFIED


def test_amplitude_and_width_rise_together_until_the_device_moves(driver_of, plant_of):
    plant = plant_of(seed=1, resistance=800.0)
    driver_of("incremental", plant).to(760.0)
    first = np.array(plant.log[:10])
    np.testing.assert_allclose(np.diff(first[:, 0]), 0.25)
    np.testing.assert_allclose(first[1:, 1] / first[:-1, 1], 1.12)


def test_an_overshoot_is_answered_by_weaker_pulses_the_other_way(driver_of, plant_of):
    plant = plant_of(seed=3, resistance=850.0)
    driver_of("incremental", plant).to(815.0)
    voltages = np.array([v for v, _ in plant.log])
    turns = np.flatnonzero(np.sign(voltages[1:]) != np.sign(voltages[:-1])) + 1
    assert len(turns) > 0
    for turn in turns:
        assert abs(voltages[turn]) < np.max(np.abs(voltages[:turn]))


@pytest.mark.parametrize(
    ("parameters", "changes", "message"),
    [
        ({"start_voltage": 8.0}, {}, "start_voltage 8 V is above the 7 V"),
        ({"start_width": 3.0}, {}, "start_width 3 s is above the 2 s"),
    ],
)
def test_a_first_pulse_beyond_the_limits_is_refused(driver_of, plant_of, parameters, changes, message):
    with pytest.raises(ValueError, match=message):
        driver_of("incremental", plant_of(), parameters, **changes)
