"""FLEX and TSP as text: what is written can be read, and what is read is told apart by its form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheostat_hal.drivers import flex, tsp
from rheostat_hal.values import Status

values = st.floats(-9.99999e98, 9.99999e98, allow_nan=False, allow_infinity=False)
items = st.builds(flex.Item, st.just(Status.OK), st.integers(1, 10), st.sampled_from("VI"), values)


def written(item: flex.Item) -> str:
    return f"N{chr(64 + item.channel)}{item.kind}{item.value:+.5E}"


@given(st.lists(items, min_size=1, max_size=20))
def test_data_is_read_as_it_was_written(given_items: list[flex.Item]) -> None:
    reply = ",".join(map(written, given_items))
    read = flex.parse_data(reply)
    assert read is not None
    assert [item[:3] for item in read] == [item[:3] for item in given_items]
    assert [item.value for item in read] == pytest.approx([item.value for item in given_items], rel=1e-5)
    assert flex.parse_report(reply) is None
    assert flex.parse_identity(reply) is None


@given(st.integers(-999, 9999), st.text(st.characters(exclude_characters='"\r\n', codec="ascii"), max_size=60))
def test_an_error_report_is_nothing_else(number: int, text: str) -> None:
    reply = f'{number:+d},"{text}"'
    assert flex.parse_report(reply) == (number, text)
    assert flex.parse_data(reply) is None
    assert flex.parse_identity(reply) is None


@given(st.text(max_size=80))
def test_any_text_at_all_is_read_or_left_without_an_exception(reply: str) -> None:
    parsers = (
        flex.parse_data,
        flex.parse_report,
        flex.parse_identity,
        flex.parse_units,
        flex.parse_outputs,
        tsp.parse_identity,
        tsp.parse_cards,
        tsp.parse_closed,
        tsp.parse_report,
    )
    for parse in parsers:
        parse(reply)


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("NAI+000.005E-06", 5e-9),
        ("NAI+1.25000E-04", 1.25e-4),
        ("NAI+12.5000E-05", 1.25e-4),
        ("NAI+1.250000E-04", 1.25e-4),
        ("VAI+199.999E+99", 199.999e99),
    ],
)
def test_every_layout_of_a_number_is_read(reply: str, value: float) -> None:
    data = flex.parse_data(reply)
    assert data is not None
    assert data[0].value == pytest.approx(value)


@pytest.mark.parametrize(
    ("letter", "status"),
    [
        ("N", Status.OK),
        ("C", Status.COMPLIANCE),
        ("T", Status.OTHER_COMPLIANCE),
        ("V", Status.OVER_RANGE),
        ("X", Status.UNSETTLED),
        ("F", Status.UNSETTLED),
    ],
)
def test_status_letters_become_statuses(letter: str, status: Status) -> None:
    data = flex.parse_data(f"{letter}CI+1.00000E-04")
    assert data == [(status, 3, "I", 1e-4)]


@given(st.lists(st.sampled_from(["DV 1,5,0.1,0.1", "TI 3,-17", "XE", "ERRX?"]), min_size=1, max_size=40))
def test_no_line_is_longer_than_the_instrument_takes(sentences: list[str]) -> None:
    try:
        assert len(flex.line(*sentences)) <= 250
    except ValueError:
        assert len(";".join(sentences)) > 250


@given(st.floats(2.0, 799.0))
def test_pauses_add_up_and_none_is_too_long(duration: float) -> None:
    pieces = [float(sentence.removeprefix("PA ")) for sentence in flex.pauses(duration)]
    assert max(pieces) <= flex.LONGEST_PAUSE
    assert sum(pieces) == pytest.approx(duration, abs=1e-3)


def test_ranges_are_the_smallest_that_hold_the_value() -> None:
    assert [flex.voltage_range(v) for v in (0.1, 0.5, 0.51, -7.0, 20.0, 42.0)] == [5, 5, 20, 200, 200, 1000]
    assert [flex.current_range(a) for a in (1e-12, 1e-3, 1.1e-3, 0.1, 1.0)] == [8, 17, 18, 19, 20]
    with pytest.raises(ValueError, match="beyond every range"):
        flex.current_range(2.0)


def test_numbers_are_written_as_the_instrument_reads_them() -> None:
    assert [flex.number(x) for x in (0.1, 1e-6, 10.0, -3.125, 0.8, 0.0)] == ["0.1", "1e-06", "10", "-3.125", "0.8", "0"]


@pytest.mark.parametrize(
    ("reply", "on"),
    [
        ("CL", {}),
        ("CN1,2,3,4", {1, 2, 3, 4}),
        ("CN101,102", {1}),
        ("CN 2,4", {2, 4}),
        ('+0,"No Error."', None),
        ("NAV+0.00000E+00", None),
    ],
)
def test_output_switches_are_read(reply: str, on: set[int] | None) -> None:
    assert flex.parse_outputs(reply) == (None if on is None else frozenset(on))


def test_modules_are_read_with_their_slots() -> None:
    reply = "B1525A,0;B1530A,0;B1530A,0;B1517A,0;B1517A,0;B1517A,0;B1511B,1;B1520A,0;0,0;0,0"
    units = flex.parse_units(reply)
    assert units is not None
    assert units[4] == "B1517A"
    assert 9 not in units


@pytest.mark.parametrize("separator", [";", ","])
def test_closed_relays_are_read_with_either_separator(separator: str) -> None:
    reply = f"nil\t{separator.join(['1101', '1202', '1911'])}\t0.00000e+00"
    assert tsp.parse_closed(reply) == (frozenset(), frozenset({"1101", "1202", "1911"}), 0)
