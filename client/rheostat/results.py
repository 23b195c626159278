"""What a job gave: arrays in the shape of the targets, SI units, and the provenance to repeat it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from rheostat import units, wire
from rheostat.errors import InputError
from rheostat.targets import Targets, WeightMapping
from rheostat.trace import Trace, split_traces

Array = npt.NDArray[Any]


@dataclass(frozen=True, repr=False)
class Result:
    """What every job gives. `job`: its final state and totals; `devices`: names; `provenance`: calibration version,
    scheme and parameters, firmware, seeds; `arrays`: all arrays by their name on the wire."""

    job: wire.Job
    devices: tuple[str, ...]
    provenance: dict[str, Any]
    arrays: dict[str, Array]
    traces: dict[str, Trace] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return self.job.kind

    def summary(self) -> dict[str, Any]:
        """The totals as plain numbers with their units in the names."""
        job = self.job
        wall = job.finished - job.started if job.finished is not None and job.started is not None else math.nan
        return {
            "job": job.job_id,
            "state": job.state.value,
            "devices": len(self.devices),
            "outcomes": dict(job.outcomes),
            "pulses": job.pulses,
            "reads": job.reads,
            "energy_j": job.energy,
            "rig_time_s": job.rig_time,
            "wall_time_s": wall,
        }

    def costs(self) -> str:
        """Pulses, reads, energy and times, in words."""
        total = self.summary()
        return (
            f"{total['pulses']} pulses, {total['reads']} reads, {units.engineering(total['energy_j'], 'J')}, "
            f"rig time {units.duration(total['rig_time_s'])}, wall time {units.duration(total['wall_time_s'])}"
        )

    def endings(self) -> str:
        """How its targets or devices ended, for the end of a sentence; nothing where that is not told."""
        counts = self.summary()["outcomes"]
        return "".join(f", {count} {name.replace('_', ' ')}" for name, count in counts.items())

    def headline(self) -> str:
        """What came out, in words."""
        return f"{len(self.devices)} device{'s' * (len(self.devices) != 1)}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.job.job_id} ({self.job.state}): {self.headline()}; {self.costs()}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(key)}</th><td>{escape(str(value))}</td></tr>"
            for key, value in self.summary().items()
        )
        return f"<table><caption>{escape(type(self).__name__)}</caption>{rows}</table>"


@dataclass(frozen=True, repr=False)
class ProgramResult(Result):
    """Every property below has the shape of the targets."""

    shape: tuple[int, ...] = ()
    unit: str = "ohm"
    mapping: WeightMapping | None = None

    def _shaped(self, name: str) -> Array:
        return self.arrays[name].reshape(self.shape)

    @property
    def targets(self) -> Array:
        """Asked for, ohm."""
        return self._shaped("targets")

    @property
    def device(self) -> Array:
        """Name of the device each target was programmed on."""
        return np.array(self.devices)[self._shaped("device")]

    @property
    def achieved(self) -> Array:
        """Estimate of the true resistance, ohm; nan where nothing was read."""
        return self._shaped("achieved")

    @property
    def error(self) -> Array:
        """achieved - targets, ohm."""
        return np.asarray(self.achieved - self.targets)

    @property
    def uncertainty(self) -> Array:
        """Standard error of `achieved`, ohm."""
        return self._shaped("uncertainty")

    @property
    def outcome(self) -> Array:
        """u1: numbers of rheostat.Outcome."""
        return self._shaped("outcome")

    @property
    def verified(self) -> npt.NDArray[np.bool_]:
        """True where the estimate lies within the tolerance with the confidence asked for."""
        return np.asarray(self.outcome == wire.Outcome.VERIFIED)

    @property
    def pulses(self) -> Array:
        return self._shaped("pulses")

    @property
    def reads(self) -> Array:
        return self._shaped("reads")

    @property
    def energy(self) -> Array:
        """J."""
        return self._shaped("energy")

    @property
    def rig_time(self) -> Array:
        """s, as the instruments spend it (virtual seconds on the virtual bench)."""
        return self._shaped("rig_time")

    @property
    def wall_time(self) -> Array:
        """s, as a clock on the wall shows it."""
        return self._shaped("wall_time")

    def achieved_in(self, unit: str) -> Array:
        """`achieved` in another unit, for example "uS"."""
        return units.from_ohm(self.achieved, unit)

    @property
    def weights(self) -> Array:
        """The achieved resistances as weights, in the shape that the weights had. Raises InputError without mapping."""
        if self.mapping is None:
            raise InputError("these targets were not given as weights: there is no mapping to go back by")
        return np.asarray(self.mapping.from_resistance(self.achieved))

    def outcomes(self) -> dict[str, int]:
        """Name of the outcome -> count, in the order of their numbers."""
        numbers, counts = np.unique(self.outcome, return_counts=True)
        return {wire.Outcome(int(n)).name.lower(): int(count) for n, count in zip(numbers, counts, strict=True)}

    def summary(self) -> dict[str, Any]:
        known = self.error[np.isfinite(self.error)]
        return {
            **super().summary(),
            "targets": self.achieved.size,
            "verified": int(self.verified.sum()),
            "outcomes": self.outcomes(),
            "error_rms_ohm": float(np.sqrt(np.mean(known**2))) if known.size else math.nan,
            "error_max_ohm": float(np.abs(known).max()) if known.size else math.nan,
        }

    def headline(self) -> str:
        total = self.summary()
        return (
            f"{total['targets']} target{'s' * (total['targets'] != 1)} on {super().headline()}{self.endings()}; "
            f"error rms {total['error_rms_ohm']:.3g} ohm, max {total['error_max_ohm']:.3g} ohm"
        )


@dataclass(frozen=True, repr=False)
class ReadResult(Result):
    @property
    def readings(self) -> Array:
        """Every reading, (devices, readings) ohm; inf for an open circuit."""
        return self.arrays["resistance"]

    @property
    def resistance(self) -> Array:
        """Mean of the readings of each device, (devices,) ohm."""
        return np.asarray(self.readings.mean(axis=1))

    @property
    def uncertainty(self) -> Array:
        """Standard error of `resistance`, (devices,) ohm; nan from one reading."""
        count = self.readings.shape[1]
        if count < 2:
            return np.full(len(self.readings), np.nan)
        with np.errstate(invalid="ignore"):
            return np.asarray(self.readings.std(axis=1, ddof=1) / math.sqrt(count))

    def headline(self) -> str:
        shown = ", ".join(f"{n} {r:.2f}" for n, r in list(zip(self.devices, self.resistance, strict=True))[:6])
        return f"{shown}{', ...' * (len(self.devices) > 6)} ohm{self.endings()}"


@dataclass(frozen=True, repr=False)
class InitialiseResult(Result):
    @property
    def achieved(self) -> Array:
        """(devices,) ohm."""
        return self.arrays["achieved"]

    @property
    def outcome(self) -> Array:
        """(devices,) u1: numbers of rheostat.Outcome."""
        return self.arrays["outcome"]

    @property
    def verified(self) -> npt.NDArray[np.bool_]:
        """True where the device reached the state asked for."""
        return np.asarray(self.outcome == wire.Outcome.VERIFIED)

    @property
    def pulses(self) -> Array:
        return self.arrays["pulses"]

    @property
    def energy(self) -> Array:
        """(devices,) J."""
        return self.arrays["energy"]

    def headline(self) -> str:
        return f"{super().headline()}{self.endings()}"


@dataclass(frozen=True, repr=False)
class CalibrateResult(Result):
    """`arrays` are those of the feedforward table: see rheostat.wire.FeedforwardTable; `rig.table()` fetches it."""

    @property
    def voltages(self) -> Array:
        """(a,) V."""
        return self.arrays["voltages"]

    @property
    def resistances(self) -> Array:
        """(m,) ohm."""
        return self.arrays["resistances"]

    @property
    def potentiation(self) -> Array:
        """Fall of resistance by one write pulse, (a, m) ohm."""
        return self.arrays["potentiation"]

    @property
    def depression(self) -> Array:
        """Rise of resistance by one write pulse, (a, m) ohm."""
        return self.arrays["depression"]

    def headline(self) -> str:
        return (
            f"feedforward table of {super().headline()}, {len(self.voltages)} voltages x {len(self.resistances)} "
            f"resistances, {self.resistances[0]:.1f} to {self.resistances[-1]:.1f} ohm"
        )


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


def build(
    reply: wire.Result, arrays: Mapping[str, Array], targets: Targets | None = None, traced: Sequence[str] = ()
) -> Result:
    """The result of the right kind. `targets`, `traced`: as handed in, when this client knows them; otherwise what the
    job said in its provenance."""
    own = {name: np.array(array) for name, array in arrays.items()}  # writable, and free of the message's memory
    asked = reply.provenance.get("spec", {})
    traces = split_traces(own, traced or asked.get("traces", ()))
    common = (reply.job, reply.devices, reply.provenance, own, traces)
    match reply.job.kind:
        case "program":
            if targets is None:
                shape = asked.get("shape")
                fits = shape is not None and math.prod(shape) == own["targets"].size
                return ProgramResult(*common, tuple(shape) if fits else own["targets"].shape)
            return ProgramResult(*common, targets.shape, targets.unit, targets.mapping)
        case "read":
            return ReadResult(*common)
        case "initialise":
            return InitialiseResult(*common)
        case "calibrate":
            return CalibrateResult(*common)
        case "train":
            return TrainResult(*common)
    return Result(*common)
