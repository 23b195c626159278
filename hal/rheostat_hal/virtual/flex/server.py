"""The B1500A on a socket: one session per connection, with the instrument's two output buffers.

Replies to queries and measurement data wait in buffers of their own. On GPIB a query reply is read before data that
wait; on a stream it must be sent first. When a line ends with a reply of its own, both buffers go out at once, replies
first. Data of XE without a query in the same line are held for `hold` seconds (5 ms), because a client may ask
`*OPC?` next and expects its `1` before the data; any reply in that time goes first and takes the data along. Data of
direct commands (TI, TV, ...) are never held. AB, alone in its line, is acted on at once, whichever connection it
comes from; what the aborted line had put into its buffers is dropped.
"""

from __future__ import annotations

import socket
import time

import structlog

from rheostat_hal.virtual.flex import commands
from rheostat_hal.virtual.flex.analyser import Analyser
from rheostat_hal.virtual.flex.parser import is_abort
from rheostat_hal.virtual.injection import Faults
from rheostat_hal.virtual.sockets import Hangup, LineAborted, LineChannel, Listener

log = structlog.get_logger()
HOLD = 0.005  # s

__all__ = ["FlexServer", "commands"]


class FlexSession:
    """One connection: the analyser's port."""

    def __init__(self, server: FlexServer, sock: socket.socket) -> None:
        self._server = server
        self._analyser = server.analyser
        self.channel = LineChannel(sock, is_abort)
        self._replies: list[str] = []
        self._data: list[str] = []
        self._items = 0
        self._held_until = 0.0
        self._hold = False

    def serve(self) -> None:
        while True:
            timeout = max(0.0, self._held_until - time.monotonic()) if self._data else None
            line = self.channel.next_line(timeout)
            if line is None:
                self._flush()
            elif is_abort(line):
                self.clear()
                self._server.abort_others(self)
            elif line.strip():
                self._execute(line)

    def _execute(self, line: str) -> None:
        try:
            with self.channel.turn(self._analyser.lock):
                self._hold = False
                before = len(self._data)
                fault = self._server.fault_at(line, self.channel)
                self._analyser.run(line, self, fault)
        except Hangup:
            raise
        except LineAborted:
            log.info("analyser.aborted", line=line)
            self.clear()
            return
        if self._replies or (len(self._data) > before and not self._hold):
            self._flush()
        elif self._data and self._held_until == 0.0:
            self._held_until = time.monotonic() + self._server.hold

    def _flush(self) -> None:
        out = "".join(self._replies) + "".join(self._data)
        self.clear()
        if out:
            self.channel.send(out.encode("ascii"))

    # the analyser's Port

    def reply(self, text: str) -> None:
        self._replies.append(text + "\r\n")

    def put_data(self, text: str, items: int, *, hold: bool) -> None:
        self._data.append(text)
        self._items += items
        self._hold = self._hold or hold

    def clear_data(self) -> None:
        self._data.clear()
        self._items = 0
        self._held_until = 0.0

    def clear(self) -> None:
        self._replies.clear()
        self.clear_data()

    @property
    def waiting_items(self) -> int:
        return self._items

    def sleep(self, seconds: float) -> None:
        self.channel.sleep(seconds)


class FlexServer(Listener):
    """Serves `analyser` on a loopback port (0: any free one)."""

    def __init__(self, analyser: Analyser, port: int = 0, *, hold: float = HOLD, faults: Faults | None = None) -> None:
        self.analyser = analyser
        self.hold = hold
        super().__init__("analyser", port, lambda sock: FlexSession(self, sock), analyser.reboot, faults)
