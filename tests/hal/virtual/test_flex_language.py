"""FLEX as clients speak it: grammar, golden dialogues, error codes, data formats, read-back."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheostat_hal.virtual.flex import data, parser
from rheostat_hal.virtual.flex.errors import FlexError
from tests.hal.virtual.conftest import A1, ON, Connect, Line, Start, current

NO_ERROR = '+0,"No Error."'

mnemonics = st.builds(
    lambda star, letters, query: star + letters + query,
    st.sampled_from(["", "*"]),
    st.text(string.ascii_uppercase, min_size=1, max_size=7),
    st.sampled_from(["", "?"]),
)
numbers = st.floats(-1e9, 1e9, allow_nan=False)
spellings = st.sampled_from([repr, "{:g}".format, "{:f}".format, "{:e}".format, "{:.3E}".format, "{:+.5G}".format])


@given(mnemonics, st.lists(st.tuples(numbers, spellings), max_size=8), st.sampled_from(["", " "]), st.data())
def test_every_spelling_that_clients_use_is_understood(
    mnemonic: str, sent: list, gap: str, extra: st.DataObject
) -> None:
    texts = [spell(number) for number, spell in sent]
    comma = extra.draw(st.sampled_from([",", ", ", " ,", " , "]))
    assert parser.parse(f"{mnemonic}{gap}{comma.join(texts)}") == (mnemonic, tuple(float(text) for text in texts))


@given(st.lists(st.sampled_from(["DV 1,0,0", "TI1", "ERRX?"]), max_size=12), st.sampled_from([";", "; ", " ;", ";;"]))
def test_a_line_is_split_at_its_semicolons(commands: list[str], separator: str) -> None:
    assert parser.split(separator.join(commands)) == commands


@pytest.mark.parametrize(
    "sent",
    [
        *("FMT 1, 0", "AIT 0, 1", "WV1, 1, 0, 0, 1, 11, 0.001", "WT 0.0,0.0,0.0,0.0,0.0", "fmt1", "MT 0,2e-3,10"),
        *("CN1,2;CL 1,2", "CMM 1, 1", "RI1,-17", "PAD 0", "TSC 1", "MM 1,1", "MM2,1,2", "FL 0", "FL0,1,2", "SSR1,0"),
        *("AV 10", "AV -5,0", "AAD 1,1", "RM 1,1,50", "TM 3", "CM 0", "WAT 1,0.5,0", "TSR", "BC", "DZ", "IN", "CL"),
    ],
)
def test_settings_are_accepted_without_an_error(flex: Line, sent: str) -> None:
    flex.send(sent)
    assert flex.ask("ERRX?") == [NO_ERROR]


@pytest.mark.parametrize(("sent", "code"), [("DV 1,x,0", 102), ("DV 1,0,nan", 102), ("=", 100), ("DV 1,,0", 102)])
def test_what_is_no_command_is_refused(sent: str, code: int) -> None:
    with pytest.raises(FlexError) as refused:
        parser.parse(sent)
    assert refused.value.code == code


GOLDEN = [
    ("*IDN?", r"Agilent Technologies,B1500A,0,A\.06\.02\.2023\.0401"),
    ("UNT?", r"B1517A,0;B1517A,0;B1517A,0;B1517A,0(;0,0){6}"),
    ("UNT? 0", r"(\w+,\w+;){9}\w+,\w+"),
    ("*OPC?", "1"),
    ("*STB?", "24"),  # set ready, interlock open
    ("ERRX?", r'\+0,"No Error\."'),
    ("ERRX? 1", r"\+0"),
    ("ERR?", "0,0,0,0"),
    ("ERR? 1", "0"),
    ("EMG? 100", r"Undefined GPIB command\."),
    ("*CAL?", "0"),
    ("NUB?", "0"),
    ("*LRN? 0", "CL"),
    ("*LRN? 4", "CL4"),
    ("*LRN? 30", "FL0"),
    ("*LRN? 31", "TM1;AV1,0;CM0;FMT1,0"),
    ("*LRN? 32", "RI1,0;RI2,0;RI3,0;RI4,0;RV1,0;RV2,0;RV3,0;RV4,0"),
    ("*LRN? 33", "WM1,1;WT0,0,0,0,0"),
    ("*LRN? 34", r"PT0,0\.001,0\.01,0"),
    ("*LRN? 46", "CMM1,0;CMM2,0;CMM3,0;CMM4,0"),
    ("*LRN? 47", r"MSC1,1;ML1;MT0,0\.002,1000,0"),
    ("*LRN? 53", "SSR1,0;SSR2,0;SSR3,0;SSR4,0"),
    ("*LRN? 54", "RM1,1,50;RM2,1,50;RM3,1,50;RM4,1,50"),
    ("*LRN? 55", "AAD1,0;AAD2,0;AAD3,0;AAD4,0"),
    ("*LRN? 56", "AIT0,0,1;AIT1,0,6;AIT2,0,1;AZ0"),
    ("*LRN? 60", "TSC0"),
    ("*LRN? 110", "PAD0"),
]


def test_a_fresh_instrument_answers_as_the_manual_says(flex: Line) -> None:
    for sent, expected in GOLDEN:
        assert re.fullmatch(expected, flex.ask(sent)[0]), sent


def test_settings_read_back_at_once(flex: Line) -> None:
    flex.send("CN 1,2;DV 1,0,0.5,1e-3;DI 2,0,1E-4,2;FL1,3;CMM 1,1;RI 2,-17;AAD 2,1;AIT 1,1,11;AZ1;FMT11,1;MM 2,1")
    flex.send("WV 1,3,0,0,0.2,11,1e-3;WM2,1;PT 0,0.8,1;PV 2,0,0,1.5,0.01;SSR 4,1;TSC1")
    assert flex.ask("*LRN? 0") == ["CN1,2"]
    assert flex.ask("*LRN? 1") == ["DV1,0,+5.0E-01,+1.0E-03,0,0"]
    assert flex.ask("*LRN? 2") == ["DI2,0,+1.0E-04,+2.0E+00,0,0"]
    assert flex.ask("*LRN? 30") == ["FL0,1,2,4;FL1,3"]
    assert flex.ask("*LRN? 31") == ["TM1;AV1,0;CM0;FMT11,1;MM2,1"]
    assert flex.ask("*LRN? 33") == ["WM2,1;WT0,0,0,0,0;WV1,3,0,+0.0E+00,+2.0E-01,11,+1.0E-03"]
    assert flex.ask("*LRN? 34") == ["PT0,0.8,1,0;PV2,0,+0.0E+00,+1.5E+00,+1.0E-02"]
    assert flex.ask("*LRN? 53") == ["SSR1,0;SSR2,0;SSR3,0;SSR4,1"]
    assert flex.ask("*LRN? 56") == ["AIT0,0,1;AIT1,1,11;AIT2,0,1;AZ1"]
    flex.send("*RST")
    assert flex.ask("*LRN? 0") == ["CL"]
    assert flex.ask("ERRX?") == [NO_ERROR]


@pytest.mark.parametrize(
    ("sent", "code", "text"),
    [
        ("*CLS", 100, "Undefined GPIB command."),
        ("XYZ 1", 100, "Undefined GPIB command."),
        ("DV 1,0,1", 200, "Output channel not enabled."),
        ("TI 1", 200, "Output channel not enabled."),
        ("DV 5,0,1", 153, "No module for the specified channel."),
        ("DV 11,0,1", 121, "Channel number must be 1 to 10."),
        ("DV 1", 103, "Incorrect terminator position."),
        ("FMT 3", 120, "Incorrect parameter value."),
        ("MM 1", 122, "Number of channels must be corrected."),
        ("CN 1;DV 1,7,1", 124, "Incorrect range value for this channel.; SLOT1"),
        ("CN 1;DV 1,0,1,0.2", 123, "Compliance must be set correctly.; SLOT1"),
        ("CN 1;DV 1,0,30,0.1", 123, "Compliance must be set correctly.; SLOT1"),
        ("CN 1;DI 1,0,1e-3", 201, "Compliance must be set.; SLOT1"),
        ("CN 1;DV 1,0,43,0.01", 202, "Interlock circuit must be closed.; SLOT1"),
        ("PV 1,0,-1,1", 126, "Pulse base and peak must be same polarity.; SLOT1"),
        ("MCPT 0,0.001", 120, "Incorrect parameter value."),
        ("MCPT 0,0,0,2", 120, "Incorrect parameter value."),
        ("MCPNT 2,0.1,0.8", 120, "Incorrect parameter value."),  # channel, delay, width
        ("MCPNT 2,0,0.0004", 120, "Incorrect parameter value."),
        ("MCPNX 1,2,1,200,1,-1,0.1", 126, "Pulse base and peak must be same polarity.; SLOT2"),
        ("MCPNX 1,2,3,200,0,1,0.1", 120, "Incorrect parameter value."),
        ("MCPNX 11,2,1,200,0,1,0.1", 120, "Incorrect parameter value."),
        ("MCPNX 1,5,1,200,0,1,0.1", 153, "No module for the specified channel."),
        ("CN;MM 27,2,4;XE", 211, "Source must be set before XE."),
        ("MM 27,2;MCPNX 1,2,1,200,0,1,0.1;XE", 200, "Output channel not enabled."),
        ("RZ 1", 205, "Channel must be in 0 V by DZ before RZ.; SLOT1"),
        ("PT 0,2.1,3", 120, "Incorrect parameter value."),
        ("PT 0,0.0004", 120, "Incorrect parameter value."),
        ("PT 0,1,1.001", 120, "Incorrect parameter value."),
        ("XE", 210, "Measurement mode must be set before XE."),
        ("CN;MM 3,1;XE", 211, "Source must be set before XE."),
    ],
)
def test_refusals_have_their_code_and_stop_their_line(flex: Line, sent: str, code: int, text: str) -> None:
    flex.send(f"{sent};*IDN?")
    assert flex.ask("ERRX?") == [f'{code:+d},"{text}"']
    assert flex.ask("ERRX?") == [NO_ERROR]


def test_what_came_before_the_error_in_its_line_stays_and_nothing_after_it_is_done(flex: Line) -> None:
    flex.send("CN 1,2;DV 1,20,1.5,1E-3;DV 9,0,1;DV 2,20,1.5,1E-3;ERRX?")
    assert flex.is_silent()
    assert flex.ask("*LRN? 1")[0].startswith("DV1,20,+1.5E+00")
    assert flex.ask("*LRN? 2")[0].startswith("DV2,200,+0.0E+00")
    assert flex.ask("ERRX?") == ['+153,"No module for the specified channel."']


def test_a_line_that_is_too_long_is_refused_whole(flex: Line) -> None:
    flex.send("*IDN?;" * 42 + "TSR")
    assert flex.ask("ERRX?") == ['+150,"Command input buffer is full."']


def test_a_line_of_254_characters_is_carried_out(flex: Line) -> None:
    assert flex.ask("TSR;" * 62 + ";*OPC?") == ["1"]


def test_the_error_queue_keeps_thirty(flex: Line) -> None:
    flex.send(*["*CLS"] * 40)
    assert flex.ask("*STB?") == ["56"]
    codes = [flex.ask("ERRX? 1")[0] for _ in range(31)]
    assert codes == ["+100"] * 30 + ["+0"]


def test_reset_keeps_the_errors_and_err_clears_them(flex: Line) -> None:
    flex.send("*CLS", "DV 1,0,1", "*RST")
    assert flex.ask("ERR?") == ["100,200,0,0"]
    assert flex.ask("ERRX?") == [NO_ERROR]


def test_channels_may_be_named_by_slot_or_subchannel(flex: Line) -> None:
    flex.send("CN 101,2")
    assert flex.ask("*LRN? 0") == ["CN1,2"]


def test_other_modules_and_empty_slots(start: Start, connect: tuple[Connect, Connect]) -> None:
    client = connect[0](start(modules=["B1517A", "B1517A", "B1517A", "B1517A", "0", "B1517A"]))
    assert client.ask("UNT?")[0].split(";")[4:6] == ["0,0", "B1517A,0"]
    client.send("CN 6;DV 6,0,1,1e-3;*LRN? 5")
    assert client.is_silent()  # an empty slot has nothing to say
    assert client.ask("*LRN? 6") == ["DV6,0,+1.0E+00,+1.0E-03,0,0"]


def test_an_output_that_is_switched_on_begins_at_0_v_with_the_initial_compliance(flex: Line) -> None:
    flex.send("CN 1;DV 1,20,1.5,0.1;CL 1;CN 1")
    assert flex.ask("*LRN? 1") == ["DV1,200,+0.0E+00,+1.0E-04,0,0"]
    assert current(flex.ask("TV 1,20")[0]) == pytest.approx(0.0, abs=1e-3)


def test_zero_is_remembered_and_restored(flex: Line) -> None:
    flex.send("CN 1;DV 1,0,2,1e-3;DZ 1")
    assert flex.ask("*LRN? 1")[0].startswith("DV1,200,+0.0E+00")
    flex.send("RZ 1")
    assert flex.ask("*LRN? 1") == ["DV1,0,+2.0E+00,+1.0E-03,0,0"]


@given(st.floats(-150.0, 150.0), st.sampled_from([1, 2, 5, 11, 12, 15, 21, 22, 25]))
def test_numbers_survive_every_format(value: float, layout: int) -> None:
    shape = data.FORMATS[layout]
    text = data.reply([data.Datum("V", 3, value)], shape)
    body = text.removesuffix(shape.separator)
    assert len(body) == shape.digits + {"": 0, "letter": 3, "digits": 5}[shape.header]
    assert float(body[-shape.digits :]) == pytest.approx(value, rel=1e-5, abs=1e-90)


def test_data_fit_what_public_clients_match() -> None:
    text = data.reply(
        [data.Datum("I", 1, -1.2345678e-4), data.Datum("V", 2, data.OVER_RANGE, data.ADC_OVER)], data.FORMATS[1]
    )
    assert re.fullmatch(r"[A-Z]AI[+-]\d{1,3}\.\d{3,6}E[+-]\d{2},VBV\+199\.999E\+99\r\n", text)


def test_data_formats_on_the_wire(flex: Line) -> None:
    flex.send(ON, "TSC 1;MM 1,1,2")
    for layout, shape in ((1, r"NAT.{12},NAI.{12}"), (11, r"NAT.{13},NAI.{13}"), (12, r".{13},.{13}")):
        assert re.match(shape, flex.ask(f"FMT {layout};XE;*OPC?", 2)[1]), layout
    assert re.fullmatch(r"000AT.{13},000AI.{13},000BT.{13},000BI.{13}", flex.ask("FMT 21;XE;*OPC?", 2)[1])
    flex.send("FMT 5;TTI 1")
    assert re.fullmatch(rb"NAT.{12},NAI.{12},", flex.sock.recv(100))


def test_high_speed_spots_say_what_they_measure(flex: Line) -> None:
    flex.send(ON)
    shapes = {"TI 1": "NAI", "TV 1": "NAV", "TTI 1": "NAT,NAI", "TTV 1,0": "NAT,NAV", "TIV 1": "NAI,NAV"}
    shapes["TTIV 1,0,0"], shapes["TSQ"], shapes["TDV 1,0,0"] = "NAT,NAI,NAV", "NZT", "NAT"
    for sent, expected in shapes.items():
        assert [item[:3] for item in flex.ask(sent)[0].split(",")] == expected.split(","), sent


def test_the_timer_runs_on_the_instruments_clock(flex: Line) -> None:
    assert flex.ask("TSR;PA 12.5;TSQ") == ["NZT+1.25000E+01"]
    assert flex.ask("FMT 11;CN 1;TSR;TI 1;TSQ", 2)[1] == "NZT+3.000000E-04"  # of 302 us, in steps of 100


def test_a_staircase_comes_back_as_one_block(flex: Line, tsp: Line) -> None:
    tsp.ask(f"channel.close('{','.join(A1)}') print('ready')")
    flex.send(ON, "FMT 1,1;MM 2,3;RI 3,-17;WT 0,0.01;WV 1,3,0,0,0.1,11,0.1")
    items = flex.ask("XE;*OPC?", 2)[1].split(",")
    measured, forced = items[::2], items[1::2]
    assert len(measured) == len(forced) == 22
    assert [item[:3] for item in forced] == ["WAV"] * 21 + ["EAV"]
    assert 700 < -float(forced[10][3:]) / float(measured[10][3:]) < 950
    assert flex.ask("*LRN? 1")[0].startswith("DV1,0,+0.0E+00")


def test_a_sweep_that_reaches_compliance_can_stop_itself(flex: Line, tsp: Line) -> None:
    tsp.ask(f"channel.close('{','.join(A1)}') print('ready')")
    flex.send(ON, "MM 2,1;WM 2,1;WV 1,1,0,0,1,11,1e-3")
    items = flex.ask("XE;*OPC?", 2)[1].split(",")
    letters = "".join(item[0] for item in items)
    assert re.fullmatch(r"N+CV+", letters)
    assert items[-1] == "VAI+199.999E+99"


def test_samples_come_at_their_intervals(flex: Line, tsp: Line) -> None:
    tsp.ask(f"channel.close('{','.join(A1)}') print('ready')")
    flex.send(ON, "FMT 1,1;TSC 1;TSR;MM 10,3;MT 0,0.5,4;MV 1,0,0,0.1,0.1;RI 3,-17")
    items = flex.ask("XE;*OPC?", 2)[1].split(",")
    assert [item[:3] for item in items[:3]] == ["NZX", "NCT", "NCI"]
    assert [float(item[3:]) for item in items[1::3]] == pytest.approx([0.0, 0.5, 1.0, 1.5])
    assert [float(item[3:]) for item in items[::3]] == [1, 2, 3, 4]
