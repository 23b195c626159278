"""The rig with a B1530A, from route to results: the driver and the stand-in against each other."""

from __future__ import annotations

import dataclasses
import math
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from rheostat_hal.bench_rig import open_rig
from rheostat_hal.bus import VisaBus
from rheostat_hal.drivers.wgfmu.analyser import WgfmuAnalyser
from rheostat_hal.drivers.wgfmu.library import Library
from rheostat_hal.errors import (
    BenchError,
    BusAborted,
    BusError,
    BusTimeout,
    IdentityError,
    RefusedError,
    WgfmuError,
)
from rheostat_hal.values import Pulse, Status
from rheostat_hal.virtual.wgfmu.standin import StandIn

EDGE = 30e-9
# the second rig's train: amplitude and width rise along each direction
TRAIN = [
    Pulse(sign * round(float(volts), 4), round(float(width), 8))
    for sign in (1, -1)
    for volts, width in zip(np.linspace(0.7, 0.995, 20), np.linspace(160e-9, 350e-9, 20), strict=True)
]
# the functions of one train, in the order used in practice
BUILT_ONCE = [
    *("clear", "createPattern", "addVector"),
    *("createPattern", "addVectors", "addSequence", "addSequence"),  # row
    *("createPattern", "addVectors", *["setMeasureEvent"] * 40, "addSequence", "addSequence"),  # column
    *("createPattern", "addVectors", "addSequence", "addSequence"),  # others
]
SET_UP = ["setOperationMode", "setForceVoltageRange", "setMeasureEnabled"] * 3
RUN = ["setMeasureMode", "setMeasureCurrentRange", "update", "execute", "getStatus", "waitUntilCompleted"]
RESULTS = ["getMeasureValueSize", "getMeasureValues"]


def names(calls):
    """Function names of the calls noted, the dialogue's other lines left out."""
    return [line.split("WGFMU_")[1].split("(")[0] for line in calls if line.startswith("# wgfmu ")]


def flex(chosen):
    return VisaBus(chosen.analyser.resource, library="@py", terminator="\r\n", ready=1, abort_line="AB", safe_line="DZ")


def opened(chosen, said=None):
    rig = open_rig(chosen, said)
    rig.route("A11")
    return rig


def test_a_train_is_built_once_and_executed_once_however_many_cycles(process):
    calls = []
    rig = opened(process[0], calls.append)
    try:
        calls.clear()
        events = rig.train(TRAIN, 5)
        assert names(calls) == BUILT_ONCE + SET_UP + RUN + RESULTS
        assert len(events) == 200
    finally:
        rig.close()


def test_a_train_of_100_cycles_is_played_in_a_few_seconds(rig):
    begun = time.monotonic()
    events = rig.train(TRAIN, 100)
    assert time.monotonic() - begun < 15.0  # 2 s on an idle computer
    assert len(events) == 4000
    assert {event.status for event in events} == {Status.OK}
    assert [event.pulse for event in events[:40]] == TRAIN
    states = 1 / np.array([event.resistances[0] for event in events]).reshape(100, 40)[5:]
    assert np.all(np.diff(states.mean(axis=0)[:20]) > 0)
    assert np.all(np.diff(states.mean(axis=0)[20:]) < 0)


def test_readings_of_a_device_agree_and_leave_it_alone(rig):
    first, second = rig.read(8), rig.read(1)
    assert len(first.resistances) == len(first.currents) == 8
    assert np.std(first.resistances) < 0.002 * np.mean(first.resistances)
    assert second.resistances[0] == pytest.approx(np.mean(first.resistances), rel=2e-3)
    assert all(current > 0 for current in first.currents)  # out of the column, the row is at -0.1 V
    assert first.pulse is None
    assert math.isnan(first.energy)
    assert first.duration == pytest.approx(50e-6)


def test_readings_are_the_device_and_its_relays(serve):
    chosen, instruments = serve()
    rig = opened(chosen)
    try:
        rig.apply(Pulse(0.9, 3e-7))
        event = rig.read(4)
        contacts = sum(instruments.world.wiring.contact(channel) for channel in instruments.world.wiring.closed)
        assert np.mean(event.resistances) == pytest.approx(instruments.die.resistance(0) + contacts, rel=1e-3)
    finally:
        rig.close()


@pytest.mark.parametrize("width", [100e-9, 1e-6])
def test_the_energy_of_a_pulse_that_moves_nothing_is_that_of_a_resistor(rig, width):
    """0.4 V is below what writes: V^2 t over R, the edges with a third of theirs."""
    pulse = Pulse(0.4, width)
    resistance = rig.read(8)
    ohm = float(np.mean(resistance.resistances))
    expected = 0.16 * (width - EDGE / 3) / ohm
    events = rig.train([pulse] * 10, 4, "energy")
    assert [event.resistances for event in events] == [()] * 40
    assert np.mean([event.energy for event in events]) == pytest.approx(expected, rel=5e-3)
    assert np.mean([event.write_current for event in events]) == pytest.approx(0.4 / ohm, rel=5e-3)
    assert rig.apply(pulse).energy == pytest.approx(expected, rel=5e-3)  # estimated


