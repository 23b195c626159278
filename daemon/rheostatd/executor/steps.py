"""Steps from a feedforward table each way from where a device stands, without what its history adds to the first ones.

After a turn steps are larger (Joule heating: extra ion diffusion), in potentiation for about a quarter of the stroke
before. Strong pulses use that up first; how many it takes depends on the device's place and on the voltage. What they
could not use up is told along with the steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rheostat import curves, wire
from rheostatd.executor.initialise import drive_of
from rheostatd.executor.station import Station
from rheostatd.schemes.policy import Plant

ENDS = 4  # readings before the first and after the last step of a direction
_HISTORY = 0.25  # of the longest stroke that may have led to a resistance: so much travel is left out
_ROOM = 5.0  # ohm to the end of the window that are kept for the steps
_SETTLE = (4, 12)  # one in so many pulses is expected to settle potentiation and depression


@dataclass(frozen=True)
class Shares:
    """Of a number of write pulses. `settling`: that settle, as expected, potentiation and depression; `steps`: measured
    each way; `least`: of them, where a device takes more to settle."""

    settling: tuple[int, int]
    steps: int
    least: int


def shares(pulses: int) -> Shares:
    settling = (pulses // _SETTLE[0], max(1, pulses // _SETTLE[1]))
    steps = (pulses - sum(settling)) // 2
    return Shares(settling, steps, min(steps, max(2, steps // 2)))


@dataclass(frozen=True)
class Steps:
    """predicted, measured, unsure (the table's standard error): (2, k) ohm, potentiation first, nan where a step was
    not made; a step that was made and not read is nan in `measured` alone. unsettled: (2,) ohm of travel that may still
    have shown history; `pulses`: write pulses; `resistance`: left, ohm."""

    predicted: wire.Array
    measured: wire.Array
    unsure: wire.Array
    unsettled: tuple[float, float]
    pulses: int
    resistance: float


def strong(station: Station, device: str, voltage: float, width: float) -> tuple[float, float]:
    """(V, s) of pulses that use up history: as long as the limits allow, but not shorter than `width`."""
    limits, least = station.bench.limits, width
    conductance = station.envelope.expected_conductance(station.window(device).lrs)
    width = limits.max_width
    while width > least and station.envelope.refusal(voltage, width, conductance, 0) is not None:
        width = max(least, width / 2.0)
    return voltage, width


def strong_pulse(station: Station, table: wire.FeedforwardTable, device: str) -> tuple[float, float]:
    """(V, s): as strong as the strongest of the table, or of an initialisation."""
    voltage = max(float(table.voltages[-1]), drive_of(station.bench, station.window(device)).voltage)
    return strong(station, device, min(station.bench.limits.max_voltage, voltage), table.info.width)


def measure_steps(
    plant: Plant, table: wire.FeedforwardTable, here: float, pulses: int, pulse: tuple[float, float]
) -> Steps:
    """At most `pulses` write pulses on a device that has been read as `here` (ohm). pulse: (V, s) of strong ones.

    Ends where a reading is not finite. Exceptions of the plant pass through."""
    share = shares(pulses)
    lrs, hrs = table.info.window
    predicted, measured, unsure = (np.full((2, share.steps), math.nan) for _ in range(3))
    errors = wire.FeedforwardTable(
        table.info, table.voltages, table.resistances, table.potentiation_error, table.depression_error
    )
    most = (max(share.settling[0], pulses - share.settling[1] - 2 * share.least), share.settling[1])
    unsettled, used, count = [0.0, 0.0], 0, share.steps
    for side, direction in enumerate((1, -1)):
        way = _HISTORY * max(0.0, here - lrs if direction > 0 else 0.1 * (hrs - lrs))
        start = here
        for _ in range(most[side]):
            left = here - lrs if direction > 0 else hrs - here
            if not math.isfinite(here) or (start - here) * direction >= way or not left > _ROOM:
                break
            here = plant.apply(*_towards(table, here, direction, way - (start - here) * direction, pulse), 1)
            used += 1
        unsettled[side] = max(0.0, way - (start - here) * direction)
        here = plant.read(ENDS)
        if side == 0:
            count = min(count, (pulses - used - most[1]) // 2)
        for number in range(count):
            beyond = here <= lrs if direction > 0 else here >= hrs
            if not math.isfinite(here) or (beyond and number >= share.least):
                break
            voltage = float(curves.choose_voltage(table, here, table.info.bounds[1], direction))
            predicted[side, number] = float(curves.predict(table, here, voltage, direction))
            unsure[side, number] = float(curves.predict(errors, here, voltage, direction))
            before, here = here, plant.apply(direction * voltage, table.info.width, ENDS if number == count - 1 else 1)
            used += 1
            measured[side, number] = (before - here) * direction if math.isfinite(here) else math.nan
    return Steps(predicted, measured, unsure, (unsettled[0], unsettled[1]), used, here)


def _towards(
    table: wire.FeedforwardTable, here: float, direction: int, way: float, pulse: tuple[float, float]
) -> tuple[float, float]:
    """(V, signed; s) of a pulse through `way` ohm: a strong one, unless the table knows one that goes as far."""
    if float(curves.predict(table, here, table.voltages[-1], direction)) < way:
        return direction * pulse[0], pulse[1]
    return direction * float(curves.choose_voltage(table, here, way, direction)), table.info.width
