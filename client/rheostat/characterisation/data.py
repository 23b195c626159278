"""What the jobs of each step gave, as the arrays that figures of merit and plots are made from. Pure; SI units.

A step may have run as several jobs, one after another: here they are one. What was not measured is nan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rheostat.results import Result
from rheostat.wire import Outcome

Array = npt.NDArray[Any]
DIRECTIONS = {1: "potentiation", -1: "depression"}


@dataclass(frozen=True)
class Loops:
    """voltage (n,) V; resistance (loops, n) ohm after each dwell; current (loops, n) A; energy (loops, n) J."""

    voltage: Array
    resistance: Array
    current: Array
    energy: Array


@dataclass(frozen=True)
class Identical:
    """voltages (v,) V, rising; resistance (2, v, repetitions, pulses + 1) ohm, potentiation first, nan where a train
    did not come to its end; width s."""

    voltages: Array
    resistance: Array
    width: float

    @property
    def whole(self) -> Array:
        """(2, v, repetitions): True where a train is complete."""
        return np.asarray(np.isfinite(self.resistance).all(axis=-1))


@dataclass(frozen=True)
class Sweep:
    """One feedforward sweep. resistance (m,) ohm before each write pulse, voltage (m,) V signed, energy (m,) J; final:
    ohm after the last; whole: through the whole window."""

    device: str
    cycle: int
    direction: int
    resistance: Array
    voltage: Array
    energy: Array
    final: float
    whole: bool

    @property
    def pulses(self) -> int:
        return len(self.resistance)

    @property
    def readings(self) -> Array:
        """(m + 1,) ohm: before the first write pulse and after each."""
        return np.append(self.resistance, self.final)


@dataclass(frozen=True)
class Trains:
    """One device's trains: voltage, width (n,) V, s; resistance, energy (cycles, n) ohm, J after, of each pulse."""

    device: str
    voltage: Array
    width: Array
    resistance: Array
    energy: Array

    @property
    def conductance(self) -> Array:
        """(cycles, n) S."""
        return np.asarray(1.0 / self.resistance)

    def half(self, direction: int) -> Array:
        """(cycles, n / 2) S: the states that follow the pulses of one direction, of the cycles that are complete."""
        whole = np.isfinite(self.resistance).all(axis=1)
        return np.asarray(self.conductance[whole][:, np.sign(self.voltage) == direction])


@dataclass(frozen=True)
class Held:
    """Retention of one device: elapsed (t,) s, resistance (t,) ohm, its standard error (t,) ohm; read only."""

    device: str
    elapsed: Array
    resistance: Array
    error: Array


@dataclass(frozen=True)
class Check:
    """How a table still fits one device: gain, its standard error, what the table holds, (2,) each; fits."""

    device: str
    gain: Array
    error: Array
    expected: Array
    fits: bool


def loops(results: Sequence[Result]) -> Loops | None:
    """Of the first device; None when nothing was measured."""
    if not results:
        return None
    a = results[0].arrays
    return Loops(a["voltage"], a["resistance"][0], a["current"][0], a["energy"][0])


def identical(results: Sequence[Result]) -> Identical | None:
    """Of the first device, the voltages of all jobs in rising order."""
    if not results:
        return None
    voltages = np.concatenate([result.arrays["voltages"] for result in results])
    shortest = min(result.arrays["resistance"].shape[-1] for result in results)
    measured = np.concatenate([result.arrays["resistance"][0][..., :shortest] for result in results], axis=1)
    order = np.argsort(voltages, kind="stable")
    width = float(results[0].provenance.get("spec", {}).get("width", np.nan))
    return Identical(voltages[order], measured[:, order], width)


def sweeps(results: Sequence[Result]) -> tuple[Sweep, ...]:
    """Of every device, in the order measured."""
    found = []
    begun: dict[str, int] = {}
    for result in results:
        a = result.arrays
        ends = np.cumsum(a["counts"].reshape(-1))
        begins = ends - a["counts"].reshape(-1)
        for k, (device, cycle, way) in enumerate(np.ndindex(a["counts"].shape)):
            part = slice(int(begins[k]), int(ends[k]))
            name = result.devices[device]
            found.append(
                Sweep(
                    name,
                    begun.get(name, 0) + cycle,
                    1 if way == 0 else -1,
                    a["resistance"][part],
                    a["voltage"][part],
                    a["energy"][part],
                    float(a["final"][device, cycle, way]),
                    bool(a["outcome"][device, cycle, way] == Outcome.VERIFIED),
                )
            )
        for name in result.devices:
            begun[name] = begun.get(name, 0) + a["counts"].shape[1]
    return tuple(found)


def trains(results: Sequence[Result], skip: int = 0) -> tuple[Trains, ...]:
    """Of every device, without the first `skip` cycles."""
    return tuple(
        Trains(
            device,
            result.arrays["voltage"],
            result.arrays["width"],
            result.arrays["resistance"][k, skip:],
            result.arrays["energy"][k, skip:],
        )
        for result in results
        for k, device in enumerate(result.devices)
    )


def held(results: Sequence[Result]) -> tuple[Held, ...]:
    """Of every device, the readings that were taken."""
    found = []
    for result in results:
        a = result.arrays
        for k, device in enumerate(result.devices):
            read = np.isfinite(a["resistance"][k])
            found.append(Held(device, a["elapsed"][k][read], a["resistance"][k][read], a["error"][k][read]))
    return tuple(found)


def checks(results: Sequence[Result]) -> tuple[Check, ...]:
    """Of every device; of one that was checked again, the last."""
    found = {}
    for result in results:
        a = result.arrays
        for k, (device, fits) in enumerate(zip(result.devices, a["fits"], strict=True)):
            found[device] = Check(device, a["gain"][k], a["gain_error"][k], a["expected"][k], bool(fits))
    return tuple(found.values())
