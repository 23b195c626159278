"""What an SMU's converters make of a current or a voltage: ranges, resolution, noise, averaging, time.

Ranges and the 115 % limit of auto-ranging: data sheet values of all SMUs together, as in public drivers and manuals.
Resolution: high-resolution ADC 1e-6 of the range (1 nA on 1 mA), high-speed ADC and the pulse mode 5e-5 (50 nA on
1 mA; 25 uV on 0.5 V), also from the data sheet. Noise of one sample is not specified: 1e-5 of the range for the
high-resolution ADC is taken from the measurements on the TiO2-x device, which resolve 10 nA a sample on 1 mA and about
0.02 ohm at 800 ohm with eleven; 1e-4 (two steps of its resolution) is assumed for the high-speed ADC. Samples are
independent and quantised each, so noise falls as 1/sqrt(samples) and averages resolve finer than one sample; high
resolution averages are still reported in steps of 1e-6.

Times are assumptions, not specifications: 2 ms for a high-resolution sample (five times that on 100 nA and fifty on
lower ranges in auto mode; twice with auto zero), 2 us for a high-speed one (the step of its TIME mode), 20 ms a power
line cycle, 300 us for the command itself, 1 ms for an auto-range search. The drivers assume the same of the instrument;
a test holds the rig time they add up against this bench's clock.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass


class Adc(enum.IntEnum):
    HIGH_SPEED = 0
    HIGH_RESOLUTION = 1
    PULSE = 2


class Integration(enum.IntEnum):
    AUTO = 0
    MANUAL = 1
    PLC = 2
    TIME = 3


CURRENT_RANGES = {code: 10.0 ** (code - 20) for code in range(9, 21)}  # 10 pA .. 1 A
VOLTAGE_RANGES = {5: 0.5, 20: 2.0, 50: 5.0, 200: 20.0, 400: 40.0, 1000: 100.0, 2000: 200.0}
VOLTAGE_ALIASES = {11: 20, 12: 200, 13: 400, 14: 1000, 15: 2000}
OUTPUT_STEP = 5e-5  # of the range: what a source can be set to
OVER = 1.15  # of the range: the converter's end
NOISE_FLOOR = 3e-15  # A or V of one sample
LINE_CYCLE = 0.02  # s
COMMAND_TIME = 3e-4  # s
SEARCH_TIME = 1e-3  # s
_RESOLUTION = {Adc.HIGH_SPEED: 5e-5, Adc.HIGH_RESOLUTION: 1e-6, Adc.PULSE: 5e-5}
_SAMPLE_NOISE = {Adc.HIGH_SPEED: 1e-4, Adc.HIGH_RESOLUTION: 1e-5, Adc.PULSE: 1e-4}
_SAMPLE_TIME = {Adc.HIGH_SPEED: 2e-6, Adc.HIGH_RESOLUTION: 2e-3, Adc.PULSE: 2e-6}
_DEFAULTS = {
    Adc.HIGH_SPEED: {Integration.AUTO: 1.0, Integration.MANUAL: 1.0, Integration.PLC: 1.0, Integration.TIME: 2e-6},
    Adc.HIGH_RESOLUTION: {Integration.AUTO: 6.0, Integration.MANUAL: 3.0, Integration.PLC: 1.0},
    Adc.PULSE: {Integration.AUTO: 1.0, Integration.MANUAL: 1.0, Integration.PLC: 1.0, Integration.TIME: 2e-6},
}


@dataclass(frozen=True, slots=True)
class Averaging:
    """AIT of one converter: `mode`, and N in the unit of the mode (samples, PLC or s)."""

    mode: Integration
    n: float

    def samples(self, adc: Adc, full_scale: float) -> int:
        """How many samples one reading averages, on a range of `full_scale` A (V ranges: any large number)."""
        if self.mode is Integration.TIME:
            return max(1, round(self.n / _SAMPLE_TIME[adc]))
        if self.mode is Integration.PLC:
            per_cycle = 128 if adc is not Adc.HIGH_RESOLUTION else round(LINE_CYCLE / _SAMPLE_TIME[adc])
            return max(1, round(self.n * per_cycle))
        if self.mode is Integration.AUTO and adc is Adc.HIGH_RESOLUTION and full_scale < 5e-7:
            return round(self.n) * (5 if full_scale > 5e-8 else 50)
        return round(self.n)

    def time(self, adc: Adc, full_scale: float) -> float:
        """How long one reading takes, s."""
        if self.mode is Integration.PLC:
            return self.n * LINE_CYCLE
        return self.samples(adc, full_scale) * _SAMPLE_TIME[adc]


def default_averaging(adc: Adc, mode: Integration) -> Averaging:
    """AIT without N. KeyError when this converter has no such mode."""
    return Averaging(mode, _DEFAULTS[adc][mode])


@dataclass(frozen=True, slots=True)
class Converted:
    """A reading in A or V; `over`: the converter is at its end and the value means nothing."""

    value: float
    over: bool


def convert(true: float, full_scale: float, adc: Adc, samples: int, normal: float) -> Converted:
    """One averaged reading of `true` on the range `full_scale`; `normal`: a standard normal deviate."""
    if abs(true) > OVER * full_scale:
        return Converted(math.copysign(199.999e99, true), True)
    step = _RESOLUTION[adc] * full_scale
    sample_noise = max(_SAMPLE_NOISE[adc] * full_scale, NOISE_FLOOR)
    noise = math.sqrt((sample_noise**2 + step**2 / 12.0) / samples)
    if adc is not Adc.HIGH_RESOLUTION:
        step /= samples  # samples are quantised one by one: their mean is finer
    return Converted(round((true + noise * normal) / step) * step, False)


def choose_range(code: int, magnitude: float, ranges: dict[int, float], greatest: float) -> float:
    """The measurement range for a present `magnitude`: fixed (code < 0), limited auto (> 0) or auto (0).

    `greatest`: full scale of the largest range allowed, that which covers the compliance or the output.
    """
    if code < 0:
        return ranges[-code]
    least = ranges.get(code, 0.0)
    for full_scale in ranges.values():
        if full_scale >= least and (magnitude <= OVER * full_scale or full_scale >= greatest):
            return full_scale
    return max(ranges.values())


def covering(magnitude: float, ranges: dict[int, float]) -> float:
    """Full scale of the smallest range that covers `magnitude`."""
    for full_scale in ranges.values():
        if magnitude <= full_scale * (1.0 + 1e-9):
            return full_scale
    return max(ranges.values())
