"""What the bench does physically: routes, wrong routes, contacts, compliance, pulses, time."""

from __future__ import annotations

import statistics
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheostat_hal.virtual import adc, network
from rheostat_hal.virtual.parts import VirtualInstruments
from tests.hal.virtual.conftest import A1, A2, ON, READING, Connect, Line, Start, current

READ = "DV 1,5,0.1,0.1;TI 3,-17;DV 1,5,0;ERRX?"
PULSES = "MCPT 0,0;MCPNT 2,0,0.8;MCPNT 4,0,0.8;MM 27,2,4;RI 2,-19;RI 4,-19"


def event(voltage: float) -> str:
    return f"MCPNX 1,2,1,200,0,{voltage:g},0.1;MCPNX 2,4,1,200,0,{voltage:g},0.1;XE;{READ}"


def close(tsp: Line, *channels: str) -> None:
    line = f"channel.exclusiveclose('{','.join(channels)}') print(channel.getclose('allslots'))"
    assert tsp.ask(line) == [";".join(sorted(channels))]


def resistance(flex: Line, times: int = 8) -> float:
    return 0.1 / abs(statistics.mean(current(flex.ask(READ, 2)[1]) for _ in range(times)))


@pytest.fixture
def ready(flex: Line) -> Line:
    flex.send(ON, READING, PULSES)
    return flex


def test_a_device_reads_its_resistance_but_for_the_path(
    ready: Line, tsp: Line, instruments: VirtualInstruments
) -> None:
    for number, channels in enumerate((A1, A2)):
        close(tsp, *channels)
        true = instruments.die.resistance(number)
        assert 0.0 < abs(resistance(ready) - true) < 2.0


def test_a_wrong_relay_leaves_an_open_circuit(ready: Line, tsp: Line) -> None:
    for wrong in ((A1[0], A1[1], A2[2], A1[3]), (A1[0], A1[1], "1103", A1[3]), (A1[1], A1[2], A1[3]), ("1501",)):
        close(tsp, *wrong)
        assert abs(current(ready.ask(READ, 2)[1])) < 30e-9


def test_an_open_circuit_leaks_picoamperes(ready: Line, tsp: Line) -> None:
    close(tsp, "1113")  # one terminal of a device, the others float
    ready.send("AIT 1,2,50;AAD 1,1;DV 1,200,10,1e-9")
    assert 1e-11 < current(ready.ask("TI 1,-11")[0]) < 1e-9


def test_two_devices_in_parallel_read_as_both(ready: Line, tsp: Line, instruments: VirtualInstruments) -> None:
    close(tsp, *A1, *A2)
    one, two = (instruments.die.resistance(number) for number in (0, 1))
    assert resistance(ready) == pytest.approx(one * two / (one + two), rel=0.02)


def test_each_closure_draws_its_own_contact(tsp: Line, instruments: VirtualInstruments) -> None:
    drawn = []
    for _ in range(60):
        close(tsp, "1101")
        drawn.append(instruments.world.wiring.contact("1101"))
        close(tsp, "1102")
    assert 0.3 < statistics.mean(drawn) < 0.7
    assert 0.02 < statistics.stdev(drawn) < 0.05


def test_a_relay_that_stays_closed_keeps_its_contact(tsp: Line, instruments: VirtualInstruments) -> None:
    close(tsp, *A1)
    before = [instruments.world.wiring.contact(channel) for channel in A1]
    close(tsp, *A1)
    assert [instruments.world.wiring.contact(channel) for channel in A1] == before


def test_a_new_route_moves_the_reading_and_a_kept_one_does_not(ready: Line, tsp: Line) -> None:
    close(tsp, *A1)
    kept = [resistance(ready, 64) for _ in range(6)]
    routed = []
    for _ in range(12):
        close(tsp, *A2)
        close(tsp, *A1)
        routed.append(resistance(ready, 64))
    assert statistics.stdev(kept) < 0.01
    assert 0.05 < statistics.stdev(routed) < 0.5


def test_same_seed_same_bench_and_other_seed_another(start: Start, connect: tuple[Connect, Connect]) -> None:
    dialogues = []
    for seed in (5, 5, 6):
        instruments = start(seed=seed)
        flex, tsp = (make(instruments) for make in connect)
        flex.send(ON, READING, PULSES)
        close(tsp, *A1)
        dialogues.append([flex.ask(event(3.0), 3) for _ in range(5)])
    assert dialogues[0] == dialogues[1] != dialogues[2]


