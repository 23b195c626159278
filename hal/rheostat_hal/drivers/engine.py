"""What a rig asks of the driver that writes and reads its devices, whichever source of the analyser does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from rheostat_hal.bus import Bus
from rheostat_hal.rig import Measure
from rheostat_hal.values import Event, InstrumentIdentity, Pulse


class Engine(Protocol):
    """All methods but `abort` belong to one thread. Errors: the tree in `rheostat_hal.errors`.

    `bus`: to the analyser, which also tells its errors for sources that are driven in another way.
    """

    @property
    def bus(self) -> Bus: ...

    def resynchronise(self) -> tuple[InstrumentIdentity, list[Any]]:
        """Device clear, skip old replies, empty the error queue: who it is, the errors (number, text) it held."""
        ...

    def discover(self) -> tuple[tuple[int, str], ...]:
        """slot, model of every module. Raises IdentityError when one that the bench needs is missing."""
        ...

    def configure(self) -> None:
        """From reset: everything that does not change between events."""
        ...

    def ready(self) -> None:
        """Every terminal at 0 V, confirmed, before relays move to a device. Raises UnsafeError."""
        ...

    def zero(self) -> None:
        """Every output that is on to 0 V, confirmed. Raises UnsafeError."""
        ...

    def off(self) -> None:
        """Output switches off, read back. Raises UnsafeError."""
        ...

    def event(self, pulse: Pulse | None, readings: int) -> Event:
        """A write pulse (or none), then `readings` readings."""
        ...

    def train(self, pulses: Sequence[Pulse], cycles: int, measure: Measure) -> list[Event]:
        """The pulses one after another, `cycles` times, with one reading after each: (cycles * len(pulses)) events.
        Raises RefusedError for any of them before the first is sent."""
        ...

    def risk(self, pulse: Pulse) -> str | None:
        """What can go wrong with this write pulse by the way it is timed; None when the hardware times it."""
        ...

    def abort(self) -> None:
        """From any thread: stop what runs and take the outputs to 0 V."""
        ...

    def close(self) -> None:
        """Let the instrument go."""
        ...
