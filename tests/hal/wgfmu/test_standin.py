"""The stand-in against the library's documented functions, codes and limits, called as C."""

from __future__ import annotations

import time
from ctypes import byref, c_char_p, c_double, c_int, create_string_buffer

import pytest

from rheostat_hal.drivers.wgfmu.library import FUNCTIONS
from rheostat_hal.virtual.wgfmu.state import TABLE

DC, FAST_IV, PG, SMU = 2000, 2001, 2002, 2003
AVERAGED, RAW = 12000, 12001
ROW, COLUMN = 201, 202


def doubles(*values):
    return (c_double * len(values))(*values)


def prepare(raw, *vectors, loops=1.0, channel=ROW, current=False):
    """A pattern "p" of (dt, V) on a channel in Fast IV mode, connected."""
    assert raw("createPattern", b"p", 0.0) == 0
    for dt, volts in vectors:
        assert raw("addVector", b"p", dt, volts) == 0
    assert raw("setOperationMode", channel, FAST_IV) == 0
    if current:
        assert raw("setMeasureMode", channel, 4001) == 0
    assert raw("addSequence", channel, b"p", loops) == 0
    assert raw("connect", channel) == 0


def run(raw):
    assert raw("execute") == 0
    assert raw("waitUntilCompleted") == 0
    assert raw.status() == 10000


def sizes(raw, channel):
    measured, total = c_int(), c_int()
    code = raw("getMeasureValueSize", channel, byref(measured), byref(total))
    return code, measured.value, total.value


def values(raw, channel, offset=0, room=100):
    size, times, found = c_int(room), (c_double * room)(), (c_double * room)()
    code = raw("getMeasureValues", channel, offset, byref(size), times, found)
    return code, list(times[: size.value]), list(found[: size.value])


def test_it_has_the_functions_of_the_driver_with_the_same_arguments():
    assert {name: entry.arguments for name, entry in TABLE.items()} == FUNCTIONS


# every code the library documents, with a call that earns it: (code, function, arguments), after `prepared` below
ERRORS = [
    (-1, "createPattern", (b"q", 10.5)),
    (-1, "addVector", (b"p", 4e-9, 0.0)),
    (-1, "addVector", (b"p", 11000.0, 0.0)),
    (-1, "addVector", (b"p", 1e-8, -10.1)),
    (-1, "addVectors", (b"p", doubles(1e-8), doubles(0.0), 0)),
    (-1, "setVector", (b"p", 1.5e-8, 0.0)),
    (-1, "setVector", (b"p", -1e-8, 0.0)),
    (-1, "setMeasureEvent", (b"p", b"e", 0.0, 0, 1e-8, 0.0, AVERAGED)),
    (-1, "setMeasureEvent", (b"p", b"e", 0.0, 1, 5e-9, 0.0, AVERAGED)),
    (-1, "setMeasureEvent", (b"p", b"e", 0.0, 1, 1.35, 0.0, AVERAGED)),
    (-1, "setMeasureEvent", (b"p", b"e", 0.0, 1, 1e-3, 5e-9, AVERAGED)),
    (-1, "setMeasureEvent", (b"p", b"e", 0.0, 1, 1e-3, 0.021, AVERAGED)),
    (-1, "setMeasureEvent", (b"p", b"e", 0.0, 1, 1e-8, 0.0, 12002)),
    (-1, "setRangeEvent", (b"p", b"e", 0.0, 6006)),
    (-1, "createMergedPattern", (b"q", b"p", b"p", 9002)),
    (-1, "createMultipliedPattern", (b"q", b"p", 0.0, 1.0)),
    (-1, "createMultipliedPattern", (b"q", b"p", 0.001, 1.0)),
    (-1, "createOffsetPattern", (b"q", b"p", -1e-6, 0.0)),
    (-1, "addSequence", (ROW, b"p", 0.0)),
    (-1, "addSequence", (ROW, b"p", 1e13)),
    (-1, "setOperationMode", (ROW, 2004)),
    (-1, "setMeasureCurrentRange", (ROW, 6000)),
    (-1, "setForceDelay", (ROW, 51e-9)),
    (-1, "setTimeout", (0.5,)),
    (-1, "setWarningLevel", (5,)),
    (-2, "createPattern", (b"", 0.0)),
    (-2, "createPattern", (None, 0.0)),
    (-2, "setMeasureEvent", (b"p", b"", 0.0, 1, 1e-8, 0.0, AVERAGED)),
    (-2, "openLogFile", (b"/no/such/folder/file",)),
    (-3, "openSession", (b"again",)),
    (-3, "setMeasureEvent", (b"p", b"e", 0.0, 11, 1e-7, 1e-8, AVERAGED)),
    (-3, "setRangeEvent", (b"p", b"e", 1.1e-6, 6004)),
    (-3, "dcforceVoltage", (ROW, 0.1)),
    (-3, "execute", ()),
    (-4, "setOperationMode", (ROW, PG)),
    (-9, "connect", (203,)),
    (-9, "setOperationMode", (101, DC)),
    (-10, "addVector", (b"nothing", 1e-8, 0.0)),
    (-10, "addSequence", (ROW, b"nothing", 1.0)),
    (-12, "createPattern", (b"p", 0.0)),
    (-13, "waitUntilCompleted", ()),
]


