"""What a job gave: arrays in the shape of the targets, SI units, and the provenance to repeat it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from rheostat import wire
from rheostat.results.base import Array, Result
from rheostat.results.programming import InitialiseResult, ProgramResult
from rheostat.results.readings import ReadResult, RetentionResult
from rheostat.results.tables import CalibrateResult, CheckTableResult
from rheostat.results.trains import IdenticalPulsesResult, IvLoopsResult, StaircaseResult, TrainResult
from rheostat.targets import Targets
from rheostat.trace import split_traces

__all__ = [
    "Array",
    "CalibrateResult",
    "CheckTableResult",
    "IdenticalPulsesResult",
    "InitialiseResult",
    "IvLoopsResult",
    "ProgramResult",
    "ReadResult",
    "Result",
    "RetentionResult",
    "StaircaseResult",
    "TrainResult",
    "build",
]

KINDS: dict[str, type[Result]] = {
    "read": ReadResult,
    "initialise": InitialiseResult,
    "calibrate": CalibrateResult,
    "train": TrainResult,
    "iv_loops": IvLoopsResult,
    "identical_pulses": IdenticalPulsesResult,
    "staircase": StaircaseResult,
    "retention": RetentionResult,
    "check_table": CheckTableResult,
}


def build(
    reply: wire.Result, arrays: Mapping[str, Array], targets: Targets | None = None, traced: Sequence[str] = ()
) -> Result:
    """The result of the right kind. `targets`, `traced`: as handed in, when this client knows them; otherwise what the
    job said in its provenance."""
    own = {name: np.array(array) for name, array in arrays.items()}  # writable, and free of the message's memory
    asked = reply.provenance.get("spec", {})
    traces = split_traces(own, traced or asked.get("traces", ()))
    common = (reply.job, reply.devices, reply.provenance, own, traces)
    if reply.job.kind != "program":
        return KINDS.get(reply.job.kind, Result)(*common)
    if targets is None:
        shape = asked.get("shape")
        fits = shape is not None and math.prod(shape) == own["targets"].size
        return ProgramResult(*common, tuple(shape) if fits else own["targets"].shape)
    return ProgramResult(*common, targets.shape, targets.unit, targets.mapping)
