"""Every fault at every moment: the rig over real sockets to virtual instruments in this process, which are asked
afterwards, over connections of their own and from behind, whether they are safe."""

from __future__ import annotations

import dataclasses
import math
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from rheostat_hal import bench, bus
from rheostat_hal.bench_rig import BenchRig, open_rig
from rheostat_hal.errors import (
    BusError,
    BusTimeout,
    BusUnavailable,
    HalError,
    IdentityError,
    InstrumentError,
    ReplyError,
    SwitchError,
    UnsafeError,
)
from rheostat_hal.values import Event, Pulse, Status
from rheostat_hal.virtual.faults import MANY, DeviceFault, LineFault, RefusedFault, RelayFault
from rheostat_hal.virtual.parts import VirtualInstruments

pytestmark = pytest.mark.timeout(60)
TIMEOUT = 0.5  # s
EMBEDDED = bench.load(None)
BENCH = dataclasses.replace(
    EMBEDDED,
    analyser=dataclasses.replace(EMBEDDED.analyser, timeout=TIMEOUT),
    switch=dataclasses.replace(EMBEDDED.switch, timeout=TIMEOUT),
)
PULSE = Pulse(1.0, 0.01)

# a moment: what the rig is asked to do, and the line by which each instrument hears of it
CONNECTING, READING, WRITING, SWITCHING = "connecting", "reading", "writing", "switching"
ZEROING, OPENING, LEAVING = "to 0 V", "relays open", "outputs off"
LINES = {
    ("analyser", CONNECTING): r"^\*IDN",
    ("analyser", READING): "^DV.*TI 3",
    ("analyser", WRITING): "XE",
    ("analyser", SWITCHING): "TV 1",
    ("switch", CONNECTING): r"^\*IDN",
    ("switch", SWITCHING): "channel.close",
    ("analyser", ZEROING): "DZ",
    ("switch", OPENING): r"channel.open\('allslots'\) local c",
    ("analyser", LEAVING): "^CL",
}
ACTIONS: dict[str, Callable[[BenchRig], Any]] = {
    READING: lambda rig: rig.read(3),
    WRITING: lambda rig: rig.apply(PULSE, 2),
    SWITCHING: lambda rig: rig.route("B1"),
    **dict.fromkeys((ZEROING, OPENING, LEAVING), BenchRig.make_safe),
}
WORKING = tuple(ACTIONS)
FINE = None  # nobody need notice
Ending = type[HalError] | Status | None

# what goes wrong -> how each moment ends; a pair: at the analyser, at the switch
TABLE: list[tuple[dict[str, Any], dict[str, Ending | tuple[Ending, Ending]]]] = [
    ({"what": "no_answer"}, dict.fromkeys(ACTIONS, BusTimeout) | {CONNECTING: BusTimeout}),
    ({"what": "late_answer", "delay": 3.0 * TIMEOUT}, dict.fromkeys(ACTIONS, BusTimeout) | {CONNECTING: BusTimeout}),
    ({"what": "half_answer"}, dict.fromkeys(ACTIONS, BusTimeout) | {CONNECTING: BusTimeout}),
    ({"what": "garbage"}, dict.fromkeys(ACTIONS, ReplyError) | {CONNECTING: IdentityError}),
    ({"what": "garbage", "text": "NCI+1.00000E"}, dict.fromkeys(ACTIONS, ReplyError) | {CONNECTING: IdentityError}),
    ({"what": "drop"}, dict.fromkeys(ACTIONS, BusError) | {CONNECTING: BusError}),
    ({"what": "reset"}, dict.fromkeys(ACTIONS, BusError) | {CONNECTING: BusError}),
    (
        {"what": "reset", "connections_stay": True},
        {CONNECTING: FINE, READING: InstrumentError, WRITING: InstrumentError, SWITCHING: (InstrumentError, FINE),
         ZEROING: InstrumentError, OPENING: FINE, LEAVING: FINE},
    ),
    (
        {"what": "error", "number": 305, "text": "Excess current in HPSMU."},
        dict.fromkeys(ACTIONS, InstrumentError) | {CONNECTING: (FINE, InstrumentError)},
    ),
    (
        {"what": "interlock_open", "slot": 1},
        {CONNECTING: (BusTimeout, FINE), READING: InstrumentError, WRITING: InstrumentError,
         SWITCHING: (InstrumentError, FINE)},
    ),
    ({"what": "compliance"}, {READING: Status.COMPLIANCE, WRITING: Status.COMPLIANCE, SWITCHING: (FINE, FINE)}),
    ({"what": "unsettled"}, {READING: Status.UNSETTLED, WRITING: Status.UNSETTLED, SWITCHING: (FINE, FINE)}),
    ({"what": "saturated"}, {READING: Status.UNSETTLED, WRITING: Status.UNSETTLED, SWITCHING: (FINE, FINE)}),
    ({"what": "overflow"}, {READING: Status.OVER_RANGE, WRITING: Status.OVER_RANGE, SWITCHING: (UnsafeError, FINE)}),
]  # fmt: skip


