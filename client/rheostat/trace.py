"""What happened to one device in one job, event by event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Trace:
    """Every event of one device in one job, (m,) each: voltage V (nan: a reading only), width s, resistance ohm (mean
    of its readings), reads, energy J, target (index of the target in the job; -1: of none, as the first of a sweep)."""

    device: str
    voltage: Array
    width: Array
    resistance: Array
    reads: Array
    energy: Array
    target: Array

    def __repr__(self) -> str:
        written = int(np.isfinite(self.voltage).sum())
        return f"<Trace {self.device}: {len(self.voltage)} events, {written} write pulses>"


TRACE_FIELDS = ("voltage", "width", "resistance", "reads", "energy", "target")


def build_trace(device: str, arrays: Mapping[str, Array]) -> Trace:
    return Trace(device, *(np.array(arrays[name]) for name in TRACE_FIELDS))


def split_traces(arrays: dict[str, Array], traced: Sequence[str]) -> dict[str, Trace]:
    """Takes trace_<k>_<field> out of `arrays`; the k-th trace is of the k-th name in `traced`."""
    traces = {}
    for k, device in enumerate(traced):
        if f"trace_{k}_voltage" in arrays:
            traces[device] = Trace(device, *(arrays.pop(f"trace_{k}_{name}") for name in TRACE_FIELDS))
    return traces
