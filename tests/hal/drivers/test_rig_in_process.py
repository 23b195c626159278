"""The rig on virtual instruments in this process: what they are told and what they do, side by side.

The rig speaks to them over real sockets; their state is looked at from behind.
"""

from __future__ import annotations

import dataclasses
import random
import socket
import statistics
import time
from collections.abc import Iterator

import pytest

from rheostat_hal import bench
from rheostat_hal.bench_rig import BenchRig, open_rig
from rheostat_hal.errors import BusTimeout
from rheostat_hal.values import Pulse
from rheostat_hal.virtual.flex.smu import Smu
from rheostat_hal.virtual.parts import VirtualInstruments

BENCH = bench.load(None)


@pytest.fixture
def instruments() -> Iterator[VirtualInstruments]:
    started = VirtualInstruments(BENCH)
    yield started
    started.close()


def opened(instruments: VirtualInstruments, **analyser: object) -> BenchRig:
    changed = dataclasses.replace(BENCH, analyser=dataclasses.replace(BENCH.analyser, **analyser))  # type: ignore[arg-type]
    return open_rig(bench.with_resources(changed, instruments.flex.resource, instruments.tsp.resource))


@pytest.fixture
def rig(instruments: VirtualInstruments) -> Iterator[BenchRig]:
    started = opened(instruments)
    yield started
    started.close()


@pytest.mark.parametrize(
    ("settings", "widths"),
    [
        ({}, (0.8,)),
        ({}, (0.0005, 0.002, 0.05, 0.8, 2.0)),
        ({"averaging": 1}, (0.0005, 0.01, 0.1)),
        ({"adc": "high-speed", "averaging": 1000}, (0.001, 0.03, 0.8)),
    ],
)
def test_the_durations_of_events_add_up_to_the_time_that_passes_on_the_bench(
    instruments: VirtualInstruments, settings: dict[str, object], widths: tuple[float, ...]
) -> None:
    rig = opened(instruments, **settings)
    rig.route("A1")
    chance = random.Random(3)
    began, told = instruments.world.clock.now, 0.0
    for _ in range(60):
        readings = chance.choice((0, 1, 2, 5, 30))
        told += rig.apply(Pulse(chance.choice((-1.0, 1.0)), chance.choice(widths)), readings).duration
        if chance.random() < 0.3:
            told += rig.read(chance.choice((1, 4))).duration
    passed = (instruments.world.clock.now - began) / 1e9
    assert told == pytest.approx(passed, rel=0.02)
    rig.close()


def test_an_instrument_that_is_stuck_in_a_line_is_freed_made_safe_and_latched() -> None:
    instruments = VirtualInstruments(BENCH, real_time=True)
    try:
        rig = opened(instruments, timeout=0.3)
        rig.route("A1")
        rig.analyser.bus.write("PA 60")  # behind the driver's back: nothing is answered for a minute
        with pytest.raises(BusTimeout) as caught:
            rig.read()
        assert not getattr(caught.value, "__notes__", []), caught.value.__notes__  # the safe state was reached
        assert not any(smu.on for smu in instruments.analyser.smus.values())
        assert instruments.world.wiring.closed == ()
        rig.recover()
        rig.route("A1")
        assert 700 < rig.read().resistances[0] < 950
        rig.close()
    finally:
        instruments.close()


def test_a_line_may_take_as_long_as_its_pulse_is_programmed() -> None:
    instruments = VirtualInstruments(BENCH, real_time=True)
    try:
        rig = opened(instruments, timeout=0.2)
        rig.route("A1")
        began = time.monotonic()
        event = rig.apply(Pulse(1.0, 0.7), 2)
        assert len(event.resistances) == 2
        assert time.monotonic() - began >= 0.7
        rig.close()
    finally:
        instruments.close()


def test_outputs_are_on_at_0_v_with_compliance_after_every_route_and_off_after_every_safe_state(
    rig: BenchRig, instruments: VirtualInstruments
) -> None:
    for device in ("A1", "F4", "A1"):
        for step in range(2):  # a device after another, and the same again
            rig.route(device)
            for _ in range(2):
                outputs = [(smu.on, smu.output.set_value, smu.output.compliance) for smu in smus(instruments)]
                assert outputs == [(True, 0.0, BENCH.limits.compliance)] * 4, step
                rig.apply(Pulse(-2.0, 0.01), 1)
        rig.make_safe()
        assert not any(smu.on for smu in smus(instruments))
        assert instruments.world.wiring.closed == ()
    assert instruments.world.hot_switchings == 0


