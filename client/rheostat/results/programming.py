"""What jobs gave that bring devices to resistances: program and initialise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rheostat import units, wire
from rheostat.errors import InputError
from rheostat.results.base import Array, Result
from rheostat.targets import WeightMapping


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
