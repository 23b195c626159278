"""The HfOxSy/HfS2 device: the paper's train over 100 cycles, exact composition, what does not write, its die."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheostat.analysis.states import linear_part
from rheostat_hal import bench
from rheostat_hal.models import hfs2, rng
from rheostat_hal.virtual.die import Die
from rheostat_hal.virtual.parts import VirtualInstruments

BENCH = Path(__file__).parents[3] / "deploy" / "benches" / "xhameni2025-virtual.toml"
UNIT = 1e-6  # S
PULSES = np.arange(20)
AMPLITUDES = 0.7 + (0.995 - 0.7) * PULSES / 19  # V
WIDTHS = (160.0 + (350.0 - 160.0) * PULSES / 19) * 1e-9  # s, at half amplitude

CONDUCTANCES = st.floats(1.9e-3, 4.4e-3)
WRITES = st.one_of(st.floats(0.56, 2.5), st.floats(-2.5, -0.56))


def device(conductance=2.64e-3, **changes):
    params = hfs2.nominal()
    for name, value in changes.items():
        params[hfs2.PARAM_NAMES.index(name)] = value
    return np.array([conductance]), params


def pulse(state, params, voltage, width, generator, edge=30e-9, series=0.0):
    """A trapezoid in pieces of 10 ns on its edges; the energy in the device, J. series: ohm in the path."""
    steps = round(edge / 10e-9)
    ramp = [(voltage * (k + 0.5) / steps, edge / steps) for k in range(steps)]
    energy = 0.0
    for level, time in [*ramp, (voltage, width - edge), *ramp[::-1]]:
        across = level / (1.0 + series * state[0])
        energy += across * across * state[0] * time
        hfs2.step(state, params, across, time, generator)
    return energy


def cycles(number, seed=1, edge=30e-9, series=0.0, params=None):
    """Potentiation, depression (number, 20) in uS read through `series`, energy (number,) in J, after a first one."""
    params = hfs2.nominal() if params is None else params
    state = hfs2.pristine_states(params[None], seed)[0]
    generator = rng.seed(seed, 0)
    states, energies = np.zeros((number + 1, 2, 20)), np.zeros(number + 1)
    for cycle in range(number + 1):
        for side, sign in enumerate((1.0, -1.0)):
            for k, (amplitude, width) in enumerate(zip(AMPLITUDES, WIDTHS, strict=True)):
                energies[cycle] += pulse(state, params, sign * amplitude, width, generator, edge, series)
                states[cycle, side, k] = state[0] / (1.0 + series * state[0]) / UNIT
    return states[1:, 0], states[1:, 1], energies[1:]


@pytest.mark.parametrize("series", [0.0, 1.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_hundred_cycles_of_the_train_have_the_printed_figures(seed, series):
    """Section III: 81.077 and 80.520 uS, 23.700 uS, R^2 0.99898 and 0.99925, 23.74 nJ, 31 bins."""
    potentiation, depression, energies = cycles(100, seed, series=series)
    up, down = linear_part(potentiation, 16), linear_part(depression, 16)
    assert up.bin_width == pytest.approx(81.077, rel=0.03)
    assert down.bin_width == pytest.approx(80.520, rel=0.03)
    assert up.slope > 0.0 > down.slope
    assert up.sigma == pytest.approx(23.7, rel=0.15)
    assert down.sigma == pytest.approx(23.7, rel=0.15)
    assert up.r_squared > 0.998
    assert down.r_squared > 0.998
    assert up.bins == down.bins == 31
    assert energies.mean() == pytest.approx(23.74e-9, rel=0.10)
    assert up.bin_width > 2.0 * up.sigma


def test_the_linear_part_that_is_found_has_sixteen_states_whatever_the_seed():
    """31 bins, which chance does not make 29."""
    counts = []
    for seed in range(20):
        for states in cycles(100, 100 + seed, series=1.0)[:2]:
            counts.append(linear_part(states).count)
    assert np.count_nonzero(np.array(counts) == 16) >= 39


def test_states_keep_their_scatter_and_place_from_the_first_ten_cycles_to_the_last():
    potentiation, depression, _ = cycles(100)
    for states in (potentiation, depression):
        early, late = states[:30].mean(axis=0), states[-30:].mean(axis=0)
        assert np.max(np.abs(early - late)) < 4.5 * 23.7 * np.sqrt(2.0 / 30.0)
        assert states[-50:].std(axis=0).mean() == pytest.approx(23.7, rel=0.2)


def test_the_mean_states_span_2_45_to_3_87_millisiemens():
    potentiation, depression, _ = cycles(100)
    assert potentiation[:, -1].mean() == pytest.approx(3873.0, abs=12.0)
    assert depression[:, -1].mean() == pytest.approx(2450.0, abs=12.0)


@settings(deadline=None)  # the first example may compile
@given(CONDUCTANCES, WRITES, st.lists(st.floats(1e-9, 2e-7), min_size=2, max_size=6))
def test_without_noise_a_pulse_cut_in_pieces_is_the_whole_pulse(conductance, voltage, widths):
    whole, params = device(conductance, sigma=0.0)
    pieces = whole.copy()
    hfs2.step(whole, params, voltage, sum(widths), rng.seed(0, 0))
    for width in widths:
        hfs2.step(pieces, params, voltage, width, rng.seed(0, 0))
    assert pieces[0] == pytest.approx(whole[0], abs=1e-12)


@settings(deadline=None, max_examples=25)
@given(st.floats(0.0, 200.0), st.sampled_from([0.8, 0.95, -0.8, -0.95]), st.integers(1, 8), st.integers(0, 999))
def test_a_pulse_in_pieces_keeps_mean_and_second_moment_also_where_it_stops_at_the_target(way, voltage, pieces, seed):
    """From `way` uS before the target. The mean of the stopped process is exactly that of the free one."""
    _, params = device()
    direction = np.sign(voltage)
    goal = hfs2.target(params, voltage)
    generator = rng.seed(seed, 0)
    lefts = np.zeros((2, 1500))
    for number, row in ((1, lefts[0]), (pieces, lefts[1])):
        for k in range(len(row)):
            state = np.array([goal - direction * way * UNIT])
            for _ in range(number):
                hfs2.step(state, params, voltage, 200e-9 / number, generator)
            row[k] = direction * (goal - state[0]) / UNIT
    rate = params[hfs2.RATE] * np.exp((abs(voltage) - 0.85) / params[hfs2.STEEPNESS])
    mean = way * np.exp(-rate * 200e-9)
    error = 23.7 / np.sqrt(1500)
    assert np.all(lefts >= 0.0)
    assert lefts.mean(axis=1) == pytest.approx([mean, mean], abs=5.0 * error)
    squares = (lefts**2).mean(axis=1)
    assert squares[1] == pytest.approx(squares[0], abs=6.0 * np.sqrt(2.0 * (lefts**2).var(axis=1).mean() / 1500) + 1e-9)


def test_scatter_of_one_pulse_is_that_of_mean_reversion():
    """sigma sqrt(1 - (1 - a)^2), a the share of the way that the pulse covers."""
    _, params = device()
    generator = rng.seed(3, 0)
    ends = np.zeros(4000)
    for k in range(len(ends)):
        state = np.array([3.0e-3])
        hfs2.step(state, params, 0.9, 250e-9, generator)
        ends[k] = state[0]
    share = (ends.mean() - 3.0e-3) / (hfs2.target(params, 0.9) - 3.0e-3)
    assert ends.std() == pytest.approx(23.7e-6 * np.sqrt(1.0 - (1.0 - share) ** 2), rel=0.04)


@settings(deadline=None)
@given(CONDUCTANCES, WRITES, st.floats(1e-8, 1e-3), st.integers(0, 2**32))
def test_positive_pulses_potentiate_and_negative_ones_depress_on_average(conductance, voltage, width, seed):
    noisy, params = device(conductance)
    quiet, silent = device(conductance, sigma=0.0)
    hfs2.step(noisy, params, voltage, width, rng.seed(seed, 0))
    hfs2.step(quiet, silent, voltage, width, rng.seed(seed, 0))
    assert (quiet[0] - conductance) * voltage >= 0.0
    assert abs(noisy[0] - quiet[0]) < 8.6 * 23.7e-6  # Box-Muller ends at 8.6
    assert hfs2.resistance(quiet, silent) == 1.0 / quiet[0]
    goal = hfs2.target(params, voltage)
    assert (goal - noisy[0]) * voltage >= -1e-18 or noisy[0] == conductance  # never run past by a pulse


@settings(deadline=None)
@given(st.floats(1.73e-3, 4.57e-3), st.floats(-0.5, 0.5), st.floats(1e-9, 1e3))
def test_reads_and_half_selected_devices_do_not_move_at_all(conductance, voltage, width):
    """Up to half of any amplitude of the train, for any time, from the whole range and 0.17 mS beyond."""
    state, params = device(conductance)
    generator = rng.seed(1, 0)
    before = generator.copy()
    hfs2.step(state, params, voltage, width, generator)
    assert state[0] == conductance
    assert np.array_equal(generator, before)


def test_edges_contribute_less_than_their_share_of_the_width():
    moved = []
    for edge in (10e-9, 70e-9):
        state, params = device(3.2e-3, sigma=0.0)
        pulse(state, params, 0.85, 250e-9, rng.seed(0, 0), edge)
        moved.append(state[0] - 3.2e-3)
    assert 0.7 * moved[0] < moved[1] < 0.95 * moved[0]


@pytest.mark.parametrize("voltage", [0.7, 0.9, -0.7, -0.9])
def test_identical_pulses_saturate_at_a_conductance_of_their_voltage_and_stay_there(voltage):
    state, params = device(2.0e-3 if voltage > 0.0 else 4.3e-3)
    generator = rng.seed(5, 0)
    seen = []
    for _ in range(400):
        hfs2.step(state, params, voltage, 300e-9, generator)
        seen.append(state[0])
    assert seen[-1] == seen[-200] == hfs2.target(params, voltage)


def test_80_ns_pulses_of_2_5_v_write_and_erase_the_whole_window():
    state, params = device(2.47e-3)
    generator = rng.seed(6, 0)
    for _ in range(20):
        pulse(state, params, 2.5, 80e-9, generator)
        assert state[0] > 3.86e-3
        pulse(state, params, -2.5, 80e-9, generator)
        assert state[0] < 2.47e-3


def test_only_the_path_from_row_to_column_conducts():
    state, params = device(3.0e-3)
    out = np.ones(6)
    hfs2.conductances(state, params, out)
    assert out.tolist() == [0.0, 0.0, 0.0, 0.0, 3.0e-3, 0.0]
    volts = np.array([0.9, 0.9, 0.0, 0.0])  # T1 and T2 are the row, T3 and T4 the column
    assert volts @ np.array(hfs2.ACROSS) == pytest.approx(0.9)


def test_a_larger_die_begins_with_the_devices_of_a_smaller_one():
    small, large = hfs2.params_of_die(7, 3), hfs2.params_of_die(7, 24)
    assert np.array_equal(small, large[:3])
    assert np.array_equal(hfs2.pristine_states(small, 7), hfs2.pristine_states(large, 7)[:3])
    assert not np.array_equal(large, hfs2.params_of_die(8, 24))
    assert hfs2.params_of_die(7, 0).shape == (0, len(hfs2.PARAM_NAMES))


@pytest.mark.parametrize("spread", [0.0, 0.03, 0.3])
def test_the_spread_of_a_die_is_the_one_asked_for(spread):
    params = hfs2.params_of_die(1, 5000, spread)
    for column in (hfs2.RATE, hfs2.G_MAX):
        relative = params[:, column] / hfs2.nominal()[column]
        assert relative.mean() == pytest.approx(1.0, abs=0.02)
        assert 0.85 * spread <= relative.std() <= 1.02 * spread + 1e-12  # clipped at 2 rms
    assert np.all(params[:, hfs2.G_MIN] > 0.0)
    assert np.all(params[:, hfs2.G_MAX] - params[:, hfs2.G_MIN] >= 0.1999 * params[:, hfs2.G_MAX])


def test_the_spread_of_the_bench_file_is_that_of_the_devices_on_the_bench(tmp_path):
    file = tmp_path / "bench.toml"
    file.write_text(BENCH.read_text().replace("spread = 0.03", "spread = 0.3"))
    chosen = bench.load(file)
    instruments = VirtualInstruments(chosen)
    params = instruments.die.params
    instruments.close()
    assert np.array_equal(params, hfs2.params_of_die(chosen.virtual.seed, len(chosen.devices), 0.3))
    relative = params[:, hfs2.G_MAX] / hfs2.nominal()[hfs2.G_MAX]
    assert 0.15 < relative.std() < 0.4


@pytest.mark.parametrize("spread", [0.3, 1.0])
def test_devices_of_a_wide_spread_keep_positive_conductances_through_the_train(spread):
    for params in hfs2.params_of_die(2, 40, spread):
        potentiation, depression, _ = cycles(4, params=params)
        low, high = params[hfs2.G_MIN] / UNIT, params[hfs2.G_MAX] / UNIT
        assert max(potentiation.max(), depression.max()) < high + 120.0
        assert min(potentiation.min(), depression.min()) > max(0.0, low - 120.0)


def test_results_do_not_depend_on_the_order_of_devices():
    params = hfs2.params_of_die(3, 2)

    def run(order):
        states = hfs2.pristine_states(params, 3)
        generators = [rng.seed(3, k) for k in range(2)]
        for number in order:
            hfs2.step(states[number], params[number], 0.9, 200e-9, generators[number])
        return states

    assert np.array_equal(run([0, 0, 1, 1]), run([1, 0, 1, 0]))


def test_a_written_state_loses_under_3_percent_in_a_month_and_nothing_within_a_train():
    state, params = device(3e-3)
    hfs2.rest(state, params, 0.0, 1.0)
    after_a_second = state[0]
    hfs2.rest(state, params, 1.0, 2.6e6)
    assert 0.97 < state[0] / after_a_second < 0.975
    state, params = device(3e-3)
    hfs2.rest(state, params, 0.0, 50e-6)
    assert state[0] == pytest.approx(3e-3, rel=1e-6)


@given(st.lists(st.floats(0.0, 1e7), min_size=1, max_size=8), CONDUCTANCES)
def test_rest_in_pieces_is_the_whole_rest(pieces, conductance):
    state, params = device(conductance)
    whole = state.copy()
    passed = 0.0
    for piece in pieces:
        hfs2.rest(state, params, passed, passed + piece)
        passed += piece
    hfs2.rest(whole, params, 0.0, passed)
    assert state[0] == pytest.approx(whole[0], rel=1e-12)
    assert state[0] <= conductance


def test_devices_on_the_bench_rest_from_their_last_write():
    die = Die("hfs2-2t", 1, 2)
    die.step(0, 1.0, 1e-6)
    pristine = die.resistance(1)
    die.written(0, 0)
    fresh = die.resistance(0)
    assert not die.rest(0, 500_000)  # half a millisecond is not worth a change
    assert die.rest(0, 999_000_000_000)
    assert die.resistance(0) == pytest.approx(fresh / (1.0 - 3 * 0.0045), rel=1e-9)
    assert not die.rest(1, 999_000_000_000)  # never written: there is nothing to relax
    assert die.resistance(1) == pristine
    before = die.resistance(0)
    die.written(0, 999_000_000_000)
    die.rest(0, 1_008_000_000_000)
    assert die.resistance(0) == pytest.approx(before / (1.0 - 0.0045), rel=1e-9)


def test_a_kept_die_goes_on_resting_where_it_was(tmp_path):
    first, second, whole = (Die("hfs2-2t", 1, 1) for _ in range(3))
    for die in (first, whole):
        die.step(0, 1.0, 1e-6)
        die.written(0, 0)
    first.save(tmp_path / "die", 10**12)
    assert second.load(tmp_path / "die")
    second.rest(0, 10**15)
    whole.rest(0, 10**15)
    assert second.resistance(0) == pytest.approx(whole.resistance(0), rel=1e-12)
