"""What the stand-in of the library holds: its table of functions, the connection to the bench, settings, errors."""

from __future__ import annotations

import base64
import json
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from rheostat_hal.virtual.wgfmu.faults import CHANNEL, COMMUNICATION, CONTEXT, STRING, UNIDENTIFIED, Fault
from rheostat_hal.virtual.wgfmu.patterns import Book


class Function(NamedTuple):
    arguments: tuple[Any, ...]  # ctypes
    run: Callable[..., None]  # takes the state and the arguments; raises Fault


TABLE: dict[str, Function] = {}


def export(name: str, *arguments: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Enter a function of the library, named without WGFMU_."""

    def enter(run: Callable[..., None]) -> Callable[..., None]:
        TABLE[name] = Function(arguments, run)
        return run

    return enter


class Link:
    """JSON lines to the virtual bench. -5 when the connection is lost."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        try:
            self._sock = socket.create_connection((host, port), timeout)
        except OSError as error:
            raise Fault(COMMUNICATION, f"{host}:{port}: {error}") from error
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def limit(self, timeout: float) -> None:
        """Wait no longer than this for an answer, s."""
        self._sock.settimeout(timeout)

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        """One request and its answer. Raises the Fault that the bench answers."""
        try:
            self._sock.sendall(json.dumps({"do": do, **fields}).encode() + b"\n")
            parts = [self._rest]
            while b"\n" not in parts[-1]:
                data = self._sock.recv(1 << 20)
                if not data:
                    raise Fault(COMMUNICATION, "the connection to the instrument is closed")
                parts.append(data)
        except OSError as error:
            raise Fault(COMMUNICATION, f"the connection to the instrument is lost: {error}") from error
        line, self._rest = b"".join(parts).split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        if "code" in answer:
            raise Fault(answer["code"], answer["text"])
        return answer

    def close(self) -> None:
        self._sock.close()


def pack(values: NDArray[np.float64]) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f8").tobytes()).decode("ascii")


def unpack(text: str) -> NDArray[np.float64]:
    return np.frombuffer(base64.b64decode(text), dtype="<f8")


@dataclass(slots=True)
class Settings:
    """Of a channel; they come to the instrument with update, execute and the DC functions."""

    mode: int = 2003
    force_range: int = 3000
    measure_mode: int = 4000
    voltage_range: int = 5002
    current_range: int = 6005
    force_delay: float = 0.0
    measure_delay: float = 0.0
    enabled: bool = True


class State:
    """`host`, `port`: where the bench answers for its B1530A modules."""

    def __init__(self, host: str, port: int) -> None:
        self._place = (host, port)
        self._link: Link | None = None
        self.timeout = 100.0  # s
        self.book = Book()
        self.settings: dict[int, Settings] = {}
        self.errors: deque[str] = deque()
        self.summary: list[str] = []
        self.log: TextIO | None = None
        self.executed = False
        self.stale = False  # the setup has changed since the results were measured
        self.ids: tuple[int, ...] = ()

    @property
    def link(self) -> Link:
        """The session. Fault when there is none."""
        if self._link is None:
            raise Fault(CONTEXT, "no session is open")
        return self._link

    def open(self, address: str) -> None:
        if self._link is not None:
            raise Fault(CONTEXT, "a session is open already")
        if not address:
            raise Fault(STRING, "the address is empty")
        link = Link(*self._place, self.timeout)
        try:
            self.ids = tuple(link.ask("open", address=address)["channels"])
        except Fault:
            link.close()
            raise
        self._link = link
        self.settings = {channel: Settings() for channel in self.ids}
        self.executed = False

    def close(self) -> None:
        link = self.link
        self._link = None
        link.close()

    def channel(self, channel: int) -> Settings:
        """The settings of a channel that exists in the session."""
        if self._link is None:
            raise Fault(CONTEXT, "no session is open")
        if channel not in self.settings:
            raise Fault(CHANNEL, f"channel {channel} is not a WGFMU channel here")
        return self.settings[channel]

    def changed(self) -> None:
        """The setup changed: results measured before are no longer given out."""
        self.stale = True

    def wire_settings(self) -> dict[str, dict[str, Any]]:
        return {str(channel): asdict(settings) for channel, settings in self.settings.items()}

    def call(self, name: str, arguments: tuple[Any, ...]) -> int:
        """Run a function as the library does: its return code; what went wrong is added to the errors."""
        try:
            TABLE[name].run(self, *arguments)
        except Fault as fault:
            self._note(name, fault.code, fault.text)
            return fault.code
        # an exception cannot leave a C function: the caller would take its absence of a result for success
        except Exception as error:  # noqa: BLE001
            self._note(name, UNIDENTIFIED, repr(error))
            return UNIDENTIFIED
        return 0

    def _note(self, name: str, code: int, text: str) -> None:
        line = f"[{code}] WGFMU_{name}: {text}"
        self.errors.append(line)
        self.summary.append(line)
        if self.log is not None:
            self.log.write(line + "\n")
            self.log.flush()
