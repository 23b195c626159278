"""Levels of measured feedforward sweeps: which samples stand for them, which are skipped, which stay unoccupied.

Z. Diao et al., Nanoscale Horiz. 10, 780 (2025): "Multilevel resistance segmentation method", Fig. 3(d) and 4. A process
is one sweep through the window in one direction (1 potentiation, -1 depression); a sweep is all its readings, (m,) ohm:
one before each pulse, and the one after the last, without which the end of the window would be missed. Levels lie
evenly over the window along travel: r_1 is HRS in potentiation, LRS in depression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from rheostat.curves import Segmentation, segment

Values = npt.NDArray[np.float64]
Method = Literal["argmin", "first passage"]


@dataclass(frozen=True)
class Levels:
    """One segmented sweep.

    actual: (n,) ohm, the r_a of each level; groups: (n - 1), the pulses from each level to the next; unoccupied: the
    numbers (from 1, along travel) of levels that share their sample with the one before.
    """

    segmentation: Segmentation
    actual: Values
    groups: tuple[range, ...]
    unoccupied: tuple[int, ...]

    @property
    def targets(self) -> Values:
        """The r_i of each level, (n,) ohm."""
        return self.segmentation.targets


def targets(n: int, window: tuple[float, float], direction: int) -> Values:
    """The n levels r_1..r_n along travel, (n,) ohm; window: (LRS, HRS)."""
    if n < 2:
        raise ValueError(f"a window has two levels at least, not {n}")
    lrs, hrs = window
    start, end = (hrs, lrs) if _direction(direction) > 0 else (lrs, hrs)
    return np.asarray(np.linspace(start, end, n))


def segmented(sweep: npt.ArrayLike, n: int, window: tuple[float, float], direction: int) -> Levels:
    """A sweep (m,) ohm cut into the pulse groups between its n levels (Fig. 3d); the group to an unoccupied level is
    empty."""
    readings = _sweep(sweep)
    cut = segment(readings, n, window, _direction(direction))
    groups = tuple(range(int(a), int(b)) for a, b in pairwise(cut.pulses))
    unoccupied = tuple(int(j) + 1 for j in np.flatnonzero(~cut.occupied))
    return Levels(cut, readings[cut.pulses], groups, unoccupied)


def argmin_samples(sweep: npt.ArrayLike, targets: npt.ArrayLike) -> Values:
    """The reading nearest to each target, r_a = R_FF[argmin |R_FF - r_i|]: (m,) and (n,) ohm -> (n,) ohm."""
    readings = _sweep(sweep)
    distance = np.abs(readings[:, None] - np.asarray(targets, dtype=np.float64))
    return np.asarray(readings[np.argmin(distance, axis=0)])


def first_passage(sweep: npt.ArrayLike, targets: npt.ArrayLike, direction: int) -> Values:
    """The first reading at or past each target along travel, (m,) and (n,) ohm -> (n,) ohm; nan where none is."""
    along = -_direction(direction) * _sweep(sweep)
    wanted = -direction * np.asarray(targets, dtype=np.float64)
    first = np.searchsorted(np.maximum.accumulate(along), wanted, side="left")
    return np.asarray(-direction * np.append(along, np.nan)[first])


def samples(
    sweeps: Sequence[npt.ArrayLike],
    n: int,
    window: tuple[float, float],
    direction: int,
    method: Method = "argmin",
) -> Values:
    """The n levels of every process, (processes, n) ohm along travel: by "argmin" or by "first passage"."""
    wanted = targets(n, window, direction)
    match method:
        case "argmin":
            rows = [argmin_samples(sweep, wanted) for sweep in sweeps]
        case "first passage":
            rows = [first_passage(sweep, wanted, direction) for sweep in sweeps]
        case _:
            raise ValueError(f"method is 'argmin' or 'first passage', not {method!r}")
    return np.array(rows, dtype=np.float64).reshape(len(rows), n)


def normalised(first_passage: npt.ArrayLike, targets: npt.ArrayLike, direction: int) -> Values:
    """The "normalised resistance level" x = (r - r_j) / (r_(j+1) - r_j), (processes, n) ohm -> (processes, n - 1).

    first_passage: samples at or past each level; targets: (n,) ohm along travel. From 0 on; beyond 1 the process has
    jumped over the level, past the next one. nan where it never came to the level. (Fig. 4c, d.)
    """
    reached = np.asarray(first_passage, dtype=np.float64)
    wanted = np.asarray(targets, dtype=np.float64)
    if np.any(_direction(direction) * np.diff(wanted) >= 0.0):
        raise ValueError("targets must fall in potentiation and rise in depression")
    return np.asarray((reached[..., :-1] - wanted[:-1]) / np.diff(wanted))


def skipped(normalised: npt.ArrayLike, at: float = 0.8) -> npt.NDArray[np.bool_]:
    """Levels that tend to be skipped: x > 1 at the cumulative probability `at`, (processes, n - 1) -> (n - 1,).

    The quantile is the smallest x that a share `at` of the processes does not exceed (numpy's "inverted_cdf"; with 66
    processes its linear one is the same, the 53rd). In other words: fewer than `at` of the processes have a reading
    between the level and the next. A process that never came to the level (nan) has none.
    """
    x = np.asarray(normalised, dtype=np.float64)
    if not 0.0 < at <= 1.0:
        raise ValueError(f"a cumulative probability lies above 0 and up to 1, not {at!r}")
    if len(x) == 0:
        raise ValueError("skipped levels need one process at least")
    return np.asarray(np.mean(x <= 1.0, axis=0) < at)


def skipped_error(
    normalised: npt.ArrayLike, at: float = 0.8, replicates: int = 200, generator: np.random.Generator | None = None
) -> float:
    """Standard error of the number of skipped levels, (processes, n - 1) -> levels; nan for one process.

    Bootstrap over the processes, which are independent where their levels are not: the root mean square of how far the
    number of `replicates` sets drawn from them with replacement lies from theirs. What resampling shows of the bias of
    a count of shares near their limit is in it: 66 of the virtual device's processes find 113, 1,500 find 118; the
    error is 8, the scatter of sets of 66 alone 2. generator: None, one with a fixed seed.
    """
    inside = np.asarray(normalised, dtype=np.float64) <= 1.0
    count = len(inside)
    if count < 2:
        return float("nan")
    generator = generator or np.random.default_rng(0)
    drawn = generator.multinomial(count, np.full(count, 1.0 / count), size=replicates)
    numbers = np.count_nonzero(drawn @ inside.astype(np.int64) / count < at, axis=1)
    return float(np.sqrt(np.mean((numbers - np.count_nonzero(skipped(normalised, at))) ** 2)))


def cpd(normalised: npt.ArrayLike) -> tuple[Values, Values]:
    """Cumulative probability of one level, (processes,) -> x rising, share of processes up to each (Fig. 4c, d).

    Processes that never came to the level count in the share and have no x: the curve then ends below 1.
    """
    x = np.asarray(normalised, dtype=np.float64)
    reached = np.sort(x[np.isfinite(x)])
    return reached, np.arange(1, len(reached) + 1) / max(len(x), 1)


def _direction(direction: int) -> int:
    if direction not in (1, -1):
        raise ValueError(f"direction is 1 (potentiation) or -1 (depression), not {direction!r}")
    return direction


def _sweep(sweep: npt.ArrayLike) -> Values:
    readings = np.asarray(sweep, dtype=np.float64)
    if readings.ndim != 1 or len(readings) == 0 or not np.all(np.isfinite(readings)):
        raise ValueError("a sweep is a row of finite readings, one at least")
    return readings
