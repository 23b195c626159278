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
    """WV or WI: `kind` 1 linear, 2 logarithmic, 3 and 4 the same and back."""

    smu: Smu
    kind: int
    code: int
    start: float
    stop: float
    steps: int
    output: Output
    power: float | None = None

    def values(self) -> list[float]:
        """All levels in their order, V or A."""
        if self.steps == 1:
            levels = [self.start]
        elif self.kind in (1, 3):
            levels = [self.start + (self.stop - self.start) * k / (self.steps - 1) for k in range(self.steps)]
        else:
            ratio = self.stop / self.start
            levels = [self.start * ratio ** (k / (self.steps - 1)) for k in range(self.steps)]
        return levels + levels[::-1] if self.kind in (3, 4) else levels


@dataclass(slots=True)
class Staircase:
    """MM 2: the ramp, WT (hold, delay, sdelay, tdelay, mdelay; s) and WM (abort, post)."""

    ramp: Ramp | None = None
    times: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    abort: int = 1
    post: int = 1


@dataclass(slots=True)
class Sampling:
    """MM 10: MV and MI by slot, MT (hold at bias, interval, count, hold at base) and MSC (abort, post)."""

    sources: dict[int, Pulsed] = field(default_factory=dict)
    times: tuple[float, float, int, float] = (0.0, 2e-3, 1000, 0.0)
    abort: int = 1
    post: int = 1
