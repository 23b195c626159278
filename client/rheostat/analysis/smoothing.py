"""A figure known at many levels, at some well and at some hardly: smooth along the levels, as rough as the data say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_UNLIKELY = 0.01  # of the likeliest: left out


class Hyper(NamedTuple):
    """What may be true of the levels: `roughness`, variance of the innovation of the curve from level to level;
    `departure`, variance of single levels around the curve; `weight`, how likely both are, given the data."""

    roughness: float
    departure: float
    weight: float


@dataclass(frozen=True)
class Smoothed:
    """mean, variance: (n,) of the figure at each level given all data, departures included."""

    mean: Floats
    variance: Floats
    hypers: tuple[Hyper, ...]


def smooth(
    values: Floats, variances: Floats, order: int, departures: bool, hypers: tuple[Hyper, ...] | None = None
) -> Smoothed:
    """Empirical Bayes: value = curve + departure of the level + error.

    values, variances: (n,) as measured, with the variance of each one's error; inf where a level was not measured. The
    curve is a random walk of first or second `order`: it tends to a constant or to a straight line. Departures are
    independent and can be left out. The variances of both come from the data: the answer is the mean over all that are
    likely, weighted by their restricted likelihood, so that its variance has in it how little they are known; unless
    `hypers` gives them. So well-known levels keep their own values where these scatter by more than their errors, and
    where they do not, or are hardly known, the curve decides. Beyond the measured levels the last one is kept.
    """
    known = np.flatnonzero(np.isfinite(variances))
    first, last = int(known[0]), int(known[-1])
    inside = slice(first, last + 1)
    y, v = np.where(np.isfinite(variances), values, 0.0)[inside], variances[inside]
    mean, variance = values.copy(), variances.copy()
    if len(known) <= order:
        hypers = ()
        w = np.where(np.isfinite(v), 1.0 / v, 0.0)
        mean[inside], variance[inside] = np.sum(w * y) / np.sum(w), 1.0 / np.sum(w)
    else:
        penalty = _penalty(len(y), order)
        if hypers is None:
            hypers = _likely(y, v, penalty, order, departures)
        mean[inside], variance[inside] = _average(y, v, penalty, hypers)
    mean[:first], variance[:first] = mean[first], variance[first]
    mean[last + 1 :], variance[last + 1 :] = mean[last], variance[last]
    return Smoothed(mean, variance, hypers)


def _average(y: Floats, v: Floats, penalty: Floats, hypers: tuple[Hyper, ...]) -> tuple[Floats, Floats]:
    """(mean, variance) over the hypers; the variance holds that within each and that between them."""
    roughness, departure, weight = (np.array(figures) for figures in zip(*hypers, strict=True))
    factor = _factor(v, penalty, roughness, departure)
    curves = factor.solve(y)
    share = departure / (departure + v[:, None])  # of a level's distance from the curve that is its own
    means = curves + share * (y[:, None] - curves)
    variances = departure * (1.0 - share) + (1.0 - share) ** 2 * factor.inverse_diagonal()
    mean = means @ weight
    return mean, (variances + (means - mean[:, None]) ** 2) @ weight


def _penalty(n: int, order: int) -> Floats:
    """(3, n) diagonal and lower bands of D'D, D the differences of that order; 0 where there are none."""
    stencil = np.array([1.0, -2.0, 1.0] if order == 2 else [-1.0, 1.0])
    bands = np.zeros((3, n))
    for row, left in enumerate(stencil):
        for column in range(row, order + 1):
            bands[column - row, row : n - order + row] += left * stencil[column]
    return bands


