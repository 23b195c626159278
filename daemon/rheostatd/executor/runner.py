"""Runs one job from its command to its Finished: every way out leaves the rig safe and the record complete.

Nothing is published before it is durable. What a device did is an outcome and the job goes on; what the rig did wrong
ends the job, and the rig is latched until somebody has looked at it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import structlog

from rheostat import wire
from rheostat_hal.errors import HalError, RefusedError
from rheostatd import messages
from rheostatd.errors import DaemonError, JournalError, RequestError
from rheostatd.executor.calibration import CalibrationFailed, stages
from rheostatd.executor.check import CheckRun
from rheostatd.executor.estop import Stopped
from rheostatd.executor.job import Cancelled, Job
from rheostatd.executor.kinds import is_staged, staged
from rheostatd.executor.measuring import CalibrateRun, InitialiseRun, ReadRun
from rheostatd.executor.program import ProgramRun
from rheostatd.executor.provenance import of_origin, of_programme, of_table, provenance
from rheostatd.executor.requests import (
    check_calibrate,
    check_check,
    check_initialise,
    check_program,
    check_read,
    check_retention,
    check_train,
)
from rheostatd.executor.retention import RetentionRun
from rheostatd.executor.same_bench import READING, check_same_bench
from rheostatd.executor.staged import recorded
from rheostatd.executor.staged_run import StagedRun
from rheostatd.executor.station import Station
from rheostatd.executor.taken_cycles import begun
from rheostatd.executor.taken_trains import taken_trains
from rheostatd.executor.train import TrainRun
from rheostatd.journal.blocks import EVENT, joined, trace_arrays

log = structlog.get_logger()

Body = ProgramRun | ReadRun | InitialiseRun | CalibrateRun | TrainRun | StagedRun | RetentionRun | CheckRun


@dataclass
class Ended:
    """A job's end; the rig is safe (or latched). `backlog`: commands that came meanwhile and are not answered yet."""

    finished: messages.Finished
    arrays: wire.Arrays
    backlog: list[tuple[messages.Command, wire.Arrays]] = field(default_factory=list)


@dataclass
class _Prepared:
    job: Job
    body: Body
    devices: tuple[str, ...]
    extra: dict[str, Any] = field(default_factory=dict)


def run(station: Station, command: messages.Run, arrays: wire.Arrays) -> Ended:
    """Never raises for what a request, the rig or the disk did wrong: that is in the Ended."""
    job_id, spec = command.job_id, command.spec
    try:
        station.latch.check()
        prepared = _prepare(station, command, arrays)
    except DaemonError as error:
        log.info("job.refused", job=job_id, code=error.code, error=str(error))
        state = wire.JobState.FAILED
        return Ended(messages.Finished(job_id, state, {}, (), error_code=error.code, error=str(error)), {})
    job, body = prepared.job, prepared.body
    told = {**provenance(station, job_id, spec, prepared.devices), **prepared.extra, **of_origin(command.origin)}
    state, code, text, fault = wire.JobState.DONE, None, None, None
    try:
        station.ledger.begin(job_id, spec, {} if isinstance(body, RetentionRun) else arrays, told)
        with station.guard.watching(station.rig.abort):
            body.run()
    except Cancelled as cancelled:
        state, text = wire.JobState.CANCELLED, str(cancelled)
        code = "job.stopped" if cancelled.stopping else "job.cancelled"
    except Stopped as stopped:
        state, code, text = _stopped(station, stopped)
    except RefusedError as error:  # asked for something the rig does not do: nothing was sent, nothing is wrong
        state, code, text = wire.JobState.FAILED, error.code, str(error)
    except HalError as error:
        if station.guard.tripped:  # the guard has aborted the line: that is the cause, not the bus
            state, code, text = _stopped(station, error)
        else:
            state, code, text, fault = wire.JobState.FAILED, error.code, str(error), error
    except CalibrationFailed as failure:
        state, code, text = wire.JobState.FAILED, f"calibration.{failure.outcome.name.lower()}", str(failure)
    except (JournalError, RequestError) as error:
        state, code, text = wire.JobState.FAILED, error.code, str(error)
    station.latch.secure(fault)  # before anything that could take time
    due = body.due if isinstance(body, RetentionRun) else None
    if due is not None and (state is wire.JobState.DONE or code == "job.stopped"):
        state = wire.JobState.WAITING  # the executor may stop: the job does not
    if state not in (wire.JobState.DONE, wire.JobState.WAITING) or code is not None:
        body.abandon()
        log.warning("job.ended_early", job=job_id, state=state.value, code=code, error=text)
    ended = Ended(
        messages.Finished(
            job_id, state, told, (), error_code=code, error=text, table=getattr(body, "table", None), due=due,
        ), body.arrays, job.backlog,
    )  # fmt: skip
    return _conclude(station, prepared, ended)


