"""Results as one table, for CSV, JSON and the terminal: columns of equal length, units in their names."""

from __future__ import annotations

from typing import Any

import numpy as np

from rheostat import results, wire
from rheostat.errors import InputError
from rheostat.results import Array, Result
from rheostat.results.base import DIRECTIONS

# Of arrays by their name on the wire and of columns; what is not here has no unit.
UNITS = {
    "targets": "ohm",
    "tolerance": "ohm",
    "achieved": "ohm",
    "error": "ohm",
    "uncertainty": "ohm",
    "resistance": "ohm",
    "resistances": "ohm",
    "potentiation": "ohm",
    "depression": "ohm",
    "potentiation_error": "ohm",
    "depression_error": "ohm",
    "stroke": "ohm",
    "final": "ohm",
    "predicted": "ohm",
    "measured": "ohm",
    "voltage": "V",
    "voltages": "V",
    "current": "A",
    "width": "s",
    "times": "s",
    "elapsed": "s",
    "rig_time": "s",
    "wall_time": "s",
    "energy": "J",
}
SUFFIXES = {"ohm": "_ohm", "V": "_v", "A": "_a", "s": "_s", "J": "_j"}


def named(name: str) -> str:
    """With its unit."""
    return name + SUFFIXES.get(UNITS.get(name, ""), "")


def columns(result: Result) -> dict[str, Array]:
    """The result as one table, names with units -> columns of equal length; one row a target, reading, write pulse or
    table cell. Raises InputError for a kind that has none."""
    match result:
        case results.ProgramResult():
            return {
                "index": np.arange(result.targets.size),
                "device": result.device.reshape(-1),
                "target_ohm": result.targets.reshape(-1),
                **_flat(result, "achieved error uncertainty"),
                "outcome": _words(result.outcome),
                **_flat(result, "pulses reads energy rig_time wall_time"),
            }
        case results.ReadResult():
            rows = _rows(device=result.devices, reading=result.readings.shape[1])
            return {**rows, "resistance_ohm": result.readings.reshape(-1)}
        case results.InitialiseResult():
            return {
                "device": np.array(result.devices),
                **_flat(result, "achieved"),
                "outcome": _words(result.outcome),
                **_flat(result, "pulses energy"),
            }
        case results.CalibrateResult():
            return {
                **_rows(voltage_v=result.voltages, resistance_ohm=result.resistances),
                **_flat(result, "potentiation potentiation_error depression depression_error"),
            }
        case results.TrainResult():
            return _train(result)
        case results.IvLoopsResult():
            _, loops, steps = result.resistance.shape
            return {
                **_rows(device=result.devices, loop=loops, step=steps),
                "voltage_v": np.tile(result.voltage, len(result.devices) * loops),
                **_flat(result, "resistance current energy"),
            }
        case results.IdenticalPulsesResult():
            return _identical_pulses(result)
        case results.StaircaseResult():
            return _staircase(result)
        case results.RetentionResult():
            return {
                **_rows(device=result.devices, time_s=result.times),
                **_flat(result, "elapsed resistance uncertainty"),
            }
        case results.CheckTableResult():
            pulses = result.predicted.shape[2]
            each = {"gain": result.gain, "gain_error": result.uncertainty, "expected": result.expected}
            return {
                **_rows(device=result.devices, direction=DIRECTIONS, pulse=pulses),
                **_flat(result, "predicted measured"),
                **{name: np.repeat(values.reshape(-1), pulses) for name, values in each.items()},
                "fits": np.repeat(result.verdicts(), len(DIRECTIONS) * pulses),
            }
    raise InputError(f"a {result.kind} job has no table to export")


def _train(result: results.TrainResult) -> dict[str, Array]:
    devices, cycles, pulses = result.resistance.shape
    return {
        **_rows(device=result.devices, cycle=cycles, pulse=pulses),
        "voltage_v": np.tile(result.voltage, devices * cycles),
        "width_s": np.tile(result.width, devices * cycles),
        **_flat(result, "resistance energy"),
    }


def _identical_pulses(result: results.IdenticalPulsesResult) -> dict[str, Array]:
    """A row for each reading; what is of a whole train stands in all of its rows."""
    *_, repetitions, readings = result.resistance.shape
    axes = {"voltage_v": result.voltages, "repetition": repetitions, "reading": readings}
    return {
        **_rows(device=result.devices, direction=DIRECTIONS, **axes),
        **_flat(result, "resistance"),
        "stroke_ohm": np.repeat(result.stroke.reshape(-1), readings),
        "train_energy_j": np.repeat(result.energy.reshape(-1), readings),
        "outcome": np.repeat(_words(result.outcome), readings),
    }


def _staircase(result: results.StaircaseResult) -> dict[str, Array]:
    """A row for each write pulse; what is of a whole sweep stands in all of its rows."""
    counts = result.counts.reshape(-1)
    sweeps = _rows(device=result.devices, cycle=result.counts.shape[1], direction=DIRECTIONS)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    return {
        **{name: np.repeat(column, counts) for name, column in sweeps.items()},
        "pulse": np.arange(counts.sum()) - starts,
        **{named(name): result.arrays[name] for name in ("voltage", "resistance", "energy")},
        "final_ohm": np.repeat(result.final.reshape(-1), counts),
        "outcome": np.repeat(_words(result.outcome), counts),
    }


def _rows(**axes: Any) -> dict[str, Array]:
    """The place of every element of an array, in C order: for each axis its values, or 0, 1, ... of a number."""
    values = [np.arange(axis) if isinstance(axis, int) else np.asarray(axis) for axis in axes.values()]
    mesh = np.meshgrid(*values, indexing="ij")
    return {name: grid.reshape(-1) for name, grid in zip(axes, mesh, strict=True)}


def _flat(result: Result, names: str) -> dict[str, Array]:
    return {named(name): np.asarray(getattr(result, name)).reshape(-1) for name in names.split()}


def _words(outcome: Array) -> Array:
    return np.array([wire.Outcome(int(number)).name.lower() for number in outcome.reshape(-1)], dtype=np.str_)
