"""Energy and power of processes (Z. Diao et al., Nanoscale Horiz. 10, 780, 2025: 240.7 and 114.6 mW on average)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


def process_energy(energy: npt.ArrayLike, counts: npt.ArrayLike) -> Values:
    """Energy of each process, J.

    energy: (m,) J of all write pulses one after another; counts: (...) pulses of each process in C order, their sum m.
    """
    pulses = np.asarray(energy, dtype=np.float64)
    number = np.asarray(counts, dtype=np.int64)
    if pulses.ndim != 1 or np.any(number < 0) or number.sum() != len(pulses):
        raise ValueError(f"counts must add up to the {pulses.size} pulses, not to {number.sum()}")
    ends = np.cumsum(number)
    total = np.concatenate([[0.0], np.cumsum(pulses)])
    return np.asarray((total[ends] - total[ends - number.ravel()]).reshape(number.shape))


def process_power(energy: npt.ArrayLike, counts: npt.ArrayLike, width: float) -> tuple[Values, Values]:
    """Mean power while write pulses are applied, W: (over all processes, of each).

    energy: (m,) J of all write pulses one after another; counts: (processes, ...) pulses of each, in C order; width: of
    every pulse, s. The mean (...) over the first axis weighs each pulse alike; that of each process has the shape of
    counts (so counts (cycles, 2) give the means of both directions). nan where there was no pulse.
    """
    if not width > 0.0:
        raise ValueError(f"the width of a pulse is positive, not {width!r}")
    each = process_energy(energy, counts)
    time = np.asarray(counts, dtype=np.float64) * width
    return _ratio(each.sum(axis=0), time.sum(axis=0)), _ratio(each, time)


def _ratio(energy: Values, time: Values) -> Values:
    return np.asarray(np.divide(energy, time, out=np.full(np.shape(time), np.nan), where=np.asarray(time > 0.0)))
