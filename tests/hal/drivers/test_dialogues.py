"""The exact bytes sent, as dialogues played back against the drivers: what the manuals were read to say."""

from __future__ import annotations

import dataclasses
import math

import pytest

from rheostat_hal import bench
from rheostat_hal.bench_rig import BenchRig
from rheostat_hal.bus_replay import ReplayBus
from rheostat_hal.drivers.b1500a import B1500A
from rheostat_hal.drivers.k3706a import K3706A
from rheostat_hal.errors import (
    BusTimeout,
    IdentityError,
    InstrumentError,
    RefusedError,
    ReplyError,
    SwitchError,
    UnsafeError,
)
from rheostat_hal.values import Pulse, Status
from tests.hal.dialogues.play import part

BENCH = bench.load()
OK = '< +0,"No Error."'
OPENED = part("connect", "analyser"), part("connect", "switch")
READY, ROUTE = part("route", "analyser"), part("route", "switch")
EVENT = part("apply", "analyser")
SAFE, OPEN_ALL = part("safe", "analyser"), part("safe", "switch")
SECURED = part("secured", "analyser"), part("secured", "switch")
CONFIRM_ZERO = SAFE.split("> CL;")[0]
PULSE_LINE, ROUTE_LINE = (dialogue.split("\n")[0].removeprefix("> ") for dialogue in (EVENT, ROUTE))


def rig_playing(analyser: str = "", switch: str = "") -> tuple[BenchRig, ReplayBus, ReplayBus]:
    """An opened rig whose instruments go on with these dialogues."""
    buses = ReplayBus(OPENED[0] + analyser), ReplayBus(OPENED[1] + switch)
    rig = BenchRig(BENCH, *buses)
    rig.recover()
    return rig, *buses


def finish(*buses: ReplayBus) -> None:
    for bus in buses:
        bus.close()


def analyser_playing(dialogue: str, **changes: object) -> tuple[B1500A, ReplayBus]:
    limits = dataclasses.replace(BENCH.limits, **changes)  # type: ignore[arg-type]
    bus = ReplayBus(dialogue)
    return B1500A(bus, BENCH.analyser, limits), bus


def test_opening_identifies_makes_safe_and_configures() -> None:
    rig, *buses = rig_playing()
    finish(*buses)
    analyser, switch = rig.identities
    assert (analyser.model, analyser.serial, analyser.firmware) == ("B1500A", "MY55231213", "A.06.02.2023.0401")
    assert analyser.modules == tuple((slot, "B1517A") for slot in range(1, 5))
    assert (switch.model, switch.modules) == ("3706A-SNFP", tuple((slot, "3730") for slot in range(1, 7)))


def test_an_output_that_somebody_else_left_on_is_taken_to_0_v_and_not_measured() -> None:
    analyser, bus = analyser_playing(f"> *LRN? 0\n< CN2,901\n> DZ;TV 2,20;ERRX?\n< NBV+0.00000E+00\n{OK}\n")
    analyser.zero()
    bus.close()


def test_routing_confirms_0_v_before_a_relay_moves_and_is_one_line_each() -> None:
    rig, analyser, switch = rig_playing(READY, ROUTE)
    before = analyser.writes, switch.writes
    assert rig.route("A1") == pytest.approx(0.008)
    assert (analyser.writes - before[0], switch.writes - before[1]) == (1, 1)
    finish(analyser, switch)


def test_one_event_is_one_write_to_the_bus() -> None:
    rig, analyser, switch = rig_playing(READY + EVENT, ROUTE)
    rig.route("A1")
    before = analyser.writes, switch.writes
    event = rig.apply(Pulse(3.125, 0.8), readings=2)
    assert (analyser.writes - before[0], switch.writes - before[1]) == (1, 0)
    assert event.resistances == pytest.approx((800.0, 799.936), abs=1e-3)
    assert event.write_current == pytest.approx(0.037)
    assert event.energy == pytest.approx(3.125 * 0.037 * 0.8)
    assert event.duration == pytest.approx(0.8 + 2 * (3e-4 + 11 * 2e-3))
    assert event.status == Status.OK
    assert len(PULSE_LINE) <= 250
    finish(analyser, switch)


