"""Closed-loop initialisation: one end of the window (or any resistance in it) by strong pulses, without a table.

The paper initialises with +-6 V; in open loop -6 V runs far past HRS and +6 V creeps towards LRS. Here every pulse is
followed by a reading, the width follows from the speed seen, so that the last pulses just reach the goal, and where
6 V creeps the largest voltage allowed takes over. The same loop, within other limits, serves devices that are written
in nanoseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from rheostat.wire import Outcome
from rheostat_hal.bench import Bench, Window
from rheostatd.schemes.drive import Attempt
from rheostatd.schemes.policy import Plant

Checkpoint = Callable[[float, float], Outcome | None]

_CONFIRM = 3  # readings that confirm the goal
_STALL = 8  # strongest pulses without movement
_MOVED = 4.0  # noises that a step must exceed to tell a speed
_FINEST = 20.0  # the longest pulse over the shortest, at least


@dataclass(frozen=True)
class Drive:
    """voltage: first choice, V (both directions); max_voltage V and max_width s: what the limits allow; first_width s:
    of the first pulse in a direction, whose effect is unknown; min_width s; tolerance ohm: half the width of the band
    around the goal; creep ohm: a full-width pulse that moves less calls for max_voltage; noise ohm: of one reading."""

    voltage: float = 6.0
    max_voltage: float = 7.0
    max_width: float = 2.0
    first_width: float = 0.1
    min_width: float = 0.002
    tolerance: float = 0.5
    creep: float = 0.3
    noise: float = 0.05

    def within(self, max_voltage: float, max_width: float, shortest: float = 0.0, half_level: float = 0.0) -> Drive:
        """The same under a bench's limits. shortest: pulse that its source makes, s; half_level: of the window, ohm:
        where levels are wide, an end of the window need not be met better than that."""
        return replace(
            self,
            voltage=min(self.voltage, max_voltage),
            max_voltage=max_voltage,
            max_width=max_width,
            first_width=min(self.first_width, max_width),
            min_width=max(shortest, min(self.min_width, max_width / _FINEST)),
            tolerance=max(self.tolerance, half_level),
        )


def drive_of(bench: Bench, window: Window) -> Drive:
    """How devices of this window are brought to its ends on this bench."""
    fast = bench.wgfmu or bench.spgu
    shortest = 2.0 * fast.edge if fast else 0.0
    return Drive().within(bench.limits.max_voltage, bench.limits.max_width, shortest, window.half_level)


def initialise(
    plant: Plant,
    goal: float,
    drive: Drive,
    max_pulses: int,
    checkpoint: Checkpoint | None = None,
    window: tuple[float, float] = (740.0, 880.0),
) -> Attempt:
    """Bring the plant's device to `goal` (ohm) within `drive.tolerance`, with at most `max_pulses` write pulses.

    Outcomes: VERIFIED, NOT_CONVERGED, STUCK (nothing moved it), SATURATED (it moved, but the strongest pulses no longer
    move it), OPEN, SHORTED, and those of `checkpoint`, which is called before every write pulse.
    """
    voltages = {1: drive.voltage, -1: drive.voltage}
    speeds = {1: 0.0, -1: 0.0}  # ohm/s of the last telling pulse
    widths = {1: drive.first_width, -1: drive.first_width}
    pulses, reads, still, moved = 0, 1, 0, False
    here = plant.read(1)
    error = drive.noise

    def ended(outcome: Outcome) -> Attempt:
        return Attempt(outcome, here, error, pulses, reads)

    while True:
        if not (math.isfinite(here) and 0.3 * window[0] < here < 10.0 * window[1]):
            again = plant.read(_CONFIRM)
            reads += _CONFIRM
            if not (math.isfinite(again) and 0.3 * window[0] < again < 10.0 * window[1]):
                shorted = math.isfinite(again) and 0.0 < again < window[1]
                return ended(Outcome.SHORTED if shorted else Outcome.OPEN)
            here = again
        if abs(here - goal) <= drive.tolerance:
            here = plant.read(_CONFIRM)
            reads += _CONFIRM
            error = drive.noise / math.sqrt(_CONFIRM)
            if abs(here - goal) <= drive.tolerance:
                return ended(Outcome.VERIFIED)
        direction = 1 if here > goal else -1
        way = abs(here - goal)
        width = widths[direction]
        if speeds[direction] > 0.0:
            width = min(way / speeds[direction], 4.0 * width)
        width = min(max(width, drive.min_width), drive.max_width)
        voltage = voltages[direction]
        stop = Outcome.NOT_CONVERGED if pulses >= max_pulses else None
        if stop is None and checkpoint is not None:
            stop = checkpoint(direction * voltage, width)
        if stop is not None:
            return ended(stop)
        before, here = here, plant.apply(direction * voltage, width, 1)
        pulses += 1
        reads += 1
        error = drive.noise
        step = (before - here) * direction
        if step > _MOVED * drive.noise:
            moved = True
            still = 0
            speeds[direction] = step / width
            widths[direction] = width
        else:
            speeds[direction] = max(0.0, step / width) if width >= drive.max_width else 0.0
            widths[direction] = min(2.0 * width, drive.max_width)
        full = width >= 0.999 * drive.max_width
        if full and step < min(drive.creep, way):
            if voltage < drive.max_voltage:
                voltages[direction] = drive.max_voltage
                speeds[direction] = 0.0
            else:
                still += step <= _MOVED * drive.noise
                if still >= _STALL:
                    return ended(Outcome.SATURATED if moved else Outcome.STUCK)
