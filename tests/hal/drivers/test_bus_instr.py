"""VisaBus on an INSTR resource with device clear and status byte: HiSLIP, by pyvisa-py, against a small server."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from rheostat_hal.bus import VisaBus
from rheostat_hal.errors import BusAborted, BusError, BusTimeout

HEADER = struct.Struct("!2sBBIQ")
pytestmark = pytest.mark.timeout(30)


class HislipInstrument:
    """Answers each line with `answers[line]`: (seconds until it is ready, replies). IVI-6.1, synchronised mode."""

    def __init__(self, answers: dict[str, tuple[float, list[bytes]]]) -> None:
        self.answers = answers
        self.heard: list[str] = []
        self.clears = 0
        self._unread = 0  # replies the client has not read to their end
        self._timers: list[threading.Timer] = []
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.resource = f"TCPIP0::127.0.0.1::hislip0,{self._server.getsockname()[1]}::INSTR"
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._stop()
        for each in [*self._connections, self._server]:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # already gone
            finally:
                each.close()

    def _accept(self) -> None:
        for serve in (self._synchronous, self._asynchronous):
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self._connections.append(connection)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    @staticmethod
    def _messages(connection: socket.socket) -> Iterator[tuple[int, int, int, bytes]]:
        stream = connection.makefile("rb")
        try:
            while len(header := stream.read(HEADER.size)) == HEADER.size:
                _, kind, control, parameter, length = HEADER.unpack(header)
                yield kind, control, parameter, stream.read(length)
        except OSError:
            return

    def _synchronous(self, connection: socket.socket) -> None:
        def send(kind: int, parameter: int = 0, payload: bytes = b"") -> None:
            connection.sendall(HEADER.pack(b"HS", kind, 0, parameter, len(payload)) + payload)

        def hand_over(replies: list[bytes], parameter: int) -> None:
            with self._lock:
                for reply in replies:
                    self._unread += 1
                    send(7, parameter, reply)

        for kind, delivered, parameter, payload in self._messages(connection):
            if kind == 0:
                send(1, 0x0100_0001)
            elif kind == 8:
                send(9)
            elif kind == 7:
                self._delivered(delivered)
                line = payload.decode().strip()
                self.heard.append(line)
                delay, replies = self.answers.get(line, (0.0, []))
                timer = threading.Timer(delay, hand_over, (replies, parameter))
                self._timers.append(timer)
                timer.start()

    def _delivered(self, delivered: int) -> None:
        """The client says that it has read a whole message: the status byte may forget it."""
        with self._lock:
            self._unread -= delivered

    def _asynchronous(self, connection: socket.socket) -> None:
        for kind, delivered, _, payload in self._messages(connection):
            control, answer = 0, b""
            if kind == 15:
                answer = payload
            elif kind == 19:
                self.clears += 1
                self._stop()
            elif kind == 21:
                self._delivered(delivered)
                control = 16 if self._unread else 0
            reply = {17: 18, 15: 16, 19: 23, 21: 22}[kind]
            connection.sendall(HEADER.pack(b"HS", reply, control, 0, len(answer)) + answer)

    def _stop(self) -> None:
        for timer in self._timers:
            timer.cancel()
        with self._lock:
            self._unread = 0


@pytest.fixture
def instrument() -> Iterator[HislipInstrument]:
    made = HislipInstrument(
        {
            "*IDN?": (0.0, [b"a,b,c,d\r\n"]),
            "XE;ERRX?": (0.3, [b'+0,"No Error."\r\n']),
            "PA 60;ERRX?": (60.0, [b"late\r\n"]),
            "two": (0.0, [b"one\r\ntwo\r\n"]),
            "bare": (0.0, [b"without a line feed"]),
        }
    )
    yield made
    made.close()


@pytest.fixture
def bus(instrument: HislipInstrument) -> Iterator[VisaBus]:
    opened = VisaBus(instrument.resource, library="@py", terminator="\r\n", ready=16, safe_line="DZ")
    yield opened
    opened.close()


def test_an_instr_resource_answers_a_query(bus: VisaBus) -> None:
    assert bus.query("*IDN?", 2.0) == "a,b,c,d"


def test_replies_are_waited_for_by_the_status_byte(bus: VisaBus) -> None:
    began = time.monotonic()
    assert bus.query("XE;ERRX?", 2.0) == '+0,"No Error."'
    assert 0.3 <= time.monotonic() - began < 0.5


def test_one_transfer_may_hold_several_lines_or_none_ended(bus: VisaBus) -> None:
    bus.write("two")
    assert [bus.read(2.0), bus.read(2.0)] == ["one", "two"]
    assert bus.query("bare", 2.0) == "without a line feed"


def test_an_instr_resource_times_out(bus: VisaBus) -> None:
    began = time.monotonic()
    with pytest.raises(BusTimeout):
        bus.query("PA 60;ERRX?", 0.2)
    assert time.monotonic() - began < 0.5


def test_an_abort_clears_the_device_and_frees_the_reader(bus: VisaBus, instrument: HislipInstrument) -> None:
    freed: list[float] = []

    def read() -> None:
        with pytest.raises(BusAborted):
            bus.query("PA 60;ERRX?", 30.0)
        freed.append(time.monotonic())

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(0.2)
    aborted = time.monotonic()
    bus.abort()
    reader.join(5)
    assert freed[0] - aborted < 0.1
    assert instrument.clears == 1
    time.sleep(0.05)
    assert instrument.heard == ["PA 60;ERRX?", "DZ"]  # device clear instead of an abort line, then 0 V
    bus.clear()
    assert bus.query("*IDN?", 2.0) == "a,b,c,d"


def test_a_lost_instr_resource_is_a_bus_error(bus: VisaBus, instrument: HislipInstrument) -> None:
    instrument.close()
    with pytest.raises(BusError):
        bus.query("*IDN?", 2.0)
