"""Earlier jobs as people name them: an id, a Job, a Result; and jobs made again from them."""

from __future__ import annotations

from typing import Any, Unpack

import msgspec
import numpy as np

from rheostat import wire
from rheostat.errors import InputError
from rheostat.results import ProgramResult, Result
from rheostat.specs.asked import JobOptions, new_job_id, submitted
from rheostat.talk import Submission, Talk
from rheostat.talk import job as ask_job
from rheostat.targets import Targets

ARRAYS = {"program": ("targets", "device", "tolerance"), "train": ("voltage", "width")}  # of a result: what was asked


def job_of(source: Any) -> Talk[wire.Job]:
    """The last state of a job named by its id (or "last", or the beginning of it), its Job or its Result."""
    if isinstance(source, Result):
        return source.job
    name = source if isinstance(source, str) else getattr(source, "id", None)
    if not isinstance(name, str):
        raise InputError(f"a job is named by its id, its Job or its Result, not by {type(source).__name__}")
    return (yield from ask_job(name))


def repeat(source: Any, unfinished: bool = False, **options: Unpack[JobOptions]) -> Talk[Submission]:
    """The job that does again what `source` did; `unfinished`: only what that one had not finished.

    A Result is repeated from what it holds itself, at any daemon; everything else from the daemon's record.
    """
    if isinstance(source, Result) and not unfinished:
        return from_result(source, **options)
    earlier = yield from job_of(source)
    if unfinished and earlier.kind not in wire.GOES_ON:
        raise InputError(f"a {earlier.kind} job cannot be finished by another one; possible: {', '.join(wire.GOES_ON)}")
    if unfinished and not earlier.state.final:
        raise InputError(f"job {earlier.job_id} is {earlier.state}: what it leaves unfinished is known when it ends")
    return Submission(
        wire.Again(
            job_id=options.get("job_id") or new_job_id(),
            of=earlier.job_id,
            unfinished=unfinished,
            priority=options.get("priority", 0),
            label=options.get("label", ""),
        ),
        {},
    )


def from_result(result: Result, **options: Unpack[JobOptions]) -> Submission:
    """The job of a result, from its provenance and arrays. A feedforward table that it had left open is the one that
    was used. Raises InputError when the provenance does not tell."""
    spec = spec_of(result)
    arrays = {
        name: np.ascontiguousarray(result.arrays[name]) for name in ARRAYS.get(result.kind, ()) if name in result.arrays
    }
    targets = None
    if isinstance(result, ProgramResult):
        targets = Targets(np.asarray(result.targets, dtype=np.float64), result.unit, result.mapping)
    return Submission(submitted(spec, **options), arrays, targets)


def spec_of(result: Result) -> wire.Spec:
    """What the job of a result had asked for, with the feedforward table that was used."""
    told = result.provenance
    if not isinstance(told.get("spec"), dict):
        raise InputError(f"the provenance of job {result.job.job_id} does not say what was asked: repeat it by its id")
    try:
        spec: wire.Spec = msgspec.convert({"op": told.get("kind", result.kind), **told["spec"]}, wire.Spec)
    except msgspec.ValidationError as error:
        raise InputError(f"job {result.job.job_id} cannot be made again from its provenance: {error}") from error
    used = told.get("table")
    if isinstance(spec, wire.Program | wire.Staircase | wire.CheckTable) and spec.table is None and used is not None:
        spec = msgspec.structs.replace(spec, table=str(used))
    return spec
