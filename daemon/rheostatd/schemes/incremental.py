"""Incremental-step pulses with verification: amplitude and width rise until the device moves; no table needed.

Each direction has a strength k = 0, 1, ..; its pulse has the voltage start_voltage + k voltage_step and the width
start_width * growth^k, both up to the limits. A step that covers less than a third of the way left raises k by one, a
step too long for the way left lowers it, and an overshoot turns the direction round at a lower strength, so that steps
shrink around the target. Where a device stalls, the pulses that ask it to go the other way begin gently and double, so
that what is merely saturated stays near where it saturated. Acceptance and give-ups: see `evidence` and `motion`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from rheostatd.schemes import evidence, motion
from rheostatd.schemes.evidence import MEAN, PENDING, PREVIOUS, PULSE_NEEDED, check_count, check_range
from rheostatd.schemes.policy import ACCEPT, GIVE_UP, PULSE, Scheme, Task, Vector

START_VOLTAGE, VOLTAGE_STEP, START_WIDTH, GROWTH, STRONGEST = range(evidence.PARAMS, evidence.PARAMS + 5)

STRENGTH_P, STRENGTH_D = motion.STATE, motion.STATE + 1
STATE = motion.STATE + 2

_RISE = 1.0 / 3.0  # of the way left: a shorter step raises the strength
_FALL = 0.8  # of the way left: a longer step lowers it
_TURN = 3.0  # the strength falls by this much after an overshoot, in both directions
_FAMILIAR = 0.6  # of the other direction's strength, where a direction not used before begins
_SHARE_NEAR = 0.35  # of the tolerance: standard error wanted when the next step may land
_GAIN = 1.0  # nothing is calibrated


@dataclass(frozen=True)
class Settings:
    """start_voltage V, voltage_step V, start_width s, width_growth (factor): how pulses grow; min_readings,
    max_readings: readings of one state that acceptance needs at least and that are spent at most before a pulse."""

    start_voltage: float = 0.5
    voltage_step: float = 0.25
    start_width: float = 0.1
    width_growth: float = 1.12
    min_readings: int = 2
    max_readings: int = 64

    def __post_init__(self) -> None:
        check_range("start_voltage", self.start_voltage, 0.2, 100.0, "V")
        check_range("voltage_step", self.voltage_step, 0.001, 10.0, "V")
        check_range("start_width", self.start_width, 1e-9, 1000.0, "s")
        check_range("width_growth", self.width_growth, 1.0, 10.0)
        check_count("min_readings", self.min_readings, 1, 64)
        check_count("max_readings", self.max_readings, 1, 1024)


def pack(settings: Settings, task: Task) -> tuple[Vector, Vector]:
    """(params, shared): nothing is shared. Raises ValueError when the first pulse is beyond the limits."""
    common = evidence.pack(task, settings.min_readings, settings.max_readings)
    if settings.start_voltage > task.max_voltage:
        raise ValueError(f"start_voltage {settings.start_voltage:g} V is above the {task.max_voltage:g} V allowed")
    if settings.start_width > task.max_width:
        raise ValueError(f"start_width {settings.start_width:g} s is above the {task.max_width:g} s allowed")
    strongest = math.ceil((task.max_voltage - settings.start_voltage) / settings.voltage_step)
    if settings.width_growth > 1.0:
        widest = math.log(task.max_width / settings.start_width) / math.log(settings.width_growth)
        strongest = max(strongest, math.ceil(widest))
    own = [settings.start_voltage, settings.voltage_step, settings.start_width, settings.width_growth, strongest]
    return np.array([*common, *own]), np.zeros(1)


@njit(cache=True)
def begin(params: Vector, state: Vector, target: float) -> None:
    evidence.forget(state)
    motion.prepare(state, _GAIN, _GAIN)


@njit(cache=True)
def step(
    params: Vector, shared: Vector, state: Vector, target: float, reading: float, readings: int
) -> tuple[int, float, float, int]:
    action, count = evidence.judge(params, state, target, reading, readings)
    if action != PULSE_NEEDED and action != ACCEPT:
        return action, 0.0, 0.0, count
    known = state[PENDING] == 2.0 and state[evidence.PREVIOUS_COUNT] > 0.0
    last = state[motion.DIRECTION]
    seen = (state[PREVIOUS] - state[MEAN]) * last
    moving = motion.learn(params, state, _GAIN)
    if action == ACCEPT:
        return action, 0.0, 0.0, 0
    if moving >= GIVE_UP:
        return moving, 0.0, 0.0, 0
    way = abs(state[MEAN] - target)
    direction = 1.0 if state[MEAN] > target else -1.0
    if state[motion.PROBING] != 0.0:
        direction = motion.probing(state, direction)
        strength = params[STRONGEST] * 2.0 ** (state[motion.RUN] - (motion.PROBES - 1.0))
    elif last != 0.0 and direction != last:
        strength = _turn(state, direction)
    elif known:
        strength = _adapt(state[_at(direction)], seen, way, 2.0 * evidence.noise_of(params, state))
    else:
        strength = float(state[_at(direction)])
    strength = min(max(strength, 0.0), params[STRONGEST])
    state[_at(direction)] = strength
    voltage = min(params[evidence.MAX_VOLTAGE], params[START_VOLTAGE] + strength * params[VOLTAGE_STEP])
    width = min(params[evidence.MAX_WIDTH], params[START_WIDTH] * params[GROWTH] ** strength)
    motion.launch(state, direction, 0.0, strength >= params[STRONGEST])
    count = 1
    if way < 10.0 * params[evidence.TOLERANCE] or (known and way < 2.0 * seen):
        count = max(int(params[evidence.MIN_READINGS]), evidence.readings_for(params, state, _SHARE_NEAR))
    return PULSE, direction * voltage, width, count


@njit(cache=True)
def _at(direction: float) -> int:
    return STRENGTH_P if direction > 0.0 else STRENGTH_D


@njit(cache=True)
def _adapt(strength: float, seen: float, way: float, noise: float) -> float:
    """Strength of the next pulse in the same direction after a step of `seen` with `way` left, ohm."""
    if seen < max(noise, _RISE * way):
        return strength + 1.0
    if seen > _FALL * way:
        return strength - 1.0 - math.floor(2.0 * math.log2(seen / (_FALL * way)))
    return strength


@njit(cache=True)
def _turn(state: Vector, direction: float) -> float:
    """Strength of the first pulse after turning round."""
    other = _at(-direction)
    state[other] = max(0.0, state[other] - _TURN)
    own = float(state[_at(direction)])
    return max(0.0, own - _TURN) if own > 0.0 else _FAMILIAR * float(state[other])


INCREMENTAL = Scheme("incremental", Settings, STATE, pack, begin, step, evidence.estimate)
