"""The job "identical_pulses": trains of equal write pulses, each from the end of the window that its direction leaves
(Z. Diao et al., Nanoscale Horiz. 10, 780, 2025, Fig. 2a). A stage is one train with its initialisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from rheostat import wire
from rheostat.wire import Outcome
from rheostatd.executor.estimates import Estimate, applied, initialising, left_by
from rheostatd.executor.plant import RigPlant
from rheostatd.executor.requests import check_pulses, check_read
from rheostatd.executor.staged import Done, StagedKind, begin_at, confirmed
from rheostatd.executor.station import Station

DIRECTIONS = (1, -1)


class IdenticalPulses(StagedKind):
    """Direction by direction, voltages rising, repetitions inside."""

    name: ClassVar[str] = "identical_pulses"

    def __init__(self, spec: wire.IdenticalPulses) -> None:
        super().__init__(spec.devices)
        self.spec = spec
        self.width = spec.width
        self.each = len(DIRECTIONS) * len(spec.voltages) * spec.repetitions

    def check(self, station: Station) -> None:
        check_read(station, wire.Read(devices=self.devices))
        check_pulses(station, self.spec.voltages, self.width)

    def of(self, number: int) -> tuple[int, float]:
        """(direction, V, positive) of a stage."""
        half, rest = divmod(number % self.each, len(self.spec.voltages) * self.spec.repetitions)
        return DIRECTIONS[half], self.spec.voltages[rest // self.spec.repetitions]

    def stage(self, plant: RigPlant, station: Station, number: int, follows: bool) -> Outcome:
        direction, voltage = self.of(number)
        window = station.window(plant.visit.device)
        begin_at(plant, station, number, window.hrs if direction > 0 else window.lrs)
        for _ in range(self.spec.pulses):
            confirmed(plant, window, plant.apply(direction * voltage, self.width, 1))
        return Outcome.VERIFIED

    def estimate(self, station: Station, device: str, stages: Sequence[int]) -> Estimate:
        total = Estimate()
        for number in stages:
            direction, voltage = self.of(number)
            total += applied(station, device, voltage, self.width, self.spec.pulses)
            total += initialising(station, device, -direction, left_by(station, device, voltage))
        return total

    def risks(self, station: Station) -> list[str]:
        return ["the pulses of the initialisations are a guess: they are closed loops"]

    def arrays(self, done: Done) -> wire.Arrays:
        shape = (len(self.devices), len(DIRECTIONS), len(self.spec.voltages), self.spec.repetitions)
        resistance = np.full((self.total, self.spec.pulses + 1), math.nan)
        stroke, energy = np.full(self.total, math.nan), np.zeros(self.total)
        for stage in range(self.total):
            events = done.of(stage)
            events = events[np.isfinite(events["voltage"])]
            if not len(events):
                continue
            way = done.before(stage)["resistance"]
            stroke[stage] = abs(way[-1] - way[0])
            resistance[stage, 0] = way[-1]
            resistance[stage, 1 : len(events) + 1] = events["resistance"]
            energy[stage] = events["energy"].sum()
        return {
            "voltages": np.array(self.spec.voltages),
            "resistance": resistance.reshape(*shape, self.spec.pulses + 1),
            "stroke": stroke.reshape(shape),
            "energy": energy.reshape(shape),
            "outcome": done.outcome.reshape(shape),
        }
