"""Accept on evidence: what the readings since the last write pulse say about the true resistance.

The true resistance has, given n readings of mean m and known noise, a normal posterior around m with the standard
error noise / sqrt(n). A target is verified when the posterior probability that the true resistance lies in
target +- tolerance reaches the confidence asked for. One reading inside the band is no proof: near the edge more
readings are asked for, as long as they could decide, before another write pulse is.

The noise is the measured one; readings of one state that scatter more than it allows, within an exchange with the
instruments or between two, raise it (chi-square, weighed against the belief in the measured value), so that a noisy
device is not accepted on the strength of a quiet one's calibration.

All schemes begin their parameter and state vectors with the fields named here.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from rheostat.wire import Outcome
from rheostatd.schemes.policy import ACCEPT, GIVE_UP, READ, Task, Vector

# Parameters; ohm, V, s.
TOLERANCE, CONFIDENCE, NOISE, LRS, HRS, MAX_VOLTAGE, MAX_WIDTH, MIN_READINGS, MAX_READINGS = range(9)
PARAMS = 9

# State. MEAN and COUNT hold while no write pulse has been asked for; PENDING marks that one has been; CARRIED that the
# estimate is of readings for an earlier target: good for the choice of a write pulse, not for acceptance.
MEAN, COUNT, PENDING, PREVIOUS, PREVIOUS_COUNT, CHI2, DEGREES, BAD, PROBED, STDERR, CARRIED = range(11)
STATE = 11

PULSE_NEEDED = -1  # the judge's answer when neither acceptance nor more readings help

_BELIEF = 8.0  # weight of the measured noise, in groups of readings
_MAX_DEGREES = 200.0  # older groups fade
_PROBE = 5.0  # single readings of a new device before anything else, to see its scatter
_MAX_GROUP = 16.0  # readings asked for at once
_DEFAULT_NOISE = 0.05 / 140.0  # of the window, where none has been measured
_OPEN = 10.0  # times HRS
_SHORTED = 0.3  # times LRS
_ISOLATED = 3.0  # readings of an open or a short before it is believed
_OPEN_OUTCOME = GIVE_UP + int(Outcome.OPEN)
_SHORTED_OUTCOME = GIVE_UP + int(Outcome.SHORTED)
_NOISY_OUTCOME = GIVE_UP + int(Outcome.NOISY)


def pack(task: Task, min_readings: int, max_readings: int) -> list[float]:
    """The fields every scheme's parameters begin with. Raises ValueError for what cannot be verified at all."""
    if not task.tolerance > 0.0 or not math.isfinite(task.tolerance):
        raise ValueError(f"tolerance must be a positive number of ohm, not {task.tolerance}")
    if not 0.5 <= task.confidence < 1.0:
        raise ValueError(f"confidence must be at least 0.5 and below 1, not {task.confidence}")
    if not 0.0 < task.window[0] < task.window[1]:
        raise ValueError(f"window must be LRS < HRS in ohm, not {task.window}")
    if not task.max_voltage > 0.0 or not task.max_width > 0.0:
        raise ValueError("max_voltage and max_width must be positive")
    noise = task.noise if task.noise > 0.0 else _DEFAULT_NOISE * (task.window[1] - task.window[0])
    return [
        task.tolerance,
        task.confidence,
        noise,
        task.window[0],
        task.window[1],
        task.max_voltage,
        task.max_width,
        float(min_readings),
        float(max(min_readings, max_readings)),
    ]


def estimate(state: Vector) -> tuple[float, float]:
    """Mean and standard error (ohm) of the true resistance; nan while no reading followed the last write pulse."""
    if state[COUNT] == 0.0:
        return math.nan, math.nan
    return float(state[MEAN]), float(state[STDERR])


@njit(cache=True)
def probability(offset: float, error: float, tolerance: float) -> float:
    """Probability that a normal variable of mean `offset` and deviation `error` lies within +-`tolerance`."""
    scale = 1.0 / (error * math.sqrt(2.0))
    inside: float = 0.5 * (math.erf((tolerance - offset) * scale) + math.erf((tolerance + offset) * scale))
    return inside


@njit(cache=True)
def readings_needed(offset: float, noise: float, tolerance: float, confidence: float, limit: float) -> float:
    """The least number of readings (up to `limit`, else limit + 1) that verify a mean `offset` away from the target."""
    offset = abs(offset)
    if offset >= tolerance or probability(offset, noise / math.sqrt(limit), tolerance) < confidence:
        return limit + 1.0
    low = 0.0
    high = limit
    while high - low > 1.0:
        middle = math.floor(0.5 * (low + high))
        if probability(offset, noise / math.sqrt(middle), tolerance) >= confidence:
            high = middle
        else:
            low = middle
    return high


@njit(cache=True)
def noise_of(params: Vector, state: Vector) -> float:
    """rms of one reading, ohm: as measured, or larger where this device's own readings scatter more."""
    excess = (_BELIEF + state[CHI2]) / (_BELIEF + state[DEGREES])
    return float(params[NOISE] * math.sqrt(max(1.0, excess)))


