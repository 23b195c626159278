"""One SMU as its commands see it: what it forces, within which limits, how it measures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from rheostat_hal.virtual import adc
from rheostat_hal.virtual.flex.errors import FlexError
from rheostat_hal.virtual.world import World

CURRENT_CODES = {code: code for code in adc.CURRENT_RANGES}
VOLTAGE_CODES = {code: code for code in adc.VOLTAGE_RANGES} | adc.VOLTAGE_ALIASES
WITHOUT_INTERLOCK = 42.0  # V
# B1517A: (to this voltage, this current)
ENVELOPE = ((20.0, 0.1), (40.0, 0.05), (100.0, 0.02))


@dataclass(frozen=True, slots=True)
class Output:
    """What is forced: `current` mode or voltage mode, the range code, the value (V or A), the compliance (A or V)."""

    current: bool
    code: int
    value: float
    compliance: float
    polarity: int = 0
    compliance_code: int = 0

    @property
    def full_scale(self) -> float:
        """Of the output range in use: the smallest that covers the value and is not below the code."""
        return _full_scale(self.current, self.code, self.value)

    @property
    def set_value(self) -> float:
        """The value as the output converter makes it."""
        return _set_value(self.current, self.code, self.value)

    def at(self, value: float) -> Output:
        """The same at another value, as pulses and sweeps need it."""
        return Output(self.current, self.code, value, self.compliance, self.polarity, self.compliance_code)


@lru_cache(maxsize=4096)
def _full_scale(current: bool, code: int, value: float) -> float:
    ranges = adc.CURRENT_RANGES if current else adc.VOLTAGE_RANGES
    return max(adc.covering(abs(value), ranges), ranges.get(code, 0.0))


@lru_cache(maxsize=4096)
def _set_value(current: bool, code: int, value: float) -> float:
    step = adc.OUTPUT_STEP * _full_scale(current, code, value)
    return round(value / step) * step


@lru_cache(maxsize=4096)
def _output(
    slot: int,
    current: bool,
    code: float,
    value: float,
    compliance: float,
    polarity: float,
    compliance_code: float,
    interlock: bool,
) -> Output:
    codes, others = (CURRENT_CODES, VOLTAGE_CODES) if current else (VOLTAGE_CODES, CURRENT_CODES)
    if (code != 0 and code not in codes) or (compliance_code != 0 and compliance_code not in others):
        raise FlexError(124, slot)
    if polarity not in (0, 1):
        raise FlexError(120)
    volts, amperes = (compliance, abs(value)) if current else (abs(value), compliance)
    if volts > WITHOUT_INTERLOCK and not interlock:
        raise FlexError(202, slot)
    tolerance = 1.0 + 1e-9
    most = next((limit for up_to, limit in ENVELOPE if volts <= up_to * tolerance), None)
    if most is None:
        raise FlexError(123 if current else 120, slot)
    if amperes > most * tolerance:
        raise FlexError(120 if current else 123, slot)
    return Output(
        current,
        codes[int(code)] if code else 0,
        value,
        compliance,
        int(polarity),
        others[int(compliance_code)] if compliance_code else 0,
    )


INITIAL = Output(False, 200, 0.0, 1e-4)


class Smu:
    """A B1517A in `slot`, forcing through source `index` of the world."""

    def __init__(self, slot: int, index: int, world: World) -> None:
        self.slot = slot
        self.index = index
        self._world = world
        self.reset()

    def reset(self) -> None:
        self.on = False
        self.output = INITIAL
        self.remembered: Output | None = None
        self.filter = False
        self.series = False
        self.converter = adc.Adc.HIGH_SPEED
        self.current_code = 0
        self.voltage_code = 0
        self.range_mode = (1, 50)
        self.measured = 0  # CMM
        self._world.insert_series(self.index, False)
        self._drive()

    def switch(self, on: bool) -> None:
        """Output switch: on goes to 0 V, off lets go."""
        if on == self.on:
            return
        self.on = on
        self.output = INITIAL
        self.remembered = None
        self._drive()

    def initialise(self) -> None:
        self.force(INITIAL)

    def force(self, output: Output) -> None:
        self.output = output
        self.remembered = None
        self._drive()

    def zero(self) -> None:
        """DZ: remember and force 0 V."""
        if self.remembered is None:
            self.remembered = self.output
        self.output = INITIAL
        self._drive()

    def restore(self) -> None:
        """RZ."""
        if self.remembered is None:
            raise FlexError(205, self.slot)
        self.force(self.remembered)

    def insert_series(self, resistor: bool) -> None:
        self.series = resistor
        self._world.insert_series(self.index, resistor)

    def checked(
        self,
        current: bool,
        code: float,
        value: float,
        compliance: float | None = None,
        polarity: float = 0,
        compliance_code: float = 0,
        *,
        interlock: bool,
    ) -> Output:
        """An output this SMU can make, or FlexError 120, 123, 124, 201, 202. No compliance: the previous one."""
        if compliance is None:
            if self.output.current != current:
                raise FlexError(201, self.slot)
            compliance = self.output.compliance
        return _output(self.slot, current, code, value, abs(compliance), polarity, compliance_code, interlock)

    def _drive(self) -> None:
        self._world.drive(self.index, self.on, self.output.current, self.output.set_value, self.output.compliance)
