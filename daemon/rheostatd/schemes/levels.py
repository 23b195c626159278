"""Pulse groups between levels, by the paper's multilevel resistance segmentation.

The window is divided into n even levels; a feedforward sweep R_FF, read before each pulse, tells which of its pulses
lead from one level to the next (Z. Diao et al., Nanoscale Horiz. 10, 780, 2025, Fig. 3d): from level j to j + 1 the
pulses m_j .. m_(j+1) - 1. Inside a group the voltages follow from the sweep alone; at the end of each group the
resistance is verified and the next group starts from where the device really is. The last steps, from within
`landing` steps of the target, are those of the ffp scheme, and so is acceptance.

The sweep is a measured one (`record`) where the task has it, else the one the feedforward table predicts. Every
pulse is followed by one reading, for safety and for the record.

Tail of the packed vector after the table, for each direction: [pulses, levels, R_FF..., V..., m_j...].
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numba import njit

from rheostat import curves
from rheostat.curves import Sweep
from rheostat.wire import Outcome
from rheostatd.schemes import evidence, ffp, lookup, motion
from rheostatd.schemes.drive import Checkpoint, drive
from rheostatd.schemes.evidence import MEAN, PULSE_NEEDED, check_count
from rheostatd.schemes.policy import ACCEPT, GIVE_UP, PULSE, Plant, Scheme, Task, Vector

NEXT, END = motion.STATE, motion.STATE + 1
STATE = motion.STATE + 2

_SHARE_LEVEL = 0.5  # of the tolerance: standard error wanted at the end of a group


@dataclass(frozen=True)
class Settings:
    """levels: number of even levels over the window, both ends included; the others as in the ffp scheme."""

    levels: int = 32
    landing: float = 3.0
    min_readings: int = 2
    max_readings: int = 64

    def __post_init__(self) -> None:
        check_count("levels", self.levels, 2, 4096)
        ffp.Settings(landing=self.landing, min_readings=self.min_readings, max_readings=self.max_readings)


def pack(settings: Settings, task: Task) -> tuple[Vector, Vector]:
    """(params, shared) for one device: those of ffp, and the segmented sweeps after the table."""
    inner = ffp.Settings(
        landing=settings.landing, min_readings=settings.min_readings, max_readings=settings.max_readings
    )
    params, _ = ffp.pack(inner, task)
    table = lookup.pack(task)
    parts = [table]
    for direction in (1, -1):
        sweep = _sweep(task, direction)
        segmentation = curves.segment(sweep.resistances, settings.levels, task.window, direction)
        head = np.array([float(len(sweep.resistances)), float(settings.levels)])
        parts += [head, sweep.resistances, np.minimum(sweep.voltages, task.max_voltage)]
        parts.append(segmentation.pulses.astype(np.float64))
    return params, np.concatenate(parts)


def _sweep(task: Task, direction: int) -> Sweep:
    if task.sweeps is not None:
        sweep = task.sweeps[0 if direction > 0 else 1]
    else:
        assert task.table is not None  # lookup.pack has refused a task without one
        sweep = curves.predicted_sweep(task.table, direction, max_voltage=task.max_voltage)
    if len(sweep.resistances) < 2:
        raise ValueError("the feedforward sweep has no pulses: calibrate the device, or allow larger voltages")
    return sweep


@njit(cache=True)
def begin(params: Vector, state: Vector, target: float) -> None:
    ffp.begin(params, state, target)
    state[NEXT] = 0.0
    state[END] = 0.0


@njit(cache=True)
def step(
    params: Vector, shared: Vector, state: Vector, target: float, reading: float, readings: int
) -> tuple[int, float, float, int]:
    action, count = evidence.judge(params, state, target, reading, readings)
    if action != PULSE_NEEDED and action != ACCEPT:
        return action, 0.0, 0.0, count
    last = state[motion.DIRECTION]
    moving = motion.learn(params, state, params[ffp.GAIN_P] if last > 0.0 else params[ffp.GAIN_D])
    if action == ACCEPT:
        return action, 0.0, 0.0, 0
    if moving >= GIVE_UP:
        return moving, 0.0, 0.0, 0
    mean = state[MEAN]
    direction = 1.0 if mean > target else -1.0
    near = params[ffp.LANDING] * lookup.step_of(shared, direction)
    if moving != motion.MOVING or state[motion.PROBING] != 0.0 or abs(mean - target) <= near:
        state[END] = 0.0
        return ffp.approach(params, shared, state, target)
    at = _tail(shared, direction)
    length = int(shared[at])
    sweep = at + 2
    if state[NEXT] >= state[END] or last != direction:
        here = _nearest(shared, sweep, length, mean)
        end = _nearest(shared, sweep, length, target + direction * near)
        marks = sweep + 2 * length
        for j in range(int(shared[at + 1])):
            if shared[marks + j] > here:
                end = min(end, int(shared[marks + j]))
                break
        if end <= here:
            return ffp.approach(params, shared, state, target)
        state[NEXT] = here
        state[END] = end
    pulse = int(state[NEXT])
    state[NEXT] += 1.0
    voltage = shared[sweep + length + pulse]
    after = min(pulse + 1, length - 1)
    predicted = abs(shared[sweep + pulse] - shared[sweep + after])
    strongest = voltage >= shared[lookup.GRID + int(shared[lookup.A]) - 1]
    motion.launch(state, direction, predicted, strongest)
    count = evidence.readings_for(params, state, _SHARE_LEVEL) if state[NEXT] >= state[END] else 1
    return PULSE, direction * voltage, shared[lookup.WIDTH], count


@njit(cache=True)
def _tail(shared: Vector, direction: float) -> int:
    a = int(shared[lookup.A])
    at = lookup.GRID + a + 2 * a * int(shared[lookup.M])
    if direction > 0.0:
        return at
    return at + 2 + 2 * int(shared[at]) + int(shared[at + 1])


@njit(cache=True)
def _nearest(shared: Vector, start: int, length: int, resistance: float) -> int:
    """The pulse of the sweep before which R_FF was nearest to `resistance`."""
    best = 0
    least = math.inf
    for k in range(length):
        distance = abs(shared[start + k] - resistance)
        if distance < least:
            best = k
            least = distance
    return best


@dataclass
class _Recorder:
    """A plant that notes the resistance before each pulse and its voltage."""

    plant: Plant
    here: float = math.nan

    def __post_init__(self) -> None:
        self.resistances: list[float] = []
        self.voltages: list[float] = []

    @property
    def scatter(self) -> tuple[float, int]:
        return self.plant.scatter

    def read(self, readings: int) -> float:
        self.here = self.plant.read(readings)
        return self.here

    def apply(self, voltage: float, width: float, readings: int) -> float:
        self.resistances.append(self.here)
        self.voltages.append(voltage)
        self.here = self.plant.apply(voltage, width, readings)
        return self.here

    def wait(self, duration: float) -> None:
        self.plant.wait(duration)


def record(
    plant: Plant, task: Task, direction: int, max_pulses: int = 2000, checkpoint: Checkpoint | None = None
) -> Sweep:
    """A measured feedforward sweep through the window: goes to its start first, then to its end with the ffp scheme.

    Raises ValueError when the device does not reach both ends of the window.
    """
    start, end = task.window[::-1] if direction > 0 else task.window
    recorder = _Recorder(plant)
    params, shared = ffp.FFP.pack(ffp.Settings(), replace(task, sweeps=None))
    state = np.zeros(ffp.FFP.state_size)
    for goal in (start, end):
        recorder.resistances.clear()
        recorder.voltages.clear()
        attempt = drive(ffp.FFP, params, shared, state, goal, recorder, max_pulses, checkpoint)
        if attempt.outcome != Outcome.VERIFIED:
            raise ValueError(f"no sweep: {goal:g} ohm ended {attempt.outcome.name} at {attempt.estimate:.2f} ohm")
    along = np.array(recorder.voltages) * direction > 0.0
    return Sweep(direction, np.array(recorder.resistances)[along], np.abs(np.array(recorder.voltages))[along])


LEVELS = Scheme("levels", Settings, STATE, pack, begin, step, evidence.estimate)