def test_replies_are_told_apart_by_form_in_any_order() -> None:
    shuffled = f"""
    > {PULSE_LINE}
    {OK}
    < NCI-1.25000E-04
    < NBI+1.90000E-02,NDI+1.80000E-02
    < NCI-1.25010E-04
    """
    analyser, bus = analyser_playing(shuffled)
    assert analyser.event(Pulse(3.125, 0.8), 2).resistances == pytest.approx((800.0, 799.936), abs=1e-3)
    bus.close()


def test_pulse_timing_is_sent_only_when_it_changes() -> None:
    line = "MCPNX 1,2,1,200,0,-1.5,0.1;MCPNX 2,4,1,200,0,-1.5,0.1;XE;DV 1,5,0.1,0.1;TI 3,-17;DV 1,5,0;ERRX?"
    answer = f"< NBI-1.00000E-02,NDI-1.00000E-02\n< NCI-1.25000E-04\n{OK}\n"
    analyser, bus = analyser_playing(f"> MCPT 0,0;MCPNT 2,0,0.002;MCPNT 4,0,0.002;{line}\n{answer}> {line}\n{answer}")
    events = [analyser.event(Pulse(-1.5, 0.002), 1) for _ in range(2)]
    assert [event.energy for event in events] == pytest.approx([1.5 * 0.02 * 0.002] * 2)
    bus.close()


def test_readings_that_do_not_fit_into_one_line_go_into_more() -> None:
    def line(count: int) -> str:
        return f"DV 1,5,0.1,0.1;{'TI 3,-17;' * count}DV 1,5,0;ERRX?"

    counts = (24, 24, 2)
    dialogue = "".join(f"> {line(n)}\n" + "< NCI-1.25000E-04\n" * n + f"{OK}\n" for n in counts)
    analyser, bus = analyser_playing(dialogue)
    assert len(analyser.event(None, 50).resistances) == 50
    assert all(len(line(n)) <= 250 for n in counts)
    assert bus.writes == 3
    bus.close()


def test_many_readings_after_a_pulse_leave_every_line_within_its_length() -> None:
    pulse = "MCPT 0,0;MCPNT 2,0,0.8;MCPNT 4,0,0.8;MCPNX 1,2,1,200,0,-3.125,0.1;MCPNX 2,4,1,200,0,-3.125,0.1;XE;"
    first, rest = 13, 2
    dialogue = f"> {pulse}DV 1,5,0.1,0.1;{'TI 3,-17;' * first}DV 1,5,0;ERRX?\n< NBI-1.0E-02,NDI-1.0E-02\n"
    dialogue += "< NCI-1.25000E-04\n" * first + OK + "\n"
    dialogue += f"> DV 1,5,0.1,0.1;{'TI 3,-17;' * rest}DV 1,5,0;ERRX?\n" + "< NCI-1.25000E-04\n" * rest + OK
    analyser, bus = analyser_playing(dialogue)
    assert len(analyser.event(Pulse(-3.125, 0.8), 15).resistances) == 15
    bus.close()


def test_a_step_of_100_s_is_held_in_pieces_and_named_as_a_risk() -> None:
    analyser, bus = analyser_playing(
        f"""
        > DV 2,200,-6,0.1;DV 4,200,-6,0.1;PA 50;PA 50;TI 2,-19;TI 4,-19;DV 2,200,0;DV 4,200,0;ERRX?
        < NBI-3.00000E-02
        < NDI-3.00000E-02
        {OK}
        """,
        host_timed=True,
        max_width=100.0,
    )
    event = analyser.event(Pulse(-6.0, 100.0), 0)
    assert event.energy == pytest.approx(6 * 0.06 * 100)
    risk = analyser.risk(Pulse(-6.0, 100.0))
    assert risk is not None
    assert "leaves the device at -6 V" in risk
    assert analyser.risk(Pulse(-6.0, 2.0)) is None
    bus.close()