def test_estimated_and_measured_energies_of_the_papers_train_agree(rig):
    estimated = [event.energy for event in rig.train(TRAIN, 10)]
    measured = rig.train(TRAIN, 10, "energy")
    assert sum(event.energy for event in measured) == pytest.approx(sum(estimated), rel=0.02)
    assert {event.status for event in measured} == {Status.OK}
    assert {np.sign(event.write_current) for event in measured[:20]} == {1.0}
    assert {np.sign(event.write_current) for event in measured[20:40]} == {-1.0}


def test_pulses_come_back_as_they_were_programmed(rig):
    assert rig.apply(Pulse(0.712345, 163.2e-9)).pulse == Pulse(pytest.approx(0.7123), 160e-9)


@pytest.mark.parametrize(
    ("pulse", "says"),
    [
        (Pulse(2.1, 2e-7), "the bench allows 2 V"),
        (Pulse(0.9, 1.1e-3), "the bench allows 0.001 s"),
        (Pulse(0.9, 3e-8), "longer than its edges"),
        (Pulse(0.9, 0.0), "the bench allows"),
        (Pulse(math.nan, 2e-7), "the bench allows"),
    ],
)
def test_what_the_bench_does_not_allow_is_refused_before_anything_is_sent(process, pulse, says):
    calls = []
    rig = opened(process[0], calls.append)
    try:
        calls.clear()
        with pytest.raises(RefusedError, match=says):
            rig.apply(pulse)
        assert calls == []
        assert rig.latched is None
    finally:
        rig.close()


def test_a_train_of_more_results_than_a_channel_holds_is_refused(rig):
    with pytest.raises(RefusedError, match="a channel holds 4000000"):
        rig.train(TRAIN, 100_001)


def test_other_devices_of_a_crossbar_neither_move_nor_disturb_a_reading(serve):
    chosen, instruments = serve(rows=2, columns=2)
    rig = opened(chosen)
    try:
        others = [instruments.die.resistance(device) for device in (1, 2, 3)]
        for pulse in TRAIN:
            event = rig.apply(pulse)
            assert event.resistances[0] == pytest.approx(instruments.die.resistance(0), rel=0.02)
        assert [instruments.die.resistance(device) for device in (1, 2, 3)] == others
    finally:
        rig.close()


def test_an_abort_from_another_thread_stops_a_train_and_leaves_0_volt_and_nothing_connected(serve):
    chosen, instruments = serve(real_time=True)
    rig = opened(chosen)
    channels = instruments.modules.channels.values()
    try:
        assert any(channel.on for channel in channels)
        timer = threading.Timer(0.3, rig.abort)
        timer.start()
        begun = time.monotonic()
        with pytest.raises(BusAborted):
            rig.train(TRAIN, 10_000)  # 28 s
        assert time.monotonic() - begun < 5.0
        timer.join()
        assert [(channel.on, channel.volts) for channel in channels] == [(False, 0.0)] * 4
        assert instruments.world.wiring.closed == ()
        with pytest.raises(BusAborted):
            rig.read()
        rig.recover()
        rig.route("A11")
        assert rig.read().resistances[0] == pytest.approx(instruments.die.resistance(0), rel=0.02)
    finally:
        rig.close()


def test_after_an_abort_nothing_that_was_on_its_way_is_executed(serve):
    chosen, instruments = serve()
    rig = opened(chosen)
    try:
        rig.abort()
        before = instruments.die.state.copy()
        with pytest.raises(BusAborted):
            rig.apply(Pulse(0.9, 3e-7))
        assert not any(channel.on for channel in instruments.modules.channels.values())
        assert np.array_equal(instruments.die.state, before)
    finally:
        rig.close()


def test_an_abort_passes_a_call_that_does_not_come_back(serve):
    chosen, _ = serve()
    bus = flex(chosen)
    analyser = WgfmuAnalyser(bus, chosen.wgfmu, chosen.limits, StandIn(chosen.wgfmu.library))
    analyser.resynchronise()
    raised = []

    def stop():
        with pytest.raises(BusTimeout, match="the library is busy") as caught:
            analyser.abort()
        raised.append(caught.value)

    with analyser._session._library.using:
        thread = threading.Thread(target=stop)
        thread.start()
        thread.join(5.0)
    assert len(raised) == 1
    with pytest.raises(BusAborted):  # the mainframe was told all the same
        bus.write("*IDN?")
    analyser.close()


