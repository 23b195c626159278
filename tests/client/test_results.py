"""What the measuring jobs gave: whole, and ended early."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheostat import export, results, wire
from rheostat.errors import InputError
from tests.client.synthetic import SPECS, result_of

KINDS = [kind for kind in SPECS if kind != "calibrate"]


def _properties(result: results.Result) -> list[str]:
    return [name for name in dir(result) if isinstance(getattr(type(result), name, None), property)]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(done=st.floats(0.0, 1.0), seed=st.integers(0, 1000))
def test_a_result_that_ended_early_can_still_be_looked_at(kind: str, done: float, seed: int) -> None:
    result = result_of(kind, done, seed)
    if "resistance" in result.arrays and result.arrays["resistance"].size:
        result.arrays["resistance"].flat[seed % result.arrays["resistance"].size] = np.inf  # open, at that moment
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in _properties(result):
            getattr(result, name)
        assert repr(result).startswith(f"<{type(result).__name__} j-1 (")
        assert "<table>" in result._repr_html_()
        for table in (result.overview(), export.columns(result)):
            assert len({len(column) for column in table.values()}) <= 1


def test_loops_tell_how_they_settle() -> None:
    spec = wire.IvLoops(devices=("A1",), voltages=(0.0, 6.0, -6.0), loops=3)
    loops = np.array([[[800.0, 750.0, 870.0], [810.0, 740.0, 880.0], [np.nan, np.nan, np.nan]]])
    ours = result_of("iv_loops", spec=spec)
    ours.arrays["resistance"] = loops
    assert ours.whole.tolist() == [[True, True, False]]
    assert ours.shift[0, 0] == pytest.approx(10.0)
    row = {name: column[0] for name, column in ours.overview().items()}
    assert (row["device"], row["loops"], row["lowest_ohm"], row["highest_ohm"]) == ("A1", 2, 740.0, 880.0)


def test_trains_are_those_that_a_table_is_fitted_to() -> None:
    ours = result_of("identical_pulses")
    trains = ours.trains("B2")
    assert [(t.direction, t.voltage) for t in trains] == [
        (d, v) for d in (1, -1) for v in (0.5, 2.0, 6.0) for _ in "12"
    ]
    assert all(len(train.steps) == 5 for train in trains)
    assert all((train.steps >= 0).all() for train in trains)
    assert trains[0].readings.tolist() == ours.resistance[1, 0, 0, 0].tolist()
    assert trains[-1].stroke == ours.stroke[1, 1, 2, 1]
    with pytest.raises(InputError, match="device 'C3' is not in this result; it has A1, B2"):
        ours.trains("C3")


def test_a_train_that_was_broken_off_is_given_only_when_it_is_asked_for() -> None:
    ours = result_of("identical_pulses")
    ours.outcome[0, 0, 0, 1] = wire.Outcome.INTERRUPTED
    ours.resistance[0, 0, 0, 1, 3:] = np.nan
    ours.outcome[0, 0, 1, 0] = wire.Outcome.OPEN
    ours.resistance[0, 0, 1, 0, 1:] = np.inf
    assert len(ours.trains("A1")) == 10
    partial = ours.trains("A1", whole=False)
    assert [len(train.steps) for train in partial] == [5, 2, *[5] * 9]
    assert np.isnan(ours.range[0, 0, 0, 1])


@settings(max_examples=25, deadline=None)
@given(done=st.floats(0.0, 1.0), seed=st.integers(0, 1000))
def test_sweeps_energies_and_finals_are_cut_where_one_sweep_ends(done: float, seed: int) -> None:
    ours = result_of("staircase", done, seed)
    seen = 0
    for place, device in enumerate(ours.devices):
        for half, direction in enumerate((1, -1)):
            sweeps = ours.sweeps(device, direction, whole=False)
            energies, finals = (
                ours.energies(device, direction, whole=False),
                ours.finals(device, direction, whole=False),
            )
            counts = ours.counts[place, :, half]
            assert [len(sweep.voltages) for sweep in sweeps] == counts[counts > 0].tolist()
            assert [len(energy) for energy in energies] == counts[counts > 0].tolist()
            assert finals.tolist() == ours.final[place, counts > 0, half].tolist()
            assert all((sweep.voltages > 0).all() and sweep.direction == direction for sweep in sweeps)
            assert len(ours.sweeps(device, direction)) == int((ours.whole[place, :, half]).sum())
            seen += int(counts.sum())
    assert seen == len(ours.arrays["resistance"])


def test_a_sweep_holds_the_pulses_of_its_own_direction_and_device() -> None:
    ours = result_of("staircase")
    place = 0
    for device in range(2):
        for cycle in range(3):
            for half, direction in enumerate((1, -1)):
                count = int(ours.counts[device, cycle, half])
                sweep = ours.sweeps(ours.devices[device], direction)[cycle]
                assert sweep.resistances.tolist() == ours.arrays["resistance"][place : place + count].tolist()
                assert (direction * sweep.voltages).tolist() == ours.arrays["voltage"][place : place + count].tolist()
                place += count
    with pytest.raises(InputError, match=r"direction is 1 \(potentiation\) or -1 \(depression\), not 0"):
        ours.sweeps("A1", 0)


def test_retention_tells_how_far_each_device_moved() -> None:
    ours = result_of("retention", done=0.67)
    ours.arrays["resistance"] = np.array([[800.0, 800.5, np.nan], [790.0, np.nan, np.nan]])
    ours.arrays["elapsed"] = np.array([[0.0, 60.2, np.nan], [0.0, np.nan, np.nan]])
    assert ours.drift[0, 1] == pytest.approx(0.5)
    assert "read at 2 of 3 times" in ours.headline()
    assert ours.headline().endswith("in 1 min 0 s moved by A1 +0.50 ohm")


def test_a_check_says_which_devices_the_table_fits() -> None:
    ours = result_of("check_table", table="t-7")
    assert ours.headline() == "table t-7 fits A1, B2"
    ours.arrays["fits"] = np.array([1, 0], np.uint8)
    assert ours.headline() == "table t-7 fits A1; it does not fit B2"
    ours.gain[1] = np.nan
    assert ours.headline() == "table t-7 fits A1; it was not checked on B2"
    assert ours.verdicts().tolist() == ["yes", "unknown"]


def test_a_calibration_has_the_errors_of_its_maps_where_they_are_known() -> None:
    ours = result_of("calibrate")
    assert (ours.potentiation_error == 0.01).all()
    del ours.arrays["depression_error"]
    assert np.isnan(ours.depression_error).all()
    assert ours.depression_error.shape == ours.depression.shape
