"""The two-terminal vertical HfOxSy/HfS2 device (A. Xhameni, A. Lombardo, APL Electron. Dev. 1, 036124, 2025), compiled.

Write law, G the conductance and V the voltage of the row against the column: an Ornstein-Uhlenbeck process towards a
target of the voltage, stopped where it reaches it,

    dG = k(V) (Gs(V) - G) dt + sigma sqrt(2 k(V)) dW                    until G = Gs(V)
    Gs(V) = g_min + (g_max - g_min) f(|V|)    V > 0, potentiation, moves only G < Gs
    Gs(V) = g_max - (g_max - g_min) f(|V|)    V < 0, depression, moves only G > Gs
    f = x + bend x (1 - x) for 0 <= x <= 1, f = x below, 1 above, with x = (|V| - onset) / (full - onset)
    k(V) = rate exp((|V| - 0.85 V) / steepness)

- *Pulses of a train.* One of width t moves G by a (Gs - G) with a = 1 - exp(-k t), and scatters it by
  sigma sqrt(1 - (1 - a)^2): states keep the standard deviation sigma over any number of cycles. A random walk with
  the same steps would have lost them after a few.
- *Pieces.* Each piece at constant voltage is drawn exactly. From a distance m above 0 at its end without noise and the
  standard deviation s, the free end y is normal; it was stopped on the way if y <= 0, else with the probability
  exp(-2 m y / s^2) (reflection at the target, where nothing pulls). So a pulse cut in pieces has exactly the
  distribution of the whole one, and the mean of the stopped process is that of the free one, m.
- *Identical pulses* saturate at the target of their voltage and stay there.
- *Rest.* After the last write the conductance relaxes with the logarithm of time,
  G(t) = G(0) (1 - drift lg(1 + t / 1 s)): 0.45 % a decade, 2.9 % in a month, where the paper measures under 3 %. Law
  and direction (towards HRS) are assumed. Within a train, with 50 us between pulses, it is a ten-millionth.
- *What does not write.* Below the onset the target lies outside [g_min, g_max], so nothing in the range moves at all:
  neither a read (-0.1 V) nor a half-selected device (0.35 to 0.5 V), nor the lower parts of a pulse's edges. The
  exact bound at 0.5 V: potentiation moves G < g_min - 0.07 (g_max - g_min) only, depression the mirrored.

Constants: a least-squares fit to the train of the paper (20 pulses a direction, 0.7 to 0.995 V and 160 to 350 ns at
half amplitude rising linearly; edges of 30 ns, linear, are assumed). What they reach over 10,000 cycles, and the print:

    16 consecutive states of 20         bin 82.4 / 81.7 uS    (81.077 / 80.520)
    standard deviation of a state       23.7 uS               (23.700)
    R^2 of the line through the means   0.9992 / 0.9994       (0.99898 / 0.99925)
    energy of a cycle                   23.5 nJ               (23.74 +- 1.26)

The bin is the mean step; the line's slope is 83.5 / 82.8 uS. The linear part is the last 16 pulses of each direction,
2.64 to 3.87 mS; the first four after a turn move less, and the whole cycle spans 2.45 to 3.87 mS. A rig sees less of
it: through 1 ohm in series bins measure 80.7 / 80.6 uS and R^2 is 0.9991, in a crossbar of three by three whose
half-selected devices share the row's relay 79.5 uS and 0.999. Edges of 70 ns make R^2 0.998.

Assumed, as the papers do not tell: the law beyond the train (linear target up to `full`, exponential rate); the
amplitude of the full WRITE and ERASE pulses of 80 ns, here 2.5 V; that a pristine device (forming-free) stands at
the start of the linear part; that the scatter does not depend on the device.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from rheostat_hal.models.drift import relaxed
from rheostat_hal.models.rng import Generator, normal, uniform

Vector = npt.NDArray[np.float64]

ACROSS = (0.5, 0.5, -0.5, -0.5)  # weights of T1..T4 in the write voltage: T1 and T2 are the row, T3 and T4 the column

# State of one device.
CONDUCTANCE = 0
STATE_NAMES = ("conductance",)
STATE_SIZE = len(STATE_NAMES)

# Parameters of one device; S, V, s.
NOMINAL = {
    "g_min": 1.9e-3,
    "g_max": 4.4e-3,
    "rate": 2.08e6,  # 1/s at 0.85 V
    "steepness": 0.5,  # V, a factor e in the rate
    "onset_potentiation": 0.54,
    "onset_depression": 0.54,
    "full_potentiation": 1.0815,
    "full_depression": 1.087,
    "bend": -0.2,
    "sigma": 23.7e-6,
    "pristine": 2.64e-3,
    "drift": 0.0045,  # of the conductance, per decade of time
}
PARAM_NAMES = tuple(NOMINAL)
G_MIN, G_MAX, RATE, STEEPNESS, ONSET_P, ONSET_D, FULL_P, FULL_D, BEND, SIGMA, PRISTINE, DRIFT = range(len(PARAM_NAMES))

DEFAULT_SPREAD = 0.03

_RATE_AT = 0.85  # V, the middle of the train
_LEAST_RANGE = 0.2  # of g_max: no device of a die has a smaller g_max - g_min
_NEVER = 40.0  # exp(-40): not worth a draw


def nominal() -> Vector:
    """The parameters of the device of the paper, (P,)."""
    return np.array(list(NOMINAL.values()))


def params_of_die(seed: int, n: int, spread: float | None = None) -> Vector:
    """Parameters of the `n` devices of a die, (n, P). A larger die of the same seed begins with the same devices.

    spread: relative rms from device to device of the conductance update (the rate), of g_min and of g_max, each drawn
    on its own, log-normal with the mean kept and not farther out than 2 rms; None: 0.03. The paper measured one device
    and takes 0.3 from the literature (section IV). Where g_min would come near g_max it stays 20 % below.
    """
    spread = DEFAULT_SPREAD if spread is None else spread
    params = np.tile(nominal(), (n, 1))
    if n == 0:
        return params
    draws = np.clip(np.random.default_rng(seed).normal(size=(n, 3)), -2.0, 2.0)
    log_rms = math.sqrt(math.log1p(spread * spread))
    factors = np.exp(log_rms * draws - 0.5 * log_rms * log_rms)
    place = (params[:, PRISTINE] - params[:, G_MIN]) / (params[:, G_MAX] - params[:, G_MIN])
    params[:, RATE] *= factors[:, 0]
    params[:, G_MIN] *= factors[:, 1]
    params[:, G_MAX] *= factors[:, 2]
    params[:, G_MIN] = np.minimum(params[:, G_MIN], (1.0 - _LEAST_RANGE) * params[:, G_MAX])
    params[:, PRISTINE] = params[:, G_MIN] + place * (params[:, G_MAX] - params[:, G_MIN])
    return params


def pristine_states(params: Vector, seed: int) -> Vector:
    """States of devices never pulsed, (n, STATE_SIZE), for their parameters (n, P): sigma around `pristine`."""
    draws = np.random.default_rng([seed & 0xFFFFFFFF, 1]).normal(size=len(params))
    return (params[:, PRISTINE] + params[:, SIGMA] * draws)[:, None]


@njit(cache=True)
def target(params: Vector, voltage: float) -> float:
    """Conductance (S) at which identical pulses of `voltage` (V) saturate."""
    onset, full = (ONSET_P, FULL_P) if voltage > 0.0 else (ONSET_D, FULL_D)
    share = min(1.0, (abs(voltage) - params[onset]) / (params[full] - params[onset]))
    if share > 0.0:
        share += params[BEND] * share * (1.0 - share)
    travel = share * (params[G_MAX] - params[G_MIN])
    return float(params[G_MIN] + travel if voltage > 0.0 else params[G_MAX] - travel)


@njit(cache=True)
def step(state: Vector, params: Vector, voltage: float, width: float, rng: Generator) -> None:
    """Apply `voltage` (V, row against column) for `width` (s): changes `state` in place and advances `rng`."""
    if voltage == 0.0 or not width > 0.0:
        return
    direction = 1.0 if voltage > 0.0 else -1.0
    goal = target(params, voltage)
    way = direction * (goal - state[CONDUCTANCE])
    if not way > 0.0:
        return
    decay = params[RATE] * math.exp((abs(voltage) - _RATE_AT) / params[STEEPNESS]) * width
    mean = way * math.exp(-decay)
    scatter = params[SIGMA] * math.sqrt(-math.expm1(-2.0 * decay))
    left = mean
    if scatter > 0.0:
        left += scatter * normal(rng)
        crossing = 2.0 * mean * left / (scatter * scatter)
        if crossing <= 0.0 or (crossing < _NEVER and uniform(rng) < math.exp(-crossing)):
            left = 0.0
    state[CONDUCTANCE] = goal - direction * left


@njit(cache=True)
def rest(state: Vector, params: Vector, before: float, after: float) -> None:
    """Time passes without a write pulse: from `before` to `after` s since the last one. Changes `state` in place."""
    fresh = state[CONDUCTANCE] / relaxed(params[DRIFT], before)
    state[CONDUCTANCE] = fresh * relaxed(params[DRIFT], after)


@njit(cache=True)
def resistance(state: Vector, params: Vector) -> float:
    """Resistance between row and column, ohm."""
    return float(1.0 / state[CONDUCTANCE])


@njit(cache=True)
def conductances(state: Vector, params: Vector, out: Vector) -> None:
    """Write G12, G23, G34, G41, G13, G24 into `out` (6,), siemens: only G13, row to column, conducts."""
    out[:] = 0.0
    out[4] = state[CONDUCTANCE]
