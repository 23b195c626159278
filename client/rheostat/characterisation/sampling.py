"""The error of programming as measured sweeps show it, and values drawn with it (A, equation 4 and Fig. 5a-c).

The paper takes r_a of its segmentation, the reading nearest to the level ("Device program error sampler"); so do values
that are drawn here. A sweep that stops when it comes to a level knows nothing of later readings: its error is that of
the first passage, which the paper's non-linearity factor fits. Both are reckoned. Either lies within a step or so of
the level, nearly uniformly, where sweeps repeat as well as the devices' physics: lighter tails than any Student's t
has, of which the normal is then the nearest. Heavy ones would be those of single overshoots.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rheostat.analysis import levels
from rheostat.analysis.level_errors import LevelErrors, fit_levels
from rheostat.analysis.program_error import quantise
from rheostat.characterisation.data import DIRECTIONS, Sweep
from rheostat.characterisation.merits import Figure

Array = npt.NDArray[Any]
Window = tuple[float, float]
Errors = dict[tuple[int, int], LevelErrors]
DRAWN = 4000  # values of one number of levels
SEED = 2025


def level_errors(
    sweeps: Sequence[Sweep], window: Window, counts: Sequence[int], method: levels.Method = "argmin"
) -> Errors:
    """(direction, number of levels) -> the error of each level along travel, ohm: r_a - r_i of all whole sweeps, with
    r_a the reading nearest to the level, as the paper segments, or the first one at or past it."""
    found = {}
    for direction in DIRECTIONS:
        readings = [sweep.readings for sweep in sweeps if sweep.direction == direction and sweep.whole]
        for n in counts if len(readings) > 1 else ():
            errors = levels.samples(readings, n, window, direction, method) - levels.targets(n, window, direction)
            known = np.isfinite(errors)
            if known.sum() >= 5 and np.ptp(errors[known]) > 0.0:
                found[direction, n] = fit_levels(np.nonzero(known)[1], errors[known], n)
    return found


def drawn(errors: Errors, window: Window, direction: int) -> list[tuple[int, Array, Array]]:
    """(levels, ideal, actual) for each number of levels, ideal and actual (m,) as shares of the window along travel."""
    found = []
    for (way, n), fitted in errors.items():
        if way == direction:
            generator = np.random.default_rng(SEED)
            ideal = generator.random(DRAWN)
            quantised = quantise(ideal, n, (0.0, 1.0))
            index = np.rint(quantised * (n - 1)).astype(np.int64)
            along = -direction * fitted.sample(index, generator) / (window[1] - window[0])
            found.append((n, ideal, quantised + along))
    return found


def figures(errors: Errors, passed: Errors, window: Window) -> list[Figure]:
    """The scale of the error through the window, where travel begins, and nu, for each number of levels; of the errors
    of first passage (`passed`) loc, scale and nu. Uncertainties are those of one level, which a median over all levels
    does not exceed."""
    found = []
    for (direction, n), fitted in errors.items():
        name = DIRECTIONS[direction]
        more: dict[str, Any] = {"section": f"program error, {name}"}
        first = max(1, n // 16)
        step = (window[1] - window[0]) / (n - 1)
        note = f"{float(np.median(fitted.scale)) / step:.3g} levels"
        found += [
            Figure(
                f"error_scale_{name}_{n}",
                f"scale of the error at {n} levels, median, {name}",
                float(np.median(fitted.scale)),
                float(np.median(fitted.scale_error)),
                "ohm",
                note=note,
                **more,
            ),
            Figure(
                f"error_scale_first_{name}_{n}",
                f"scale of the error at {n} levels, where travel begins, {name}",
                float(fitted.scale[:first].mean()),
                float(fitted.scale_error[:first].mean()),
                "ohm",
                **more,
            ),
            Figure(f"error_nu_{name}_{n}", f"ν of the error at {n} levels, median, {name}", **_nu(fitted), **more),
        ]
    for (direction, n), fitted in passed.items():
        name = DIRECTIONS[direction]
        more = {"section": f"program error at first passage, {name}"}
        overshoot = -direction * float(np.median(fitted.loc))
        loc_error, scale_error = float(np.median(fitted.loc_error)), float(np.median(fitted.scale_error))
        scale = float(np.median(fitted.scale))
        at = f"at {n} levels, median, {name}"
        found += [
            Figure(f"passed_loc_{name}_{n}", f"way past the level {at}", overshoot, loc_error, "ohm", **more),
            Figure(
                f"passed_scale_{name}_{n}", f"scale of the way past the level {at}", scale, scale_error, "ohm", **more
            ),
            Figure(f"passed_nu_{name}_{n}", f"ν of the way past the level {at}", **_nu(fitted), **more),
        ]
    return found


def _nu(fitted: LevelErrors) -> dict[str, Any]:
    """Median over all levels, inf where half of them or more are normal, and how many are."""
    normal = float(np.mean(np.isinf(fitted.nu)))
    return {"value": float(np.median(fitted.nu)), "note": f"{100.0 * normal:.3g} % of the levels are normal"}
