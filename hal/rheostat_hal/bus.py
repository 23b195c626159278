"""Lines to and from one instrument. VisaBus is the only place that knows pyvisa, and knows nothing of instruments."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from rheostat_hal.errors import BusAborted, BusError, BusTimeout, BusUnavailable, ReplyError

SLICE = 0.05  # s, the longest wait that does not look at the abort flag
MAX_LINE = 1 << 20  # bytes of a reply without an end before it counts as garbage


class Bus(Protocol):
    """Lines without their terminators. `writes` and `reads` count lines. Only `abort` may come from another thread."""

    @property
    def resource(self) -> str: ...

    @property
    def writes(self) -> int: ...

    @property
    def reads(self) -> int: ...

    def write(self, line: str) -> None:
        """Send one line. Raises BusAborted, BusError."""
        ...

    def read(self, timeout: float) -> str:
        """The next line, waiting at most `timeout` s. Raises BusTimeout, BusAborted, BusError."""
        ...

    def query(self, line: str, timeout: float) -> str: ...

    def clear(self) -> None:
        """Device clear, or what comes near: stop what runs, forget unread replies, end an abort. A connection that
        was lost is opened anew: who then answers has to be asked again. Raises BusUnavailable, BusError."""
        ...

    def abort(self) -> None:
        """From any thread: stop what the instrument does. Reads and writes raise BusAborted until `clear`."""
        ...

    def close(self) -> None: ...


class VisaBus:
    """A VISA resource. `ready`: the bits of its status byte that announce a reply (INSTR resources only);
    `abort_line`: what to send for an abort, and for a clear, where there is no device clear (SOCKET resources);
    `safe_line`: what to send after an abort of either kind, from the aborting thread, so that nobody else has to be
    alive for it; `library`: pyvisa's; `exclusive`: take the VISA lock, where the library has one, so that no other
    program talks to the instrument. Not for an instrument that a library of its maker opens a second time.

    INSTR resources (GPIB, USB, VXI-11, HiSLIP) are asked for their status byte until a reply waits, then read: so an
    abort never waits behind a read, and no timeout falls into the middle of a transfer, which would lose data.
    SOCKET resources are read in short slices that hand over what has arrived; so are those whose library cannot ask
    for a status byte, or clear a device (USB by pyvisa-py): what a library cannot do is done as on a socket. `direct`:
    where the socket is pyvisa-py's, send and receive without its `write` and `read`, which cost more than the round
    trip and take a closed connection for silence.
    """

    def __init__(
        self,
        resource: str,
        *,
        library: str = "",
        terminator: str = "\n",
        ready: int = 16,
        abort_line: str | None = None,
        safe_line: str | None = None,
        exclusive: bool = True,
        direct: bool = True,
    ) -> None:
        import pyvisa  # slow: only those who open an instrument wait for it

        self.resource = resource
        self.writes = 0
        self.reads = 0
        self._library = library
        self._terminator = terminator
        self._ready = ready
        self._abort_line = abort_line
        self._safe_line = safe_line
        self._exclusive = exclusive
        self._want_direct = direct
        self._lines: deque[str] = deque()
        self._partial = bytearray()
        self._aborted = threading.Event()
        self._using = threading.Lock()  # INSTR: one call at a time; SOCKET: one whole line at a time
        self._visa_error: Any = pyvisa.errors.VisaIOError
        self._status = pyvisa.constants.StatusCode
        self._suppress_end = pyvisa.constants.ResourceAttribute.suppress_end_enabled
        self._use(self._connect())

    def _connect(self) -> Any:
        """The resource, opened. Raises BusUnavailable."""
        import pyvisa

        try:
            return pyvisa.ResourceManager(self._library).open_resource(self.resource, open_timeout=5000)
        # pyvisa-py raises plain Exception when it cannot connect, and pyvisa ValueError for a missing backend
        except Exception as error:
            raise BusUnavailable(f"{self.resource}: cannot be opened: {error}") from error

    def _use(self, opened: Any) -> None:
        """Raises BusUnavailable."""
        self._opened: Any = opened  # None: lost, or let go
        self._visa: Any = opened.visalib
        self._session: Any = opened.session
        self._is_socket = opened.resource_class == "SOCKET"
        self._socket = self._socket_below()
        self._ended = True  # the last message that was read from
        try:
            if self._exclusive:
                self._can(lambda: opened.lock_excl(0))
            self._announces = not self._is_socket and self._can(lambda: self._visa.read_stb(self._session))
        except BusError as error:
            self.close()
            raise BusUnavailable(str(error)) from error
        if self._is_socket:
            opened.read_termination = "\n"
            opened.set_visa_attribute(self._suppress_end, False)
            opened.timeout = SLICE * 1000
        else:
            opened.read_termination = None  # a message ends with END (EOI on GPIB), not with a character
            opened.timeout = 5000 if self._announces else 10 * SLICE * 1000
        if self._socket is not None:
            refused = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # pyvisa-py does not look
            if refused:
                self.close()
                raise BusUnavailable(f"{self.resource}: nothing answers there: {os.strerror(refused)}")
            # pyvisa-py leaves Nagle's algorithm on: every write after a write would wait 40 ms for the peer's ACK
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._direct = self._socket if self._want_direct and self._is_socket else None
        if self._direct is not None:
            self._direct.settimeout(SLICE)

    def write(self, line: str) -> None:
        self._send(line, after_abort=False)

    def read(self, timeout: float) -> str:
        deadline = time.monotonic() + timeout
        while not self._lines:
            if self._aborted.is_set():
                raise BusAborted(f"{self.resource}: aborted")
            if self._is_socket:
                self._collect(self._receive(), ends=False)
            elif not (self._announces and self._ended) or self._await_reply(deadline):
                data = self._receive()
                self._collect(data, ends=self._ended)
                if not data:
                    self._aborted.wait(0.01)  # a status byte that announces nothing must not be asked in a spin
            if not self._lines and time.monotonic() >= deadline:
                got = f", only {bytes(self._partial[:80])!r}" if self._partial else ""
                raise BusTimeout(f"{self.resource}: no answer within {timeout:.3g} s{got}")
        self.reads += 1
        return self._lines.popleft()

    def query(self, line: str, timeout: float) -> str:
        self.write(line)
        return self.read(timeout)

    def clear(self) -> None:
        self._aborted.clear()
        self._lines.clear()
        self._partial.clear()
        self._ended = True
        if self._opened is not None:
            try:
                self._clear()
                return
            except BusError:  # the connection is lost
                with self._using, contextlib.suppress(BusError):
                    self.close()
        opened = self._connect()  # an abort does not wait for it: it finds nothing to send to, and says so
        with self._using:
            self._use(opened)
        self._clear()  # what the lost connection has left running

    def _clear(self) -> None:
        if self._device_clear():
            return
        if self._abort_line is not None:  # stop the line that may still run, read until it is quiet
            self._send(self._abort_line)
        deadline = time.monotonic() + 2.0
        while self._receive() and time.monotonic() < deadline:
            continue

    def _device_clear(self) -> bool:
        """False where there is none."""
        if self._is_socket:
            return False
        with self._using:
            return self._can(lambda: self._visa.clear(self._session))

    def abort(self) -> None:
        self._aborted.set()
        if not self._device_clear() and self._abort_line is not None:
            self._send(self._abort_line)
        if self._safe_line is not None:
            self._send(self._safe_line)

    def close(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            with self._mapped():
                opened.close()

    def _send(self, line: str, *, after_abort: bool = True) -> None:
        data = (line + self._terminator).encode("ascii")
        with self._mapped(), self._using:
            if not after_abort and self._aborted.is_set():  # asked here: nothing slips in behind the abort's own lines
                raise BusAborted(f"{self.resource}: aborted")
            sent = self._transmit(data)
        if sent != len(data):
            raise BusError(f"{self.resource}: only {sent} of {len(data)} bytes were sent")
        self.writes += 1

    def _transmit(self, data: bytes) -> int:
        """How many bytes went out."""
        if self._opened is None:
            raise BusError(f"{self.resource}: the connection is lost")
        if self._direct is None:
            return int(self._visa.write(self._session, data)[0])
        self._direct.sendall(data)
        return len(data)

    def _receive(self) -> bytes:
        """What has arrived, b"" when nothing came within the session's timeout."""
        if self._direct is not None:
            try:
                data = self._direct.recv(65536)
            except TimeoutError:
                return b""
            except OSError as error:
                raise BusError(f"{self.resource}: connection lost: {error}") from error
            if not data:
                raise BusError(f"{self.resource}: the instrument closed the connection")
            return data
        lock = contextlib.nullcontext() if self._is_socket else self._using
        with self._mapped(), lock:
            try:
                data, status = self._visa.read(self._session, 65536)
            except self._visa_error as error:
                if error.error_code != self._status.error_timeout:
                    raise
                self._look_for_peer()
                return b""
        self._ended = status != self._status.success_max_count_read
        return bytes(data)

    def _collect(self, data: bytes, *, ends: bool) -> None:
        """Split into lines. `ends`: an INSTR message is over where the transfer is, also without a line feed."""
        if self._partial or not data.endswith(b"\n") or data.count(b"\n") > 1:
            self._partial += data
            *whole, rest = self._partial.split(b"\n")
            if ends and rest:
                whole, rest = [*whole, rest], bytearray()
            self._lines.extend(line.decode("ascii", "replace").rstrip("\r") for line in whole)
            self._partial = rest
            if len(rest) > MAX_LINE:
                raise ReplyError(f"{self.resource}: {len(rest)} bytes without the end of a line")
        else:
            self._lines.append(data.decode("ascii", "replace").rstrip("\r\n"))

    def _await_reply(self, deadline: float) -> bool:
        """Ask for the status byte, ever less often, until a reply waits. False at the deadline or at an abort."""
        pause = 0.0
        while True:
            with self._mapped(), self._using:
                status, _ = self._visa.read_stb(self._session)
            if status & self._ready:
                return True
            if self._aborted.wait(pause) or time.monotonic() >= deadline:
                return False
            pause = min(0.01, 1.5 * pause + 0.0002)

    def _look_for_peer(self) -> None:
        """pyvisa-py takes a closed connection for silence."""
        if self._socket is not None and self._is_socket:
            readable = select.select([self._socket], [], [], 0)[0]
            if readable and self._socket.recv(1, socket.MSG_PEEK) == b"":
                raise BusError(f"{self.resource}: the instrument closed the connection")

    def _socket_below(self) -> socket.socket | None:
        """The socket under a pyvisa-py session; None with any other library, which sets TCP_NODELAY itself."""
        session = getattr(self._visa, "sessions", {}).get(self._session)
        interface = getattr(session, "interface", None)
        return interface if isinstance(interface, socket.socket) else None

    def _can(self, call: Callable[[], object]) -> bool:
        """Make a call; False when the library says that it cannot do that on this kind of resource."""
        with self._mapped():
            try:
                call()
            except NotImplementedError:
                return False
            except self._visa_error as error:
                if error.error_code != self._status.error_nonsupported_operation:
                    raise
                return False
        return True

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except BusError:
            raise
        except Exception as error:  # pyvisa's, and what each backend raises of its own: RPCError, USBError, ...
            locked = getattr(error, "error_code", None) == self._status.error_resource_locked
            why = "another program holds its VISA lock" if locked else f"connection lost: {error}"
            raise BusError(f"{self.resource}: {why}") from error