@dataclass(frozen=True)
class _Factor:
    """L D L' of the precisions of the curve for h hypers at once, all (n, h): weights, D, the two bands of L, each with
    the row that it stands in."""

    weights: Floats
    diagonal: Floats
    one: Floats
    two: Floats

    def solve(self, y: Floats) -> Floats:
        """(n, h) the curves through y."""
        x = self.weights * y[:, None]
        for i in range(1, len(x)):
            x[i] -= self.one[i] * x[i - 1] + (self.two[i] * x[i - 2] if i > 1 else 0.0)
        x /= self.diagonal
        for i in range(len(x) - 2, -1, -1):
            x[i] -= self.one[i + 1] * x[i + 1] + (self.two[i + 2] * x[i + 2] if i + 2 < len(x) else 0.0)
        return x

    def inverse_diagonal(self) -> Floats:
        """(n, h) variances of the curves, from the last row of the inverse upwards."""
        found = 1.0 / self.diagonal
        beside = np.zeros_like(found[0])  # of the inverse, rows i + 1 and i + 2
        for i in range(len(found) - 2, -1, -1):
            one, two = self.one[i + 1], self.two[i + 2] if i + 2 < len(found) else 0.0
            after = found[i + 2] if i + 2 < len(found) else 0.0
            near = -(one * found[i + 1] + two * beside)
            far = -(one * beside + two * after)
            found[i] -= one * near + two * far
            beside = near
        return found


def _factor(v: Floats, penalty: Floats, roughness: Floats, departure: Floats) -> _Factor:
    weights = 1.0 / (v[:, None] + departure)
    diagonal, one, two = (band[:, None] / roughness for band in penalty)
    one, two = np.roll(one, 1, axis=0), np.roll(two, 2, axis=0)
    diagonal += weights
    one[0], two[:2] = 0.0, 0.0
    for i in range(1, len(v)):
        if i > 1:
            one[i] -= two[i] * one[i - 1]
            two[i] /= diagonal[i - 2]
            diagonal[i] -= two[i] ** 2 * diagonal[i - 2]
        one[i] /= diagonal[i - 1]
        diagonal[i] -= one[i] ** 2 * diagonal[i - 1]
    return _Factor(weights, diagonal, one, two)


def _costs(y: Floats, v: Floats, penalty: Floats, order: int, roughness: Floats, departure: Floats) -> Floats:
    """(h,) -2 log of the restricted likelihood, up to a constant."""
    factor = _factor(v, penalty, roughness, departure)
    curves = factor.solve(y)
    misfit = np.sum(factor.weights * (y[:, None] - curves) ** 2, axis=0)
    misfit += np.sum(np.diff(curves, order, axis=0) ** 2, axis=0) / roughness
    logs = np.sum(np.log(factor.diagonal), axis=0) - np.sum(np.log(factor.weights[np.isfinite(v)]), axis=0)
    return np.asarray(logs + (len(y) - order) * np.log(roughness) + misfit)


def _likely(y: Floats, v: Floats, penalty: Floats, order: int, departures: bool) -> tuple[Hyper, ...]:
    """The hypers of a coarse grid, even in the logarithm, and the likeliest of all, that are not far less likely."""
    error = float(1.0 / np.mean(1.0 / v))
    scatter = max(error, float(np.var(y[np.isfinite(v)])))
    least = max(5.0 * float(len(y)) ** (-2 * order), 2e-11)  # as good as straight, as far as rounding lets it be
    most = 10.0 * scatter / error
    own = np.geomspace(0.03 * error, 3.0 * scatter, 6) if departures else np.empty(0)
    axes = np.geomspace(least, most, 16), np.append(0.0, own)
    ratios = [axes[0][1] / axes[0][0], own[1] / own[0] if departures else 1.0]

    def tried(stiffness: Floats, departure: Floats) -> Floats:
        """(3, h) roughness, departure and cost of every pair."""
        s, d = (a.ravel() for a in np.meshgrid(np.clip(stiffness, least, most), departure))
        roughness = s * (error + d)
        return np.stack([roughness, d, _costs(y, v, penalty, order, roughness, d)])

    grid = tried(*axes)
    best = grid[:, np.argmin(grid[2])]
    for width in (0.5, 0.25, 0.1, 0.04):
        stiffness = best[0] / (error + best[1])
        powers = width * np.arange(-2, 3)
        near = tried(stiffness * ratios[0] ** powers, best[1] * ratios[1] ** powers if best[1] > 0.0 else np.zeros(1))
        best = near[:, np.argmin(near[2])]
    grid = np.concatenate([grid, best[:, None]], axis=1)
    weights = np.exp(-0.5 * (grid[2] - grid[2].min()))
    kept = weights > _UNLIKELY
    weights = weights[kept] / weights[kept].sum()
    return tuple(Hyper(float(r), float(d), float(w)) for r, d, w in zip(*grid[:2, kept], weights, strict=True))
