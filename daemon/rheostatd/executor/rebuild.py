"""The end of a job whose Finished the service never got, rebuilt from the record of pulses."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from rheostat import wire
from rheostat.wire import Outcome
from rheostatd import messages
from rheostatd.executor.kinds import is_staged, staged
from rheostatd.executor.results import VALUES, result_arrays
from rheostatd.executor.staged import BROKEN_OFF, Done, StagedKind, of_job, recorded
from rheostatd.executor.station import Station
from rheostatd.executor.taken_cycles import train_so_far
from rheostatd.journal.blocks import trace_arrays
from rheostatd.journal.pulses import JobRecord, PulseRecord


def rebuild(station: Station, job_id: str) -> tuple[messages.Finished, wire.Arrays] | None:
    """What the record holds of a job: as it ended, or INTERRUPTED with what was done; None when it has no record, or
    when it goes on.

    A target in progress when everything stopped is INTERRUPTED, with what is known of it; its device may have had
    pulses that the record does not show, as many as its last lease allowed.
    """
    record: JobRecord | None = station.ledger.ask(PulseRecord.job, job_id)
    if record is None:
        return None
    if isinstance(record.spec, wire.Retention) and record.state is not wire.JobState.CANCELLED:
        return None  # whatever ended its slice: it goes on with what is missing
    leased: dict[str, tuple[int, int, bool]] = station.ledger.ask(PulseRecord.leased, job_id)
    devices = tuple(station.device(name) for name in leased if name in station.addresses)
    arrays: wire.Arrays = {}
    totals, table = None, None
    if isinstance(record.spec, wire.Program):
        arrays, totals = _program(station, job_id, record.spec, record.arrays, leased)
    elif isinstance(record.spec, wire.Train):
        continues = tuple(record.provenance.get("continues", ()))
        arrays, totals = _train(station, (job_id, *continues), record.spec, record.arrays)
    elif is_staged(record.spec):
        arrays, totals = _staged(station, job_id, staged(record.spec), tuple(record.provenance.get("continues", ())))
    elif isinstance(record.spec, wire.Calibrate):
        table = _table(station, record)
        arrays = table.arrays() if table is not None else {}
    elif isinstance(record.spec, wire.Initialise):
        arrays = _initialise(station, job_id, record.spec)
    state = record.state or wire.JobState.INTERRUPTED
    if state is wire.JobState.DONE and not arrays:
        state = wire.JobState.INTERRUPTED  # what it found is lost with the Finished that nobody got
    interrupted = state is wire.JobState.INTERRUPTED
    return messages.Finished(
        job_id, state, record.provenance, devices,
        error_code="job.interrupted" if interrupted else record.error_code,
        error="the daemon or the rig stopped while it ran; its device is read again before anything is assumed"
        if interrupted else record.error,
        table=None if table is None else table.info,
        totals=totals,
    ), arrays  # fmt: skip


def _program(
    station: Station, job_id: str, spec: wire.Program, given: wire.Arrays, leased: dict[str, tuple[int, int, bool]]
) -> tuple[wire.Arrays, messages.Progress]:
    arrays = result_arrays(given["targets"], given["device"])
    done = station.ledger.ask(PulseRecord.outcomes, job_id)
    index = done["target"]
    arrays["outcome"][index] = done["outcome"]
    for name in VALUES:
        arrays[name][index] = done[name]
    events = {device: station.ledger.ask(PulseRecord.events, job_id, device) for device in spec.devices}
    for device, happened in events.items():
        for target in np.unique(happened["target"]).tolist():
            if target >= 0 and arrays["outcome"][target] == Outcome.PENDING:
                _in_progress(arrays, target, happened[happened["target"] == target])
        if leased.get(device, (0, 0, False))[2]:
            _next_interrupted(arrays, np.flatnonzero(given["device"] == spec.devices.index(device)), happened, spec)
    for number, device in enumerate(spec.traces):
        trace = trace_arrays(events[device])
        arrays.update({f"trace_{number}_{name}": array for name, array in trace.items()})
    outcome = arrays["outcome"]
    known = outcome != Outcome.PENDING
    counts = {Outcome(code).name.lower(): int((outcome == code).sum()) for code in set(outcome[known].tolist())}
    return arrays, _totals(job_id, len(outcome), int(known.sum()), counts, [*events.values()])


def _train(
    station: Station, job_ids: tuple[str, ...], spec: wire.Train, given: wire.Arrays
) -> tuple[wire.Arrays, messages.Progress]:
    """How each device ended is not in the record, so that none is counted. job_ids: with those that it continues."""
    arrays = train_so_far(station, spec, given, job_ids)
    events = [station.ledger.ask(PulseRecord.events, job_ids[0], device) for device in spec.devices]
    each = arrays["resistance"][0].size
    return arrays, _totals(job_ids[0], len(spec.devices), int((arrays["pulses"] == each).sum()), {}, events)


def _table(station: Station, record: JobRecord) -> wire.FeedforwardTable | None:
    """That a calibration has stored before its end: the first one of its device since it began."""
    began, device = record.provenance.get("started", math.inf), record.spec.device  # type: ignore[union-attr]
    for info in reversed(station.tables):
        if info.device == device and info.created >= began and info.version.endswith(f"-{record.job[:6]}"):
            return station.table(info.version)
    return None


def _initialise(station: Station, job_id: str, spec: wire.Initialise) -> wire.Arrays:
    everything = result_arrays(np.zeros(len(spec.devices)), np.zeros(len(spec.devices), np.int32))
    arrays = {name: everything[name] for name in (*VALUES, "outcome")}
    done = station.ledger.ask(PulseRecord.outcomes, job_id)
    for name, array in arrays.items():
        array[done["target"]] = done[name]
    return arrays


def _staged(
    station: Station, job_id: str, kind: StagedKind, continues: tuple[str, ...]
) -> tuple[wire.Arrays, messages.Progress]:
    own = of_job(station, kind, job_id)
    done = Done(recorded(station, kind, continues) + own, kind.total)
    outcomes = Counter(Outcome(code).name.lower() for code in done.outcome.tolist() if code != Outcome.PENDING)
    broken_off = sum(outcomes[outcome.name.lower()] for outcome in BROKEN_OFF)
    return kind.arrays(done), _totals(job_id, kind.total, outcomes.total() - broken_off, dict(outcomes), [own.events])


def _totals(
    job_id: str, total: int, done: int, outcomes: dict[str, int], events: list[npt.NDArray[Any]]
) -> messages.Progress:
    happened = np.concatenate(events)
    return messages.Progress(
        job_id=job_id,
        total=total,
        done=done,
        pulses=int(np.isfinite(happened["voltage"]).sum()),
        reads=int(happened["reads"].sum()),
        energy=float(np.nansum(happened["energy"])),
        rig_time=float(happened["duration"].sum()),
        outcomes=outcomes,
    )


def _in_progress(arrays: dict[str, Any], target: int, happened: npt.NDArray[Any]) -> None:
    pulses = np.isfinite(happened["voltage"])
    read = happened["resistance"][happened["reads"] > 0]
    arrays["outcome"][target] = Outcome.INTERRUPTED
    arrays["achieved"][target] = read[-1] if len(read) else math.nan
    arrays["pulses"][target] = pulses.sum()
    arrays["reads"][target] = happened["reads"].sum()
    arrays["energy"][target] = np.nansum(happened["energy"])
    arrays["rig_time"][target] = happened["duration"].sum()


def _next_interrupted(
    arrays: dict[str, Any], mine: npt.NDArray[Any], happened: npt.NDArray[Any], spec: wire.Program
) -> None:
    """A lease was open and nothing of a target in progress is recorded: the one that came next may have been begun."""
    outcome = arrays["outcome"]
    waiting = mine[outcome[mine] == Outcome.PENDING]
    if (outcome[mine] == Outcome.INTERRUPTED).any() or not len(waiting):
        return
    read = happened["resistance"][np.isfinite(happened["resistance"])]
    if spec.order == "sweep" and len(read):
        distance = np.abs(arrays["targets"][waiting] - read[-1])
        waiting = waiting[np.argsort(distance, kind="stable")]
    outcome[waiting[0]] = Outcome.INTERRUPTED
