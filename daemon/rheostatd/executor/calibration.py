"""Calibration: dR(V, R) of one device in full, the gains of others from a few pulses, the noise of a reading.

Identical-pulse trains as in the paper (Z. Diao et al., Nanoscale Horiz. 10, 780, 2025, Fig. 2): every voltage in both
directions, potentiation from HRS and depression from LRS, each after closed-loop initialisation and at the width that
will be used. A train ends once it is saturated. Voltages rise from train to train: the strokes between trains stay
short while the steps are small, so that the extra steps after a change of direction, which depend on history, hardly
touch the map.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from rheostat import curves, wire
from rheostat.curves import Train
from rheostat.wire import Outcome
from rheostatd.executor.initialise import Drive, initialise
from rheostatd.executor.steps import measure_steps
from rheostatd.schemes.policy import Plant

Vector = npt.NDArray[np.float64]
PlantOf = Callable[[str], Plant]

_NOISE_READINGS = 32
_SATURATION_RUN = 8  # pulses over which a saturated train moves less than the noise
_MARGIN = 10.0  # ohm beyond the window that the table covers
_GAINS = (0.3, 3.0)  # outside this a device does not follow the table at all
_INITIALISE_PULSES = 2000
_EXPLAINED = 0.7  # of the squared steps of its own trains, that a table has to predict at least
_TRAIN_SPREAD = 0.03  # rms of the gain from train to train (2.2 and 2.9 % in the model that meets the paper's figures)
PAPER_LEVEL = 140.0 / 511.0  # ohm, what the steps of wire.TableInfo are meant for: 512 levels from 740 to 880 ohm


class CalibrationFailed(Exception):  # noqa: N818
    """The device calibrated in full cannot be: `outcome` says how it failed."""

    def __init__(self, device: str, outcome: Outcome, text: str) -> None:
        super().__init__(f"{device}: {text}")
        self.device = device
        self.outcome = outcome


@dataclass(frozen=True)
class Progress:
    """After every train and every other device: `done` of `total`, what was done, and the resistance left, ohm."""

    done: int
    total: int
    device: str
    stage: str  # "noise", "potentiation", "depression" or "gain"
    voltage: float  # V, of the train; nan otherwise
    pulses: int  # of this stage
    resistance: float


@dataclass(frozen=True)
class Expected:
    """What a calibration will take: `stages` (trains and devices), write pulses and seconds on the rig at most."""

    stages: int
    pulses: int
    rig_time: float


def stages(spec: wire.Calibrate) -> int:
    """Noise, trains unless they are there already, and the gain of each other device."""
    return 1 + len(_others(spec)) + (2 * len(spec.voltages) if spec.trains is None else 0)


def plan(spec: wire.Calibrate, read_time: float = 0.05, drive: Drive | None = None, stroke: int = 70) -> Expected:
    """The pulses and rig time to expect, before anything is done. read_time: s of one reading; an upper estimate;
    stroke: write pulses of one initialisation through half the window."""
    drive = drive or Drive()
    trains = 2 * len(spec.voltages) if spec.trains is None else 0
    strokes = trains + 2 if trains else 0
    stroke_pulses = strokes * stroke
    train_pulses = trains * spec.max_train
    gain_pulses = len(_others(spec)) * spec.gain_pulses
    pulses = train_pulses + stroke_pulses + gain_pulses
    rig_time = (train_pulses + gain_pulses) * spec.width + stroke_pulses * drive.max_width
    return Expected(stages(spec), pulses, rig_time + read_time * (pulses + _NOISE_READINGS))


def measure(
    plant_of: PlantOf,
    spec: wire.Calibrate,
    window: tuple[float, float],
    *,
    version: str,
    created: float,
    level: float = PAPER_LEVEL,
    given: list[Train] | None = None,
    drive: Drive | None = None,
    strong: tuple[float, float] | None = None,
    progress: Callable[[Progress], None] | None = None,
    failed: Callable[[str, Outcome], None] | None = None,
    taken: Mapping[int, Train] | None = None,
) -> wire.FeedforwardTable:
    """Calibrate `spec.device` in full and the gains of `spec.others`.

    plant_of: routes to a device and returns its plant; called once for each device, the full one first.
    window: LRS, HRS, ohm, as read; version, created (unix time, s): written into the table; level: ohm from level to
    level, which the steps aimed at go by; given: trains of the device measured before, fitted in place of new ones;
    drive: limits of the initialisation; strong: (V, s) of pulses that use up the history of other devices, None: those
    of the drive; failed: told each other device that has no gain (it is left out of the table) and why; taken: trains
    that are there already, by their stage (1: the first one).
    Raises CalibrationFailed when the full device does not reach the ends of the window, does not respond or does not do
    what its own table says, ValueError when the specification makes no sense. Exceptions of plants pass through;
    CalibrationFailed, raised by the plant of another device, ends only that device.
    """
    check(spec)
    drive = drive or Drive()
    others = _others(spec)
    total = stages(spec)

    def report(done: int, device: str, stage: str, voltage: float, pulses: int, resistance: float) -> None:
        if progress is not None:
            progress(Progress(done, total, device, stage, voltage, pulses, resistance))

    plant = plant_of(spec.device)
    noise, here = measure_noise(plant)
    if not math.isfinite(noise):
        raise CalibrationFailed(spec.device, Outcome.OPEN, "no read current")
    report(1, spec.device, "noise", math.nan, 0, here)
    trains: list[Train] = []
    wanted = [] if given else trains_of(spec)
    for stage_number, (direction, voltage) in enumerate(wanted, start=1):
        train = (taken or {}).get(stage_number)
        if train is None:
            train = measure_train(plant, spec, direction, voltage, window, noise, drive)
        trains.append(train)
        stage = "potentiation" if direction > 0 else "depression"
        report(len(trains) + 1, spec.device, stage, voltage, len(train.steps), float(train.readings[-1]))
    table = fit(given or trains, spec, window, noise, version=version, created=created, level=level)
    for direction, way in ((1, "potentiation"), (-1, "depression")):
        share = explained(table, given or trains, direction)
        if not share >= _EXPLAINED:
            text = (
                f"a table predicts {share:.0%} of how its own trains went in {way}: none describes it at these voltages"
            )
            raise CalibrationFailed(spec.device, Outcome.NOT_CONVERGED, text)
    gains = {spec.device: (1.0, 1.0)}
    for number, device in enumerate(others):
        plant = plant_of(device)
        try:
            result, pulses, here = measure_gain(plant, table, spec.gain_pulses, drive, strong)
        except CalibrationFailed as failure:  # a limit or the instrument ended the work on this device
            result, pulses, here = failure.outcome, 0, math.nan
        if isinstance(result, Outcome):
            if failed is not None:
                failed(device, result)
        else:
            gains[device] = result
        report(len(trains) + 2 + number, device, "gain", math.nan, pulses, here)
    info = wire.TableInfo(**{**{f: getattr(table.info, f) for f in table.info.__struct_fields__}, "gains": gains})
    return wire.FeedforwardTable.from_arrays(info, table.arrays())


def trains_of(spec: wire.Calibrate) -> list[tuple[int, float]]:
    """(direction, V) of each train, in the order in which they are measured."""
    return [(direction, voltage) for direction in (1, -1) for voltage in sorted(spec.voltages)]


def check(spec: wire.Calibrate) -> None:
    """Raises ValueError saying what is wrong with a specification and what is possible."""
    voltages = spec.voltages
    if len(set(voltages)) < 2 or not all(math.isfinite(v) and v > 0.0 for v in voltages):
        raise ValueError("voltages: at least two different positive ones are needed (both signs are measured)")
    if not (math.isfinite(spec.width) and spec.width > 0.0):
        raise ValueError(f"width must be a positive number of seconds, not {spec.width}")
    if spec.max_train < 10:
        raise ValueError(f"max_train must be 10 pulses at least, not {spec.max_train}")
    if spec.gain_pulses < 4:
        raise ValueError(f"gain_pulses must be 4 at least, not {spec.gain_pulses}")


def given_trains(arrays: wire.Arrays) -> list[Train]:
    """Trains measured by an earlier job, from the arrays that the service brings along. Raises ValueError."""
    voltages, readings, strokes = (arrays[f"train_{name}"] for name in ("voltages", "resistance", "stroke"))
    found = [
        Train((1, -1)[side], float(voltages[row]), readings[side, row, k], stroke=float(strokes[side, row, k]))
        for side, row, k in np.ndindex(*readings.shape[:3])
        if np.isfinite(readings[side, row, k]).all()
    ]
    for direction in (1, -1):
        if len({train.voltage for train in found if train.direction == direction}) < 2:
            raise ValueError("trains: complete ones at two voltages at least are needed in either direction")
    return found


def measure_noise(plant: Plant) -> tuple[float, float]:
    """(rms of one reading, mean), ohm, from readings one after another of an undisturbed device; nan when open."""
    readings = np.array([plant.read(1) for _ in range(_NOISE_READINGS)])
    if not np.all(np.isfinite(readings)):
        return math.nan, math.nan
    return float(np.std(readings, ddof=1)), float(np.mean(readings))


def measure_train(
    plant: Plant,
    spec: wire.Calibrate,
    direction: int,
    voltage: float,
    window: tuple[float, float],
    noise: float,
    drive: Drive,
) -> Train:
    """One train of identical pulses from the end of the window that `direction` leaves, until it saturates.

    Ends after spec.max_train pulses, once eight of them together moved less than the noise, or at the other end of the
    window plus a margin.
    """
    lrs, hrs = window
    start, end = (hrs, lrs - 0.5 * _MARGIN) if direction > 0 else (lrs, hrs + 0.5 * _MARGIN)
    left = plant.read(1)
    attempt = initialise(plant, start, drive, _INITIALISE_PULSES, window=window)
    if attempt.outcome != Outcome.VERIFIED:
        text = f"initialisation to {start:g} ohm ended {attempt.outcome.name} at {attempt.estimate:.1f} ohm"
        raise CalibrationFailed(spec.device, attempt.outcome, text)
    readings = [attempt.estimate]
    for pulse in range(1, spec.max_train + 1):
        readings.append(plant.apply(direction * voltage, spec.width, 1))
        if not math.isfinite(readings[-1]):
            raise CalibrationFailed(spec.device, Outcome.OPEN, "read current lost during a train")
        run = min(_SATURATION_RUN, pulse)
        moved = (readings[-1 - run] - readings[-1]) * direction
        if run == _SATURATION_RUN and moved < 3.0 * math.sqrt(2.0) * noise:
            break
        if (readings[-1] - end) * direction <= 0.0:
            break
    return Train(direction, voltage, np.array(readings), stroke=abs(attempt.estimate - left))


def fit(
    trains: list[Train],
    spec: wire.Calibrate,
    window: tuple[float, float],
    noise: float,
    *,
    version: str,
    created: float,
    level: float = PAPER_LEVEL,
) -> wire.FeedforwardTable:
    """The feedforward table of trains in both directions; voltages between the measured ones are interpolated.

    Its steps are as long as the paper's beside a level (`level`, ohm)."""
    lrs, hrs = window
    resistances = np.linspace(lrs - _MARGIN, hrs + _MARGIN, round(hrs - lrs + 2.0 * _MARGIN) + 1)
    voltages = curves.fine_voltages(spec.voltages)
    info = wire.TableInfo(
        version=version,
        device=spec.device,
        created=created,
        width=spec.width,
        window=window,
        gains={spec.device: (1.0, 1.0)},
        noise=noise,
    )
    potentiation, depression, least, most = (value * level / PAPER_LEVEL for value in (*info.step, *info.bounds))
    info = msgspec.structs.replace(info, step=(potentiation, depression), bounds=(least, most))
    down, up = (curves.dr_map(trains, way, voltages, resistances, noise, _TRAIN_SPREAD) for way in (1, -1))
    return wire.FeedforwardTable(info, voltages, resistances, down.steps, up.steps, down.errors, up.errors)


