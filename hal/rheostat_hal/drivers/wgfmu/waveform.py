"""A pulse train as vectors and measurement windows, in ticks of 10 ns: pure arithmetic, no library.

A write pulse of width w lasts w between the points of half amplitude: its edges rise and fall within `edge` each, its
top lasts w - edge. Every write pulse is followed by a read pulse, `gap` later, and the read pulse by a rest as long;
gaps and read time also count between half-amplitude points. The column is at 0 V throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rheostat_hal.errors import RefusedError
from rheostat_hal.rig import Measure
from rheostat_hal.values import Pulse

TICK = 1e-8  # s: the resolution of a vector
SAMPLE = 5e-9  # s: the converter's
MOST_DATA = 4_000_000  # results a channel holds
LONGEST_AVERAGE = 2_097_151  # ticks, 20.97151 ms

Vector = tuple[int, float]  # ticks, V at its end


@dataclass(frozen=True, slots=True)
class Timing:
    """Of every pulse, ticks: `edge` from 0 V to the amplitude, `gap`, `read`; `settle`: of the range of write
    currents."""

    edge: int
    gap: int
    read: int
    settle: int


@dataclass(frozen=True, slots=True)
class Window:
    """When the column measures: `points` data, each the mean of `average` ticks and `interval` after the last; or, if
    `raw`, one point's samples every 5 ns, both ends included."""

    begin: int
    points: int
    interval: int
    average: int
    raw: bool

    @property
    def data(self) -> int:
        """How many results it makes."""
        return self.points * (1 + round(self.average * TICK / SAMPLE)) if self.raw else self.points

    @property
    def end(self) -> int:
        return self.begin + self.interval * (self.points - 1) + self.average


@dataclass(frozen=True, slots=True)
class Train:
    """What row and others play (the column stays at 0 V for `ticks`), and when the column measures."""

    row: tuple[Vector, ...]
    others: tuple[Vector, ...]
    windows: tuple[Window, ...]
    ticks: int

    @property
    def duration(self) -> float:
        """s"""
        return self.ticks * TICK

    @property
    def data(self) -> int:
        """Results of one pass."""
        return sum(window.data for window in self.windows)


def ticks(seconds: float) -> int:
    return round(seconds / TICK)


def programmed(pulse: Pulse) -> Pulse:
    """The pulse in steps of 10 ns and 0.1 mV; finer than the output's own resolution is of no use."""
    return Pulse(round(pulse.voltage, 4), round(pulse.width, 8))


def flux(pulse: Pulse, edge: float) -> tuple[float, float]:
    """The integrals of V and of V^2 over a pulse with its edges: V s, V^2 s."""
    return pulse.voltage * pulse.width, pulse.voltage**2 * (pulse.width - edge / 3.0)


def train(
    pulses: Sequence[Pulse | None], timing: Timing, read_voltage: float, measure: Measure, readings: int = 1
) -> Train:
    """One pass through `pulses`, each with its read pulse of `read_voltage` V; None: the read pulse alone.

    measure: "states": `readings` of each read pulse, in its second half (without readings, no read pulses); "energy":
    of each write pulse all samples, from its first edge until the range has settled twice over after its last. Raises
    RefusedError for what does not fit.
    """
    edge = timing.edge
    row: list[Vector] = []
    others: list[Vector] = []
    windows: list[Window] = []
    now = 0
    for pulse in pulses:
        if pulse is not None:
            top = ticks(pulse.width) - edge
            if top < 1:
                raise RefusedError(f"{pulse.width:g} s: a write pulse is longer than its edges, {edge * TICK:g} s")
            if measure == "energy":
                lasting = 2 * edge + top + 2 * timing.settle
                if 2 * timing.settle > timing.gap - edge:
                    raise RefusedError(
                        f"a gap of {timing.gap * TICK:g} s: the range settles in {timing.settle * TICK:g} s"
                    )
                windows.append(Window(now, 1, lasting, lasting, True))
            shape = (edge, top, edge, timing.gap - edge)
            row += zip(shape, (pulse.voltage, pulse.voltage, 0.0, 0.0), strict=True)
            # half-selected devices see half the voltage, the others of a crossbar none
            others += zip(shape, (pulse.voltage / 2, pulse.voltage / 2, 0.0, 0.0), strict=True)
            now += sum(shape)
        if measure == "states" and not readings:
            continue
        top = timing.read - edge
        if measure == "states":
            room = top // 2
            each = room // readings
            if each < 1:
                raise RefusedError(f"{readings} readings: at most {room} fit into a read pulse")
            windows.append(Window(now + edge + top - room, readings, each, min(each, LONGEST_AVERAGE), False))
        shape = (edge, top, edge, timing.gap - edge)
        row += zip(shape, (read_voltage, read_voltage, 0.0, 0.0), strict=True)
        others.append((sum(shape), 0.0))  # at 0 V: nothing reaches the column on another way
        now += sum(shape)
    return Train(tuple(row), tuple(others), tuple(windows), now)
