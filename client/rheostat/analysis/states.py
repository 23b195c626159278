"""The states of measured pulse trains: their linear part, symmetry, scatter, and the bins of a differential pair.

Follows A. Xhameni and A. Lombardo, APL Electron. Devices 1, 036124 (2025), section III and Fig. 2(d-f). Everything is
in the unit of the states that are given (the paper: uS).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]

_DEVIATIONS = 2.0  # standard errors that R^2 may lie below what is asked for
_GRID = 200  # points of the common range that two directions are compared at


@dataclass(frozen=True)
class LinearPart:
    """The most linear consecutive states of a pulse train, in the unit of the states.

    first: index of its first state (0: after the first pulse); states: (cycles, count), all that was measured of them;
    slope, intercept: least-squares line of the mean states against 0..count-1, slope with the sign of the train;
    r_squared: its coefficient of determination; slope_error, intercept_error, r_squared_error: their standard errors.

    The standard errors of the line come from those of the single cycles, whose mean it is: scatter over the square root
    of the number of cycles, with cycles - 1 degrees of freedom; that of R^2 from leaving out each cycle in turn
    (jackknife). So states of one cycle may depend on each other, and what is curved in every cycle alike does not count
    as error. R^2 is that of the means, as the paper's: their scatter, sigma^2 / cycles, lowers it (by 4e-5 in the
    paper's 100 cycles), which its error does not contain.
    """

    first: int
    states: Floats
    slope: float
    intercept: float
    r_squared: float
    slope_error: float
    intercept_error: float
    r_squared_error: float

    @property
    def cycles(self) -> int:
        return len(self.states)

    @property
    def count(self) -> int:
        return int(self.states.shape[1])

    @property
    def means(self) -> Floats:
        """(count,) mean of each state over the cycles."""
        return np.asarray(self.states.mean(axis=0))

    @property
    def sigmas(self) -> Floats:
        """(count,) standard deviation of each state over the cycles."""
        return np.asarray(self.states.std(axis=0, ddof=1))

    def sigma_intervals(self, confidence: float = 0.95) -> Floats:
        """(2, count): low and high end of the confidence interval of each state's sigma; exact for normal scatter."""
        freedom = self.cycles - 1
        tail = 0.5 * (1.0 - _share(confidence))
        chi_squares = stats.chi2.ppf([[1.0 - tail], [tail]], freedom)
        return np.asarray(self.sigmas * np.sqrt(freedom / chi_squares))

    @property
    def sigma(self) -> float:
        """Mean standard deviation of a state (cycle to cycle)."""
        return float(self.sigmas.mean())

    @property
    def sigma_error(self) -> float:
        """Standard error of that mean, by leaving out each cycle in turn: states of one cycle scatter together, so they
        tell less than as many independent ones. nan for two cycles."""
        if self.cycles < 3:
            return math.nan
        m = self.cycles
        squares = (self.states - self.means) ** 2
        without = (squares.sum(axis=0) - squares * m / (m - 1)) / (m - 2)
        return float(_jackknife(np.sqrt(np.maximum(without, 0.0)).mean(axis=1)))

    @property
    def bin_width(self) -> float:
        """Mean distance of neighbouring states: what one pulse moves on average."""
        means = self.means
        return float(abs(means[-1] - means[0]) / (self.count - 1))

    @property
    def bin_width_error(self) -> float:
        """Standard error of the bin width, from the scatter of the cycles; cycles - 1 degrees of freedom."""
        widths = (self.states[:, -1] - self.states[:, 0]) / (self.count - 1)
        return _error_of_mean(widths)

    @property
    def curvature(self) -> float:
        """rms distance of the mean states from their line."""
        line = self.intercept + self.slope * np.arange(self.count)
        return float(np.sqrt(np.mean((self.means - line) ** 2)))

    @property
    def bins(self) -> int:
        """Distinct values of G+ - G- of a differential pair of two such devices: 2 count - 1."""
        return 2 * self.count - 1


