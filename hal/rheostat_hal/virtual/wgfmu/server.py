"""The B1530A modules on a loopback socket, for the stand-in of Keysight's library: JSON, one request a line."""

from __future__ import annotations

import json
import socket
from typing import Any

import numpy as np
import structlog

from rheostat_hal.virtual.sockets import LineChannel, Listener
from rheostat_hal.virtual.wgfmu.faults import UNIDENTIFIED, Fault
from rheostat_hal.virtual.wgfmu.module import Modules
from rheostat_hal.virtual.wgfmu.state import pack

log = structlog.get_logger()


class WgfmuConnection:
    """One stand-in."""

    def __init__(self, modules: Modules, sock: socket.socket) -> None:
        self._modules = modules
        self.channel = LineChannel(sock, lambda _: False)

    def serve(self) -> None:
        while True:
            line = self.channel.next_line()
            if line is not None:
                self.channel.send(json.dumps(self._answer(line), default=_plain).encode("ascii") + b"\n")

    def _answer(self, line: str) -> dict[str, Any]:
        try:
            return self._modules.answer(json.loads(line))
        except Fault as fault:
            return {"code": fault.code, "text": fault.text}
        except (ValueError, LookupError, TypeError, AttributeError) as error:  # not from a stand-in of ours
            log.error("wgfmu.bad_request", line=line[:200], error=repr(error))
            return {"code": UNIDENTIFIED, "text": repr(error)}


class WgfmuServer(Listener):
    """Serves `modules` on a loopback port (0: any free one)."""

    def __init__(self, modules: Modules, port: int = 0) -> None:
        super().__init__("wgfmu", port, lambda sock: WgfmuConnection(modules, sock))

    @property
    def place(self) -> str:
        """What the stand-in takes."""
        return f"tcp:127.0.0.1:{self.port}"


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return pack(value)
    raise TypeError(f"{type(value)} in an answer")