def rows(moments: Iterable[str]) -> list[Any]:
    found = []
    for fault, endings in TABLE:
        for (instrument, moment), line in LINES.items():
            if moment in moments and moment in endings:
                ending = endings[moment]
                if isinstance(ending, tuple):
                    ending = ending[instrument == "switch"]
                name = f"{fault['what']}{'-' * (len(fault) > 1)}{'-'.join(list(fault)[1:])}-{instrument}-{moment}"
                row = LineFault(instrument=instrument, line=line, **fault), moment, ending
                found.append(pytest.param(*row, id=name))
    return found


@pytest.fixture(scope="module")
def instruments() -> Iterator[VirtualInstruments]:
    started = VirtualInstruments(BENCH)
    yield started
    started.close()


@pytest.fixture(scope="module")
def others() -> Iterator[VirtualInstruments]:
    """Instruments to which nobody is connected."""
    started = VirtualInstruments(BENCH)
    yield started
    started.close()


@pytest.fixture(scope="module", autouse=True)
def short_silence() -> Iterator[None]:
    """A device clear on a socket ends when nothing comes any more: on loopback that is known sooner."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bus, "SLICE", 0.02)
        yield


@pytest.fixture(scope="module")
def only_rig(instruments: VirtualInstruments) -> Iterator[BenchRig]:
    started = opened(instruments)
    yield started
    started.close()


@pytest.fixture
def rig(instruments: VirtualInstruments, only_rig: BenchRig) -> Iterator[BenchRig]:
    """At A1; safe afterwards, whatever a test has left."""
    only_rig.route("A1")
    yield only_rig
    instruments.faults.clear()
    if only_rig.latched is not None:
        only_rig.recover()


def opened(instruments: VirtualInstruments, chosen: bench.Bench = BENCH) -> BenchRig:
    return open_rig(bench.with_resources(chosen, instruments.flex.resource, instruments.tsp.resource))


def is_safe(instruments: VirtualInstruments) -> bool:
    """As the instruments tell a client of their own, and as they are."""
    outputs = ask(instruments.flex.port, "*LRN? 0\r\n")
    closed = ask(instruments.tsp.port, "print(channel.getclose('allslots'))\n")
    on = any(smu.on for smu in instruments.analyser.smus.values())
    return (outputs, closed) == ("CL", "nil") and not on and instruments.world.wiring.closed == ()


def ask(port: int, line: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=5.0) as connection:
        connection.sendall(line.encode())
        return connection.makefile().readline().strip()


def works(rig: BenchRig) -> bool:
    rig.route("A1")
    return all(700.0 < resistance < 950.0 for resistance in rig.apply(PULSE, 2).resistances)


def failure_of(act: Callable[[BenchRig], Any], rig: BenchRig, instruments: VirtualInstruments) -> HalError:
    """What `act` raised: the rig is safe and latched, and works again once it has been recovered."""
    with pytest.raises(HalError) as caught:
        act(rig)
    assert not getattr(caught.value, "__notes__", []), caught.value.__notes__
    assert is_safe(instruments)
    with pytest.raises(type(caught.value)):
        rig.route("A2")
    rig.recover()
    assert works(rig)
    return caught.value


# ---- instruments and connections -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("fault", "moment", "ending"), rows(WORKING))
def test_a_fault_ends_as_the_table_says_and_leaves_the_rig_safe(
    instruments: VirtualInstruments, rig: BenchRig, fault: LineFault, moment: str, ending: Ending
) -> None:
    hot = instruments.world.hot_switchings
    instruments.faults.add(fault)
    if isinstance(ending, type):
        assert type(failure_of(ACTIONS[moment], rig, instruments)) is ending
    else:
        event = ACTIONS[moment](rig)
        assert rig.latched is None
        assert event.status == ending if isinstance(ending, Status) else works(rig)
    rig.make_safe()
    assert is_safe(instruments)
    assert instruments.world.hot_switchings == hot


@pytest.mark.parametrize(("fault", "moment", "ending"), rows([CONNECTING]))
def test_a_rig_that_could_not_be_opened_leaves_the_instruments_safe_and_can_be_opened_again(
    others: VirtualInstruments, fault: LineFault, moment: str, ending: Ending
) -> None:
    others.faults.add(fault)
    if ending is not FINE:
        with pytest.raises(HalError) as caught:
            opened(others)
        assert type(caught.value) is ending
        assert is_safe(others)
    rig = opened(others)
    assert works(rig)
    rig.close()
    assert is_safe(others)


@pytest.mark.parametrize("instrument", ["analyser", "switch"])
def test_a_connection_that_is_refused_can_be_recovered_once_it_is_accepted_again(
    instruments: VirtualInstruments, rig: BenchRig, instrument: str
) -> None:
    line = LINES[instrument, SWITCHING]
    instruments.faults.add(LineFault(what="reset", instrument=instrument, line=line, down=0.5))
    with pytest.raises(BusError) as caught:
        rig.route("B1")
    assert "the safe state could not be reached" in caught.value.__notes__[0]
    with pytest.raises(BusUnavailable, match="Connection refused"):
        rig.recover()
    with pytest.raises(UnsafeError):
        rig.make_safe()
    time.sleep(0.6)
    rig.recover()
    assert is_safe(instruments)
    assert works(rig)


@pytest.mark.parametrize("instrument", ["analyser", "switch"])
def test_instruments_that_are_not_there_yet_are_named_and_can_be_opened_later(instrument: str) -> None:
    late = VirtualInstruments(BENCH, faults=[RefusedFault(instrument=instrument, down=0.4)])
    with pytest.raises(BusUnavailable, match=late.resources[instrument]):
        opened(late)
    time.sleep(0.5)
    rig = opened(late)
    assert works(rig)
    rig.close()
    late.close()


def test_an_analyser_that_was_reset_unseen_between_two_jobs_measures_as_before(
    instruments: VirtualInstruments, rig: BenchRig
) -> None:
    def settings() -> list[object]:
        unit = instruments.analyser
        return [unit.averaging, unit.layout, unit.measuring, *[(smu.converter, smu.current_code, smu.measured)
                for smu in unit.smus.values()]]  # fmt: skip

    before = settings()
    rig.make_safe()
    instruments.faults.add(LineFault(what="reset", instrument="analyser", line="CN", connections_stay=True))
    rig.route("A1")
    assert settings() == before
    assert works(rig)


def test_a_switch_that_was_reset_unseen_is_not_taken_for_an_open_device(
    instruments: VirtualInstruments, rig: BenchRig
) -> None:
    instruments.faults.add(LineFault(what="reset", instrument="switch", line="getclose", connections_stay=True))
    ask(instruments.tsp.port, "print(channel.getclose('allslots'))\n")
    assert isinstance(failure_of(ACTIONS[READING], rig, instruments), SwitchError)


def test_a_write_current_beyond_the_converter_is_not_a_number(instruments: VirtualInstruments, rig: BenchRig) -> None:
    instruments.faults.add(LineFault(what="overflow", instrument="analyser", line="XE", channel=2))
    event = rig.apply(PULSE, 2)
    assert event.status == Status.OVER_RANGE
    assert math.isnan(event.write_current)
    assert math.isnan(event.energy)
    assert all(700.0 < resistance < 950.0 for resistance in event.resistances)


# ---- relays --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("what", "relay"), [("stays_open", "1315"), ("stays_closed", "1303")])
def test_a_relay_that_does_not_move_once_is_a_switch_error_and_ends_safe(
    instruments: VirtualInstruments, rig: BenchRig, what: str, relay: str
) -> None:
    instruments.faults.add(RelayFault(what=what, channel=relay))
    failure = failure_of(lambda rig: rig.route("A4"), rig, instruments)
    assert isinstance(failure, SwitchError)
    assert relay in str(failure)


def test_a_relay_that_never_opens_again_is_not_called_safe_and_no_voltage_stays() -> None:
    broken = VirtualInstruments(BENCH, faults=[RelayFault(what="stays_closed", channel="1303", count=MANY)])
    rig = opened(broken)
    rig.route("A1")
    with pytest.raises(SwitchError, match="still closed after opening all: 1303") as caught:
        rig.route("A2")
    assert "outputs are at 0 V, but switch: still closed" in caught.value.__notes__[0]
    assert broken.world.wiring.closed == ("1303",)
    assert all(smu.output.set_value == 0.0 for smu in broken.analyser.smus.values())
    with pytest.raises(UnsafeError):
        rig.close()
    broken.close()


def test_an_open_interlock_keeps_backplane_relays_open_and_is_seen_in_the_read_back() -> None:
    chosen = dataclasses.replace(BENCH, switch=dataclasses.replace(BENCH.switch, chain="backplane"))
    chained = VirtualInstruments(chosen)
    rig = opened(chained, chosen)
    rig.route("B1")
    chained.faults.add(LineFault(what="interlock_open", instrument="switch", line="channel.close", slot=2))
    with pytest.raises(SwitchError, match=r"relays not closed: \['2911', '2912', '2913', '2914'\]"):
        rig.route("B2")
    assert is_safe(chained)
    rig.close()
    chained.close()


# ---- devices -------------------------------------------------------------------------------------------------------


def test_devices_that_break_at_a_pulse_read_as_they_are_and_the_next_one_is_fine(
    rig: BenchRig, instruments: Any
) -> None:
    for device, what in (("C1", "opens"), ("C2", "shorts"), ("C3", "sticks"), ("C4", "noisy")):
        instruments.faults.add(DeviceFault(what=what, device=device, pulse=3))
    before: dict[str, list[Event]] = {}
    after: dict[str, list[Event]] = {}
    for device in ("C1", "C2", "C3", "C4", "D1"):
        rig.route(device)
        before[device] = [rig.apply(Pulse(6.0, 0.5), 4) for _ in range(2)]
        after[device] = [rig.apply(Pulse(6.0, 0.5), 4) for _ in range(2)]
        assert all(event.status == Status.OK for event in before[device])
        assert all(700.0 < ohm < 950.0 for event in before[device] for ohm in event.resistances)
    assert all(ohm == math.inf for event in after["C1"] for ohm in event.resistances)
    assert all(abs(event.write_current) < 1e-4 for event in after["C1"])
    assert all(ohm == 0.0 for event in after["C2"] for ohm in event.resistances)
    assert all(Status.COMPLIANCE in event.status and Status.OVER_RANGE in event.status for event in after["C2"])
    moved = {name: abs(mean(after[name][1]) - mean(before[name][1])) for name in ("C3", "D1")}
    assert moved["C3"] < 0.1 < moved["D1"]
    scatter = {name: max(after[name][0].resistances) - min(after[name][0].resistances) for name in ("C4", "D1")}
    assert scatter["D1"] < 0.5 < 2.0 < scatter["C4"]
    assert rig.latched is None


def mean(event: Event) -> float:
    return sum(event.resistances) / len(event.resistances)
