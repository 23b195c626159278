"""Pulse groups between levels: the sweep's own pulses, verified at each level."""

from __future__ import annotations

import numpy as np
import pytest

from rheostat import curves
from rheostat.wire import Outcome
from rheostatd.schemes import levels


def test_inside_a_group_the_voltages_are_those_of_the_sweep_whatever_is_read(driver_of, plant_of, table):
    plant = plant_of(seed=1, resistance=880.0)
    driver_of("levels", plant, {"levels": 16}).to(760.0)
    sweep = curves.predicted_sweep(table, 1)
    travelling = [voltage for voltage, _ in plant.log[:-12]]  # the last steps are those of ffp
    places = [int(np.argmin(np.abs(sweep.voltages - voltage))) for voltage in travelling]
    np.testing.assert_allclose(sweep.voltages[places], travelling, atol=1e-9)
    jumps = np.flatnonzero(np.diff(places) != 1)
    assert 3 <= len(jumps) <= 14  # at some of the 13 levels passed the device is not where the sweep had been
    assert np.all(np.diff(jumps) >= 10)


def test_a_measured_sweep_is_recorded_through_the_whole_window(plant_of, task_of):
    plant = plant_of(seed=4)
    for direction, count in ((1, 494), (-1, 579)):
        sweep = levels.record(plant, task_of(), direction)
        assert len(sweep.voltages) == len(sweep.resistances) == pytest.approx(count, rel=0.1)
        assert np.all(sweep.voltages > 0.0)
        first, last = sweep.resistances[[0, -1]]
        assert (first - last) * direction > 139.0


def test_levels_run_on_a_measured_sweep(driver_of, plant_of, task_of):
    plant = plant_of(seed=4)
    sweeps = (levels.record(plant, task_of(), 1), levels.record(plant, task_of(), -1))
    driver = driver_of("levels", plant, {"levels": 128}, sweeps=sweeps)
    targets = np.linspace(870.0, 750.0, 9)
    assert all(driver.to(float(target)).outcome == Outcome.VERIFIED for target in targets)


def test_a_device_that_does_not_reach_the_ends_gives_no_sweep(plant_of, task_of):
    with pytest.raises(ValueError, match=r"740 ohm ended SATURATED"):
        levels.record(plant_of(), task_of(max_voltage=5.0), 1)
