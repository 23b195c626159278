"""Retention: how a resistance or conductance drifts with time, by three models with the errors of what they say.

    none         v(t) = v0
    logarithmic  v(t) = v0 (1 + a log10(1 + t / t0))
    power        v(t) = v0 (t / t0)^-nu

Times in s since programming, values and their standard errors in one unit. The errors are taken as known and normal, so
chi^2 tells whether a model fits and the parameters' errors do not depend on how well it does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

Floats = NDArray[np.float64]
Model = Literal["none", "logarithmic", "power"]

_NAMES: dict[Model, tuple[str, ...]] = {"none": ("v0",), "logarithmic": ("v0", "a"), "power": ("v0", "nu")}


@dataclass(frozen=True)
class Drift:
    """A fitted model.

    t0: s, of the formula; names: of the parameters, "t0" among them (last) where it was fitted, too; values, errors:
    (k,) the parameters and their standard errors; covariance: (k, k); chi_square: weighted sum of squares that is left,
    with `freedom` degrees of freedom; aicc: chi^2 + 2 k, corrected for few readings (Hurvich and Tsai), inf where there
    are too few to correct.
    """

    model: Model
    t0: float
    names: tuple[str, ...]
    values: Floats
    errors: Floats
    covariance: Floats
    chi_square: float
    freedom: int
    aicc: float

    def __getitem__(self, name: str) -> float:
        return float(self.values[self.names.index(name)])

    def error(self, name: str) -> float:
        return float(self.errors[self.names.index(name)])

    @property
    def p_value(self) -> float:
        """Of chi^2: how often readings scatter as much around the true model; small where this one does not fit. nan
        without a degree of freedom."""
        return float(stats.chi2.sf(self.chi_square, self.freedom)) if self.freedom > 0 else math.nan

    def predict(self, times: ArrayLike, confidence: float = 0.95) -> tuple[Floats, Floats, Floats]:
        """(value, low, high), each of the shape of `times` (s): the model with its confidence band, also long after the
        last reading. It is the band of the curve, by the delta method: not of a reading, which has its own error, and
        without the doubt whether the model holds."""
        if not 0.0 < confidence < 1.0:
            raise ValueError(f"confidence must lie between 0 and 1, not {confidence!r}")
        at = np.asarray(times, dtype=np.float64)
        if self.model == "power" and np.any(at <= 0.0):
            raise ValueError("the power law has no value at times that are not positive")
        if np.any(at < 0.0):
            raise ValueError("times must not be negative")
        value, gradient = _curve(self.model, self.t0, "t0" in self.names)(at.ravel(), self.values)
        spread = np.sqrt(np.einsum("ki,ij,kj->k", gradient, self.covariance, gradient)).reshape(at.shape)
        edge = float(stats.norm.ppf(0.5 + 0.5 * confidence))
        value = value.reshape(at.shape)
        return value, value - edge * spread, value + edge * spread


def fit_none(times: ArrayLike, values: ArrayLike, errors: ArrayLike) -> Drift:
    """No drift: the weighted mean."""
    return _fit("none", *_readings(times, values, errors, 1), 1.0)


def fit_logarithmic(times: ArrayLike, values: ArrayLike, errors: ArrayLike, t0: float | None = 1.0) -> Drift:
    """v0 (1 + a log10(1 + t / t0)) fitted to values (m,) at times (m,) >= 0 by weighted least squares.

    errors: (m,) or one for all. a: relative change per decade of time. t0: s, or None to fit it, too, which takes
    readings on both sides of it. Raises ValueError for too few different times, negative ones, values that are not
    finite, errors that are not positive.
    """
    given = _readings(times, values, errors, 2 if t0 is not None else 3)
    if t0 is not None:
        return _fit("logarithmic", *given, _positive(t0))
    later = given[0][given[0] > 0.0]
    if len(later) < 3:
        raise ValueError("to fit t0 takes three times above 0")
    starts = np.geomspace(0.1 * later.min(), later.max(), 25)
    best = min(starts, key=lambda start: _fit("logarithmic", *given, float(start)).chi_square)
    return _fit("logarithmic", *given, float(best), free=True)


def fit_power(times: ArrayLike, values: ArrayLike, errors: ArrayLike, t0: float = 1.0) -> Drift:
    """v0 (t / t0)^-nu fitted to positive values (m,) at times (m,) > 0 by weighted least squares.

    errors: (m,) or one for all. t0: s, the time that v0 belongs to; it cannot be fitted. nu is positive where the
    values fall. Raises ValueError as fit_logarithmic does, and for values or times that are not positive.
    """
    at, measured, error = _readings(times, values, errors, 2)
    if np.any(at <= 0.0) or np.any(measured <= 0.0):
        raise ValueError("a power law takes times and values above 0")
    return _fit("power", at, measured, error, _positive(t0))


def compare(times: ArrayLike, values: ArrayLike, errors: ArrayLike, t0: float = 1.0) -> tuple[Drift, ...]:
    """The three models, the best by AICc first. Readings at times that are not positive are left out in all three, so
    that they are compared by the same ones; values are positive. Raises ValueError as the fits do."""
    at, measured, error = _readings(times, values, errors, 0)
    later = at > 0.0
    given = at[later], measured[later], error[later]
    models = (fit_none(*given), fit_logarithmic(*given, t0), fit_power(*given, t0))
    return tuple(sorted(models, key=lambda drift: drift.aicc))


def akaike_weights(models: tuple[Drift, ...]) -> Floats:
    """(len(models),) how much of the evidence each of compared models has; the sum is 1."""
    scores = np.array([drift.aicc for drift in models])
    weights = np.exp(-0.5 * (scores - scores.min()))
    return np.asarray(weights / weights.sum())


def _readings(times: ArrayLike, values: ArrayLike, errors: ArrayLike, least: int) -> tuple[Floats, Floats, Floats]:
    at, measured = np.asarray(times, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if at.ndim != 1 or at.shape != measured.shape:
        raise ValueError(f"times and values must be of one shape (m,), not {at.shape} and {measured.shape}")
    error = np.broadcast_to(np.asarray(errors, dtype=np.float64), at.shape)
    if not (np.all(np.isfinite(at)) and np.all(np.isfinite(measured))):
        raise ValueError("times and values must be finite numbers")
    if not np.all(np.isfinite(error) & (error > 0.0)):
        raise ValueError("errors must be finite and above 0")
    if np.any(at < 0.0):
        raise ValueError("times must not be negative")
    if len(np.unique(at)) < least:
        raise ValueError(f"{least} readings at different times are needed at least, not {len(np.unique(at))}")
    return at, measured, error


def _positive(t0: float) -> float:
    if not (math.isfinite(t0) and t0 > 0.0):
        raise ValueError(f"t0 must be finite and above 0, not {t0!r}")
    return t0


def _curve(model: Model, t0: float, free: bool = False) -> Callable[[Floats, Floats], tuple[Floats, Floats]]:
    """(times, parameters) -> values (m,), gradient (m, k). free: t0 is the last parameter."""

    def curve(t: Floats, p: Floats) -> tuple[Floats, Floats]:
        if model == "none":
            return p[0] * np.ones_like(t), np.ones((len(t), 1))
        if model == "power":
            falling = (t / t0) ** -p[1]
            return p[0] * falling, np.stack([falling, -p[0] * falling * np.log(t / t0)], axis=1)
        start = float(p[2]) if free else t0
        decades = np.log10(1.0 + t / start)
        gradient = [1.0 + p[1] * decades, p[0] * decades]
        if free:
            gradient.append(-p[0] * p[1] * t / (start * (start + t)) / math.log(10.0))
        return p[0] * gradient[0], np.stack(gradient, axis=1)

    return curve


def _fit(model: Model, t: Floats, v: Floats, error: Floats, t0: float, free: bool = False) -> Drift:
    curve = _curve(model, t0, free)
    start, jacobian = _start(model, t, v, error, t0)
    if model == "power" or free:
        point = np.append(start, t0) if free else start
        scale = np.maximum(np.abs(point), [abs(point[0]), 0.1, *([t0] if free else [])])
        found = optimize.least_squares(
            lambda p: (curve(t, p)[0] - v) / error,
            point,
            jac=lambda p: curve(t, p)[1] / error[:, None],
            x_scale=scale,
            bounds=([-np.inf, -np.inf, 1e-3 * t0], np.inf) if free else (-np.inf, np.inf),
        )
        start, jacobian = found.x, curve(t, found.x)[1] / error[:, None]
    chi_square = float(np.sum(((curve(t, start)[0] - v) / error) ** 2))
    # In the scale of the columns: resistances and relative figures stand side by side.
    columns = np.sqrt(np.sum(jacobian**2, axis=0))
    if not np.all(columns > 0.0):
        covariance = np.full((len(start), len(start)), np.inf)
    else:
        covariance = np.linalg.pinv((jacobian / columns).T @ (jacobian / columns)) / np.outer(columns, columns)
    m, k = len(t), len(start)
    few = m - k - 1
    names = (*_NAMES[model], *(("t0",) if free else ()))
    return Drift(
        model,
        float(start[2]) if free else t0,
        names,
        start,
        np.sqrt(np.diagonal(covariance)),
        covariance,
        chi_square,
        m - k,
        chi_square + 2.0 * k + 2.0 * k * (k + 1) / few if few > 0 else math.inf,
    )


def _start(model: Model, t: Floats, v: Floats, error: Floats, t0: float) -> tuple[Floats, Floats]:
    """(parameters, weighted gradient): those of the logarithm exactly, its line being straight in log10(1 + t / t0);
    those of the power law from a line in the logarithms."""
    if model == "none":
        w = error**-2.0
        return np.array([np.sum(w * v) / np.sum(w)]), 1.0 / error[:, None]
    if model == "power":
        slope, level = np.polyfit(np.log(t / t0), np.log(v), 1, w=v / error)
        return np.array([math.exp(level), -slope]), np.empty(0)
    slope, level = np.polyfit(np.log10(1.0 + t / t0), v, 1, w=1.0 / error)
    parameters = np.array([level, slope / level if level != 0.0 else math.nan])
    return parameters, _curve(model, t0)(t, parameters)[1] / error[:, None]
