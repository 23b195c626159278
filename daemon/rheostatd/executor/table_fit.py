"""Whether write pulses moved a device as its feedforward table says: pure statistics on a few measured steps.

A direction's gain is the travel seen over the travel predicted. By chance it differs from the gain that the table holds
because of the readings before the first and after the last pulse; the scatter from pulse to pulse, a share of each
step, which the pulses show themselves (weighed against 15 %, the figure of the paper's device); what all pulses of a
sweep have in common (3 %: 2.2 and 2.9 % in the model that meets the paper's figures); history that was not used up
(half of a step more, in that model); the standard errors of the table; and the error of the stored gain (5 %; none for
the calibrated device itself, whose gain is 1 by definition).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]

PULSE_SHARE = 0.15  # rms of a step, relative
SWEEP_SHARE = 0.03  # rms of the gain from sweep to sweep
GAIN_SHARE = 0.05  # error of a gain that a calibration has measured by 50 pulses
HISTORY_SHARE = 0.5  # of a step that shows history, that is added to it
TABLE_SHARE = 0.02  # error of a step where the table does not know it
_BELIEF = 8.0  # pulses that the share expected is worth
_LIMIT = 7.82  # of the sum of two squared normal deviates: 98 % of checks of a table that fits stay below


@dataclass(frozen=True)
class Gain:
    """Of one direction: travel over prediction, its standard error, and how far it lies from what the table holds,
    in standard errors of the difference."""

    gain: float
    error: float
    deviation: float


def gain(
    predicted: Vector, measured: Vector, table_error: Vector, noise: float, end_noise: float, held: float, other: bool,
    unsettled: float = 0.0,
) -> Gain:  # fmt: skip
    """The gain of one direction from k steps, ohm. predicted, table_error: by the table, for a gain of 1 (nan: a step
    that was not made, an error that is not known); noise: ohm rms of one reading, end_noise: of the readings before the
    first and after the last pulse; held: gain that the table holds, of the calibrated device or an `other` one;
    unsettled: ohm of travel that may still have shown history. nan where nothing can be told."""
    made = np.isfinite(predicted)
    predicted, measured, table_error = predicted[made], measured[made], table_error[made]
    total = float(np.sum(predicted))
    if not (total > 0.0 and np.isfinite(measured).all()):
        return Gain(math.nan, math.nan, math.nan)
    found = float(np.sum(measured)) / total
    scatter = float(np.sum((measured - found * predicted) ** 2)) - 2.0 * len(measured) * noise**2
    steps = found**2 * float(np.sum(predicted**2))
    own = max(0.0, scatter) * len(measured) / max(1.0, len(measured) - 1.0) / max(steps, 1e-12)
    share = (_BELIEF * PULSE_SHARE**2 + len(measured) * own) / (_BELIEF + len(measured))
    relative = share * float(np.sum(predicted**2)) / total**2 + SWEEP_SHARE**2  # of the gain, whatever it is
    by_history = HISTORY_SHARE * min(unsettled, max(0.0, found * total)) / total
    by_readings = 2.0 * (end_noise / total) ** 2 + by_history**2
    errors = np.where(np.isfinite(table_error), table_error, TABLE_SHARE * predicted)
    by_table = (float(np.sum(errors)) / total) ** 2  # neighbouring steps of a table err together
    by_gain = GAIN_SHARE**2 if other else 0.0
    chance = math.sqrt(held**2 * (relative + by_table + by_gain) + by_readings)  # if the table fits
    return Gain(found, math.sqrt(found**2 * relative + by_readings), (found - held) / chance)


def fits(gains: tuple[Gain, Gain]) -> bool:
    """Whether both directions together lie within what their errors allow; not, where either says nothing."""
    return math.hypot(*(each.deviation for each in gains)) ** 2 < _LIMIT
