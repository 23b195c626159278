"""VisaBus on VXI-11, a 3706A's own way over LAN, by pyvisa-py against a small server (VXI-11 rev. 1.0, RFC 5531)."""

from __future__ import annotations

import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator

import pytest

from rheostat_hal.bus import VisaBus
from rheostat_hal.errors import BusError, BusTimeout, BusUnavailable

CREATE, WRITE, READ, STATUS, CLEAR, LOCK, UNLOCK, DESTROY = 10, 11, 12, 13, 15, 18, 19, 23
LOCKED, END, TIMED_OUT = 11, 4, 15
pytestmark = pytest.mark.timeout(30)


class Vxi11Instrument:
    """Answers each line with `answers[line]`. One link may lock it."""

    def __init__(self, answers: dict[str, list[bytes]]) -> None:
        self.answers = answers
        self.replies: deque[bytes] = deque()
        self.clears = 0
        self._holder = 0
        self._links = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.resource = f"TCPIP0::127.0.0.1,{self._server.getsockname()[1]}::inst0::INSTR"
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in [*self._connections, self._server]:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # already gone
            finally:
                each.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        try:
            while mark := stream.read(4):
                call = stream.read(struct.unpack("!I", mark)[0] & 0x7FFF_FFFF)
                number, procedure = struct.unpack("!I16xI", call[:24])
                results = self._call(procedure, call[40:])  # behind credentials and verifier, which are empty
                reply = struct.pack("!6I", number, 1, 0, 0, 0, 0) + results
                connection.sendall(struct.pack("!I", 0x8000_0000 | len(reply)) + reply)
        except OSError:
            return

    def _call(self, procedure: int, arguments: bytes) -> bytes:
        if procedure == CREATE:
            self._links += 1
            return struct.pack("!4I", 0, self._links, 0, 64)
        (link,) = struct.unpack("!I", arguments[:4])
        if procedure in (UNLOCK, DESTROY):
            self._holder = 0 if self._holder == link else self._holder
            return struct.pack("!I", 0)
        if self._holder not in (0, link):
            return struct.pack("!3I", LOCKED, 0, 0)
        if procedure == LOCK:
            self._holder = link
        elif procedure == WRITE:
            length = struct.unpack("!I", arguments[16:20])[0]
            self.replies.extend(self.answers.get(arguments[20 : 20 + length].decode().strip(), []))
            return struct.pack("!2I", 0, length)
        elif procedure == READ:
            if not self.replies:
                return struct.pack("!3I", TIMED_OUT, 0, 0)
            some, rest = self.replies[0][:10], self.replies.popleft()[10:]  # a piece at a time
            if rest:
                self.replies.appendleft(rest)
            return struct.pack("!3I", 0, 0 if rest else END, len(some)) + some + bytes(-len(some) % 4)
        elif procedure == STATUS:
            return struct.pack("!2I", 0, 16 if self.replies else 0)
        elif procedure == CLEAR:
            self.clears += 1
            self.replies.clear()
        return struct.pack("!I", 0)


@pytest.fixture
def instrument() -> Iterator[Vxi11Instrument]:
    made = Vxi11Instrument({"*IDN?": [b"a,b,c,d\n"], "long": [b"1.25," * 40 + b"end\n"], "two": [b"one\n", b"two\n"]})
    yield made
    made.close()


@pytest.fixture
def bus(instrument: Vxi11Instrument) -> Iterator[VisaBus]:
    opened = VisaBus(instrument.resource, library="@py")
    yield opened
    opened.close()


def test_messages_of_any_length_arrive_whole(bus: VisaBus) -> None:
    assert bus.query("*IDN?", 2.0) == "a,b,c,d"
    assert bus.query("long", 2.0) == "1.25," * 40 + "end"
    bus.write("two")
    assert [bus.read(2.0), bus.read(2.0)] == ["one", "two"]


def test_silence_times_out(bus: VisaBus) -> None:
    with pytest.raises(BusTimeout):
        bus.query("nothing", 0.2)


def test_a_device_clear_forgets_what_was_not_read(bus: VisaBus, instrument: Vxi11Instrument) -> None:
    bus.write("two")
    bus.clear()
    assert instrument.clears == 1
    assert bus.query("*IDN?", 2.0) == "a,b,c,d"


def test_the_lock_keeps_others_away_until_the_bus_is_closed(instrument: Vxi11Instrument) -> None:
    first = VisaBus(instrument.resource, library="@py")
    with pytest.raises(BusUnavailable, match="another program holds its VISA lock"):
        VisaBus(instrument.resource, library="@py")
    first.close()
    second = VisaBus(instrument.resource, library="@py")
    assert second.query("*IDN?", 2.0) == "a,b,c,d"
    second.close()


def test_a_lost_connection_is_a_bus_error(bus: VisaBus, instrument: Vxi11Instrument) -> None:
    instrument.close()
    with pytest.raises(BusError):
        bus.query("*IDN?", 2.0)
