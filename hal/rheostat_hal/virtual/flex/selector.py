"""The 16440A SMU/pulse generator selector on the digital I/O port.

A port joins its cable to an SMU or to an SPGU channel. Which ones is the bench's wiring; on a port that nothing is
wired to, states are only remembered.
"""

from __future__ import annotations

from collections.abc import Mapping

from rheostat_hal.virtual.world import World

MODES = (0, 1, 2, 4, 8, 16, 32)  # ERMOD: general purpose, 16440A, other units
OPEN, SMU, PGU, PGU_OPEN = range(4)


class Selector:
    """`wired`: port -> channels of the SMU and of the pulse generator that it chooses between."""

    def __init__(self, wired: Mapping[int, tuple[int, int]], world: World) -> None:
        self._wired = dict(wired)
        self._world = world
        self.reset()

    def reset(self) -> None:
        """All open."""
        self.mode = 0
        self.states = dict.fromkeys(range(4), OPEN)
        for port in self._wired:
            self.select(port, OPEN)

    def select(self, port: int, state: int) -> None:
        self.states[port] = state
        if port in self._wired:
            smu, generator = self._wired[port]
            self._world.select(smu, state == SMU)
            self._world.select(generator, state == PGU)