def test_a_switch_left_talkative_by_another_program_is_quietened(
    rig: BenchRig, instruments: VirtualInstruments
) -> None:
    with socket.create_connection(("127.0.0.1", instruments.tsp.port)) as other:
        other.sendall(b"localnode.prompts=1 localnode.showerrors=1 print('on')\n")
        assert other.recv(64).startswith(b"on\n")
    again = opened(instruments)
    again.route("A1")
    assert instruments.world.wiring.closed == ("1101", "1202", "1303", "1404")
    again.close()


def test_no_relay_moves_while_an_output_is_up(rig: BenchRig, instruments: VirtualInstruments) -> None:
    up = "DV 1,20,1;DV 2,20,1;ERRX?"
    rig.route("A1")
    rig.analyser.bus.query(up, 1.0)  # behind the driver's back
    rig.route("A2")
    rig.analyser.bus.query(up, 1.0)
    rig.make_safe()
    rig.route("A3")
    rig.analyser.bus.query(up, 1.0)
    rig.recover()
    assert instruments.world.hot_switchings == 0
    rig.route("A1")
    rig.analyser.bus.query(up, 1.0)
    rig.switch.open_all()  # it knows nothing of voltages: the count counts
    assert instruments.world.hot_switchings > 0


@pytest.mark.parametrize("voltage", [7.0, -7.0, 0.5, -0.5])
def test_the_device_gets_the_whole_voltage_for_the_whole_width_and_nothing_else(
    rig: BenchRig, instruments: VirtualInstruments, monkeypatch: pytest.MonkeyPatch, voltage: float
) -> None:
    rig.route("B2")
    rig.make_safe()
    rig.route("B2")
    seen: list[tuple[int, float, float]] = []
    step = instruments.die.step

    def look(device: int, across: float, width: float) -> bool:
        if abs(across) > 0.2:  # below, nothing moves
            seen.append((device, across, width))
        return step(device, across, width)

    monkeypatch.setattr(instruments.die, "step", look)
    event = rig.apply(Pulse(voltage, 0.8), 3)
    rig.read(2)
    rig.make_safe()
    ((device, across, width),) = seen
    assert BENCH.devices[device].name == "B2"
    assert width == 0.8
    assert across == pytest.approx(voltage, rel=0.02)  # but for the contacts: T1 and T3 carry it all at 0 V
    assert event.write_current * voltage > 0
    assert abs(event.write_current) == pytest.approx(abs(voltage) / 83.0, rel=0.15)


@pytest.mark.parametrize("readings", [0, 1, 5, 12])
def test_an_event_is_one_write_for_as_many_readings_as_fit_also_when_the_width_changes(
    rig: BenchRig, readings: int
) -> None:
    rig.route("A1")
    bus = rig.analyser.bus
    for width in (0.8, 0.8, 0.0123, 1.9999):
        before = bus.writes
        event = rig.apply(Pulse(-6.999, width), readings)
        assert bus.writes - before == 1
        assert len(event.resistances) == readings
        assert event.pulse == Pulse(-6.999, width)


def test_the_converter_of_the_bench_file_is_the_one_that_reads(instruments: VirtualInstruments) -> None:
    spread = {}
    for adc in ("high-resolution", "high-speed"):
        rig = opened(instruments, adc=adc, averaging=5)
        rig.route("A1")
        t3 = instruments.analyser.smus[3]
        assert t3.converter.name == adc.upper().replace("-", "_")
        assert instruments.analyser.averaging[t3.converter].n == 5
        spread[adc] = statistics.stdev(rig.read(200).resistances)
        rig.close()
    assert 0.02 < spread["high-resolution"] < 0.04
    assert spread["high-speed"] > 5 * spread["high-resolution"]


def smus(instruments: VirtualInstruments) -> list[Smu]:
    return list(instruments.analyser.smus.values())
