"""The connection to a daemon: sockets and their monitors, when to try again and when to give up.

A request uses one DEALER socket from its sending to its answer; answers that come too late die with their socket.
Requests are safe to repeat: those that start something carry an id that the client made.
"""

from __future__ import annotations

import enum
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import zmq
from zmq.utils.monitor import parse_monitor_message

from rheostat import address, talk, wire
from rheostat.errors import DaemonUnavailable, ProtocolError, RigUnsafe

Frames = Sequence[Any]

_WATCHED = zmq.EVENT_CONNECTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED
_RETRY = 0.1  # s between two tries to reach a daemon
_SILENT_TRIES = 2  # a daemon that is connected but silent is asked this often


class Way(enum.Enum):
    """What a monitor said about the way to the daemon."""

    UP = enum.auto()
    REFUSED = enum.auto()  # nobody listens
    LOST = enum.auto()  # was connected; a request under way may not have arrived


class NoAnswer(Exception):  # noqa: N818
    """Inside this package only: this try brought no answer. `way`: why, None for silence."""

    def __init__(self, way: Way | None) -> None:
        super().__init__(way)
        self.way = way


def opened(context: zmq.Context[Any], endpoint: str) -> tuple[Any, Any]:
    """A connected DEALER and its monitor, sync or async like the context."""
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, wire.MAX_ARRAY_BYTES)
    socket.setsockopt(zmq.RECONNECT_IVL, int(_RETRY * 1000))
    monitor = socket.get_monitor_socket(_WATCHED)
    monitor.setsockopt(zmq.LINGER, 0)
    socket.connect(endpoint)
    return socket, monitor


def subscribed(context: zmq.Context[Any], endpoint: str) -> Any:
    """A SUB for the daemon's events."""
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.RCVHWM, 100_000)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    socket.connect(endpoint)
    return socket


def emergency_address(endpoint: str) -> address.Address:
    """Raises RigUnsafe when the daemon has named no emergency socket."""
    if not endpoint:
        raise RigUnsafe("the daemon has not opened its rig: there is no emergency socket, and no voltage from it")
    return address.Address(endpoint, "the emergency socket")


def closed(socket: Any, monitor: Any) -> None:
    socket.disable_monitor()
    monitor.close(0)
    socket.close(0)


def way(message: Frames, before: Way | None) -> Way:
    """What one monitor message says, given what was so before."""
    event = parse_monitor_message(list(message))["event"]
    if event == zmq.EVENT_CONNECTED:
        return Way.UP
    return Way.LOST if event == zmq.EVENT_DISCONNECTED or before is Way.UP else Way.REFUSED


def answer(frames: Frames, number: int) -> talk.Answer | None:
    """The decoded answer to request `number`; None when it belongs to another. Raises ProtocolError."""
    try:
        header = wire.unpack_header(frames[0])
        if header.number != number:
            return None
        return wire.unpack_reply(header), wire.unpack_arrays(header, frames[1:])
    except wire.WireError as error:
        raise ProtocolError(f"the answer is not one of this protocol: {error}") from error


class Tries:
    """For one request: goes on until the way has been down for `patience` s, or the daemon has been silent twice."""

    def __init__(self, where: address.Address, patience: float, timeout: float, clock: talk.Clock) -> None:
        self._where = where
        self._patience = patience
        self._timeout = timeout
        self._clock = clock
        self._silent = 0
        self._down_since: float | None = None

    def after(self, failed: NoAnswer) -> float:
        """s to wait before the next try. Raises DaemonUnavailable when there is none."""
        at = f"{self._where.endpoint} ({self._where.source})"
        if failed.way in (None, Way.UP):
            self._silent += 1
            self._down_since = None
            if self._silent < _SILENT_TRIES:
                return 0.0
            what = "is connected but did not answer" if failed.way is Way.UP else "could not be reached"
            raise DaemonUnavailable(f"the daemon at {at} {what} within {self._timeout:g} s, asked {self._silent} times")
        now = self._clock()
        if self._down_since is None:
            self._down_since = now
        if now - self._down_since < self._patience:
            return _RETRY
        if failed.way is Way.LOST:
            raise DaemonUnavailable(f"the daemon at {at} closed the connection; is it a rheostatd of this version?")
        raise DaemonUnavailable(f"no daemon answers at {at}; {address.HOW_TO_START}")


class Link:
    """One DEALER with its monitor. Belongs to one thread at a time."""

    def __init__(self, context: zmq.Context[Any], endpoint: str) -> None:
        self._socket, self._monitor = opened(context, endpoint)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)
        self._numbers = itertools.count(1)
        self._way: Way | None = None

    def exchange(self, call: talk.Call, timeout: float, clock: talk.Clock = time.monotonic) -> talk.Answer:
        """Sends and waits for the answer, at most `timeout` s. Raises NoAnswer, ProtocolError."""
        number = next(self._numbers)
        self._socket.send_multipart(wire.pack(call.body, number, call.arrays), copy=not call.arrays)
        end = clock() + timeout
        while (left := end - clock()) > 0:
            ready = dict(self._poller.poll(int(left * 1000) + 1))
            if self._socket in ready:
                found = answer(self._socket.recv_multipart(), number)
                if found is not None:
                    return found
            elif self._monitor in ready:
                self._hear()
                if self._way is not Way.UP:
                    raise NoAnswer(self._way)
        raise NoAnswer(self._way)

    def fresh(self) -> bool:
        """Whether the connection has stood since it was last used."""
        while self._monitor.getsockopt(zmq.EVENTS) & zmq.POLLIN:
            self._hear()
            if self._way is not Way.UP:
                return False
        return True

    def _hear(self) -> None:
        self._way = way(self._monitor.recv_multipart(), self._way)

    def close(self) -> None:
        closed(self._socket, self._monitor)


class Links:
    """The links of one client to one endpoint, for any number of threads: a request takes a free one or a new one.

    timeout: s for an answer; patience: s to go on trying while nobody listens.
    """

    def __init__(self, where: address.Address, timeout: float, patience: float) -> None:
        self.where = where
        self.timeout = timeout
        self.patience = patience
        self._context: zmq.Context[Any] = zmq.Context.instance()
        self._free: list[Link] = []
        self._lock = threading.Lock()
        self._closed = False

    def ask(
        self,
        call: talk.Call,
        clock: talk.Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> talk.Answer:
        """The answer to one request. Raises DaemonUnavailable, ProtocolError."""
        tries = Tries(self.where, self.patience, self.timeout + call.patience, clock)
        while True:
            link = self._take()
            try:
                found = link.exchange(call, self.timeout + call.patience, clock)
            except NoAnswer as failed:
                link.close()
                sleep(tries.after(failed))
            except BaseException:
                link.close()
                raise
            else:
                self._give(link)
                return found

    def subscribe(self, endpoint: str) -> Any:
        return subscribed(self._context, endpoint)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
        for link in free:
            link.close()

    def _take(self) -> Link:
        while True:
            with self._lock:
                if self._closed:
                    raise DaemonUnavailable("this rig was closed; connect again", code="client.closed")
                link = self._free.pop() if self._free else None
            if link is None:
                return Link(self._context, self.where.endpoint)
            if link.fresh():
                return link
            link.close()

    def _give(self, link: Link) -> None:
        with self._lock:
            if not self._closed:
                self._free.append(link)
                return
        link.close()
