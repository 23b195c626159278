"""The packed table: the same answers as the client's pure functions, never above the voltage allowed."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheostat import curves, wire
from rheostatd.schemes import lookup

RESISTANCES = st.floats(700.0, 920.0)
DIRECTIONS = st.sampled_from([1, -1])


@settings(deadline=None)  # the first example may compile
@given(RESISTANCES, st.floats(0.0, 3.0), DIRECTIONS)
def test_the_chosen_voltage_is_that_of_the_client_s_curves(task_of, table, resistance, wanted, direction):
    packed = lookup.pack(task_of())
    voltage, predicted = lookup.choose(packed, resistance, float(direction), wanted)
    assert voltage == pytest.approx(float(curves.choose_voltage(table, resistance, wanted, direction)), abs=1e-9)
    clamped = float(np.clip(resistance, 730.0, 890.0))
    assert predicted == pytest.approx(float(curves.predict(table, clamped, voltage, direction)), abs=1e-9)


@settings(deadline=None)  # the first example may compile
@given(RESISTANCES, st.floats(0.0, 30.0), DIRECTIONS, st.floats(0.4, 9.0))
def test_the_chosen_voltage_never_exceeds_the_one_allowed(task_of, resistance, wanted, direction, allowed):
    packed = lookup.pack(task_of(max_voltage=allowed))
    voltage, predicted = lookup.choose(packed, resistance, float(direction), wanted)
    assert 0.3 <= voltage <= min(allowed, 7.0) + 1e-12
    assert predicted >= 0.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"table": None}, "calibrate"),
        ({"max_width": 0.5}, "0.8 s pulses"),
        ({"max_voltage": 0.2}, "begins at 0.3 V"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(task_of, changes, message):
    with pytest.raises(ValueError, match=message):
        lookup.pack(task_of(**changes))


def test_an_uneven_resistance_axis_is_resampled(task_of, table):
    keep = np.r_[0:100:3, 100:161]
    uneven = wire.FeedforwardTable(
        msgspec.structs.replace(table.info, version="uneven"),
        table.voltages,
        table.resistances[keep],
        table.potentiation[:, keep],
        table.depression[:, keep],
    )
    packed = lookup.pack(task_of(table=uneven))
    voltage, _ = lookup.choose(packed, 790.0, 1.0, 0.262)
    assert voltage == pytest.approx(float(curves.choose_voltage(table, 790.0, 0.262, 1)), rel=0.01)
