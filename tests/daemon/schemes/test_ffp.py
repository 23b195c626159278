"""The ffp scheme: a whole sweep is the paper's, targets on the way cost little, gains are learned."""

from __future__ import annotations

import numpy as np
import pytest

from rheostat.wire import Outcome
from rheostatd.schemes import motion


def test_targets_on_a_sweep_cost_less_than_a_quarter_more_pulses_than_the_bare_sweep(driver_of, plant_of):
    bare, visited = 0, 0
    for seed in range(8):
        driver = driver_of("ffp", plant_of(seed=seed))
        driver.to(880.0)
        bare += driver.to(740.0).pulses
        driver.to(880.0)
        for target in np.sort(np.random.default_rng(seed).uniform(740.0, 880.0, 49))[::-1]:
            attempt = driver.to(float(target))
            assert attempt.outcome == Outcome.VERIFIED
            visited += attempt.pulses
        visited += driver.to(740.0).pulses
    assert visited < 1.25 * bare


def test_a_device_with_another_gain_than_calibrated_is_learned(driver_of, plant_of):
    plant = plant_of(seed=1, resistance=860.0)
    move = plant.move
    plant.move = lambda voltage, width: move(voltage, 1.6 * width)
    driver = driver_of("ffp", plant)
    driver.to(850.0)
    assert 1.3 < motion.gain(driver.state, 1.0) < 2.0
    pulses = [driver.to(850.0 - 0.7 * k).pulses for k in range(1, 30)]
    assert np.mean(pulses) < 5.0


def test_the_calibrated_gain_is_what_a_new_device_begins_with(driver_of, plant_of):
    driver = driver_of("ffp", plant_of(resistance=800.0), gains=(1.2, 0.8))
    driver.to(800.0)
    assert motion.gain(driver.state, 1.0) == 1.2
    assert motion.gain(driver.state, -1.0) == 0.8


def test_gains_that_are_no_positive_numbers_are_refused(driver_of, plant_of):
    with pytest.raises(ValueError, match="gains"):
        driver_of("ffp", plant_of(), gains=(1.0, float("nan")))


def test_a_longer_stride_travels_faster_and_still_verifies(driver_of, plant_of):
    pulses = {}
    for stride in (1.0, 8.0):
        driver = driver_of("ffp", plant_of(seed=5, resistance=870.0), {"stride": stride})
        attempt = driver.to(790.0)
        assert attempt.outcome == Outcome.VERIFIED
        pulses[stride] = attempt.pulses
    assert pulses[8.0] < 0.3 * pulses[1.0]


def test_an_overshoot_turns_the_direction_round(driver_of, plant_of):
    plant = plant_of(seed=2, resistance=800.0)
    driver = driver_of("ffp", plant)
    driver.to(795.0)
    plant.state[0] = 794.0  # as if one pulse had gone too far
    driver.state[0] = 794.0
    attempt = driver.to(795.0)
    assert attempt.outcome == Outcome.VERIFIED
    assert all(v < 0.0 for v, _ in plant.log[-attempt.pulses : -attempt.pulses + 2])


def test_the_predicted_step_lies_within_the_table_s_bounds_while_travelling(driver_of, plant_of, table):
    driver = driver_of("ffp", plant_of(resistance=879.0))
    predicted = []

    def checkpoint(voltage, width):
        predicted.append(driver.state[motion.PREDICTED])

    driver.to(741.0, checkpoint=checkpoint)
    low, high = table.info.bounds
    assert all(low <= step <= high for step in predicted[:-10])
    assert np.mean(predicted[:-10]) == pytest.approx(0.262, rel=0.01)
