"""Sweeps, sampling and their statuses, other modules, the program memory."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheostat_hal.virtual.flex import data
from rheostat_hal.virtual.flex.sampling import PER_DECADE, following
from rheostat_hal.virtual.parts import VirtualInstruments
from tests.hal.virtual.conftest import A1, ON, Connect, Line, Start, current

NO_ERROR = '+0,"No Error."'
SEVERITY = {  # the mildest first
    **{"N": 0, "G": data.NOT_FOUND, "S": data.STOPPED, "T": data.OTHER_COMPLIANCE, "C": data.COMPLIANCE},
    **{"V": data.ADC_OVER, "X": data.UNSETTLED, "F": data.SATURATED},
}


@pytest.fixture
def routed(flex: Line, tsp: Line) -> Line:
    tsp.ask(f"channel.close('{','.join(A1)}') print('ready')")
    flex.send(ON)
    return flex


def measure(flex: Line, line: str) -> list[str]:
    """The items of the data that an XE in the line makes."""
    return flex.ask(f"{line};*OPC?", 2)[1].split(",")


def letters(items: list[str]) -> str:
    return "".join(item[0] for item in items)


def error_after(flex: Line, line: str) -> str:
    flex.send(line)
    error, rest = flex.ask("ERRX?")[0], flex.ask("ERRX?")[0]
    assert rest == NO_ERROR
    return error.split(",")[0]


@given(st.lists(st.sampled_from(list(SEVERITY)), min_size=1))
def test_the_letter_is_that_of_the_severest_status_and_the_digits_are_the_sum(names: list[str]) -> None:
    status = 0
    for name in names:
        status |= SEVERITY[name]
    datum = data.Datum("I", 1, 1e-3, status)
    severest = max(names, key=list(SEVERITY).index)
    assert data.reply([datum], data.FORMATS[1])[0] == severest
    digits = int(data.reply([datum], data.FORMATS[21])[:3])
    expected = status & 255 | (data.UNSETTLED if status & data.SATURATED else 0)
    assert digits == expected


def test_compliance_shows_in_spots_pulses_sweeps_and_samples(routed: Line) -> None:
    routed.send("DV 1,0,0.1,1e-6")
    assert letters(measure(routed, "MM 1,1,3;XE")) == "CT"
    assert [item[:3] for item in measure(routed, "FMT 21;XE")] == ["008", "004"]
    routed.send("FMT 1;DV 1,0,0;MV 1,0,0,0.1,1e-6;MT 0,0.01,2")
    assert letters(measure(routed, "MM 10,1,3;XE")) == "CTCT"
    routed.send("PT 0,0.001;PV 1,0,0,0.1,1e-6")
    assert letters(measure(routed, "MM 3,1;XE")) == "C"
    assert letters(measure(routed, "MM 3,3;XE")) == "T"
    routed.send("WM 1;WV 1,1,0,0,0.1,2,1e-6")
    assert letters(measure(routed, "MM 2,1,3;XE")) == "NNCT"


def test_two_channels_in_compliance_are_each_others_other(routed: Line) -> None:
    routed.send("FMT 21;DV 1,0,1,1e-5;DV 2,0,-1,1e-5")
    assert [item[:3] for item in measure(routed, "MM 1,1,2,3;XE")] == ["012", "012", "004"]


@pytest.mark.parametrize(
    ("settings", "whole"),
    [
        ("WV 1,1,0,0,0.4,5,5e-4", "NTTTT"),  # compliance of the source, which is not measured
        ("WV 1,1,0,0,0.4,5,0.1;RI 3,-16", "NVVVV"),  # the converter at its end
    ],
)
def test_a_sweep_stops_at_compliance_anywhere_and_at_the_end_of_a_converter(
    routed: Line, settings: str, whole: str
) -> None:
    routed.send(settings, "WM 1;MM 2,3")
    assert letters(measure(routed, "XE")) == whole
    stopped = measure(routed, "WM 2,2;XE")
    assert letters(stopped) == whole[:2] + "VVV"
    assert set(stopped[2:]) == {"VCI+199.999E+99"}
    assert routed.ask("*LRN? 1")[0].startswith("DV1,0,+0.0E+00")  # the start, though WM asks for the stop value


def test_void_data_say_so_in_digits(routed: Line) -> None:
    routed.send("FMT 21;WV 1,1,0,0,0.2,3,1e-5;WM 2;MM 2,1")
    assert [item[:5] for item in measure(routed, "XE")] == ["000AI", "008AI", "192Az"]


def test_a_power_compliance_limits_the_current_and_stops_the_sweep_whatever_wm_says(routed: Line) -> None:
    routed.send("WM 1;MM 2,1;WV 1,1,0,0,0.5,6,0.1,0.001")
    items = measure(routed, "XE")
    stopped = letters(items).index("C")
    assert letters(items) == "N" * stopped + "C" + "V" * (5 - stopped)
    assert current(items[stopped]) == pytest.approx(1e-3 / (0.1 * stopped), rel=0.01)


def test_a_sweep_ends_at_the_value_that_wm_says(routed: Line) -> None:
    for post, value in ((1, "+1.0E-02"), (2, "+1.0E-01")):
        measure(routed, f"WM 1,{post};WV 1,1,0,0.01,0.1,4,0.1;MM 2,3;XE")
        assert routed.ask("*LRN? 1")[0] == f"DV1,0,{value},+1.0E-01,0,0"


def test_one_range_covers_a_sweep_and_with_a_power_compliance_it_follows_the_level(routed: Line) -> None:
    """0.4 mV is less than half a step of the 20 V range."""
    routed.send("SSR 1,1;AAD 1,1;CMM 1,2;RV 1,-5;MM 2,1;WM 1")
    assert abs(current(measure(routed, "WV 1,1,0,0.0004,10,1,0.01;XE")[0])) < 5e-5
    following_level = current(measure(routed, "WV 1,1,0,0.0004,10,1,0.01,2;XE")[0])
    assert following_level == pytest.approx(4e-4, abs=5e-5)


def test_step_delay_counts_from_the_start_of_the_measurement(routed: Line, instruments: VirtualInstruments) -> None:
    routed.send("AAD 3,1;AIT 1,1,25;RI 3,-17;WV 1,1,0,0,0.1,5,0.1;MM 2,3")  # 50 ms a reading
    took = []
    for step_delay in (0.0, 0.02, 0.1):
        measure(routed, f"WT 1,0.01,{step_delay};BC;XE")
        began = instruments.world.clock.now
        measure(routed, "XE")
        took.append((instruments.world.clock.now - began) / 1e9)
    assert took == pytest.approx([1.0 + 5 * 0.0603, 1.0 + 5 * 0.0603, 1.0 + 5 * 0.11], abs=2e-3)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("WSV 2,0,0,1,0.1", "+211"),  # no primary source
        ("WI 1,1,0,0,1e-3,5,2;WSV 2,0,0,1,0.1", "+211"),  # of the other mode
        ("WV 1,1,0,0,1,5,0.1;WSV 1,0,0,1,0.1", "+121"),
        ("WV 1,2,0,0.1,1,5,0.1;WSV 2,0,-1,1,0.1", "+130"),
        ("WV 1,1,0,0,1,5,0.1,3", "+120"),  # W, too much for an HRSMU
        ("MT -0.01,0.01,5", "+120"),  # a negative hold needs an interval under 2 ms
        ("MM 10,1;MT 0,0.01,112;ML 2;XE", "+120"),  # more than 11 decades
        ("MM 10,1;MT 0,0.0005,5;ML 2;XE", "+120"),
        ("MM 10,1;MT 0,0.0005,5;AAD 1,1;XE", "+120"),
        ("MM 10,1,2,3;MT 0,0.00013,5;XE", "+120"),
        ("MM 10,1,2,3;MT 0,0.01,33334;XE", "+120"),
        ("TSR 5", "+153"),
        ("END", "+161"),
        ("ST 1;ST 2", "+160"),
        ("ST 1;*IDN?", "+162"),
        ("ST 1;XYZ", "+100"),
        ("RU 3,2", "+120"),
        ("RI 1,-17.5", "+124"),
        ("RI 1,-8", "+124"),  # 1 pA, with an ASU only
        ("DV 1,2000,10", "+124"),
    ],
)
def test_what_cannot_be_is_refused(flex: Line, line: str, code: str) -> None:
    flex.send(ON)
    assert error_after(flex, line) == code


def test_a_primary_source_forgets_the_synchronous_one(routed: Line) -> None:
    routed.send("WV 2,1,0,0,1,3,0.01;WSV 4,0,0,2,0.01,0.5")
    assert routed.ask("*LRN? 33")[0].endswith(";WSV4,0,+0.0E+00,+2.0E+00,+1.0E-02,+5.0E-01")
    routed.send("WI 1,1,0,0,1e-3,3,2")
    assert routed.ask("*LRN? 33")[0].endswith(";WI1,1,0,+0.0E+00,+1.0E-03,3,+2.0E+00")


@given(st.sampled_from(sorted(PER_DECADE)), st.integers(0, 100_000))
def test_logarithmic_sampling_keeps_the_intervals_nearest_to_even_steps(law: int, step: int) -> None:
    density = PER_DECADE[law]
    after = following(step, law, step + 1)
    assert after > step
    nearest = round(math.log10(after) * density)
    assert abs(10 ** (nearest / density) - after) <= 0.5 + 1e-6 * after
    skipped = [10 ** (k / density) for k in range(max(0, nearest - 3), nearest)]
    assert not [each for each in skipped if step + 0.5 < each < after - 0.5]


def test_sampling_may_begin_before_the_bias(routed: Line) -> None:
    routed.send("FMT 1,1;MM 10,1;RI 1,-17;MT -0.002,0.001,4;MV 1,0,0,0.1,0.1")
    items = measure(routed, "XE")
    assert [abs(current(item)) > 1e-4 for item in items[1::2]] == [False, False, True, True]


def test_channels_that_are_busy_miss_intervals_and_the_index_tells(routed: Line) -> None:
    routed.send("FMT 1,1;TSC 1;AAD 3,1;AIT 1,1,8;RI 3,-17;MV 1,0,0,0.1,0.1;MT 0,0.01,3")  # 16 ms a reading
    items = measure(routed, "TSR;MM 10,3;XE")
    assert [current(item) for item in items[::3]] == [2, 4, 6]
    assert [current(item) for item in items[1::3]] == pytest.approx([0.0, 0.02, 0.04], abs=1e-6)


def test_sampling_stops_at_compliance_when_msc_says_so_and_ends_where_it_says(routed: Line) -> None:
    routed.send("MM 10,1;MT 0,0.01,3;MV 1,0,0.05,0.1,1e-5")
    assert letters(measure(routed, "MSC 1,2;XE")) == "CCC"
    assert routed.ask("*LRN? 1")[0].startswith("DV1,0,+1.0E-01")
    assert letters(measure(routed, "MSC 2,2;XE")) == "CVV"
    assert routed.ask("*LRN? 1")[0].startswith("DV1,0,+5.0E-02")


def test_a_direct_output_takes_the_place_of_a_sampling_source(routed: Line) -> None:
    routed.send("MV 1,0,0,0.1,0.1;MV 2,0,0,0.1,0.1;DV 1,0,0.05")
    assert "MV1" not in routed.ask("*LRN? 47")[0]
    assert "MV2" in routed.ask("*LRN? 47")[0]


def test_the_timer_of_a_channel_starts_with_its_next_output(routed: Line) -> None:
    assert current(routed.ask("TSR;PA 5;TSR 1;PA 2;TSQ")[0]) == pytest.approx(7.0)
    assert current(routed.ask("DV 2,0,0;TSQ")[0]) == pytest.approx(7.0)
    assert current(routed.ask("DV 1,0,0;PA 3;TSQ")[0]) == pytest.approx(3.0)
    assert current(routed.ask("DV 1,0,0;TSQ")[0]) == pytest.approx(3.0)


def test_a_negative_pause_waits_for_a_trigger_and_ab_ends_it(flex: Line) -> None:
    flex.send("PA -1;*IDN?")
    assert flex.is_silent(0.1)
    began = time.monotonic()
    flex.send("AB")
    assert flex.ask("*OPC?") == ["1"]
    assert time.monotonic() - began < 2.0


def test_the_converter_of_pulses_is_read_back_and_leaves_other_readings_alone(
    routed: Line, instruments: VirtualInstruments
) -> None:
    routed.send("AAD 3,1;AIT 1,1,10;AAD 3,2")
    assert "AAD3,2" in routed.ask("*LRN? 55")[0]
    began = instruments.world.clock.now
    routed.ask("TI 3,-17")
    assert (instruments.world.clock.now - began) / 1e9 > 0.02


def test_each_kind_of_smu_has_its_ranges_and_limits(start: Start, connect: tuple[Connect, Connect]) -> None:
    client = connect[0](start(modules=["B1517A", "B1511B", "B1510A", "B1517A"]))
    assert client.ask("UNT?")[0].startswith("B1517A,0;B1511B,0;B1510A,0;B1517A,0;0,0")
    for accepted in ("RI 1,9", "RI 2,11", "RI 3,20", "RV 1,5", "RV 3,15", "CN 3;DV 3,0,10,1"):
        client.send(accepted)
        assert client.ask("ERRX?") == [NO_ERROR], accepted
    for refused, code in (("RI 2,9", "+124"), ("RI 3,10", "+124"), ("RV 3,5", "+124"), ("DV 3,0,30,1", "+123")):
        assert error_after(client, refused) == code, refused


@pytest.mark.parametrize("model", ["B1530A", "0"])
def test_a_slot_without_flex_channels_has_no_module_for_them(
    start: Start, connect: tuple[Connect, Connect], model: str
) -> None:
    client = connect[0](start(modules=[*["B1517A"] * 4, model]))
    for line in ("DV 5,0,1", "DV 501,0,1", "DV 502,0,1", "CN 5", "TI 5", "MM 1,5", "RI 5,0"):
        assert error_after(client, line) == "+153", line
    assert error_after(client, "DV 503,0,1") == "+121"
    client.send("*LRN? 5")
    assert client.is_silent()


def test_programs_are_kept_and_run_later(routed: Line) -> None:
    routed.send("ST 1;DV 1,0,0.1,0.1", "TI 3,-17;END", "ST 7;DV 1,0,0;END", "ST 8;TV 1;END")
    assert routed.ask("*LRN? 1")[0].startswith("DV1,0,+0.0E+00")
    assert routed.ask("DO 1")[0].startswith("NCI-")
    assert routed.ask("*LRN? 1")[0].startswith("DV1,0,+1.0E-01")
    assert routed.ask("RU 7,8")[0].startswith("NAV")
    assert routed.ask("*LRN? 1")[0].startswith("DV1,0,+0.0E+00")
    routed.send("SCR 8;DO 8,1")
    assert routed.receive().startswith("NCI-")
    routed.send("SCR;DO 1")
    assert routed.is_silent()
