"""The bench's clock. Time is counted in whole nanoseconds: a width of 0.8 s comes out as 0.8, not nearly so."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Protocol

# Sleeps real seconds; raises LineAborted or Hangup (see sockets) when the line must stop.
Sleep = Callable[[float], None]


class Clock(Protocol):
    """`now`: ns since the bench started (or since the state it was given)."""

    @property
    def now(self) -> int: ...

    def wait(self, seconds: float, sleep: Sleep) -> None: ...


class VirtualClock:
    """Time passes when an instrument waits, and costs nothing. An endless wait still has to be aborted."""

    def __init__(self, start: int = 0) -> None:
        self._now = start

    @property
    def now(self) -> int:
        return self._now

    def wait(self, seconds: float, sleep: Sleep) -> None:
        if math.isinf(seconds):
            sleep(seconds)
        # Two instruments may wait at once: the caller holds the world's lock.
        self._now += round(seconds * 1e9)


class RealClock:
    """Time passes by itself; a wait takes as long as it says, or ends in the exception of `sleep`."""

    def __init__(self, start: int = 0) -> None:
        self._origin = time.monotonic_ns() - start

    @property
    def now(self) -> int:
        return time.monotonic_ns() - self._origin

    def wait(self, seconds: float, sleep: Sleep) -> None:
        sleep(seconds)
