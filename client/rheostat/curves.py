"""Pure functions on measured curves: dR maps from pulse trains, the choice of Vw, sweeps, segmentation into levels.

Resistances in ohm, voltages in V and positive for both directions; `direction` is 1 for potentiation (resistance
falls) and -1 for depression. Imports nothing of ours but the wire's table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from rheostat.wire import FeedforwardTable

Vector = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_NODES = 12  # of the fitted surface along R
_SMOOTHING = (1e0, 1e2, 1e4, 1e6, 1e8)  # weights of the penalty that are tried
_HISTORY = 0.25  # of the stroke before a train: so much travel after the turn shows history, not the map
_BLOCKS = 24  # runs of pulses that a train is divided into
_ROUNDS = 6  # of reweighting
_TUKEY = 4.0  # residuals beyond so many deviations are outliers
_LEAST_PULSE_NOISE = 0.01
_FLOOR = 0.02  # ohm, added to a prediction before a relative deviation is reckoned


@dataclass(frozen=True)
class Train:
    """Identical write pulses: `readings` (n + 1,) ohm, before the first and after each of n pulses of `voltage`.

    stroke: ohm that the device was moved the other way just before (by initialisation).
    """

    direction: int
    voltage: float
    readings: Vector
    stroke: float = 0.0

    @property
    def before(self) -> Vector:
        """Resistance before each pulse, (n,)."""
        return self.readings[:-1]

    @property
    def steps(self) -> Vector:
        """Change towards the direction's end by each pulse, (n,); negative where noise is larger than the step."""
        return np.asarray(-self.direction * np.diff(self.readings))

    @property
    def settled(self) -> int:
        """First pulse whose step shows the device and not its history.

        After a change of direction the first steps are larger (Joule heating: extra ion diffusion), the longer the
        stroke before, the farther; a quarter of that stroke covers it. At least half of the train is always kept.
        """
        travel = np.abs(self.before - self.readings[0])
        first = int(np.argmax(np.append(travel, np.inf) >= _HISTORY * self.stroke))
        return min(first, len(self.before) // 2)


def dr_map(trains: Sequence[Train], direction: int, voltages: Vector, resistances: Vector, noise: float) -> Vector:
    """dR(V, R) of one direction fitted to trains, (len(voltages), len(resistances)) ohm, >= 0, non-decreasing in V.

    A smooth surface, bilinear between nodes at the trains' voltages and every twelfth of the resistance axis, whose
    second differences are penalised along both axes: the smoothest whose generalised cross-validation score lies
    within one standard error of the best. No law of the device is assumed: where a train did not go the surface
    continues straight on, and where it would be negative the pulse moves nothing. Pulses scatter in proportion to their
    step (the share is estimated) and by `noise` (rms of one reading, ohm); outliers count little (Tukey's biweight);
    what a train shows of the stroke before it is left out.
    """
    chosen = sorted((t for t in trains if t.direction == direction and len(t.readings) > 1), key=lambda t: t.voltage)
    rows = np.array(sorted({t.voltage for t in chosen}))
    if len(rows) < 2:
        raise ValueError("a dR map needs trains at two voltages at least")
    blocks = [_blocks(t) for t in chosen]
    before, steps, counts = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    row = np.concatenate(
        [np.full(len(b[0]), np.searchsorted(rows, t.voltage)) for t, b in zip(chosen, blocks, strict=True)]
    )
    nodes = np.linspace(resistances[0], resistances[-1], _NODES)
    design = np.zeros((len(steps), len(rows) * _NODES))
    position = np.clip((before - nodes[0]) / (nodes[1] - nodes[0]), 0.0, _NODES - 1.0)
    k = np.minimum(position.astype(np.int64), _NODES - 2)
    points = np.arange(len(steps))
    design[points, row * _NODES + k] = 1.0 - (position - k)
    design[points, row * _NODES + k + 1] = position - k
    along_r = np.kron(np.eye(len(rows)), _second_differences(np.arange(_NODES, dtype=float)))
    along_v = np.kron(_second_differences(_even(rows)), np.eye(_NODES))
    surface = _fit(design, steps, counts, noise, along_r.T @ along_r + along_v.T @ along_v).reshape(len(rows), _NODES)
    fine = np.stack([np.interp(resistances, nodes, values) for values in surface])
    fine = np.stack([_isotonic(column) for column in fine.T], axis=1)
    wanted = np.stack([_straight(voltages, rows, column) for column in fine.T], axis=1)
    return np.maximum(np.maximum.accumulate(wanted, axis=0), 0.0)


def _blocks(train: Train) -> tuple[Vector, Vector, Vector]:
    """(resistance, mean step, pulses) of runs of pulses: the noise of readings inside a run cancels."""
    readings = train.readings[train.settled :]
    cuts = np.unique(np.linspace(0, len(readings) - 1, min(_BLOCKS, len(readings) - 1) + 1).round().astype(int))
    counts = np.diff(cuts).astype(np.float64)
    steps = -train.direction * np.diff(readings[cuts]) / counts
    before = np.array([np.mean(readings[a:b]) for a, b in pairwise(cuts)])
    return before, steps, counts


def _fit(design: Vector, steps: Vector, counts: Vector, noise: float, penalty: Vector) -> Vector:
    """Nodes of the penalised surface by iteratively reweighted least squares."""
    share = 0.15
    prediction = np.maximum(np.median(steps), 0.0) + np.zeros_like(steps)
    robust = np.ones_like(steps)
    best = _SMOOTHING[-1]
    nodes = np.zeros(design.shape[1])
    ridge = 1e-9 * np.eye(design.shape[1])
    for turn in range(_ROUNDS):
        variance = (share * np.maximum(prediction, _FLOOR)) ** 2 / counts + 2.0 * (noise / counts) ** 2 + 1e-12
        weights = robust / variance
        normal = design.T @ (design * weights[:, None])
        right = design.T @ (weights * steps)
        if turn in (1, 3):
            scores = [(_gcv(design, steps, weights, normal, right, s * penalty), s) for s in _SMOOTHING]
            enough = min(scores)[0] * (1.0 + math.sqrt(2.0 / len(steps)))  # within one standard error
            best = max(s for score, s in scores if score <= enough)
        nodes = np.linalg.solve(normal + best * penalty + ridge, right)
        prediction = design @ nodes
        residual = (steps - prediction) / np.sqrt(variance)
        spread = float(np.median(np.abs(residual))) / 0.6745
        if turn < _ROUNDS - 1:
            large = np.abs(prediction) > 4.0 * noise / counts
            if np.count_nonzero(large) > 20:
                relative = ((steps - prediction) * np.sqrt(counts))[large] / (np.abs(prediction[large]) + _FLOOR)
                share = max(_LEAST_PULSE_NOISE, float(np.median(np.abs(relative))) / 0.6745)
            ratio = np.abs(residual) / (_TUKEY * max(spread, 1e-6))
            robust = np.where(ratio < 1.0, (1.0 - ratio**2) ** 2, 0.0) + 1e-6
    return np.asarray(nodes)


def _gcv(design: Vector, steps: Vector, weights: Vector, normal: Vector, right: Vector, penalty: Vector) -> float:
    """Generalised cross-validation score of one choice of smoothing; 1.4 guards against undersmoothing."""
    system = normal + penalty + 1e-9 * np.eye(len(normal))
    nodes = np.linalg.solve(system, right)
    freedom = float(np.trace(np.linalg.solve(system, normal)))
    points = float(np.sum(weights > 1e-3 * np.median(weights)))
    loss = float(np.sum(weights * (steps - design @ nodes) ** 2))
    return loss / max(points - 1.4 * freedom, 1.0) ** 2


def _even(values: Vector) -> Vector:
    """The axis scaled so that its mean spacing is 1."""
    return np.asarray((values - values[0]) / max((values[-1] - values[0]) / (len(values) - 1), 1e-12))


def _second_differences(x: Vector) -> Vector:
    """(n - 2, n) matrix of second divided differences on an uneven axis."""
    n = len(x)
    matrix = np.zeros((max(n - 2, 0), n))
    for i in range(n - 2):
        left, right = x[i + 1] - x[i], x[i + 2] - x[i + 1]
        scale = np.sqrt(0.5 * (left + right))
        matrix[i, i : i + 3] = np.array([1.0 / left, -1.0 / left - 1.0 / right, 1.0 / right]) / scale
    return matrix


def _straight(x: Vector, xs: Vector, ys: Vector) -> Vector:
    """Linear interpolation, continued straight on beyond both ends."""
    inside = np.interp(x, xs, ys)
    low = ys[0] + (x - xs[0]) * (ys[1] - ys[0]) / (xs[1] - xs[0])
    high = ys[-1] + (x - xs[-1]) * (ys[-1] - ys[-2]) / (xs[-1] - xs[-2])
    return np.asarray(np.where(x < xs[0], low, np.where(x > xs[-1], high, inside)))


def _isotonic(values: Vector) -> Vector:
    """The nearest non-decreasing sequence in least squares (pool adjacent violators)."""
    means: list[float] = []
    sizes: list[int] = []
    for value in values:
        means.append(float(value))
        sizes.append(1)
        while len(means) > 1 and means[-2] > means[-1]:
            size = sizes[-2] + sizes[-1]
            means[-2:] = [(means[-2] * sizes[-2] + means[-1] * sizes[-1]) / size]
            sizes[-2:] = [size]
    return np.repeat(means, sizes)


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


def _places(axis: Vector, values: Vector) -> tuple[Indices, Vector]:
    """Index of the interval and the share of it, clamped to the axis."""
    inside = np.clip(values, axis[0], axis[-1])
    k = np.clip(np.searchsorted(axis, inside, side="right") - 1, 0, len(axis) - 2)
    return k, (inside - axis[k]) / (axis[k + 1] - axis[k])


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
