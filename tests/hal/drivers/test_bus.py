"""VisaBus against real sockets: lines, silence, aborts, lost connections."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest

from rheostat_hal.bus import VisaBus
from rheostat_hal.errors import BusAborted, BusError, BusTimeout, BusUnavailable

Serve = Callable[[Callable[[socket.socket], None]], str]
pytestmark = pytest.mark.timeout(30)


@pytest.fixture(params=[True, False], ids=["direct", "through-pyvisa"])
def direct(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def echo(connection: socket.socket) -> None:
    while data := connection.recv(4096):
        connection.sendall(data)


def test_a_query_returns_the_line_without_its_terminator(serve: Serve, direct: bool) -> None:
    bus = VisaBus(serve(echo), library="@py", terminator="\r\n", direct=direct)
    assert bus.query("*IDN?", 2.0) == "*IDN?"
    assert (bus.writes, bus.reads) == (1, 1)
    bus.close()


def test_lines_that_arrive_in_pieces_and_in_heaps_are_told_apart(serve: Serve, direct: bool) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        for piece in (b"NAI+1.0", b"0E-04\r\n+0,", b'"No Error."\r\nlast', b"\r", b"\n"):
            connection.sendall(piece)
            time.sleep(0.08)  # longer than one slice of waiting
        connection.recv(1)

    bus = VisaBus(serve(talk), library="@py", terminator="\r\n", direct=direct)
    bus.write("go")
    assert [bus.read(2.0) for _ in range(3)] == ["NAI+1.00E-04", '+0,"No Error."', "last"]
    bus.close()


def test_a_long_reply_arrives_whole(serve: Serve, direct: bool) -> None:
    reply = ",".join(["NAI+1.25000E-04"] * 2000)

    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(reply.encode() + b"\r\n")
        connection.recv(1)

    bus = VisaBus(serve(talk), library="@py", terminator="\r\n", direct=direct)
    assert bus.query("go", 2.0) == reply
    bus.close()


def test_silence_times_out_and_says_what_had_arrived(serve: Serve, direct: bool) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"half an ans")
        connection.recv(1)

    bus = VisaBus(serve(talk), library="@py", terminator="\r\n", direct=direct)
    began = time.monotonic()
    with pytest.raises(BusTimeout, match=r"no answer within 0\.2 s, only b'half an ans'"):
        bus.query("go", 0.2)
    assert 0.2 <= time.monotonic() - began < 0.5
    bus.close()


def test_an_abort_frees_a_blocked_read_within_a_tenth_of_a_second(serve: Serve, direct: bool) -> None:
    heard: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        while data := connection.recv(4096):
            heard.append(data)

    bus = VisaBus(serve(talk), library="@py", terminator="\r\n", abort_line="AB", safe_line="DZ", direct=direct)
    bus.write("XE")
    freed: list[float] = []

    def read() -> None:
        with pytest.raises(BusAborted):
            bus.read(20.0)
        freed.append(time.monotonic())

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(0.2)
    aborted = time.monotonic()
    bus.abort()
    reader.join(5)
    assert freed[0] - aborted < 0.1
    with pytest.raises(BusAborted):
        bus.write("DV 1,200,7")  # nothing goes out until the bus has been cleared
    bus.clear()
    bus.write("*IDN?")
    time.sleep(0.05)
    assert b"".join(heard) == b"XE\r\nAB\r\nDZ\r\nAB\r\n*IDN?\r\n"
    bus.close()


def test_a_line_that_waits_to_be_sent_as_an_abort_comes_is_never_sent(serve: Serve, direct: bool) -> None:
    heard: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        while data := connection.recv(4096):
            heard.append(data)

    bus = VisaBus(serve(talk), library="@py", terminator="\r\n", abort_line="AB", safe_line="DZ", direct=direct)
    refused: list[BaseException] = []

    def pulse() -> None:
        with pytest.raises(BusAborted) as caught:
            bus.write("DV 1,200,7")
        refused.append(caught.value)

    writer, aborter = threading.Thread(target=pulse), threading.Thread(target=bus.abort)
    with bus._using:  # as if the line before were still on its way out
        writer.start()
        time.sleep(0.05)
        aborter.start()
        assert bus._aborted.wait(5)
    for thread in (writer, aborter):
        thread.join(5)
    time.sleep(0.05)
    assert b"".join(heard) == b"AB\r\nDZ\r\n"
    assert len(refused) == 1
    bus.close()


def test_clearing_forgets_replies_under_way(serve: Serve, direct: bool) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"old\r\nolder\r\npart of a li")
        connection.recv(4096)
        connection.sendall(b"new\r\n")
        connection.recv(1)

    bus = VisaBus(serve(talk), library="@py", terminator="\r\n", direct=direct)
    assert bus.query("go", 2.0) == "old"
    bus.clear()
    assert bus.query("again", 2.0) == "new"
    bus.close()


def test_a_peer_that_closes_in_the_middle_is_an_error_at_once(serve: Serve, direct: bool) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"NAI+1.2")
        connection.shutdown(socket.SHUT_RDWR)

    bus = VisaBus(serve(talk), library="@py", terminator="\r\n", direct=direct)
    began = time.monotonic()
    with pytest.raises(BusError, match="closed the connection"):
        bus.query("go", 20.0)
    assert time.monotonic() - began < 1.0
    bus.close()


def test_an_absent_instrument_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        resource = f"TCPIP0::127.0.0.1::{server.getsockname()[1]}::SOCKET"
    with pytest.raises(BusUnavailable, match=resource):
        VisaBus(resource, library="@py")


def test_a_resource_nobody_can_parse_is_named() -> None:
    with pytest.raises(BusUnavailable, match="GPIB::no-such"):
        VisaBus("GPIB::no-such", library="@py")


def test_an_absent_visa_library_is_unavailable() -> None:
    with pytest.raises(BusUnavailable, match="GPIB0::17::INSTR"):
        VisaBus("GPIB0::17::INSTR", library="/no/such/libvisa.so")


def test_write_after_write_does_not_wait_for_the_peer(serve: Serve, direct: bool) -> None:
    """pyvisa-py leaves Nagle's algorithm on: the second of two writes would wait 40 ms for a delayed ACK."""

    def talk(connection: socket.socket) -> None:
        stream = connection.makefile("r", newline="\n")
        while stream.readline():
            if stream.readline():
                connection.sendall(b"both\r\n")

    bus = VisaBus(serve(talk), library="@py", terminator="\r\n", direct=direct)
    times = []
    for _ in range(20):
        began = time.monotonic()
        bus.write("one")
        assert bus.query("two", 2.0) == "both"
        times.append(time.monotonic() - began)
    assert sorted(times)[10] < 0.02
    bus.close()


def test_a_connection_that_was_lost_is_opened_anew_by_a_clear(direct: bool) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    bus = VisaBus(f"TCPIP0::127.0.0.1::{server.getsockname()[1]}::SOCKET", library="@py", direct=direct)
    first, _ = server.accept()
    first.close()
    with pytest.raises(BusError):
        bus.query("anybody?", 1.0)
    bus.clear()
    second, _ = server.accept()
    bus.write("again")
    assert second.recv(64) == b"again\n"
    second.sendall(b"yes\n")
    assert bus.read(1.0) == "yes"
    server.close()
    second.close()
    with pytest.raises(BusUnavailable):
        bus.clear()
    with pytest.raises(BusError, match="the connection is lost"):
        bus.write("anybody?")
    bus.abort()  # there is nothing to abort
    bus.close()
