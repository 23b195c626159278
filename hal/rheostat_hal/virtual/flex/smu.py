"""One SMU as its commands see it: what it forces, within which limits, how it measures."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

from rheostat_hal.virtual import adc
from rheostat_hal.virtual.flex.errors import FlexError
from rheostat_hal.virtual.flex.modules import SmuKind
from rheostat_hal.virtual.world import World

WITHOUT_INTERLOCK = 42.0  # V


@dataclass(frozen=True, slots=True)
class Output:
    """What is forced: `current` mode or voltage mode, the range code, the value (V or A), the compliance (A or V).

    full_scale: of the output range in use, V or A: the smallest that covers the value and is not below the code.
    set_value: the value as the output converter makes it.
    """

    current: bool
    code: int
    value: float
    compliance: float
    full_scale: float
    polarity: int = 0
    compliance_code: int = 0
    set_value: float = field(init=False)

    def __post_init__(self) -> None:
        step = adc.OUTPUT_STEP * self.full_scale
        object.__setattr__(self, "set_value", round(self.value / step) * step)

    def at(self, value: float) -> Output:
        """The same, its range too, at another value: pulses and sweeps do not change their range."""
        return _at(self, value)


@lru_cache(maxsize=4096)
def _at(output: Output, value: float) -> Output:
    return replace(output, value=value)


@lru_cache(maxsize=4096)
def _output(
    slot: int,
    kind: SmuKind,
    current: bool,
    number: float,
    value: float,
    compliance: float,
    polarity: float,
    compliance_number: float,
    interlock: bool,
) -> Output:
    code = kind.code(number, current=current)
    compliance_code = kind.code(abs(compliance_number), current=not current)
    if code is None or compliance_code is None:
        raise FlexError(124, slot)
    if polarity not in (0, 1):
        raise FlexError(120)
    volts, amperes = (compliance, abs(value)) if current else (abs(value), compliance)
    if volts > WITHOUT_INTERLOCK and not interlock:
        raise FlexError(202, slot)
    tolerance = 1.0 + 1e-9
    most = next((limit for up_to, limit in kind.envelope if volts <= up_to * tolerance), None)
    if most is None:
        raise FlexError(123 if current else 120, slot)
    if amperes > most * tolerance:
        raise FlexError(120 if current else 123, slot)
    ranges = kind.ranges(current=current)
    full_scale = max(adc.covering(abs(value), ranges), ranges.get(code, 0.0))
    signed = compliance_code if compliance_number >= 0 else -compliance_code
    return Output(current, code, value, compliance, full_scale, int(polarity), signed)


INITIAL = Output(False, 200, 0.0, 1e-4, 20.0)


class Smu:
    """An SMU in `slot`, forcing through the source of the world that has its channel."""

    def __init__(self, slot: int, kind: SmuKind, world: World) -> None:
        self.slot = slot
        self.kind = kind
        self.index = world.index[slot]
        self._world = world
        self.reset()

    def reset(self) -> None:
        self.on = False
        self.output = INITIAL
        self.remembered: Output | None = None
        self.filter = False
        self.series = False
        self.chosen_converter = self.converter = adc.Adc.HIGH_SPEED
        self.current_code = 0
        self.voltage_code = 0
        self.range_mode = (1, 50)
        self.measured = 0  # CMM
        self.clears_timer = False  # with its next output
        self._world.insert_series(self.index, False)
        self._drive()

    def choose(self, converter: adc.Adc) -> None:
        """AAD. Pulses have a converter of their own whatever is chosen; choosing it changes nothing for the rest."""
        self.chosen_converter = converter
        if converter is not adc.Adc.PULSE:
            self.converter = converter

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
        kind, limit = self.kind, abs(compliance)
        return _output(self.slot, kind, current, code, value, limit, polarity, compliance_code, interlock)

    def range_code(self, number: float, *, current: bool) -> int:
        """A measurement range code with its aliases resolved, negative for a fixed range, or FlexError 124."""
        code = self.kind.code(abs(number), current=current)
        if code is None:
            raise FlexError(124, self.slot)
        return code if number >= 0 else -code

    def greatest(self, *, current: bool) -> float:
        """Full scale of the largest range that makes sense: the output's own, or that which covers the compliance."""
        output = self.output
        if output.current == current:
            return output.full_scale
        return adc.covering(output.compliance, self.kind.ranges(current=current))

    def covering_code(self, *, current: bool) -> int:
        """The fixed range that covers the compliance (or the output), as a negative code."""
        full_scale = self.greatest(current=current)
        return -next(code for code, scale in self.kind.ranges(current=current).items() if scale == full_scale)

    def _drive(self) -> None:
        self._world.drive(self.index, self.on, self.output.current, self.output.set_value, self.output.compliance)
