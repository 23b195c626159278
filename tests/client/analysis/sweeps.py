"""Feedforward sweeps of the virtual TiO2-x device by a table without errors, as the paper's processes: to and fro."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from rheostat_hal.models import rng, tio2x

Vector = npt.NDArray[np.float64]

WINDOW = (740.0, 880.0)
STEPS = (0.262, 0.2405)  # ohm aimed at by one pulse, potentiation and depression
WIDTH = 0.8  # s
NOISE = 0.02  # ohm rms of one reading
WEAKEST, STRONGEST = 0.3, 7.0  # V
LONGEST = 1000  # pulses


@dataclass(frozen=True)
class Process:
    """One sweep: `readings` (m + 1,) ohm, before each pulse and after the last; `energy` (m,) J of each pulse."""

    direction: int
    readings: Vector
    energy: Vector


def processes(count: int, seed: int) -> tuple[list[Process], list[Process]]:
    """`count` potentiation and `count` depression processes of one device, after one of each that nobody looks at."""
    params = tio2x.nominal()
    state = tio2x.pristine_states(params[None], seed)[0]
    kinds: tuple[list[Process], list[Process]] = ([], [])
    generator = rng.seed(seed, 0)
    for k in range(2 * count + 2):
        direction = 1 if k % 2 == 0 else -1
        readings, energy = _sweep(params, state, generator, direction)
        if k > 1:
            kinds[k % 2].append(Process(direction, readings, energy))
    return kinds


@njit
def _sweep(params: Vector, state: Vector, generator: rng.Generator, direction: int) -> tuple[Vector, Vector]:
    readings = np.empty(LONGEST + 1)
    energy = np.empty(LONGEST)
    rate, step = (params[tio2x.KP], STEPS[0]) if direction > 0 else (params[tio2x.KD], STEPS[1])
    distance = -step / math.expm1(-rate * WIDTH)  # from the resistance at which the pulse saturates
    pulses = 0
    readings[0] = tio2x.resistance(state, params) + NOISE * rng.normal(generator)
    while pulses < LONGEST:
        here = readings[pulses]
        if here <= WINDOW[0] if direction > 0 else here >= WINDOW[1]:
            break
        if direction > 0:
            voltage = (params[tio2x.POT_BASE] - here + distance) / params[tio2x.POT_SLOPE]
        else:
            voltage = (here + distance - params[tio2x.DEP_BASE]) / params[tio2x.DEP_SLOPE]
        voltage = min(max(voltage, WEAKEST), STRONGEST)
        conductance = (params[tio2x.G12] + params[tio2x.G23] + params[tio2x.G34] + params[tio2x.G41]) / here
        energy[pulses] = voltage**2 * conductance * WIDTH
        tio2x.step(state, params, direction * voltage, WIDTH, generator)
        pulses += 1
        readings[pulses] = tio2x.resistance(state, params) + NOISE * rng.normal(generator)
    return readings[: pulses + 1].copy(), energy[:pulses].copy()