def _prepare(station: Station, command: messages.Run, arrays: wire.Arrays) -> _Prepared:
    spec, job_id = command.spec, command.job_id
    match spec:
        case wire.Program():
            programme = check_program(station, spec, arrays)
            job = Job(station, job_id, len(programme.targets), spec.traces)
            return _Prepared(job, ProgramRun(job, programme), spec.devices, of_programme(programme))
        case wire.Read():
            check_read(station, spec)
            job = Job(station, job_id, len(spec.devices))
            return _Prepared(job, ReadRun(job, spec), spec.devices)
        case wire.Initialise():
            check_initialise(station, spec)
            job = Job(station, job_id, len(spec.devices))
            return _Prepared(job, InitialiseRun(job, spec), spec.devices)
        case wire.Train():
            check_train(station, spec, arrays)
            so_far = begun(station, spec, arrays, command.origin.continues)
            job = Job(station, job_id, len(spec.devices))
            return _Prepared(job, TrainRun(job, spec, so_far), spec.devices)
        case wire.CheckTable():
            table = check_check(station, spec)
            job = Job(station, job_id, len(spec.devices))
            return _Prepared(job, CheckRun(job, spec, table), spec.devices, of_table(table))
        case wire.Retention():
            check_retention(station, spec)
            clock = {"clock": "service" if command.now is None else "bench"}
            if arrays:  # it goes on
                check_same_bench(station, spec, spec.devices, (job_id,), clock, READING)
            job = Job(station, job_id, len(spec.devices) * len(spec.times))
            return _Prepared(job, RetentionRun(job, spec, arrays, command.now), spec.devices, clock)
        case wire.Calibrate():
            given = check_calibrate(station, spec, arrays)
            job = Job(station, job_id, stages(spec))
            devices = (spec.device, *spec.others)
            check_same_bench(station, spec, devices, command.origin.continues, {})
            taken = taken_trains(station, spec, command.origin.continues)
            return _Prepared(job, CalibrateRun(job, spec, given, taken), devices)
        case _ if is_staged(spec):
            kind = staged(spec)
            kind.check(station)
            check_same_bench(station, spec, kind.devices, command.origin.continues, kind.told())
            job = Job(station, job_id, kind.total, kind.devices)
            complete = recorded(station, kind, command.origin.continues)
            return _Prepared(job, StagedRun(job, kind, complete), kind.devices, kind.told())
        case _:
            raise RequestError(f"jobs of the kind {type(spec).__name__} are not served")


def _stopped(station: Station, error: Exception) -> tuple[wire.JobState, str, str]:
    guard = station.guard
    if guard.ending is not None:
        return wire.JobState.INTERRUPTED, "job.stopped", f"the executor was stopped: {guard.ending}"
    return wire.JobState.FAILED, "rig.estop", f"emergency stop: {guard.reason or error}"


def _conclude(station: Station, prepared: _Prepared, ended: Ended) -> Ended:
    """Outcomes on disk, then everything that waited for that published."""
    job, finished = prepared.job, ended.finished
    state, code, text = finished.state, finished.error_code, finished.error
    try:
        job.publish(station.ledger.finish(job.job_id, state, code, text))
    except JournalError as error:
        log.error("journal.lost", job=job.job_id, code=error.code, error=str(error))
        if state in (wire.JobState.DONE, wire.JobState.WAITING):
            state, code, text = wire.JobState.FAILED, error.code, str(error)
    progress = job.progress()
    station.control.send(progress)
    waits = state is wire.JobState.WAITING
    arrays = {name: array for name, array in ended.arrays.items() if waits or not name.startswith(messages.KEPT)}
    if isinstance(prepared.body, ProgramRun):
        for number, device in enumerate(prepared.body.programme.spec.traces):
            events = joined(job.kept.get(device, []), EVENT)
            arrays.update({f"trace_{number}_{name}": array for name, array in trace_arrays(events).items()})
    devices = tuple(station.device(name) for name in job.touched)
    ended.finished = messages.Finished(
        job.job_id, state, finished.provenance, devices,
        error_code=code, error=text, table=finished.table, totals=progress, due=finished.due,
    )  # fmt: skip
    ended.arrays = arrays
    return ended
