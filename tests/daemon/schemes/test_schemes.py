"""What every scheme owes: verified targets are true, limits are kept, failures are named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheostat.wire import Outcome
from rheostat_hal.models import tio2x
from rheostatd.schemes import evidence

SCHEMES = ["ffp", "levels", "incremental"]
TOLERANCE = 0.137


def visit(driver, targets):
    """(outcomes, errors of the true resistance) of targets visited one after another."""
    outcomes, errors = [], []
    for target in targets:
        outcomes.append(driver.to(float(target)).outcome)
        errors.append(driver.plant.true - target)
    return np.array(outcomes), np.abs(errors)


@pytest.mark.parametrize("noise", [0.02, 0.05])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_random_targets_are_verified_and_what_is_verified_is_true(driver_of, plant_of, scheme, noise):
    params = tio2x.params_of_die(11, 12)
    verified, errors = [], []
    for seed in range(12):
        driver = driver_of(scheme, plant_of(params[seed], seed=seed, noise=noise, offset=0.3))
        outcomes, off = visit(driver, np.random.default_rng(seed).uniform(741.0, 879.0, 25))
        verified.append(outcomes == Outcome.VERIFIED)
        errors.append(off)
    accepted = np.concatenate(verified)
    inside = np.concatenate(errors)[accepted] <= TOLERANCE
    assert accepted.mean() >= 0.99
    assert inside.mean() >= 0.95


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_target_is_verified_by_readings_of_its_own(driver_of, plant_of, scheme):
    driver = driver_of(scheme, plant_of(seed=4, resistance=812.0))
    first = driver.to(810.0)
    before = driver.plant.reads
    second = driver.to(810.0)  # the device already stands there
    assert first.outcome == second.outcome == Outcome.VERIFIED
    assert second.pulses == 0
    assert second.reads == driver.plant.reads - before >= 2
    assert second.estimate != first.estimate


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(SCHEMES),
    st.floats(741.0, 879.0),
    st.floats(741.0, 879.0),
    st.floats(1.0, 7.0),
    st.floats(0.8, 2.0),
    st.floats(0.005, 0.06),
    st.integers(0, 1000),
)
def test_no_pulse_leaves_the_limits_and_an_accepted_estimate_lies_in_the_guarded_band(
    driver_of, plant_of, scheme, start, target, max_voltage, max_width, noise, seed
):
    plant = plant_of(resistance=start, seed=seed, noise=noise)
    driver = driver_of(scheme, plant, max_voltage=max_voltage, max_width=max_width)
    attempt = driver.to(target, max_pulses=800)
    assert all(0.2 <= abs(v) <= max_voltage + 1e-12 and 0.0 < w <= max_width + 1e-12 for v, w in plant.log)
    if attempt.outcome == Outcome.VERIFIED:
        assert attempt.stderr >= noise / np.sqrt(attempt.reads) * (1.0 - 1e-9)
        assert evidence.probability(attempt.estimate - target, attempt.stderr, TOLERANCE) >= 0.95
    else:
        assert attempt.outcome in (Outcome.SATURATED, Outcome.NOT_CONVERGED, Outcome.STUCK)


def stuck_after(plant, pulses):
    move = plant.move

    def still(voltage, width):
        if len(plant.log) <= pulses:
            move(voltage, width)

    plant.move = still
    return plant


def clipped(plant, low, high):
    move = plant.move

    def within(voltage, width):
        move(voltage, width)
        plant.state[0] = min(max(plant.state[0], low), high)

    plant.move = within
    return plant


@pytest.mark.parametrize("target", [750.0, 870.0])
@pytest.mark.parametrize("after", [0, 40])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_device_that_no_longer_moves_is_stuck(driver_of, plant_of, scheme, after, target):
    plant = stuck_after(plant_of(resistance=765.0 if target == 870.0 else 855.0, seed=after), after)
    attempt = driver_of(scheme, plant).to(target)
    assert attempt.outcome == Outcome.STUCK
    assert attempt.pulses < after + 80
    assert max(abs(v) for v, _ in plant.log) == pytest.approx(7.0)  # it was tried with all that is allowed


@pytest.mark.parametrize("target", [750.0, 870.0])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_device_that_still_turns_round_is_saturated_and_not_stuck(driver_of, plant_of, scheme, target):
    plant = clipped(plant_of(resistance=800.0, seed=2), 780.0, 820.0)
    attempt = driver_of(scheme, plant).to(target)
    assert attempt.outcome == Outcome.SATURATED


@pytest.mark.parametrize("scheme", SCHEMES)
def test_too_small_a_voltage_limit_saturates_before_the_target(driver_of, plant_of, scheme):
    plant = plant_of(resistance=870.0, seed=3)
    attempt = driver_of(scheme, plant, max_voltage=3.0).to(750.0)
    assert attempt.outcome == Outcome.SATURATED
    assert plant.true == pytest.approx(880.0 - 24.4 * 3.0, abs=4.0)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("resistance", "outcome"), [(np.inf, Outcome.OPEN), (15.0, Outcome.SHORTED)])
def test_open_and_shorted_devices_get_no_pulse(driver_of, plant_of, scheme, resistance, outcome):
    plant = plant_of()
    plant.read = lambda readings: resistance
    attempt = driver_of(scheme, plant).to(800.0)
    assert (attempt.outcome, attempt.pulses) == (outcome, 0)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_device_far_noisier_than_measured_is_noisy(driver_of, plant_of, scheme):
    attempt = driver_of(scheme, plant_of(noise=5.0, resistance=800.0), noise=0.02).to(800.0)
    assert attempt.outcome == Outcome.NOISY


@pytest.mark.parametrize("scheme", SCHEMES)
def test_twice_the_noise_measured_still_keeps_the_confidence(driver_of, plant_of, scheme):
    errors = []
    for seed in range(6):
        driver = driver_of(scheme, plant_of(seed=seed, noise=0.1), noise=0.05)
        outcomes, off = visit(driver, np.random.default_rng(seed).uniform(750.0, 870.0, 20))
        errors.append(off[outcomes == Outcome.VERIFIED])
    inside = np.concatenate(errors) <= TOLERANCE
    assert len(inside) > 100
    assert inside.mean() >= 0.90


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_device_that_gets_noisy_on_the_way_is_told_by_the_scatter_of_its_readings(driver_of, plant_of, scheme):
    class Spoilt(plant_of):
        def move(self, voltage, width):
            super().move(voltage, width)
            if len(self.log) == 3:
                self.noise = 8.0

    plants = [Spoilt(seed=seed, resistance=812.0) for seed in range(20)]
    outcomes = [driver_of(scheme, plant).to(806.0).outcome for plant in plants]
    assert outcomes.count(Outcome.NOISY) >= 19  # once in a hundred two such readings agree by chance
