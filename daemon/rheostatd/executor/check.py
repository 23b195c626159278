"""The job "check_table": tells by a few write pulses whether a feedforward table still fits a device.

A third of the pulses at most uses up what the device's history would add to the first steps after a turn (Joule
heating: extra ion diffusion, for about a quarter of the stroke before in potentiation); the rest are steps chosen from
the table, half of them each way. `rheostatd.executor.table_fit` judges what they moved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rheostat import curves, wire
from rheostat.wire import Outcome
from rheostatd import messages
from rheostatd.executor import table_fit
from rheostatd.executor.job import Job
from rheostatd.executor.plant import Ended, RigPlant
from rheostatd.schemes.policy import Plant

_HISTORY = 0.25  # of the longest stroke that may have led to a resistance: so much travel is left out
_ENDS = 4  # readings before the first and after the last step of a direction
_NOISE_READINGS = 8
_ROOM = 5.0  # ohm to the end of the window that are kept for the steps
_BELIEF = 8.0  # readings that the noise of the table is worth
_SETTLE = (4, 12)  # one in so many pulses, at most, in potentiation and depression


def shares(pulses: int) -> tuple[tuple[int, int], int]:
    """((most pulses that settle potentiation, depression), steps measured each way)."""
    settling = (pulses // _SETTLE[0], max(1, pulses // _SETTLE[1]))
    return settling, (pulses - sum(settling)) // 2


@dataclass(frozen=True)
class Steps:
    """What one device did. predicted, measured: (2, k) ohm, potentiation first, nan where a step was not made."""

    predicted: wire.Array
    measured: wire.Array
    gains: tuple[table_fit.Gain, table_fit.Gain]


def measure(
    plant: Plant, table: wire.FeedforwardTable, device: str, pulses: int, max_voltage: float, max_width: float
) -> Steps:
    """Settles and measures one device with at most `pulses` write pulses. Exceptions of the plant pass through."""
    settling, count = shares(pulses)
    lrs, hrs = table.info.window
    predicted, measured = np.full((2, count), math.nan), np.full((2, count), math.nan)
    here = plant.read(_NOISE_READINGS)
    squares, degrees = plant.scatter
    noise = math.sqrt((squares + _BELIEF * table.info.noise**2) / (degrees + _BELIEF))
    held = table.info.gains.get(device, (1.0, 1.0))
    errors = wire.FeedforwardTable(
        table.info, table.voltages, table.resistances, table.potentiation_error, table.depression_error
    )
    gains = []
    for side, direction in enumerate((1, -1)):
        way = _HISTORY * max(0.0, here - lrs if direction > 0 else 0.1 * (hrs - lrs))
        start = here
        for _ in range(settling[side]):
            left = here - lrs if direction > 0 else hrs - here
            if (start - here) * direction >= way or not left > _ROOM:
                break
            here = plant.apply(direction * max_voltage, max_width, 1)
        here = plant.read(_ENDS)
        unsure = np.full(count, math.nan)
        for pulse in range(count):
            voltage = float(curves.choose_voltage(table, here, table.info.bounds[1], direction))
            predicted[side, pulse] = float(curves.predict(table, here, voltage, direction))
            unsure[pulse] = float(curves.predict(errors, here, voltage, direction))
            last = pulse == count - 1
            before, here = here, plant.apply(direction * voltage, table.info.width, _ENDS if last else 1)
            measured[side, pulse] = (before - here) * direction
        gains.append(
            table_fit.gain(
                predicted[side], measured[side], unsure, noise, noise / math.sqrt(_ENDS), held[side],
                device != table.info.device,
            )
        )  # fmt: skip
    return Steps(predicted, measured, (gains[0], gains[1]))


class CheckRun:
    """`arrays`: predicted, measured (n_devices, 2, k) f8 ohm; gain, gain_error, expected (n_devices, 2) f8; fits
    (n_devices,) u1. nan and 0 where a device was not reached or does not answer."""

    def __init__(self, job: Job, spec: wire.CheckTable, table: wire.FeedforwardTable) -> None:
        self.job = job
        self.spec = spec
        self.feedforward = table
        count, (_, steps) = len(spec.devices), shares(spec.pulses)
        self.arrays: wire.Arrays = {
            **{name: np.full((count, 2, steps), math.nan) for name in ("predicted", "measured")},
            **{name: np.full((count, 2), math.nan) for name in ("gain", "gain_error")},
            "expected": np.array([table.info.gains.get(device, (1.0, 1.0)) for device in spec.devices]),
            "fits": np.zeros(count, np.uint8),
        }

    def run(self) -> None:
        for number, device in enumerate(self.spec.devices):
            ends: list[messages.Report] = []
            with self.job.visit(device, "check_table", ends) as plant:
                outcome = self._one(plant, number)
                gains = self.arrays["gain"][number].tolist()
                data = {"device": device, "pulses": plant.visit.pulses, "resistance_ohm": plant.visit.resistance}
                told = {**data, "table": self.feedforward.info.version, "fits": outcome == "fits", "gain": gains}
                ends.append(messages.Happened("device.checked", self.job.job_id, {**told, "why": plant.ended}))
            self.job.outcomes[outcome] += 1
            self.job.done += 1

    def abandon(self) -> None:
        """What was not checked stays nan."""

    def _one(self, plant: RigPlant, number: int) -> str:
        station, table = self.job.station, self.feedforward
        voltage = min(station.bench.limits.max_voltage, float(table.voltages[-1]))
        width, conductance = station.bench.limits.max_width, station.envelope.expected_conductance(table.info.window[0])
        while width > table.info.width and station.envelope.refusal(voltage, width, conductance, 0) is not None:
            width /= 2.0  # a strong pulse that the limits allow
        try:
            steps = measure(plant, table, self.spec.devices[number], self.spec.pulses, voltage, width)
        except Ended as ended:
            return ended.outcome.name.lower()
        self.arrays["predicted"][number], self.arrays["measured"][number] = steps.predicted, steps.measured
        self.arrays["gain"][number] = [each.gain for each in steps.gains]
        self.arrays["gain_error"][number] = [each.error for each in steps.gains]
        if not np.isfinite(self.arrays["gain"][number]).all():
            return Outcome.OPEN.name.lower()
        self.arrays["fits"][number] = table_fit.fits(steps.gains)
        return "fits" if self.arrays["fits"][number] else "misfits"