@pytest.mark.parametrize(
    ("pulse", "said"),
    [
        (Pulse(7.001, 0.8), "allows 7 V"),
        (Pulse(math.nan, 0.8), "allows 7 V"),
        (Pulse(math.inf, 0.8), "allows 7 V"),
        (Pulse(1.0, 3.0), "0.0005 to 2 s"),
        (Pulse(1.0, 1e-4), "0.0005 to 2 s"),
        (Pulse(1.0, math.nan), "0.0005 to 2 s"),
    ],
)
def test_a_pulse_outside_the_limits_is_refused_before_anything_is_sent(pulse: Pulse, said: str) -> None:
    rig, analyser, switch = rig_playing(READY + EVENT, ROUTE)
    rig.route("A1")
    before = analyser.writes
    with pytest.raises(RefusedError, match=said):
        rig.apply(pulse)
    assert analyser.writes == before
    rig.apply(Pulse(3.125, 0.8), readings=2)  # not latched
    finish(analyser, switch)


@pytest.mark.parametrize("pulse", [Pulse(6.9996, 0.8), Pulse(-6.9996, 0.8), Pulse(1.0, 0.80006)])
def test_a_limit_between_two_steps_of_the_instrument_is_not_rounded_up(pulse: Pulse) -> None:
    analyser, bus = analyser_playing("", max_voltage=6.9997, max_width=0.80007)
    with pytest.raises(RefusedError):
        analyser.event(pulse, 1)
    bus.close()


def test_mode_and_timing_of_pulses_are_sent_again_after_the_outputs_were_off() -> None:
    again = READY + EVENT + SAFE
    rig, analyser, switch = rig_playing(again + again, ROUTE + OPEN_ALL + ROUTE + OPEN_ALL)
    for _ in range(2):
        rig.route("A1")
        rig.apply(Pulse(3.125, 0.8), readings=2)
        rig.make_safe()
    finish(analyser, switch)


def test_making_safe_confirms_0_v_opens_reads_back_and_switches_off() -> None:
    rig, analyser, switch = rig_playing(READY + SAFE, ROUTE + OPEN_ALL)
    rig.route("A1")
    rig.make_safe()
    finish(analyser, switch)


def test_relays_stay_as_they_are_when_0_v_cannot_be_confirmed() -> None:
    stuck = CONFIRM_ZERO.replace("NBV+0.00000E+00", "NBV+6.99900E+00")
    again = SECURED[0].split("> CL;")[0].replace("< CL", "< CN1,2,3,4") + stuck
    rig, analyser, switch = rig_playing(READY + stuck + again, ROUTE)
    rig.route("A1")
    with pytest.raises(UnsafeError, match=r"SMU 2 is at 6\.999 V"):
        rig.make_safe()
    finish(analyser, switch)


def test_no_relay_moves_for_a_route_when_0_v_cannot_be_confirmed() -> None:
    found_on = SECURED[0].split("> CL;")[0].replace("< CL", "< CN1,2,3,4")
    still_up = found_on + CONFIRM_ZERO.replace("NBV+0", "NBV+6")
    rig, analyser, switch = rig_playing(READY.replace("NBV+1.00000E-04", "NBV+6.99900E+00") + still_up)
    with pytest.raises(UnsafeError, match=r"SMU 2 is at 6\.999 V") as caught:
        rig.route("A1")
    assert "the relays were left as they are" in caught.value.__notes__[0]
    finish(analyser, switch)  # not a line to the switch


def test_compliance_and_over_range_are_statuses_of_a_reading() -> None:
    analyser, bus = analyser_playing(
        f"""
        > DV 1,5,0.1,0.1;TI 3,-17;TI 3,-17;TI 3,-17;DV 1,5,0;ERRX?
        < VCI+199.999E+99
        < CCI-1.00000E-03
        < NCI-3.00000E-09
        {OK}
        """
    )
    event = analyser.event(None, 3)
    assert event.status == Status.OVER_RANGE | Status.COMPLIANCE
    assert event.resistances == pytest.approx((0.0, 100.0, math.inf))
    assert math.isnan(event.energy)
    assert math.isnan(event.write_current)
    bus.close()


