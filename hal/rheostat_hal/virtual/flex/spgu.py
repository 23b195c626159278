"""The B1525A (HV-SPGU): what its channels are told, and the pulses that come out.

Each channel is a source behind 50 ohm. The voltages it is told are those at a load of `SER` ohm: the source makes them
(SER + 50) / SER times larger, and at another load another voltage arrives. Limits and resolution are those of the data
sheet; its accuracy, 0.5 % + 50 mV, is left out. Assumed, for want of a source: edges last from 10 % to 90 % and are
straight, a width is counted from the start of one edge to the start of the other, two pulse sources add up.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rheostat_hal.virtual.flex.errors import FlexError
from rheostat_hal.virtual.flex.modules import SPGU_MODEL
from rheostat_hal.virtual.wiring import SPGU_OUTPUT
from rheostat_hal.virtual.world import World

SHORT_CIRCUIT = 0.8  # A
OPEN_CIRCUIT = 40.0  # V, the most a source makes
EDGE_PART = 0.8  # of a whole edge lies between 10 % and 90 %
EDGE_PIECES = 4  # of constant voltage that stand for an edge
DC, FIRST, SECOND, THREE_LEVELS = range(4)  # SPM
FREE_RUN, COUNT, DURATION = range(3)  # SPRM


@dataclass(frozen=True, slots=True)
class Timing:
    """SPT of one pulse source, s."""

    delay: float = 0.0
    width: float = 1e-7
    leading: float = 2e-8
    trailing: float = 2e-8

    @property
    def values(self) -> tuple[float, float, float, float]:
        return self.delay, self.width, self.leading, self.trailing


@dataclass(frozen=True, slots=True)
class Setup:
    """What one channel is told. `levels`: SPV of the sources 0 (DC), 1, 2: base and peak, V; `timings`: of 1 and 2."""

    mode: int = FIRST
    load: float = 50.0  # ohm
    levels: tuple[tuple[float, float], ...] = ((0.0, 0.0),) * 3
    timings: tuple[Timing, ...] = (Timing(),) * 3
    trigger: int = 0

    @property
    def sources(self) -> tuple[int, ...]:
        return ((), (1,), (2,), (1, 2))[self.mode]

    @property
    def base(self) -> float:
        """V between pulses, or of the DC output."""
        return sum(self.levels[source][0] for source in self.sources) if self.mode else self.levels[0][0]

    def emf(self, voltage: float) -> float:
        """V that the source makes for a voltage at the load, in its steps. FlexError 120 beyond 40 V."""
        wanted = voltage * (self.load + SPGU_OUTPUT) / self.load
        if abs(wanted) > OPEN_CIRCUIT * (1.0 + 1e-9):
            raise FlexError(120)
        step = 4e-4 if abs(wanted) <= 10.0 else 1.6e-3
        return round(wanted / step) * step

    def steps(self, period: float) -> list[tuple[int, float]]:
        """One period as levels (V of the source) from a time on (ns). FlexError 120 when the pulses do not fit."""
        traces = [_trace(self.levels[source], self.timings[source], period) for source in self.sources]
        times = sorted({0, *(time for trace in traces for time, _ in trace)})
        return [
            (time, self.emf(sum(_level(trace, time) for trace in traces) if traces else self.base)) for time in times
        ]


def _trace(levels: tuple[float, float], timing: Timing, period: float) -> list[tuple[int, float]]:
    """A pulse as (ns, V): base, the pieces of its edges, peak, base."""
    base, peak = levels
    leading, trailing = timing.leading / EDGE_PART, timing.trailing / EDGE_PART
    falls = timing.delay + timing.width
    if leading > timing.width * (1.0 + 1e-9) or falls + trailing > period * (1.0 + 1e-9):
        raise FlexError(120)
    trace = [(0.0, base)]
    for start, edge, origin, end in ((timing.delay, leading, base, peak), (falls, trailing, peak, base)):
        for piece in range(EDGE_PIECES):
            trace.append((start + edge * piece / EDGE_PIECES, origin + (end - origin) * (piece + 0.5) / EDGE_PIECES))
        trace.append((start + edge, end))
    return [(round(time * 1e9), level) for time, level in trace]


def _level(trace: Sequence[tuple[int, float]], time: int) -> float:
    return trace[bisect_right(trace, time, key=lambda step: step[0]) - 1][1]


@dataclass(frozen=True, slots=True)
class Pulses:
    """A world's Waveform: `steps` again and again from `start` to `end` (ns; None: for ever), `rest` V outside."""

    start: int
    end: int | None
    period: int
    steps: tuple[tuple[int, float], ...]
    rest: float

    def at(self, time: int) -> float:
        if time < self.start or (self.end is not None and time >= self.end):
            return self.rest
        return _level(self.steps, (time - self.start) % self.period)

    def after(self, time: int) -> int | None:
        if self.end is not None and time >= self.end:
            return None
        if time < self.start:
            return self.start
        begun, phase = divmod(time - self.start, self.period)
        later = bisect_right(self.steps, phase, key=lambda step: step[0])
        offset = self.steps[later][0] if later < len(self.steps) else self.period
        change = self.start + begun * self.period + offset
        return change if self.end is None else min(change, self.end)


