"""How a written state relaxes while nothing happens to it: with the logarithm of time, counted from the last write."""

from __future__ import annotations

import math

from numba import njit

UNIT = 1.0  # s, where the logarithm sets in


@njit(cache=True)
def relaxed(drift: float, seconds: float) -> float:
    """Share of its conductance that a state still has so many seconds after the write; drift: lost per decade."""
    return 1.0 - drift * math.log10(1.0 + seconds / UNIT)
