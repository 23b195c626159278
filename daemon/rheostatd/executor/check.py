"""The job "check_table": tells by a few write pulses whether a feedforward table still fits a device.

Some of the pulses use up what the device's history would add to the first steps after a turn; the rest are steps
chosen from the table, half of them each way (see `steps`). `rheostatd.executor.table_fit` judges what they moved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rheostat import wire
from rheostat.wire import Outcome
from rheostatd import messages
from rheostatd.executor import table_fit
from rheostatd.executor.job import Job
from rheostatd.executor.plant import Ended, RigPlant
from rheostatd.executor.steps import ENDS, Steps, measure_steps, shares, strong_pulse
from rheostatd.schemes.policy import Plant

_NOISE_READINGS = 8
_BELIEF = 8.0  # readings that the noise of the table is worth


@dataclass(frozen=True)
class Checked:
    """What one device did, and its gain in potentiation and depression."""

    steps: Steps
    gains: tuple[table_fit.Gain, table_fit.Gain]


def measure(
    plant: Plant, table: wire.FeedforwardTable, device: str, pulses: int, pulse: tuple[float, float]
) -> Checked:
    """Settles (by strong pulses of V, s) and measures one device with at most `pulses` write pulses. Exceptions of the
    plant pass through."""
    here = plant.read(_NOISE_READINGS)
    squares, degrees = plant.scatter
    noise = math.sqrt((squares + _BELIEF * table.info.noise**2) / (degrees + _BELIEF))
    held = table.info.gains.get(device, (1.0, 1.0))
    steps = measure_steps(plant, table, here, pulses, pulse)
    potentiation, depression = (
        table_fit.gain(
            steps.predicted[side], steps.measured[side], steps.unsure[side], noise, noise / math.sqrt(ENDS), held[side],
            device != table.info.device, steps.unsettled[side],
        )
        for side in (0, 1)
    )  # fmt: skip
    return Checked(steps, (potentiation, depression))


class CheckRun:
    """`arrays`: predicted, measured (n_devices, 2, k) f8 ohm; gain, gain_error, expected (n_devices, 2) f8; fits
    (n_devices,) u1. nan and 0 where a device was not reached or does not answer."""

    def __init__(self, job: Job, spec: wire.CheckTable, table: wire.FeedforwardTable) -> None:
        self.job = job
        self.spec = spec
        self.feedforward = table
        count, steps = len(spec.devices), shares(spec.pulses).steps
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
        device = self.spec.devices[number]
        try:
            checked = measure(plant, table, device, self.spec.pulses, strong_pulse(station, table, device))
        except Ended as ended:
            return ended.outcome.name.lower()
        self.arrays["predicted"][number] = checked.steps.predicted
        self.arrays["measured"][number] = checked.steps.measured
        self.arrays["gain"][number] = [each.gain for each in checked.gains]
        self.arrays["gain_error"][number] = [each.error for each in checked.gains]
        if not np.isfinite(self.arrays["gain"][number]).all():
            return Outcome.OPEN.name.lower()
        self.arrays["fits"][number] = table_fit.fits(checked.gains)
        return "fits" if self.arrays["fits"][number] else "misfits"
