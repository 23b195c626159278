"""Curves: dR maps from trains, choice of Vw, predicted sweeps, segmentation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheostat import curves, wire
from rheostat.curves import Train

VOLTAGES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0)
GRID = np.linspace(730.0, 890.0, 161)
FINE = curves.fine_voltages(VOLTAGES)


def relaxing(v, r, direction):
    """Saturates at a resistance that depends on the voltage."""
    return np.maximum(0.0, 0.0095 * (r - 880.0 + 24.0 * v) if direction > 0 else 0.0048 * (740.0 + 40.0 * v - r))


def threshold(v, r, direction):
    """Soft bounds, a power of the voltage and a threshold: another law altogether."""
    x = (r - 740.0) / 140.0 if direction > 0 else (880.0 - r) / 140.0
    return np.maximum(0.0, 0.02 * v**1.5 * np.exp(1.2 * x) - 0.03)


def trains_of(law, seed=0, noise=0.02, spread=0.15, pulses=250, gains=0.0):
    random = np.random.default_rng(seed)
    trains = []
    for direction in (1, -1):
        for v in VOLTAGES:
            r = 880.0 if direction > 0 else 740.0
            gain = 1.0 + gains * random.normal() if gains else 1.0
            readings = [r + noise * random.normal()]
            while len(readings) <= pulses and 735.0 < r < 885.0:
                r -= direction * gain * float(law(v, r, direction)) * max(0.0, 1.0 + spread * random.normal())
                readings.append(r + noise * random.normal())
            trains.append(Train(direction, v, np.array(readings)))
    return trains


def table_of(law):
    maps = [law(FINE[:, None], GRID, direction) for direction in (1, -1)]
    info = wire.TableInfo(version="t", device="A1", created=0.0, width=0.8, window=(740.0, 880.0), gains={})
    return wire.FeedforwardTable(info, FINE, GRID, *maps)


@pytest.mark.parametrize("law", [relaxing, threshold])
@pytest.mark.parametrize("direction", [1, -1])
def test_a_map_fitted_to_noisy_trains_predicts_the_steps_whatever_the_law(law, direction):
    values = curves.dr_map(trains_of(law), direction, FINE, GRID, 0.02).steps
    table = table_of(law)
    fitted = wire.FeedforwardTable(table.info, FINE, GRID, values, values)
    resistances = np.linspace(750.0, 870.0, 25)
    voltages = curves.choose_voltage(fitted, resistances, 0.25, direction)
    true = law(voltages, resistances, direction)
    np.testing.assert_allclose(true, 0.25, rtol=0.12)
    assert true.mean() == pytest.approx(0.25, rel=0.04)


def test_a_map_is_non_negative_and_does_not_fall_with_voltage():
    values = curves.dr_map(trains_of(relaxing, seed=3, noise=0.1), 1, FINE, GRID, 0.1).steps
    assert values.shape == (len(FINE), len(GRID))
    assert np.all(values >= 0.0)
    assert np.all(np.diff(values, axis=0) >= 0.0)
    assert values[FINE == 0.3, GRID == 760.0] == 0.0  # a small voltage moves nothing far from its end


def test_noiseless_trains_are_reproduced_also_where_no_train_went():
    values = curves.dr_map(trains_of(relaxing, noise=0.0, spread=0.0, pulses=100), 1, FINE, GRID, 1e-4).steps
    inside = (GRID >= 740.0) & (GRID <= 880.0)
    exact = relaxing(FINE[:, None], GRID, 1)
    np.testing.assert_allclose(values[:, inside], exact[:, inside], atol=0.01)


def test_larger_steps_after_a_change_of_direction_are_left_out():
    clean = trains_of(relaxing, spread=0.0, noise=0.001)
    stroke = 100.0
    marred = []
    for train in clean:
        readings = [train.readings[0]]
        while len(readings) < len(train.readings):
            fresh = abs(readings[-1] - readings[0]) < 0.2 * stroke
            step = float(relaxing(train.voltage, readings[-1], train.direction)) * (1.5 if fresh else 1.0)
            readings.append(readings[-1] - train.direction * step)
        marred.append(Train(train.direction, train.voltage, np.array(readings), stroke=stroke))
    exact = relaxing(FINE[:, None], GRID, 1)
    strong = FINE >= 4.0
    middle = (GRID > 790.0) & (GRID < 850.0)
    errors = [
        np.abs(curves.dr_map(trains, 1, FINE, GRID, 0.001).steps / np.maximum(exact, 0.05) - 1.0)[
            np.ix_(strong, middle)
        ].max()
        for trains in (marred, [Train(t.direction, t.voltage, t.readings) for t in marred])
    ]
    assert errors[0] < 0.05
    assert errors[1] > 0.1


def reached(trains, direction):
    """Where in the map the trains of both neighbouring voltages went, (len(FINE), len(GRID))."""
    spans = {t.voltage: (t.before.min(), t.before.max()) for t in trains if t.direction == direction}
    places = np.searchsorted(VOLTAGES, FINE - 1e-9)
    around = [
        (spans[VOLTAGES[k]], spans[VOLTAGES[k if VOLTAGES[k] <= v + 1e-9 else k - 1]])
        for k, v in zip(places, FINE, strict=True)
    ]
    low, high = (
        np.array([pick(s[end] for s in both) for both in around])[:, None] for end, pick in ((0, max), (1, min))
    )
    return (low <= GRID) & (high >= GRID)


@pytest.mark.parametrize("law", [relaxing, threshold])
@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("gains", [0.0, 0.03], ids=["every train alike", "gains of trains"])
def test_two_standard_errors_of_a_map_cover_the_truth_as_often_as_they_should(law, direction, gains):
    exact = law(FINE[:, None], GRID, direction)
    within = []
    for seed in range(30):
        trains = trains_of(law, seed=100 + seed, gains=gains)
        fitted = curves.dr_map(trains, direction, FINE, GRID, 0.02, gains)
        inside = reached(trains, direction)
        within.append(np.mean(np.abs(fitted.steps - exact)[inside] < 2.0 * fitted.errors[inside]))
    assert np.mean(within) == pytest.approx(0.95, abs=0.045)


def test_errors_of_a_map_grow_where_no_train_went():
    trains = trains_of(relaxing, seed=5, pulses=60)
    errors = curves.dr_map(trains, 1, FINE, GRID, 0.02).errors
    inside = reached(trains, 1)
    assert errors[~inside].mean() > 3.0 * errors[inside].mean()
    assert np.all(np.isfinite(errors))


def test_more_trains_make_smaller_errors():
    once = trains_of(threshold, seed=1)
    more = [train for seed in range(1, 6) for train in trains_of(threshold, seed=seed)]
    few, many = (curves.dr_map(trains, 1, FINE, GRID, 0.02).errors for trains in (once, more))
    assert np.median(many / few) < 0.75


def test_trains_at_one_voltage_make_no_map():
    with pytest.raises(ValueError, match="two voltages"):
        curves.dr_map(trains_of(relaxing)[:1], 1, FINE, GRID, 0.02)


@given(st.floats(735.0, 885.0), st.floats(0.01, 0.6), st.sampled_from([1, -1]))
def test_the_chosen_voltage_gives_the_step_wanted_or_is_the_nearest_end(resistance, step, direction):
    table = table_of(relaxing)
    voltage = float(curves.choose_voltage(table, resistance, step, direction))
    predicted = float(curves.predict(table, resistance, voltage, direction))
    assert 0.3 <= voltage <= 7.0
    if predicted != pytest.approx(step, abs=1e-9):
        assert voltage == (7.0 if predicted < step else 0.3)


def test_choice_and_prediction_work_on_arrays_of_any_shape():
    table = table_of(relaxing)
    resistances = np.linspace(745.0, 875.0, 12).reshape(3, 4)
    voltages = curves.choose_voltage(table, resistances, 0.25, 1)
    assert voltages.shape == (3, 4)
    np.testing.assert_allclose(curves.predict(table, resistances, voltages, 1), 0.25, atol=1e-9)


@pytest.mark.parametrize("direction", [1, -1])
def test_the_voltages_of_a_choice_keep_the_step_within_the_bounds(direction):
    table = table_of(relaxing)
    choice = curves.choices(table, direction)
    known = np.isfinite(choice.lowest)
    assert known.mean() > 0.9
    assert np.all(choice.lowest[known] <= choice.highest[known])
    for voltages, step in (
        (choice.lowest, 0.1),
        (choice.voltages, table.info.step[direction < 0]),
        (choice.highest, 0.3),
    ):
        predicted = curves.predict(table, GRID, voltages, direction)
        free = known & (voltages > 0.3) & (voltages < 7.0)
        assert free.sum() > 100
        np.testing.assert_allclose(predicted[free], step, atol=1e-9)
    steps = curves.predict(table, GRID, np.where(known, choice.highest, 7.0), direction)
    assert np.all(steps[~known] <= 0.1)


def test_fine_voltages_keep_the_measured_ones_and_leave_no_wide_gap():
    assert set(VOLTAGES) <= set(FINE.round(12))
    assert np.all(np.diff(FINE) > 0.0)
    assert np.diff(FINE).max() <= 0.125 + 1e-9


@pytest.mark.parametrize(("direction", "step"), [(1, 0.262), (-1, 0.2405)])
def test_a_predicted_sweep_crosses_the_window_in_even_steps(direction, step):
    sweep = curves.predicted_sweep(table_of(relaxing), direction)
    assert len(sweep.resistances) == pytest.approx(140.0 / step, abs=2)
    np.testing.assert_allclose(-direction * np.diff(sweep.resistances), step, rtol=0.02)
    assert np.all(np.diff(sweep.voltages) >= 0.0)


def test_a_predicted_sweep_ends_where_the_largest_voltage_no_longer_moves_the_device():
    sweep = curves.predicted_sweep(table_of(relaxing), 1, max_voltage=4.0)
    assert sweep.resistances[-1] == pytest.approx(880.0 - 96.0, abs=0.5)


@pytest.mark.parametrize("direction", [1, -1])
def test_segmentation_takes_the_nearest_sample_of_each_even_level(direction):
    sweep = np.linspace(880.0, 740.0, 495) if direction > 0 else np.linspace(740.0, 880.0, 580)
    segments = curves.segment(sweep, 32, (740.0, 880.0), direction)
    assert segments.targets[0] == sweep[0]
    assert np.abs(sweep[segments.pulses] - segments.targets).max() <= 0.5 * abs(sweep[1] - sweep[0]) + 1e-9
    assert segments.occupied.all()
    groups = [pulse for j in range(31) for pulse in segments.group(j, j + 1)]
    assert groups == list(range(int(segments.pulses[-1])))


def test_levels_that_share_a_pulse_are_unoccupied():
    random = np.random.default_rng(1)
    steps = 0.283 * np.maximum(0.1, 1.0 + 0.15 * random.normal(size=494))
    sweep = 880.0 - np.concatenate([[0.0], np.cumsum(steps)])
    segments = curves.segment(sweep, 512, (740.0, 880.0), 1)
    assert segments.occupied.sum() == len(np.unique(segments.pulses))
    assert 440 < segments.occupied.sum() < 495  # about 465 of 512


def test_segmentation_refuses_what_it_cannot_divide():
    with pytest.raises(ValueError, match="two levels"):
        curves.segment(np.array([1.0]), 1, (740.0, 880.0), 1)
    with pytest.raises(ValueError, match="readings"):
        curves.segment(np.array([]), 8, (740.0, 880.0), 1)
