"""What a device's own write pulses tell: how much its steps exceed the prediction, and whether it still moves.

The gain (observed over predicted step) of each direction follows a scalar Kalman filter: pulse noise and read noise
are the measurement's variance, a turn makes the gain uncertain again (extra Joule steps after a change of direction).
A run of pulses whose steps, all together, stay far below the prediction is a stall. A stalled device first gets
stronger pulses; at the largest voltage it is asked to go the other way: what moves then was SATURATED, what does not
is STUCK.
"""

from __future__ import annotations

import math

from numba import njit

from rheostat.wire import Outcome
from rheostatd.schemes import evidence
from rheostatd.schemes.evidence import COUNT, HRS, LRS, MEAN, PENDING, PREVIOUS, PREVIOUS_COUNT, noise_of
from rheostatd.schemes.policy import GIVE_UP, Vector

# State after that of the evidence: gain and its variance in each direction; the pulse under way; the run of pulses.
GAIN_P, VAR_P, GAIN_D, VAR_D, DIRECTION, PREDICTED, STRONGEST = range(evidence.STATE, evidence.STATE + 7)
RUN, RUN_SEEN, RUN_EXPECTED, BOOST, PROBING = range(evidence.STATE + 7, evidence.STATE + 12)
STATE = evidence.STATE + 12

_PULSE_NOISE = 0.15  # rms of a step, relative
_WANDER = 0.02**2  # variance the gain gains at every pulse
_TURN = 0.15**2  # and at every turn
_NEW = 0.3**2  # of a device not yet pulsed
_LOWEST, _HIGHEST = 0.2, 5.0
_LEAST_RATIO = 0.02 / 140.0  # of the window: smaller predictions tell nothing about the gain
_RUN = 8.0  # pulses before a run may be called a stall
_MOVING = 0.2  # share of the predicted travel that counts as movement
_STRONGEST_BOOST = 32.0
PROBES = 4.0  # pulses the other way before a device is called stuck
PROBE_STEP = 0.3 / 140.0  # of the window, step aimed at when asking a stalled device to go the other way

MOVING, STALLED = 0, 1
STUCK_OUTCOME = GIVE_UP + int(Outcome.STUCK)
SATURATED_OUTCOME = GIVE_UP + int(Outcome.SATURATED)


@njit(cache=True)
def prepare(state: Vector, gain_p: float, gain_d: float) -> None:
    """Before a target: calibrated gains for a device not yet pulsed; every target begins a new run."""
    if state[GAIN_P] == 0.0:
        state[GAIN_P] = gain_p
        state[GAIN_D] = gain_d
        state[VAR_P] = _NEW
        state[VAR_D] = _NEW
    state[BOOST] = 1.0
    state[PROBING] = 0.0
    clear_run(state)


@njit(cache=True)
def clear_run(state: Vector) -> None:
    state[RUN] = 0.0
    state[RUN_SEEN] = 0.0
    state[RUN_EXPECTED] = 0.0


@njit(cache=True)
def gain(state: Vector, direction: float) -> float:
    """Observed over predicted step in this direction."""
    return float(state[GAIN_P] if direction > 0.0 else state[GAIN_D])


@njit(cache=True)
def probing(state: Vector, direction: float) -> float:
    """Direction of a probe: away from the target when the first one is asked for, the same for the others."""
    if state[PROBING] == 1.0:
        state[PROBING] = -2.0 * direction
    return 1.0 if state[PROBING] > 0.0 else -1.0


@njit(cache=True)
def launch(state: Vector, direction: float, predicted: float, strongest: bool) -> None:
    """A write pulse is asked for: remember what is expected of it. strongest: no larger voltage is allowed."""
    if direction != state[DIRECTION]:
        at = VAR_P if direction > 0.0 else VAR_D
        state[at] = min(_NEW, state[at] + _TURN)
        state[DIRECTION] = direction
        clear_run(state)
    state[PENDING] = 1.0
    state[PREDICTED] = predicted
    state[STRONGEST] = 1.0 if strongest else 0.0


@njit(cache=True)
def learn(params: Vector, state: Vector, calibrated: float) -> int:
    """Compare the step seen with the one predicted; call once all readings after a pulse are in.

    calibrated: gain of this direction as calibrated, what the expected travel of a run is reckoned with. Returns
    MOVING, STALLED (no more than noise in a whole run: now probe the other way), or how that ended, as an action.
    """
    if state[PENDING] != 2.0:
        return MOVING
    state[PENDING] = 0.0
    direction = state[DIRECTION]
    if state[PREVIOUS_COUNT] == 0.0:
        return MOVING
    noise = noise_of(params, state)
    seen = (state[PREVIOUS] - state[MEAN]) * direction
    predicted = state[PREDICTED]
    if predicted >= _LEAST_RATIO * (params[HRS] - params[LRS]):
        g, v = (GAIN_P, VAR_P) if direction > 0.0 else (GAIN_D, VAR_D)
        variance = state[v] + _WANDER
        read = noise * noise * (1.0 / state[COUNT] + 1.0 / state[PREVIOUS_COUNT]) / (predicted * predicted)
        spread = variance + _PULSE_NOISE * _PULSE_NOISE * max(1.0, state[g] * state[g]) + read
        surprise = seen / predicted - state[g]
        most = 4.0 * math.sqrt(spread)
        surprise = min(max(surprise, -most), most)
        weight = variance / spread
        state[g] = min(max(state[g] + weight * surprise, _LOWEST), _HIGHEST)
        state[v] = variance * (1.0 - weight)
    state[RUN] += 1.0
    state[RUN_SEEN] += seen
    state[RUN_EXPECTED] += predicted * calibrated
    return _judge_run(state, noise)


@njit(cache=True)
def _judge_run(state: Vector, noise: float) -> int:
    uncertainty = 1.5 * noise  # of the difference of two single readings
    moved = state[RUN_SEEN] > max(3.0 * uncertainty, _MOVING * state[RUN_EXPECTED])
    if state[PROBING] != 0.0:
        if moved:
            return SATURATED_OUTCOME
        return STUCK_OUTCOME if state[RUN] >= PROBES else MOVING
    if moved:
        state[BOOST] = 1.0
        if state[RUN] >= _RUN:
            clear_run(state)
        return MOVING
    telling = state[RUN_EXPECTED] > 6.0 * uncertainty or state[STRONGEST] != 0.0
    if state[RUN] < _RUN or not telling:
        return MOVING
    clear_run(state)
    if state[STRONGEST] == 0.0 and state[BOOST] < _STRONGEST_BOOST:
        state[BOOST] *= 2.0
        return MOVING
    state[PROBING] = 1.0
    return STALLED
