"""AB and hang-up reach a line that runs."""

from __future__ import annotations

import time

import pytest

from rheostat_hal.virtual.parts import VirtualInstruments
from tests.hal.virtual.conftest import A1, ON, Connect, Line, Start

PULSE = "MCPT 0,0;MCPNT 2,0,2;MCPNT 4,0,2;MM 27,2,4;MCPNX 1,2,1,200,0,3,0.1;MCPNX 2,4,1,200,0,3,0.1;XE;*IDN?;ERRX?"


@pytest.fixture
def slow(start: Start, connect: tuple[Connect, Connect]) -> tuple[VirtualInstruments, Line]:
    instruments = start(real_time=True)
    flex, tsp = (make(instruments) for make in connect)
    flex.send(ON)
    tsp.ask(f"channel.close('{','.join(A1)}') print('ready')")
    assert flex.ask("ERRX?") == ['+0,"No Error."']
    return instruments, flex


def test_ab_interrupts_a_running_pulse_at_once_and_drops_the_rest_of_its_line(
    slow: tuple[VirtualInstruments, Line],
) -> None:
    instruments, flex = slow
    before = instruments.die.resistance(0)
    flex.send(PULSE)
    time.sleep(0.4)
    began = time.monotonic()
    flex.send("AB")
    assert flex.ask("*OPC?") == ["1"]  # not the identity, and no data
    assert time.monotonic() - began < 1.0
    assert flex.is_silent(0.1)
    assert flex.ask("*LRN? 2")[0].startswith("DV2,200,+3.0E+00")  # AB leaves the source where it is
    assert flex.ask("DZ;*LRN? 2")[0].startswith("DV2,200,+0.0E+00")
    part = before - instruments.die.resistance(0)
    assert part > 0.0
    assert flex.ask("ERRX?") == ['+0,"No Error."']


def test_the_device_had_the_voltage_only_until_it_was_taken_away(slow: tuple[VirtualInstruments, Line]) -> None:
    instruments, flex = slow
    before = instruments.die.resistance(0)
    flex.send(PULSE)
    time.sleep(0.2)
    flex.send("AB")
    flex.ask("DZ;*OPC?")
    instruments.world.integrate()
    interrupted = before - instruments.die.resistance(0)
    flex.send(ON, PULSE)
    replies = [flex.receive() for _ in range(3)]
    assert replies[2].startswith("NBI")
    whole = before - interrupted - instruments.die.resistance(0)
    assert interrupted < 0.6 * whole


def test_ab_over_another_connection_interrupts_too(
    slow: tuple[VirtualInstruments, Line], connect: tuple[Connect, Connect]
) -> None:
    instruments, flex = slow
    other = connect[0](instruments)
    flex.send(PULSE)
    time.sleep(0.3)
    began = time.monotonic()
    other.send("AB")
    assert other.ask("DZ;*OPC?") == ["1"]
    assert flex.ask("*OPC?") == ["1"]
    assert time.monotonic() - began < 1.0


def test_ab_passes_lines_that_wait_behind_the_running_one(
    slow: tuple[VirtualInstruments, Line], connect: tuple[Connect, Connect]
) -> None:
    instruments, flex = slow
    other = connect[0](instruments)
    flex.send("PA 90")
    time.sleep(0.1)
    other.send("*IDN?", "AB")
    flex.send("TSR", "*IDN?")
    assert flex.receive(2.0).startswith("Agilent")
    assert other.ask("*OPC?") == ["1"]


def test_an_idle_ab_does_nothing(slow: tuple[VirtualInstruments, Line], connect: tuple[Connect, Connect]) -> None:
    instruments, flex = slow
    other = connect[0](instruments)
    other.send("AB")
    assert other.ask("*OPC?") == ["1"]
    flex.send("AB")
    began = time.monotonic()
    assert flex.ask("PA 0.2;*OPC?") == ["1"]
    assert time.monotonic() - began >= 0.2


def test_a_pulse_ends_when_its_client_hangs_up(
    slow: tuple[VirtualInstruments, Line], connect: tuple[Connect, Connect]
) -> None:
    instruments, flex = slow
    flex.send(PULSE)
    time.sleep(0.2)
    flex.close()
    other = connect[0](instruments)
    began = time.monotonic()
    assert other.ask("*LRN? 2")[0].startswith("DV2,200,+0.0E+00")
    assert time.monotonic() - began < 1.0


def test_an_endless_pause_in_virtual_time_ends_with_ab(flex: Line) -> None:
    flex.send("PA;*IDN?")
    assert flex.is_silent(0.1)
    flex.send("AB")
    assert flex.ask("*OPC?") == ["1"]


def test_the_switch_answers_while_the_analyser_pulses(
    slow: tuple[VirtualInstruments, Line], connect: tuple[Connect, Connect]
) -> None:
    instruments, flex = slow
    tsp = connect[1](instruments)
    flex.send(PULSE)
    time.sleep(0.1)
    began = time.monotonic()
    assert tsp.ask("print(channel.getclose('1101'))") == ["1101"]
    assert time.monotonic() - began < 1.0
    flex.send("AB")
    flex.ask("DZ;*OPC?")