@pytest.mark.parametrize(("code", "name", "arguments"), ERRORS, ids=[f"{e[1]}{e[0]}-{k}" for k, e in enumerate(ERRORS)])
def test_a_refused_call_returns_its_code_and_leaves_a_line_in_the_summary(raw, code, name, arguments):
    assert raw("createPattern", b"p", 0.0) == 0
    assert raw("addVector", b"p", 1e-6, 0.0) == 0
    assert raw(name, *arguments) == code
    assert raw.summary().startswith(f"[{code}] WGFMU_{name}: ")
    size = c_int()
    assert raw("getErrorSize", byref(size)) == 0
    text = create_string_buffer(size.value + 1)
    assert raw("getError", text, byref(size)) == 0
    assert text.value.decode() == raw.summary()
    assert raw("getErrorSize", byref(size)) == 0
    assert size.value == 0  # told once, while the summary stays
    assert raw("clear") == 0
    assert raw.summary() == ""


def test_without_a_session_the_instrument_cannot_be_asked(raw):
    assert raw("closeSession") == 0
    for name, *arguments in (("closeSession",), ("initialize",), ("execute",), ("connect", ROW)):
        assert raw(name, *arguments) == -3


def test_an_error_pending_in_the_mainframe_refuses_the_session_until_it_is_drained(serve, raw):
    _, instruments = serve()
    other = type(raw)(instruments.resources["wgfmu"])
    address = instruments.flex.resource.encode()
    port = type("Port", (), {"reply": lambda *_: None, "clear": lambda *_: None})()
    instruments.analyser.run("*CLS", port)
    assert other("openSession", address) == -6
    assert "error queue" in other.summary()
    instruments.analyser.run("ERRX?", port)
    assert other("openSession", address) == 0


def test_a_wrong_address_and_a_lost_connection_are_communication_errors(serve, raw):
    _, instruments = serve()
    other = type(raw)(instruments.resources["wgfmu"])
    assert other("openSession", b"GPIB0::17::INSTR") == -5
    assert other("openSession", instruments.flex.resource.encode()) == 0
    other.handle._state.link._sock.shutdown(2)
    assert other("initialize") == -5
    assert other("closeSession") == 0
    assert other("openSession", instruments.flex.resource.encode()) == 0


def test_results_before_the_end_of_a_run_are_not_ready_and_after_a_change_of_the_setup_out_of_date(raw):
    assert sizes(raw, ROW)[0] == -13
    prepare(raw, (1.0, 0.0), loops=20.0)
    assert raw("setMeasureEvent", b"p", b"e", 0.0, 3, 1e-3, 0.0, AVERAGED) == 0
    run(raw)
    assert sizes(raw, ROW) == (0, 60, 60)
    assert raw("setMeasureEvent", b"p", b"f", 0.5, 1, 1e-3, 0.0, AVERAGED) == 0
    assert sizes(raw, ROW)[0] == -15
    assert values(raw, ROW)[0] == -15


