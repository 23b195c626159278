"""Calibration on modelled devices, and the paper's figures with a device's own table."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from rheostat import curves, wire
from rheostat.wire import Outcome
from rheostat_hal.models import tio2x
from rheostatd.executor import calibration
from rheostatd.executor.initialise import Drive, initialise

WINDOW = (740.0, 880.0)
SPEC = wire.Calibrate(device="A1")


def measure(plants, spec=SPEC, **options):
    return calibration.measure(plants.__getitem__, spec, WINDOW, version="v1", created=1.0, **options)


@pytest.fixture(scope="module")
def calibrated(plant_of):
    """One device of a die, its own table and what its calibration took."""
    plant = plant_of(tio2x.params_of_die(2025, 1)[0], seed=2025, offset=0.06)
    stages = []
    table = measure({"A1": plant}, progress=stages.append)
    return plant, table, stages


@pytest.fixture(scope="module")
def sweeps(calibrated, driver_of):
    """(pulses, mean power) of 24 sweeps in each direction through the whole window by ffp with that table."""
    plant, table, _ = calibrated
    driver = driver_of("ffp", plant, table=table, noise=table.info.noise)
    driver.to(880.0)
    rows = {740.0: [], 880.0: []}
    for _ in range(24):
        for goal, row in rows.items():
            energy, on_time = plant.energy, plant.on_time
            attempt = driver.to(goal)
            assert attempt.outcome == Outcome.VERIFIED
            row.append((attempt.pulses, (plant.energy - energy) / (plant.on_time - on_time)))
    return np.array(rows[740.0]), np.array(rows[880.0])


def test_whole_window_sweeps_take_the_printed_numbers_of_pulses(sweeps):
    down, up = sweeps
    assert down[:, 0].mean() == pytest.approx(494.0, rel=0.05)
    assert up[:, 0].mean() == pytest.approx(579.0, rel=0.05)
    assert 11.0 / 2.0 < down[:, 0].std(ddof=1) < 11.0 * 2.0
    assert 17.0 / 2.0 < up[:, 0].std(ddof=1) < 17.0 * 2.0


def test_mean_powers_are_the_printed_ones(sweeps):
    down, up = sweeps
    assert down[:, 1].mean() == pytest.approx(0.2407, rel=0.1)
    assert up[:, 1].mean() == pytest.approx(0.1146, rel=0.1)


def test_the_fitted_table_predicts_the_steps_of_the_device(calibrated, table_of):
    plant, table, _ = calibrated
    exact = table_of(plant.params, plant.offset)
    resistances = np.linspace(745.0, 875.0, 27)
    for direction, step in ((1, 0.262), (-1, 0.2405)):
        voltages = curves.choose_voltage(table, resistances, step, direction)
        true = curves.predict(exact, resistances, voltages, direction)
        np.testing.assert_allclose(true, step, rtol=0.12)
        assert true.mean() == pytest.approx(step, rel=0.04)


def test_the_table_is_sensible_everywhere(calibrated):
    _, table, _ = calibrated
    assert table.info.noise == pytest.approx(0.02, rel=0.4)
    assert table.info.gains == {"A1": (1.0, 1.0)}
    assert set(SPEC.voltages) <= set(table.voltages.round(9))
    for values in (table.potentiation, table.depression):
        assert np.all(values >= 0.0)
        assert np.all(np.diff(values, axis=0) >= 0.0)
    assert table.resistances[0] < 740.0
    assert table.resistances[-1] > 880.0


def test_progress_counts_up_to_its_total_and_the_plan_is_an_upper_estimate(calibrated):
    _, _, stages = calibrated
    assert [stage.done for stage in stages] == list(range(1, 32))
    assert {stage.total for stage in stages} == {31}
    expected = calibration.plan(SPEC)
    trains = sum(stage.pulses for stage in stages)
    assert trains < 0.95 * 30 * SPEC.max_train  # trains that saturate or cross the window end early
    assert trains < expected.pulses
    assert expected.stages == 31
    assert 5e3 < expected.rig_time < 2e4


def test_calibrating_is_within_the_plan(plant_of):
    plant = plant_of(seed=6)
    measure({"A1": plant})
    expected = calibration.plan(SPEC)
    assert 0.5 * expected.pulses < len(plant.log) < expected.pulses
    assert 0.3 * expected.rig_time < plant.on_time + 0.05 * plant.reads < expected.rig_time


def test_gains_of_other_devices_come_from_few_pulses(plant_of, table_of):
    names = [f"A{k}" for k in range(1, 9)]
    params = tio2x.params_of_die(3, 8)
    plants = {name: plant_of(params[k], seed=k) for k, name in enumerate(names)}
    spec = msgspec.structs.replace(SPEC, others=tuple(names), max_train=100)
    table = measure(plants, spec)
    assert set(table.info.gains) == set(names)
    reference = table_of(params[0])
    resistances = np.linspace(780.0, 840.0, 13)
    for k, name in enumerate(names[1:], 1):
        assert len(plants[name].log) <= 50
        for direction, gain in zip((1, -1), table.info.gains[name], strict=True):
            voltages = curves.choose_voltage(reference, resistances, 0.25, direction)
            true = curves.predict(table_of(params[k]), resistances, voltages, direction).mean() / 0.25
            assert gain == pytest.approx(true, rel=0.2)


def test_the_steps_aimed_at_go_by_the_levels_of_the_window(plant_of):
    spec = msgspec.structs.replace(SPEC, max_train=40, voltages=(1.0, 2.0, 4.0, 7.0))
    paper = measure({"A1": plant_of(seed=1)}, spec).info
    wide = measure({"A1": plant_of(seed=1)}, spec, level=10.0 * calibration.PAPER_LEVEL).info
    assert (paper.step, paper.bounds) == (pytest.approx((0.262, 0.2405)), pytest.approx((0.1, 0.3)))
    assert (wide.step, wide.bounds) == (pytest.approx((2.62, 2.405)), pytest.approx((1.0, 3.0)))


def test_a_device_that_does_not_do_what_its_own_table_says_is_not_calibrated(plant_of):
    random, readings = np.random.default_rng(1), np.linspace(880.0, 800.0, 30)
    given = [
        curves.Train(direction, voltage, readings + 5.0 * random.normal(size=30))
        for direction in (1, -1) for voltage in (1.0, 2.0, 4.0)
    ]  # fmt: skip
    with pytest.raises(calibration.CalibrationFailed, match="none describes it at these voltages") as caught:
        measure({"A1": plant_of()}, given=given)
    assert caught.value.outcome == Outcome.NOT_CONVERGED


@pytest.mark.parametrize("way", [(745.0, 865.0), (875.0, 755.0), (740.0, 885.0), (740.0, 884.0, 810.0)])
def test_what_a_device_went_through_before_is_no_gain(plant_of, table, way):
    gains = []
    for seed in range(60):
        plant = plant_of(seed=seed)
        for goal in way:
            initialise(plant, goal, Drive(), 2000)
        before = len(plant.log)
        result, used, _ = calibration.measure_gain(plant, table, 50, Drive())
        assert len(plant.log) - before == used <= 50
        gains.append(result)
    np.testing.assert_allclose(np.mean(gains, axis=0), 1.0, atol=0.03)
    assert np.all(np.std(gains, axis=0) < 0.08)


def test_a_device_outside_the_window_is_brought_in_within_the_same_pulses(plant_of, table):
    plant = plant_of(seed=1, resistance=900.0)
    result, used, here = calibration.measure_gain(plant, table, 50, Drive())
    assert used == len(plant.log) <= 50
    assert not isinstance(result, Outcome)
    assert here < 890.0


def test_a_device_without_a_gain_is_left_out_and_named(plant_of):
    plants = {name: plant_of(seed=k) for k, name in enumerate(("A1", "A2", "A3"))}
    plants["A2"].move = lambda voltage, width: None
    plants["A3"].read = lambda readings: math.inf
    failed = {}
    spec = msgspec.structs.replace(SPEC, others=("A2", "A3"), max_train=60, voltages=(0.5, 1.0, 2.0, 4.0, 7.0))
    table = measure(plants, spec, failed=failed.__setitem__)
    assert failed == {"A2": Outcome.STUCK, "A3": Outcome.OPEN}
    assert set(table.info.gains) == {"A1"}


def test_a_device_that_cannot_be_calibrated_says_why(plant_of):
    still = plant_of(seed=1)
    still.move = lambda voltage, width: None
    with pytest.raises(calibration.CalibrationFailed, match="A1: initialisation to 880 ohm ended STUCK") as caught:
        measure({"A1": still})
    assert caught.value.outcome == Outcome.STUCK
    absent = plant_of()
    absent.read = lambda readings: math.inf
    with pytest.raises(calibration.CalibrationFailed, match="no read current"):
        measure({"A1": absent})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"voltages": (1.0,)}, "two different"),
        ({"voltages": (1.0, -2.0)}, "positive"),
        ({"voltages": (1.0, math.nan)}, "positive"),
        ({"width": 0.0}, "width"),
        ({"max_train": 3}, "max_train must be 10"),
        ({"gain_pulses": 1}, "gain_pulses must be 4"),
    ],
)
def test_specifications_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        calibration.check(msgspec.structs.replace(SPEC, **changes))


def test_the_errors_of_a_table_cover_the_steps_of_the_device(calibrated, table_of):
    plant, table, _ = calibrated
    exact = table_of(plant.params, plant.offset)
    resistances, voltages = np.linspace(745.0, 875.0, 27), np.linspace(0.5, 7.0, 27)[:, None]
    errors = (table.potentiation_error, table.depression_error)
    known = wire.FeedforwardTable(table.info, table.voltages, table.resistances, *errors)
    for direction in (1, -1):
        true, fitted, error = (curves.predict(t, resistances, voltages, direction) for t in (exact, table, known))
        moving = true > 0.02
        assert np.mean(np.abs(fitted - true)[moving] < 2.0 * error[moving]) > 0.9
        assert np.median(error[moving] / true[moving]) < 0.05


def test_trains_measured_before_are_fitted_without_a_write_pulse_of_the_device(plant_of, table_of):
    plant = plant_of(seed=3)
    drive = Drive()
    spec = msgspec.structs.replace(SPEC, voltages=(0.5, 1.0, 2.0, 4.0, 7.0), max_train=100)
    trains = [
        calibration.measure_train(plant, spec, direction, voltage, WINDOW, 0.02, drive)
        for direction in (1, -1)
        for voltage in spec.voltages
    ]
    longest = max(len(train.readings) for train in trains)
    readings = np.full((2, 5, 1, longest), math.nan)
    for place, train in zip(np.ndindex(2, 5), trains, strict=True):
        readings[place][0, : len(train.readings)] = train.readings
    whole = np.where(np.isfinite(readings), readings, readings[..., :1])  # complete ones only are taken
    arrays = {
        "train_voltages": np.array(spec.voltages),
        "train_resistance": np.where(np.isnan(readings[..., -1:]), math.nan, whole),
        "train_stroke": np.full((2, 5, 1), 30.0),
    }
    written = len(plant.log)
    with pytest.raises(ValueError, match="two voltages"):
        calibration.given_trains({**arrays, "train_resistance": np.full_like(readings, math.nan)})
    given = calibration.given_trains({**arrays, "train_resistance": whole})
    assert len(given) == 10
    stages = []
    spec = msgspec.structs.replace(spec, trains="earlier", others=("A2",))
    plants = {"A1": plant, "A2": plant_of(seed=4)}
    table = measure(plants, spec, given=trains, progress=stages.append)
    assert len(plant.log) == written
    assert [(stage.done, stage.total) for stage in stages] == [(1, 2), (2, 2)]
    assert calibration.plan(spec).pulses == spec.gain_pulses
    assert set(table.info.gains) == {"A1", "A2"}
    resistances = np.linspace(760.0, 860.0, 11)
    voltages = curves.choose_voltage(table, resistances, 0.25, 1)
    true = curves.predict(table_of(), resistances, voltages, 1)
    assert true.mean() == pytest.approx(0.25, rel=0.1)
