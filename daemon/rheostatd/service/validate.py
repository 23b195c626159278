"""A job is checked in full before it is taken: afterwards only the rig can refuse it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rheostat import wire
from rheostat_hal.bench import Limits
from rheostatd.errors import (
    BadParameter,
    BadTargets,
    LimitExceeded,
    RequestError,
    UnknownDevice,
    UnknownScheme,
    UnknownTable,
    possible,
)
from rheostatd.service import trains

MAX_READINGS = 10_000
MAX_PULSES = 1_000_000
MAX_STAGES = 100_000  # of a device
MAX_TIME = 1e9  # s, thirty years
ARRAYS: dict[type[wire.Spec], tuple[frozenset[str], frozenset[str]]] = {  # those a job needs, those it may have
    wire.Program: (frozenset({"targets", "device"}), frozenset({"tolerance"})),
    wire.Train: (frozenset({"voltage", "width"}), frozenset()),
    wire.Calibrate: (frozenset(), trains.ARRAYS),
}
_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_EDGE = 1e-9  # relative: a target computed as exactly LRS may miss it by a rounding
_NAMED = 3  # how many wrong targets a message names


@dataclass(frozen=True)
class Known:
    """What requests are checked by. `schemes`: name -> names of parameters."""

    devices: Mapping[str, wire.Device]
    schemes: Mapping[str, Sequence[str]]
    tables: Sequence[str]
    limits: Limits


def submit(request: wire.Submit, arrays: wire.Arrays, known: Known) -> int:
    """The number of targets (devices, or trains) of a job. Raises RequestError or one of its kinds, LimitExceeded."""
    if not _JOB_ID.fullmatch(request.job_id):
        raise RequestError(f"job id {request.job_id[:80]!r}: 1 to 64 letters, digits, '.', '_' and '-'")
    if len(request.label) > 200:
        raise RequestError(f"a label of {len(request.label)} characters: at most 200")
    if abs(request.priority) > 1_000_000:
        raise RequestError(f"priority {request.priority}: from -1000000 to 1000000")
    spec = request.spec
    wanted, optional = ARRAYS.get(type(spec), (frozenset(), frozenset()))
    if not wanted <= set(arrays) <= wanted | optional:
        raise BadTargets(f"a {type(spec).__name__} job takes {_named(wanted)}, not {_named(arrays)}")
    if isinstance(spec, wire.Program):
        return _program(spec, arrays, known)
    if isinstance(spec, wire.Read):
        _devices(spec.devices, known)
        _whole("readings", spec.readings, MAX_READINGS)
        return len(spec.devices)
    if isinstance(spec, wire.Initialise):
        _devices(spec.devices, known)
        _whole("max_pulses", spec.max_pulses, MAX_PULSES)
        if spec.state not in ("HRS", "LRS"):
            raise BadParameter(f"state {spec.state!r}: HRS or LRS")
        return len(spec.devices)
    if isinstance(spec, wire.CheckTable):
        _whole("pulses", spec.pulses, MAX_PULSES)
        if spec.table is not None and spec.table not in known.tables:
            raise UnknownTable(f"no feedforward table {spec.table!r}; {possible(spec.table, known.tables)}")
        return len(_devices(spec.devices, known))
    if isinstance(spec, wire.Retention):
        return _retention(spec, known)
    if isinstance(spec, wire.Train):
        return _train(spec, arrays, known)
    if isinstance(spec, wire.Calibrate):
        return _calibrate(spec, arrays, known)
    if isinstance(spec, wire.IvLoops):
        return _iv_loops(spec, known)
    if isinstance(spec, wire.IdenticalPulses):
        return _identical_pulses(spec, known)
    if isinstance(spec, wire.Staircase):
        devices = _devices(spec.devices, known)
        _whole("cycles", spec.cycles, MAX_STAGES)
        _whole("max_pulses", spec.max_pulses, MAX_PULSES)
        _table(spec.table, known)
        return 2 * spec.cycles * len(devices)
    raise RequestError(f"jobs of the kind {type(spec).__name__} are not served")


def _program(spec: wire.Program, arrays: wire.Arrays, known: Known) -> int:
    devices = _devices(spec.devices, known)
    _positive("tolerance", spec.tolerance)
    if not 0.0 < spec.confidence < 1.0:
        raise BadParameter(f"confidence {spec.confidence}: above 0 and below 1")
    _whole("max_pulses", spec.max_pulses, MAX_PULSES)
    if spec.order not in ("given", "sweep"):
        raise BadParameter(f"order {spec.order!r}: given or sweep")
    if spec.scheme not in known.schemes:
        raise UnknownScheme(f"no scheme {spec.scheme!r}; {possible(spec.scheme, known.schemes)}")
    parameters = known.schemes[spec.scheme]
    for name, value in spec.parameters.items():
        if name not in parameters:
            raise BadParameter(f"scheme {spec.scheme} has no parameter {name!r}; {possible(name, parameters, most=20)}")
        if not math.isfinite(value):
            raise BadParameter(f"parameter {name} = {value}: must be finite")
    _table(spec.table, known)
    for name in spec.traces:
        if name not in spec.devices:
            raise UnknownDevice(f"trace of {name!r}, which is not a device of this job; {possible(name, spec.devices)}")
    total = _targets(arrays["targets"], arrays["device"], devices)
    if "tolerance" in arrays:
        _tolerances(arrays["tolerance"], arrays["targets"])
    if spec.shape is not None and (min(spec.shape, default=0) < 0 or math.prod(spec.shape) != total):
        raise BadTargets(f"shape {spec.shape} does not hold {total} targets")
    return total


def _targets(targets: wire.Array, index: wire.Array, devices: Sequence[wire.Device]) -> int:
    if targets.dtype != np.float64 or index.dtype != np.int32:
        raise BadTargets(f"targets must be f8 and device i4, not {targets.dtype.str} and {index.dtype.str}")
    if targets.ndim != 1 or targets.shape != index.shape or not targets.size:
        raise BadTargets(
            f"targets {targets.shape} and device {index.shape}: both must have one dimension, equal and not empty"
        )
    wrong = (index < 0) | (index >= len(devices))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise BadTargets(
            f"target {first} names device number {int(index[first])}: there are {len(devices)}, counted from 0"
        )
    wrong = ~np.isfinite(targets)
    if wrong.any():
        named = ", ".join(
            f"target {k} (device {devices[index[k]].name}) is {targets[k]}" for k in np.flatnonzero(wrong)[:_NAMED]
        )
        raise BadTargets(f"{_counted(wrong, targets)} not a finite resistance: {named}")
    low = np.array([device.window[0] for device in devices])[index]
    high = np.array([device.window[1] for device in devices])[index]
    wrong = (targets < low * (1.0 - _EDGE)) | (targets > high * (1.0 + _EDGE))
    if wrong.any():
        named = ", ".join(
            f"target {k} (device {devices[index[k]].name}, {low[k]:g} to {high[k]:g} ohm) is {targets[k]:g} ohm"
            for k in np.flatnonzero(wrong)[:_NAMED]
        )
        raise BadTargets(f"{_counted(wrong, targets)} outside the window of the device: {named}")
    return int(targets.size)


def _tolerances(tolerance: wire.Array, targets: wire.Array) -> None:
    if tolerance.dtype != np.float64 or tolerance.shape != targets.shape:
        raise BadTargets(f"tolerance must be f8 {targets.shape} like the targets, not {tolerance.dtype.str}")
    wrong = ~((tolerance > 0.0) & (tolerance < math.inf))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise BadParameter(f"tolerance of target {first} is {tolerance[first]}: must be positive and finite")


def _train(spec: wire.Train, arrays: wire.Arrays, known: Known) -> int:
    devices = _devices(spec.devices, known)
    _whole("cycles", spec.cycles, MAX_PULSES)
    voltage, width = arrays["voltage"], arrays["width"]
    if voltage.dtype != np.float64 or width.dtype != np.float64:
        raise BadTargets(f"voltage and width must be f8, not {voltage.dtype.str} and {width.dtype.str}")
    if voltage.ndim != 1 or voltage.shape != width.shape or not voltage.size:
        raise BadTargets(
            f"voltage {voltage.shape} and width {width.shape}: both must have one dimension, equal and not empty"
        )
    limits = known.limits
    _bearable(spec.cycles * voltage.size, limits)
    wrong = ~(np.abs(voltage) <= limits.max_voltage)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise LimitExceeded(f"pulse {first} has {voltage[first]:g} V: the bench allows {limits.max_voltage:g} V")
    wrong = ~((width > 0.0) & (width <= limits.max_width))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise LimitExceeded(f"pulse {first} lasts {width[first]:g} s: the bench allows up to {limits.max_width:g} s")
    return len(devices)


def _iv_loops(spec: wire.IvLoops, known: Known) -> int:
    devices = _devices(spec.devices, known)
    _whole("loops", spec.loops, MAX_STAGES)
    _positive("dwell", spec.dwell)
    _width(spec.width, known.limits)
    if not spec.voltages or not all(map(math.isfinite, spec.voltages)):
        raise BadParameter("voltages: one loop, at least one of them, all finite")
    _volts(max(spec.voltages, key=abs), known.limits)
    written = sum(voltage != 0.0 for voltage in spec.voltages)
    _bearable(spec.loops * written * math.ceil(spec.dwell / spec.width * (1.0 - _EDGE)), known.limits)
    return spec.loops * len(devices)


def _identical_pulses(spec: wire.IdenticalPulses, known: Known) -> int:
    devices = _devices(spec.devices, known)
    _whole("pulses", spec.pulses, MAX_PULSES)
    _whole("repetitions", spec.repetitions, MAX_STAGES)
    _width(spec.width, known.limits)
    rising = all(low < high for low, high in zip(spec.voltages, spec.voltages[1:], strict=False))
    if not spec.voltages or not rising or not 0.0 < spec.voltages[0] <= spec.voltages[-1] < math.inf:
        raise BadParameter("voltages: at least one, positive, finite and rising (both signs are applied)")
    _volts(spec.voltages[-1], known.limits)
    trains = 2 * len(spec.voltages) * spec.repetitions
    _bearable(trains * spec.pulses, known.limits)
    return trains * len(devices)


def _retention(spec: wire.Retention, known: Known) -> int:
    devices = _devices(spec.devices, known)
    _whole("readings", spec.readings, MAX_READINGS)
    _whole("the number of times", len(spec.times), MAX_READINGS)
    rising = all(low < high for low, high in pairwise(spec.times))
    if not rising or spec.times[0] != 0.0 or not spec.times[-1] <= MAX_TIME:
        raise BadParameter(f"times: rising, the first one 0, at most {MAX_TIME:g} s")
    return len(devices) * len(spec.times)


def _calibrate(spec: wire.Calibrate, arrays: wire.Arrays, known: Known) -> int:
    if arrays and (spec.trains is None or set(arrays) != trains.ARRAYS):  # they are the daemon's to bring
        raise BadTargets(f"a Calibrate job takes no arrays, not {_named(arrays)}")
    _devices((spec.device, *spec.others), known)
    _positive("width", spec.width)
    if spec.width > known.limits.max_width and not known.limits.host_timed:
        raise LimitExceeded(f"width {spec.width:g} s: the bench allows write pulses up to {known.limits.max_width:g} s")
    _whole("max_train", spec.max_train, MAX_PULSES)
    _whole("gain_pulses", spec.gain_pulses, MAX_PULSES)
    rising = all(low < high for low, high in zip(spec.voltages, spec.voltages[1:], strict=False))
    if len(spec.voltages) < 2 or not rising or not 0.0 < spec.voltages[0] <= spec.voltages[-1] < math.inf:
        raise BadParameter("voltages: at least two, positive, finite and rising")
    if spec.voltages[-1] > known.limits.max_voltage:
        raise LimitExceeded(
            f"voltage {spec.voltages[-1]:g} V: the bench allows write pulses up to {known.limits.max_voltage:g} V"
        )
    return len(spec.others) + (2 * len(spec.voltages) if spec.trains is None else 1)


def _devices(names: Sequence[str], known: Known) -> list[wire.Device]:
    if not names:
        raise UnknownDevice(f"a job needs at least one device; {possible('', known.devices)}")
    for name in names:
        if name not in known.devices:
            raise UnknownDevice(f"no device {name!r}; {possible(name, known.devices)}")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UnknownDevice(f"device {twice!r} is named twice: name each device once")
    return [known.devices[name] for name in names]


def _positive(name: str, value: float) -> None:
    if not 0.0 < value < math.inf:
        raise BadParameter(f"{name} {value}: must be positive and finite")


def _width(width: float, limits: Limits) -> None:
    _positive("width", width)
    if width > limits.max_width:
        raise LimitExceeded(f"width {width:g} s: the bench allows write pulses up to {limits.max_width:g} s")


def _volts(voltage: float, limits: Limits) -> None:
    if abs(voltage) > limits.max_voltage:
        raise LimitExceeded(f"voltage {voltage:g} V: the bench allows write pulses up to {limits.max_voltage:g} V")


def _bearable(pulses: int, limits: Limits) -> None:
    if pulses > limits.max_pulses_per_device:
        most = limits.max_pulses_per_device
        raise LimitExceeded(f"{pulses} write pulses of a device: the bench allows {most} in one job")


def _table(version: str | None, known: Known) -> None:
    if version is not None and version not in known.tables:
        raise UnknownTable(f"no feedforward table {version!r}; {possible(version, known.tables)}")


def _whole(name: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise BadParameter(f"{name} {value}: from 1 to {most}")


def _named(names: Iterable[str]) -> str:
    return "the arrays " + ", ".join(sorted(map(repr, names))) if set(names) else "no arrays"


def _counted(wrong: wire.Array, targets: wire.Array) -> str:
    count = int(np.count_nonzero(wrong))
    return f"{count} of {targets.size} targets {'is' if count == 1 else 'are'}"
