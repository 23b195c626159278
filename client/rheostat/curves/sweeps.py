"""Feedforward sweeps, predicted or measured, and their segmentation into levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rheostat.curves.choice import choose_voltage, predict
from rheostat.wire import FeedforwardTable

Vector = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sweep:
    """A feedforward sweep: `resistances` (n,) ohm read before each pulse, `voltages` (n,) V of each, positive."""

    direction: int
    resistances: Vector
    voltages: Vector


def predicted_sweep(
    table: FeedforwardTable, direction: int, gain: float = 1.0, max_voltage: float = np.inf, limit: int = 5000
) -> Sweep:
    """The sweep through the whole window that the table predicts for a device of this gain, without any noise.

    Ends at the other end of the window, after `limit` pulses, or where a pulse would move less than a thousandth of an
    ohm.
    """
    lrs, hrs = table.info.window
    step = table.info.step[0 if direction > 0 else 1]
    r, end = (hrs, lrs) if direction > 0 else (lrs, hrs)
    resistances: list[float] = []
    voltages: list[float] = []
    while len(resistances) < limit and (r - end) * direction > 0.0:
        v = min(float(choose_voltage(table, r, step / gain, direction)), max_voltage)
        moved = gain * float(predict(table, r, v, direction))
        if moved < 1e-3:
            break
        resistances.append(r)
        voltages.append(v)
        r -= direction * moved
    return Sweep(direction, np.array(resistances), np.array(voltages))


@dataclass(frozen=True)
class Segmentation:
    """Levels along travel: `targets` (n,) ohm, `pulses` (n,) the m_j of each; `occupied` (n,): False where a level
    shares its m_j with the one before."""

    targets: Vector
    pulses: Indices
    occupied: npt.NDArray[np.bool_]

    def group(self, start: int, end: int) -> range:
        """Pulses of the sweep that lead from level `start` to a later level `end`: m_start .. m_end - 1."""
        return range(int(self.pulses[start]), int(self.pulses[end]))


def segment(resistances: Vector, levels: int, window: tuple[float, float], direction: int) -> Segmentation:
    """The paper's multilevel resistance segmentation (Z. Diao et al., Nanoscale Horiz. 10, 780, 2025).

    resistances: (m,) R_FF, read before each pulse of a measured feedforward sweep. Targets r_1..r_n lie evenly over the
    window (LRS, HRS) along travel (r_1 is HRS in potentiation), m_j = argmin |R_FF - r_j|.
    """
    if levels < 2:
        raise ValueError(f"segmentation needs two levels at least, not {levels}")
    if len(resistances) == 0:
        raise ValueError("segmentation needs a sweep with readings")
    lrs, hrs = window
    targets = np.linspace(hrs, lrs, levels) if direction > 0 else np.linspace(lrs, hrs, levels)
    pulses = np.array([int(np.argmin(np.abs(resistances - target))) for target in targets], dtype=np.int64)
    pulses = np.maximum.accumulate(pulses)
    occupied = np.concatenate([[True], np.diff(pulses) > 0])
    return Segmentation(targets, pulses, occupied)
