"""The SPGU as source of write pulses: its exact lines, what arrives at a device, a whole rig of the virtual bench."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from rheostat_hal import bench
from rheostat_hal.bench_rig import BenchRig, open_rig
from rheostat_hal.bus import VisaBus
from rheostat_hal.bus_replay import ReplayBus
from rheostat_hal.drivers.spgu import SpguAnalyser
from rheostat_hal.errors import IdentityError, InstrumentError, RefusedError, ReplyError, UnsafeError
from rheostat_hal.values import Event, Pulse, Status
from rheostat_hal.virtual.parts import VirtualInstruments
from tests.hal.virtual.spgu_bench import D1, PULSER, ROW, crossbar

OK = '< +0,"No Error."'
AT_ZERO = f"""
< NCV+0.00000E+00
< NDV+1.00000E-04
{OK}
"""
IDLE = "> SPST?\n< 0\n"
CONFIGURE = f"""
> *RST;ERRX?
{OK}
> FMT 1,0;AAD 4,0;AIT 0,1,20;ERMOD 1;SIM 0;SPRM 1,1;SPM 101,1;SPPER 0.0010001;ERRX?
{OK}
"""
READY = f"> CN 3,4,101;DV 3,5,0,0.01;DV 4,5,0,0.01;ERSSP 0,1;TV 3,20;TV 4,20;ERRX?{AT_ZERO}{IDLE}"
READ = "DV 3,5,-0.1,0.01;TI 4,-17;DV 3,5,0;ERRX?"


def pulse_line(load: str, voltage: str = "0.8", width: str = "2e-07") -> str:
    return (
        f"ERSSP 0,2;SER 101,{load};SPV 101,1,0,{voltage};SPT 101,1,0,{width},2.4e-08;SPUPD 101;SRP;PA 0.0011;"
        f"ERSSP 0,1;{READ}"
    )


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> bench.Bench:
    return crossbar(tmp_path_factory.mktemp("bench"))


def playing(chosen: bench.Bench, dialogue: str) -> tuple[SpguAnalyser, ReplayBus]:
    assert chosen.spgu is not None
    bus = ReplayBus(dialogue)
    return SpguAnalyser(bus, chosen.analyser, chosen.spgu, chosen.limits), bus


def test_configuring_makes_single_pulses_of_source_1_with_a_period_for_the_longest(chosen: bench.Bench) -> None:
    analyser, bus = playing(chosen, CONFIGURE)
    analyser.configure()
    bus.close()


def test_outputs_are_switched_on_once_and_0_v_is_confirmed_before_each_route(chosen: bench.Bench) -> None:
    again = f"> SPP;DV 3,5,0,0.01;DV 4,5,0,0.01;ERSSP 0,1;TV 3,20;TV 4,20;ERRX?{AT_ZERO}{IDLE}"
    analyser, bus = playing(chosen, READY + again)
    analyser.ready()
    analyser.ready()
    bus.close()


def test_an_event_is_one_line_with_the_load_that_was_read_last(chosen: bench.Bench) -> None:
    dialogue = f"""
    > {READ}
    < NDI+2.50000E-04
    {OK}
    > {pulse_line("400")}
    < NDI+2.60000E-04
    {OK}
    > {pulse_line("384.6154", "-0.95", "3.5e-07")}
    < NDI+2.50000E-04
    {OK}
    """
    analyser, bus = playing(chosen, dialogue)
    first = analyser.event(None, 1)
    assert first.resistances == pytest.approx([400.0])
    assert math.isnan(first.energy)
    second = analyser.event(Pulse(0.8, 200e-9), 1)
    assert second.resistances == pytest.approx([384.6154])
    assert math.isnan(second.write_current)
    assert second.energy == pytest.approx(0.8**2 * 190e-9 * 0.5 * (1 / 400.0 + 1 / 384.6154))
    assert second.duration == pytest.approx(1.1e-3 + 3e-4 + 20 * 2e-6)
    assert analyser.event(Pulse(-0.95, 350e-9), 1).pulse == Pulse(-0.95, 350e-9)
    assert bus.writes == 3
    assert len(pulse_line("384.6154", "-0.95", "3.5e-07")) <= 250
    bus.close()


@pytest.mark.parametrize("unknown", ["after a route", "after a pulse without a reading"])
def test_a_device_of_unknown_resistance_is_read_before_its_pulse(chosen: bench.Bench, unknown: str) -> None:
    read = f"> {READ}\n< NDI+2.50000E-04\n{OK}\n"
    bare = pulse_line("400").replace(READ, "ERRX?")
    dialogue = {"after a route": READY, "after a pulse without a reading": f"{read}> {bare}\n{OK}\n"}[unknown]
    analyser, bus = playing(chosen, f"{dialogue}{read}> {pulse_line('400')}\n< NDI+2.60000E-04\n{OK}\n")
    if unknown == "after a route":
        analyser.ready()
    else:
        assert analyser.event(Pulse(0.8, 200e-9), 0).resistances == ()
    event = analyser.event(Pulse(0.8, 200e-9), 1)
    assert event.currents == (2.6e-4,)  # the reading that sets the correction is not among the event's
    assert event.duration == pytest.approx(1.1e-3 + 2 * (3e-4 + 20 * 2e-6))
    bus.close()


@pytest.mark.parametrize(
    ("says", "load"), [("NDI+1.00000E-08", "1000000"), ("NDI+1.00000E-02", "40"), ("VDI+199.999E+99", "40")]
)
def test_the_load_of_an_open_or_shorted_device_stays_within_what_the_manual_recommends(
    chosen: bench.Bench, says: str, load: str
) -> None:
    dialogue = f"> {READ}\n< {says}\n{OK}\n> {pulse_line(load)}\n< NDI+2.60000E-04\n{OK}\n"
    analyser, bus = playing(chosen, dialogue)
    status = analyser.event(None, 1).status
    assert status == (Status.OVER_RANGE if says[0] == "V" else Status.OK)
    assert analyser.event(Pulse(0.8, 200e-9), 1).energy > 0.0
    bus.close()


def test_a_reading_beyond_its_range_gives_no_energy(chosen: bench.Bench) -> None:
    read = f"> {READ}\n< NDI+2.50000E-04\n{OK}\n"
    analyser, bus = playing(chosen, f"{read}> {pulse_line('400')}\n< VDI+199.999E+99\n{OK}\n")
    analyser.event(None, 1)
    event = analyser.event(Pulse(0.8, 200e-9), 1)
    assert event.status is Status.OVER_RANGE
    assert math.isnan(event.energy)
    bus.close()


def test_readings_that_do_not_fit_beside_the_pulse_go_into_more_lines(chosen: bench.Bench) -> None:
    first = pulse_line("400").replace("TI 4,-17;", "TI 4,-17;" * 13)
    rest = READ.replace("TI 4,-17;", "TI 4,-17;" * 12)
    dialogue = f"> {READ}\n< NDI+2.5E-04\n{OK}\n"
    for line, count in ((first, 13), (rest, 12)):
        assert len(line) <= 250
        dialogue += f"> {line}\n" + "< NDI+2.5E-04\n" * count + f"{OK}\n"
    analyser, bus = playing(chosen, dialogue)
    assert len(analyser.event(Pulse(0.8, 200e-9), 25).resistances) == 25
    bus.close()


@pytest.mark.parametrize(
    ("pulse", "said"),
    [
        (Pulse(2.1, 1e-7), "2.1 V"),
        (Pulse(-2.1, 1e-7), "-2.1 V"),
        (Pulse(1.0, 2e-3), "0.002 s"),
        (Pulse(1.0, 4e-8), "4e-08 s"),
        (Pulse(math.nan, 1e-7), "nan V"),
    ],
)
def test_a_pulse_outside_the_limits_is_refused_before_anything_is_sent(
    chosen: bench.Bench, pulse: Pulse, said: str
) -> None:
    analyser, bus = playing(chosen, "")
    with pytest.raises(RefusedError, match=said):
        analyser.event(pulse, 1)
    bus.close()


def test_making_safe_stops_the_generator_and_confirms_0_v(chosen: bench.Bench) -> None:
    safe = f"> SPP;DZ;TV 3,20;TV 4,20;ERRX?{AT_ZERO}{IDLE}> CL;ERRX?\n{OK}\n> *LRN? 0\n< CL\n"
    analyser, bus = playing(chosen, READY + safe)
    analyser.ready()
    analyser.zero()
    analyser.off()
    bus.close()


def test_an_output_that_somebody_else_left_on_is_taken_to_0_v_and_not_measured(chosen: bench.Bench) -> None:
    analyser, bus = playing(chosen, f"> *LRN? 0\n< CN8\n> SPP;DZ;ERRX?\n{OK}\n")  # a module without a TV
    analyser.zero()
    bus.close()


def test_outputs_that_are_off_need_no_making_safe(chosen: bench.Bench) -> None:
    analyser, bus = playing(chosen, "> *LRN? 0\n< CL\n")
    analyser.zero()
    bus.close()


@pytest.mark.parametrize(
    ("replies", "error"),
    [
        (f"< NCV+0.00000E+00\n< NDV+1.00000E-01\n{OK}\n", UnsafeError),
        (f"< NCV+0.00000E+00\n< NDV+0.00000E+00\n{OK}\n> SPST?\n< 1\n", UnsafeError),
        (f"< NCV+0.00000E+00\n< NDV+0.00000E+00\n{OK}\n> SPST?\n< hello\n", ReplyError),
    ],
)
def test_0_v_that_is_not_confirmed_is_an_error(chosen: bench.Bench, replies: str, error: type[Exception]) -> None:
    analyser, bus = playing(chosen, f"> *LRN? 0\n< CN3,4,101\n> SPP;DZ;TV 3,20;TV 4,20;ERRX?\n{replies}")
    with pytest.raises(error):
        analyser.zero()
    bus.close()


@pytest.mark.parametrize(
    ("modules", "said"),
    [
        ("B1517A,0;0,0;B1517A,0;B1517A,0;0,0", "the write channel is wired to slot 1, which holds B1517A"),
        ("B1525A,0;0,0;B1517A,0;0,0;0,0", "column is wired to slot 4, which holds no module"),
    ],
)
def test_a_missing_module_is_an_identity_error(chosen: bench.Bench, modules: str, said: str) -> None:
    analyser, _ = playing(chosen, f"> UNT? 0\n< {modules}\n> UNT? 0\n< {modules}\n")
    with pytest.raises(IdentityError, match=said):
        analyser.discover()


# ---- on the virtual bench ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def instruments(chosen: bench.Bench) -> Iterator[VirtualInstruments]:
    made = VirtualInstruments(chosen)
    made.world.operate((), D1)
    yield made
    made.close()


@pytest.fixture
def analyser(chosen: bench.Bench, instruments: VirtualInstruments) -> Iterator[SpguAnalyser]:
    """As a rig leaves it when a device is routed."""
    bus = VisaBus(instruments.flex.resource, library="@py", terminator="\r\n", ready=1, abort_line="AB", safe_line="DZ")
    assert chosen.spgu is not None
    # readings as exact as they come: what is tested is the correction
    exact = dataclasses.replace(chosen.analyser, adc="high-resolution", averaging=100, read_range=1e-2, timeout=1.0)
    started = SpguAnalyser(bus, exact, chosen.spgu, chosen.limits)
    started.resynchronise()
    started.discover()
    started.configure()
    started.ready()
    yield started
    started.zero()
    started.off()
    started.close()


@pytest.fixture
def peaks(instruments: VirtualInstruments, monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """(V across the device, s) of all that it was held at."""
    steps: list[tuple[float, float]] = []
    monkeypatch.setattr(instruments.die, "across", (0.5, 0.5, -0.5, -0.5))
    monkeypatch.setattr(instruments.die, "step", lambda _, volts, width: steps.append((volts, width)) or False)
    return steps


@pytest.mark.parametrize(
    ("pulse", "readings"),
    [(Pulse(0.7, 160e-9), 1), (Pulse(0.995, 350e-9), 1), (Pulse(-0.995, 350e-9), 1), (Pulse(1.1, 1e-4), 0)],
)
def test_the_voltage_at_the_device_is_the_one_that_was_asked_for(
    analyser: SpguAnalyser,
    instruments: VirtualInstruments,
    peaks: list[tuple[float, float]],
    pulse: Pulse,
    readings: int,
) -> None:
    """Within 1 %, behind two relays that the correction takes as part of the device. Not corrected, the 50 ohm would
    leave 71 % of it at a device of 120 ohm."""
    contacts = sum(instruments.world.wiring.contact(channel) for channel in D1)
    event = analyser.event(pulse, readings)
    instruments.world.integrate()
    assert event.pulse == pulse
    peak, lasted = max(peaks, key=lambda step: abs(step[0]))
    path = analyser.event(None, 1).resistances[0]
    assert peak * path / (path - contacts) == pytest.approx(pulse.voltage, rel=0.01)
    assert lasted == pytest.approx(pulse.width - 30e-9, abs=2e-9)
    volt_seconds = sum(volts * width for volts, width in peaks if abs(volts) > 0.11) * path / (path - contacts)
    assert volt_seconds == pytest.approx(pulse.voltage * pulse.width, rel=0.03)


def test_a_read_is_by_the_smu_at_minus_the_read_voltage(
    analyser: SpguAnalyser, instruments: VirtualInstruments, peaks: list[tuple[float, float]]
) -> None:
    event = analyser.event(None, 4)
    assert len(event.resistances) == 4
    assert {round(volts, 2) for volts, _ in peaks} == {-0.1}
    assert event.status == Status.OK
    assert instruments.world.wiring.is_joined(ROW)
    assert not instruments.world.wiring.is_joined(PULSER)


def test_an_event_takes_the_time_that_passes_on_the_bench(
    analyser: SpguAnalyser, instruments: VirtualInstruments
) -> None:
    began = instruments.world.clock.now
    told = sum(analyser.event(Pulse(0.7, 2e-7), 2).duration for _ in range(5))
    assert told == pytest.approx((instruments.world.clock.now - began) / 1e9, rel=0.02)


def test_a_train_is_read_after_each_of_its_pulses(analyser: SpguAnalyser) -> None:
    pulses = [Pulse(voltage, 160e-9) for voltage in (0.7, 0.8, 0.9)]
    events = analyser.train(pulses, 2, "states")
    assert [event.pulse for event in events] == pulses * 2
    assert all(len(event.resistances) == 1 for event in events)


def test_a_train_with_a_pulse_that_is_refused_is_not_begun(
    analyser: SpguAnalyser, instruments: VirtualInstruments
) -> None:
    began = instruments.world.clock.now
    with pytest.raises(RefusedError):
        analyser.train([Pulse(0.7, 160e-9), Pulse(0.7, 1.0)], 1, "states")
    assert instruments.world.clock.now == began


def test_an_error_in_the_middle_of_a_line_carries_its_number(analyser: SpguAnalyser) -> None:
    """Without the selector's mode the line stops at its first sentence, before any pulse."""
    analyser.command("ERMOD 0")
    analyser.event(None, 1)
    with pytest.raises(InstrumentError) as caught:
        analyser.event(Pulse(0.7, 2e-7), 1)
    assert caught.value.number == 120


