"""Figures of merit of pulse trains (B, section III), of retention, and of what differs between devices and cycles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rheostat import curves
from rheostat.analysis.drift import Drift, fit_logarithmic
from rheostat.analysis.states import LinearPart, bits, linear_part, pair_bins, symmetry
from rheostat.analysis.variation import nested
from rheostat.characterisation.data import DIRECTIONS, Held, Sweep, Trains
from rheostat.characterisation.merits import Figure, mean
from rheostat.wire import FeedforwardTable


def parts(trains: Trains, analysis: Mapping[str, Any]) -> dict[int, LinearPart]:
    """The linear part of either direction, S; without a direction that has none."""
    found = {}
    for direction in DIRECTIONS:
        states = trains.half(direction)
        if states.shape[0] < 2 or states.shape[1] < 3:
            continue
        try:
            found[direction] = linear_part(states, analysis["states"], analysis["r_squared"])
        except ValueError:  # none is linear enough: there is no figure
            continue
    return found


def states(trains: Sequence[Trains], energies: Sequence[Trains], analysis: Mapping[str, Any]) -> list[Figure]:
    """Figures of the first device's trains and of their energy."""
    found: list[Figure] = []
    for train in trains[:1]:
        linear = parts(train, analysis)
        cycles = int(np.isfinite(train.resistance).all(axis=1).sum())
        short = cycles < len(train.resistance)
        note = f"from {cycles} of {len(train.resistance)} cycles" if short else ""
        for direction, part in linear.items():
            found += _part(part, DIRECTIONS[direction], note)
        if len(linear) == len(DIRECTIONS):
            found += _both(linear[1], linear[-1], analysis["k_sigma"], note)
    for train in energies[:1]:
        cycle = train.energy.sum(axis=1)
        found.append(mean("cycle_energy", "energy of a cycle", cycle, "J", section="energy"))
    return found


def _part(part: LinearPart, name: str, note: str) -> list[Figure]:
    more: dict[str, Any] = {"section": f"linear part, {name}", "note": note}
    return [
        Figure(f"states_{name}", f"states on a line, {name}", float(part.count), **more),
        Figure(f"bin_width_{name}", f"mean bin width, {name}", part.bin_width, part.bin_width_error, "S", **more),
        Figure(f"sigma_{name}", f"mean σ of a state, {name}", part.sigma, part.sigma_error, "S", **more),
        Figure(f"r_squared_{name}", f"R² of the line, {name}", part.r_squared, part.r_squared_error, **more),
        Figure(f"curvature_{name}", f"rms distance from the line, {name}", part.curvature, unit="S", **more),
    ]


def _both(up: LinearPart, down: LinearPart, k_sigma: float, note: str) -> list[Figure]:
    more: dict[str, Any] = {"section": "both directions", "note": note}
    alike = symmetry(up, down)
    sigma = 0.5 * (up.sigma + down.sigma)
    sigma_error = 0.5 * math.hypot(up.sigma_error, down.sigma_error)
    bins = min(pair_bins(up, k_sigma), pair_bins(down, k_sigma))
    return [
        Figure("sigma", "mean σ of a state", sigma, sigma_error, "S", **more),
        Figure("bins", f"bins of a pair wider than {k_sigma:g} σ", float(bins), **more),
        Figure("bits", "bits of a pair", bits(bins), unit="bit", **more),
        Figure("symmetry_overlap", "common range of both directions", 100.0 * alike.overlap, unit="%", **more),
        Figure(
            "symmetry_width",
            "bin width, potentiation less depression, over their mean",
            100.0 * alike.width,
            100.0 * alike.width_error,
            "%",
            **more,
        ),
    ]


