"""Program errors of all levels together: loc, scale and nu of each, smooth over the levels where data are few.

Equation 4 of Z. Diao et al., Nanoscale Horiz. 10, 780 (2025) has one Student's t for every level; 66 processes at 512
levels are too few to fit each alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rheostat.analysis import student
from rheostat.analysis.smoothing import Hyper, Smoothed, smooth

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Hypers = list[tuple[Hyper, ...] | None]  # of loc, tau and tail

NORMAL_FROM = 100.0  # a larger nu is given as inf
_ROUNDS = 40
_CHOOSING = 10  # rounds after which the smoothing strengths stay
_CLOSE = 1e-3  # of a standard deviation (loc), of the scale, of 1 / nu
_OWN = (2.0, 2.0, 30.0)  # data a level from which on levels may depart from the curve: loc, scale, nu


@dataclass(frozen=True)
class LevelErrors:
    """T(loc, scale, nu) of every level: plain arrays (n,), to be sampled from by the million; nu = inf: normal.

    measured: (n,) how many errors were known at each level. loc_error, scale_error: (n,) standard errors, given all
    levels, with the doubt about the smoothing in them, and that about nu in those of the scale. Where figures change
    smoothly along the levels, as the physics of a device lets them, their 90 % intervals cover the truth in 86 to
    100 %, from one error a level on (mean over the levels; simulated, 128 levels). Where each level has a loc and a
    scale of its own besides, those of loc do so from 2 errors a level on, those of the scale from 20 on. With fewer, a
    scale of its own and a heavy tail look alike: 70 to 85 % with 4 to 10 errors, 60 % with 3; and with one error a
    level (30 %) all is the curve, to which a level may not keep.
    freedom: how many parameters loc, log scale and 1 / nu amount to: from 2 (a straight line; 1 for nu) to n.
    """

    loc: Floats
    scale: Floats
    nu: Floats
    measured: Integers
    loc_error: Floats
    scale_error: Floats
    freedom: tuple[float, float, float]

    @property
    def n(self) -> int:
        return len(self.loc)

    def sample(self, levels: ArrayLike, generator: np.random.Generator) -> Floats:
        """An error for each of `levels` (any shape, 0..n-1)."""
        index = np.asarray(levels, dtype=np.int64)
        if index.size and not (index.min() >= 0 and index.max() < self.n):
            raise ValueError(f"levels must lie between 0 and {self.n - 1}")
        draws = generator.standard_normal(index.shape)
        heavy = np.isfinite(self.nu)
        if heavy.any():
            half = np.where(heavy, self.nu, 1.0)[index] / 2.0
            draws /= np.sqrt(np.where(heavy[index], generator.standard_gamma(half) / half, 1.0))
        return np.asarray(self.loc[index] + self.scale[index] * draws)


def fit_levels(levels: ArrayLike, errors: ArrayLike, n: int) -> LevelErrors:
    """Student's t for each of n levels from errors (m,) at levels (m,) 0..n-1, each level as often as it was measured.

    Penalised likelihood: loc, log scale and 1 / nu follow smooth curves over the levels (second differences are
    penalised, first ones of 1 / nu), from which single levels depart where there are data enough to see it (on average
    2 a level for loc and scale, 30 for nu). How strongly curves are smoothed and departures held back is estimated
    from the data, by restricted maximum likelihood of the working values of Fisher's scoring. With many data a level
    keeps its own fit, with one to three it gets that of its neighbourhood; levels without data are interpolated, beyond
    the last measured ones they are as these. Errors that loc has fitted away are given back to the scale.

    A level is normal where its nu exceeds 100, and all are where Student's t is no likelier than the normal.
    Raises ValueError for arrays that do not match, fewer than 5 errors, values that are not finite, levels outside
    0..n-1, and errors that are all the same.
    """
    level, error = np.asarray(levels), np.asarray(errors, dtype=np.float64)
    if level.ndim != 1 or level.shape != error.shape or len(error) < 5:
        raise ValueError(f"five errors or more, each with its level, are needed, not {level.shape} and {error.shape}")
    if not np.all(np.isfinite(error)):
        raise ValueError("errors must be finite numbers")
    if not np.all(level == np.floor(level)) or level.min() < 0 or level.max() >= n:
        raise ValueError(f"levels must be whole numbers between 0 and {n - 1}")
    level = level.astype(np.int64)
    centre, unit = float(np.median(error)), float(error.std())
    if unit <= 1e-12 * float(np.abs(error).max()):
        raise ValueError("all errors are the same: no distribution can be fitted")
    scaled = (error - centre) / unit
    chosen = _scoring(level, scaled, n, heavy=True)
    normal = _scoring(level, scaled, n, heavy=False, hypers=chosen.hypers)
    gain = chosen.likelihood(level, scaled) - normal.likelihood(level, scaled)
    if gain <= 0.0:
        chosen = _scoring(level, scaled, n, heavy=False)
    scale = unit * np.exp(chosen.tau)
    return LevelErrors(
        loc=centre + unit * chosen.loc,
        scale=scale,
        nu=np.where(chosen.tail * NORMAL_FROM > 1.0, 1.0 / np.maximum(chosen.tail, student.LEAST_TAIL), math.inf),
        measured=np.bincount(level, minlength=n),
        loc_error=unit * chosen.loc_error,
        scale_error=scale * chosen.tau_error,
        freedom=chosen.freedom,
    )


@dataclass
class _Curves:
    """The parameters of all levels while they are fitted."""

    loc: Floats
    tau: Floats
    tail: Floats
    loc_error: Floats
    tau_error: Floats
    freedom: tuple[float, float, float]
    hypers: Hypers

    def likelihood(self, level: Integers, error: Floats) -> float:
        z = (error - self.loc[level]) * np.exp(-self.tau[level])
        return float(np.sum(student.log_density(z, self.tail[level]) - self.tau[level]))


def _scoring(level: Integers, error: Floats, n: int, heavy: bool, hypers: Hypers | None = None) -> _Curves:
    """Fisher's scoring: each round smooths what single levels would step to, weighted by their information.

    hypers: how to smooth loc, tau and tail, when that is known.
    """
    counts = np.bincount(level, minlength=n).astype(np.float64)
    own = [float(counts.sum() / np.count_nonzero(counts)) >= least for least in _OWN]
    ones = np.ones(n)
    deviation = float(np.subtract(*np.quantile(error, [0.75, 0.25]))) / 1.35
    spread = math.log(deviation) if deviation > 1e-3 else 0.0
    curves = _Curves(0.0 * ones, spread * ones, (0.2 if heavy else 0.0) * ones, ones, ones, (0.0, 0.0, 0.0), [])
    choosing = _CHOOSING if hypers is None else 0
    hypers = hypers or [None, None, None]

    def total(values: Floats) -> Floats:
        return np.asarray(np.bincount(level, weights=values, minlength=n), dtype=np.float64)

    def smoothed(turn: int, which: int, now: Floats, step: Floats, variance: Floats) -> Smoothed:
        settled = hypers[which] if turn >= choosing else None
        found = smooth(now + step, variance, 1 if which == 2 else 2, own[which], settled)
        hypers[which] = found.hypers
        return found

    for turn in range(_ROUNDS):
        scale = np.exp(curves.tau)
        in_loc, in_tau, both, in_tail = (
            counts * part for part in np.broadcast_arrays(*student.information(scale, curves.tail))
        )
        z = (error - curves.loc[level]) / scale[level]
        w = student.weights(z, curves.tail[level])
        loc = smoothed(turn, 0, curves.loc, _over(total(w * z) / scale, in_loc), _over(ones, in_loc, math.inf))
        fitted_away = in_loc * loc.variance
        z = (error - loc.mean[level]) / scale[level]
        w = student.weights(z, curves.tail[level])
        score = total(w * z * z - 1.0) + fitted_away
        tau_variance = _over(ones, in_tau, math.inf)
        tau = smoothed(turn, 1, curves.tau, _over(score, in_tau), tau_variance)
        new_tau = curves.tau + np.clip(tau.mean - curves.tau, -1.0, 1.0)
        new_tail, tail_freedom, tau_error = curves.tail, 0.0, tau.variance
        if heavy:
            now = np.maximum(curves.tail, student.LEAST_TAIL)
            bend = total(student.tail_score(z, now[level]))
            flat = 1.5 / (1.0 + 3.0 * now)
            bend += fitted_away * (flat - 0.5 / (1.0 + now)) + in_tau * tau.variance * flat
            # What a tail changes is partly what a scale changes: what is left counts.
            left = in_tail - _over(both**2, in_tau)
            tail_variance = _over(ones, left, math.inf)
            tail = smoothed(turn, 2, curves.tail, _over(bend - _over(both, in_tau) * score, left), tail_variance)
            new_tail = np.clip(curves.tail + np.clip(tail.mean - curves.tail, -0.2, 0.2), student.LEAST_TAIL, 1.0)
            tail_freedom = _freedom(tail, tail_variance)
            tau_error = tau_error + tail.variance / (1.0 + now) ** 2  # (1 + tail: in_tau over both)
        moved = [
            np.abs(loc.mean - curves.loc) / scale,
            np.abs(new_tau - curves.tau),
            np.abs(new_tail - curves.tail),
        ]
        curves = _Curves(
            loc.mean,
            new_tau,
            new_tail,
            np.sqrt(loc.variance),
            np.sqrt(tau_error),
            (float(fitted_away.sum()), _freedom(tau, tau_variance), tail_freedom),
            hypers,
        )
        if max(float(part.max()) for part in moved) < _CLOSE:
            break
    return curves


def _freedom(found: Smoothed, variances: Floats) -> float:
    known = np.isfinite(variances)
    return float(np.sum(found.variance[known] / variances[known]))


def _over(above: Floats, below: Floats, otherwise: float = 0.0) -> Floats:
    """Quotient where there are data."""
    return np.where(below > 0.0, above / np.where(below > 0.0, below, 1.0), otherwise)
