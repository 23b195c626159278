"""How often intervals must cover the truth: bounds computed, not guessed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats

RISK = 1e-4  # that right intervals fall outside the bounds, on one side


def covers(hits: npt.NDArray[np.bool_], rate: float) -> bool:
    """Whether as many of independent intervals hit as those that cover at `rate` do, in all but 2 of 10,000 trials."""
    low, high = stats.binom.ppf([RISK, 1.0 - RISK], hits.size, rate)
    return bool(low <= np.count_nonzero(hits) <= high)
