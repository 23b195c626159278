"""What jobs gave that apply write pulses as they are or by a table: train, iv_loops, identical_pulses, staircase.

Axes of two are the directions: potentiation first, then depression. Where a job ended early, arrays have nan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rheostat import units, wire
from rheostat.curves import Sweep, Train
from rheostat.results.base import DIRECTIONS, Array, Result, mean, spread


@dataclass(frozen=True, repr=False)
class TrainResult(Result):
    @property
    def voltage(self) -> Array:
        """(n,) V."""
        return self.arrays["voltage"]

    @property
    def width(self) -> Array:
        """(n,) s."""
        return self.arrays["width"]

    @property
    def resistance(self) -> Array:
        """After each write pulse, (devices, cycles, n) ohm; nan where the train ended early."""
        return self.arrays["resistance"]

    @property
    def conductance(self) -> Array:
        """(devices, cycles, n) S; 0 for an open circuit."""
        return units.from_ohm(self.resistance, "S")

    @property
    def energy(self) -> Array:
        """Of each write pulse, (devices, cycles, n) J."""
        return self.arrays["energy"]

    @property
    def pulses(self) -> Array:
        """(devices,) write pulses that each device has had; fewer than asked for where the train ended early."""
        return self.arrays["pulses"]

    def headline(self) -> str:
        cycles, pulses = self.resistance.shape[1:]
        return f"{super().headline()}, {cycles} x {pulses} write pulses each{self.endings()}"


@dataclass(frozen=True, repr=False)
class IvLoopsResult(Result):
    @property
    def voltage(self) -> Array:
        """Of one loop, (n,) V, signed."""
        return self.arrays["voltage"]

    @property
    def resistance(self) -> Array:
        """Read after each dwell, (devices, loops, n) ohm."""
        return self.arrays["resistance"]

    @property
    def current(self) -> Array:
        """Into the write terminals by the last write pulse of each dwell, (devices, loops, n) A."""
        return self.arrays["current"]

    @property
    def energy(self) -> Array:
        """Of each dwell, (devices, loops, n) J."""
        return self.arrays["energy"]

    @property
    def whole(self) -> npt.NDArray[np.bool_]:
        """(devices, loops): True where the loop has a resistance after each of its voltages."""
        return np.asarray(np.isfinite(self.resistance).all(axis=2))

    @property
    def shift(self) -> Array:
        """How far each loop lies from the one before, (devices, loops - 1) ohm rms: it falls as the loops settle."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.sqrt(np.mean(np.diff(self.resistance, axis=1) ** 2, axis=2)))

    def overview(self) -> dict[str, Array]:
        loops = [row[seen] for row, seen in zip(self.resistance, self.whole, strict=True)]
        return {
            "device": np.array(self.devices),
            "loops": self.whole.sum(axis=1),
            "lowest_ohm": np.array([row[-1].min() if len(row) else np.nan for row in loops]),
            "highest_ohm": np.array([row[-1].max() if len(row) else np.nan for row in loops]),
            "shift_ohm": np.array([spread(row[-1] - row[-2]) if len(row) > 1 else np.nan for row in loops]),
            "energy_j": np.nansum(self.energy, axis=(1, 2)),
        }

    def headline(self) -> str:
        loops, voltages = self.resistance.shape[1:]
        return f"{super().headline()}, {loops} loops of {voltages} voltages each{self.endings()}"


@dataclass(frozen=True, repr=False)
class IdenticalPulsesResult(Result):
    @property
    def voltages(self) -> Array:
        """(v,) V, positive."""
        return self.arrays["voltages"]

    @property
    def resistance(self) -> Array:
        """Before the first write pulse and after each, (devices, 2, v, repetitions, pulses + 1) ohm."""
        return self.arrays["resistance"]

    @property
    def stroke(self) -> Array:
        """What each train's initialisation moved the device by, (devices, 2, v, repetitions) ohm."""
        return self.arrays["stroke"]

    @property
    def energy(self) -> Array:
        """Of each train, (devices, 2, v, repetitions) J."""
        return self.arrays["energy"]

    @property
    def outcome(self) -> Array:
        """(devices, 2, v, repetitions) u1: numbers of rheostat.Outcome, VERIFIED for a whole train."""
        return self.arrays["outcome"]

    @property
    def whole(self) -> npt.NDArray[np.bool_]:
        """(devices, 2, v, repetitions): True where all pulses of the train were applied."""
        return np.asarray(self.outcome == wire.Outcome.VERIFIED)

    @property
    def range(self) -> Array:
        """Rmax - Rmin of each train, (devices, 2, v, repetitions) ohm; nan where it is not whole."""
        moved = np.full(self.outcome.shape, np.nan)
        moved[self.whole] = np.ptp(self.resistance[self.whole], axis=-1)
        return moved

    def trains(self, device: str, whole: bool = True) -> list[Train]:
        """The trains of a device, potentiation first, voltages as given, repetitions in turn; `whole`: without those
        that were broken off, of which there is otherwise what was read."""
        place = self.place(device)
        found = []
        for half, v, repetition in np.ndindex(*self.outcome.shape[1:]):
            at = place, half, v, repetition
            readings = _until_lost(self.resistance[at])
            if len(readings) < 2 or (whole and not self.whole[at]):
                continue
            stroke = float(self.stroke[at])
            direction, voltage = (1, -1)[half], float(self.voltages[v])
            found.append(Train(direction, voltage, readings, stroke if np.isfinite(stroke) else 0.0))
        return found

    def overview(self) -> dict[str, Array]:
        count, halves, voltages, _ = self.outcome.shape
        return {
            "device": np.repeat(np.array(self.devices), halves * voltages),
            "direction": np.tile(np.repeat(np.array(DIRECTIONS), voltages), count),
            "voltage_v": np.tile(self.voltages, count * halves),
            "trains": self.whole.sum(axis=-1).reshape(-1),
            "range_ohm": mean(self.range, -1).reshape(-1),
            "energy_j": mean(np.where(self.whole, self.energy, np.nan), -1).reshape(-1),
        }

    def headline(self) -> str:
        repetitions, readings = self.resistance.shape[-2:]
        return (
            f"{super().headline()}, {len(self.voltages)} voltages in both directions, {repetitions} x {readings - 1} "
            f"write pulses each: {int(self.whole.sum())} of {self.whole.size} trains whole"
        )


