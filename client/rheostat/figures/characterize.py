"""Figures of merit of measured pulse trains: pure numpy functions of arrays.

The linear part follows A. Xhameni and A. Lombardo, APL Electron. Devices 1, 036124 (2025), section III and Fig. 2(d-f).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class LinearPart:
    """The most linear consecutive states of a pulse train, in the unit of the states (the paper: uS).

    first: index of its first state (0: after the first pulse); means, sigmas: (count,) mean and standard deviation of
    each state over the cycles; slope, intercept: least-squares line of the means against 0..count-1, slope with the
    sign of the train; r_squared: its coefficient of determination.
    """

    first: int
    means: NDArray[np.float64]
    sigmas: NDArray[np.float64]
    slope: float
    intercept: float
    r_squared: float

    @property
    def count(self) -> int:
        return len(self.means)

    @property
    def bin_width(self) -> float:
        """Mean distance of neighbouring states: what one pulse moves on average."""
        return float(abs(self.means[-1] - self.means[0]) / (self.count - 1))

    @property
    def sigma(self) -> float:
        """Mean standard deviation of a state (cycle to cycle)."""
        return float(self.sigmas.mean())

    @property
    def curvature(self) -> float:
        """rms distance of the mean states from their line."""
        line = self.intercept + self.slope * np.arange(self.count)
        return float(np.sqrt(np.mean((self.means - line) ** 2)))

    @property
    def bins(self) -> int:
        """Distinct values of G+ - G- of a differential pair of two such devices: 2 count - 1."""
        return 2 * self.count - 1


def linear_part(states: ArrayLike, count: int | None = 16, r_squared: float = 0.998) -> LinearPart:
    """The linear part of `states` (cycles, pulses), one direction of a train after each pulse.

    count: the `count` consecutive states whose means lie closest to a line (largest R^2). None: the longest stretch,
    of at least 3 states, whose R^2 is `r_squared` or more; the first with the largest R^2 among equally long ones.
    Raises ValueError for arrays of another form, not finite, or without such a stretch.
    """
    array = np.asarray(states, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] < 2:
        raise ValueError(f"states must be (cycles, pulses) with two cycles or more, not of shape {array.shape}")
    if not np.all(np.isfinite(array)):
        raise ValueError("states must be finite numbers")
    pulses = array.shape[1]
    if count is not None:
        if not 3 <= count <= pulses:
            raise ValueError(f"count must lie between 3 and the {pulses} pulses, not {count!r}")
        return _best(array, count)
    for length in range(pulses, 2, -1):
        best = _best(array, length)
        if best.r_squared >= r_squared:
            return best
    raise ValueError(f"no three consecutive states lie on a line with R^2 of at least {r_squared:g}")


def _best(states: NDArray[np.float64], count: int) -> LinearPart:
    parts = [_fitted(states, first, count) for first in range(states.shape[1] - count + 1)]
    return max(parts, key=lambda part: part.r_squared)


def _fitted(states: NDArray[np.float64], first: int, count: int) -> LinearPart:
    chosen = states[:, first : first + count]
    means = chosen.mean(axis=0)
    slope, intercept = np.polyfit(np.arange(count), means, 1)
    residual = means - (intercept + slope * np.arange(count))
    total = float(np.sum((means - means.mean()) ** 2))
    r_squared = 1.0 - float(np.sum(residual**2)) / total if total > 0.0 else 0.0
    return LinearPart(first, means, chosen.std(axis=0, ddof=1), float(slope), float(intercept), r_squared)
