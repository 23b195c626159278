"""What jobs gave that only read: read and retention."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rheostat import units
from rheostat.results.base import Array, Result


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
class RetentionResult(Result):
    @property
    def times(self) -> Array:
        """Asked for, (t,) s after the first reading."""
        return self.arrays["times"]

    @property
    def elapsed(self) -> Array:
        """When each device was read, (devices, t) s after its first reading; nan where it was not (yet)."""
        return self.arrays["elapsed"]

    @property
    def resistance(self) -> Array:
        """Mean of the readings, (devices, t) ohm."""
        return self.arrays["resistance"]

    @property
    def uncertainty(self) -> Array:
        """Standard error of `resistance`, (devices, t) ohm."""
        return self.arrays["error"]

    @property
    def drift(self) -> Array:
        """resistance - the first one, (devices, t) ohm."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.resistance - self.resistance[:, :1])

    @property
    def read(self) -> npt.NDArray[np.bool_]:
        """(devices, t): True where a reading was taken."""
        return ~np.isnan(self.resistance)

    def headline(self) -> str:
        taken = int(self.read.any(axis=0).sum())
        words = f"{super().headline()}, read at {taken} of {len(self.times)} times{self.endings()}"
        last = [
            (name, row[seen][-1])
            for name, row, seen in zip(self.devices, self.drift, self.read, strict=True)
            if seen.sum() > 1
        ]
        if not last:
            return words
        moved = ", ".join(f"{name} {ohm:+.2f}" for name, ohm in last[:6])
        span = units.duration(float(np.nanmax(self.elapsed)))
        return f"{words}; in {span} moved by {moved}{', ...' * (len(last) > 6)} ohm"