def test_rows_reach_other_cards_over_the_backplane_only(start: Start, connect: tuple[Connect, Connect]) -> None:
    instruments = start(chain="backplane")
    flex, tsp = (make(instruments) for make in connect)
    flex.send(ON, READING)
    close(tsp, *A1)
    assert 700 < resistance(flex) < 950
    b1 = ("2101", "2202", "2303", "2404")
    close(tsp, *b1)
    assert abs(current(flex.ask(READ, 2)[1])) < 30e-9
    close(tsp, *b1, *(f"{slot}91{row}" for slot in (1, 2) for row in (1, 2, 3, 4)))
    assert 700 < resistance(flex) < 950


def test_an_output_that_is_off_is_open(ready: Line, tsp: Line) -> None:
    close(tsp, *A1)
    ready.send("CL 1")
    ready.send("DV 2,5,0.1")
    floating = current(ready.ask("TI 3,-17;DV 2,5,0")[0])
    ready.send("CN 1;DV 1,0,0,0.1;DV 2,5,0.1")
    grounded = current(ready.ask("TI 3,-17;DV 2,5,0")[0])
    assert abs(floating) > 1.1 * abs(grounded)  # current finds its way through the floating terminal


def test_compliance_holds_the_current_and_the_voltage_falls(ready: Line, tsp: Line) -> None:
    close(tsp, *A1)
    ready.send("DV 1,0,0,0.1;DV 3,0,0,0.1;DV 4,0,0,0.1;DV 2,20,2,1e-3")
    limited = ready.ask("TI 2")[0]
    assert limited[0] == "C"
    assert current(limited) == pytest.approx(1e-3, rel=1e-3)
    voltage = ready.ask("TV 2,0")[0]
    assert voltage[0] == "C"
    assert 0.05 < current(voltage) < 0.5
    assert ready.ask("TI 3,0")[0][0] == "T"


def test_a_current_source_meets_its_voltage_compliance_when_open(ready: Line, tsp: Line) -> None:
    ready.send("DI 1,0,1e-4,2")
    datum = ready.ask("TV 1,0")[0]
    assert datum[0] == "C"
    assert current(datum) == pytest.approx(2.0, rel=1e-3)
    close(tsp, *A1)
    datum = ready.ask("TV 1,0")[0]
    assert datum[0] == "N"
    assert current(datum) < 0.1


def test_the_series_resistor_is_in_the_path(ready: Line, tsp: Line) -> None:
    close(tsp, *A1)
    ready.send("SSR 1,1;DV 1,20,1,1e-3")
    assert current(ready.ask("TI 1,0")[0]) == pytest.approx(1e-6, rel=0.01)


def test_a_read_does_not_move_the_device_and_a_write_pulse_does(
    ready: Line, tsp: Line, instruments: VirtualInstruments
) -> None:
    close(tsp, *A1)
    before = instruments.die.resistance(0)
    for _ in range(20):
        ready.ask(READ, 2)
    assert instruments.die.resistance(0) == before
    error, written, read = ready.ask(event(5.0), 3)
    assert error == '+0,"No Error."'
    assert [item[:3] for item in written.split(",")] == ["NBI", "NDI"]
    assert all(0.01 < current(item) < 0.05 for item in written.split(","))
    assert read.startswith("NCI-")
    assert instruments.die.resistance(0) < before
    low = instruments.die.resistance(0)
    ready.ask(event(-5.0), 3)
    assert instruments.die.resistance(0) > low


def test_what_moves_a_device_is_the_voltage_between_its_pairs_of_terminals(
    ready: Line, tsp: Line, instruments: VirtualInstruments
) -> None:
    close(tsp, *A1)
    before = instruments.die.resistance(0)

    def held(*terminals: int) -> float:
        up, down = (";".join(f"DV {terminal},200,{volts}" for terminal in terminals) for volts in (4, 0))
        ready.ask(f"{up};PA 1;{down};*OPC?")
        return instruments.die.resistance(0)

    assert held(1, 2, 3, 4) == before  # all at one potential
    assert held(1, 2) == before  # as much one way as the other
    raised = held(1, 3)  # the wrong way round
    assert raised > before
    assert held(2, 4) < raised


def test_a_device_connected_by_mistake_is_pulsed_too(ready: Line, tsp: Line, instruments: VirtualInstruments) -> None:
    before = [instruments.die.resistance(number) for number in range(3)]
    close(tsp, *A1, *A2)
    ready.ask(event(5.0), 3)
    after = [instruments.die.resistance(number) for number in range(3)]
    assert after[0] < before[0]
    assert after[1] < before[1]
    assert after[2] == before[2]


