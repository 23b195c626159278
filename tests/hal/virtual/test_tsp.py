"""TSP as scripts speak it: replies, channel lists, silence about errors, the sandbox."""

from __future__ import annotations

import time

import pytest

from rheostat_hal.virtual.parts import VirtualInstruments
from tests.hal.virtual.conftest import Connect, Line, Start

READY = "print('ready')"


def run(tsp: Line, script: str) -> None:
    """A script that prints nothing."""
    tsp.send(script)
    assert tsp.ask(READY) == ["ready"]


def errors(tsp: Line) -> list[int]:
    count = int(float(tsp.ask("print(errorqueue.count)")[0]))
    return [int(float(tsp.ask("print(errorqueue.next())")[0].split("\t")[0])) for _ in range(count)]


@pytest.mark.parametrize(
    ("script", "reply"),
    [
        ("*IDN?", "KEITHLEY INSTRUMENTS INC.,MODEL 3706A-SNFP,04447336,01.56a"),
        ("*OPC?", "1"),
        ("*STB?", "0"),
        ("print(1)", "1.00000e+00"),
        ("print(-0.25, true, false, nil, 'text')", "-2.50000e-01\ttrue\tfalse\tnil\ttext"),
        ("print()", ""),
        ("format.asciiprecision = 3 print(1)", "1.00e+00"),
        ("print(slot[1].idn)", "3730,6x16 High Density Matrix,01.40h,4447331"),
        (
            "print(slot[1].interlock.state, slot[1].rows.matrix, slot[1].columns.matrix)",
            "1.00000e+00\t6.00000e+00\t1.60000e+01",
        ),
        ("print(channel.connectrule)", "1.00000e+00"),
        ("channel.connectrule = channel.OFF print(channel.connectrule)", "0.00000e+00"),
        ("print(channel.getclose('allslots'))", "nil"),
        ("print(channel.getforbidden('slot1'))", "nil"),
        ("print(channel.getbackplane('1101'))", "nil"),
        ("print(channel.getdelay('1101,1102'))", "0.00000e+00,0.00000e+00"),
        ("print(channel.getstate('1101:1103'))", "0,0,0"),
        ("print(errorqueue.next())", "0.00000e+00\tQueue Is Empty\t0.00000e+00\t0.00000e+00"),
        ("print(memory.available())", "51.56, 92.84, 100.00, 100.00"),
        ("print(gpib.address, comm.gpib.enable, comm.lan.enable)", "1.60000e+01\ttrue\ttrue"),
        ("comm.lan.enable = false print(comm.lan.enable)", "false"),
        ("print(lan.status.ipaddress)", "127.0.0.1"),
        ("print(localnode.model, localnode.serialno, localnode.prompts)", "3706A-SNFP\t04447336\t0.00000e+00"),
        ("x = 2 print(x)", "2.00000e+00"),
        ("local s = '' for n = 1, 3 do s = s .. n end print(s)", "123"),
    ],
)
def test_replies_look_as_the_instrument_prints_them(tsp: Line, script: str, reply: str) -> None:
    assert tsp.ask(script) == [reply]


def test_an_empty_slot_says_so(start: Start, connect: tuple[Connect, Connect]) -> None:
    instruments = start()
    instruments.multiplexer._cards.pop(6)
    assert connect[1](instruments).ask("print(slot[6].idn, slot[6].interlock.state)") == ["Empty Slot\tnil"]


def test_globals_last_between_lines_and_locals_do_not(tsp: Line) -> None:
    run(tsp, "kept = 'yes' local gone = 'no'")
    assert tsp.ask("print(kept, gone)") == ["yes\tnil"]


def test_one_line_may_print_several_lines(tsp: Line) -> None:
    assert tsp.ask("for n = 1, 3 do print(n) end", 3) == ["1.00000e+00", "2.00000e+00", "3.00000e+00"]


