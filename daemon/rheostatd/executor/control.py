"""The executor's end of the private socket to the service: typed, and cheap to look at between two events."""

from __future__ import annotations

from typing import Any

import structlog
import zmq

from rheostat import wire
from rheostatd import messages

log = structlog.get_logger()


class Control:
    """Connects to the service's PAIR socket. Belongs to the run's thread."""

    def __init__(self, endpoint: str) -> None:
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PAIR)
        self._socket.setsockopt(zmq.LINGER, 1000)
        self._socket.set_hwm(0)
        self._socket.connect(endpoint)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)

    def watch(self, other: Any) -> None:
        """Lets `wait` return also when this socket becomes readable."""
        self._poller.register(other, zmq.POLLIN)

    def pending(self) -> bool:
        """Whether a command waits; about 1 us."""
        return bool(self._socket.getsockopt(zmq.EVENTS) & zmq.POLLIN)  # type: ignore[operator, arg-type]

    def wait(self, timeout: float | None) -> None:
        """Until a command comes, a watched socket is readable, or `timeout` s have passed."""
        self._poller.poll(None if timeout is None else round(timeout * 1000))

    def take(self) -> tuple[messages.Command, wire.Arrays] | None:
        """The next command, if there is one."""
        if not self.pending():
            return None
        return messages.unpack_command(self._socket.recv_multipart(zmq.NOBLOCK))

    def send(self, report: messages.Report, arrays: wire.Arrays | None = None) -> None:
        try:
            self._socket.send_multipart(messages.pack(report, arrays), zmq.NOBLOCK)
        except zmq.Again:  # nobody is connected: the record has it, and the rig must not wait for a dead service
            log.error("report.lost", report=type(report).__name__.lower())

    def close(self) -> None:
        self._socket.close()
