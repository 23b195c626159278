"""The rig on GPIB, USB and VXI-11 resources of a pyvisa backend that has no sockets to show, also of a poor one."""

from __future__ import annotations

import dataclasses
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from rheostat_hal import bench
from rheostat_hal.bench_rig import open_rig
from rheostat_hal.bus import VisaBus
from rheostat_hal.errors import BusAborted, BusTimeout, BusUnavailable
from rheostat_hal.values import Pulse, Status
from rheostat_hal.virtual.launch import VirtualBench, launch
from tests.hal.drivers import pyvisa_bench
from tests.hal.drivers.pyvisa_bench import INSTRUMENTS, Instrument

GPIB, USB, VXI = "GPIB0::17::INSTR", "USB0::0x05E6::0x3706::04447332::0::INSTR", "TCPIP0::switch::inst0::INSTR"
EVERYTHING = frozenset({"status", "clear", "lock"})
pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def virtual() -> Iterator[VirtualBench]:
    with launch(None, real_time=True) as started:
        yield started


@pytest.fixture
def placed(virtual: VirtualBench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., bench.Bench]]:
    """The embedded bench with its instruments at VISA resources of the backend @bench."""
    backend: ModuleType = pyvisa_bench
    monkeypatch.setitem(sys.modules, "pyvisa_bench", backend)

    def place(switch: str, able: frozenset[str] = EVERYTHING) -> bench.Bench:
        INSTRUMENTS[GPIB] = Instrument(int(virtual.analyser.split("::")[2]), b"AB\r\n", able)
        INSTRUMENTS[switch] = Instrument(int(virtual.switch.split("::")[2]), b"", able)
        chosen = dataclasses.replace(bench.load(), virtual=None, visa_library="@bench")
        return bench.with_resources(chosen, GPIB, switch)

    yield place
    INSTRUMENTS.clear()


@pytest.mark.parametrize("switch", [GPIB.replace("17", "16"), USB, VXI])
@pytest.mark.parametrize("able", [EVERYTHING, frozenset()], ids=["everything", "neither-status-nor-clear-nor-lock"])
def test_a_rig_works_on_every_kind_of_resource(
    placed: Callable[..., bench.Bench], switch: str, able: frozenset[str]
) -> None:
    rig = open_rig(placed(switch, able))
    assert [identity.model for identity in rig.identities] == ["B1500A", "3706A-SNFP"]
    rig.route("A1")
    before = rig.read(4)
    after = rig.apply(Pulse(5.0, 0.1), readings=4)
    assert (before.status, after.status) == (Status.OK, Status.OK)
    assert sum(after.resistances) < sum(before.resistances)
    assert len(rig.read(60).resistances) == 60  # one message of hundreds of bytes, in many reads
    rig.close()
    assert all(line.endswith(b"\r\n") for line in INSTRUMENTS[GPIB].heard)
    assert all(line.endswith(b"\n") and not line.endswith(b"\r\n") for line in INSTRUMENTS[switch].heard)


@pytest.mark.parametrize("able", [EVERYTHING, frozenset()], ids=["everything", "neither-status-nor-clear-nor-lock"])
def test_an_abort_stops_a_pulse_by_device_clear_or_by_its_line_and_the_rig_recovers(
    placed: Callable[..., bench.Bench], able: frozenset[str]
) -> None:
    rig = open_rig(placed(USB, able))
    rig.route("A2")
    stopped: list[float] = []

    def pulse() -> None:
        with pytest.raises(BusAborted):
            rig.apply(Pulse(1.0, 2.0), readings=1)
        stopped.append(time.monotonic())

    thread = threading.Thread(target=pulse)
    thread.start()
    time.sleep(0.3)
    aborted, clears = time.monotonic(), INSTRUMENTS[GPIB].clears
    rig.abort()
    thread.join(10)
    assert stopped[0] - aborted < 1.5  # with 0 V and open relays confirmed
    assert (INSTRUMENTS[GPIB].clears > clears) == ("clear" in able)
    assert (b"AB\r\n" in INSTRUMENTS[GPIB].heard) == ("clear" not in able)
    rig.recover()
    rig.route("A2")
    assert rig.read(1).status == Status.OK
    rig.close()


def test_the_timeout_of_a_line_follows_its_programmed_time(placed: Callable[..., bench.Bench]) -> None:
    slow = placed(VXI)
    quick = dataclasses.replace(slow.analyser, timeout=0.5)
    rig = open_rig(dataclasses.replace(slow, analyser=quick))
    rig.route("A3")
    began = time.monotonic()
    rig.apply(Pulse(0.5, 1.5), readings=1)  # three times the time-out that is added to it
    assert time.monotonic() - began > 1.5
    rig.close()


def test_a_resource_that_another_program_holds_is_refused_until_it_lets_go(placed: Callable[..., bench.Bench]) -> None:
    chosen = placed(USB)
    other = VisaBus(GPIB, library="@bench")
    with pytest.raises(BusUnavailable, match="GPIB0::17::INSTR: another program holds its VISA lock"):
        open_rig(chosen)
    with pytest.raises(BusUnavailable, match="VISA lock"):
        VisaBus(GPIB, library="@bench", exclusive=False)
    other.close()
    open_rig(chosen).close()
    assert (INSTRUMENTS[GPIB].holder, INSTRUMENTS[USB].holder) == (None, None)


def test_an_instrument_that_a_library_opens_a_second_time_is_not_locked(placed: Callable[..., bench.Bench]) -> None:
    placed(USB)
    shared: Any = VisaBus(GPIB, library="@bench", terminator="\r\n", ready=1, exclusive=False)
    library = VisaBus(GPIB, library="@bench", terminator="\r\n", ready=1, exclusive=False)
    assert shared.query("*IDN?", 2.0) == library.query("*IDN?", 2.0)
    shared.close()
    library.close()


def test_a_resource_without_a_status_byte_times_out_as_any_other(placed: Callable[..., bench.Bench]) -> None:
    placed(USB, frozenset())
    bus = VisaBus(GPIB, library="@bench", terminator="\r\n", ready=1)
    began = time.monotonic()
    with pytest.raises(BusTimeout):
        bus.read(0.2)
    assert time.monotonic() - began < 1.0
    bus.close()
