"""What the measurement modes remember of their sources: pulses and staircases."""

from __future__ import annotations

from dataclasses import dataclass, field

from rheostat_hal.virtual.flex.errors import FlexError
from rheostat_hal.virtual.flex.smu import Output, Smu

SHORTEST, LONGEST = 5e-4, 2.0  # s, pulse width of an HRSMU
RESOLUTION = 1e-4  # s


@dataclass(frozen=True, slots=True)
class Timing:
    """PT or MCPT, s: `period` 0 lets the instrument choose."""

    hold: float = 0.0
    period: float = 1e-2
    delay: float = 0.0

    def period_for(self, width: float) -> float:
        """The period used with `width`, s. FlexError 120 when the one given is too short."""
        least = width + (2e-3 if width <= 0.1 else 1e-2)
        if self.period <= 0.0:
            return 5e-3 if width <= 3e-3 else least
        if self.period < least - 1e-9:
            raise FlexError(120)
        return self.period


@dataclass(frozen=True, slots=True)
class Pulsed:
    """A source that goes from `base` to `output` and back: PV, MCPNX, MV and the like."""

    smu: Smu
    base: Output
    output: Output


@dataclass(slots=True)
class PulseSource:
    """MM 3."""

    timing: Timing = field(default_factory=Timing)
    width: float = 1e-3
    source: Pulsed | None = None


@dataclass(slots=True)
class MultiPulse:
    """MM 27."""

    timing: Timing = field(default_factory=lambda: Timing(period=0.0))
    widths: dict[int, float] = field(default_factory=dict)  # slot -> s
    sources: dict[int, Pulsed] = field(default_factory=dict)  # source number -> pulse


@dataclass(frozen=True, slots=True)
class Ramp:
    """WV, WI, WSV or WSI: `output` is its largest level; with a power compliance (W) the current (or voltage) at each
    level is limited to what that leaves, and the range follows the level."""

    smu: Smu
    start: float
    stop: float
    output: Output
    power: float | None = None

    def level(self, share: float, *, logarithmic: bool) -> float:
        """V or A after `share` (0 to 1) of the way. FlexError 130 when that is not defined."""
        if not logarithmic:
            return self.start + (self.stop - self.start) * share
        if self.start * self.stop <= 0.0:
            raise FlexError(130, self.smu.slot)
        return float(self.start * (self.stop / self.start) ** share)


@dataclass(slots=True)
class Staircase:
    """MM 2: the primary ramp with its `kind` (1 linear, 2 logarithmic, 3 and 4 the same and back) and steps, the ramp
    synchronous with it, WT (hold, delay, sdelay, tdelay, mdelay; s) and WM (abort, post)."""

    primary: Ramp | None = None
    kind: int = 1
    steps: int = 1
    synchronous: Ramp | None = None
    times: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    abort: int = 1
    post: int = 1


@dataclass(slots=True)
class Sampling:
    """MM 10: MV and MI by slot, ML (1 linear, 2 to 7 logarithmic), MT (hold at bias, interval, count, hold at base) and
    MSC (abort, post)."""

    law: int = 1
    sources: dict[int, Pulsed] = field(default_factory=dict)
    times: tuple[float, float, int, float] = (0.0, 2e-3, 1000, 0.0)
    abort: int = 1
    post: int = 1
