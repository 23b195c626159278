"""The feedforward pulse scheme (Z. Diao et al., Nanoscale Horiz. 10, 780, 2025), closed around a target.

Read before each pulse; the write voltage is the one whose calibrated dR(V, R) at the present resistance is the step
wanted. Far from the target the step is the table's (0.262 ohm in potentiation, 0.2405 in depression) times `stride`,
with the calibrated gain, so that a sweep through the window is the paper's. Within `landing` steps of the target the
way left is divided into equal steps, the last of which is expected to land on its centre, and the gain is the one this
device's own pulses have shown. An overshoot turns the direction round. Acceptance: see `evidence`; give-ups: see
`motion` and `evidence`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from rheostatd.schemes import evidence, lookup, motion
from rheostatd.schemes.evidence import HRS, LRS, MEAN, PULSE_NEEDED, check_count, check_range
from rheostatd.schemes.policy import ACCEPT, GIVE_UP, PULSE, Scheme, Task, Vector

STRIDE, LANDING, GAIN_P, GAIN_D = range(evidence.PARAMS, evidence.PARAMS + 4)
PARAMS = evidence.PARAMS + 4

_OVER = 0.1  # a last step may be this much longer (in steps) before it is divided
_SHARE_LAST = 0.35  # of the tolerance: standard error wanted after a pulse that should land
_SHARE_BEFORE = 0.25  # and before it
_BEFORE = 2.0  # steps left when that begins


@dataclass(frozen=True)
class Settings:
    """stride: step while travelling, in steps of the table (1: the paper's; more: faster, coarser); landing: steps of
    the table from the target at which the way left is divided; min_readings, max_readings: readings of one state that
    acceptance needs at least and that are spent at most before another pulse."""

    stride: float = 1.0
    landing: float = 3.0
    min_readings: int = 2
    max_readings: int = 64

    def __post_init__(self) -> None:
        check_range("stride", self.stride, 0.1, 50.0)
        check_range("landing", self.landing, 1.0, 20.0)
        check_count("min_readings", self.min_readings, 1, 64)
        check_count("max_readings", self.max_readings, 1, 1024)


def pack(settings: Settings, task: Task) -> tuple[Vector, Vector]:
    """(params, shared) for one device. Raises ValueError without a table that fits the limits."""
    common = evidence.pack(task, settings.min_readings, settings.max_readings)
    params = np.array([*common, settings.stride, settings.landing, *task.gains])
    if not np.all(np.isfinite(params)) or min(task.gains) <= 0.0:
        raise ValueError(f"gains must be positive numbers, not {task.gains}")
    return params, lookup.pack(task)


@njit(cache=True)
def begin(params: Vector, state: Vector, target: float) -> None:
    evidence.forget(state)
    motion.prepare(state, params[GAIN_P], params[GAIN_D])


@njit(cache=True)
def step(
    params: Vector, shared: Vector, state: Vector, target: float, reading: float, readings: int
) -> tuple[int, float, float, int]:
    action, count = evidence.judge(params, state, target, reading, readings)
    if action != PULSE_NEEDED and action != ACCEPT:
        return action, 0.0, 0.0, count
    moving = motion.learn(params, state, params[GAIN_P] if state[motion.DIRECTION] > 0.0 else params[GAIN_D])
    if action == ACCEPT:
        return action, 0.0, 0.0, 0
    if moving >= GIVE_UP:
        return moving, 0.0, 0.0, 0
    return approach(params, shared, state, target)


@njit(cache=True)
def approach(params: Vector, shared: Vector, state: Vector, target: float) -> tuple[int, float, float, int]:
    """The next write pulse towards the target, from the present estimate."""
    mean = state[MEAN]
    way = mean - target
    direction = 1.0 if way > 0.0 else -1.0
    step_length = lookup.step_of(shared, direction)
    calibrated = params[GAIN_P] if direction > 0.0 else params[GAIN_D]
    steps = abs(way) / step_length
    if state[motion.PROBING] != 0.0:
        direction = motion.probing(state, direction)
        wanted = motion.PROBE_STEP * (params[HRS] - params[LRS])
        wanted /= params[GAIN_P] if direction > 0.0 else params[GAIN_D]
        steps = math.inf
    elif steps > params[LANDING]:
        wanted = step_length * min(params[STRIDE], max(1.0, 0.5 * steps)) / calibrated
    else:
        number = max(1.0, math.ceil(steps - _OVER))
        wanted = abs(way) / number / motion.gain(state, direction)
    voltage, predicted = lookup.choose(shared, mean, direction, wanted * state[motion.BOOST])
    strongest = voltage >= shared[lookup.GRID + int(shared[lookup.A]) - 1]
    motion.launch(state, direction, predicted, strongest)
    count = 1
    if steps <= 1.0 + _OVER:
        count = max(int(params[evidence.MIN_READINGS]), evidence.readings_for(params, state, _SHARE_LAST))
    elif steps <= _BEFORE + _OVER:
        count = evidence.readings_for(params, state, _SHARE_BEFORE)
    return PULSE, direction * voltage, shared[lookup.WIDTH], count


FFP = Scheme("ffp", Settings, motion.STATE, pack, begin, step, evidence.estimate)