def linear_part(states: ArrayLike, count: int | None = None, r_squared: float = 0.999) -> LinearPart:
    """The linear part of `states` (cycles, pulses), one direction of a train after each pulse.

    count: None, the longest stretch, of at least 3 states, whose R^2 reaches `r_squared` within two of its standard
    errors; the one with the largest R^2 among equally long ones. The paper's two lines, 0.99898 and 0.99925, reach
    0.999 in that sense, and R^2 from 100 cycles has a standard error of 1.3e-4: a sharp limit so near would let chance
    decide on a state. However little is known of R^2, it may lie below by half of 1 - r_squared at most (0.9985, which
    still prints as 0.999): no stretch is long because it is noisy.
    A number: the `count` consecutive states whose means lie closest to a line (largest R^2); the paper's part has 16.
    Raises ValueError for arrays of another form, not finite, or without such a stretch.
    """
    array = np.asarray(states, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] < 2:
        raise ValueError(f"states must be (cycles, pulses) with two cycles or more, not of shape {array.shape}")
    if not np.all(np.isfinite(array)):
        raise ValueError("states must be finite numbers")
    pulses = array.shape[1]
    means = array.mean(axis=0)
    origin, spread = float(means.mean()), float(np.ptp(means)) or 1.0
    sums = _running_sums((means - origin) / spread)
    if count is not None:
        if not 3 <= count <= pulses:
            raise ValueError(f"count must lie between 3 and the {pulses} pulses, not {count!r}")
        return _fitted(array, int(np.argmax(_r_squared(sums, count))), count)
    without = _running_sums((_without_each(array) - origin) / spread)
    for length in range(pulses, 2, -1):
        found = _r_squared(sums, length)
        most = 0.5 * (1.0 - r_squared)
        if not found.max() + most >= r_squared:
            continue
        allowance = np.minimum(_DEVIATIONS * _jackknife(_r_squared(without, length)), most)
        enough = found + allowance >= r_squared
        if enough.any():
            return _fitted(array, int(np.argmax(np.where(enough, found, -1.0))), length)
    raise ValueError(f"no three consecutive states lie on a line with R^2 of at least {r_squared:g}")


def _without_each(states: Floats) -> Floats:
    """(cycles, pulses) the means that are left without each cycle."""
    cycles = len(states)
    return np.asarray((states.mean(axis=0) * cycles - states) / (cycles - 1))


def _jackknife(values: Floats) -> Floats:
    """Standard errors of figures from their values without each cycle, (cycles, ...) -> (...)."""
    return np.asarray(math.sqrt(len(values) - 1) * values.std(axis=0))


def _running_sums(y: Floats) -> Floats:
    """(3, ..., pulses + 1) running sums of y, x y and y^2, y (..., pulses): of any stretch they are two differences."""
    sums = np.zeros((3, *y.shape[:-1], y.shape[-1] + 1))
    np.cumsum(np.stack([y, np.arange(y.shape[-1]) * y, y * y]), axis=-1, out=sums[..., 1:])
    return sums


def _r_squared(sums: Floats, length: int) -> Floats:
    """R^2 of the lines through all stretches of `length` states, (..., pulses - length + 1); 0 for one that is flat."""
    total, moment, square = sums[..., length:] - sums[..., :-length]
    centre = np.arange(total.shape[-1]) + 0.5 * (length - 1)
    covariance = moment - centre * total
    variation = square - total**2 / length
    flat = variation <= 1e-13 * length  # nothing but rounding
    return np.where(flat, 0.0, covariance**2 / (np.where(flat, 1.0, variation) * (length * (length**2 - 1) / 12.0)))


def _fitted(states: Floats, first: int, count: int) -> LinearPart:
    chosen = states[:, first : first + count].copy()
    x = np.arange(count) - 0.5 * (count - 1)
    slopes = chosen @ x / np.sum(x * x)
    intercepts = chosen.mean(axis=1) - slopes * 0.5 * (count - 1)
    slope, intercept = float(slopes.mean()), float(intercepts.mean())
    means = chosen.mean(axis=0)
    residual = means - (intercept + slope * np.arange(count))
    total = float(np.sum((means - means.mean()) ** 2))
    r_squared = 1.0 - float(np.sum(residual**2)) / total if total > 0.0 else 0.0
    without = _without_each(chosen) - means.mean()
    squares = _r_squared(_running_sums(without / (float(np.ptp(means)) or 1.0)), count)[:, 0]
    return LinearPart(
        first,
        chosen,
        slope,
        intercept,
        r_squared,
        slope_error=_error_of_mean(slopes),
        intercept_error=_error_of_mean(intercepts),
        r_squared_error=float(_jackknife(squares)),
    )


