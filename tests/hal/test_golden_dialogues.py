"""The main operations as golden dialogues: played back against the drivers, performed on the virtual instruments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rheostat_hal import bench
from rheostat_hal.bench_rig import BenchRig, analyser_bus, switch_bus
from rheostat_hal.bus import Bus
from rheostat_hal.bus_replay import Dialogue
from rheostat_hal.errors import BusAborted, InstrumentError
from rheostat_hal.values import Pulse
from rheostat_hal.virtual.parts import VirtualInstruments
from tests.hal.dialogues.play import agree, perform, text

BENCH = bench.load(None)
PULSE = Pulse(3.125, 0.8)


def error(rig: BenchRig) -> None:
    rig.analyser.bus.write("CL")  # behind the driver's back
    with pytest.raises(InstrumentError, match="200 Output channel not enabled"):
        rig.apply(PULSE, 2)


def abort(rig: BenchRig) -> None:
    with pytest.raises(BusAborted) as caught:
        rig.apply(PULSE, 2)
    assert not getattr(caught.value, "__notes__", [])  # the safe state was reached


def finish(*buses: Bus) -> None:
    for bus in buses:
        bus.close()


OPERATIONS: dict[str, Callable[[BenchRig], object]] = {
    "connect": BenchRig.recover,
    "route": lambda rig: rig.route("A1"),
    "read": lambda rig: rig.read(2),
    "apply": lambda rig: rig.apply(PULSE, 2),
    "safe": BenchRig.make_safe,
    "error": error,
    "abort": abort,
    "secured": lambda rig: None,  # what an error ends in
    "recover": BenchRig.recover,
}
SESSIONS = (
    ("connect",),
    ("connect", "route", "read", "read", "safe"),
    ("connect", "route", "apply", "safe"),
    ("connect", "route", "error", "secured", "recover", "route", "read"),
    ("connect", "route", "abort", "recover", "route", "read"),
)
sessions = pytest.mark.parametrize("session", SESSIONS, ids="-".join)


@pytest.fixture
def virtual() -> Iterator[dict[str, Bus]]:
    """Buses to virtual instruments, by name."""
    instruments = VirtualInstruments(BENCH)
    placed = bench.with_resources(BENCH, instruments.flex.resource, instruments.tsp.resource)
    buses = {"analyser": analyser_bus(placed), "switch": switch_bus(placed)}
    yield buses
    for bus in buses.values():
        bus.close()
    instruments.close()


@sessions
def test_the_drivers_say_what_the_golden_dialogues_say(session: tuple[str, ...]) -> None:
    dialogue = Dialogue(text(*session))
    buses = dialogue.bus("analyser"), dialogue.bus("switch")
    rig = BenchRig(BENCH, *buses)
    dialogue.interrupt = rig.abort
    for operation in session:
        OPERATIONS[operation](rig)
    finish(*buses)


@sessions
def test_the_virtual_instruments_answer_what_the_golden_dialogues_say(
    session: tuple[str, ...], virtual: dict[str, Bus]
) -> None:
    perform(text(*session), virtual)


def test_every_golden_dialogue_is_in_a_session() -> None:
    files = {path.stem for path in (Path(__file__).parent / "dialogues").glob("*.txt")}
    assert files == set(OPERATIONS) == {name for session in SESSIONS for name in session}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("NCI-1.25000E-04", "CCI-1.25000E-04", "answers 'NCI-1"),
        ("NCI-1.25000E-04", "NCI-2.25000E-04", "answers 'NCI-1"),
        ("1404\t0.0", "1405\t0.0", "answers 'nil"),
        ("NBV+1.00000E-04", "NBV+1.00000E-02", "answers 'NBV"),
        ("analyser < NCI-1.25010E-04\n", "", "where the dialogue is silent"),
        ("B1500A,MY55231213", "E5270B,MY55231213", "answers 'Agilent"),
    ],
)
def test_another_answer_of_an_instrument_than_the_dialogues_is_found(
    old: str, new: str, said: str, virtual: dict[str, Bus]
) -> None:
    dialogue = text("connect", "route", "read")
    assert old in dialogue
    with pytest.raises(AssertionError, match=said):
        perform(dialogue.replace(old, new), virtual, patience=0.3)


@pytest.mark.parametrize("line", ['analyser > ERRX?\nanalyser < +0,"No Error."', "switch ! cleared", "switch < nil"])
def test_what_the_drivers_leave_of_a_dialogue_is_found(line: str) -> None:
    dialogue = Dialogue(text("connect") + line)
    buses = dialogue.bus("analyser"), dialogue.bus("switch")
    rig = BenchRig(BENCH, *buses)
    rig.recover()
    with pytest.raises(AssertionError, match="never happened"):
        finish(*buses)


def test_relays_that_move_before_0_v_is_confirmed_are_another_dialogue() -> None:
    zero, relays = text("route").split("switch >")
    swapped = Dialogue(text("connect") + "switch >" + relays + zero)
    rig = BenchRig(BENCH, swapped.bus("analyser"), swapped.bus("switch"))
    rig.recover()
    with pytest.raises(AssertionError, match=r"analyser > CN .* goes on with .switch > channel\.open"):
        rig.route("A1")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("NCI-1.25000E-04", "NCI-1.20000E-04", True),
        ("NCI-1.25000E-04", "NDI-1.25000E-04", False),
        ("NBI+1.9E-02,NDI+1.8E-02", "NBI+1.8E-02,NDI+1.8E-02", True),
        ("NBI+1.9E-02,NDI+1.8E-02", "NBI+1.8E-02", False),
        ("NAV+0.00000E+00", "NAV+2.00000E-04", True),
        ("nil\t1101,1202,1303,1404\t0", "nil\t1101,1202,1303,1405\t0", False),
        ('+0,"No Error."', '+100,"Undefined GPIB command."', False),
        ("Agilent Technologies,B1500A,MY1,A.06", "Agilent Technologies,B1500A,0,A.05", True),
        ("3730,6x16 Matrix,01.40h,1\tEmpty Slot", "3730,6x16 Matrix,01.30a,2\tEmpty Slot", True),
        ("3730,6x16 Matrix,01.40h,1\tEmpty Slot", "Empty Slot\tEmpty Slot", False),
    ],
)
def test_measurements_agree_by_form_and_everything_else_by_the_letter(one: str, other: str, same: bool) -> None:
    assert agree(one, other) is same
