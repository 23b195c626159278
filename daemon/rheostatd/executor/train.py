"""The job "train": the same write pulses for each device, over and over, a reading after each. Nothing decides.

A train that is short goes to the rig as one sequence (a WGFMU runs thousands of pulses by itself); a long one in pieces
of about a second, between which the job can be cancelled or paused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rheostat import wire
from rheostat_hal.values import Pulse
from rheostatd import messages
from rheostatd.executor.job import Job
from rheostatd.executor.leases import MAX_LEASE
from rheostatd.executor.plant import Ended, RigPlant

FIRST_READINGS = 4
PIECE = 1.0  # s of write pulses and their readings that go to the rig at once
READ_AFTER = 1e-4  # s of a reading, at the least, for the length of a piece


class TrainRun:
    """`arrays`: see `rheostatd.executor.results.train_arrays`; at first those that `taken_cycles.begun` gives."""

    def __init__(self, job: Job, spec: wire.Train, arrays: wire.Arrays) -> None:
        self.job = job
        self.spec = spec
        self.pulses = [Pulse(v, w) for v, w in zip(arrays["voltage"].tolist(), arrays["width"].tolist(), strict=True)]
        self.arrays = arrays
        self._taken: list[int] = self.arrays["pulses"].tolist()

    def run(self) -> None:
        for number, device in enumerate(self.spec.devices):
            if self._taken[number] == len(self.pulses) * self.spec.cycles:
                self.job.outcomes["applied"] += 1
                self.job.done += 1
                continue
            ends: list[messages.Report] = []
            with self.job.visit(device, "train", ends) as plant:
                outcome = "applied"
                try:
                    self._one(plant, number)
                except Ended as ended:
                    outcome = ended.outcome.name.lower()
                finally:
                    self.arrays["pulses"][number] = self._taken[number] + plant.visit.pulses
                data = {"device": device, "pulses": plant.visit.pulses, "resistance_ohm": plant.visit.resistance}
                ends.append(messages.Happened("device.trained", self.job.job_id, {**data, "why": plant.ended}))
            self.job.outcomes[outcome] += 1
            self.job.done += 1

    def abandon(self) -> None:
        """What was not applied stays nan."""

    def _one(self, plant: RigPlant, number: int) -> None:
        plant.read(FIRST_READINGS)
        lrs = self.job.station.window(self.spec.devices[number]).lrs
        resistance, energy = (self.arrays[name][number].reshape(-1) for name in ("resistance", "energy"))
        played = self._taken[number]
        for pulses, cycles in pieces(self.pulses, self.spec.cycles - played // len(self.pulses)):
            events = plant.train(pulses, cycles, self.spec.measure, lrs)
            for at, event in enumerate(events, played):
                resistance[at] = event.resistances[-1] if event.resistances else math.nan
                energy[at] = event.energy
            played += len(events)
            plant.judge(events)


def pieces(pulses: Sequence[Pulse], cycles: int) -> Iterator[tuple[Sequence[Pulse], int]]:
    """(pulses, cycles) one after another, each of at most about PIECE seconds and MAX_LEASE write pulses."""
    once = sum(pulse.width + READ_AFTER for pulse in pulses)
    together = min(MAX_LEASE // len(pulses), int(PIECE / once))
    if together >= 1:
        for begun in range(0, cycles, together):
            yield pulses, min(together, cycles - begun)
        return
    for _ in range(cycles):
        begin, length = 0, 0.0
        for end, pulse in enumerate(pulses, 1):
            length += pulse.width + READ_AFTER
            if length >= PIECE or end - begin == MAX_LEASE or end == len(pulses):
                yield pulses[begin:end], 1
                begin, length = end, 0.0