def test_an_error_in_mid_line_that_silences_the_rest_is_found_made_safe_and_latched() -> None:
    rig, analyser, switch = rig_playing(READY + part("error", "analyser") + SECURED[0], ROUTE + SECURED[1])
    rig.route("A1")
    analyser.write("CL")  # behind the driver's back
    with pytest.raises(InstrumentError) as caught:
        rig.apply(Pulse(3.125, 0.8), readings=2)
    assert (caught.value.number, caught.value.text) == (200, "Output channel not enabled.")
    assert isinstance(caught.value.__cause__, BusTimeout)
    for again in (lambda: rig.read(), lambda: rig.route("A1"), lambda: rig.apply(Pulse(1.0, 0.8))):
        with pytest.raises(InstrumentError, match="200 Output channel not enabled"):
            again()
    finish(analyser, switch)


def test_an_error_report_in_answer_to_a_line_is_raised_with_all_that_followed_it() -> None:
    analyser, bus = analyser_playing(
        f"""
        > DV 1,5,0.1,0.1;TI 3,-17;DV 1,5,0;ERRX?
        < +123,"Compliance."
        > ERRX?
        < +124,"Range."
        > ERRX?
        {OK}
        """
    )
    with pytest.raises(InstrumentError, match=r"analyser: 123 Compliance\.; then Range\."):
        analyser.event(None, 1)
    bus.close()


def test_replies_that_come_late_are_thrown_away_and_the_silence_stays_an_error() -> None:
    line = "DV 1,5,0.1,0.1;TI 3,-17;DV 1,5,0;ERRX?"
    analyser, bus = analyser_playing(
        f"""
        > {line}
        ! silence
        ! cleared
        > *IDN?
        < NCI-1.25000E-04
        {OK}
        < Agilent Technologies,B1500A,MY55231213,A.06.02.2023.0401
        > ERRX?
        < Agilent Technologies,B1500A,MY55231213,A.06.02.2023.0401
        {OK}
        > {line}
        < NCI-1.00000E-04
        {OK}
        """
    )
    with pytest.raises(BusTimeout):
        analyser.event(None, 1)
    assert analyser.event(None, 1).resistances == pytest.approx((1000.0,))
    bus.close()


@pytest.mark.parametrize("garbage", ["\ufffd\ufffdx", "NCI-1.25", "hello", "1,2,3", "NCI-1.25000E-04,", "+0,No Error"])
def test_an_answer_that_is_none_of_those_possible_is_a_reply_error(garbage: str) -> None:
    analyser, bus = analyser_playing(f"> DV 1,5,0.1,0.1;TI 3,-17;DV 1,5,0;ERRX?\n< {garbage}")
    with pytest.raises(ReplyError, match="answers nothing in"):
        analyser.event(None, 1)
    bus.close()


def test_data_of_another_channel_is_a_reply_error() -> None:
    analyser, bus = analyser_playing("> DV 1,5,0.1,0.1;TI 3,-17;DV 1,5,0;ERRX?\n< NBI-1.25000E-04")
    with pytest.raises(ReplyError, match="is more than"):
        analyser.event(None, 1)
    bus.close()


@pytest.mark.parametrize(
    "says",
    ["KEITHLEY INSTRUMENTS INC.,MODEL 3706A-SNFP,04447336,01.56a", "Agilent Technologies,E5270B,0,B.01.10"],
)
def test_another_instrument_is_not_taken_for_the_analyser(says: str) -> None:
    analyser, bus = analyser_playing(f"! cleared\n> *IDN?\n< {says}")
    with pytest.raises(IdentityError, match="is not a B1500A"):
        analyser.resynchronise()
    bus.close()


def test_something_that_answers_nonsense_is_not_taken_for_the_analyser() -> None:
    analyser, bus = analyser_playing("! cleared\n> *IDN?\n< HTTP/1.1 400 Bad Request\n! silence")
    with pytest.raises(IdentityError, match=r"HTTP/1\.1 400"):
        analyser.resynchronise()
    bus.close()


def test_a_terminal_wired_to_a_slot_without_an_smu_is_an_identity_error() -> None:
    analyser, bus = analyser_playing("> UNT? 0\n< B1517A,0;B1525A,0;B1517A,0;B1517A,0;0,0;0,0;0,0;0,0;0,0;0,0")
    with pytest.raises(IdentityError, match="T2 is wired to slot 2, which holds B1525A, not an SMU"):
        analyser.discover()
    bus.close()


