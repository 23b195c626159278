"""What a feedforward table says: the step of a pulse, and the voltage of a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from rheostat.wire import FeedforwardTable

Vector = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


def fine_voltages(voltages: Sequence[float], spacing: float = 0.125) -> Vector:
    """The voltages with even subdivisions between them no farther apart than `spacing`."""
    measured = np.unique(np.asarray(voltages, dtype=np.float64))
    pieces = [
        np.linspace(low, high, int(np.ceil((high - low) / spacing - 1e-9)), endpoint=False)
        for low, high in pairwise(measured)
    ]
    return np.concatenate([*pieces, measured[-1:]])


def predict(table: FeedforwardTable, resistance: npt.ArrayLike, voltage: npt.ArrayLike, direction: int) -> Vector:
    """Predicted step (ohm, >= 0) of one pulse; resistance and voltage broadcast together."""
    r, v = np.broadcast_arrays(np.asarray(resistance, dtype=np.float64), np.asarray(voltage, dtype=np.float64))
    values = table.potentiation if direction > 0 else table.depression
    k, right = _places(table.resistances, r)
    i, up = _places(table.voltages, v)
    below = values[i, k] * (1.0 - right) + values[i, k + 1] * right
    above = values[i + 1, k] * (1.0 - right) + values[i + 1, k + 1] * right
    return np.asarray(below + (above - below) * up)


def choose_voltage(table: FeedforwardTable, resistance: npt.ArrayLike, step: npt.ArrayLike, direction: int) -> Vector:
    """Vw (V, positive) interpolated so that the predicted step is `step` ohm, at each resistance.

    The largest voltage of the table where even that predicts less, the smallest where that predicts more.
    """
    r, wanted = np.broadcast_arrays(np.asarray(resistance, dtype=np.float64), np.asarray(step, dtype=np.float64))
    values = table.potentiation if direction > 0 else table.depression
    k, right = _places(table.resistances, r)
    columns = values[:, k] * (1.0 - right) + values[:, k + 1] * right
    row = np.clip(np.sum(columns < wanted, axis=0) - 1, 0, len(table.voltages) - 2)
    below = np.take_along_axis(columns, row[None], axis=0)[0]
    above = np.take_along_axis(columns, row[None] + 1, axis=0)[0]
    span = above - below
    share = np.clip(np.where(span > 0.0, (wanted - below) / np.where(span > 0.0, span, 1.0), 1.0), 0.0, 1.0)
    share = np.where(wanted <= columns[0], 0.0, share)
    return np.asarray(table.voltages[row] + share * (table.voltages[row + 1] - table.voltages[row]))


@dataclass(frozen=True)
class Choice:
    """Over `resistances` (m,) ohm: `voltages` (m,) V that is chosen, and the range `lowest` to `highest` (m,) V of a
    predicted step within the table's bounds; nan where no voltage keeps it there."""

    resistances: Vector
    voltages: Vector
    lowest: Vector
    highest: Vector


def choices(table: FeedforwardTable, direction: int, resistances: npt.ArrayLike | None = None) -> Choice:
    """Vw over R, as a feedforward sweep takes it (Z. Diao et al., Nanoscale Horiz. 10, 780, 2025, Fig. 2c, d): the one
    whose predicted step is that of the table (TableInfo.step), and those that keep it within TableInfo.bounds.

    resistances: (m,) ohm; None: those of the table.
    """
    r = np.asarray(table.resistances if resistances is None else resistances, dtype=np.float64)
    least, most = table.info.bounds
    edge, largest = (predict(table, r, table.voltages[i], direction) for i in (0, -1))
    possible = (largest > least) & (edge < most)
    lowest = np.where(possible, choose_voltage(table, r, least, direction), np.nan)
    highest = np.where(possible, choose_voltage(table, r, most, direction), np.nan)
    step = table.info.step[0 if direction > 0 else 1]
    return Choice(r, choose_voltage(table, r, step, direction), lowest, highest)


def _places(axis: Vector, values: Vector) -> tuple[Indices, Vector]:
    """Index of the interval and the share of it, clamped to the axis."""
    inside = np.clip(values, axis[0], axis[-1])
    k = np.clip(np.searchsorted(axis, inside, side="right") - 1, 0, len(axis) - 2)
    return k, (inside - axis[k]) / (axis[k + 1] - axis[k])
