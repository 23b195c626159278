"""The 3706A on a socket: lines in, what they print out. `abort`, alone in its line, ends a script that runs."""

from __future__ import annotations

import socket

import structlog

from rheostat_hal.virtual.injection import Faults
from rheostat_hal.virtual.sockets import Hangup, LineAborted, LineChannel, Listener
from rheostat_hal.virtual.tsp.instrument import Multiplexer

log = structlog.get_logger()


def _is_abort(line: str) -> bool:
    return line.strip() == "abort"


class TspSession:
    """One connection: the multiplexer's port."""

    def __init__(self, server: TspServer, sock: socket.socket) -> None:
        self._server = server
        self._instrument = server.instrument
        self.channel = LineChannel(sock, _is_abort)
        self._out: list[str] = []

    def serve(self) -> None:
        while True:
            line = self.channel.next_line()
            if line is None:
                continue
            if _is_abort(line):
                self._server.abort_others(self)
            elif line.strip():
                self._execute(line)
                self.flush()

    def _execute(self, line: str) -> None:
        try:
            with self.channel.turn(self._instrument.lock):
                fault = self._server.fault_at(line, self.channel)
                self._instrument.run(line, self, fault)
        except Hangup:
            raise
        except LineAborted:
            log.info("switch.aborted", line=line[:80])
            self._out.clear()

    # the multiplexer's Port

    def emit(self, text: str) -> None:
        self._out.append(text + "\n")

    def flush(self) -> None:
        out = "".join(self._out)
        self._out.clear()
        if out:
            self.channel.send(out.encode("latin-1", "replace"))

    def sleep(self, seconds: float) -> None:
        self.channel.sleep(seconds)

    def poll(self) -> None:
        self.channel.poll()


class TspServer(Listener):
    """Serves `instrument` on a loopback port (0: any free one)."""

    def __init__(self, instrument: Multiplexer, port: int = 0, *, faults: Faults | None = None) -> None:
        self.instrument = instrument
        super().__init__("switch", port, lambda sock: TspSession(self, sock), instrument.reboot, faults)
