"""What a WGFMU channel measures of the true current or voltage: settling, noise, resolution, the range's end.

Settling times (to 0.6 % of a step) and noise are those of the User's Guide, tables 4-22 and 4-23, taken as one pole and
as white noise of samples 5 ns apart; a change of range settles to 0.3 % within 150 us. Assumed: that a new range begins
at zero, a converter of 14 bits over both signs, and that it ends 5 % beyond the range, where it reads its end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

SAMPLE = 5e-9  # s
_TO_STEP = math.log(1 / 0.006)
CHANGE, CHANGE_TIME = 1.5e-4 / math.log(1 / 0.003), 1.5e-4  # s: time constant, and how long it rules
BITS = 14
OVER = 1.05


@dataclass(frozen=True, slots=True)
class Range:
    """`full` scale A or V, `lag` time constant s, `noise` rms of one sample."""

    full: float
    lag: float
    noise: float


def _range(full: float, settling: float, noise: float, window: float) -> Range:
    return Range(full, settling / _TO_STEP, noise * math.sqrt(window / SAMPLE))


CURRENT = {  # code: settling time, rms noise over the recommended window, that window
    6001: _range(1e-6, 37e-6, 425e-12, 1.64e-6),
    6002: _range(1e-5, 5.8e-6, 2.5e-9, 1e-6),
    6003: _range(1e-4, 820e-9, 47e-9, 130e-9),
    6004: _range(1e-3, 200e-9, 280e-9, 40e-9),
    6005: _range(1e-2, 125e-9, 1.9e-6, 20e-9),
}
VOLTAGE = {5001: _range(5.0, 85e-9, 1.4e-3, 20e-9), 5002: _range(10.0, 110e-9, 1.4e-3, 20e-9)}


@njit(cache=True)
def settle(
    widths: NDArray[np.float64],
    begin: NDArray[np.float64],
    end: NDArray[np.float64],
    lags: NDArray[np.float64],
    fresh: NDArray[np.bool_],
    shown: NDArray[np.float64],
    area: NDArray[np.float64],
) -> None:
    """A one-pole instrument's view of a signal made of straight pieces.

    widths: (p,) s; begin, end: (p,) of the signal; lags: (p,) s; fresh: (p,) whether it begins at zero there; it
    begins settled. shown, area: (p + 1,) what it shows at each boundary, and its integral up to it.
    """
    y = begin[0]
    total = 0.0
    for k in range(len(widths)):
        if fresh[k]:
            y = 0.0
        shown[k] = y
        area[k] = total
        w = widths[k]
        tau = lags[k]
        slope = (end[k] - begin[k]) / w
        rest = y - begin[k] + slope * tau
        fade = math.exp(-w / tau)
        total += begin[k] * w + 0.5 * slope * w * w - slope * tau * w + rest * tau * (1.0 - fade)
        y = end[k] - slope * tau + rest * fade
    shown[len(widths)] = y
    area[len(widths)] = total


@dataclass(frozen=True, slots=True)
class Shown:
    """What an instrument shows over pieces that begin at `starts` s: (p + 1,) with the end; see `settle`."""

    starts: NDArray[np.float64]
    begin: NDArray[np.float64]
    end: NDArray[np.float64]
    lags: NDArray[np.float64]
    fresh: NDArray[np.bool_]
    shown: NDArray[np.float64]
    area: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        starts: NDArray[np.float64],
        begin: NDArray[np.float64],
        end: NDArray[np.float64],
        lags: NDArray[np.float64],
        fresh: NDArray[np.bool_],
    ) -> Shown:
        shown, area = np.zeros(len(starts)), np.zeros(len(starts))
        settle(np.diff(starts), begin, end, lags, fresh, shown, area)
        return cls(starts, begin, end, lags, fresh, shown, area)

    def _parts(self, times: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        k = np.clip(np.searchsorted(self.starts, times, side="right") - 1, 0, len(self.begin) - 1)
        s = np.clip(times - self.starts[k], 0.0, None)
        slope = (self.end[k] - self.begin[k]) / (self.starts[k + 1] - self.starts[k])
        return k, s, slope

    def at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        k, s, slope = self._parts(times)
        tau = self.lags[k]
        rest = np.where(self.fresh[k], 0.0, self.shown[k]) - self.begin[k] + slope * tau
        return self.begin[k] + slope * (s - tau) + rest * np.exp(-s / tau)

    def mean(self, times: NDArray[np.float64], width: NDArray[np.float64]) -> NDArray[np.float64]:
        """Over `width` s from each of `times` on; where 0, the value there."""
        lasting = width > 0.0
        areas = self._area(times + width) - self._area(times)
        return np.where(lasting, areas / np.where(lasting, width, 1.0), self.at(times))

    def _area(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        k, s, slope = self._parts(times)
        tau = self.lags[k]
        rest = np.where(self.fresh[k], 0.0, self.shown[k]) - self.begin[k] + slope * tau
        fade = -np.expm1(-s / tau)
        return self.area[k] + self.begin[k] * s + slope * s * (0.5 * s - tau) + rest * tau * fade


def convert(
    true: NDArray[np.float64],
    full: NDArray[np.float64],
    noise: NDArray[np.float64],
    samples: NDArray[np.float64],
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """Readings of `true`, each the mean of `samples` samples on a range `full` with `noise` rms of one sample."""
    step = 2.0 * full / 2**BITS
    spread = np.sqrt((noise**2 + np.where(samples > 1, step**2 / 12.0, 0.0)) / samples)
    read = true + spread * generator.standard_normal(len(true))
    read = np.where(samples > 1, read, np.round(read / step) * step)
    return np.clip(read, -OVER * full, OVER * full)
