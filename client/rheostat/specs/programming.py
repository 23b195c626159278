"""Jobs that bring devices to resistances, and the reading of devices."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

import numpy as np

from rheostat import wire
from rheostat.errors import InputError, UnknownDevice
from rheostat.specs.asked import JobOptions, count, names_or_all, submitted
from rheostat.talk import Submission, Talk
from rheostat.talk import devices as ask_devices
from rheostat.targets import WeightMapping, convert, deal, names, tolerances


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
    count("max_pulses", max_pulses)
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
    return Submission(submitted(spec, priority, label, job_id), arrays, wanted)


def default_tolerance(used: Sequence[str], known: Sequence[wire.Device]) -> float:
    """The smallest half level among the devices used, ohm: of 512 levels, unless their window has others."""
    halves = {device.name: (device.window[1] - device.window[0]) / (device.levels - 1) / 2 for device in known}
    unknown = [name for name in used if name not in halves]
    if unknown:
        raise UnknownDevice(f"unknown device {unknown[0]!r}; the bench has {', '.join(halves) or 'none'}")
    return min(halves[name] for name in used)


def read(devices: Any = None, readings: int = 1, **options: Unpack[JobOptions]) -> Talk[Submission]:
    used = yield from names_or_all(devices)
    return Submission(submitted(wire.Read(devices=used, readings=count("readings", readings)), **options), {})


def initialise(devices: Any, state: str, max_pulses: int = 2000, **options: Unpack[JobOptions]) -> Talk[Submission]:
    used = yield from names_or_all(devices)
    if state.upper() not in ("HRS", "LRS"):
        raise InputError(f'state must be "HRS" or "LRS", got {state!r}')
    spec = wire.Initialise(devices=used, state=state.upper(), max_pulses=count("max_pulses", max_pulses))
    return Submission(submitted(spec, **options), {})


def _parameters(given: Mapping[str, float] | None) -> dict[str, float]:
    checked: dict[str, float] = {}
    for name, value in (given or {}).items():
        if not isinstance(value, numbers.Real) or not math.isfinite(value):
            raise InputError(f"parameter {name} must be a finite number, got {value!r}")
        checked[str(name)] = float(value)
    return checked