@pytest.mark.parametrize(
    ("channels", "closed"),
    [
        ("'1101'", "1101"),
        ('"1101, 2202"', "1101;2202"),
        ("'2202;1101'", "1101;2202"),
        ("'1101:1104'", "1101;1102;1103;1104"),
        ("'1115:1202'", "1115;1116;1201;1202"),
        ("'1911:1912,1101'", "1101;1911;1912"),
        ("''", "nil"),
    ],
)
def test_channel_lists(tsp: Line, channels: str, closed: str) -> None:
    assert tsp.ask(f"channel.close({channels}) print(channel.getclose('allslots'))") == [closed]


def test_patterns_stand_for_their_channels(tsp: Line) -> None:
    run(tsp, "channel.pattern.setimage('1101,1202', 'first') channel.close('first, 1303')")
    assert tsp.ask("print(channel.getclose('allslots'))") == ["1101;1202;1303"]
    run(tsp, "channel.pattern.snapshot('all') channel.open('allslots') channel.close('all')")
    assert tsp.ask("print(channel.getclose('allslots'), channel.pattern.getimage('first'))") == [
        "1101;1202;1303\t1101,1202"
    ]


def test_close_adds_and_exclusive_close_replaces(tsp: Line) -> None:
    closed = "print(channel.getclose('allslots'))"
    assert tsp.ask(f"channel.close('1101') channel.close('2101') {closed}") == ["1101;2101"]
    assert tsp.ask(f"channel.exclusiveslotclose('1102') {closed}") == ["1102;2101"]
    assert tsp.ask(f"channel.exclusiveclose('3101') {closed}") == ["3101"]
    assert tsp.ask(f"channel.open('slot3') {closed}") == ["nil"]
    assert tsp.ask(f"channel.close('1101') channel.exclusiveclose('') {closed}") == ["nil"]
    assert errors(tsp) == []


def test_attached_backplane_relays_move_with_their_channel(tsp: Line) -> None:
    run(tsp, "channel.setbackplane('2101', '1911,2911')")
    assert tsp.ask("print(channel.getbackplane('2101:2102'))") == ["1911,2911;nil"]
    assert tsp.ask("channel.close('2101') print(channel.getclose('allslots'))") == ["1911;2101;2911"]
    assert tsp.ask("channel.open('2101') print(channel.getclose('allslots'))") == ["nil"]


def test_with_the_interlock_open_backplane_relays_silently_do_not_energise(
    tsp: Line, instruments: VirtualInstruments
) -> None:
    instruments.multiplexer.switch.interlocks[2] = False
    assert tsp.ask("channel.close('2101,1911,2911') print(channel.getclose('allslots'))") == ["1911;2101"]
    assert tsp.ask("print(slot[2].interlock.state)") == ["0.00000e+00"]
    assert errors(tsp) == []


@pytest.mark.parametrize(
    "refused",
    [
        "channel.close('1101,9999')",
        "channel.close('1102:1101')",
        "channel.close('1117')",
        "channel.close('slot1')",
        "channel.exclusiveclose('allslots')",
        "channel.exclusiveclose('1101,1203')",
        "channel.exclusiveslotclose('nothing')",
        "channel.close()",
        "channel.close({})",
        "channel.setdelay('1101', -1)",
        "channel.connectrule = 7",
    ],
)
def test_a_refused_command_changes_nothing_and_says_nothing(tsp: Line, refused: str) -> None:
    run(tsp, "channel.setforbidden('1203') channel.close('1301')")
    run(tsp, refused)
    assert tsp.ask("print(channel.getclose('allslots'), channel.getdelay('1101'), channel.connectrule)") == [
        "1301\t0.00000e+00\t1.00000e+00"
    ]
    assert len(errors(tsp)) == 1


