"""Program error: what a device adds to the level that a weight is quantised to.

    y_actual = Q(y_ideal) + T(loc, scale, nu)

Z. Diao et al., Nanoscale Horiz. 10, 780 (2025), equations 4 and 5 and "Value sampler": Q quantises, T is Student's t,
all three of its parameters fitted to the measured errors of every level. Errors are what was achieved minus what was
asked for, whether from programming or from the first passages of sweeps; everything is in their unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from rheostat.analysis import student
from rheostat.analysis.level_errors import LevelErrors, fit_levels

__all__ = ["Check", "Fitted", "LevelErrors", "StudentT", "Uncertainty", "fit", "fit_levels", "quantise"]

Floats = NDArray[np.float64]

FEWEST = 10  # errors that a nu is fitted to; below, the normal
FEWEST_TO_CHECK = 5
NORMAL_FROM = 100.0  # a larger nu is given as inf
REJECT = 0.01
_AT_ONCE = 2_000_000  # values of replicates held in memory


def quantise(values: ArrayLike, n: int, ends: tuple[float, float] = (-1.0, 1.0)) -> Floats:
    """Q of equation 4: each value at the nearest of n = 2^bits uniform levels between the ends, both ends included.

    Values outside go to the end. Over a symmetric range an even n has no level at zero (so no n = 2^bits has one): the
    smallest weights become half a level; an odd n has one. Halves go up.
    """
    low, high = ends
    if n != int(n) or n < 2 or not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"two levels or more between finite ends are needed, not n = {n!r}, ends = {ends!r}")
    step = (high - low) / (n - 1)
    level = np.floor((np.clip(np.asarray(values, dtype=np.float64), low, high) - low) / step + 0.5)
    return np.asarray(low + level * step)


@dataclass(frozen=True)
class StudentT:
    """T(loc, scale, nu) of equation 5; nu = inf: normal, with mean loc and standard deviation scale."""

    loc: float
    scale: float
    nu: float

    def log_density(self, values: ArrayLike) -> Floats:
        z = (np.asarray(values, dtype=np.float64) - self.loc) / self.scale
        return student.log_density(z, np.asarray(1.0 / self.nu)) - math.log(self.scale)

    def cumulative(self, values: ArrayLike) -> Floats:
        """Probability of an error of at most each value."""
        z = (np.asarray(values, dtype=np.float64) - self.loc) / self.scale
        return np.asarray(special.ndtr(z) if math.isinf(self.nu) else special.stdtr(self.nu, z))

    def sample(self, generator: np.random.Generator, shape: int | tuple[int, ...]) -> Floats:
        draws = generator.standard_normal(shape) if math.isinf(self.nu) else generator.standard_t(self.nu, shape)
        return np.asarray(self.loc + self.scale * draws)

    @property
    def deviation(self) -> float:
        """Standard deviation; inf where nu is 2 or less."""
        if math.isinf(self.nu):
            return self.scale
        return self.scale * math.sqrt(self.nu / (self.nu - 2.0)) if self.nu > 2.0 else math.inf


@dataclass(frozen=True)
class Uncertainty:
    """Standard errors, from the observed information of loc, scale and nu together: also where nu came out as inf, for
    it was fitted, and a scale goes with its nu. An interval takes its quantile from Student's t, m - 1 degrees of
    freedom, for the scale in its logarithm: at a stated 90 %, loc and scale are covered in 88 to 97 %, whatever nu,
    from 12 errors on (simulated; the scale more often than stated where nu is large). With fewer than 10, to which no
    nu is fitted, they hold if the errors are normal. nu: nan where it is inf, and at nu = 1, the end of what is
    tried."""

    loc: float
    scale: float
    nu: float


@dataclass(frozen=True)
class Check:
    """Whether the errors look drawn from the fitted distribution.

    statistic: Anderson and Darling's A^2, which weighs the tails; p_value: the share of data sets of the fitted
    distribution, each fitted in turn, whose statistic is as large (parametric bootstrap), uniform where the
    distribution is the true one; nan where it was not reckoned. fits: None then, else whether p_value >= 0.01.
    """

    statistic: float
    p_value: float

    @property
    def fits(self) -> bool | None:
        return None if math.isnan(self.p_value) else self.p_value >= REJECT

    @property
    def verdict(self) -> str:
        if self.fits is None:
            return "not checked"
        return f"{'fits' if self.fits else 'does not fit'} (p = {self.p_value:.3f})"


@dataclass(frozen=True)
class Fitted:
    """A distribution with the standard errors of its parameters and a check.

    student_over_normal: twice the gain in log-likelihood of Student's t over the normal; beyond 2.71 in 5 % of sets of
    normal errors at most (half of chi^2 with one degree of freedom: the normal lies at the edge of the t's).
    """

    distribution: StudentT
    stderr: Uncertainty
    check: Check
    count: int
    student_over_normal: float
    profile: Floats = field(repr=False)  # log-likelihoods at student.TAILS, then the largest; none with few errors
    best_tail: float = field(repr=False)

    def nu_interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """The nu that the errors allow (profile likelihood); high is inf where they could be normal. Standard errors of
        nu say little, as it is far from normally distributed. (1, inf) with few errors."""
        if len(self.profile) == 0:
            return 1.0, math.inf
        largest = self.profile[-1]
        roots = np.sqrt(np.maximum(2.0 * (largest - self.profile[:-1]), 0.0))
        tails = np.append(student.TAILS, self.best_tail)
        signed = np.append(np.where(self.best_tail > student.TAILS, -roots, roots), 0.0)
        order = np.lexsort((signed, tails))
        edge = math.sqrt(float(stats.chi2.ppf(confidence, 1)))
        low, high = np.interp([-edge, edge], np.maximum.accumulate(signed[order]), tails[order])
        return 1.0 / float(high), 1.0 / float(low) if low > 1e-9 else math.inf


def fit(errors: ArrayLike, *, replicates: int = 199, generator: np.random.Generator | None = None) -> Fitted:
    """Student's t fitted to errors (m,) by maximum likelihood, 1 <= nu <= inf, with a check of the fit.

    It is the normal where nu exceeds 100; and with fewer than 10 errors, or where half of them are one value, where t
    has no maximum. No test decides between both: one that normal errors pass misses the tails of nu = 3 in a quarter of
    all sets of 66, with a scale half as large again. Whether errors have heavier tails than normal ones at all is told
    by student_over_normal and nu_interval. replicates: data sets of the check, from
    `generator` (None: one with a fixed seed, so that the same errors get the same p-value); 0, or fewer than 5 errors:
    no check.
    Raises ValueError for fewer than two errors, errors that are not finite, or all the same.
    """
    values = np.asarray(errors, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"two errors or more in one dimension are needed, not shape {values.shape}")
    if not np.all(np.isfinite(values)):
        raise ValueError("errors must be finite numbers")
    centre, unit = float(np.median(values)), float(values.std())
    if unit <= 1e-12 * float(np.abs(values).max()):
        raise ValueError("all errors are the same: no distribution can be fitted")
    scaled = (values - centre) / unit
    rows = _rows(scaled[None])
    loc, scale, tail = float(rows.loc[0]), float(rows.scale[0]), float(rows.tail[0])
    gain = 2.0 * float(rows.likelihood[0] - rows.profile[0, -1]) if rows.profile.size else 0.0
    loc, scale, tail = (float(a[0]) for a in _chosen(scaled[None], rows))
    check = _check(scaled, loc, scale, tail, replicates, generator or np.random.default_rng(0))
    error = _stderr(scaled, loc, scale, tail)
    return Fitted(
        StudentT(centre + unit * loc, unit * scale, 1.0 / tail if tail > 0.0 else math.inf),
        Uncertainty(unit * error.loc, unit * error.scale, error.nu),
        check,
        len(values),
        gain,
        np.append(rows.profile[0], rows.likelihood[0]) if rows.profile.size else np.empty(0),
        float(rows.tail[0]),
    )


def _tied(values: Floats) -> bool:
    return int(np.unique(values, return_counts=True)[1].max()) >= 0.5 * len(values)


def _rows(values: Floats) -> student.Rows:
    """One row fitted, or its normal without a profile."""
    if values.shape[1] >= FEWEST and not _tied(values[0]):
        return student.fit_rows(values)
    mean, deviation, none = values.mean(axis=1), values.std(axis=1), np.zeros(1)
    return student.Rows(mean, deviation, none, student.likelihood(values, mean, deviation, none), np.empty((1, 0)))


def _chosen(values: Floats, rows: student.Rows) -> tuple[Floats, Floats, Floats]:
    """(loc, scale, tail) of each row: the normal where nu is that large."""
    heavy = rows.tail * NORMAL_FROM > 1.0
    return (
        np.where(heavy, rows.loc, values.mean(axis=1)),
        np.where(heavy, rows.scale, values.std(axis=1)),
        np.where(heavy, rows.tail, 0.0),
    )


def _stderr(values: Floats, loc: float, scale: float, tail: float) -> Uncertainty:
    m = len(values)
    if m < FEWEST or _tied(values):
        return Uncertainty(scale / math.sqrt(m - 1), scale * math.sqrt(0.5 * m) / (m - 1), math.nan)
    at = (np.array([loc]), np.array([scale]), np.array([max(tail, student.LEAST_TAIL)]))
    free = 2 if tail >= 1.0 else 3
    information = -student.derivatives(values[None], *at)[1][0][:free, :free]
    if not np.all(np.linalg.eigvalsh(information) > 0.0):  # few errors, the nu at an end: what is to be expected
        in_loc, in_tau, both, in_tail = (m * float(part[0]) for part in student.information(np.ones(1), at[2]))
        information = np.array([[in_loc, 0.0, 0.0], [0.0, in_tau, both], [0.0, both, in_tail]])[:free, :free]
    errors = np.sqrt(np.diagonal(np.linalg.inv(information)) * m / (m - 3))  # three were fitted
    in_nu = errors[2] / tail**2 if free == 3 and tail > 0.0 else math.nan
    return Uncertainty(scale * float(errors[0]), scale * float(errors[1]), float(in_nu))


def _check(
    values: Floats, loc: float, scale: float, tail: float, replicates: int, generator: np.random.Generator
) -> Check:
    one = np.array([loc]), np.array([scale]), np.array([tail])
    statistic = float(_anderson_darling(values[None], *one)[0])
    if replicates == 0 or len(values) < FEWEST_TO_CHECK:
        return Check(statistic, math.nan)
    drawn = StudentT(loc, scale, 1.0 / tail if tail > 0.0 else math.inf)
    larger, left = 0, replicates
    while left > 0:
        block = min(left, max(1, _AT_ONCE // len(values)))
        others = drawn.sample(generator, (block, len(values)))
        if len(values) >= FEWEST:
            fitted = _chosen(others, student.refit_rows(others, loc, scale, tail))
        else:
            fitted = others.mean(axis=1), others.std(axis=1), np.zeros(block)
        larger += int(np.count_nonzero(_anderson_darling(others, *fitted) >= statistic))
        left -= block
    return Check(statistic, (1 + larger) / (1 + replicates))


def _anderson_darling(values: Floats, loc: Floats, scale: Floats, tail: Floats) -> Floats:
    """A^2 of each row against its distribution."""
    z = np.sort((values - loc[:, None]) / scale[:, None], axis=1)
    nu = 1.0 / np.where(tail > 0.0, tail, 1.0)[:, None]
    normal = tail[:, None] == 0.0
    below = np.where(normal, special.ndtr(z), special.stdtr(nu, z))
    above = np.where(normal, special.ndtr(-z), special.stdtr(nu, -z))[:, ::-1]
    m = values.shape[1]
    order = (2.0 * np.arange(m) + 1.0) / m
    logs = np.log(np.maximum(below, 1e-300)) + np.log(np.maximum(above, 1e-300))
    return np.asarray(-m - (order * logs).sum(axis=1))
