"""The trains of an earlier job, for a calibration that fits them.

They become arrays of the new job, which needs nothing else from then on and can be made again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from rheostat import wire
from rheostat_hal.bench import Bench
from rheostatd.errors import BadParameter, NotReady, UnknownDevice, possible
from rheostatd.journal.jobs import JobJournal

ARRAYS = frozenset({"train_voltages", "train_resistance", "train_stroke"})
LEAST = 2  # voltages with a complete train, in either direction


def resolve(
    spec: wire.Calibrate, find: Callable[[str], wire.Job], journal: JobJournal, bench: Bench
) -> tuple[wire.Calibrate, wire.Arrays]:
    """The specification with voltages, width and longest train of the job that `spec.trains` names, and the arrays
    train_voltages (v,) V, train_resistance (2, v, repetitions, pulses + 1) ohm, nan where a train is not complete,
    train_stroke (2, v, repetitions) ohm.

    Raises UnknownJob, BadParameter (another kind of job, another bench, no complete trains), UnknownDevice, NotReady.
    """
    assert spec.trains is not None
    job = find(spec.trains)
    measured = journal.spec(job.job_id)
    if not isinstance(measured, wire.IdenticalPulses):
        raise BadParameter(f"trains: job {job.job_id} is of the kind {job.kind}; it takes one of identical_pulses")
    if spec.device not in measured.devices:
        raise UnknownDevice(
            f"trains: job {job.job_id} did not measure {spec.device!r}; {possible(spec.device, measured.devices)}"
        )
    ended = journal.ended(job.job_id) if job.state.final else None
    if ended is None:
        raise NotReady(f"trains: job {job.job_id} is {job.state.value} and has no result: wait for it")
    _check_bench(job.job_id, ended.provenance, bench)
    wanted = ("voltages", "resistance", "stroke", "outcome")
    found = {name: journal.arrays.read(ended.arrays[name]) for name in wanted if name in ended.arrays}
    if len(found) < len(wanted):
        raise BadParameter(f"trains: job {job.job_id} ended before it had measured any")
    number = measured.devices.index(spec.device)
    resistance = np.array(found["resistance"][number])
    whole = (found["outcome"][number] == wire.Outcome.VERIFIED) & np.isfinite(resistance).all(axis=-1)
    resistance[~whole] = np.nan
    for direction, complete in zip(("potentiation", "depression"), whole.any(axis=-1), strict=True):
        if np.count_nonzero(complete) < LEAST:
            raise BadParameter(
                f"trains: job {job.job_id} has complete trains of {spec.device} in {direction} at "
                f"{np.count_nonzero(complete)} voltages: a table needs {LEAST} at least"
            )
    resolved = msgspec.structs.replace(
        spec, voltages=measured.voltages, width=measured.width, max_train=max(measured.pulses, 10)
    )
    stroke = np.ascontiguousarray(found["stroke"][number])
    return resolved, {"train_voltages": found["voltages"], "train_resistance": resistance, "train_stroke": stroke}


def _check_bench(job_id: str, told: dict[str, Any], bench: Bench) -> None:
    """Trains begin at the ends of the window, and belong to one die."""
    now: dict[str, Any] = {"bench": bench.name, "seed": None if bench.virtual is None else bench.virtual.seed}
    before = {name: told[name] for name in now if name in told}
    for kind, ends in told.get("windows_ohm", {}).items():
        before[kind], window = list(ends), dict(bench.windows).get(kind)
        now[kind] = None if window is None else [window.lrs, window.hrs]
    for name, value in before.items():
        if value != now[name]:
            changed = f"{name} was {value}, now it is {now[name]}"
            raise BadParameter(f"trains: job {job_id} measured on another bench ({changed}): measure anew")