@dataclass(frozen=True, repr=False)
class StaircaseResult(Result):
    """Sweeps are as long as they are: `sweeps`, `energies` and `finals` give them one by one, in the same order."""

    @property
    def counts(self) -> Array:
        """Write pulses of each sweep, (devices, cycles, 2)."""
        return self.arrays["counts"]

    @property
    def final(self) -> Array:
        """Read after the last write pulse of each sweep, (devices, cycles, 2) ohm; nan where there was none."""
        return self.arrays["final"]

    @property
    def outcome(self) -> Array:
        """(devices, cycles, 2) u1: numbers of rheostat.Outcome, VERIFIED for a sweep through the whole window."""
        return self.arrays["outcome"]

    @property
    def whole(self) -> npt.NDArray[np.bool_]:
        """(devices, cycles, 2): True where the sweep went through the whole window."""
        return np.asarray(self.outcome == wire.Outcome.VERIFIED)

    def sweeps(self, device: str, direction: int, whole: bool = True) -> list[Sweep]:
        """The sweeps of a device, direction 1 (potentiation) or -1 (depression); `whole`: only those that went through
        the whole window, else each that has a write pulse."""
        return [
            Sweep(direction, self.arrays["resistance"][cut], np.abs(self.arrays["voltage"][cut]))
            for _, cut in self._cuts(device, direction, whole)
        ]

    def energies(self, device: str, direction: int, whole: bool = True) -> list[Array]:
        """Of each write pulse of those sweeps, (n,) J each."""
        return [self.arrays["energy"][cut] for _, cut in self._cuts(device, direction, whole)]

    def finals(self, device: str, direction: int, whole: bool = True) -> Array:
        """Read after the last write pulse of those sweeps, (sweeps,) ohm."""
        return np.array([self.final[at] for at, _ in self._cuts(device, direction, whole)], dtype=np.float64)

    def _cuts(self, device: str, direction: int, whole: bool) -> list[tuple[tuple[int, int, int], slice]]:
        """(place in the arrays of sweeps, place in those of write pulses) of each sweep wanted."""
        place, half = self.place(device), self.half(direction)
        ends = np.cumsum(self.counts.reshape(-1)).reshape(self.counts.shape)
        wanted = self.counts > 0
        if whole:
            wanted &= self.whole
        cuts = []
        for cycle in np.flatnonzero(wanted[place, :, half]).tolist():
            at = place, cycle, half
            cuts.append((at, slice(int(ends[at] - self.counts[at]), int(ends[at]))))
        return cuts

    def overview(self) -> dict[str, Array]:
        rows: list[tuple[Any, ...]] = []
        for device in self.devices:
            for half, direction in enumerate((1, -1)):
                energies = self.energies(device, direction)
                pulses = np.array([len(each) for each in energies], dtype=np.float64)
                energy = np.array([each.sum() for each in energies])
                rows.append((device, DIRECTIONS[half], len(energies), mean(pulses), spread(pulses), mean(energy)))
        names = ("device", "direction", "sweeps", "pulses", "pulses_spread", "energy_j")
        return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}

    def headline(self) -> str:
        return (
            f"{super().headline()}, {self.counts.shape[1]} cycles each: {int(self.whole.sum())} of {self.whole.size} "
            f"sweeps through the whole window"
        )


def _until_lost(readings: Array) -> Array:
    """Readings up to the first that is nan or inf."""
    lost = np.flatnonzero(~np.isfinite(readings))
    return readings[: lost[0]] if len(lost) else readings
