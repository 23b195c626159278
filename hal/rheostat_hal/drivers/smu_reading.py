"""A device read by two SMUs: one forces the read voltage, the other measures the current at 0 V. Pure text, no I/O.

Sources: Agilent B1500A/B1505A Programming Guide, ed. 11; User's Guide (ranges).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from rheostat_hal.bench import Analyser, Limits
from rheostat_hal.drivers import flex

OPEN_CIRCUIT = 1e-3  # of the read range: under it (1 uA of 1 mA, 100 kohm at 0.1 V) nothing is connected
# s of one sample, and of a reading besides its samples. Assumed, the manual pages at hand give no figures; high-speed:
# the step of its integration time (Programming Guide, AIT).
SAMPLE_TIME = {"high-resolution": 2e-3, "high-speed": 2e-6}
COMMAND_TIME = 3e-4


class SmuReading:
    """`forcing`, `measuring`: SMU channels; `voltage`: V. `setup`: sentences that a reset makes necessary again;
    `time`: s that one reading takes."""

    def __init__(self, config: Analyser, limits: Limits, forcing: int, measuring: int, voltage: float) -> None:
        self._voltage = voltage
        self._full_scale = config.read_range
        high_resolution = int(config.adc == "high-resolution")
        self.setup = (
            "FMT 1,0",  # ASCII with headers: replies can be told apart
            f"AAD {measuring},{high_resolution}",
            f"AIT {high_resolution},1,{config.averaging}",  # manual: exactly this many samples
        )
        self.time = COMMAND_TIME + config.averaging * SAMPLE_TIME[config.adc]
        self._once = flex.spot_current(measuring, flex.current_range(config.read_range))
        voltage_range = flex.voltage_range(voltage)
        self._on = flex.force(forcing, voltage_range, voltage, limits.compliance)
        self._off = flex.force(forcing, voltage_range, 0.0)
        self._most = (flex.MAX_LINE - len(f"{self._on};{self._off};ERRX?")) // (len(self._once) + 1)

    def lines(self, before: list[str], readings: int) -> Iterator[tuple[str, int]]:
        """The sentences `before`, then `readings` readings: (line, how many readings it makes), one line if they fit,
        the first one even if there is none to make."""
        left, head = readings, ";".join([*before, ""])  # with a semicolon at its end
        while True:
            room = self._most + -len(head) // (len(self._once) + 1)
            count = min(left, max(0, room))
            read = (self._on, *(self._once,) * count, self._off) if count else ()
            yield flex.line(head + ";".join((*read, "ERRX?"))), count
            left, head = left - count, ""
            if not left:
                return

    def resistance(self, current: float) -> float:
        """ohm; inf for an open circuit, 0 for a current over range."""
        if abs(current) < OPEN_CIRCUIT * self._full_scale:
            return math.inf
        return 0.0 if abs(current) >= flex.OVERFLOW else abs(self._voltage / current)