def explained(table: wire.FeedforwardTable, trains: list[Train], direction: int) -> float:
    """Share of the squared steps of the trains in one direction that a table predicts."""
    mine = [train for train in trains if train.direction == direction]
    steps = np.concatenate([train.steps[train.settled :] for train in mine])
    expected = np.concatenate(
        [curves.predict(table, train.before[train.settled :], train.voltage, direction) for train in mine]
    )
    return 1.0 - float(np.sum((steps - expected) ** 2) / max(float(np.sum(steps**2)), 1e-12))


def measure_gain(
    plant: Plant, table: wire.FeedforwardTable, pulses: int, drive: Drive, strong: tuple[float, float] | None = None
) -> tuple[tuple[float, float] | Outcome, int, float]:
    """((potentiation, depression) relative to the table, pulses used, resistance left), or how the device failed.

    A device outside the window is brought towards its middle first, by half of the pulses at most. The others go both
    ways from where it stands (see `steps`), feedforward steps as long as the table's bounds allow: travel seen over
    travel predicted. strong: (V, s) of pulses that use up the device's history; None: those of the drive.
    """
    lrs, hrs = table.info.window
    here = plant.read(2)
    used = 0
    if not lrs + _MARGIN <= here <= hrs - _MARGIN:
        attempt = initialise(plant, 0.5 * (lrs + hrs), drive, pulses // 2, window=table.info.window)
        used = attempt.pulses
        here = attempt.estimate
        if attempt.outcome not in (Outcome.VERIFIED, Outcome.NOT_CONVERGED):
            return attempt.outcome, used, here
    steps = measure_steps(plant, table, here, pulses - used, strong or (drive.voltage, drive.max_width))
    used, here = used + steps.pulses, steps.resistance
    if not math.isfinite(here):
        return Outcome.OPEN, used, here
    predicted = np.nansum(steps.predicted, axis=1)
    gains = np.divide(np.nansum(steps.measured, axis=1), predicted, out=np.zeros(2), where=predicted > 0.0).tolist()
    if max(gains) < _GAINS[0]:
        return Outcome.STUCK, used, here
    if not all(_GAINS[0] <= gain <= _GAINS[1] for gain in gains):
        return Outcome.NOT_CONVERGED, used, here
    return (gains[0], gains[1]), used, here


def _others(spec: wire.Calibrate) -> list[str]:
    return [device for device in dict.fromkeys(spec.others) if device != spec.device]
