"""A TCP proxy that counts: lines the host sends, lines it gets, and how often it waits for the instrument."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass


@dataclass
class Traffic:
    """A round trip: the host sent something and then waited for an answer, however many lines each was."""

    sent: int = 0
    answered: int = 0
    round_trips: int = 0


class CountingProxy:
    """Between a host and 127.0.0.1:`port`. Connect to `self.port`; read `self.traffic`."""

    def __init__(self, port: int) -> None:
        self.traffic = Traffic()
        self._target = port
        self._asked = False
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def resource(self) -> str:
        return f"TCPIP0::127.0.0.1::{self.port}::SOCKET"

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                host, _ = self._server.accept()
            except OSError:
                return  # closed
            instrument = socket.create_connection(("127.0.0.1", self._target))
            for end in (host, instrument):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pump, args=(host, instrument, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(instrument, host, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, from_host: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                with self._lock:
                    self._count(data.count(b"\n"), from_host)
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _count(self, lines: int, from_host: bool) -> None:
        if from_host:
            self.traffic.sent += lines
            self._asked = True
        else:
            self.traffic.answered += lines
            self.traffic.round_trips += self._asked
            self._asked = False
