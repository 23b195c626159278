"""The TiO2-x device: its write law, its noise, its history, its conductances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheostat_hal.models import rng, tio2x

RESISTANCES = st.floats(700.0, 900.0)
VOLTAGES = st.floats(-7.0, 7.0)
WIDTHS = st.floats(1e-4, 5.0)


def device(resistance=820.0, **changes):
    params = tio2x.nominal()
    for name, value in changes.items():
        params[tio2x.PARAM_NAMES.index(name)] = value
    state = tio2x.pristine_states(params[None], 5)[0]
    state[tio2x.RESISTANCE] = resistance
    return state, params


def quiet(resistance=820.0, **changes):
    noiseless = {"jitter": 0.0, "sweep_potentiation": 0.0, "sweep_depression": 0.0}
    return device(resistance, **noiseless, **changes)


def pulsed(state, params, voltage, width, generator):
    after = state.copy()
    tio2x.step(after, params, voltage, width, generator)
    return after


@settings(deadline=None)  # the first example may compile
@given(RESISTANCES, VOLTAGES, WIDTHS, st.integers(0, 2**64 - 1), st.floats(0.0, 32.5), st.floats(0.0, 2.4))
def test_potentiation_never_raises_and_depression_never_lowers_resistance(r, voltage, width, seed, loose_p, loose_d):
    state, params = device(r)
    state[tio2x.LOOSE_POTENTIATION] = loose_p
    state[tio2x.LOOSE_DEPRESSION] = loose_d
    after = pulsed(state, params, voltage, width, rng.seed(seed, 0))
    assert np.all(np.isfinite(after))
    assert (after[tio2x.RESISTANCE] - r) * np.sign(voltage) <= 0.0
    assert 0.0 <= after[tio2x.LOOSE_POTENTIATION] <= 32.5
    assert 0.0 <= after[tio2x.LOOSE_DEPRESSION] <= 2.4


@settings(deadline=None)  # the first example may compile
@given(RESISTANCES, VOLTAGES, WIDTHS, st.integers(0, 2**32))
def test_a_pulse_never_runs_past_the_limit_of_its_voltage(r, voltage, width, seed):
    state, params = device(r)
    after = pulsed(state, params, voltage, width, rng.seed(seed, 0))[tio2x.RESISTANCE]
    if voltage > 0.0:
        assert after >= min(r, params[tio2x.POT_BASE] - params[tio2x.POT_SLOPE] * voltage) - 1e-9
    else:
        assert after <= max(r, params[tio2x.DEP_BASE] - params[tio2x.DEP_SLOPE] * voltage) + 1e-9


@settings(deadline=None)  # the first example may compile
@given(st.floats(-0.19, 0.19), WIDTHS)
def test_a_read_voltage_moves_nothing_and_draws_nothing(voltage, width):
    state, params = device()
    generator = rng.seed(1, 0)
    before = generator.copy()
    assert np.array_equal(pulsed(state, params, voltage, width, generator), state)
    assert np.array_equal(generator, before)


@settings(deadline=None)  # the first example may compile
@given(RESISTANCES, VOLTAGES, st.lists(st.floats(1e-3, 1.0), min_size=2, max_size=6), st.floats(0.0, 32.5))
def test_without_noise_a_pulse_cut_in_pieces_is_the_whole_pulse(r, voltage, widths, loose):
    state, params = quiet(r)
    state[tio2x.LOOSE_POTENTIATION] = loose
    whole = pulsed(state, params, voltage, sum(widths), rng.seed(0, 0))
    pieces = state.copy()
    for width in widths:
        tio2x.step(pieces, params, voltage, width, rng.seed(0, 0))
    np.testing.assert_allclose(pieces, whole, rtol=0.0, atol=1e-8)


def test_with_noise_a_pulse_cut_in_pieces_has_the_distribution_of_the_whole_pulse():
    state, params = device(800.0, sweep_potentiation=0.0)
    generator = rng.seed(9, 0)
    whole, cut = np.zeros(4000), np.zeros(4000)
    for k in range(4000):
        whole[k] = 800.0 - pulsed(state, params, 6.0, 0.8, generator)[0]
        pieces = state.copy()
        for width in (0.05, 0.25, 0.5):
            tio2x.step(pieces, params, 6.0, width, generator)
        cut[k] = 800.0 - pieces[0]
    assert whole.mean() == pytest.approx(cut.mean(), rel=0.01)
    assert whole.std() == pytest.approx(cut.std(), rel=0.06)
    assert whole.std() / whole.mean() == pytest.approx(0.15, rel=0.06)


@pytest.mark.parametrize("voltage", [0.5, 2.0, 5.0, -0.5, -2.0])
def test_identical_pulses_saturate_at_a_resistance_of_their_voltage(voltage):
    state, params = device(880.0 if voltage > 0 else 740.0)
    generator = rng.seed(2, 0)
    for _ in range(1500):
        tio2x.step(state, params, voltage, 2.0, generator)
    limit = 880.0 - 24.4 * voltage if voltage > 0 else 740.0 - 40.4 * voltage
    assert state[0] == pytest.approx(limit, abs=0.01)


def test_6_v_creep_to_lrs_and_run_far_past_hrs():
    """Why initialisation is a closed loop (Table A: +6 V to LRS, -6 V to HRS)."""
    state, params = quiet(880.0)
    resistances = [880.0]
    while state[0] > 740.0 and len(resistances) < 1000:
        tio2x.step(state, params, 6.0, 0.8, rng.seed(0, 0))
        resistances.append(state[0])
    assert resistances[0] - resistances[1] > 1.0
    assert 0.0 < resistances[-2] - resistances[-1] < 0.1
    assert len(resistances) < 500
    for _ in range(500):
        tio2x.step(state, params, -6.0, 0.8, rng.seed(0, 0))
    assert state[0] > 960.0


def test_steps_after_a_turn_are_larger_the_longer_the_stroke_before():
    first = []
    for stroke in (0.0, 70.0, 140.0):
        state, params = quiet(740.0 + 140.0 - stroke)
        while state[0] < 880.0:
            tio2x.step(state, params, -6.0, 0.05, rng.seed(0, 0))
        steps = []
        while state[0] > 830.0:
            before = state[0]
            tio2x.step(state, params, 6.0, 0.05, rng.seed(0, 0))
            steps.append((before - state[0]) / (before - (880.0 - 24.4 * 6.0)))
        first.append(sum(step > 1.2 * steps[-1] for step in steps))
    assert first[0] == 0
    assert 0 < first[1] < first[2]


def test_the_sweep_gain_is_constant_within_a_sweep_and_new_after_a_long_one():
    state, params = device(880.0)
    generator = rng.seed(4, 0)
    gains = set()
    for _ in range(6):
        for voltage, goal in ((7.0, 750.0), (-6.0, 870.0)):
            while (state[0] - goal) * np.sign(voltage) > 0.0:
                tio2x.step(state, params, voltage, 0.8, generator)
                gains.add(float(state[tio2x.SWEEP]))
    assert len(gains) in (12, 13)
    assert 0.4 < np.std(list(gains)) < 1.8


def test_read_and_write_paths_have_the_printed_conductances():
    state, params = device(800.0)
    out = np.zeros(6)
    tio2x.conductances(state, params, out)
    assert 1.0 / out[4] == pytest.approx(800.0)
    assert 1.0 / out[:4].sum() == pytest.approx(83.3, abs=0.1)
    assert tio2x.resistance(state, params) == 800.0


def test_a_larger_die_begins_with_the_devices_of_a_smaller_one():
    small, large = tio2x.params_of_die(7, 3), tio2x.params_of_die(7, 24)
    assert np.array_equal(small, large[:3])
    assert np.array_equal(tio2x.pristine_states(small, 7), tio2x.pristine_states(large, 7)[:3])
    assert not np.array_equal(large, tio2x.params_of_die(8, 24))
    assert tio2x.params_of_die(7, 0).shape == (0, len(tio2x.PARAM_NAMES))


def test_every_device_of_a_large_die_reaches_both_ends_of_the_window():
    params = tio2x.params_of_die(1, 5000)
    assert np.max(params[:, tio2x.POT_BASE] - 7.0 * params[:, tio2x.POT_SLOPE]) < 725.0
    assert np.min(params[:, tio2x.DEP_BASE] + 6.0 * params[:, tio2x.DEP_SLOPE]) > 960.0
    spread = params[:, tio2x.KP].std() / params[:, tio2x.KP].mean()
    assert 0.02 < spread < 0.05


def test_results_do_not_depend_on_the_order_of_devices():
    params = tio2x.params_of_die(3, 2)

    def run(order):
        states = tio2x.pristine_states(params, 3)
        generators = [rng.seed(3, k) for k in range(2)]
        for device_number in order:
            tio2x.step(states[device_number], params[device_number], 5.0, 0.8, generators[device_number])
        return states

    assert np.array_equal(run([0, 0, 1, 1]), run([1, 0, 1, 0]))


def test_nothing_drifts_unless_it_is_asked_for():
    state, params = device(800.0)
    tio2x.rest(state, params, 0.0, 1e6)
    assert state[tio2x.RESISTANCE] == 800.0
    state, params = device(800.0, drift=0.001)
    tio2x.rest(state, params, 0.0, 999.0)
    assert state[tio2x.RESISTANCE] == pytest.approx(800.0 / 0.997)