@pytest.mark.parametrize(
    ("script", "code"),
    [("x = (", -285), ("nothing.here = 1", -286), ("error('mine')", -286), ("channel.cose = 1", -286), ("*FOO", -285)],
)
def test_script_errors_are_silent_and_queued(tsp: Line, script: str, code: int) -> None:
    tsp.send(script)
    assert tsp.is_silent()
    assert tsp.ask("*STB?") == ["4"]
    assert errors(tsp) == [code]


def test_clear_empties_the_queue(tsp: Line) -> None:
    tsp.send("x = (", "*CLS")
    assert errors(tsp) == []


def test_errors_can_be_shown_and_prompts_asked_for(tsp: Line) -> None:
    assert tsp.ask("localnode.prompts = 1 localnode.showerrors = 1") == ["TSP>"]
    shown, prompt = tsp.ask("x = (", 2)
    assert shown.startswith("-285\t")
    assert prompt == "TSP?"


def test_reset_restores_all_but_the_connect_rule(tsp: Line) -> None:
    run(tsp, "channel.connectrule = 2 channel.setforbidden('1203') channel.setdelay('1101', 1) channel.close('1101')")
    run(tsp, "channel.reset('allslots')")
    assert tsp.ask("print(channel.getclose('allslots'), channel.getforbidden('slot1'), channel.getdelay('1101'))") == [
        "nil\tnil\t0.00000e+00"
    ]
    assert tsp.ask("print(channel.connectrule)") == ["2.00000e+00"]


def test_a_setup_is_recalled(tsp: Line) -> None:
    run(tsp, "channel.close('1101') channel.setforbidden('1203') setup.save('1') reset()")
    assert tsp.ask("print(channel.getclose('allslots'))") == ["nil"]
    assert tsp.ask("setup.recall('1') print(channel.getclose('allslots'), channel.getforbidden('slot1'))") == [
        "1101\t1203"
    ]


def test_a_channel_delay_is_waited_for(tsp: Line, instruments: VirtualInstruments) -> None:
    began = instruments.world.clock.now
    run(tsp, "channel.setdelay('1101', 0.5) channel.close('1101') delay(2)")
    assert (instruments.world.clock.now - began) / 1e9 == pytest.approx(2.504)


@pytest.mark.parametrize("name", ["io", "os", "debug", "require", "package", "python", "load", "loadstring", "dofile"])
def test_the_sandbox_has_no_way_out(tsp: Line, name: str) -> None:
    assert tsp.ask(f"print({name})") == ["nil"]


def test_scripts_never_hold_a_python_object(tsp: Line) -> None:
    assert tsp.ask("local ok, e = pcall(channel.close, {}) print(type(e))") == ["nil"]
    run(tsp, "errorqueue.clear() for k, v in pairs(channel) do assert(type(v) ~= 'userdata') end")
    run(tsp, "for _, t in pairs({channel, slot[1], setup}) do assert(tostring(t):sub(1, 5) == 'table') end")
    assert errors(tsp) == []


def test_a_script_cannot_eat_the_memory(tsp: Line) -> None:
    run(tsp, "x = ('a'):rep(1e9)")
    assert errors(tsp) == [-286]


@pytest.mark.parametrize("endless", ["while true do end", "while true do pcall(function() while true do end end) end"])
def test_a_script_that_does_not_end_can_be_aborted(tsp: Line, endless: str) -> None:
    tsp.send(endless)
    assert tsp.is_silent(0.2)
    tsp.send("abort")
    assert tsp.ask(READY) == ["ready"]


def test_a_long_delay_ends_with_abort_or_hangup(start: Start, connect: tuple[Connect, Connect]) -> None:
    instruments = start(real_time=True)
    one, two, three = (connect[1](instruments) for _ in range(3))
    began = time.monotonic()
    one.send("delay(1000)")
    time.sleep(0.1)
    two.send("abort")
    assert one.ask(READY) == ["ready"]
    one.send("delay(1000)")
    time.sleep(0.1)
    one.close()
    assert three.ask(READY) == ["ready"]
    assert time.monotonic() - began < 10.0