class SpguChannel:
    """One of the two outputs of a module, through source `index` of the world."""

    def __init__(self, number: int, index: int, world: World) -> None:
        self.number = number
        self.index = index
        self.pulses: Pulses | None = None
        self._world = world
        self.reset()

    def reset(self) -> None:
        self.on = False
        self.setup = Setup()
        self.remembered: float | None = None
        self._rest(0.0)

    def switch(self, on: bool) -> None:
        """Output switch: on goes to 0 V, off lets go."""
        if on != self.on:
            self.on = on
            self.remembered = None
            self._rest(0.0)

    def initialise(self) -> None:
        self.remembered = None
        self._rest(0.0)

    def zero(self) -> None:
        """DZ: pulses end, 0 V."""
        if self.remembered is None:
            self.remembered = self.level
        self._rest(0.0)

    def restore(self) -> None:
        """RZ: back to what it stood at; pulses do not go on."""
        if self.remembered is None:
            raise FlexError(205, self.number // 100)
        level, self.remembered = self.remembered, None
        self._rest(level)

    def update(self, period: float) -> None:
        """SPUPD: the base of the setup comes out. FlexError 120 when the setup is impossible."""
        self.setup.steps(period)
        self.remembered = None
        self._rest(self.setup.emf(self.setup.base))

    def pulse(self, start: int, end: int | None, period: float) -> None:
        """The setup's pulses from now on, when the channel is on."""
        steps = tuple(self.setup.steps(period))
        if self.on and self.remembered is None:
            self._rest(self.setup.emf(self.setup.base))
            self.pulses = Pulses(start, end, round(period * 1e9), steps, self.level)
            self._world.follow(self.index, self.pulses)

    def stop(self) -> None:
        """SPP: back to the base."""
        self._rest(self.level)

    def _rest(self, level: float) -> None:
        """A constant level, V of the source."""
        self.level = level
        self.pulses = None
        self._world.drive(self.index, self.on, False, level, SHORT_CIRCUIT)


@dataclass(slots=True)
class Run:
    """What all channels of all modules share: SIM, SPRM (`condition`: pulses or s), SPPER (s)."""

    arbitrary: bool = False
    kind: int = FREE_RUN
    condition: float = 0.0
    period: float = 1e-6


@dataclass(slots=True)
class Spgus:
    """All modules of the mainframe."""

    world: World
    channels: dict[int, SpguChannel] = field(default_factory=dict)
    run: Run = field(default_factory=Run)

    @classmethod
    def of(cls, modules: Sequence[str], world: World) -> Spgus:
        """`modules`: model in each slot."""
        numbers = [slot * 100 + n for slot, model in enumerate(modules, 1) if model == SPGU_MODEL for n in (1, 2)]
        return cls(world, {number: SpguChannel(number, world.index[number], world) for number in numbers})

    def find(self, channel: float) -> SpguChannel | None:
        """The channel n01 or n02; n stands for n01. None when there is none."""
        number = int(channel)
        if number != channel:
            return None
        return self.channels.get(number if number > 10 else number * 100 + 1)

    def of_slot(self, slot: int) -> list[SpguChannel]:
        return [channel for number, channel in self.channels.items() if number // 100 == slot]

    def reset(self) -> None:
        self.run = Run()
        for channel in self.channels.values():
            channel.reset()

    @property
    def running(self) -> bool:
        """Whether pulses come out of a channel (SPST?)."""
        now = self.world.clock.now
        pulses = [channel.pulses for channel in self.channels.values() if channel.pulses is not None]
        return any(each.end is None or now < each.end for each in pulses)

    def start(self) -> None:
        """SRP: every channel that is on, together."""
        run, now = self.run, self.world.clock.now
        lasts = {FREE_RUN: None, COUNT: run.condition * run.period, DURATION: run.condition}[run.kind]
        end = None if lasts is None else now + round(lasts * 1e9)
        for channel in self.channels.values():
            channel.pulse(now, end, run.period)

    def stop(self) -> None:
        """SPP."""
        for channel in self.channels.values():
            channel.stop()


def changed(
    setup: Setup, source: int, *, levels: tuple[float, float] | None = None, timing: Timing | None = None
) -> Setup:
    """The setup with other levels or another timing of one source."""
    if levels is not None:
        setup = replace(setup, levels=(*setup.levels[:source], levels, *setup.levels[source + 1 :]))
    if timing is not None:
        setup = replace(setup, timings=(*setup.timings[:source], timing, *setup.timings[source + 1 :]))
    return setup
