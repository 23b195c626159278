"""Student's t for many samples at once: density, information, and maximum likelihood by rows.

Everywhere `tail` is 1 / nu: 0 is the normal distribution, 1 Cauchy's. In it the likelihood is smooth up to the normal,
which in nu is infinitely far. tau is the logarithm of the scale. Density: Z. Diao et al., Nanoscale Horiz. 10, 780
(2025), equation 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

# Tails that a fit starts from, heaviest first; every further one is reached from its neighbour.
TAILS = np.array([1.0, 0.7, 0.5, 0.37, 0.27, 0.2, 0.14, 0.1, 0.065, 0.04, 0.02, 0.005, 0.0])
LEAST_TAIL = 1e-3  # nu = 1000 cannot be told from the normal
_STEPS = 8  # of the EM algorithm at each of these tails
_NEWTON = 12  # steps in all three parameters


@dataclass(frozen=True)
class Rows:
    """A fit of every row: loc, scale, tail, likelihood (rows,), and `profile` (rows, tails): the largest log-likelihood
    at each of TAILS."""

    loc: Floats
    scale: Floats
    tail: Floats
    likelihood: Floats
    profile: Floats


def norm(tail: Floats) -> Floats:
    """Logarithm of the density of the standard t at 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        nu = 1.0 / tail
        value = special.gammaln(0.5 * nu + 0.5) - special.gammaln(0.5 * nu) - 0.5 * np.log(np.pi * nu)
    return np.asarray(np.where(tail < 1e-6, -0.5 * np.log(2.0 * np.pi), value))


def log_density(z: Floats, tail: Floats) -> Floats:
    """Of the standard t at z; shapes broadcast."""
    heavy = np.maximum(tail, 1e-9)
    fall = np.where(tail < 1e-9, 0.5 * z * z, (1.0 + heavy) / (2.0 * heavy) * np.log1p(heavy * z * z))
    return norm(np.asarray(tail)) - fall


def weights(z: Floats, tail: Floats) -> Floats:
    """How much each datum counts, (nu + 1) / (nu + z^2): below 1 far out."""
    return np.asarray((1.0 + tail) / (1.0 + tail * z * z))


def tail_score(z: Floats, tail: Floats) -> Floats:
    """Derivative of a datum's log-likelihood in its tail, which is at least LEAST_TAIL."""
    square = z * z
    fall = np.log1p(tail * square) / (2.0 * tail**2) - (1.0 + tail) / (2.0 * tail) * square / (1.0 + tail * square)
    return np.asarray(_norm_derivatives(tail)[0] + fall)