def test_an_abort_from_another_thread_leaves_the_generator_idle_at_0_v(
    analyser: SpguAnalyser, instruments: VirtualInstruments
) -> None:
    analyser.command(f"SPRM 0;SPV {PULSER},1,0,1;SPUPD {PULSER};SRP")
    analyser.abort()
    analyser.resynchronise()
    analyser.zero()
    assert not instruments.analyser.spgus.running
    assert instruments.world.solution().voltages[instruments.world.index[PULSER]] == 0.0


# ---- a whole rig ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hfs2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BenchRig, VirtualInstruments]]:
    wanted = crossbar(tmp_path_factory.mktemp("bench"), "hfs2-2t")
    made = VirtualInstruments(wanted)
    rig = open_rig(bench.with_resources(wanted, made.flex.resource, made.tsp.resource))
    yield rig, made
    rig.close()
    made.close()


def conductance(event: Event) -> float:
    return 1.0 / event.resistances[-1]


def test_the_rig_is_written_by_what_its_bench_file_says(hfs2: tuple[BenchRig, VirtualInstruments]) -> None:
    rig, _ = hfs2
    assert isinstance(rig.analyser, SpguAnalyser)
    assert dict(rig.identities[0].modules) == {1: "B1525A", 3: "B1517A", 4: "B1517A"}


