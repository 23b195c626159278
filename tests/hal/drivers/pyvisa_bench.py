"""A pyvisa backend with GPIB, USB and VXI-11 resources, whose instruments are the virtual ones behind sockets.

A message begins with a write and ends with END, not with a character; what has come is announced by the status byte; a
device clear stops the line that runs and forgets what was not read; a resource may be locked by one session.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from dataclasses import dataclass, field

from pyvisa import constants, highlevel, util
from pyvisa.constants import ResourceAttribute, StatusCode

DATA_READY, MESSAGE_AVAILABLE = 1, 16
CHUNK = 23  # bytes of one viRead, however many are asked for


@dataclass
class Instrument:
    """`able`: of "status", "clear", "lock", what the library can do with it."""

    port: int
    clear: bytes = b""
    able: frozenset[str] = frozenset({"status", "clear", "lock"})
    heard: list[bytes] = field(default_factory=list)
    clears: int = 0
    holder: int | None = None


INSTRUMENTS: dict[str, Instrument] = {}


class Session:
    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.attributes = {ResourceAttribute.resource_class: "INSTR", ResourceAttribute.timeout_value: 2000}
        self.messages: queue.Queue[bytes] = queue.Queue()
        self.rest = b""
        self.socket = socket.create_connection(("127.0.0.1", instrument.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with self.socket.makefile("rb") as stream:
            try:
                for line in stream:
                    self.messages.put(line)
            except OSError:
                return


class Library(highlevel.VisaLibraryBase):
    @staticmethod
    def get_library_paths():
        return (util.LibraryPath("bench"),)

    @staticmethod
    def get_debug_info():
        return {}

    def _init(self):
        self.sessions = {}

    def open_default_resource_manager(self):
        return 1, StatusCode.success

    def list_resources(self, session, query="?*::INSTR"):
        return tuple(INSTRUMENTS)

    def open(self, session, name, access_mode=constants.AccessModes.no_lock, open_timeout=0):
        number = 1 + max(self.sessions, default=1)
        self.sessions[number] = Session(INSTRUMENTS[name])
        return number, StatusCode.success

    def close(self, session):
        if session in self.sessions:
            closed = self.sessions.pop(session)
            if closed.instrument.holder == session:
                closed.instrument.holder = None
            closed.socket.shutdown(socket.SHUT_RDWR)
            closed.socket.close()
        return StatusCode.success

    def get_attribute(self, session, attribute):
        return self.sessions[session].attributes[attribute], StatusCode.success

    def set_attribute(self, session, attribute, value):
        self.sessions[session].attributes[attribute] = value
        return StatusCode.success

    def disable_event(self, session, kind, mechanism):
        return StatusCode.success

    def discard_events(self, session, kind, mechanism):
        return StatusCode.success

    def lock(self, session, kind, timeout, requested_key=None):
        instrument = self._able(session, "lock")
        self._unlocked(session)
        instrument.holder = session
        return "", StatusCode.success

    def unlock(self, session):
        self.sessions[session].instrument.holder = None
        return StatusCode.success

    def write(self, session, data):
        self._unlocked(session).heard.append(data)
        self.sessions[session].socket.sendall(data)
        return len(data), StatusCode.success

    def read(self, session, count):
        self._unlocked(session)
        here = self.sessions[session]
        patience = here.attributes[ResourceAttribute.timeout_value] / 1000.0
        try:
            message = here.rest or here.messages.get(timeout=patience)
        except queue.Empty:
            self.handle_return_value(session, StatusCode.error_timeout)
        some, here.rest = message[: min(CHUNK, count)], message[min(CHUNK, count) :]
        return some, StatusCode.success_max_count_read if here.rest else StatusCode.success

    def read_stb(self, session):
        self._able(session, "status")
        self._unlocked(session)
        here = self.sessions[session]
        waits = bool(here.rest) or not here.messages.empty()
        return (DATA_READY | MESSAGE_AVAILABLE) * waits, StatusCode.success

    def clear(self, session):
        instrument = self._able(session, "clear")
        self._unlocked(session)
        instrument.clears += 1
        here = self.sessions[session]
        here.socket.sendall(instrument.clear)
        time.sleep(0.02)  # what was on its way has come
        here.rest = b""
        while not here.messages.empty():
            here.messages.get()
        return StatusCode.success

    def _able(self, session, what):
        instrument = self.sessions[session].instrument
        if what not in instrument.able:
            self.handle_return_value(session, StatusCode.error_nonsupported_operation)
        return instrument

    def _unlocked(self, session):
        instrument = self.sessions[session].instrument
        if instrument.holder not in (None, session):
            self.handle_return_value(session, StatusCode.error_resource_locked)
        return instrument


WRAPPER_CLASS = Library
