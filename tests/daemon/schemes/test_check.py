"""Whether a feedforward table still fits: judged right on modelled devices, whatever they went through before."""

from __future__ import annotations

import numpy as np
import pytest

from rheostat import wire
from rheostat_hal.models import tio2x
from rheostatd.executor import check, table_fit
from rheostatd.executor.initialise import Drive, initialise
from rheostatd.executor.steps import shares

CHECKS = 120


@pytest.fixture(scope="module")
def checked(plant_of, table_of):
    """The share of checks that find that the table fits; each device is moved about the window before."""

    def run(rate=1.0, device="A1", gains=None, pulses=24, strongest=7.0, way=None):
        exact = table_of()
        errors = (0.015 * exact.potentiation, 0.015 * exact.depression)
        info = wire.TableInfo(
            version="t", device="A1", created=0.0, width=0.8, window=(740.0, 880.0), noise=0.02, gains=gains or {}
        )
        table = wire.FeedforwardTable(
            info, exact.voltages, exact.resistances, exact.potentiation, exact.depression, *errors
        )
        params = tio2x.nominal()
        params[[tio2x.KP, tio2x.KD]] *= rate
        random, found = np.random.default_rng(1), []
        for seed in range(CHECKS):
            plant = plant_of(params, seed=seed)
            for goal in random.uniform(745.0, 875.0, 2) if way is None else way:
                initialise(plant, goal, Drive(), 2000)
            before = len(plant.log)
            found.append(check.measure(plant, table, device, pulses, (strongest, 2.0)))
            assert len(plant.log) - before <= pulses
        return np.mean([table_fit.fits(steps.gains) for steps in found]), found

    return run


def test_a_table_that_fits_is_found_to_fit_in_95_of_100_checks_and_its_errors_are_honest(checked):
    share, found = checked()
    assert share >= 0.94
    gains = np.array([[each.gain for each in steps.gains] for steps in found])
    errors = np.array([[each.error for each in steps.gains] for steps in found])
    np.testing.assert_allclose(gains.mean(axis=0), 1.0, atol=0.03)
    np.testing.assert_allclose(np.sqrt((errors**2).mean(axis=0)), gains.std(axis=0), rtol=0.3)
    assert 0.9 < np.mean(np.abs(gains - 1.0) < 2.0 * errors) <= 1.0


@pytest.mark.parametrize("rate", [0.75, 1.25])
def test_a_device_whose_rates_have_changed_by_a_quarter_is_found_out(checked, rate):
    share, found = checked(rate)
    assert share <= 0.03
    np.testing.assert_allclose(np.mean([[g.gain for g in steps.gains] for steps in found], axis=0), rate, rtol=0.05)


def test_another_device_fits_by_its_own_gain_and_not_by_a_wrong_one(checked):
    assert checked(1.25, "B1", {"B1": (1.25, 1.25)})[0] >= 0.95
    assert checked(1.25, "B1", {"B1": (1.0, 1.0)})[0] <= 0.06


def test_more_pulses_tell_more(checked):
    few, many = (np.mean([[g.error for g in steps.gains] for steps in checked(pulses=n)[1]]) for n in (12, 48))
    assert many < 0.75 * few


def test_a_device_that_does_not_answer_does_not_fit(plant_of, table):
    plant = plant_of()
    plant.read = lambda readings: float("inf")
    steps = check.measure(plant, table, "A1", 24, (7.0, 2.0))
    assert not table_fit.fits(steps.gains)
    assert all(np.isnan(each.gain) for each in steps.gains)


@pytest.mark.parametrize("way", [(740.0, 885.0), (880.0, 735.0), (740.0, 884.0, 880.0)])
@pytest.mark.parametrize("strongest", [7.0, 6.0, 5.0])
def test_a_table_fits_after_the_longest_strokes_too_whatever_voltages_it_has(checked, way, strongest):
    share, found = checked(way=way, strongest=strongest)
    assert share >= 0.94
    gains = np.array([[each.gain for each in steps.gains] for steps in found])
    np.testing.assert_allclose(gains.mean(axis=0), 1.0, atol=0.04)


def test_history_that_few_weak_pulses_cannot_use_up_is_no_misfit_but_an_error(checked):
    share, found = checked(way=(740.0, 885.0), strongest=3.0, pulses=12)
    assert share >= 0.9
    assert min(each.steps.unsettled[0] for each in found) > 10.0
    assert np.mean([each.gains[0].error for each in found]) > 0.3


def test_a_device_that_no_longer_answers_gets_no_more_write_pulses(plant_of, table):
    plant = plant_of()
    plant.read = lambda readings: float("inf")
    check.measure(plant, table, "A1", 24, (7.0, 2.0))
    assert plant.log == []


@pytest.mark.parametrize("pulses", range(8, 60))
def test_a_check_takes_at_most_the_pulses_allowed_and_most_of_them_measure(pulses):
    share = shares(pulses)
    assert sum(share.settling) + 2 * share.steps <= pulses
    assert 2 * share.steps >= 0.6 * pulses - 1
    assert 2 <= share.least <= share.steps
