"""What a spec asks for, checked against this bench before anything moves, with everything it leaves open resolved."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from rheostat import wire
from rheostat.curves import Train
from rheostat_hal.bench import HARDWARE_TIMED
from rheostatd.errors import (
    BadParameter,
    BadTargets,
    LimitExceeded,
    RequestError,
    UnknownScheme,
    UnknownTable,
    possible,
)
from rheostatd.executor import calibration
from rheostatd.executor.station import Station
from rheostatd.schemes.policy import Scheme, Task
from rheostatd.schemes.registry import SCHEMES, build

MAX_READINGS = 10000
LEAST_CHECK, MAX_CHECK = 8, 1000  # write pulses of a check


@dataclass(frozen=True)
class Visiting:
    """One device of a program: its name and the indices of its targets, in the order given."""

    device: str
    targets: tuple[int, ...]


@dataclass(frozen=True)
class Programme:
    """A program request, resolved. `targets`, `tolerances`: (n,) ohm."""

    spec: wire.Program
    scheme: Scheme
    settings: Any
    table: wire.FeedforwardTable | None
    targets: wire.Array
    tolerances: wire.Array
    device: wire.Array
    visits: tuple[Visiting, ...]

    def task(self, station: Station, device: str, noise: float) -> Task:
        window, limits = station.window(device), station.bench.limits
        return Task(
            tolerance=self.spec.tolerance,
            confidence=self.spec.confidence,
            window=(window.lrs, window.hrs),
            noise=noise,
            max_voltage=limits.max_voltage,
            max_width=limits.max_width,
            table=self.table,
            gains=(1.0, 1.0) if self.table is None else self.table.info.gains.get(device, (1.0, 1.0)),
        )


def check_program(station: Station, spec: wire.Program, arrays: wire.Arrays) -> Programme:
    """Raises the kinds of RequestError, naming what is wrong and what is possible."""
    for name in spec.devices:
        station.window(name)
    targets, device = _targets(spec, arrays)
    tolerances = arrays.get("tolerance", np.full(len(targets), spec.tolerance))
    if not (math.isfinite(spec.tolerance) and spec.tolerance > 0.0):
        raise BadParameter(f"tolerance {spec.tolerance} ohm: it must be above 0")
    if not 0.0 < spec.confidence < 1.0:
        raise BadParameter(f"confidence {spec.confidence}: it must lie between 0 and 1")
    if spec.max_pulses < 1:
        raise BadParameter(f"max_pulses {spec.max_pulses}: at least 1")
    if spec.order not in ("given", "sweep"):
        raise BadParameter(f"order {spec.order!r}: {possible(spec.order, ('given', 'sweep'))}")
    if spec.scheme not in SCHEMES:
        raise UnknownScheme(f"no scheme {spec.scheme!r}: {possible(spec.scheme, SCHEMES)}")
    try:
        settings = build(spec.scheme, {**dict(station.schemes.get(spec.scheme, ())), **spec.parameters})
    except ValueError as error:
        raise BadParameter(f"scheme {spec.scheme}: {error}") from error
    table = find_table(station, spec.table, spec.devices)
    grouped: dict[str, list[int]] = {}
    for index, number in enumerate(device.tolist()):
        grouped.setdefault(spec.devices[number], []).append(index)
    visits = tuple(Visiting(name, tuple(indices)) for name, indices in grouped.items())
    programme = Programme(spec, SCHEMES[spec.scheme], settings, table, targets, tolerances, device, visits)
    if visits:
        try:
            programme.scheme.pack(settings, programme.task(station, visits[0].device, 0.02))
        except ValueError as error:
            raise BadParameter(f"scheme {spec.scheme}: {error}{_uncovered(station, programme)}") from error
    return programme


def _uncovered(station: Station, programme: Programme) -> str:
    if programme.table is not None or not station.tables:
        return ""
    newest = station.tables[0]
    missing = sorted({visiting.device for visiting in programme.visits} - covered(newest))
    return f" (the newest table, {newest.version}, does not cover {', '.join(missing)})"


def _targets(spec: wire.Program, arrays: wire.Arrays) -> tuple[wire.Array, wire.Array]:
    if set(arrays) - {"tolerance"} != {"targets", "device"}:
        raise BadTargets(f"a program brings the arrays targets and device, not {sorted(arrays)}")
    targets, device = arrays["targets"], arrays["device"]
    if targets.ndim != 1 or targets.shape != device.shape:
        raise BadTargets(f"targets {targets.shape} and device {device.shape} must be vectors of the same length")
    if targets.dtype != np.float64 or device.dtype.kind != "i":
        raise BadTargets(f"targets must be f8 and device i4, not {targets.dtype} and {device.dtype}")
    bad = np.flatnonzero(~np.isfinite(targets))
    if len(bad):
        raise BadTargets(f"target {bad[0]} is {targets[bad[0]]} ohm; {len(bad)} of {len(targets)} are not finite")
    if len(device) and not (device.min() >= 0 and device.max() < len(spec.devices)):
        raise BadTargets(f"device holds indices into `devices`: 0 to {len(spec.devices) - 1}")
    return targets, device


def find_table(station: Station, version: str | None, devices: Iterable[str]) -> wire.FeedforwardTable | None:
    """The table of a version, or the newest that covers the devices, or None. Raises UnknownTable."""
    wanted = set(devices)
    if version is not None:
        versions = [info.version for info in station.tables]
        if version not in versions:
            raise UnknownTable(f"no feedforward table {version!r}: {possible(version, versions)}")
        table = station.table(version)
        missing = sorted(wanted - covered(table.info))
        if missing:
            raise UnknownTable(f"table {version} does not cover {', '.join(missing)}: calibrate them first")
        return table
    for info in station.tables:
        if wanted <= covered(info):
            return station.table(info.version)
    return None


def covered(info: wire.TableInfo) -> set[str]:
    return {info.device, *info.gains}


def check_read(station: Station, spec: wire.Read) -> None:
    _known(station, spec.devices)
    if not 1 <= spec.readings <= MAX_READINGS:
        raise BadParameter(f"readings {spec.readings}: from 1 to {MAX_READINGS}")


def check_retention(station: Station, spec: wire.Retention) -> None:
    check_read(station, wire.Read(devices=spec.devices, readings=spec.readings))
    times = spec.times
    if not times or times[0] != 0.0 or not all(a < b < math.inf for a, b in pairwise(times)):
        raise BadParameter("times: finite, rising, and the first one 0 (s after the first reading)")


def check_check(station: Station, spec: wire.CheckTable) -> wire.FeedforwardTable:
    """The table to be checked."""
    _known(station, spec.devices)
    if not LEAST_CHECK <= spec.pulses <= MAX_CHECK:
        raise BadParameter(f"pulses {spec.pulses}: from {LEAST_CHECK} to {MAX_CHECK} a device")
    table = find_table(station, spec.table, spec.devices)
    if table is None:
        raise UnknownTable(f"no feedforward table covers {', '.join(spec.devices)}: calibrate them first")
    return table


def check_initialise(station: Station, spec: wire.Initialise) -> None:
    _known(station, spec.devices)
    if spec.state not in ("HRS", "LRS"):
        raise BadParameter(f"state {spec.state!r}: HRS or LRS")
    if spec.max_pulses < 1:
        raise BadParameter(f"max_pulses {spec.max_pulses}: at least 1")


def check_calibrate(station: Station, spec: wire.Calibrate, arrays: wire.Arrays) -> list[Train]:
    """The trains that an earlier job has measured; none when they are this job's to measure."""
    _known(station, (spec.device, *spec.others))
    limits = station.bench.limits
    if not spec.voltages or any(not 0.0 < voltage <= limits.max_voltage for voltage in spec.voltages):
        raise BadParameter(f"voltages: positive and at most max_voltage_v = {limits.max_voltage:g}")
    if not 0.0 < spec.width <= limits.max_width:
        raise BadParameter(f"width {spec.width:g} s: above 0 and at most max_width_s = {limits.max_width:g}")
    try:
        calibration.check(spec)
        return calibration.given_trains(arrays) if spec.trains is not None else []
    except ValueError as error:
        raise BadParameter(str(error)) from error