def drift(held: Sequence[Held]) -> list[Figure]:
    """How far resistances drift: the largest change from a device's first reading to its last, and the first device's
    change per decade of time. Where readings scatter about the logarithm of time by more than their errors, as they do
    where contacts are closed anew for each, the errors are that scatter."""
    known = [device for device in held if len(device.resistance) > 1]
    if not known:
        return []
    fits = [_fitted(device) for device in known]
    scatters = [1.0 if fit is None else max(1.0, math.sqrt(fit.chi_square / fit.freedom)) for fit in fits]
    changes = [100.0 * (device.resistance[-1] / device.resistance[0] - 1.0) for device in known]
    errors = [100.0 * math.hypot(d.error[-1], d.error[0]) / float(d.resistance[0]) for d in known]
    worst = int(np.argmax(np.abs(changes)))
    more: dict[str, Any] = {"unit": "%", "section": "retention"}
    value, error = abs(float(changes[worst])), scatters[worst] * errors[worst]
    at = f"{known[worst].device}, after {known[worst].elapsed[-1]:.5g} s{_told(scatters[worst])}"
    found = [Figure("drift_largest", "largest drift", value, error, note=at, **more)]
    if fits[0] is not None:
        value, error = 100.0 * fits[0]["a"], 100.0 * scatters[0] * fits[0].error("a")
        note = f"{known[0].device}{_told(scatters[0])}"
        found.append(Figure("drift_decade", "drift per decade of time", value, error, note=note, **more))
    return found


def _fitted(device: Held) -> Drift | None:
    """The logarithm of time through a device's readings; None where they are too few."""
    if len(np.unique(device.elapsed)) > 2 and np.all(device.error > 0.0):
        return fit_logarithmic(device.elapsed, device.resistance, device.error)
    return None


def _told(scatter: float) -> str:
    return f"; readings scatter {scatter:.2g} times their errors" if scatter > 2.0 else ""


def variation(sweeps: Sequence[Sweep], trains: Sequence[Trains], table: FeedforwardTable | None) -> list[Figure]:
    """What differs between devices and from cycle to cycle within one, in % of the mean: of sweeps the write pulses and
    the gain (travel over the table's prediction), of trains the mean step of conductance and the ends of its range."""
    found: list[Figure] = []
    for direction, name in DIRECTIONS.items():
        whole = [sweep for sweep in sweeps if sweep.direction == direction and sweep.whole]
        devices = [sweep.device for sweep in whole]
        found += _nested(f"pulses_{name}", f"write pulses, {name}", [float(s.pulses) for s in whole], devices)
        if table is not None:
            found += _nested(f"gain_{name}", f"gain, {name}", [gain(sweep, table) for sweep in whole], devices)
    for direction, name in DIRECTIONS.items():
        halves = [(train.device, train.half(direction)) for train in trains]
        halves = [(device, half) for device, half in halves if half.shape[1] > 1]
        devices = [device for device, half in halves for _ in half]
        steps = [abs(float(row[-1] - row[0])) / (len(row) - 1) for _, half in halves for row in half]
        ends = [float(row[-1]) for _, half in halves for row in half]
        extreme = "largest" if direction > 0 else "least"
        found += _nested(f"update_{name}", f"conductance update, {name}", steps, devices)
        found += _nested(f"g_{extreme}", f"{extreme} conductance", ends, devices)
    return found


def gain(sweep: Sweep, table: FeedforwardTable) -> float:
    """Travel of a sweep over what the table predicts of its pulses."""
    predicted = curves.predict(table, sweep.resistance, np.abs(sweep.voltage), sweep.direction).sum()
    return float(sweep.direction * (sweep.resistance[0] - sweep.final) / predicted)


def _nested(key: str, words: str, values: Sequence[float], devices: Sequence[str]) -> list[Figure]:
    """Device to device with its 95 % interval, cycle to cycle with its standard error; nothing from one device."""
    groups = set(devices)
    if len(groups) < 2 or len(values) != len(devices) or len(values) <= len(groups):
        return []
    parts = nested(np.array(values), np.array(devices))
    between, low, high = (100.0 * share for share in parts.relative_between)
    within = 100.0 * parts.relative_within[0]
    error = within / math.sqrt(2.0 * (len(values) - len(groups)))
    more: dict[str, Any] = {"unit": "%", "section": "variation"}
    note = f"{len(groups)} devices, 95 %: {low:.2g} to {high:.2g} %"
    return [
        Figure(f"device_to_device_{key}", f"device to device, {words}", between, note=note, **more),
        Figure(f"cycle_to_cycle_{key}", f"cycle to cycle, {words}", within, error, **more),
    ]