@njit(cache=True)
def forget(state: Vector) -> None:
    """A new target begins: what is known stays, unless a pulse has been asked for whose reading never came."""
    state[BAD] = 0.0
    state[CARRIED] = 1.0
    if state[PENDING] != 0.0:
        state[PENDING] = 0.0
        state[COUNT] = 0.0


@njit(cache=True)
def fade(state: Vector) -> None:
    """Older readings count less."""
    if state[DEGREES] > _MAX_DEGREES:
        state[CHI2] *= 0.5
        state[DEGREES] *= 0.5


@njit(cache=True)
def absorb(params: Vector, state: Vector, reading: float, readings: int) -> None:
    """Merge the mean of new readings into the estimate, or begin a new one after a write pulse."""
    n = float(readings)
    state[CARRIED] = 0.0
    if state[PENDING] == 1.0:
        state[PENDING] = 2.0  # a pulse was applied: the scheme may compare PREVIOUS with MEAN
        state[PREVIOUS] = state[MEAN]
        state[PREVIOUS_COUNT] = state[COUNT]
        state[COUNT] = 0.0
    old = state[COUNT]
    if old > 0.0:
        difference = (reading - state[MEAN]) / params[NOISE]
        state[CHI2] += difference * difference * old * n / (old + n)
        state[DEGREES] += 1.0
        fade(state)
        state[MEAN] += (reading - state[MEAN]) * n / (old + n)
    else:
        state[MEAN] = reading
    state[COUNT] = old + n
    state[STDERR] = noise_of(params, state) / math.sqrt(state[COUNT])


@njit(cache=True)
def scattered(params: Vector, state: Vector, squares: float, degrees: int) -> None:
    """Take in how far the readings of one exchange lie from their mean: sum of squares in ohm^2, degrees of freedom."""
    if degrees > 0:
        state[CHI2] += squares / (params[NOISE] * params[NOISE])
        state[DEGREES] += degrees
        fade(state)


@njit(cache=True)
def judge(params: Vector, state: Vector, target: float, reading: float, readings: int) -> tuple[int, int]:
    """Take in the newest readings and answer (action, readings): ACCEPT, READ, GIVE_UP + outcome or PULSE_NEEDED."""
    if readings > 0:
        is_open = not (math.isfinite(reading) and 0.0 < reading < _OPEN * params[HRS])
        if is_open or reading < _SHORTED * params[LRS]:
            state[BAD] += 1.0
            if state[BAD] >= _ISOLATED:
                return (_OPEN_OUTCOME if is_open else _SHORTED_OUTCOME), 0
            return READ, 1
        state[BAD] = 0.0
        absorb(params, state, reading, readings)
    count = state[COUNT]
    if state[PROBED] < _PROBE:
        state[PROBED] += 1.0
        return READ, 1
    if count == 0.0:
        return READ, 1
    tolerance = params[TOLERANCE]
    confidence = params[CONFIDENCE]
    limit = params[MAX_READINGS]
    noise = noise_of(params, state)
    state[STDERR] = noise / math.sqrt(count)
    offset = state[MEAN] - target
    needed = max(params[MIN_READINGS], readings_needed(offset, noise, tolerance, confidence, limit))
    if state[CARRIED] != 0.0 and needed <= limit:  # each target is verified by readings of its own
        state[COUNT] = 0.0
        return READ, int(min(needed, _MAX_GROUP))
    if count >= params[MIN_READINGS] and probability(offset, state[STDERR], tolerance) >= confidence:
        return ACCEPT, 0
    if count < needed <= limit:
        return READ, int(min(needed - count, _MAX_GROUP))
    if probability(0.0, noise / math.sqrt(limit), tolerance) < confidence:
        return _NOISY_OUTCOME, 0
    return PULSE_NEEDED, 0


@njit(cache=True)
def readings_for(params: Vector, state: Vector, share: float) -> int:
    """Readings whose mean has a standard error of at most `share` of the tolerance, 1 to 16."""
    ratio = noise_of(params, state) / (share * params[TOLERANCE])
    return int(min(max(1.0, math.ceil(ratio * ratio)), _MAX_GROUP))


def check_count(name: str, value: Any, low: int, high: int) -> int:
    """`value` as a whole number in [low, high], or a ValueError naming the parameter."""
    if isinstance(value, bool) or float(value) != int(value) or not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, not {value!r}")
    return int(value)


def check_range(name: str, value: Any, low: float, high: float, unit: str = "") -> float:
    """`value` as a number in [low, high], or a ValueError naming the parameter."""
    number = float(value)
    if not (np.isfinite(number) and low <= number <= high):
        raise ValueError(f"{name} must lie between {low:g} and {high:g}{' ' + unit if unit else ''}, not {value!r}")
    return number
