"""Dialogues with an instrument as text: recorded from a real bus, and played back against a driver.

One line each: `> sent`, `< answered`, `! silence` (a read that times out), `! cleared`; blank lines and # are comments.
"""

from __future__ import annotations

from collections.abc import Callable

from rheostat_hal.bus import Bus
from rheostat_hal.errors import BusTimeout


class RecordingBus:
    """Passes everything on to `bus` and tells `note` each line of the dialogue."""

    def __init__(self, bus: Bus, note: Callable[[str], None]) -> None:
        self._bus = bus
        self._note = note

    @property
    def resource(self) -> str:
        return self._bus.resource

    @property
    def writes(self) -> int:
        return self._bus.writes

    @property
    def reads(self) -> int:
        return self._bus.reads

    def write(self, line: str) -> None:
        self._note(f"> {line}")
        self._bus.write(line)

    def read(self, timeout: float) -> str:
        try:
            line = self._bus.read(timeout)
        except BusTimeout:
            self._note("! silence")
            raise
        self._note(f"< {line}")
        return line

    def query(self, line: str, timeout: float) -> str:
        self.write(line)
        return self.read(timeout)

    def clear(self) -> None:
        self._note("! cleared")
        self._bus.clear()

    def abort(self) -> None:
        self._note("! aborted")
        self._bus.abort()

    def close(self) -> None:
        self._bus.close()


class ReplayBus:
    """Plays the instrument's part of a dialogue. What departs from it, or is left of it at `close`, fails."""

    def __init__(self, dialogue: str, resource: str = "REPLAY") -> None:
        lines = (line.strip() for line in dialogue.splitlines())
        self._steps = [line for line in lines if line and not line.startswith("#")]
        self.resource = resource
        self.writes = 0
        self.reads = 0

    def _next(self, done: str) -> str:
        if not self._steps:
            raise AssertionError(f"{done!r} after the end of the dialogue")
        return self._steps.pop(0)

    def write(self, line: str) -> None:
        expected = self._next(f"> {line}")
        if expected != f"> {line}":
            raise AssertionError(f"sent     > {line}\nexpected {expected}")
        self.writes += 1

    def read(self, timeout: float) -> str:
        step = self._next("a read")
        if step == "! silence":
            raise BusTimeout(f"{self.resource}: no answer within {timeout:.3g} s")
        if not step.startswith("<"):
            raise AssertionError(f"read, but the dialogue goes on with {step!r}")
        self.reads += 1
        return step[2:]

    def query(self, line: str, timeout: float) -> str:
        self.write(line)
        return self.read(timeout)

    def clear(self) -> None:
        step = self._next("! cleared")
        if step != "! cleared":
            raise AssertionError(f"cleared, but the dialogue goes on with {step!r}")

    def abort(self) -> None:
        raise AssertionError("a played dialogue cannot be aborted")

    def close(self) -> None:
        if self._steps:
            raise AssertionError("never happened: " + "; ".join(self._steps))
