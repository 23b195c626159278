"""A stand-in for Keysight's WGFMU library: the same functions with the same C arguments, played by the virtual bench.

`StandIn.WGFMU_openSession` and the others are C functions: who drives the library through ctypes cannot tell. Light to
import: it runs in the process of the driver.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import CFUNCTYPE, c_int
from typing import Any

from rheostat_hal.virtual.wgfmu import run, setup
from rheostat_hal.virtual.wgfmu.state import TABLE, State

__all__ = ["StandIn", "run", "setup"]


class StandIn:
    """`place`: `tcp:HOST:PORT`, where the virtual bench answers for its B1530A modules."""

    def __init__(self, place: str) -> None:
        self.place = place
        _, host, port = place.split(":")
        self._state = State(host, int(port))
        for name, function in TABLE.items():
            setattr(self, f"WGFMU_{name}", CFUNCTYPE(c_int, *function.arguments)(self._bound(name)))

    def __repr__(self) -> str:
        return f"StandIn({self.place!r})"

    def _bound(self, name: str) -> Callable[..., int]:
        def call(*arguments: Any) -> int:
            return self._state.call(name, arguments)

        return call
