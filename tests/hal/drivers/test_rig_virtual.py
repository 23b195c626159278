"""The rig against the virtual bench as a process of its own: bytes over real sockets, nothing imported from it here
but its launcher."""

from __future__ import annotations

import dataclasses
import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rheostat_hal import bench
from rheostat_hal.bench_rig import BenchRig, open_rig
from rheostat_hal.errors import (
    BusAborted,
    BusError,
    BusUnavailable,
    HalError,
    IdentityError,
    InstrumentError,
    RefusedError,
    SwitchError,
    UnsafeError,
)
from rheostat_hal.rig import Rig
from rheostat_hal.values import Pulse, Status
from rheostat_hal.virtual.launch import VirtualBench, launch

pytestmark = pytest.mark.timeout(120)
EXAMPLE = Path(__file__).parents[3] / "deploy" / "benches" / "diao2025-virtual.toml"


def bench_of(virtual: VirtualBench, timeout: float = 2.0) -> bench.Bench:
    placed = bench.with_resources(bench.load(EXAMPLE), virtual.analyser, virtual.switch)
    analyser = dataclasses.replace(placed.analyser, timeout=timeout)
    return dataclasses.replace(placed, analyser=analyser, switch=dataclasses.replace(placed.switch, timeout=timeout))


@pytest.fixture(scope="module")
def virtual() -> Iterator[VirtualBench]:
    started = launch(EXAMPLE)
    yield started
    started.close()


@pytest.fixture
def rig(virtual: VirtualBench) -> Iterator[BenchRig]:
    opened = open_rig(bench_of(virtual))
    yield opened
    opened.close()


def test_the_virtual_instruments_identify_themselves(rig: BenchRig) -> None:
    as_protocol: Rig = rig
    analyser, switch = as_protocol.identities
    assert analyser.model == "B1500A"
    assert switch.model.startswith("3706A")
    assert dict(switch.modules) == dict.fromkeys(range(1, 7), "3730")


def test_every_device_can_be_routed_and_read(rig: BenchRig) -> None:
    for device in rig.devices:
        assert rig.route(device.name) > 0
        event = rig.read(2)
        assert all(300 < resistance < 3000 for resistance in event.resistances), device
        assert event.status == Status.OK


def test_a_write_pulse_moves_the_device_and_is_one_write_to_the_bus(rig: BenchRig) -> None:
    rig.route("B2")
    before = rig.read(8)
    writes = rig.analyser.bus.writes, rig.switch.bus.writes
    event = rig.apply(Pulse(7.0, 2.0), readings=4)
    assert (rig.analyser.bus.writes - writes[0], rig.switch.bus.writes - writes[1]) == (1, 0)
    assert event.energy == pytest.approx(7.0 * event.write_current * 2.0)
    assert 0.02 < event.write_current < 0.2
    assert event.duration > 2.0
    assert sum(event.resistances) / 4 < sum(before.resistances) / 8


def test_depression_draws_current_the_other_way(rig: BenchRig) -> None:
    rig.route("B3")
    event = rig.apply(Pulse(-5.0, 0.8), readings=1)
    assert event.write_current < 0
    assert event.energy > 0


def test_a_step_longer_than_the_hardware_times_needs_leave_and_is_one_line(virtual: VirtualBench) -> None:
    placed = bench_of(virtual)
    limits = dataclasses.replace(placed.limits, host_timed=True, max_width=200.0)
    rig = open_rig(dataclasses.replace(placed, limits=limits))
    rig.route("D1")
    writes = rig.analyser.bus.writes
    pulse = Pulse(1.0, 150.0)
    assert rig.risk(pulse) is not None
    event = rig.apply(pulse, readings=2)
    assert rig.analyser.bus.writes - writes == 1
    assert event.energy == pytest.approx(event.write_current * 150.0)
    assert event.duration > 150.0
    assert all(math.isfinite(resistance) for resistance in event.resistances)
    rig.close()


def test_many_readings_take_more_lines(rig: BenchRig) -> None:
    rig.route("C1")
    event = rig.read(60)
    assert len(event.resistances) == 60
    mean = sum(event.resistances) / 60
    assert max(abs(resistance - mean) for resistance in event.resistances) < 1.0


def test_an_unrouted_rig_reads_nothing_and_is_not_latched(rig: BenchRig) -> None:
    with pytest.raises(RefusedError):
        rig.read()
    rig.route("A1")
    rig.make_safe()
    with pytest.raises(RefusedError):
        rig.read()
    assert rig.latched is None


def test_an_open_circuit_behind_open_relays_is_the_switchs_and_not_the_devices(virtual: VirtualBench) -> None:
    rig = open_rig(bench_of(virtual))
    rig.route("A1")
    rig.switch.bus.query("channel.open('allslots') print('opened')", 2.0)
    with pytest.raises(SwitchError, match="relays not closed"):
        rig.read()
    rig.recover()
    rig.close()


def test_an_instrument_error_in_mid_line_is_typed_made_safe_and_latched_until_recovered(virtual: VirtualBench) -> None:
    rig = open_rig(bench_of(virtual, timeout=0.3))
    rig.route("A1")
    rig.analyser.bus.write("CL")  # behind the driver's back: its next line fails at its first sentence
    with pytest.raises(InstrumentError) as caught:
        rig.read()
    assert caught.value.number >= 100
    assert caught.value.text
    with pytest.raises(InstrumentError):
        rig.route("A1")
    assert rig.switch.bus.query("print(channel.getclose('allslots'))", 1.0) == "nil"
    assert rig.analyser.outputs() == frozenset()
    rig.recover()
    rig.route("A1")
    assert rig.read().resistances[0] > 0
    rig.close()