def test_pulses_move_the_device_that_is_routed_and_reads_do_not(hfs2: tuple[BenchRig, VirtualInstruments]) -> None:
    rig, made = hfs2
    rig.route("D1")
    other = made.die.resistance(1)
    before = rig.read(3)
    assert conductance(before) == pytest.approx(1.0 / made.die.resistance(0), rel=0.01)
    assert conductance(rig.read(1)) == pytest.approx(conductance(before), rel=2e-3)
    potentiated = rig.train([Pulse(0.95, 300e-9)] * 10)
    depressed = rig.train([Pulse(-0.95, 300e-9)] * 10)
    assert conductance(before) + 3e-4 < conductance(potentiated[-1])
    assert conductance(depressed[-1]) < conductance(potentiated[-1]) - 5e-4
    assert made.die.resistance(1) == other


def test_the_energy_is_estimated_from_the_readings(hfs2: tuple[BenchRig, VirtualInstruments]) -> None:
    rig, _ = hfs2
    rig.route("D2")
    before = rig.read(1)
    event = rig.apply(Pulse(0.9, 250e-9), 1)
    mean = 0.5 * (conductance(before) + conductance(event))
    assert event.energy == pytest.approx(mean * 0.9**2 * 240e-9)


def test_relays_and_selector_never_switch_under_voltage(hfs2: tuple[BenchRig, VirtualInstruments]) -> None:
    rig, made = hfs2
    rig.route("D1")
    rig.apply(Pulse(0.9, 250e-9), 1)
    rig.route("D2")
    rig.make_safe()
    assert made.world.hot_switchings == 0
    assert made.world.wiring.closed == ()
    assert not any(channel.on for channel in made.analyser.spgus.channels.values())


def test_a_rig_without_the_write_module_is_an_identity_error(tmp_path: Path) -> None:
    wanted = crossbar(tmp_path, "hfs2-2t")
    made = VirtualInstruments(
        dataclasses.replace(wanted, spgu=None, analyser=dataclasses.replace(wanted.analyser, smus=())),
        modules=("0", "0", "B1517A", "B1517A"),
    )
    with pytest.raises(IdentityError, match="the write channel is wired to slot 1, which holds no module"):
        open_rig(bench.with_resources(wanted, made.flex.resource, made.tsp.resource))
    made.close()
