"""What every result has: the job, its devices, provenance and arrays, and its totals in words."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from rheostat import units, wire
from rheostat.errors import InputError
from rheostat.trace import Trace

Array = npt.NDArray[Any]
DIRECTIONS = ("potentiation", "depression")  # in the order in which axes of two have them


@dataclass(frozen=True, repr=False)
class Result:
    """What every job gives. `job`: its final state and totals; `devices`: names; `provenance`: calibration version,
    scheme and parameters, firmware, seeds; `arrays`: all arrays by their name on the wire."""

    job: wire.Job
    devices: tuple[str, ...]
    provenance: dict[str, Any]
    arrays: dict[str, Array]
    traces: dict[str, Trace] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return self.job.kind

    def summary(self) -> dict[str, Any]:
        """The totals as plain numbers with their units in the names."""
        job = self.job
        wall = job.finished - job.started if job.finished is not None and job.started is not None else math.nan
        return {
            "job": job.job_id,
            "state": job.state.value,
            "devices": len(self.devices),
            "outcomes": dict(job.outcomes),
            "pulses": job.pulses,
            "reads": job.reads,
            "energy_j": job.energy,
            "rig_time_s": job.rig_time,
            "wall_time_s": wall,
        }

    def costs(self) -> str:
        """Pulses, reads, energy and times, in words."""
        total = self.summary()
        return (
            f"{total['pulses']} pulses, {total['reads']} reads, {units.engineering(total['energy_j'], 'J')}, "
            f"rig time {units.duration(total['rig_time_s'])}, wall time {units.duration(total['wall_time_s'])}"
        )

    def endings(self) -> str:
        """How its targets or devices ended, for the end of a sentence; nothing where that is not told."""
        counts = self.summary()["outcomes"]
        return "".join(f", {count} {name.replace('_', ' ')}" for name, count in counts.items())

    def headline(self) -> str:
        """What came out, in words."""
        return f"{len(self.devices)} device{'s' * (len(self.devices) != 1)}"

    def overview(self) -> dict[str, Array]:
        """At a glance, as columns of equal length with units in their names; nothing where the arrays are that."""
        return {}

    def place(self, device: str) -> int:
        """Where a device stands along the first axis of arrays that have one place a device. Raises InputError."""
        if device not in self.devices:
            raise InputError(f"device {device!r} is not in this result; it has {', '.join(self.devices)}")
        return self.devices.index(device)

    @staticmethod
    def half(direction: int) -> int:
        """Where a direction stands along an axis of two: 1 (potentiation) first, -1 (depression). Raises InputError."""
        if direction not in (1, -1):
            raise InputError(f"direction is 1 (potentiation) or -1 (depression), not {direction!r}")
        return 0 if direction == 1 else 1

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.job.job_id} ({self.job.state}): {self.headline()}; {self.costs()}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(key)}</th><td>{escape(str(value))}</td></tr>"
            for key, value in self.summary().items()
        )
        totals = f"<table><caption>{escape(type(self).__name__)}</caption>{rows}</table>"
        return totals + _table(self.overview())


def _table(columns: dict[str, Array]) -> str:
    if not columns:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    rows = (
        "".join(f"<td>{escape(f'{cell:.4g}' if isinstance(cell, float) else str(cell))}</td>" for cell in row)
        for row in zip(*(column.tolist() for column in columns.values()), strict=True)
    )
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def mean(values: Array, axis: int | None = None) -> Array:
    """Of the finite values; nan where there are none."""
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), math.nan))


def spread(values: Array) -> float:
    """Standard deviation of the finite values; nan of fewer than two."""
    known = values[np.isfinite(values)]
    return float(known.std(ddof=1)) if known.size > 1 else math.nan
