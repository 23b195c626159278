"""The daemon's face: requests come in on a ROUTER, are checked as far as the wire goes, and are answered once each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import structlog
import zmq

from rheostat import wire
from rheostatd.errors import DaemonError

log = structlog.get_logger()

Reply = Callable[..., None]  # (body, arrays=None)
Handle = Callable[[wire.Request, wire.Arrays, Reply], None]


class Front:
    """`bind`: IP address; `port`: 0 for any free one. Raises zmq.ZMQError when the port is taken."""

    def __init__(self, context: zmq.Context[Any], bind: str, port: int, events_port: int, handle: Handle) -> None:
        self._handle = handle
        self.requests: zmq.Socket[bytes] = context.socket(zmq.ROUTER)
        self.events: zmq.Socket[bytes] = context.socket(zmq.PUB)
        for socket in (self.requests, self.events):
            socket.linger = 500  # ms, for the last replies and events of a daemon that stops
            socket.ipv6 = ":" in bind
        self.requests.maxmsgsize = wire.MAX_ARRAY_BYTES
        self.events.sndhwm = 20_000
        try:
            self.address = _bind(self.requests, bind, port)
            self.events_address = _bind(self.events, bind, events_port)
        except zmq.ZMQError:
            self.close()
            raise

    def publish(self, topic: bytes, header: bytes) -> None:
        self.events.send_multipart([topic, header], zmq.NOBLOCK)

    def receive(self) -> None:
        """Takes one message and sees that it is answered. Whatever it contains, the daemon goes on."""
        identity, *frames = self.requests.recv_multipart(zmq.NOBLOCK)
        envelope = [identity]
        if len(frames) > 1 and not frames[0]:  # a REQ socket puts an empty frame in front
            envelope.append(frames.pop(0))
        number = 0

        def reply(body: msgspec.Struct, arrays: wire.Arrays | None = None) -> None:
            self.requests.send_multipart([*envelope, *wire.pack(body, number, arrays)], zmq.NOBLOCK)

        try:
            if not frames:
                raise wire.WireError("a message needs a header")
            header = wire.unpack_header(frames[0])
            number = header.number
            request = wire.unpack_request(header)
            arrays = wire.unpack_arrays(header, frames[1:]) if header.arrays or len(frames) > 1 else {}
            self._handle(request, arrays, reply)
        except (wire.WireError, DaemonError) as error:
            log.info("request.refused", code=error.code, reason=str(error))
            reply(wire.Failure(code=error.code, message=str(error)))
        except Exception as error:  # an error in here must not stop what watches over a rig
            log.exception("request.failed")
            reply(wire.Failure(code="daemon.failed", message=f"an error in the daemon: {error!r}; see its log"))

    def close(self) -> None:
        self.requests.close()
        self.events.close()


def _bind(socket: zmq.Socket[bytes], bind: str, port: int) -> str:
    host = f"[{bind}]" if ":" in bind else bind
    socket.bind(f"tcp://{host}:{port or '*'}")
    return bytes(socket.getsockopt(zmq.LAST_ENDPOINT)).decode().rstrip("\0")