def check_train(station: Station, spec: wire.Train, arrays: wire.Arrays) -> None:
    """Beyond what the service has checked: the channel's own grid and range are the rig's to refuse."""
    _known(station, spec.devices)
    limits = station.bench.limits
    for voltage, width in zip(arrays["voltage"].tolist(), arrays["width"].tolist(), strict=True):
        if not abs(voltage) <= limits.max_voltage:
            raise BadParameter(f"voltage {voltage:g} V: at most max_voltage_v = {limits.max_voltage:g}")
        if not 0.0 < width <= limits.max_width:
            raise BadParameter(f"width {width:g} s: above 0 and at most max_width_s = {limits.max_width:g}")


def _known(station: Station, devices: tuple[str, ...]) -> None:
    if not devices:
        raise RequestError("no devices given")
    if len(set(devices)) != len(devices):
        twice = next(device for device in devices if devices.count(device) > 1)
        raise RequestError(f"device {twice!r} is named twice")
    for device in devices:
        station.window(device)


def check_pulses(station: Station, voltages: Iterable[float], width: float) -> None:
    """Write pulses that the limits of this bench never allow are refused before any is applied."""
    limits = station.bench.limits
    for voltage in voltages:
        if not abs(voltage) <= limits.max_voltage:
            raise LimitExceeded(f"voltage {voltage:g} V: at most max_voltage_v = {limits.max_voltage:g}")
    if not 0.0 < width <= limits.max_width:
        raise LimitExceeded(f"width {width:g} s: above 0 and at most max_width_s = {limits.max_width:g}")
    if width > HARDWARE_TIMED and not limits.host_timed:
        raise LimitExceeded(f"width {width:g} s would be timed by the host, and host_timed is false")
