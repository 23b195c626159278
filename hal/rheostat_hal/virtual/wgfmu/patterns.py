"""The book of patterns, events and sequences that the library keeps in the user's computer.

Times are whole ticks of 10 ns. Limits: B1530A User's Guide. What the guide does not settle is assumed: an event that
does not fit into its pattern is a context error (-3), as is a waveform beyond the range of its channel.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from rheostat_hal.virtual.wgfmu.faults import CONTEXT, EVENT, EXISTS, PARAMETER, PATTERN, STRING, Fault

TICK = 1e-8  # s
LONGEST_VECTOR = 10995.11627775  # s
HIGHEST = 10.0  # V
LONGEST_INTERVAL, LONGEST_AVERAGE = 1.34217728, 0.020971512  # s
MOST_LOOPS = 1e12
AVERAGED, RAW = 12000, 12001
CURRENT_RANGES = {6001: 1e-6, 6002: 1e-5, 6003: 1e-4, 6004: 1e-3, 6005: 1e-2}  # A
TIME_AXIS, VOLTAGE_AXIS = 9000, 9001


def ticks(seconds: float) -> int:
    """Rounded, as the library does (with no more than an informational warning)."""
    return round(seconds / TICK)


@dataclass(frozen=True, slots=True)
class MeasureEvent:
    """Ticks; `average` 0: one sample a point."""

    begin: int
    points: int
    interval: int
    average: int
    raw: bool

    @property
    def end(self) -> int:
        return self.begin + self.interval * (self.points - 1) + self.average

    @property
    def data(self) -> int:
        """How many results it makes: of raw data, samples every 5 ns with both ends."""
        return self.points * (1 + 2 * self.average) if self.raw else self.points


@dataclass(slots=True)
class Pattern:
    """Voltages at times (ticks), joined by straight lines."""

    times: list[int]
    volts: list[float]
    measure: dict[str, MeasureEvent] = field(default_factory=dict)
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)  # (tick, code)

    @property
    def length(self) -> int:
        return self.times[-1]

    def add(self, dt: float, volts: float) -> None:
        if not TICK * (1 - 1e-6) <= dt <= LONGEST_VECTOR:
            raise Fault(PARAMETER, f"incremental time {dt:g} s: 10 ns to {LONGEST_VECTOR} s")
        self.times.append(self.length + ticks(dt))
        self.volts.append(checked(volts))

    def put(self, time: float, volts: float) -> None:
        """A vector at an absolute time, in place of one that is there already."""
        if not time >= 0.0 or abs(time / TICK - ticks(time)) > 1e-3:
            raise Fault(PARAMETER, f"time {time:g} s: 0 or more, in steps of 10 ns")
        at = ticks(time)
        points = dict(zip(self.times, self.volts, strict=True))
        points[at] = checked(volts)
        self.times = sorted(points)
        self.volts = [points[each] for each in self.times]

    def at(self, tick: int) -> float:
        """V, the last value beyond the end."""
        for k in range(1, len(self.times)):
            if tick <= self.times[k]:
                span = self.times[k] - self.times[k - 1]
                return self.volts[k - 1] + (self.volts[k] - self.volts[k - 1]) * (tick - self.times[k - 1]) / span
        return self.volts[-1]


def checked(volts: float) -> float:
    if not abs(volts) <= HIGHEST:
        raise Fault(PARAMETER, f"voltage {volts:g} V: -{HIGHEST:g} to {HIGHEST:g} V")
    return volts


class Book:
    """All patterns by name, and what each channel plays: (pattern, loops)."""

    def __init__(self) -> None:
        self.patterns: dict[str, Pattern] = {}
        self.sequences: dict[int, list[tuple[str, float]]] = {}

    def pattern(self, name: str) -> Pattern:
        if name not in self.patterns:
            raise Fault(PATTERN, f"there is no pattern {name!r}")
        return self.patterns[name]

    def enter(self, name: str, pattern: Pattern) -> None:
        if not name:
            raise Fault(STRING, "the pattern has no name")
        if name in self.patterns:
            raise Fault(EXISTS, f"pattern {name!r} exists already")
        self.patterns[name] = pattern

    def merge(self, name: str, first: str, second: str, axis: int) -> None:
        a, b = self.pattern(first), self.pattern(second)
        if axis == TIME_AXIS:  # the second's initial voltage goes
            times = a.times + [a.length + tick for tick in b.times[1:]]
            volts = a.volts + b.volts[1:]
        elif axis == VOLTAGE_AXIS:
            times = sorted({*a.times, *b.times})
            volts = [checked(a.at(tick) + b.at(tick)) for tick in times]
        else:
            raise Fault(PARAMETER, f"axis {axis}: {TIME_AXIS} (time) or {VOLTAGE_AXIS} (voltage)")
        self.enter(name, Pattern(times, volts))

    def multiply(self, name: str, source: str, time: float, voltage: float) -> None:
        if not time > 0.0 or voltage == 0.0:
            raise Fault(PARAMETER, f"factors {time:g} and {voltage:g}: not zero, and the time's above it")
        given = self.pattern(source)
        times = [round(tick * time) for tick in given.times]
        if any(later <= earlier for earlier, later in itertools.pairwise(times)):
            raise Fault(PARAMETER, f"factor {time:g}: a vector becomes shorter than 10 ns")
        self.enter(name, Pattern(times, [checked(volts * voltage) for volts in given.volts]))

    def offset(self, name: str, source: str, time: float, voltage: float) -> None:
        given, shift = self.pattern(source), ticks(time)
        volts = [checked(value + voltage) for value in given.volts]
        times = [tick + shift for tick in given.times]
        if times[0] < 0:
            raise Fault(PARAMETER, f"time offset {time:g} s: the pattern would begin before 0")
        if times[0] > 0:
            times, volts = [0, *times], [volts[0], *volts]
        self.enter(name, Pattern(times, volts))

    def measure(
        self, name: str, event: str, time: float, points: int, interval: float, average: float, kind: int
    ) -> None:
        pattern = self.pattern(name)
        if not event:
            raise Fault(STRING, "the event has no name")
        if not time >= 0.0 or points < 1:
            raise Fault(PARAMETER, f"measure event {event!r}: time {time:g} s, {points} points")
        if not TICK * (1 - 1e-6) <= interval <= LONGEST_INTERVAL:
            raise Fault(PARAMETER, f"interval {interval:g} s: 10 ns to {LONGEST_INTERVAL} s")
        if average != 0.0 and not TICK * (1 - 1e-6) <= average <= LONGEST_AVERAGE:
            raise Fault(PARAMETER, f"averaging time {average:g} s: 0, or 10 ns to {LONGEST_AVERAGE} s")
        if kind not in (AVERAGED, RAW):
            raise Fault(PARAMETER, f"data {kind}: {AVERAGED} (averaged) or {RAW} (raw)")
        new = MeasureEvent(ticks(time), points, ticks(interval), ticks(average), kind == RAW)
        if new.end > pattern.length:
            ends = f"{new.end * TICK:g} s, its pattern {name!r} at {pattern.length * TICK:g} s"
            raise Fault(CONTEXT, f"measure event {event!r} ends at {ends}")
        # an event takes the place of those it overlaps
        kept = {key: old for key, old in pattern.measure.items() if old.end <= new.begin or old.begin >= new.end}
        pattern.measure = dict(sorted((kept | {event: new}).items(), key=lambda item: item[1].begin))

    def change_range(self, name: str, event: str, time: float, code: int) -> None:
        pattern = self.pattern(name)
        if not event:
            raise Fault(STRING, "the event has no name")
        if code not in CURRENT_RANGES:
            raise Fault(PARAMETER, f"current range {code}: {min(CURRENT_RANGES)} to {max(CURRENT_RANGES)}")
        if not 0.0 <= time <= pattern.length * TICK * (1 + 1e-9):
            raise Fault(CONTEXT, f"range event {event!r} at {time:g} s lies beyond its pattern {name!r}")
        pattern.ranges[event] = (ticks(time), code)

    def add_sequence(self, channel: int, name: str, loops: float) -> None:
        self.pattern(name)
        if not 1.0 <= loops <= MOST_LOOPS or loops != math.floor(loops):
            raise Fault(PARAMETER, f"{loops:g} loops: 1 to {MOST_LOOPS:g}")
        self.sequences.setdefault(channel, []).append((name, loops))

    def data(self, channel: int) -> float:
        """How many results a channel's sequences make."""
        events = ((self.patterns[name], loops) for name, loops in self.sequences.get(channel, ()))
        return sum(loops * sum(event.data for event in pattern.measure.values()) for pattern, loops in events)

    def duration(self, channels: Iterable[int]) -> float:
        """s of the longest of the channels' sequences."""
        lengths = [
            sum(self.patterns[name].length * loops for name, loops in self.sequences.get(channel, ()))
            for channel in channels
        ]
        return max(lengths, default=0.0) * TICK

    def locate(self, channel: int, name: str, event: str, cycle: int, loop: float, count: int) -> tuple[int, int, int]:
        """Index, first result and results of a measure event: in the `cycle`-th use of its pattern, in that `loop`."""
        pattern = self.pattern(name)
        if event not in pattern.measure:
            raise Fault(EVENT, f"pattern {name!r} has no measure event {event!r}")
        index = offset = uses = 0
        for used, loops in self.sequences.get(channel, ()):
            events = self.patterns[used].measure
            data = sum(each.data for each in events.values())
            if used == name and uses == cycle and 0 <= loop < loops and count == 0:
                before = list(events).index(event)
                offset += int(loop) * data + sum(each.data for each in list(events.values())[:before])
                return index + int(loop) * len(events) + before, offset, events[event].data
            uses += used == name
            index, offset = index + int(loops) * len(events), offset + int(loops) * data
        raise Fault(EVENT, f"event {event!r}: no use {cycle} of its pattern with loop {loop:g} and count {count}")
