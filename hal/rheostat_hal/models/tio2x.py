"""The four-terminal planar TiO2-x device (Z. Diao et al., Nanoscale Horiz. 10, 780, 2025): bulk switching, compiled.

Write law, R the resistance read between T1 and T3 and V the write voltage, mean(T2, T4) - mean(T1, T3):

    dR/dt = -kp g (R - (880 ohm - 24.4 ohm/V V))       V > 0, potentiation, only downwards
    dR/dt =  kd g (740 ohm + 40.4 ohm/V |V| - R)       V < 0, depression, only upwards

so that identical pulses saturate at a resistance of their own (Fig. 2a) and dR per pulse depends on R and V (Fig. 2c,
d). The constants are those which meet the printed pulse counts 494 +- 11 and 579 +- 17, the mean powers 240.7 and
114.6 mW, the skipped levels and the non-linearity together. On top of the law:

- *Pulse noise.* Ions advance in a gamma process: the effective time of a pulse of width w has mean w and variance
  `jitter` w, 15 % rms at 0.8 s. Steps are never negative, and a pulse cut in pieces has exactly the distribution of
  the whole one; with `jitter` 0 the pieces compose exactly (the law is integrated in closed form).
- *Sweep gain.* g = 1 + 0.022 z in potentiation, 1 + 0.029 z in depression; z is constant while the device travels in
  one direction and is drawn anew at a turn, the more independently the farther the device had travelled.
- *Joule steps.* Travel in one direction leaves loose ions that make the first steps in the other direction larger
  (ESI: extra diffusion, worst near HRS in potentiation and near LRS in depression): x1.5 over up to 32.5 ohm of
  potentiation, x1.66 over up to 2.4 ohm of depression. The reach grows with the travel before (full after a window)
  and is used up by travel: it depends on history, not on R, so that calibration trains with short strokes between
  them see little of it.
- *Rest.* After the last write the conductance may relax with the logarithm of time, by `drift` a decade beyond 1 s. The
  paper has no figure for it: `drift` is 0.
- *Below 0.2 V nothing moves*: reads at 0.1 V do not disturb.

Conductances: the read current T1 -> T3 (T2, T3, T4 at 0 V) flows through G13 = 1/R alone; the write current runs from
T2 and T4 to T1 and T3 through the four neighbouring conductances, 2.4 times G13 each, about 83 ohm in all.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from rheostat_hal.models.drift import relaxed
from rheostat_hal.models.rng import Generator, gamma, normal

Vector = npt.NDArray[np.float64]

# State of one device.
RESISTANCE, DIRECTION, TRAVEL, SWEEP, LOOSE_POTENTIATION, LOOSE_DEPRESSION = range(6)
STATE_NAMES = ("resistance", "direction", "travel", "sweep", "loose_potentiation", "loose_depression")
STATE_SIZE = len(STATE_NAMES)
ACROSS = (-0.5, 0.5, -0.5, 0.5)  # the write voltage from the voltages of T1..T4

# Parameters of one device; ohm, V, s. g12 to g24 are the other conductances relative to G13.
NOMINAL = {
    "kp": 0.012,  # 1/s
    "kd": 0.006,  # 1/s
    "pot_base": 880.0,
    "pot_slope": 24.4,  # ohm/V
    "dep_base": 740.0,
    "dep_slope": 40.4,  # ohm/V
    "sweep_potentiation": 0.022,
    "sweep_depression": 0.029,
    "jitter": 0.15**2 * 0.8,  # s, variance of the effective time per second of pulse
    "joule_potentiation": 1.5,
    "joule_depression": 1.66,
    "reach_potentiation": 32.5,  # ohm
    "reach_depression": 2.4,  # ohm
    "full_travel": 140.0,  # ohm of travel that loosen all of the reach
    "memory": 30.0,  # ohm of travel after which the sweep gain is drawn independently
    "threshold": 0.2,  # V, nothing moves below
    "pristine": 820.0,  # ohm, as fabricated
    "g12": 2.4,
    "g23": 2.4,
    "g34": 2.4,
    "g41": 2.4,
    "g24": 1.0,
    "drift": 0.0,  # of the conductance, per decade of time
}
PARAM_NAMES = tuple(NOMINAL)
(
    KP,
    KD,
    POT_BASE,
    POT_SLOPE,
    DEP_BASE,
    DEP_SLOPE,
    SWEEP_P,
    SWEEP_D,
    JITTER,
    JOULE_P,
    JOULE_D,
    REACH_P,
    REACH_D,
    FULL_TRAVEL,
    MEMORY,
    THRESHOLD,
    PRISTINE,
    G12,
    G23,
    G34,
    G41,
    G24,
    DRIFT,
) = range(len(PARAM_NAMES))


def nominal() -> Vector:
    """The parameters of the device of the paper, (P,)."""
    return np.array(list(NOMINAL.values()))


def params_of_die(seed: int, n: int, spread: float | None = None) -> Vector:
    """Parameters of the `n` devices of a die, (n, P). A larger die of the same seed begins with the same devices.

    Device to device: 2.5 % rms in the rates together and 1.5 % in each, 0.6 ohm and 0.4 % in the limits, 12 ohm in the
    pristine resistance, 1 % in the conductance ratios; nothing farther out than 2 rms, so that LRS and HRS can be
    reached by all of them within +-7 V. (The paper calls the variation low, ESI Fig. S2, without a number.) `spread`
    replaces the 2.5 % and scales all others with it.
    """
    params = np.tile(nominal(), (n, 1))
    if n == 0:
        return params
    draws = np.clip(np.random.default_rng(seed).normal(size=(n, 13)), -2.0, 2.0)
    if spread is not None:
        draws *= spread / 0.025
    common = 1.0 + 0.025 * draws[:, 0]
    params[:, KP] *= common * (1.0 + 0.015 * draws[:, 1])
    params[:, KD] *= common * (1.0 + 0.015 * draws[:, 2])
    params[:, POT_BASE] += 0.6 * draws[:, 3]
    params[:, DEP_BASE] += 0.6 * draws[:, 4]
    params[:, POT_SLOPE] *= 1.0 + 0.004 * draws[:, 5]
    params[:, DEP_SLOPE] *= 1.0 + 0.004 * draws[:, 6]
    params[:, PRISTINE] += 12.0 * draws[:, 7]
    params[:, G12 : G24 + 1] *= 1.0 + 0.01 * draws[:, 8:13]
    return params


def pristine_states(params: Vector, seed: int) -> Vector:
    """States of devices never pulsed, (n, STATE_SIZE), for their parameters (n, P)."""
    states = np.zeros((len(params), STATE_SIZE))
    states[:, RESISTANCE] = params[:, PRISTINE]
    states[:, SWEEP] = np.random.default_rng([seed & 0xFFFFFFFF, 1]).normal(size=len(params))
    return states


@njit(cache=True)
def _travel(distance: float, rate: float, factor: float, loose: float, time: float) -> float:
    """Travel towards a limit `distance` away in `time`: `factor` times faster over the first `loose` ohm."""
    if loose <= 0.0:
        return -distance * math.expm1(-rate * time)
    moved = -distance * math.expm1(-rate * factor * time)
    if moved <= loose:
        return moved
    time += math.log1p(-loose / distance) / (rate * factor)  # less the time in which the loose ions are used up
    return loose - (distance - loose) * math.expm1(-rate * time)


@njit(cache=True)
def step(state: Vector, params: Vector, voltage: float, width: float, rng: Generator) -> None:
    """Apply `voltage` (V) for `width` (s): changes `state` in place and advances `rng`."""
    if not (abs(voltage) >= params[THRESHOLD] and width > 0.0):
        return
    direction = 1.0 if voltage > 0.0 else -1.0
    if direction != state[DIRECTION]:
        if state[DIRECTION] != 0.0:
            kept = math.exp(-state[TRAVEL] / params[MEMORY])
            state[SWEEP] = kept * state[SWEEP] + math.sqrt(1.0 - kept * kept) * normal(rng)
        state[DIRECTION] = direction
        state[TRAVEL] = 0.0
    time = width
    if params[JITTER] > 0.0:
        time = params[JITTER] * gamma(rng, width / params[JITTER])
    if voltage > 0.0:
        distance = state[RESISTANCE] - (params[POT_BASE] - params[POT_SLOPE] * voltage)
        rate = params[KP] * max(0.1, 1.0 + params[SWEEP_P] * state[SWEEP])
        factor = params[JOULE_P]
        loose = state[LOOSE_POTENTIATION]
    else:
        distance = params[DEP_BASE] - params[DEP_SLOPE] * voltage - state[RESISTANCE]
        rate = params[KD] * max(0.1, 1.0 + params[SWEEP_D] * state[SWEEP])
        factor = params[JOULE_D]
        loose = state[LOOSE_DEPRESSION]
    if distance <= 0.0:
        return
    moved = _travel(distance, rate, factor, loose, time)
    loose = max(0.0, loose - moved)
    state[TRAVEL] += moved
    if voltage > 0.0:
        state[RESISTANCE] -= moved
        state[LOOSE_POTENTIATION] = loose
        share = params[REACH_D] / params[FULL_TRAVEL]
        state[LOOSE_DEPRESSION] = min(params[REACH_D], state[LOOSE_DEPRESSION] + moved * share)
    else:
        state[RESISTANCE] += moved
        state[LOOSE_DEPRESSION] = loose
        share = params[REACH_P] / params[FULL_TRAVEL]
        state[LOOSE_POTENTIATION] = min(params[REACH_P], state[LOOSE_POTENTIATION] + moved * share)


@njit(cache=True)
def rest(state: Vector, params: Vector, before: float, after: float) -> None:
    """Time passes without a write pulse: from `before` to `after` s since the last one. Changes `state` in place."""
    fresh = state[RESISTANCE] * relaxed(params[DRIFT], before)
    state[RESISTANCE] = fresh / relaxed(params[DRIFT], after)


@njit(cache=True)
def resistance(state: Vector, params: Vector) -> float:
    """Resistance between T1 and T3 as the read protocol sees it, ohm."""
    return float(state[RESISTANCE])


@njit(cache=True)
def conductances(state: Vector, params: Vector, out: Vector) -> None:
    """Write G12, G23, G34, G41, G13, G24 into `out` (6,), siemens."""
    opposite = 1.0 / state[RESISTANCE]
    out[0] = params[G12] * opposite
    out[1] = params[G23] * opposite
    out[2] = params[G34] * opposite
    out[3] = params[G41] * opposite
    out[4] = opposite
    out[5] = params[G24] * opposite
