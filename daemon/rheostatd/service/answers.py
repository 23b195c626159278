"""One answer for every request of the protocol."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from rheostat import __version__, wire
from rheostat_hal.bench import Bench
from rheostatd import messages
from rheostatd.errors import (
    BadParameter,
    Conflict,
    NotReady,
    NotStarted,
    RequestError,
    UnknownDevice,
    UnknownTable,
    possible,
)
from rheostatd.journal.jobs import JobJournal, digest_again, digest_of
from rheostatd.journal.pulses import PulseRecord
from rheostatd.journal.reserve import Reserve
from rheostatd.service import trains, validate
from rheostatd.service.again import earlier
from rheostatd.service.conductor import Conductor
from rheostatd.service.events import Events
from rheostatd.service.queue import JobQueue
from rheostatd.service.waits import JobWaits, Reply

MOST_JOBS = 1000  # in one list


class Answers:
    """Called with a request, its arrays and the way to reply. Errors of the daemon's tree become the reply."""

    def __init__(
        self,
        bench: Bench,
        data: Path,
        queue: JobQueue,
        journal: JobJournal,
        reserve: Reserve,
        conductor: Conductor,
        events: Events,
        waits: JobWaits,
    ) -> None:
        self._bench = bench
        self._data = data
        self._queue = queue
        self._journal = journal
        self._reserve = reserve
        self._conductor = conductor
        self._events = events
        self._waits = waits
        self._began = time.monotonic()
        self.events_address = ""
        self._handlers: dict[type, Callable[[Any, wire.Arrays, Reply], None]] = {
            wire.GetStatus: self._status,
            wire.ListDevices: self._devices,
            wire.Submit: self._submit,
            wire.Again: self._again,
            wire.GetJob: lambda request, _, reply: reply(self._queue.find(request.job_id)),
            wire.ListJobs: self._jobs,
            wire.Wait: self._wait,
            wire.GetResult: self._result,
            wire.GetTrace: self._trace,
            wire.Cancel: self._cancel,
            wire.Pause: lambda request, _, reply: self._hold(request.job_id, True, reply),
            wire.Resume: lambda request, _, reply: self._hold(request.job_id, False, reply),
            wire.ListTables: lambda _request, _, reply: reply(wire.TableList(tables=self._conductor.rig.tables)),
            wire.GetTable: self._table,
            wire.Recover: lambda _request, _, reply: self._conductor.recover(reply),
            wire.ReplayEvents: lambda request, _, reply: reply(self._events.replay(request.after)),
            wire.EmergencyStop: self._emergency_stop,
        }

    def __call__(self, request: wire.Request, arrays: wire.Arrays, reply: Reply) -> None:
        if arrays and type(request) is not wire.Submit:
            raise RequestError("only submit takes arrays")
        self._handlers[type(request)](request, arrays, reply)

    # ---- the rig ---------------------------------------------------------------------------------------------------

    def _status(self, request: wire.GetStatus, arrays: wire.Arrays, reply: Reply) -> None:
        conductor, queue = self._conductor, self._queue
        reply(
            wire.Status(
                version=__version__,
                bench=self._bench.name,
                virtual=self._bench.virtual is not None,
                state=conductor.state,
                latch=conductor.latch,
                running=queue.running,
                queued=queue.waiting,
                sequence=self._events.sequence,
                uptime=time.monotonic() - self._began,
                pid=os.getpid(),
                executor_pid=conductor.supervisor.pid,
                data=str(self._data),
                events=self.events_address,
                estop=conductor.rig.estop,
                instruments=conductor.rig.instruments,
            )
        )

    def _devices(self, request: wire.ListDevices, arrays: wire.Arrays, reply: Reply) -> None:
        self._need_rig()
        reply(wire.DeviceList(devices=tuple(self._conductor.rig.devices.values())))

    def _emergency_stop(self, request: wire.EmergencyStop, arrays: wire.Arrays, reply: Reply) -> None:
        estop = self._conductor.rig.estop or "not open yet"
        raise RequestError(f"an emergency stop goes to its own socket, which stands behind no queue: {estop}")

    # ---- jobs ------------------------------------------------------------------------------------------------------

    def _submit(self, request: wire.Submit, arrays: wire.Arrays, reply: Reply) -> None:
        digest = digest_of(request, arrays)
        if request.dry_run or not self._answered(request.job_id, digest, reply):
            self._take(request, arrays, digest, messages.NEW, reply)

    def _again(self, request: wire.Again, arrays: wire.Arrays, reply: Reply) -> None:
        digest = digest_again(request)
        if request.dry_run or not self._answered(request.job_id, digest, reply):
            submit, arrays, origin = earlier(request, self._journal)
            self._take(submit, arrays, digest, origin, reply)

    def _answered(self, job_id: str, digest: bytes, reply: Reply) -> bool:
        """The same job sent again gets the same answer."""
        before = self._journal.digest(job_id)
        if before is None:
            return False
        if before != digest:
            raise Conflict(f"job id {job_id!r} was used before for another job: take a new one")
        reply(self._queue.find(job_id))
        return True

    def _take(
        self, submit: wire.Submit, arrays: wire.Arrays, digest: bytes, origin: messages.Origin, reply: Reply
    ) -> None:
        rig = self._need_rig()
        tables = [table.version for table in rig.tables]
        known = validate.Known(rig.devices, rig.schemes, tables, self._bench.limits)
        if isinstance(submit.spec, wire.Calibrate) and submit.spec.trains is not None and not arrays:
            spec, arrays = trains.resolve(submit.spec, self._queue.find, self._journal, self._bench)
            submit = msgspec.structs.replace(submit, spec=spec)
        total = validate.submit(submit, arrays, known)
        if submit.dry_run:
            self._conductor.ask(lambda number: messages.Dry(number, submit.spec, origin=origin), reply, arrays)
            return
        self._conductor.check()
        self._reserve.check()
        reply(self._queue.add(submit, arrays, digest, total, origin))
        self._conductor.dispatch()

    def _jobs(self, request: wire.ListJobs, arrays: wire.Arrays, reply: Reply) -> None:
        if not 1 <= request.limit <= MOST_JOBS:
            raise BadParameter(f"limit {request.limit}: from 1 to {MOST_JOBS}")
        reply(wire.JobList(jobs=tuple(self._queue.newest(request.limit, request.states))))

    def _wait(self, request: wire.Wait, arrays: wire.Arrays, reply: Reply) -> None:
        if not math.isfinite(request.timeout):
            raise BadParameter(f"timeout {request.timeout}: a finite number of seconds")
        self._waits.add(request, reply)

    def _cancel(self, request: wire.Cancel, arrays: wire.Arrays, reply: Reply) -> None:
        job = self._queue.cancel(request.job_id)
        if job.job_id == self._queue.running:
            self._conductor.tell(messages.Cancel(job.job_id))
        reply(job)

    def _hold(self, job_id: str | None, paused: bool, reply: Reply) -> None:
        if job_id is None:
            self._queue.hold_all(paused)
            reply(wire.Ok())
        else:
            job = self._queue.hold(job_id, paused)
            if job_id == self._queue.running:
                self._conductor.tell(messages.Pause(job_id) if paused else messages.Resume(job_id))
            reply(job)
        self._conductor.dispatch()

    def _result(self, request: wire.GetResult, arrays: wire.Arrays, reply: Reply) -> None:
        job = self._queue.find(request.job_id)
        if not job.state.final:
            raise NotReady(f"job {job.job_id} is {job.state.value}: it has a result when it is over (wait for it)")
        ended = self._journal.ended(job.job_id)
        if ended is None:
            raise NotReady(f"job {job.job_id} was {job.state.value} before it did anything: there is no result")
        result = wire.Result(job=job, devices=ended.devices, provenance=ended.provenance)
        reply(result, self._journal.arrays.read_all(ended.arrays))

    def _trace(self, request: wire.GetTrace, arrays: wire.Arrays, reply: Reply) -> None:
        self._queue.find(request.job_id)
        devices = self._need_rig().devices
        if request.device not in devices:
            raise UnknownDevice(f"no device {request.device!r}; {possible(request.device, devices)}")

        def fetched(body: msgspec.Struct | None, found: wire.Arrays | None = None) -> None:
            reply(body or wire.Trace(job_id=request.job_id, device=request.device), found)

        command = (request.job_id, request.device)
        self._conductor.ask(lambda number: messages.FetchTrace(number, *command), fetched)

    # ---- tables ----------------------------------------------------------------------------------------------------

    def _table(self, request: wire.GetTable, arrays: wire.Arrays, reply: Reply) -> None:
        known = [table.version for table in self._need_rig().tables]
        if not known:
            raise UnknownTable("no feedforward table yet: calibrate first")
        version = known[0] if request.version is None else request.version
        if version not in known:
            raise UnknownTable(f"no feedforward table {version!r}; {possible(version, known)}")
        record = PulseRecord(self._data)
        try:
            table = record.table(version)
        finally:
            record.close()
        reply(wire.Table(info=table.info), table.arrays())

    def _need_rig(self) -> Any:
        if not self._conductor.rig.devices:
            raise NotStarted("the daemon is opening the rig: ask again in a moment")
        return self._conductor.rig