def test_a_range_that_does_not_settle_within_a_read_pulse_is_a_mistake_of_the_bench(serve):
    chosen, _ = serve()
    slow = dataclasses.replace(chosen.wgfmu, read_range=1e-6)
    with pytest.raises(BenchError, match=r"the range of 1e-06 A takes 3.7e-05 s to settle"):
        WgfmuAnalyser(flex(chosen), slow, chosen.limits, StandIn(chosen.wgfmu.library))


def test_a_process_serves_its_modules_at_the_port_it_is_given():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    modules = "B1517A,B1517A,B1517A,B1517A,B1530A"
    command = [sys.executable, "-m", "rheostat_hal.virtual", "--until-eof", "--modules", modules]
    with subprocess.Popen(
        [*command, "--wgfmu-port", str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        places = dict(iter(lambda: tuple(process.stdout.readline().split()), ("ready",)))
        assert places["wgfmu"] == f"tcp:127.0.0.1:{port}"
        library = Library(StandIn(places["wgfmu"]))
        library.call("openSession", places["analyser"].encode())
        assert library.channels() == (501, 502)
        library.call("closeSession")
        process.stdin.close()
        assert process.wait(30.0) == 0


def test_errors_pending_in_the_mainframe_are_drained_before_a_session_is_opened(serve):
    chosen, instruments = serve()
    bus = flex(chosen)
    analyser = WgfmuAnalyser(bus, chosen.wgfmu, chosen.limits, StandIn(chosen.wgfmu.library))
    bus.write("*CLS")
    assert bus.query("*IDN?", 5.0)  # the line before it has been carried out
    with pytest.raises(WgfmuError, match=r"-6 WGFMU_openSession: FW_ERROR: .*error queue is not empty") as caught:
        analyser._session.open(bus.resource)
    assert caught.value.number == -6
    _, errors = analyser.resynchronise()
    assert [error.number for error in errors] == [100]
    assert len(instruments.analyser.errors) == 0
    analyser.close()


def test_a_lost_connection_is_a_bus_error_and_a_recovery_opens_another(serve):
    chosen, instruments = serve()
    rig = opened(chosen)
    try:
        for connection in list(instruments.wgfmu._sessions):
            connection.channel._sock.shutdown(socket.SHUT_RDWR)
        with pytest.raises(BusError, match="-5 WGFMU_"):
            rig.read()
        assert rig.latched is not None
        rig.recover()
        rig.route("A11")
        assert rig.read().status is Status.OK
    finally:
        rig.close()


def test_a_slot_without_a_wgfmu_is_not_the_instrument_of_the_bench(serve):
    chosen, _ = serve()
    config = dataclasses.replace(chosen.wgfmu, channels=(("row", 201), ("column", 202), ("others", 501)))
    analyser = WgfmuAnalyser(flex(chosen), config, chosen.limits, StandIn(chosen.wgfmu.library))
    with pytest.raises(IdentityError, match="others is channel 501"):
        analyser.resynchronise()
    with pytest.raises(IdentityError, match="others is wired to slot 5, which holds no module, not a B1530A"):
        analyser.discover()
    analyser.close()


def test_a_rig_that_cannot_be_opened_leaves_no_session_of_the_library_open(serve):
    chosen, _ = serve()
    config = dataclasses.replace(chosen.wgfmu, channels=(("row", 201), ("column", 202), ("others", 501)))
    said = []
    with pytest.raises(IdentityError, match="others is channel 501"):
        open_rig(dataclasses.replace(chosen, wgfmu=config), said.append)
    assert names(said).count("openSession") == names(said).count("closeSession")


def test_a_reading_beyond_the_range_says_so(serve):
    chosen, _ = serve()
    rig = opened(dataclasses.replace(chosen, limits=dataclasses.replace(chosen.limits, read_voltage=0.5)))
    try:
        event = rig.read()
        assert event.status is Status.OVER_RANGE
        assert event.resistances == (0.0,)
    finally:
        rig.close()


def test_a_current_beyond_the_range_gives_no_energy(serve):
    chosen, _ = serve()
    small = dataclasses.replace(chosen.wgfmu, read_range=1e-4, write_range=1e-3)
    rig = opened(dataclasses.replace(chosen, wgfmu=small))
    try:
        for measure in ("states", "energy"):
            (event,) = rig.train([Pulse(0.8, 200e-9)], measure=measure)
            assert event.status is Status.OVER_RANGE
            assert math.isnan(event.energy)
            assert math.isnan(event.write_current)
    finally:
        rig.close()


def test_nothing_connected_reads_as_an_open_circuit(serve):
    chosen, instruments = serve()
    rig = opened(chosen)
    try:
        instruments.world.operate(instruments.world.wiring.closed, [])
        assert rig.analyser.event(None, 2).resistances == (math.inf, math.inf)
    finally:
        rig.close()