def test_a_pulse_held_by_levels_and_pauses_does_what_a_timed_pulse_does(
    start: Start, connect: tuple[Connect, Connect]
) -> None:
    reached = []
    for lines in (
        [event(4.0)],
        ["DV 2,200,4,0.1;DV 4,200,4,0.1;PA 0.8;DV 2,200,0;DV 4,200,0;ERRX?"],
    ):
        instruments = start(seed=9)
        flex, tsp = (make(instruments) for make in connect)
        flex.send(ON, READING, PULSES)
        close(tsp, *A1)
        for line in lines:
            flex.send(line)
        flex.ask("*OPC?")
        instruments.world.integrate()
        reached.append(instruments.die.resistance(0))
    assert reached[0] == pytest.approx(reached[1], rel=1e-12)


def test_a_pulsed_spot_on_one_source_returns_to_its_base(
    ready: Line, tsp: Line, instruments: VirtualInstruments
) -> None:
    close(tsp, *A1)
    before = instruments.die.resistance(0)
    datum = ready.ask("PT 0,0.5,0.6;PV 2,200,0,7,0.1;MM 3,2;XE;ERRX?", 2)[1]
    assert current(datum) > 0.005
    assert ready.ask("*LRN? 2")[0].startswith("DV2,200,+0.0E+00")
    assert instruments.die.resistance(0) < before


def test_pulses_of_different_widths_are_refused(ready: Line) -> None:
    ready.send("MCPNT 2,0,0.5;MCPNX 1,2,1,200,0,1,0.1;MCPNX 2,4,1,200,0,1,0.1;XE")
    assert ready.ask("ERRX?") == ['+120,"Incorrect parameter value."']


def test_the_next_trigger_waits_for_the_period(ready: Line, instruments: VirtualInstruments) -> None:
    ready.send("MCPT 0,2")
    began = instruments.world.clock.now
    for _ in range(3):
        ready.ask("MCPNX 1,2,1,200,0,1,0.1;MCPNX 2,4,1,200,0,1,0.1;XE;*OPC?", 2)
    assert (instruments.world.clock.now - began) / 1e9 == pytest.approx(4.8)


@pytest.mark.parametrize(
    ("width", "period"), [(5e-4, 5e-3), (3e-3, 5e-3), (4e-3, 6e-3), (0.1, 0.102), (0.1001, 0.1101), (2.0, 2.01)]
)
def test_period_0_is_the_shortest_possible(
    ready: Line, instruments: VirtualInstruments, width: float, period: float
) -> None:
    pulses = "MCPNX 1,2,1,200,0,1,0.1;MCPNX 2,4,1,200,0,1,0.1"
    ready.ask(f"MCPT 0,0;MCPNT 2,0,{width};MCPNT 4,0,{width};{pulses};XE;*OPC?", 2)
    began = instruments.world.clock.now
    for _ in range(10):
        ready.ask(f"{pulses};XE;*OPC?", 2)
    assert (instruments.world.clock.now - began) / 1e10 == pytest.approx(period)


def test_virtual_time_costs_nothing(ready: Line, instruments: VirtualInstruments) -> None:
    began, wall = instruments.world.clock.now, time.monotonic()
    ready.ask("PA 99;PA 99;*OPC?")
    assert instruments.world.clock.now - began == 198_000_000_000
    assert time.monotonic() - wall < 2.0


def test_real_time_takes_its_time(start: Start, connect: tuple[Connect, Connect]) -> None:
    client = connect[0](start(real_time=True))
    began = time.monotonic()
    client.ask("PA 0.3;*OPC?")
    assert 0.3 <= time.monotonic() - began < 2.0


def test_relays_operated_under_voltage_are_counted(ready: Line, tsp: Line, instruments: VirtualInstruments) -> None:
    close(tsp, *A1)
    assert instruments.world.hot_switchings == 0
    ready.send("DV 1,5,0.1")
    ready.ask("*OPC?")
    close(tsp, *A2)
    assert instruments.world.hot_switchings > 0


def test_relays_take_their_time(tsp: Line, instruments: VirtualInstruments) -> None:
    began = instruments.world.clock.now
    close(tsp, *A1)
    close(tsp, *A2)
    assert (instruments.world.clock.now - began) / 1e9 == pytest.approx(0.004 * 3)


