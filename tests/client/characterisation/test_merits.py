"""Figures of merit from the devices' physics: whether they are those that devices and papers have."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from rheostat.characterisation import data, merits, merits_trains, profile, sampling
from rheostat.characterisation.merits import Figure
from rheostat.characterisation.profile import Printed
from rheostat.characterisation.record import Characterisation
from tests.client.characterisation import benches

LEVELS = {"levels": (32, 128, 512), "skipped_at": 0.8}


def by_key(figures) -> dict[str, Figure]:
    return {figure.key: figure for figure in figures}


def near(figure: Figure, value: float, errors: float = 4.0) -> bool:
    return abs(figure.value - value) < errors * figure.uncertainty


def test_sweeps_of_the_physics_have_the_figures_of_the_first_paper(four_terminal: Characterisation):
    found = by_key(four_terminal.figures)
    assert found["pulses_potentiation"].value == pytest.approx(494, rel=0.03)
    assert found["pulses_depression"].value == pytest.approx(579, rel=0.03)
    assert found["power_potentiation"].value == pytest.approx(0.2407, rel=0.1)
    for n, v in ((32, 4.95e-3), (512, 1.91e-5)):
        for direction in ("potentiation", "depression"):
            assert found[f"v_{direction}_{n}"].value == pytest.approx(v, rel=0.05)
            assert abs(found[f"v_unbiased_{direction}_{n}"].value) < 0.1 * v
    assert found["nlf_first_passage_potentiation_512"].value == pytest.approx(0.0010, rel=0.2)
    assert found["nlf_argmin_potentiation_512"].value < found["nlf_first_passage_potentiation_512"].value
    assert found["skipped_potentiation_32"].value == found["skipped_depression_32"].value == 0
    assert 440 < found["occupied_potentiation_512"].value < 490
    assert found["error_scale_first_potentiation_512"].value > found["error_scale_potentiation_512"].value
    assert found["error_nu_potentiation_512"].note == "100 % of the levels are normal"
    assert 0.1 < found["passed_loc_potentiation_512"].value < 0.2  # half a step of 0.26 ohm
    assert 0.1 < found["passed_loc_depression_512"].value < 0.2
    assert found["skipped_potentiation_512"].uncertainty > 1.0
    assert found["skipped_potentiation_32"].uncertainty == 0.0


def test_trains_of_the_physics_have_the_figures_of_the_second_paper(two_terminal: Characterisation):
    found = by_key(two_terminal.figures)
    assert found["bins"].value == 31
    assert found["bin_width_potentiation"].value == pytest.approx(81.077e-6, rel=0.03)
    assert found["bin_width_depression"].value == pytest.approx(80.520e-6, rel=0.03)
    assert found["sigma"].value == pytest.approx(23.7e-6, rel=0.15)
    assert found["r_squared_potentiation"].value == pytest.approx(0.999, abs=0.0005)
    assert found["r_squared_potentiation"].uncertainty < 0.0005
    assert found["cycle_energy"].value == pytest.approx(23.74e-9, rel=0.1)
    independent = found["sigma"].value / math.sqrt(2 * 99 * 32)
    assert independent < found["sigma"].uncertainty < 2.0 * independent  # a state keeps some of the last one
    assert found["cycle_energy"].printed_shown == "23.74 ± 1.26 nJ"


def test_sweeps_that_did_not_go_through_the_window_are_left_out_and_counted(four_terminal: Characterisation):
    sweeps = list(four_terminal.own(four_terminal.sweeps))
    sweeps[0] = replace(sweeps[0], whole=False)
    sweeps[4] = replace(sweeps[4], whole=False)
    found = by_key(merits.processes(sweeps, benches.WINDOW, 0.8, LEVELS))
    assert found["pulses_potentiation"].note == "from 10 of 12 sweeps"
    assert found["pulses_depression"].note == ""


def test_power_is_energy_over_the_time_of_the_write_pulses():
    sweep = data.Sweep("A1", 0, 1, np.linspace(880, 741, 50), np.full(50, 3.0), np.full(50, 0.2), 740.0, True)
    found = by_key(merits.processes([sweep, replace(sweep, cycle=1)], benches.WINDOW, 0.8, {**LEVELS, "levels": (8,)}))
    assert found["power_potentiation"].value == pytest.approx(0.25)
    assert found["process_energy_potentiation"].value == pytest.approx(10.0)
    assert found["pulses_spread_potentiation"].value == 0.0


def test_a_single_sweep_has_figures_without_errors():
    sweep = data.Sweep("A1", 0, -1, np.linspace(740, 879, 50), np.full(50, -3.0), np.full(50, 0.1), 880.0, True)
    found = by_key(merits.processes([sweep], benches.WINDOW, 0.8, {**LEVELS, "levels": (8,)}))
    assert found["pulses_depression"].value == 50
    assert math.isnan(found["pulses_depression"].uncertainty)
    assert not any("potentiation" in key for key in found)


def test_a_mean_has_the_standard_error_of_independent_values():
    figure = merits.mean("x", "x", np.array([1.0, 2.0, 3.0, np.nan]))
    assert (figure.value, figure.uncertainty) == (2.0, pytest.approx(1.0 / math.sqrt(3.0)))
    assert math.isnan(merits.mean("x", "x", np.array([])).value)


def test_a_mean_of_a_part_says_so():
    assert merits.mean("x", "x", np.array([1.0, 2.0, np.nan])).note == "2 of 3 known"
    figure = merits.mean("x", "x", np.array([1.0, np.nan]), note="from 2 of 4 sweeps")
    assert figure.note == "from 2 of 4 sweeps, 1 of 2 known"


def test_figures_of_repetitions_say_when_trains_are_missing():
    readings = 800.0 + np.random.default_rng(2).normal(size=(2, 1, 3, 11))
    readings[0, 0, 2, 5:] = np.nan
    found = by_key(merits.repeatability(data.Identical(np.array([1.0]), readings, 2.0)))
    assert found["pearson_largest_range_potentiation"].note.endswith(", 2 of 3 trains")
    assert found["range_potentiation"].note == "at 1 V, 2 of 3 trains"
    assert found["range_depression"].note == "at 1 V"


def test_what_only_the_paper_has_is_listed_as_not_measured():
    ours = [Figure("bins", "bins", 31.0), Figure("sigma", "sigma", 24e-6, unit="S")]
    paper = {
        "bins": Printed(30.0, math.nan, "1", "Fig. 2"),
        "sigma": Printed(23.7, math.nan, "ohm", "p. 3"),
        "bits": Printed(5.0, math.nan, "bit", "p. 4"),
    }
    found = merits.beside(ours, paper)
    assert [(f.key, f.difference) for f in found[:2]] == [("bins", "+3.3 %"), ("sigma", "")]
    assert [(f.key, f.shown, f.note) for f in found[2:]] == [
        ("sigma", "not measured", "measured in S, printed in ohm"),
        ("bits", "not measured", ""),
    ]


def test_repeated_trains_correlate_less_with_more_noise():
    generator = np.random.default_rng(1)
    curve = 800.0 - 5.0 * (1.0 - np.exp(-np.arange(61) / 20.0))
    quiet, loud = (curve + rms * generator.normal(size=(2, 1, 5, 61)) for rms in (0.02, 2.0))
    of = [data.Identical(np.array([1.0]), readings, 2.0) for readings in (quiet, loud)]
    low, high = (by_key(merits.repeatability(one))["pearson_smallest_range_potentiation"].value for one in of)
    assert low > 0.99 > high


def test_trains_that_were_broken_off_do_not_count():
    readings = 800.0 + np.random.default_rng(2).normal(size=(2, 2, 3, 11))
    readings[0, 0, 1:, 5:] = np.nan
    ranges, correlations = merits.correlation_of(data.Identical(np.array([1.0, 2.0]), readings, 2.0), 0)
    assert np.isnan(correlations[0])
    assert np.isnan(ranges[0])
    assert np.isfinite(correlations[1])


def test_variation_between_devices_is_told_from_that_of_cycles():
    generator = np.random.default_rng(3)
    found = []
    for k in range(12):
        own = 80e-6 * (1.0 + 0.1 * generator.normal())
        steps = own * (1.0 + 0.02 * generator.normal(size=(40, 1)))
        resistance = 1.0 / (2e-3 + steps * np.arange(5))
        found.append(data.Trains(f"S{k}", np.ones(5), np.ones(5), resistance, resistance))
    figures = by_key(merits_trains.variation((), found, None))
    assert figures["device_to_device_update_potentiation"].value == pytest.approx(10.0, rel=0.6)
    assert near(figures["cycle_to_cycle_update_potentiation"], 2.0)


def test_the_gain_of_a_sweep_is_its_travel_over_the_prediction(four_terminal: Characterisation):
    table = benches.table()
    gains = [merits_trains.gain(sweep, table) for sweep in four_terminal.own(four_terminal.sweeps)]
    assert np.mean(gains) == pytest.approx(1.0, abs=0.05)
    assert 0.01 < np.std(gains) < 0.06


def test_drift_is_read_off_the_readings():
    found = by_key(merits_trains.drift(data.held([benches.held(("A1", "B1"), 800.0, 0.8)])))
    assert found["drift_largest"].value == pytest.approx(100 * 0.8 * math.log10(1001) / 800.0, rel=0.02)
    assert found["drift_decade"].value == pytest.approx(0.1, rel=0.3)
    assert merits_trains.drift(()) == []


def test_readings_that_scatter_by_their_contacts_have_that_scatter_in_the_errors_of_the_drift():
    misses = []
    for seed in range(40):
        result = benches.held(("A1",), 800.0, 0.0, seed)
        result.arrays["resistance"] += 0.5 * np.random.default_rng(seed).normal(size=8)  # closures of the relays
        found = by_key(merits_trains.drift(data.held([result])))["drift_decade"]
        misses.append(not near(found, 0.0, 2.6))
        assert "times their errors" in found.note
    assert sum(misses) <= 5  # normal: 0.4; the scatter of eight readings is not known better


def test_a_figure_below_what_the_paper_prints_as_a_bound_is_no_difference():
    (figure,) = merits.beside(
        [Figure("drift_largest", "largest drift", 1.8, unit="%")], profile.load("xhameni2025").paper
    )[:1]
    assert (figure.printed_shown, figure.difference) == ("< 3 %", "below")
    assert replace(figure, value=3.6).difference == "+20.0 %"


def test_errors_drawn_from_the_fit_scatter_as_the_measured_ones(four_terminal: Characterisation):
    errors = four_terminal.level_errors
    for n, ideal, actual in sampling.drawn(errors, benches.WINDOW, 1):
        fitted = errors[1, n]
        off = actual - np.rint(ideal * (n - 1)) / (n - 1)
        assert np.median(np.abs(off)) == pytest.approx(0.6745 * np.median(fitted.scale) / 140.0, rel=0.35)
        assert np.all(np.abs(actual - ideal) < 0.5 / (n - 1) + 1.5 / 140.0)