def test_another_pair_of_cards_than_the_benchs_is_an_identity_error(virtual: VirtualBench) -> None:
    placed = bench_of(virtual)
    cards = tuple((slot, "3731") for slot, _ in placed.switch.cards)
    other = dataclasses.replace(placed, switch=dataclasses.replace(placed.switch, cards=cards))
    with pytest.raises(IdentityError, match="slot 1 holds 3730, the bench says 3731"):
        open_rig(other)


def test_swapped_resources_are_an_identity_error(virtual: VirtualBench) -> None:
    placed = bench_of(virtual, timeout=0.3)
    swapped = bench.with_resources(placed, placed.switch.resource, placed.analyser.resource)
    with pytest.raises(IdentityError, match="is not a B1500A"):
        open_rig(swapped)


def test_an_absent_switch_is_named(virtual: VirtualBench) -> None:
    resource = "TCPIP0::127.0.0.1::9::SOCKET"
    with pytest.raises(BusUnavailable, match=resource):
        open_rig(bench.with_resources(bench_of(virtual), None, resource))


@pytest.fixture(scope="module")
def slow_virtual() -> Iterator[VirtualBench]:
    started = launch(EXAMPLE, real_time=True)
    yield started
    started.close()


def during(action: Callable[[], object], after: float, then: Callable[[], None]) -> tuple[HalError | None, float]:
    """Run `action` in a thread, `then` after some seconds: what it raised, and how long after `then` it ended."""
    raised: list[HalError] = []
    ended: list[float] = []

    def run() -> None:
        try:
            action()
        except HalError as error:
            raised.append(error)
        ended.append(time.monotonic())

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(after)
    began = time.monotonic()
    then()
    thread.join(30)
    return (raised[0] if raised else None), ended[0] - began


def test_an_abort_passes_a_running_write_pulse_and_leaves_the_rig_safe(slow_virtual: VirtualBench) -> None:
    rig = open_rig(bench_of(slow_virtual))
    rig.route("A1")
    error, took = during(lambda: rig.apply(Pulse(7.0, 2.0)), 0.4, rig.abort)
    assert isinstance(error, BusAborted)
    assert took < 1.0  # 0 V, relays open and read back, while the pulse had 1.6 s to go
    assert not getattr(error, "__notes__", []), error.__notes__  # the safe state was reached
    assert rig.switch.bus.query("print(channel.getclose('allslots'))", 1.0) == "nil"
    with pytest.raises(BusAborted):
        rig.read()
    rig.recover()
    rig.route("A1")
    assert rig.read().resistances[0] > 0
    rig.close()


def test_an_abort_between_two_lines_stops_the_next(slow_virtual: VirtualBench) -> None:
    rig = open_rig(bench_of(slow_virtual))
    rig.route("A1")
    rig.abort()
    before = rig.analyser.bus.writes
    with pytest.raises(BusAborted):
        rig.apply(Pulse(7.0, 2.0))
    assert rig.latched is not None
    assert rig.analyser.bus.writes > before  # only the way to the safe state
    rig.recover()
    rig.close()


def test_aborts_at_any_moment_end_in_the_safe_state(virtual: VirtualBench) -> None:
    rig = open_rig(bench_of(virtual))
    chance = random.Random(7)

    def work() -> None:
        while True:
            rig.route(chance.choice(rig.devices).name)
            rig.apply(Pulse(0.5, 0.8), 2)
            if chance.random() < 0.5:
                rig.make_safe()

    for _ in range(8):
        error, _ = during(work, chance.random() * 0.05, rig.abort)
        assert isinstance(error, BusAborted)
        assert not hasattr(error, "__notes__")
        rig.make_safe()
        assert rig.analyser.outputs() == frozenset()
        assert rig.switch.bus.query("print(channel.getclose('allslots'))", 1.0) == "nil"
        rig.recover()
        rig.route("A1")
        assert len(rig.read(3).resistances) == 3
        rig.make_safe()
    rig.close()


def test_an_abort_while_idle_latches_at_the_next_safe_state(slow_virtual: VirtualBench) -> None:
    rig = open_rig(bench_of(slow_virtual))
    rig.abort()
    rig.make_safe()
    with pytest.raises(BusAborted):
        rig.route("A1")
    rig.recover()
    rig.route("A1")
    rig.close()


def test_instruments_that_die_in_the_middle_latch_the_rig_and_are_not_called_safe() -> None:
    doomed = launch(EXAMPLE, real_time=True)
    try:
        rig = open_rig(bench_of(doomed))
        rig.route("A1")
        error, took = during(lambda: rig.apply(Pulse(7.0, 2.0)), 0.3, doomed.process.kill)
        assert isinstance(error, BusError)
        assert took < 2.0
        assert "the safe state could not be reached" in error.__notes__[0]
        with pytest.raises(BusError):
            rig.read()
        with pytest.raises(UnsafeError, match="0 V is not confirmed, the relays were left as they are"):
            rig.close()
    finally:
        doomed.close()