@dataclass(frozen=True)
class Symmetry:
    """How alike potentiation and depression are.

    overlap: the range of mean states that both directions have, over the range that either has; 1: the same, 0: none.
    width: relative difference of the bin widths, (wp - wd) / mean of both; width_error: its standard error.
    distance: rms distance of the two curves over their common range, in the unit of the states; nan without one. The
    curve of depression is mirrored (its last state first) and moved along the pulses to where it fits best: this is
    by how many pulses on average the directions differ in what they need between the same states, times the bin width.
    """

    overlap: float
    width: float
    width_error: float
    distance: float


def symmetry(potentiation: LinearPart, depression: LinearPart) -> Symmetry:
    """Symmetry of the linear parts of the two directions; the paper compares gradients and shows the rest."""
    rising = [_rising(part.means) for part in (potentiation, depression)]
    lows, highs = zip(*((float(means[0]), float(means[-1])) for means in rising), strict=True)
    low, high = max(lows), min(highs)
    either = max(highs) - min(lows)
    widths = np.array([potentiation.bin_width, depression.bin_width])
    errors = np.array([potentiation.bin_width_error, depression.bin_width_error])
    middle = float(widths.mean())
    # d/dwp and d/dwd of 2 (wp - wd) / (wp + wd)
    error = float(np.hypot(*(errors * widths[::-1]))) / middle**2 if middle > 0.0 else math.nan
    return Symmetry(
        overlap=max(0.0, high - low) / either if either > 0.0 else math.nan,
        width=float(widths[0] - widths[1]) / middle if middle > 0.0 else math.nan,
        width_error=error,
        distance=_distance(rising, low, high) * middle if high > low else math.nan,
    )


def _rising(means: Floats) -> Floats:
    """The states in rising order along pulses, whichever way the train went."""
    return np.maximum.accumulate(means if means[-1] >= means[0] else means[::-1])


def _distance(curves: list[Floats], low: float, high: float) -> float:
    """rms difference, in pulses, of where two rising curves reach the states of their common range."""
    states = np.linspace(low, high, _GRID)
    first, second = (np.interp(states, curve, np.arange(len(curve))) for curve in curves)
    return float(np.std(first - second))


def pair_bins(part: LinearPart, k_sigma: float = 2.0, of: Literal["state", "difference"] = "state") -> int:
    """Bins of a differential pair of two such devices: values of G+ - G- more than `k_sigma` sigma apart.

    of: whose sigma. "state", as in the paper (bin width > 2 sigma, so that one standard deviation to either side of
    neighbouring states does not overlap): the mean sigma of one device's state. "difference": that of G+ - G-, where
    both devices scatter, the square root of two times as large. Where all states are far enough apart there are
    2 count - 1 bins (the paper: 16 states, 31 bins); else every second state is used, or every third, and so on. 1
    where no two states of the part are far enough apart.
    """
    if not k_sigma >= 0.0:
        raise ValueError(f"k_sigma must be 0 or more, not {k_sigma!r}")
    if of not in ("state", "difference"):
        raise ValueError(f'of must be "state" or "difference", not {of!r}')
    sigma = part.sigma * (math.sqrt(2.0) if of == "difference" else 1.0)
    for stride in range(1, part.count):
        if stride * part.bin_width > k_sigma * sigma:
            return 2 * ((part.count - 1) // stride) + 1
    return 1


def bits(bins: float) -> float:
    """log2 of the number of bins; the paper's 31 are 4.95."""
    if not bins >= 1.0:
        raise ValueError(f"bins must be 1 or more, not {bins!r}")
    return math.log2(bins)


def _error_of_mean(values: Floats) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values))


def _share(confidence: float) -> float:
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence!r}")
    return confidence
