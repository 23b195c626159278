"""Loopback sockets that speak lines, and stay awake while a line runs.

One thread serves a connection. It reads a line, has it executed, writes the replies; while the line waits in real time
it sleeps *on its own socket*, so that an abort sent behind the line is seen at once, and on a wake-up that other
threads can trigger. Replies go out with TCP_NODELAY, and TCP_QUICKACK is re-armed after each receive: a client that
leaves Nagle's algorithm on would otherwise wait 40 ms for our acknowledgement at every second write.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from rheostat_hal.virtual.faults import LineFault
from rheostat_hal.virtual.injection import Faults, altered

_QUICKACK = getattr(socket, "TCP_QUICKACK", None)  # Linux only
_LONGEST = 1 << 20  # bytes of one line: beyond that the connection is dropped


class LineAborted(Exception):  # noqa: N818
    """The line that runs must stop at once."""


class Hangup(LineAborted):
    """The client is gone."""


class LineChannel:
    """Lines over a socket. `urgent` tells the lines that abort whatever runs before them; `fault`: what is scripted to
    happen to the answer of the line that runs."""

    def __init__(self, sock: socket.socket, urgent: Callable[[str], bool]) -> None:
        self._sock = sock
        self._urgent = urgent
        self.fault: LineFault | None = None
        self._rest = b""
        self._woken = False
        self._lines: deque[str] = deque()
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)
        self._waker.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._acknowledge()

    def next_line(self, timeout: float | None = None) -> str | None:
        """The next line without its end; None after `timeout` s. Raises Hangup."""
        while not self._lines:
            if timeout is not None and not select.select([self._sock], [], [], timeout)[0]:
                return None
            self._receive()
        return self._lines.popleft()

    def sleep(self, seconds: float) -> None:
        """Sleep real seconds; LineAborted when an urgent line arrives or `abort` is called, Hangup at the end."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0.0:
            ready, _, _ = select.select([self._sock, self._wake], [], [], min(left, 3600.0))
            self._look(ready)

    def poll(self) -> None:
        """For a line that computes: as `sleep`, without sleeping."""
        self._look(select.select([self._sock, self._wake], [], [], 0.0)[0])

    def abort(self) -> None:
        """From any thread: stop the line that sleeps now."""
        with contextlib.suppress(BlockingIOError, OSError):  # full: a wake-up is on its way; closed: nothing runs
            self._waker.send(b"!")
        self._woken = True  # after sending, so that `forget_aborts` never leaves one behind

    def forget_aborts(self) -> None:
        """An abort that came when nothing ran stops nothing later."""
        if self._woken:
            self._woken = False
            with contextlib.suppress(BlockingIOError):
                while self._wake.recv(64):
                    pass

    @contextlib.contextmanager
    def turn(self, instrument: threading.Lock) -> Iterator[None]:
        """One line's turn on the instrument; while another connection's line runs, an abort of ours still passes."""
        self.forget_aborts()  # that came while nothing ran here, also if another's line still does
        while not instrument.acquire(blocking=False):
            self.sleep(0.005)
        try:
            yield
        finally:
            instrument.release()

    def send(self, data: bytes) -> None:
        if self.fault is not None:
            data = altered(data, self.fault)
        try:
            self._sock.sendall(data)
        except OSError as error:
            raise Hangup from error

    def hang_up(self) -> None:
        """From any thread: break the connection."""
        with contextlib.suppress(OSError):  # the client was faster
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for end in (self._sock, self._wake, self._waker):
            end.close()

    def _look(self, ready: list[socket.socket]) -> None:
        if self._wake in ready:
            self._wake.recv(64)
            raise LineAborted
        if self._sock in ready and self._receive():
            raise LineAborted

    def _receive(self) -> bool:
        """Take what has come; whether an urgent line was in it (the lines before it are then dropped)."""
        try:
            data = self._sock.recv(65536)
        except OSError as error:
            raise Hangup from error
        if not data or len(self._rest) > _LONGEST:
            raise Hangup
        self._acknowledge()
        *lines, self._rest = (self._rest + data).split(b"\n")
        urgent = False
        for raw in lines:
            line = raw.decode("latin-1").rstrip("\r")
            if self._urgent(line):
                self._lines.clear()
                urgent = True
            self._lines.append(line)
        return urgent

    def _acknowledge(self) -> None:
        if _QUICKACK is not None:
            self._sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)


class Session(Protocol):
    """One connection to an instrument: serve lines until Hangup."""

    @property
    def channel(self) -> LineChannel: ...

    def serve(self) -> None: ...


class Listener:
    """Accepts connections on 127.0.0.1 and serves each in a thread of its own. `name`: of the instrument; `reboot`:
    starts it anew."""

    def __init__(
        self,
        name: str,
        port: int,
        session: Callable[[socket.socket], Session],
        reboot: Callable[[], None] | None = None,
        faults: Faults | None = None,
    ) -> None:
        self._name = name
        self._session = session
        self._reboot = reboot
        self._faults = faults
        self._lock = threading.Lock()
        self._sessions: set[Session] = set()
        self._closed = threading.Event()
        self._away = 0.0  # s for which connections are refused once the socket has been closed
        self._sock = socket.create_server(("127.0.0.1", port))
        self.port: int = self._sock.getsockname()[1]
        self._refuse(0)
        self._thread = threading.Thread(target=self._accept, name=name, daemon=True)
        self._thread.start()

    @property
    def resource(self) -> str:
        return f"TCPIP0::127.0.0.1::{self.port}::SOCKET"

    def close(self) -> None:
        self._closed.set()
        self._close_socket()

    def fault_at(self, line: str, channel: LineChannel) -> LineFault | None:
        """What is scripted for a line that is about to be carried out. Raises Hangup when it takes the connection."""
        if self._faults is None:
            return None
        fault = channel.fault = self._faults.at_line(self._name, line)
        if fault is None:
            return None
        if fault.what == "reset" and self._reboot is not None:
            self._reboot()
        if fault.what in ("drop", "reset") and not fault.connections_stay:
            if fault.down:
                self._away = fault.down
                self._close_socket()
            with self._lock:
                for session in self._sessions:
                    session.channel.hang_up()
            raise Hangup
        return fault

    def _refuse(self, accepted: int) -> None:
        self._away = 0.0 if self._faults is None else self._faults.at_connection(self._name, accepted)
        if self._away:
            self._close_socket()

    def _close_socket(self) -> None:
        with contextlib.suppress(OSError):  # wakes the thread in accept; some systems refuse it on a listening socket
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def _accept(self) -> None:
        accepted = 0
        while True:
            try:
                sock, _ = self._sock.accept()
            except OSError:
                if self._closed.wait(self._away):
                    return
                self._sock = socket.create_server(("127.0.0.1", self.port))
                continue
            accepted += 1
            self._refuse(accepted)
            threading.Thread(target=self._serve, args=(sock,), name=self._name, daemon=True).start()

    def abort_others(self, session: Session) -> None:
        """An abort came over `session`, which therefore runs nothing: stop what runs for the others."""
        with self._lock:
            for other in self._sessions - {session}:
                other.channel.abort()

    def _serve(self, sock: socket.socket) -> None:
        session = self._session(sock)
        with self._lock:
            self._sessions.add(session)
        try:
            with contextlib.suppress(Hangup):
                session.serve()
        finally:
            with self._lock:
                self._sessions.discard(session)
            session.channel.close()
