"""Waveforms of several channels, from their patterns to pieces of constant voltage on the world, and the results.

Between two vectors the voltage is a straight line. A ramp becomes a staircase of steps of at most 0.35 V, not shorter
than 10 ns; the current between the ends of a step is taken as straight. What a pattern's first voltage differs from
the end of the one before is a jump.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rheostat_hal.virtual.wgfmu import ammeter
from rheostat_hal.virtual.wgfmu.faults import LIBRARY, Fault
from rheostat_hal.virtual.wgfmu.patterns import TICK

LARGEST_STEP = 0.35  # V
MOST_VECTORS = 4_000_000  # of all loops of a channel: more are not played here, though an instrument would
CHUNK = 500  # pieces between two looks at whether to stop

Vector = NDArray[np.float64]
Ticks = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Waveform:
    """One channel: voltages at times (ticks; a time twice is a jump), and its events at absolute times.

    measure: (e, 5) begin, points, interval, average, raw; ranges: (r, 2) tick, code.
    """

    times: Ticks
    volts: Vector
    measure: Ticks
    ranges: Ticks

    @classmethod
    def of(cls, sequence: Sequence[Any], patterns: Mapping[str, Any]) -> Waveform:
        """Of (pattern, loops) in order."""
        if sum(loops * len(patterns[name]["times"]) for name, loops in sequence) > MOST_VECTORS:
            raise Fault(LIBRARY, f"the virtual B1530A plays at most {MOST_VECTORS} vectors in one execute")
        times, volts, measure, ranges = [], [], [], []
        start = 0
        for name, loops in sequence:
            pattern, count = patterns[name], int(loops)
            own = np.array(pattern["times"], np.int64)
            starts = start + np.arange(count, dtype=np.int64) * own[-1]
            times.append((starts[:, None] + own).ravel())
            volts.append(np.tile(np.array(pattern["volts"], float), count))
            measure.append(_repeated(pattern["measure"], 5, starts))
            ranges.append(_repeated(pattern["ranges"], 2, starts))
            start += count * int(own[-1])
        return cls(np.concatenate(times), np.concatenate(volts), np.concatenate(measure), np.concatenate(ranges))

    @property
    def data(self) -> Ticks:
        """Results of each event, (e,)."""
        points, average, raw = self.measure[:, 1], self.measure[:, 3], self.measure[:, 4]
        return np.where(raw > 0, points * (1 + 2 * average), points)

    def between(self, begins: Ticks, ends: Ticks) -> tuple[Vector, Vector]:
        """V at the begin and at the end of intervals within which it is straight; the last V beyond the end."""
        k = np.searchsorted(self.times, begins, side="right") - 1
        after = np.minimum(k + 1, len(self.times) - 1)
        span = self.times[after] - self.times[k]
        slope = np.where(span > 0, (self.volts[after] - self.volts[k]) / np.maximum(span, 1), 0.0)
        return self.volts[k] + slope * (begins - self.times[k]), self.volts[k] + slope * (ends - self.times[k])


def _repeated(events: Sequence[Any], columns: int, starts: Ticks) -> Ticks:
    own = np.array(events, np.int64).reshape(-1, columns)
    moved = np.tile(own, (len(starts), 1))
    moved[:, 0] += np.repeat(starts, len(own))
    return moved


@dataclass(frozen=True, slots=True)
class Pieces:
    """volts: (p, k) of the k channels, constant over `widths` (p,) s."""

    volts: Vector
    widths: Vector

    @classmethod
    def of(cls, waveforms: Sequence[Waveform]) -> Pieces:
        marks = [waveform.times for waveform in waveforms] + [waveform.ranges[:, 0] for waveform in waveforms]
        edges = np.unique(np.concatenate(marks))
        begins, ends = edges[:-1], edges[1:]
        at = [waveform.between(begins, ends) for waveform in waveforms]
        first = np.stack([each[0] for each in at], axis=1)
        last = np.stack([each[1] for each in at], axis=1)
        swing = np.max(np.abs(last - first), axis=1)
        count = np.clip(np.ceil(swing / LARGEST_STEP), 1, ends - begins).astype(np.int64)
        which = np.repeat(np.arange(len(count)), count)
        number = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
        share = ((number + 0.5) / count[which])[:, None]
        volts = first[which] + (last - first)[which] * share
        return cls(volts, ((ends - begins)[which] / count[which]) * TICK)

    def chunks(self) -> Iterator[slice]:
        """In parts of about CHUNK pieces that end where every voltage is 0, if it is that anywhere."""
        rest = np.flatnonzero(~self.volts.any(axis=1)) + 1
        begin = 0
        while begin < len(self.widths):
            end = min(begin + CHUNK, len(self.widths))
            k = np.searchsorted(rest, end)
            if k < len(rest):
                end = int(rest[k])
            yield slice(begin, end)
            begin = end


def results(
    waveform: Waveform,
    widths: Vector,
    begin: Vector,
    end: Vector,
    code: int,
    current: bool,
    generator: np.random.Generator,
) -> tuple[Vector, Vector]:
    """s and A (or V) of everything a channel measures.

    widths, begin, end: (p,) s, and of the true signal; code: of the range at the start, where all has settled.
    """
    starts = np.concatenate(([0.0], np.cumsum(widths)))
    table = ammeter.CURRENT if current else ammeter.VOLTAGE
    changes = waveform.ranges if current else waveform.ranges[:0]
    codes = np.concatenate(([code], changes[:, 1]))
    since = np.concatenate(([-1.0], changes[:, 0] * TICK))
    which = np.searchsorted(since, starts[:-1] + 0.1 * TICK, side="right") - 1
    lags = np.array([table[each].lag for each in codes])[which]
    changed = np.concatenate(([False], which[1:] != which[:-1]))
    young = (which > 0) & (starts[:-1] - since[which] < ammeter.CHANGE_TIME)
    lags = np.where(young, np.maximum(lags, ammeter.CHANGE), lags)
    shown = ammeter.Shown.of(starts, begin, end, lags, changed)

    begins, _, interval, average, raw = waveform.measure.T
    data = waveform.data
    event = np.repeat(np.arange(len(data)), data)
    number = np.arange(len(event)) - np.repeat(np.cumsum(data) - data, data)
    per_point = np.where(raw > 0, 1 + 2 * average, 1)[event]
    point, sample = number // np.maximum(per_point, 1), number % np.maximum(per_point, 1)
    times = (begins[event] + point * interval[event]) * TICK + sample * ammeter.SAMPLE
    width = np.where(raw[event] > 0, 0, average[event]) * TICK
    ranged = np.searchsorted(since, times + 0.1 * TICK, side="right") - 1
    full = np.array([table[each].full for each in codes])[ranged]
    noise = np.array([table[each].noise for each in codes])[ranged]
    samples = np.maximum(1.0, np.round(width / ammeter.SAMPLE))
    values = ammeter.convert(shown.mean(times, width), full, noise, samples, generator)
    return times + 0.5 * width, values