def test_a_run_in_real_time_is_not_ready_and_keeps_its_voltage_when_it_is_aborted(serve, raw):
    _, instruments = serve(real_time=True)
    slow = type(raw)(instruments.resources["wgfmu"])
    assert slow("openSession", instruments.flex.resource.encode()) == 0
    prepare(slow, (1e-3, 0.2), (1.0, 0.2))
    assert slow("setMeasureEvent", b"p", b"e", 0.0, 3, 1e-3, 0.0, AVERAGED) == 0
    assert slow("execute") == 0
    assert slow.status() == 10002
    assert sizes(slow, ROW)[0] == -14
    begun = time.monotonic()
    assert slow("abort") == 0
    assert time.monotonic() - begun < 0.5
    assert slow.status() == 10004
    assert instruments.modules.channels[ROW].volts == pytest.approx(0.2)


def test_more_results_than_a_channel_holds_are_refused(raw):
    prepare(raw, (1e-3, 0.0), loops=4001.0)
    assert raw("setMeasureEvent", b"p", b"e", 0.0, 1000, 1e-6, 0.0, AVERAGED) == 0
    assert raw("execute") == -3
    assert raw("setMeasureEnabled", ROW, 7000) == 0
    assert raw("execute") == 0


def test_a_waveform_beyond_the_range_of_its_channel_is_refused(raw):
    prepare(raw, (1e-6, 3.5))
    assert raw("setForceVoltageRange", ROW, 3001) == 0
    assert raw("execute") == -3
    assert raw("setForceVoltageRange", ROW, 3002) == 0
    assert raw("update") == 0


def test_raw_data_are_all_samples_and_averaged_data_one_a_point(raw):
    prepare(raw, (1e-6, 0.0), (1e-6, 0.0), loops=2.0)
    assert raw("setMeasureEvent", b"p", b"raw", 0.0, 1, 1e-7, 1e-7, RAW) == 0
    assert raw("setMeasureEvent", b"p", b"mean", 1e-6, 4, 1e-7, 1e-7, AVERAGED) == 0
    run(raw)
    assert sizes(raw, ROW) == (0, 50, 50)
    _, times, found = values(raw, ROW)
    assert times[:22] == pytest.approx([k * 5e-9 for k in range(21)] + [1.05e-6])
    assert times[25:46] == pytest.approx([2e-6 + k * 5e-9 for k in range(21)])
    assert all(abs(value) < 0.02 for value in found)
    assert values(raw, ROW, offset=21, room=4)[1] == pytest.approx([1.05e-6, 1.15e-6, 1.25e-6, 1.35e-6])
    assert values(raw, ROW, offset=51)[0] == -1


def test_an_event_of_the_sequence_is_found_by_pattern_loop_and_use(raw):
    prepare(raw, (1e-6, 0.0), loops=2.0)
    assert raw("createPattern", b"q", 0.0) == 0
    assert raw("addVector", b"q", 1e-6, 0.0) == 0
    assert raw("addSequences", ROW, (c_char_p * 2)(b"q", b"p"), doubles(1.0, 3.0), 2) == 0
    assert raw("setMeasureEvent", b"p", b"e", 0.0, 2, 1e-8, 0.0, AVERAGED) == 0
    assert raw("setMeasureEvent", b"q", b"f", 0.0, 5, 1e-8, 0.0, AVERAGED) == 0
    run(raw)

    def find(pattern, event, use, loop):
        found = [c_int() for _ in range(4)]
        code = raw("isMeasureEventCompleted", ROW, pattern, event, use, loop, 0, *map(byref, found))
        return code, [each.value for each in found]

    assert find(b"p", b"e", 0, 1.0) == (0, [11001, 1, 2, 2])
    assert find(b"q", b"f", 0, 0.0) == (0, [11001, 2, 4, 5])
    assert find(b"p", b"e", 1, 2.0) == (0, [11001, 5, 13, 2])
    assert find(b"p", b"f", 0, 0.0)[0] == -11
    assert find(b"p", b"e", 1, 3.0)[0] == -11