@pytest.mark.parametrize(
    ("settings_", "code", "noise", "resolution"),
    [
        ("AAD 3,1;AIT 1,1,11", 17, 3.1e-9, 1e-9),
        ("AAD 3,1;AIT 1,1,1", 17, 10e-9, 1e-9),
        ("AAD 3,1;AIT 1,1,1", 18, 100e-9, 10e-9),
        ("AAD 3,0;AIT 0,1,1", 17, 101e-9, 50e-9),
        ("AAD 3,0;AIT 0,1,1", 18, 1.01e-6, 500e-9),
        ("AAD 3,0;AIT 0,1,100", 17, 10.1e-9, 0.5e-9),
    ],
)
def test_noise_and_resolution_follow_range_converter_and_averaging(
    ready: Line, tsp: Line, settings_: str, code: int, noise: float, resolution: float
) -> None:
    close(tsp, *A1)
    ready.send("FMT 11", settings_, "DV 1,5,0.1")
    got = [current(ready.ask(f"TI 3,-{code}")[0]) for _ in range(400)]
    assert statistics.stdev(got) == pytest.approx(noise, rel=0.15)
    steps = np.array(got) / resolution
    assert np.allclose(steps, np.round(steps), atol=1e-2)


def test_eleven_samples_read_800_ohm_to_two_hundredths(ready: Line, tsp: Line) -> None:
    close(tsp, *A1)
    got = [0.1 / abs(current(ready.ask(READ, 2)[1])) for _ in range(400)]
    assert 0.015 < statistics.stdev(got) < 0.027


def test_a_fixed_range_that_is_too_small_says_so(ready: Line, tsp: Line) -> None:
    close(tsp, *A1)
    assert ready.ask("DV 1,5,0.1;TI 3,-16;DV 1,5,0")[0] == "VCI-199.999E+99"


def test_auto_ranging_changes_at_115_percent() -> None:
    ranges, top = adc.CURRENT_RANGES, 0.1
    assert adc.choose_range(0, 114e-6, ranges, top) == pytest.approx(1e-4)
    assert adc.choose_range(0, 116e-6, ranges, top) == pytest.approx(1e-3)
    assert adc.choose_range(17, 1e-9, ranges, top) == pytest.approx(1e-3)
    assert adc.choose_range(-16, 1e-3, ranges, top) == pytest.approx(1e-4)


def test_more_samples_take_more_time(ready: Line, instruments: VirtualInstruments) -> None:
    took = []
    for line in ("AIT 1,1,11", "AIT 1,1,110", "AIT 1,2,1"):
        ready.ask(f"{line};*OPC?")
        began = instruments.world.clock.now
        ready.ask("TI 3,-17")
        took.append((instruments.world.clock.now - began) / 1e9)
    assert took == pytest.approx([3e-4 + 11 * 2e-3, 3e-4 + 110 * 2e-3, 3e-4 + 0.02])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 3), st.integers(1, 8))
def test_the_network_agrees_with_a_dense_solution(seed: int, devices: int, inner: int) -> None:
    rng = np.random.default_rng(seed)
    m, n = 3, 3 + inner + 4 * devices
    base = np.zeros((n, n + 1))
    base[:, -1] = 1e-6
    for _ in range(3 * n):
        a, b = rng.choice(n, 2, replace=False)
        base[a, b] += 0.01
        base[b, a] = base[a, b]
    terminals = np.array([3 + inner + 4 * d + np.arange(4) for d in range(devices)], dtype=np.int64).reshape(-1, 4)
    g = rng.uniform(1e-4, 1e-2, (devices, 6))
    sources = np.array([[1, 0, 2.0, 100.0], [1, 1, 0.01, 1e6], [0, 0, 5.0, 1.0]])
    v, i, limited = np.zeros(n), np.zeros(m), np.zeros(m, np.int64)
    network.solve(base, terminals, g, sources, v, i, limited)
    full = base[:, :n].copy()
    for nodes, siemens in zip(terminals, g, strict=True):
        for (a, b), value in zip(((0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (1, 3)), siemens, strict=True):
            full[nodes[a], nodes[b]] += value
            full[nodes[b], nodes[a]] += value
    laplacian = np.diag(full.sum(1) + base[:, -1]) - full
    injected = laplacian @ v
    assert v[0] == pytest.approx(2.0)
    assert injected[0] == pytest.approx(i[0], abs=1e-9)
    assert injected[1] == pytest.approx(0.01, abs=1e-9)
    assert np.allclose(injected[2:], 0.0, atol=1e-9)
    assert not limited.any()


def test_an_event_line_costs_well_under_a_millisecond(ready: Line, tsp: Line) -> None:
    """Processor time of server and this client together, the best of some batches."""
    close(tsp, *A1)
    ready.ask(event(1.0), 3)
    best = 1.0
    for _ in range(5):
        began = time.process_time()
        for _ in range(50):
            ready.ask(event(1.0), 3)
        best = min(best, (time.process_time() - began) / 50)
    assert best < 1e-3
