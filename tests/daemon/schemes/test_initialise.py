"""Closed-loop initialisation: both ends of the window within half an ohm, and its failures named."""

from __future__ import annotations

import numpy as np
import pytest

from rheostat.wire import Outcome
from rheostat_hal.models import tio2x
from rheostatd.executor.initialise import Drive, initialise


@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_every_device_of_a_die_is_brought_to_both_ends(plant_of, noise):
    params = tio2x.params_of_die(5, 12)
    for seed in range(12):
        plant = plant_of(params[seed], seed=seed, noise=noise, offset=0.2)
        for goal in (880.0, 740.0, 880.0):
            attempt = initialise(plant, goal, Drive(noise=noise), 200)
            assert attempt.outcome == Outcome.VERIFIED
            assert abs(plant.true - goal) < 0.5 + 4.0 * noise
            assert attempt.pulses < 160


def test_strong_pulses_never_run_far_past_the_end(plant_of):
    plant = plant_of(resistance=750.0)
    passed = []
    move = plant.move

    def watched(voltage, width):
        move(voltage, width)
        passed.append(plant.true)

    plant.move = watched
    initialise(plant, 880.0, Drive(), 500)
    assert max(passed) < 881.5


def test_where_six_volts_creep_the_largest_voltage_takes_over(plant_of):
    plant = plant_of(resistance=800.0)
    assert initialise(plant, 740.0, Drive(), 500).outcome == Outcome.VERIFIED
    voltages = [v for v, _ in plant.log]
    assert voltages[0] == 6.0
    assert voltages[-1] == 7.0


def test_limits_are_kept(plant_of):
    plant = plant_of(resistance=800.0)
    initialise(plant, 850.0, Drive().within(5.0, 0.5), 500)
    assert max(abs(v) for v, _ in plant.log) <= 5.0
    assert max(w for _, w in plant.log) <= 0.5


def test_failures_are_outcomes(plant_of):
    still = plant_of(resistance=800.0)
    still.move = lambda voltage, width: None
    assert initialise(still, 740.0, Drive(), 500).outcome == Outcome.STUCK
    weak = plant_of(resistance=800.0)
    assert initialise(weak, 740.0, Drive().within(4.0, 2.0), 2000).outcome == Outcome.SATURATED
    assert initialise(plant_of(resistance=800.0), 740.0, Drive(), 5).outcome == Outcome.NOT_CONVERGED
    for resistance, outcome in ((np.inf, Outcome.OPEN), (20.0, Outcome.SHORTED)):
        plant = plant_of()
        plant.read = lambda readings, value=resistance: value
        attempt = initialise(plant, 740.0, Drive(), 500)
        assert (attempt.outcome, attempt.pulses) == (outcome, 0)


def test_the_checkpoint_ends_it_before_the_pulse(plant_of):
    plant = plant_of(resistance=800.0)
    attempt = initialise(plant, 740.0, Drive(), 500, lambda voltage, width: Outcome.CANCELLED)
    assert (attempt.outcome, attempt.pulses, plant.log) == (Outcome.CANCELLED, 0, [])
