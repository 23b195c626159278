"""QCoDeS' driver of the 3706A, unmodified and through pyvisa-py, on the virtual one: whole sessions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from rheostat_hal import bench
from rheostat_hal.virtual.parts import VirtualInstruments
from tests.hal.thirdparty.conftest import virtual_bench
from tests.hal.thirdparty.driver_session import DriverError, DriverSession

NO_ERROR = ["0.00000e+00", "Queue Is Empty", "0.00000e+00", "0.00000e+00"]
FAR = ("2101", "2202", "2303", "2404")  # a device of the second card
ROWS = (1, 2, 3, 4)


@pytest.fixture(scope="module")
def instruments() -> Iterator[VirtualInstruments]:
    chosen = bench.load(None)
    made = VirtualInstruments(
        dataclasses.replace(chosen, switch=dataclasses.replace(chosen.switch, chain="backplane")), seed=4
    )
    yield made
    made.close()


@pytest.fixture(scope="module")
def connected(instruments: VirtualInstruments) -> Iterator[DriverSession]:
    with DriverSession("qcodes-3706a", instruments.tsp.resource) as session:
        yield session


@pytest.fixture
def switch(connected: DriverSession, instruments: VirtualInstruments) -> Iterator[DriverSession]:
    """A session whose every test begins at the factory's settings and leaves no error in the queue."""
    connected("it.load_setup(0)")
    yield connected
    instruments.multiplexer.switch.interlocks.update(dict.fromkeys(range(1, 7), True))
    assert errors(connected) == []


def errors(switch: DriverSession) -> list[str]:
    """What waits in the error queue, which the driver itself never asks for."""
    found = []
    while (entry := switch("it.ask('errorqueue.next()')").split("\t")) != NO_ERROR:
        found.append(entry[1])
    return found


def closed(switch: DriverSession) -> list[str] | None:
    return switch("it.get_closed_channels('allslots')")


def test_the_virtual_bench_serves_a_session_on_the_port_it_was_given() -> None:
    with virtual_bench() as resources, DriverSession("qcodes-3706a", resources["switch"]) as session:
        session("it.exclusive_close('1101,1202')")
        assert closed(session) == ["1101", "1202"]


def test_identity_and_cards(switch: DriverSession) -> None:
    assert switch("it.get_idn()") == {
        "vendor": "KEITHLEY INSTRUMENTS INC.",
        "model": "3706A-SNFP",
        "serial": "04447336",
        "firmware": "01.56a",
    }
    cards = switch("it.get_switch_cards()")
    assert [card["slot_no"] for card in cards] == list("123456")
    assert {(card["model"], card["mtype"]) for card in cards} == {("3730", "6x16 High Density Matrix")}
    assert len({card["serial"] for card in cards}) == 6


def test_rows_columns_and_channels(switch: DriverSession) -> None:
    channels = switch("it.get_channels()")
    assert len(channels) == 6 * 6 * 16
    assert (channels[0], channels[-1]) == ("1101", "6616")
    assert switch("it.get_channels_by_slot(3)") == [channel for channel in channels if channel[0] == "3"]
    relays = switch("it.get_analog_backplane_specifiers()")
    assert (len(relays), relays[0], relays[-1]) == (36, "1911", "6916")


def test_close_open_and_the_two_exclusive_closes(switch: DriverSession) -> None:
    assert closed(switch) is None
    switch("it.close_channel('1101')")
    switch("it.close_channel('2101,2102')")
    assert closed(switch) == ["1101", "2101", "2102"]
    assert switch("it.get_closed_channels('slot2')") == ["2101", "2102"]
    switch("it.exclusive_slot_close('2104')")
    assert closed(switch) == ["1101", "2104"]
    switch("it.exclusive_close('3101:3103,3616')")
    assert closed(switch) == ["3101", "3102", "3103", "3616"]
    switch("it.open_channel('3101:3103')")
    assert closed(switch) == ["3616"]
    switch("it.open_channel('allslots')")
    assert closed(switch) is None


