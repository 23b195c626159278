"""The rig as its users see it: route to one device, pulse it, read it, be safe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from rheostat_hal.values import DeviceAddress, Event, InstrumentIdentity, Pulse

Measure = Literal["states", "energy"]


class Rig(Protocol):
    """One device at a time. All methods but `abort` belong to one thread. Errors: the tree in `rheostat_hal.errors`.

    After any HalError but RefusedError (nothing was sent) the rig has tried to reach the safe state and is latched:
    everything but `make_safe`, `recover` and `close` raises the same error again until `recover` has succeeded.
    """

    @property
    def devices(self) -> tuple[DeviceAddress, ...]: ...

    @property
    def identities(self) -> tuple[InstrumentIdentity, ...]: ...

    def route(self, device: str) -> float:
        """Connect one device: 0 V confirmed, open all, read back, close, read back. Returns s of rig time."""
        ...

    def read(self, readings: int = 1) -> Event:
        """Read the routed device `readings` times, one line on the bus."""
        ...

    def apply(self, pulse: Pulse, readings: int = 1) -> Event:
        """One write pulse and its read-verify, one line on the bus. The output is back at 0 V without the host."""
        ...

    def train(self, pulses: Sequence[Pulse], cycles: int = 1, measure: Measure = "states") -> list[Event]:
        """A train of write pulses, `cycles` times over, a reading after each: (cycles * len(pulses)) events in order.

        Where the source can, all of it is one sequence of the instrument. measure: "states" for the resistances,
        "energy" for the write currents, where one run of the source cannot have both.
        """
        ...

    def make_safe(self) -> None:
        """Outputs to 0 V, relays open, both read back. Raises UnsafeError when that cannot be confirmed; another
        HalError when it was confirmed only after an error: the rig is safe then, and latched."""
        ...

    def abort(self) -> None:
        """From any thread: stop the line that runs now; the thread in `read` or `apply` gets BusAborted."""
        ...

    def recover(self) -> None:
        """Device clear, drain the error queues, identify again, make safe, clear the latch."""
        ...

    def close(self) -> None:
        """Make safe, then let the instruments go."""
        ...
