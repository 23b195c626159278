"""The 3706A on a socket: lines in, what they print out. `abort`, alone in its line, ends a script that runs."""

from __future__ import annotations

import socket
import threading

import structlog

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
        self._server.enter(self)
        try:
            while True:
                line = self.channel.next_line()
                if line is None:
                    continue
                if _is_abort(line):
                    self._server.abort_others(self)
                elif line.strip():
                    self._execute(line)
                    self.flush()
        finally:
            self._server.leave(self)
            self.channel.close()

    def _execute(self, line: str) -> None:
        self.channel.forget_aborts()  # that came while nothing ran here, also if another's line still does
        try:
            while not self._instrument.lock.acquire(blocking=False):
                self.channel.sleep(0.005)
            try:
                self._instrument.run(line, self)
            finally:
                self._instrument.lock.release()
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


class TspServer:
    """Serves `instrument` on a loopback port (0: any free one)."""

    def __init__(self, instrument: Multiplexer, port: int = 0) -> None:
        self.instrument = instrument
        self._lock = threading.Lock()
        self._sessions: set[TspSession] = set()
        self._listener = Listener("switch", port, lambda sock: TspSession(self, sock))

    @property
    def resource(self) -> str:
        return self._listener.resource

    @property
    def port(self) -> int:
        return self._listener.port

    def enter(self, session: TspSession) -> None:
        with self._lock:
            self._sessions.add(session)

    def leave(self, session: TspSession) -> None:
        with self._lock:
            self._sessions.discard(session)

    def abort_others(self, session: TspSession) -> None:
        with self._lock:
            for other in self._sessions - {session}:
                other.channel.abort()

    def close(self) -> None:
        self._listener.close()
