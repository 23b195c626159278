"""What it takes to repeat a job: calibration, scheme and parameters, instruments, seeds, versions, limits."""

from __future__ import annotations

import dataclasses
import platform
from functools import cache
from importlib import metadata
from typing import Any

import msgspec

from rheostat import wire
from rheostat_hal.bench import Bench
from rheostatd import messages
from rheostatd.executor.requests import Programme
from rheostatd.executor.station import Station

PACKAGES = ("rheostat", "numpy", "numba", "scipy", "pyzmq", "msgspec", "pyvisa", "pyvisa-py")


@cache
def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


def provenance(station: Station, job_id: str, spec: wire.Spec, devices: tuple[str, ...]) -> dict[str, Any]:
    """Plain values only (strings, numbers, lists, maps), keys with unit suffixes."""
    bench, limits = station.bench, station.bench.limits
    kinds = {station.addresses[device].kind for device in devices}
    asked: dict[str, Any] = msgspec.to_builtins(spec)
    told: dict[str, Any] = {
        "job_id": job_id,
        "kind": asked.pop("op"),
        "bench": bench.name,
        "spec": asked,
        "instruments": [msgspec.to_builtins(instrument) for instrument in instruments(station)],
        "read": {
            "voltage_v": limits.read_voltage,
            "range_a": bench.analyser.read_range,
            "adc": bench.analyser.adc,
            "averaging": bench.analyser.averaging,
        },
        "source": {"kind": bench.source, **_fast(bench)},
        "limits": dataclasses.asdict(limits),
        "windows_ohm": {kind: [station.windows[kind].lrs, station.windows[kind].hrs] for kind in sorted(kinds)},
        "virtual": None if bench.virtual is None else dataclasses.asdict(bench.virtual),
        "seed": None if bench.virtual is None else bench.virtual.seed,
        "versions": versions(),
        "journal": station.ledger.recording,
        "started": station.ledger.clock(),
    }
    return told


def _fast(bench: Bench) -> dict[str, Any]:
    """Channels, ranges (A) and times (s) of the source that writes, where it is not the SMUs."""
    fast = bench.wgfmu or bench.spgu
    if fast is None:
        return {}
    told = dataclasses.asdict(fast)
    if bench.wgfmu is not None:
        told["channels"] = dict(bench.wgfmu.channels)
    units = {"read_range": "_a", "write_range": "_a", "read_time": "_s", "gap": "_s", "edge": "_s"}
    return {name + units.get(name, ""): value for name, value in told.items()}


def of_programme(programme: Programme) -> dict[str, Any]:
    """What a program adds: the scheme with all its parameters, and the calibration it looked up."""
    table = programme.table
    return {
        "scheme": programme.scheme.name,
        "parameters": dataclasses.asdict(programme.settings),
        "tolerance_ohm": programme.spec.tolerance,
        "confidence": programme.spec.confidence,
        "order": programme.spec.order,
        "max_pulses": programme.spec.max_pulses,
        **of_table(table),
    }


def of_origin(origin: messages.Origin) -> dict[str, Any]:
    """The earlier jobs that a job comes from."""
    told: dict[str, Any] = {}
    if origin.repeats is not None:
        told["repeats"] = origin.repeats
    if origin.continues:
        told["continues"] = list(origin.continues)
    return told


def of_table(table: wire.FeedforwardTable | None) -> dict[str, Any]:
    """The calibration that a job looks up."""
    if table is None:
        return {"table": None, "calibration": None}
    return {"table": table.info.version, "calibration": msgspec.to_builtins(table.info)}


def instruments(station: Station) -> tuple[wire.Instrument, ...]:
    return tuple(
        wire.Instrument(
            name=identity.name,
            vendor=identity.vendor,
            model=identity.model,
            serial=identity.serial,
            firmware=identity.firmware,
            resource=identity.resource,
        )
        for identity in station.rig.identities
    )
