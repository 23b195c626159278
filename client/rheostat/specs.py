"""Jobs as they are sent, made from what people hand in and checked. Without I/O, like all conversations."""

from __future__ import annotations

import math
import numbers
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, cast

import numpy as np

from rheostat import wire
from rheostat.errors import InputError, UnknownDevice
from rheostat.talk import Submission, Talk
from rheostat.talk import devices as ask_devices
from rheostat.targets import WeightMapping, as_array, convert, deal, names, tolerances


class JobOptions(TypedDict, total=False):
    """What every job may be given."""

    priority: int
    label: str
    job_id: str | None


class ProgramOptions(TypedDict, total=False):
    """What `program` and `plan` take beside targets and devices: see `Rig.program`."""

    unit: str
    mapping: WeightMapping | None
    scheme: str
    tolerance: Any
    parameters: Mapping[str, float] | None
    confidence: float
    order: str
    max_pulses: int
    table: str | None
    traces: Sequence[str]
    priority: int
    label: str
    job_id: str | None


def program(
    targets: Any,
    devices: Any = None,
    *,
    unit: str = "ohm",
    mapping: WeightMapping | None = None,
    scheme: str = "ffp",
    tolerance: Any = None,
    parameters: Mapping[str, float] | None = None,
    confidence: float = 0.95,
    order: str = "given",
    max_pulses: int = 2000,
    table: str | None = None,
    traces: Sequence[str] = (),
    priority: int = 0,
    label: str = "",
    job_id: str | None = None,
) -> Talk[Submission]:
    """The job that programs `targets`; the devices are asked for only when a default depends on them."""
    wanted = convert(targets, unit, mapping)
    known: tuple[wire.Device, ...] = ()
    if devices is None or tolerance is None:
        known = yield from ask_devices()
    used, index = deal(wanted.shape, devices, [device.name for device in known])
    bands = np.atleast_1d(default_tolerance(used, known) if tolerance is None else tolerances(tolerance, wanted))
    if not 0.5 <= confidence < 1:
        raise InputError(f"confidence must be at least 0.5 and less than 1, got {confidence}")
    if order not in ("given", "sweep"):
        raise InputError(f'order must be "given" or "sweep", got {order!r}')
    _count("max_pulses", max_pulses)
    spec = wire.Program(
        devices=used,
        tolerance=float(bands.min()),
        scheme=scheme,
        parameters=_parameters(parameters),
        confidence=float(confidence),
        max_pulses=int(max_pulses),
        order=order,
        table=table,
        traces=tuple(names(traces)) if len(traces) else (),
        shape=wanted.shape,
    )
    arrays: wire.Arrays = {"targets": wanted.resistance.reshape(-1), "device": index}
    if bands.size > 1:
        arrays["tolerance"] = bands.reshape(-1)
    return Submission(_submit(spec, priority, label, job_id), arrays, wanted)


def default_tolerance(used: Sequence[str], known: Sequence[wire.Device]) -> float:
    """The smallest half level among the devices used, ohm: of 512 levels, unless their window has others."""
    halves = {device.name: (device.window[1] - device.window[0]) / (device.levels - 1) / 2 for device in known}
    unknown = [name for name in used if name not in halves]
    if unknown:
        raise UnknownDevice(f"unknown device {unknown[0]!r}; the bench has {', '.join(halves) or 'none'}")
    return min(halves[name] for name in used)


def read(devices: Any = None, readings: int = 1, **options: Any) -> Talk[Submission]:
    used = yield from _names_or_all(devices)
    return Submission(_submit(wire.Read(devices=used, readings=_count("readings", readings)), **options), {})


def initialise(devices: Any, state: str, max_pulses: int = 2000, **options: Any) -> Talk[Submission]:
    used = yield from _names_or_all(devices)
    if state.upper() not in ("HRS", "LRS"):
        raise InputError(f'state must be "HRS" or "LRS", got {state!r}')
    spec = wire.Initialise(devices=used, state=state.upper(), max_pulses=_count("max_pulses", max_pulses))
    return Submission(_submit(spec, **options), {})


def train(
    devices: Any,
    voltages: Any,
    widths: Any,
    cycles: int = 1,
    *,
    measure: str = "states",
    **options: Any,
) -> Talk[Submission]:
    """The job that applies a train of write pulses; `widths` broadcasts to `voltages`."""
    used = yield from _names_or_all(devices)
    voltage = np.atleast_1d(as_array(voltages, "voltages"))
    width = np.atleast_1d(as_array(widths, "widths"))
    try:
        voltage, width = (np.ascontiguousarray(a) for a in np.broadcast_arrays(voltage, width))
    except ValueError:
        raise InputError(f"{voltage.size} voltages and {width.size} widths: as many of both, or one width") from None
    if voltage.ndim != 1:
        raise InputError(f"voltages of shape {voltage.shape}: a train is a flat list")
    if np.any(width <= 0):
        raise InputError(f"widths must be positive, got {width.min():g} s")
    if measure not in ("states", "energy"):
        raise InputError(f'measure must be "states" or "energy", got {measure!r}')
    spec = wire.Train(devices=used, cycles=_count("cycles", cycles), measure=cast("Any", measure))
    return Submission(_submit(spec, **options), {"voltage": voltage, "width": width})


def calibrate(
    device: str,
    others: Any = (),
    *,
    voltages: Sequence[float] | None = None,
    width: float | None = None,
    max_train: int | None = None,
    gain_pulses: int | None = None,
    **options: Any,
) -> Talk[Submission]:
    """The job that measures dR(V, R) on `device`; `others`: names, or "all" for every other device of the bench."""
    if isinstance(others, str) and others == "all":
        known = yield from ask_devices()
        others = [other.name for other in known if other.name != device]
    given: dict[str, Any] = {}
    if voltages is not None:
        given["voltages"] = tuple(_positive("voltage", voltage) for voltage in voltages)
    if width is not None:
        given["width"] = _positive("width", width)
    if max_train is not None:
        given["max_train"] = _count("max_train", max_train)
    if gain_pulses is not None:
        given["gain_pulses"] = _count("gain_pulses", gain_pulses)
    spec = wire.Calibrate(device=device, others=tuple(names(others)) if len(others) else (), **given)
    return Submission(_submit(spec, **options), {})


def new_job_id() -> str:
    """Readable, sortable by time, and unique: 20260723-141503-3f9a2c1b."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"


def _submit(spec: wire.Spec, priority: int = 0, label: str = "", job_id: str | None = None) -> wire.Submit:
    return wire.Submit(job_id=job_id or new_job_id(), spec=spec, priority=priority, label=label)


def _names_or_all(wanted: Any) -> Talk[tuple[str, ...]]:
    if wanted is not None:
        return tuple(names(wanted))
    known = yield from ask_devices()
    return tuple(device.name for device in known)


def _parameters(given: Mapping[str, float] | None) -> dict[str, float]:
    checked: dict[str, float] = {}
    for name, value in (given or {}).items():
        if not isinstance(value, numbers.Real) or not math.isfinite(value):
            raise InputError(f"parameter {name} must be a finite number, got {value!r}")
        checked[str(name)] = float(value)
    return checked


def _positive(what: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{what} must be a positive number, got {value}")
    return float(value)


def _count(what: str, value: int) -> int:
    if isinstance(value, bool) or int(value) != value or value < 1:
        raise InputError(f"{what} must be a whole number, at least 1, got {value!r}")
    return int(value)
