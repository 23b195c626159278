"""The two output buffers: which reply comes first, and when."""

from __future__ import annotations

import time

from rheostat_hal.virtual.parts import VirtualInstruments
from tests.hal.virtual.conftest import ON, Connect, Line, Start


def test_a_reply_in_the_same_line_goes_before_the_data_and_all_at_once(flex: Line) -> None:
    flex.send(ON, "MM 1,1")
    replies = flex.ask("XE;DV 1,5,0;TI 3,-17;ERRX?", 3)
    assert replies[0] == '+0,"No Error."'
    assert [reply[:3] for reply in replies[1:]] == ["NAI", "NCI"]


def test_a_query_in_the_next_line_still_goes_before_the_data(flex: Line) -> None:
    flex.send(ON, "MM 1,1")
    for _ in range(20):
        flex.send("XE", "*OPC?")
        assert flex.receive() == "1"
        assert flex.receive().startswith("NAI")


def test_a_line_without_reply_between_does_not_push_the_data_out(flex: Line) -> None:
    flex.send(ON, "MM 1,1")
    flex.send("XE", "DV 1,0,0", "*OPC?")
    assert flex.receive() == "1"
    assert flex.receive().startswith("NAI")


def test_data_come_by_themselves_after_a_moment(flex: Line) -> None:
    flex.send(ON, "MM 1,1")
    flex.ask("*OPC?")
    began = time.monotonic()
    assert flex.ask("XE")[0].startswith("NAI")
    assert 0.004 < time.monotonic() - began < 1.0


def test_data_of_a_direct_command_are_not_held(start: Start, connect: tuple[Connect, Connect]) -> None:
    client = connect[0](start(hold=30.0))
    client.send(ON)
    assert client.ask("TI 1")[0].startswith("NAI")


def test_a_line_with_its_own_query_is_not_held(start: Start, connect: tuple[Connect, Connect]) -> None:
    client = connect[0](start(hold=30.0))
    client.send(ON, "MM 1,1")
    assert len(client.ask("XE;ERRX?", 2)) == 2


def test_bc_clears_the_data_and_not_the_reply(start: Start, connect: tuple[Connect, Connect]) -> None:
    client = connect[0](start(hold=30.0))
    client.send(ON, "MM 1,1,2")
    assert client.ask("XE;NUB?;*STB?;BC;NUB?", 3) == ["2", "25", "0"]
    assert client.is_silent()


def test_replies_go_to_the_connection_that_asked(
    instruments: VirtualInstruments, connect: tuple[Connect, Connect]
) -> None:
    one, two = connect[0](instruments), connect[0](instruments)
    one.send("*CLS")
    assert one.ask("*OPC?") == ["1"]
    assert two.ask("ERRX?") == ['+100,"Undefined GPIB command."']  # one instrument, one error queue
    assert one.is_silent()
