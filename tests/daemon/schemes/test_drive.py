"""Driving a scheme on a plant: counts, checkpoints, exceptions."""

from __future__ import annotations

import math

import pytest

from rheostat.wire import Outcome

SCHEMES = ["ffp", "levels", "incremental"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_counts_are_those_of_the_plant(driver_of, plant_of, scheme):
    plant = plant_of(seed=3, resistance=800.0)
    attempt = driver_of(scheme, plant).to(795.0)
    assert attempt.outcome == Outcome.VERIFIED
    assert attempt.pulses == len(plant.log) > 0
    assert attempt.reads == plant.reads
    assert abs(attempt.estimate - plant.true) < 5.0 * attempt.stderr


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_pulse_limit_ends_an_attempt_before_the_next_pulse(driver_of, plant_of, scheme):
    plant = plant_of(resistance=870.0)
    attempt = driver_of(scheme, plant).to(750.0, max_pulses=7)
    assert attempt.outcome == Outcome.NOT_CONVERGED
    assert attempt.pulses == len(plant.log) == 7
    assert attempt.estimate == pytest.approx(plant.true, abs=0.2)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_outcome_of_the_checkpoint_ends_it_without_the_pulse(driver_of, plant_of, scheme):
    plant = plant_of(resistance=870.0)
    seen = []

    def checkpoint(voltage, width):
        seen.append((voltage, width))
        return Outcome.CANCELLED if len(seen) == 5 else None

    attempt = driver_of(scheme, plant).to(750.0, checkpoint=checkpoint)
    assert attempt.outcome == Outcome.CANCELLED
    assert seen[:4] == plant.log
    assert attempt.pulses == 4


def test_a_target_already_reached_needs_no_pulse(driver_of, plant_of):
    plant = plant_of(resistance=800.0)
    attempt = driver_of("ffp", plant).to(800.02)
    assert (attempt.outcome, attempt.pulses) == (Outcome.VERIFIED, 0)


def test_an_exception_of_the_plant_passes_through_and_the_next_target_reads_again(driver_of, plant_of):
    plant = plant_of(resistance=800.0)
    driver = driver_of("ffp", plant)
    driver.to(799.0)
    move = plant.move

    def broken(voltage, width):
        move(voltage, width)
        raise OSError("bus")

    plant.move = broken
    with pytest.raises(OSError, match="bus"):
        driver.to(795.0)
    assert math.isnan(driver.scheme.estimate(driver.state)[0]) or driver.state[2] == 1.0
    plant.move = move
    reads = plant.reads
    attempt = driver.to(plant.true, max_pulses=0)
    assert attempt.reads == plant.reads - reads > 0
    assert attempt.outcome == Outcome.VERIFIED


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_same_readings_give_the_same_pulses(driver_of, plant_of, scheme):
    logs = []
    for _ in range(2):
        plant = plant_of(seed=9, resistance=860.0)
        driver = driver_of(scheme, plant)
        for target in (850.0, 851.0, 849.5):
            driver.to(target)
        logs.append(plant.log)
    assert logs[0] == logs[1]
