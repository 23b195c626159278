"""The job "iv_loops": the memory characteristic of each device (Z. Diao et al., Nanoscale Horiz. 10, 780, 2025,
Fig. 1d, e). A stage is one loop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from rheostat import wire
from rheostat.wire import Outcome
from rheostatd.executor.estimates import Estimate, applied
from rheostatd.executor.plant import RigPlant
from rheostatd.executor.requests import check_pulses, check_read
from rheostatd.executor.staged import Done, StagedKind, confirmed
from rheostatd.executor.station import Station

FIRST_READINGS = 4
_EDGE = 1e-9  # relative: a dwell of exactly three widths is not four pulses


class IvLoops(StagedKind):
    """Each dwell is `times` equal write pulses of `width` s, a reading after every one; at 0 V it is a reading only."""

    name: ClassVar[str] = "iv_loops"

    def __init__(self, spec: wire.IvLoops) -> None:
        super().__init__(spec.devices)
        self.spec = spec
        self.each = spec.loops
        self.times = max(1, math.ceil(spec.dwell / spec.width * (1.0 - _EDGE)))
        self.width = spec.dwell / self.times

    def check(self, station: Station) -> None:
        check_read(station, wire.Read(devices=self.devices))
        check_pulses(station, self.spec.voltages, self.width)

    def stage(self, plant: RigPlant, station: Station, number: int, follows: bool) -> Outcome:
        window = station.window(plant.visit.device)
        if not follows:
            plant.visit.target = -1 - number
            confirmed(plant, window, plant.read(FIRST_READINGS))
            plant.visit.target = number
        for voltage in self.spec.voltages:
            if voltage == 0.0:
                confirmed(plant, window, plant.read(1))
                continue
            for _ in range(self.times):
                confirmed(plant, window, plant.apply(voltage, self.width, 1))
        return Outcome.VERIFIED

    def estimate(self, station: Station, device: str, stages: Sequence[int]) -> Estimate:
        loop = Estimate(reads=self.spec.voltages.count(0.0))
        for voltage in self.spec.voltages:
            if voltage != 0.0:
                loop += applied(station, device, voltage, self.width, self.times)
        return loop * len(stages) + Estimate(reads=FIRST_READINGS)

    def arrays(self, done: Done) -> wire.Arrays:
        voltage = np.array(self.spec.voltages)
        shape = (len(self.devices), self.each, len(voltage))
        resistance, current, energy = (np.full((self.total, len(voltage)), math.nan) for _ in range(3))
        events_of = np.where(voltage == 0.0, 1, self.times)
        ends = np.cumsum(events_of)  # of each dwell
        for stage in range(self.total):
            events = done.of(stage)
            events = events[events["reads"] == 1]  # without those that confirm one far outside the window
            dwells = int(np.searchsorted(ends, len(events), side="right"))  # complete ones
            if not dwells:
                continue
            last = events[ends[:dwells] - 1]
            resistance[stage, :dwells] = last["resistance"]
            written = voltage[:dwells] != 0.0
            with np.errstate(invalid="ignore"):
                flowed = last["energy"] / (last["voltage"] * last["width"])
            current[stage, :dwells] = np.where(written, flowed, 0.0)
            spent = np.add.reduceat(events["energy"][: ends[dwells - 1]], np.append(0, ends[: dwells - 1]))
            energy[stage, :dwells] = np.where(written, spent, 0.0)
        return {
            "voltage": voltage,
            "resistance": resistance.reshape(shape),
            "current": current.reshape(shape),
            "energy": energy.reshape(shape),
        }