def switch_playing(dialogue: str, **changes: object) -> tuple[K3706A, ReplayBus]:
    bus = ReplayBus(dialogue)
    return K3706A(bus, dataclasses.replace(BENCH.switch, **changes)), bus  # type: ignore[arg-type]


def test_other_cards_than_the_bench_says_are_an_identity_error() -> None:
    identify = "> *IDN?" + OPENED[1].split("> *IDN?")[1].removesuffix(OPEN_ALL)
    other = identify.replace("3730,6x16 High Density Matrix,01.40h,4447335", "Empty Slot")
    switch, bus = switch_playing(other)
    with pytest.raises(IdentityError, match="slot 6 holds no card, the bench says 3730"):
        switch.identify()
    bus.close()


def test_a_relay_that_did_not_close_is_a_switch_error() -> None:
    switch, bus = switch_playing(f"> {ROUTE_LINE}\n< nil\t1101,1202,1303\t0.00000e+00")
    with pytest.raises(SwitchError, match=r"not closed: \['1404'\]"):
        switch.route(("1101", "1202", "1303", "1404"))
    bus.close()


def test_a_relay_that_did_not_open_keeps_the_others_open() -> None:
    switch, bus = switch_playing(f"> {ROUTE_LINE}\n< 2101\t2101\t0.00000e+00")
    with pytest.raises(SwitchError, match="still closed after opening all: 2101"):
        switch.route(("1101", "1202", "1303", "1404"))
    bus.close()


def test_an_error_of_the_switch_carries_its_number_and_text() -> None:
    switch, bus = switch_playing(
        f"""
        > {ROUTE_LINE}
        < nil	nil	1.00000e+00
        > print(errorqueue.next())
        < 1.11500e+03	Parameter error	2.00000e+01	1.00000e+00
        > print(errorqueue.next())
        < 0.00000e+00	Queue Is Empty	0.00000e+00	0.00000e+00
        """
    )
    with pytest.raises(InstrumentError) as caught:
        switch.route(("1101", "1202", "1303", "1404"))
    assert (caught.value.instrument, caught.value.number, caught.value.text) == ("switch", 1115, "Parameter error")
    bus.close()


def test_rows_joined_over_the_backplane_close_its_relays_in_both_slots() -> None:
    line = (
        "channel.open('allslots') local o=channel.getclose('allslots') if o==nil then "
        "channel.close('2101,2202,2303,2404,1911,1912,1913,1914,2911,2912,2913,2914') end "
        "print(o,channel.getclose('allslots'),errorqueue.count)"
    )
    closed = "1911;1912;1913;1914;2101;2202;2303;2404;2911;2912;2913;2914"
    switch, bus = switch_playing(f"> {line}\n< nil\t{closed}\t0.00000e+00", chain="backplane")
    switch.route(("2101", "2202", "2303", "2404"))
    bus.close()


def test_backplane_relays_that_do_not_energise_are_a_switch_error() -> None:
    """With a card's interlock open its backplane relays stay silently where they are."""
    switch, bus = switch_playing("", chain="backplane")
    relays = switch.relays(("2101", "2202", "2303", "2404"))
    bus = ReplayBus(f"> {ROUTE_LINE.replace('1101,1202,1303,1404', ','.join(relays))}\n< nil\t2101;2202;2303;2404\t0")
    switch.bus = bus
    with pytest.raises(SwitchError, match="'1911'"):
        switch.route(("2101", "2202", "2303", "2404"))
    bus.close()


def test_the_first_card_needs_no_backplane() -> None:
    switch, _ = switch_playing("", chain="backplane")
    assert switch.relays(("1101", "1202")) == ("1101", "1202")


def test_an_unknown_device_is_refused_with_names_near_it() -> None:
    rig, *buses = rig_playing()
    with pytest.raises(RefusedError, match="no device 'A11'; near it: A1"):
        rig.route("A11")
    finish(*buses)


def test_reading_without_a_route_is_refused() -> None:
    rig, *buses = rig_playing()
    with pytest.raises(RefusedError, match="no device is routed"):
        rig.read()
    finish(*buses)
