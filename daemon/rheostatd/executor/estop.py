"""The guard: a thread that can stop the rig while the run's thread waits for an instrument.

It owns the emergency socket (ROUTER on loopback, the wire's framing) and hears of the service's death (end of stdin)
and of signals. Each of them aborts the line that runs, at once and behind no queue; the run's thread then unwinds,
makes the rig safe and says so, and only then an emergency stop is answered: Ok, or a Failure that says what could not
be confirmed, in any case within ANSWER_WITHIN s.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import structlog
import zmq

from rheostat import wire
from rheostat_hal.errors import HalError

log = structlog.get_logger()

ANSWER_WITHIN = 8.0  # s until an emergency stop is answered, whatever happens
_ABORT_EVERY = 0.1  # s between aborts while the run's thread has not come back


class Stopped(Exception):  # noqa: N818
    """The run's thread has to stop: an emergency stop, the end of the service, or a signal."""


class Guard(threading.Thread):
    """`tripped`: the run's thread has to unwind and call `safe`. `ending`: and then the process has to end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(name="guard", daemon=True)
        self.tripped = False
        self.ending: str | None = None  # why the process has to end
        self.reason: str | None = None  # of the emergency stop that is not answered yet
        self.stops = 0  # emergency stops so far
        self._clock = clock
        self._lock = threading.Lock()  # held while aborting, and while the rig is handed to or from the guard
        self._abort: Callable[[], None] | None = None
        self._waiting: list[tuple[list[bytes], int, float]] = []  # envelope, number, deadline
        self._verdict: str | None = None  # "" for safe, else what could not be confirmed
        self._wake_guard, self._woken = socket.socketpair()
        self.wake_run, self._wake_run = socket.socketpair()  # readable: the run's thread should look at `tripped`
        for end in (self._wake_guard, self._woken, self.wake_run, self._wake_run):
            end.setblocking(False)
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 1000)
        self._socket.setsockopt(zmq.MAXMSGSIZE, 1 << 16)
        self.endpoint = f"tcp://127.0.0.1:{self._socket.bind_to_random_port('tcp://127.0.0.1')}"

    # ---- called by the run's thread ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def watching(self, abort: Callable[[], None]) -> Iterator[None]:
        """While the block runs, a stop calls `abort` (again and again, until the block has been left)."""
        with self._lock:
            self._abort = abort
        try:
            yield
        finally:
            with self._lock:
                self._abort = None

    def check(self) -> None:
        if self.tripped:
            raise Stopped(self.reason if self.reason is not None else self.ending)

    def safe(self, unconfirmed: str, stops: int) -> None:
        """The rig is safe ("") or what could not be confirmed. Answers the emergency stops that wait.

        stops: how many there had been when the way to safety began; a later one stays in force."""
        with self._lock:
            if self.stops != stops:
                return
            self.tripped = self.ending is not None
            self.reason = None
            self._verdict = unconfirmed
        _poke(self._wake_guard)

    def heard(self) -> None:
        """Takes back what made `wake_run` readable."""
        _drain(self.wake_run)

    # ---- called by anybody, also by a signal handler ----------------------------------------------------------------

    def end(self, why: str) -> None:
        """The process has to stop, safely."""
        self.ending = self.ending or why
        self.tripped = True
        _poke(self._wake_guard)
        _poke(self._wake_run)

    # ---- the thread ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._woken, zmq.POLLIN)
        try:
            while True:
                busy = self._waiting or (self.tripped and self._abort is not None)
                ready = dict(poller.poll(round(_ABORT_EVERY * 1000) if busy else None))
                if self._woken.fileno() in ready and not _drain(self._woken):
                    return
                if self._socket in ready:
                    self._receive()
                self._answer()
                if self.tripped:
                    self._stop_line()
        finally:
            self._socket.close()

    def close(self) -> None:
        """Ends the thread; emergency stops that wait are answered first."""
        self._wake_guard.close()
        self.join(2.0)

    def _receive(self) -> None:
        frames = self._socket.recv_multipart()
        # REQ sends an empty frame before the message, DEALER does not
        start = 2 if len(frames) > 2 and not frames[1] else 1
        envelope = frames[:start]
        number = 0
        try:
            header = wire.unpack_header(frames[start] if len(frames) > start else b"")
            number = header.number
            request = wire.unpack_request(header)
        except wire.WireError as error:
            self._reply(envelope, number, wire.Failure(code=error.code, message=str(error)))
            return
        if not isinstance(request, wire.EmergencyStop):
            message = "this socket takes nothing but an emergency stop"
            self._reply(envelope, number, wire.Failure(code="wire.malformed", message=message))
            return
        log.warning("rig.estop", reason=request.reason)
        with self._lock:
            self.reason = request.reason or "emergency stop"
            self.stops += 1
            self._verdict = None
            self.tripped = True
        self._waiting.append((envelope, number, self._clock() + ANSWER_WITHIN))
        self._stop_line()
        _poke(self._wake_run)

    def _stop_line(self) -> None:
        with self._lock:
            if self._abort is None:
                return
            try:
                self._abort()
            except HalError as error:
                log.error("rig.abort_failed", code=error.code, error=str(error))

    def _answer(self) -> None:
        with self._lock:
            verdict = self._verdict
        now = self._clock()
        for envelope, number, deadline in list(self._waiting):
            if verdict is None and now < deadline:
                continue
            if verdict == "":
                reply: wire.Reply = wire.Ok()
            else:
                unconfirmed = verdict or f"0 V and open relays could not be confirmed within {ANSWER_WITHIN:g} s"
                reply = wire.Failure(code="rig.unsafe", message=f"{unconfirmed}: switch the instruments off by hand")
            self._reply(envelope, number, reply)
            self._waiting.remove((envelope, number, deadline))

    def _reply(self, envelope: list[bytes], number: int, reply: wire.Reply) -> None:
        frames: list[Any] = [*envelope, *wire.pack(reply, number)]
        self._socket.send_multipart(frames)


def _poke(end: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError, OSError):  # full: the other side is awake already; closed: it is gone
        end.send(b"\0")


def _drain(end: socket.socket) -> bool:
    """Takes what there is; False when the other end is closed."""
    try:
        while end.recv(4096):
            pass
    except BlockingIOError:
        return True
    return False
