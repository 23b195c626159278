"""The feedforward table as a flat vector, and how compiled policies look things up in it.

Layout of the packed table: [a, m, r0, dr, step_p, step_d, low, high, width, V (a), potentiation (a*m),
depression (a*m)], resistances on an even grid r0 + k dr.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from rheostat.wire import FeedforwardTable
from rheostatd.schemes.policy import Task, Vector

A, M, R0, DR, STEP_P, STEP_D, LOW, HIGH, WIDTH, GRID = range(10)


def pack(task: Task) -> Vector:
    """The task's table up to its max_voltage. Raises ValueError when there is none or it does not fit the limits."""
    table = task.table
    if table is None:
        raise ValueError("it needs a feedforward table: calibrate a device first")
    if table.info.width > task.max_width * (1.0 + 1e-9):
        raise ValueError(
            f"the table was calibrated with {table.info.width:g} s pulses, allowed are {task.max_width:g} s"
        )
    voltages = np.asarray(table.voltages, dtype=np.float64)
    if voltages[0] > task.max_voltage:
        raise ValueError(f"the table begins at {voltages[0]:g} V, allowed are {task.max_voltage:g} V")
    resistances = np.linspace(table.resistances[0], table.resistances[-1], len(table.resistances))
    allowed = voltages[voltages < task.max_voltage]
    if voltages[-1] >= task.max_voltage:
        allowed = np.append(allowed, task.max_voltage)
    maps = [_resampled(table, values, allowed, resistances) for values in (table.potentiation, table.depression)]
    head = [
        float(len(allowed)),
        float(len(resistances)),
        resistances[0],
        resistances[1] - resistances[0],
        *table.info.step,
        *table.info.bounds,
        table.info.width,
    ]
    return np.concatenate([np.array(head), allowed, maps[0].ravel(), maps[1].ravel()])


def _resampled(table: FeedforwardTable, values: Vector, voltages: Vector, resistances: Vector) -> Vector:
    rows = np.stack([np.interp(resistances, table.resistances, row) for row in values])
    return np.stack([np.interp(voltages, table.voltages, rows[:, k]) for k in range(len(resistances))], axis=1)


@njit(cache=True)
def _map(table: Vector, direction: float) -> int:
    a = int(table[A])
    start = GRID + a
    return start if direction > 0.0 else start + a * int(table[M])


@njit(cache=True)
def _value(table: Vector, start: int, row: int, k: int, fraction: float) -> float:
    at = start + row * int(table[M]) + k
    return float(table[at] + fraction * (table[at + 1] - table[at]))


@njit(cache=True)
def _place(table: Vector, resistance: float) -> tuple[int, float]:
    position = (resistance - table[R0]) / table[DR]
    position = min(max(position, 0.0), table[M] - 1.0)
    k = min(int(position), int(table[M]) - 2)
    return k, position - k


@njit(cache=True)
def choose(table: Vector, resistance: float, direction: float, wanted: float) -> tuple[float, float]:
    """Voltage (V, positive) whose predicted step is `wanted` ohm at `resistance`, and that prediction.

    Interpolated between the rows of the table; the largest voltage where even that predicts less, the smallest where
    that predicts more. direction: 1 potentiation, -1 depression.
    """
    k, fraction = _place(table, resistance)
    start = _map(table, direction)
    low = 0
    high = int(table[A]) - 1
    below = _value(table, start, low, k, fraction)
    above = _value(table, start, high, k, fraction)
    if wanted >= above:
        return float(table[GRID + high]), above
    if wanted <= below:
        return float(table[GRID]), below
    while high - low > 1:
        middle = (low + high) // 2
        value = _value(table, start, middle, k, fraction)
        if value >= wanted:
            high = middle
            above = value
        else:
            low = middle
            below = value
    share = (wanted - below) / (above - below)
    return float(table[GRID + low] + share * (table[GRID + high] - table[GRID + low])), wanted


@njit(cache=True)
def step_of(table: Vector, direction: float) -> float:
    """The step aimed at while travelling, ohm."""
    return float(table[STEP_P] if direction > 0.0 else table[STEP_D])
