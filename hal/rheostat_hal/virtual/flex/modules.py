"""The plug-in modules that the virtual mainframe can hold, and what its SMUs can force and measure.

Ranges and limits: B1500A data sheet values as in public drivers. None of the SMUs has an ASU, which would add 1 pA.
"""

from __future__ import annotations

from dataclasses import dataclass

from rheostat_hal.virtual import adc


@dataclass(frozen=True, slots=True, eq=False)
class SmuKind:
    """One model of SMU. Ranges: code -> V or A. `envelope`: up to these V it gives this A. `power`: W, the largest
    power compliance."""

    voltage_ranges: dict[int, float]
    current_ranges: dict[int, float]
    envelope: tuple[tuple[float, float], ...]
    power: float

    def ranges(self, *, current: bool) -> dict[int, float]:
        return self.current_ranges if current else self.voltage_ranges

    def code(self, number: float, *, current: bool) -> int | None:
        """The range code with its aliases resolved, 0 for auto, None when this SMU has no such range."""
        if number == 0:
            return 0
        code = int(number) if current else adc.VOLTAGE_ALIASES.get(int(number), int(number))
        return code if number == int(number) and code in self.ranges(current=current) else None


def _kind(volts: tuple[int, ...], amperes: range, envelope: tuple[tuple[float, float], ...], power: float) -> SmuKind:
    voltages = {code: adc.VOLTAGE_RANGES[code] for code in volts}
    return SmuKind(voltages, {code: adc.CURRENT_RANGES[code] for code in amperes}, envelope, power)


_MEDIUM = ((20.0, 0.1), (40.0, 0.05), (100.0, 0.02))
_HIGH = ((20.0, 1.0), (40.0, 0.5), (100.0, 0.125), (200.0, 0.05))
SMUS = {
    "B1517A": _kind((5, 20, 50, 200, 400, 1000), range(9, 20), _MEDIUM, 2.0),  # HRSMU
    "B1511B": _kind((5, 20, 50, 200, 400, 1000), range(11, 20), _MEDIUM, 2.0),  # MPSMU
    "B1510A": _kind((20, 200, 400, 1000, 2000), range(11, 21), _HIGH, 20.0),  # HPSMU
}
SMU_MODEL = "B1517A"  # what a bench gets that does not say
WGFMU_MODEL, SPGU_MODEL = "B1530A", "B1525A"
MODELS = (*SMUS, WGFMU_MODEL, SPGU_MODEL)
EMPTY = "0"
