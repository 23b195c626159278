"""The job "staircase": feedforward sweeps through the whole window, potentiation and depression in turn (Z. Diao et
al., Nanoscale Horiz. 10, 780, 2025, Fig. 3a). A stage is one sweep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from rheostat import curves, wire
from rheostat.wire import Outcome
from rheostat_hal.bench import Window
from rheostatd.errors import BadParameter, UnknownTable
from rheostatd.executor.estimates import Estimate, initialising
from rheostatd.executor.plant import RigPlant
from rheostatd.executor.provenance import of_table
from rheostatd.executor.requests import check_pulses, check_read, find_table
from rheostatd.executor.staged import Done, StagedKind, begin_at, confirmed
from rheostatd.executor.station import Station
from rheostatd.schemes import lookup
from rheostatd.schemes.policy import Task

DIRECTIONS = (1, -1)
_RUN = 16  # write pulses that together move less than the noise: the device no longer follows
_NOISE = 0.05  # ohm, of a reading, where no calibration has measured it


class Staircase(StagedKind):
    """Before each write pulse one reading: that of the pulse before it, or the sweep's own first one."""

    name: ClassVar[str] = "staircase"

    def __init__(self, spec: wire.Staircase) -> None:
        super().__init__(spec.devices)
        self.spec = spec
        self.each = len(DIRECTIONS) * spec.cycles
        self._packed: Any = None
        self._sweeps: dict[int, curves.Sweep] = {}  # as predicted, by direction

    def check(self, station: Station) -> None:
        check_read(station, wire.Read(devices=self.devices))
        self.table = table = find_table(station, self.spec.table, self.devices)
        if table is None:
            names = ", ".join(self.devices)
            raise UnknownTable(f"no feedforward table covers {names}: calibrate first")
        for device in self.devices:
            if not all(math.isfinite(gain) and gain > 0.0 for gain in self._gains(device)):
                raise BadParameter(f"table {table.info.version}: the gains of {device} must be positive")
        self.width, limits = table.info.width, station.bench.limits
        check_pulses(station, (float(table.voltages[0]),), self.width)
        task = Task(1.0, 0.5, table.info.window, table.info.noise, limits.max_voltage, limits.max_width, table)
        try:
            self._packed = lookup.pack(task)
        except ValueError as error:
            raise BadParameter(str(error)) from error

    def told(self) -> dict[str, Any]:
        return of_table(self.table)

    def _gains(self, device: str) -> tuple[float, float]:
        assert self.table is not None
        return self.table.info.gains.get(device, (1.0, 1.0))

    def stage(self, plant: RigPlant, station: Station, number: int, follows: bool) -> Outcome:
        window = station.window(plant.visit.device)
        half = number % len(DIRECTIONS)
        if not follows:
            begin_at(plant, station, number, window.lrs if half else window.hrs)
        return self._sweep(plant, window, half)

    def _sweep(self, plant: RigPlant, window: Window, half: int) -> Outcome:
        assert self.table is not None
        info, packed, direction = self.table.info, self._packed, float(DIRECTIONS[half])
        end = window.hrs if half else window.lrs
        wanted, width = info.step[half] / self._gains(plant.visit.device)[half], self.width
        strongest = packed[lookup.GRID + int(packed[lookup.A]) - 1]
        still = 3.0 * math.sqrt(2.0) * (info.noise or _NOISE)  # ohm: what readings of a device at rest differ by
        reading, voltage = confirmed(plant, window, plant.read(1)), 0.0
        run = [reading] * _RUN  # the readings before the last pulses, in turn
        for pulse in range(self.spec.max_pulses):
            if (reading - end) * direction <= 0.0:
                return Outcome.VERIFIED
            if pulse >= _RUN and (run[pulse % _RUN] - reading) * direction < still:
                return Outcome.SATURATED if pulse > _RUN and voltage >= strongest else Outcome.STUCK
            run[pulse % _RUN] = reading
            voltage, _ = lookup.choose(packed, reading, direction, wanted)
            reading = confirmed(plant, window, plant.apply(direction * voltage, width, 1))
        return Outcome.VERIFIED if (reading - end) * direction <= 0.0 else Outcome.NOT_CONVERGED

    def estimate(self, station: Station, device: str, stages: Sequence[int]) -> Estimate:
        assert self.table is not None
        if not stages:
            return Estimate()
        total = initialising(station, device, -DIRECTIONS[stages[0] % 2], 0.5)
        ratio = station.bench.topology.write_to_read
        for half, direction in enumerate(DIRECTIONS):
            count = sum(stage % len(DIRECTIONS) == half for stage in stages)
            sweep = self._predicted(direction, station.bench.limits.max_voltage)
            pulses = min(len(sweep.voltages), self.spec.max_pulses)
            energy = float(np.sum(sweep.voltages**2 / sweep.resistances)) * self.width * ratio
            total += Estimate(pulses, pulses + 1, pulses * self.width, energy) * count
        return total

    def _predicted(self, direction: int, max_voltage: float) -> curves.Sweep:
        """Of a device of any gain: its steps are those of the table, and its voltages not far from these."""
        assert self.table is not None
        if direction not in self._sweeps:
            self._sweeps[direction] = curves.predicted_sweep(self.table, direction, max_voltage=max_voltage)
        return self._sweeps[direction]

    def arrays(self, done: Done) -> wire.Arrays:
        shape = (len(self.devices), self.spec.cycles, len(DIRECTIONS))
        counts, final = np.zeros(self.total, np.int32), np.full(self.total, math.nan)
        columns: dict[str, list[wire.Array]] = {"resistance": [], "voltage": [], "energy": []}
        for stage in range(self.total):
            events = done.of(stage)
            if not len(events):
                continue
            written = np.flatnonzero(np.isfinite(events["voltage"]))
            counts[stage], final[stage] = len(written), events["resistance"][-1]
            columns["resistance"].append(events["resistance"][written - 1])
            columns["voltage"].append(events["voltage"][written])
            columns["energy"].append(events["energy"][written])
        flat = {name: np.concatenate([np.zeros(0), *parts]) for name, parts in columns.items()}
        outcome = done.outcome.reshape(shape)
        return {"counts": counts.reshape(shape), "final": final.reshape(shape), "outcome": outcome, **flat}