def test_rows_and_columns_are_closed_as_a_whole(switch: DriverSession) -> None:
    """The driver's `connect_` opens and its `disconnect_` closes: so it is written."""
    row = switch("it.disconnect_row_from_columns(1, 2, [1, 15])")
    column = switch("it.disconnect_column_from_rows(4, 9, [1, 6])")
    assert (row, column) == (["1201", "1215"], ["4109", "4609"])
    assert closed(switch) == [*row, *column]
    switch("it.connect_row_to_columns(1, 2, [1, 15])")
    switch("it.connect_column_to_rows(4, 9, [1, 6])")
    assert closed(switch) is None


def test_what_the_driver_refuses_never_reaches_the_instrument(switch: DriverSession) -> None:
    for sentence in ("it.close_channel('slot1')", "it.exclusive_close('')", "it.open_channel('1117')"):
        with pytest.raises(DriverError, match="Keithley3706AInvalidValue"):
            switch(sentence)
    with pytest.raises(DriverError, match="Keithley3706AUnknownOrEmptySlot"):
        switch("it.get_channels_by_slot(7)")


def test_forbidden_channels_stay_open_and_the_queue_says_why(switch: DriverSession) -> None:
    assert switch("it.get_forbidden_channels('allslots')") == "nil"
    switch("it.set_forbidden_channels('1101,2911')")
    assert switch("it.get_forbidden_channels('allslots')") == "1101,2911"
    switch("it.close_channel('1101')")
    assert closed(switch) is None
    assert errors(switch) == ["channel 1101 is forbidden to close"]
    switch("it.clear_forbidden_channels('allslots')")
    switch("it.close_channel('1101')")
    assert closed(switch) == ["1101"]


def test_a_forbidden_channel_warns_in_the_driver_too(switch: DriverSession) -> None:
    switch("it.set_forbidden_channels('1101')")
    switch("it.close_channel('1101')")
    assert switch.warned == ["You are attempting to close channels that are forbidden to close."]
    assert errors(switch) == ["channel 1101 is forbidden to close"]


@pytest.mark.parametrize("rule", ["BREAK_BEFORE_MAKE", "MAKE_BEFORE_BREAK", "OFF"])
def test_the_connect_rule_is_read_back(switch: DriverSession, rule: str) -> None:
    switch(f"it.channel_connect_rule({rule!r})")
    assert switch("it.channel_connect_rule()") == rule


def test_delays_are_read_back_and_waited_for(switch: DriverSession, instruments: VirtualInstruments) -> None:
    switch("it.set_delay('1101,1102', 0.25)")
    assert switch("it.get_delay('1101:1103')") == [0.25, 0.25, 0.0]
    began = instruments.world.clock.now
    switch("it.close_channel('1101')")
    assert closed(switch) == ["1101"]
    assert (instruments.world.clock.now - began) / 1e9 == pytest.approx(0.25 + 0.004)


def test_backplane_relays_close_with_the_channel_they_are_set_for(switch: DriverSession) -> None:
    switch("it.set_backplane('2101', '1911,2911')")
    assert switch("it.get_backplane('2101')") == "1911,2911"
    switch("it.close_channel('2101')")
    assert closed(switch) == ["1911", "2101", "2911"]
    switch("it.open_channel('2101')")
    assert closed(switch) is None
    switch("it.reset_channel('2101')")
    assert switch("it.get_backplane('2101')") == "nil"


def test_reset_restores_channels_and_leaves_the_connect_rule(switch: DriverSession) -> None:
    switch("it.channel_connect_rule('OFF')")
    switch("it.set_delay('1101', 1)")
    switch("it.set_forbidden_channels('1102')")
    switch("it.close_channel('1103')")
    switch("it.reset_channel('allslots')")
    assert (closed(switch), switch("it.get_delay('1101')")) == (None, [0.0])
    assert switch("it.get_forbidden_channels('allslots')") == "nil"
    assert switch("it.channel_connect_rule()") == "OFF"


