"""How straight a staircase of levels is: the non-linearity v of equations 2 and 3, and the non-linearity factor.

Z. Diao et al., Nanoscale Horiz. 10, 780 (2025). Levels stand along travel: falling in potentiation (direction 1),
rising in depression (-1). Written as travel t = (R - start) / (end - start), equations 2 and 3 are one and the same,

    t_j = (e^(v n_j) - 1) / (e^(v n) - 1),

n_j the number of the pulse event, n their total number. v = 0 is a straight line; v > 0 moves slowly first and fast at
the end of the travel, v < 0 fast first, then it saturates; -v is the curve travelled backwards.

Two ways of counting the events ("indexing"):

- "paper": n levels are n_j = 1..n, as the paper counts: the first level, at which nothing has moved, counts as moved by
  1/n. An exactly straight staircase then gives v = 5 / n^2 (4.98e-3, 3.06e-4, 1.91e-5 at n = 32, 128, 512), which is
  what the paper prints: those figures are the floor of the formula.
- "unbiased": n levels are n_j = 0..n - 1, n - 1 steps in all: a straight staircase gives 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Indexing = Literal["paper", "unbiased"]

_MOST = 36.0  # |v| of a staircase whose whole travel is one step, to rounding
_ROUNDS = 200
_CLOSE = 1e-13  # of the last change, relative to 1 + |y|
_SERIES = 0.02  # |y| below which the slope is a series


@dataclass(frozen=True)
class NonLinearity:
    """v of each staircase, (...), per pulse event, and its standard error from the residuals of its own fit.

    stderr takes the residuals as independent. Those of argmin samples are nearly so at few levels; at many,
    neighbouring levels share pulses, and processes scatter up to half as much again as stderr says. The error to state
    is that of the mean over processes: `mean_over(nonlinearity(...).v)`.
    """

    v: Values
    stderr: Values


@dataclass(frozen=True)
class Mean:
    """Mean over `count` processes and its standard error, in the unit of the values; the error of one alone is nan."""

    value: Values
    stderr: Values
    count: int


def nonlinearity(
    levels: npt.ArrayLike, window: tuple[float, float], direction: int, indexing: Indexing = "unbiased"
) -> NonLinearity:
    """v_p (direction 1, equation 2) or v_d (-1, equation 3) of staircases, by least squares: (..., n) -> (...).

    levels: ohm along travel, from HRS in potentiation, from LRS in depression; window: (LRS, HRS) ohm, r_min and r_max
    of the equations. The standard error takes the residuals of the unbiased fit with either indexing: the paper's has a
    misfit besides, also of a straight staircase, that is the same in every process. nan where a level is not finite, or
    where no |v| below 36 fits (a device that did not move, or moved at once).
    """
    travel = _travel(levels, window, direction)
    events = _events(travel.shape[-1], indexing)
    y = _fit(travel, events)
    steps = _steps(travel.shape[-1], indexing)
    model, slope = _curve(events, y)
    if indexing == "paper":
        counted = _events(travel.shape[-1], "unbiased")
        model, _ = _curve(counted, _fit(travel, counted))
    weight = np.sum(slope**2, axis=-1)
    variance = np.sum((travel - model) ** 2, axis=-1) / (travel.shape[-1] - 1)
    stderr = np.sqrt(np.divide(variance, weight, out=np.full_like(weight, np.nan), where=weight > 0.0))
    return NonLinearity(np.asarray(y / steps), np.asarray(stderr / steps))


def straight(n: int, indexing: Indexing = "unbiased") -> float:
    """The v of an exactly straight staircase of n levels: about 5 / n^2 with the paper's indexing, 0 unbiased."""
    return float(nonlinearity(np.linspace(0.0, 1.0, n), (0.0, 1.0), -1, indexing).v)


def staircase(
    v: npt.ArrayLike, n: int, window: tuple[float, float], direction: int, indexing: Indexing = "unbiased"
) -> Values:
    """The n levels of equations 2 and 3, (...) -> (..., n) ohm along travel: what `nonlinearity` fits."""
    _check(window, direction)
    travel, _ = _curve(_events(n, indexing), np.asarray(v, dtype=np.float64) * _steps(n, indexing))
    lrs, hrs = window
    return np.asarray(hrs - (hrs - lrs) * travel if direction > 0 else lrs + (hrs - lrs) * travel)


def nonlinearity_factor(actual: npt.ArrayLike, targets: npt.ArrayLike, window: tuple[float, float]) -> Values:
    """NLF: mean |r_a - r_i| / (r_max - r_min), (..., n) and (n,) ohm -> (...). nan where a level was never reached.

    The paper's text does not define it; with samples of first passage this matches what it prints (0.001 in
    potentiation, 0.0009 in depression, n = 512). Argmin samples lie on either side of their target and give half.
    """
    lrs, hrs = window
    distance = np.abs(np.asarray(actual, dtype=np.float64) - np.asarray(targets, dtype=np.float64))
    return np.asarray(distance.mean(axis=-1) / (hrs - lrs))


