"""The error of programming as measured sweeps show it, and values drawn with it (A, equation 4 and Fig. 5a-c)."""

from __future__ import annotations

import math
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


def level_errors(sweeps: Sequence[Sweep], window: Window, counts: Sequence[int]) -> Errors:
    """(direction, number of levels) -> the error of each level along travel, ohm: r_a - r_i of all whole sweeps, with
    r_a the reading nearest to the level, as the paper segments."""
    found = {}
    for direction in DIRECTIONS:
        readings = [sweep.readings for sweep in sweeps if sweep.direction == direction and sweep.whole]
        for n in counts if len(readings) > 1 else ():
            errors = levels.samples(readings, n, window, direction, "argmin") - levels.targets(n, window, direction)
            index = np.tile(np.arange(n), len(readings))
            if errors.size >= 5 and np.ptp(errors) > 0.0:
                found[direction, n] = fit_levels(index, errors.reshape(-1), n)
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


def figures(errors: Errors, window: Window) -> list[Figure]:
    """The scale of the error through the window, where travel begins, and nu, for each number of levels."""
    found = []
    for (direction, n), fitted in errors.items():
        name = DIRECTIONS[direction]
        more: dict[str, Any] = {"section": f"program error, {name}"}
        first = max(1, n // 16)
        step = (window[1] - window[0]) / (n - 1)
        heavy = fitted.nu[np.isfinite(fitted.nu)]
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
            Figure(
                f"error_nu_{name}_{n}",
                f"ν of the error at {n} levels, median, {name}",
                float(np.median(heavy)) if len(heavy) else math.inf,
                note="" if len(heavy) else "normally distributed",
                **more,
            ),
        ]
    return found
