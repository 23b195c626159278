"""Virtual instruments on real sockets, and a raw client for each."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rheostat_hal import bench
from rheostat_hal.virtual.parts import VirtualInstruments

A1 = ("1101", "1202", "1303", "1404")
A2 = ("1105", "1206", "1307", "1408")
ON = "CN;" + ";".join(f"DV {channel},0,0,0.1" for channel in range(1, 5))
READING = "AAD 3,1;AIT 1,1,11"


class Line:
    """A raw client: lines out, lines in."""

    def __init__(self, port: int, end: str) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._end = end
        self._rest = b""

    def send(self, *lines: str) -> None:
        self.sock.sendall("".join(line + self._end for line in lines).encode())

    def receive(self, timeout: float = 5.0) -> str:
        self.sock.settimeout(timeout)
        while b"\n" not in self._rest:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError("closed by the instrument")
            self._rest += data
        line, self._rest = self._rest.split(b"\n", 1)
        return line.decode().removesuffix("\r")

    def ask(self, line: str, replies: int = 1) -> list[str]:
        self.send(line)
        return [self.receive() for _ in range(replies)]

    def is_silent(self, seconds: float = 0.05) -> bool:
        try:
            self._rest = (self.receive(seconds) + "\n").encode() + self._rest
        except TimeoutError:
            return True
        return False

    def close(self) -> None:
        self.sock.close()


Start = Callable[..., VirtualInstruments]
Connect = Callable[[VirtualInstruments], Line]


@pytest.fixture
def start() -> Iterator[Start]:
    """start(real_time=..., seed=..., ...) serves the embedded bench; `chain` and `modules` change it."""
    running: list[VirtualInstruments] = []

    def make(chain: str = "external", **options: Any) -> VirtualInstruments:
        chosen = bench.load(None)
        chosen = dataclasses.replace(chosen, switch=dataclasses.replace(chosen.switch, chain=chain))
        running.append(VirtualInstruments(chosen, **options))
        return running[-1]

    yield make
    for each in running:
        each.close()


@pytest.fixture
def connect() -> Iterator[tuple[Connect, Connect]]:
    """(to the analyser, to the switch)."""
    lines: list[Line] = []

    def analyser(instruments: VirtualInstruments) -> Line:
        lines.append(Line(instruments.flex.port, "\r\n"))
        return lines[-1]

    def switch(instruments: VirtualInstruments) -> Line:
        lines.append(Line(instruments.tsp.port, "\n"))
        return lines[-1]

    yield analyser, switch
    for each in lines:
        each.close()


@pytest.fixture
def instruments(start: Start) -> VirtualInstruments:
    return start()


@pytest.fixture
def flex(instruments: VirtualInstruments, connect: tuple[Connect, Connect]) -> Line:
    return connect[0](instruments)


@pytest.fixture
def tsp(instruments: VirtualInstruments, connect: tuple[Connect, Connect]) -> Line:
    return connect[1](instruments)


def current(datum: str) -> float:
    """The value of one FMT 1 datum."""
    return float(datum[3:])