def mean_over(values: npt.ArrayLike) -> Mean:
    """Mean over the first axis (the processes), (m, ...) -> (...), with its standard error s / sqrt(m).

    Processes are independent where the device forgets the last sweep within the next one. m - 1 degrees of freedom:
    an interval takes its quantile from Student's t.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or len(array) == 0:
        raise ValueError("a mean needs one process at least")
    count = len(array)
    mean = array.mean(axis=0)
    deviation = array.std(axis=0, ddof=1) if count > 1 else np.full_like(mean, np.nan)
    return Mean(np.asarray(mean), np.asarray(deviation / np.sqrt(count)), count)


def _check(window: tuple[float, float], direction: int) -> None:
    if direction not in (1, -1):
        raise ValueError(f"direction is 1 (potentiation) or -1 (depression), not {direction!r}")
    if not window[0] < window[1]:
        raise ValueError(f"a window is (LRS, HRS) with LRS below HRS, not {window}")


def _travel(levels: npt.ArrayLike, window: tuple[float, float], direction: int) -> Values:
    _check(window, direction)
    array = np.asarray(levels, dtype=np.float64)
    if array.ndim == 0 or array.shape[-1] < 3:
        raise ValueError(f"a fit of v needs three levels at least, not the shape {array.shape}")
    lrs, hrs = window
    return np.asarray((hrs - array if direction > 0 else array - lrs) / (hrs - lrs))


def _steps(n: int, indexing: Indexing) -> int:
    """n of the equations."""
    return n if indexing == "paper" else n - 1


def _events(n: int, indexing: Indexing) -> Values:
    """n_j / n of the equations, (n,)."""
    if indexing not in ("paper", "unbiased"):
        raise ValueError(f"indexing is 'paper' or 'unbiased', not {indexing!r}")
    return np.linspace(1.0 / n, 1.0, n) if indexing == "paper" else np.linspace(0.0, 1.0, n)


def _curve(x: Values, y: Values) -> tuple[Values, Values]:
    """t(x; y) = (e^(y x) - 1) / (e^y - 1) and its slope dt/dy, y (...), x (n,) -> (..., n), stable for any y.

    Nothing overflows, y = 0 is the line t = x. The slope is t (g(y x) - g(y)) / y with g(z) = z / (1 - e^-z), by the
    series of g where y is small.
    """
    y = y[..., None]
    size = np.where(y == 0.0, 1.0, np.abs(y))
    fall, whole = np.expm1(-size * x), np.expm1(-size)
    travel = np.where(y == 0.0, x, fall / whole * np.where(y > 0.0, np.exp(-size * (1.0 - x)), 1.0))
    g = np.divide(-size * x, fall, out=np.ones_like(fall), where=fall < 0.0) * np.where(y < 0.0, 1.0 + fall, 1.0)
    g_whole = -size / whole * np.where(y < 0.0, 1.0 + whole, 1.0)
    small = np.abs(y) < _SERIES
    series = (x - 1.0) / 2.0 + y * ((x**2 - 1.0) / 12.0 - y * y * ((x**4 - 1.0) / 720.0))
    return np.asarray(travel), np.asarray(travel * np.where(small, series, (g - g_whole) / np.where(small, 1.0, y)))


def _fit(travel: Values, x: Values) -> Values:
    """y = v n of least squares, (..., n) -> (...): Gauss-Newton, damped where a step does not lower the sum of squares.

    The curvature is that of the last step where that is credible: where a misfit stays (the paper's indexing),
    Gauss-Newton alone is slow. Starts from the y whose curve has the mean of the samples, by Cohen's approximation of
    the inverse Langevin function.
    """
    rows = travel.reshape(-1, travel.shape[-1])
    most = _MOST / (x[1] - x[0])
    lean = np.clip(1.0 - 2.0 * (rows.mean(axis=-1) + 0.5 - x.mean()), -0.995, 0.995)
    y = np.clip(2.0 * lean * (3.0 - lean**2) / (1.0 - lean**2), -most, most)
    active = np.flatnonzero(np.isfinite(lean))
    found = np.full_like(y, np.nan)
    data, y = rows[active], y[active]
    push, weight, damping = np.zeros((3, len(y)))
    squares, trial = np.full_like(y, np.inf), y
    for _ in range(_ROUNDS):
        if len(active) == 0:
            break
        model, tangent = _curve(x, trial)
        after = np.sum((data - model) ** 2, axis=-1)
        better = after <= squares * (1.0 + 1e-12) + 1e-30
        pushed, square = np.sum(tangent * (data - model), axis=-1), np.sum(tangent**2, axis=-1)
        secant = np.divide(push - pushed, trial - y, out=square.copy(), where=better & (trial != y))
        likely = (secant > 0.5 * square) & (secant < 2.0 * square)
        weight = np.where(better, np.where(likely, secant, square), weight)
        push = np.where(better, pushed, push)
        y, squares = np.where(better, trial, y), np.where(better, after, squares)
        damping = np.where(better, damping / 8.0, np.maximum(1.0, damping * 4.0))
        stiff = weight * (1.0 + damping)
        change = np.divide(push, stiff, out=np.sign(push) * most, where=stiff > 0.0)
        trial = np.clip(y + change, -most, most)
        settled = better & (np.abs(trial - y) <= _CLOSE * (1.0 + np.abs(y)))
        found[active[settled]] = trial[settled]
        active, data, y, trial = (each[~settled] for each in (active, data, y, trial))
        squares, push, weight, damping = (each[~settled] for each in (squares, push, weight, damping))
    found[np.abs(found) >= most] = np.nan
    return np.asarray(found.reshape(travel.shape[:-1]))
