from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheostat import units
from rheostat.errors import InputError, UnitError

positive = st.floats(1e-6, 1e6)


@given(positive, st.sampled_from(units.UNITS))
def test_a_value_survives_the_way_to_ohm_and_back(value: float, unit: str) -> None:
    assert units.from_ohm(units.to_ohm(value, unit), unit) == pytest.approx(value, rel=1e-12)


@given(positive, st.sampled_from([unit for unit in units.UNITS if unit.endswith("S")]))
def test_conductance_is_the_inverse_of_resistance(value: float, unit: str) -> None:
    assert units.to_ohm(value, unit) * units.to_ohm(value, unit.removesuffix("S") + "S") == pytest.approx(
        units.to_ohm(value, unit) ** 2
    )
    assert units.from_ohm(1.0 / value, "S") == pytest.approx(value)


def test_the_usual_spellings_mean_the_same() -> None:
    assert units.parse("µS") == units.parse("μS") == units.parse("uS") == ("S", -6)
    assert units.parse("kΩ") == units.parse("kΩ") == units.parse("kohm") == units.parse(" kOhm ") == ("ohm", 3)
    assert float(units.to_ohm(1250.0, "uS")) == 800.0
    assert float(units.to_ohm(0.8, "kohm")) == 800.0


def test_milli_and_mega_are_told_apart() -> None:
    assert float(units.to_ohm(1.0, "Mohm")) == 1e6
    assert float(units.to_ohm(1.0, "mohm")) == 1e-3


def test_an_unknown_unit_is_refused_with_the_near_ones() -> None:
    with pytest.raises(UnitError, match=r"unknown unit 'khom'; did you mean kohm"):
        units.parse("khom")
    with pytest.raises(UnitError, match="known: ohm and S"):
        units.parse("furlong")


def test_a_conductance_of_zero_has_no_resistance() -> None:
    with pytest.raises(InputError, match="a conductance must be positive, got 0 uS"):
        units.to_ohm([1.0, 0.0], "uS")


def test_an_open_circuit_conducts_nothing() -> None:
    assert units.from_ohm(np.inf, "uS") == 0.0


def test_numbers_for_people_have_a_prefix_and_three_digits() -> None:
    assert units.engineering(0.00314159, "J") == "3.14 mJ"
    assert units.engineering(0.0, "J") == "0 J"
    assert [units.duration(t) for t in (0.8, 200, 26640)] == ["0.8 s", "3 min 20 s", "7 h 24 min"]


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [
        ("20 uS", 20.0, "uS"),
        ("0.1", 0.1, "ohm"),
        ("2e-3kohm", 2e-3, "kohm"),
        (" .5 ohm ", 0.5, "ohm"),
        ("-1 S", -1.0, "S"),
    ],
)
def test_a_quantity_is_a_number_and_its_unit(text: str, number: float, unit: str) -> None:
    assert units.split(text) == (number, unit)


@pytest.mark.parametrize("text", ["uS", "", "a few uS", "1 2 uS"])
def test_what_is_no_quantity_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UnitError, match="'20 uS'"):
        units.split(text)


def test_long_times_are_told_in_days() -> None:
    assert [units.duration(hours * 3600.0) for hours in (47, 48, 123)] == ["47 h 0 min", "2 d 0 h", "5 d 3 h"]


def test_a_moment_has_its_date_unless_that_is_todays() -> None:
    noon = time.mktime((2026, 11, 25, 12, 0, 0, 0, 0, -1))
    assert units.time_of_day(noon + 7500.0, noon) == "14:05"
    assert units.time_of_day(noon + 24 * 3600.0, noon) == "12:00 on 2026-11-26"