@pytest.mark.parametrize(("save", "recall"), [("it.save_setup()", 1), ("it.save_setup('/usb1/mine')", "/usb1/mine")])
def test_a_setup_is_saved_and_recalled(switch: DriverSession, save: str, recall: int | str) -> None:
    for sentence in (
        "it.set_delay('1101', 0.5)",
        "it.set_forbidden_channels('3101')",
        "it.set_backplane('2101', '2911')",
        "it.close_channel('1101,2101')",
        "it.channel_connect_rule('MAKE_BEFORE_BREAK')",
        save,
        "it.load_setup(0)",
    ):
        switch(sentence)
    assert (closed(switch), switch("it.channel_connect_rule()")) == (None, "BREAK_BEFORE_MAKE")
    switch(f"it.load_setup({recall!r})")
    assert closed(switch) == ["1101", "2101", "2911"]
    assert switch("it.get_delay('1101')") == [0.5]
    assert switch("it.get_forbidden_channels('allslots')") == "3101"
    assert switch("it.get_backplane('2101')") == "2911"
    assert switch("it.channel_connect_rule()") == "MAKE_BEFORE_BREAK"


def test_a_setup_that_was_never_saved_is_an_entry_of_the_error_queue(switch: DriverSession) -> None:
    switch("it.load_setup('/usb1/nowhere')")
    assert errors(switch) == ["there is no setup /usb1/nowhere"]


def test_interfaces(switch: DriverSession) -> None:
    switch("it.gpib_address(17)")
    assert switch("it.gpib_address()") == 17
    switch("it.gpib_enabled(False)")
    assert switch("it.gpib_enabled()") is False
    switch("it.gpib_enabled(True)")
    assert switch("it.gpib_enabled()") is True
    assert switch("it.lan_enabled()") is True
    assert switch("it.get_ip_address()") == "127.0.0.1"
    switch("it.reset_local_network()")
    memory = switch("it.get_available_memory()")
    assert len(memory) == 4
    assert all(0.0 <= float(percent) <= 100.0 for percent in memory.values())


def test_a_device_of_a_far_card_is_reached_when_the_backplane_relays_of_both_cards_close(
    switch: DriverSession, instruments: VirtualInstruments
) -> None:
    """The rows of the SMUs enter at the first card."""
    assert current(switch, instruments, FAR) == pytest.approx(0.0, abs=1e-9)
    one_side = [f"191{row}" for row in ROWS]
    assert current(switch, instruments, (*FAR, *one_side)) == pytest.approx(0.0, abs=1e-9)
    both = [*one_side, *(f"291{row}" for row in ROWS)]
    reached = current(switch, instruments, (*FAR, *both))
    assert 0.1 / reached == pytest.approx(instruments.die.resistance(4), abs=8.0)  # with six relays on the way


def test_with_the_interlock_open_backplane_relays_silently_do_not_energise(
    switch: DriverSession, instruments: VirtualInstruments
) -> None:
    relays = [f"{slot}91{row}" for slot in (1, 2) for row in ROWS]
    instruments.multiplexer.switch.interlocks[2] = False
    states = switch("it.get_interlock_state()")
    assert [state["slot_no"] for state in states if "1 and 2 are disengaged" in state["state"]] == ["2"]
    assert current(switch, instruments, (*FAR, *relays)) == pytest.approx(0.0, abs=1e-9)
    assert set(closed(switch)) == {*relays[:4], *FAR}
    switch("it.close_channel('2911')")
    assert switch.warned == [
        "The hardware interlocks in Slot 2 are disengaged. The analog backplane relay 2911 cannot be energized."
    ]
    assert "2911" not in closed(switch)
    assert errors(switch) == []


def current(switch: DriverSession, instruments: VirtualInstruments, channels: tuple[str, ...]) -> float:
    """A, into the device at 0.1 V with exactly these relays closed, straight from the world's solution."""
    switch(f"it.exclusive_close({','.join(channels)!r})")
    switch("it.get_closed_channels('allslots')")
    for source in range(4):
        instruments.world.drive(source, True, False, 0.1 if source == 0 else 0.0, 0.1)
    through = instruments.world.solution().currents
    for source in range(4):
        instruments.world.drive(source, False, False, 0.0, 0.0)
    return abs(through[2])