def test_an_event_takes_the_place_of_those_it_overlaps(raw):
    prepare(raw, (1e-6, 0.0))
    assert raw("setMeasureEvent", b"p", b"old", 0.0, 10, 1e-8, 0.0, AVERAGED) == 0
    assert raw("setMeasureEvent", b"p", b"new", 5e-8, 3, 1e-8, 0.0, AVERAGED) == 0
    run(raw)
    assert sizes(raw, ROW) == (0, 3, 3)


def test_patterns_are_made_of_patterns(raw):
    book = raw.handle._state.book
    prepare(raw, (1e-6, 1.0), (1e-6, 0.0))
    assert raw("createMergedPattern", b"long", b"p", b"p", 9000) == 0
    assert raw("createMergedPattern", b"high", b"p", b"p", 9001) == 0
    assert raw("createMultipliedPattern", b"fast", b"p", 0.5, -2.0) == 0
    assert raw("createOffsetPattern", b"late", b"p", 1e-6, 0.5) == 0
    assert raw("setVectors", b"p", doubles(1e-6, 3e-6), doubles(0.7, 0.1), 2) == 0
    assert (book.patterns["long"].times, book.patterns["long"].volts) == ([0, 100, 200, 300, 400], [0, 1, 0, 1, 0])
    assert book.patterns["high"].volts == [0, 2, 0]
    assert (book.patterns["fast"].times, book.patterns["fast"].volts) == ([0, 50, 100], [0, -2, 0])
    assert (book.patterns["late"].times, book.patterns["late"].volts) == ([0, 100, 200, 300], [0.5, 0.5, 1.5, 0.5])
    assert (book.patterns["p"].times, book.patterns["p"].volts) == ([0, 100, 200, 300], [0, 0.7, 0, 0.1])


def test_setup_and_errors_go_into_files(raw, tmp_path):
    prepare(raw, (1e-6, 0.5))
    assert raw("exportAscii", str(tmp_path / "setup").encode()) == 0
    assert (tmp_path / "setup.csv").read_text().splitlines() == [
        "pattern,p",
        "0.0,0.0",
        "1e-06,0.5",
        "sequence,201,p,1.0",
    ]
    assert raw("openLogFile", str(tmp_path / "log").encode()) == 0
    assert raw("connect", 999) == -9
    assert raw("closeLogFile") == 0
    assert (tmp_path / "log").read_text() == "[-9] WGFMU_connect: channel 999 is not a WGFMU channel here\n"


def test_self_test_passes(raw):
    result, size = c_int(-1), c_int(10)
    for name in ("doSelfTest", "doSelfCalibration"):
        assert raw(name, byref(result), create_string_buffer(11), byref(size)) == 0
        assert result.value == 0


def test_a_channel_in_dc_mode_measures_what_it_forces(raw):
    assert raw("setOperationMode", ROW, DC) == 0
    assert raw("connect", ROW) == 0
    assert raw("dcforceVoltage", ROW, 0.3) == 0
    value = c_double()
    assert raw("dcmeasureAveragedValue", ROW, 5000, 1, byref(value)) == 0
    assert value.value == pytest.approx(0.3, abs=1e-3)
    assert raw("dcmeasureValue", ROW, byref(value)) == 0
    assert value.value == pytest.approx(0.3, abs=0.05)
    assert raw("dcforceVoltage", ROW, 11.0) == -1
    assert raw("dcmeasureAveragedValue", ROW, 65536, 1, byref(value)) == -1
    assert raw("initialize") == 0
    assert raw("setOperationMode", ROW, DC) == 0
    assert raw("dcmeasureAveragedValue", ROW, 5000, 1, byref(value)) == 0
    assert value.value == pytest.approx(0.0, abs=1e-3)