def information(scale: Floats, tail: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Expected information of one datum: loc; tau; tau with tail; tail. The loc has none in common with the others."""
    scale, tail = np.broadcast_arrays(scale, np.maximum(tail, LEAST_TAIL))
    nu = 1.0 / tail
    both = (1.0 + tail) * (1.0 + 3.0 * tail)
    in_nu = 0.25 * (special.polygamma(1, 0.5 * nu) - special.polygamma(1, 0.5 * nu + 0.5))
    in_nu = in_nu - (nu + 5.0) / (2.0 * nu * (nu + 1.0) * (nu + 3.0))
    return (1.0 + tail) / (1.0 + 3.0 * tail) / scale**2, 2.0 / (1.0 + 3.0 * tail), 2.0 / both, nu**4 * in_nu


def fit_rows(values: Floats) -> Rows:
    """Maximum likelihood of every row of `values` (rows, m), nu between 1 and infinity.

    The likelihood at a given tail has one maximum in loc and scale; EM (parameter-expanded: Liu, Rubin and Wu,
    Biometrika 85, 755, 1998) climbs to it from median and quartiles, whatever outliers there are. Newton's method in
    all three parameters, damped so that it never descends, goes on from the best of TAILS. No row may be constant, or
    consist of one value to the half: there is no maximum then.
    """
    loc = np.median(values, axis=1)
    scale = np.diff(np.quantile(values, [0.25, 0.75], axis=1), axis=0)[0] / 1.35
    scale = np.where(scale > 0.0, scale, values.std(axis=1))
    profile = np.empty((len(values), len(TAILS)))
    locs, scales = np.empty_like(profile), np.empty_like(profile)
    for k, tail in enumerate(TAILS[:-1]):
        tails = np.full(len(values), tail)
        loc, scale = _climb(values, loc, scale, tails, _STEPS)
        locs[:, k], scales[:, k], profile[:, k] = loc, scale, likelihood(values, loc, scale, tails)
    locs[:, -1], scales[:, -1] = values.mean(axis=1), values.std(axis=1)
    profile[:, -1] = likelihood(values, locs[:, -1], scales[:, -1], np.zeros(len(values)))
    rows, best = np.arange(len(values)), np.argmax(profile, axis=1)
    return _newton(values, Rows(locs[rows, best], scales[rows, best], TAILS[best], profile[rows, best], profile))


def refit_rows(values: Floats, loc: float, scale: float, tail: float) -> Rows:
    """As fit_rows, faster, for rows drawn from a distribution that is known; `profile` holds the normal's only."""
    ones = np.ones(len(values))
    tails = max(tail, 0.02) * ones
    locs, scales = _climb(values, loc * ones, scale * ones, tails, 3)
    start = Rows(locs, scales, tails, likelihood(values, locs, scales, tails), np.empty((len(values), 0)))
    student = _newton(values, start, close=1e-4, polish=0)
    means, deviations = values.mean(axis=1), values.std(axis=1)
    normal = likelihood(values, means, deviations, np.zeros(len(values)))
    better = student.likelihood > normal
    return Rows(
        np.where(better, student.loc, means),
        np.where(better, student.scale, deviations),
        np.where(better, student.tail, 0.0),
        np.where(better, student.likelihood, normal),
        normal[:, None],
    )


def _climb(values: Floats, loc: Floats, scale: Floats, tail: Floats, steps: int) -> tuple[Floats, Floats]:
    for _ in range(steps):
        z = (values - loc[:, None]) / scale[:, None]
        w = weights(z, tail[:, None])
        total = w.sum(axis=1)
        loc = (w * values).sum(axis=1) / total
        scale = np.sqrt((w * (values - loc[:, None]) ** 2).sum(axis=1) / total)
    return loc, scale


def likelihood(values: Floats, loc: Floats, scale: Floats, tail: Floats) -> Floats:
    """Log-likelihood of every row."""
    z = (values - loc[:, None]) / scale[:, None]
    return np.asarray(log_density(z, tail[:, None]).sum(axis=1) - values.shape[1] * np.log(scale))


def _newton(values: Floats, start: Rows, close: float = 1e-9, polish: int = 8) -> Rows:
    """Damped steps in (loc / scale, tau, tail) of the rows that do not start from the normal; EM at the tail found."""
    loc, scale, tail, reached = (a.copy() for a in (start.loc, start.scale, start.tail, start.likelihood))
    damping = np.full(len(tail), 1e-3)
    inner = np.flatnonzero(tail > 0.0)
    tail[inner] = np.maximum(tail[inner], LEAST_TAIL)
    active = inner
    for _ in range(_NEWTON):
        if len(active) == 0:
            break
        rows = values[active]
        gradient, hessian = derivatives(rows, loc[active], scale[active], tail[active])
        ridge = damping[active, None] * np.maximum(np.abs(np.diagonal(hessian, axis1=1, axis2=2)), 1e-9)
        step = np.linalg.solve(ridge[:, :, None] * np.eye(3) - hessian, gradient[:, :, None])[:, :, 0]
        step = np.clip(step, -0.7, 0.7)
        new_loc = loc[active] + step[:, 0] * scale[active]
        new_scale = scale[active] * np.exp(step[:, 1])
        new_tail = np.clip(tail[active] + step[:, 2], LEAST_TAIL, 1.0)
        new = likelihood(rows, new_loc, new_scale, new_tail)
        gain = new - reached[active]
        better = gain > 0.0
        up = active[better]
        loc[up], scale[up], tail[up], reached[up] = new_loc[better], new_scale[better], new_tail[better], new[better]
        damping[active] = np.where(better, damping[active] * 0.1, np.maximum(damping[active], 1e-4) * 30.0)
        active = active[np.where(better, gain > close, np.abs(step).max(axis=1) > 1e-6)]
    chosen = values[inner]
    loc[inner], scale[inner] = _climb(chosen, loc[inner], scale[inner], tail[inner], polish)
    reached[inner] = likelihood(chosen, loc[inner], scale[inner], tail[inner])
    return Rows(loc, scale, tail, reached, start.profile)


def derivatives(values: Floats, loc: Floats, scale: Floats, tail: Floats) -> tuple[Floats, Floats]:
    """Gradient (rows, 3) and Hessian (rows, 3, 3) of each row's log-likelihood in (loc / scale, tau, tail)."""
    z = (values - loc[:, None]) / scale[:, None]
    t = tail[:, None]
    q = 1.0 + t * z * z
    w = (1.0 + t) / q
    u, v = z * z / q, z * z
    first, second = _norm_derivatives(tail)
    m = values.shape[1]
    log_q = np.log1p(t * v).sum(axis=1)
    gradient = np.stack(
        [
            (w * z).sum(axis=1),
            (w * v).sum(axis=1) - m,
            m * first + log_q / (2.0 * tail**2) - (1.0 + tail) / (2.0 * tail) * u.sum(axis=1),
        ],
        axis=1,
    )
    hessian = np.empty((len(values), 3, 3))
    hessian[:, 0, 0] = -(w * (1.0 - t * v) / q).sum(axis=1)
    hessian[:, 0, 1] = hessian[:, 1, 0] = -2.0 * (w * z / q).sum(axis=1)
    hessian[:, 1, 1] = -2.0 * (w * u).sum(axis=1)
    change = (1.0 - v) / q**2  # of the weight with the tail
    hessian[:, 0, 2] = hessian[:, 2, 0] = (z * change).sum(axis=1)
    hessian[:, 1, 2] = hessian[:, 2, 1] = (v * change).sum(axis=1)
    in_tail = (u / tail[:, None] ** 2 + (1.0 + t) / (2.0 * t) * u * u).sum(axis=1)
    hessian[:, 2, 2] = m * second - log_q / tail**3 + in_tail
    return gradient, hessian


def _norm_derivatives(tail: Floats) -> tuple[Floats, Floats]:
    """First and second derivative of `norm`."""
    nu = 1.0 / tail
    slope = 0.5 * (special.digamma(0.5 * nu + 0.5) - special.digamma(0.5 * nu) - tail)
    bend = 0.25 * (special.polygamma(1, 0.5 * nu + 0.5) - special.polygamma(1, 0.5 * nu)) + 0.5 * tail**2
    return -(nu**2) * slope, 2.0 * nu**3 * slope + nu**4 * bend
