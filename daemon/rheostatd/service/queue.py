"""The jobs that are not over: their order, their states, and every change of state journalled before it is seen.

    queued -> running -> done, failed, cancelled, interrupted
    running -> waiting -> running, as often as it takes
    queued, running, waiting <-> paused      queued, waiting, paused -> cancelled

Higher priority first, then order of arrival. One job runs at a time: there is one rig. A paused queue starts no job;
the one that runs goes on (it can be paused by its id). A job that waits goes on when it is due, in the order of all.
Where the bench's time is virtual, a due time is the bench's, and it comes when nothing else is left to do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace as replaced
from typing import Any

import msgspec
import numpy as np
import structlog

from rheostat import wire
from rheostatd import messages
from rheostatd.errors import JournalCorrupt, QueueFull, RequestError, UnknownJob
from rheostatd.journal.jobs import Ended, Entry, JobJournal
from rheostatd.service.events import Events, job_data

log = structlog.get_logger()

_PAUSED = "queue.paused"  # note in the journal
_DUE = f"{messages.KEPT}due"


class JobQueue:
    """Knows nothing of the executor. `clock`: unix time. Everything that writes raises JournalError when it cannot,
    and has then changed nothing."""

    def __init__(
        self, journal: JobJournal, events: Events, clock: Callable[[], float], limit: int, virtual_time: bool = False
    ) -> None:
        self._journal = journal
        self._events = events
        self._clock = clock
        self._limit = limit
        self._virtual_time = virtual_time
        self._live = {entry.job.job_id: entry for entry in journal.unfinished()}
        self.paused = journal.note(_PAUSED) is not None
        self.listeners: list[Callable[[wire.Job], None]] = []  # called with every job that changed its state
        self.running: str | None = None
        self._cancelling: set[str] = set()  # of jobs under way: asked of the executor, for which it may be too late
        self._pausing: dict[str, bool] = {}
        begun = [e for e in self._live.values() if e.job.started is not None and e.job.due is None]
        self.orphans = [entry.job.job_id for entry in begun]  # ran when the daemon ended: what became of them?

    # ---- looking ---------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        return sum(entry.job.started is None for entry in self._live.values())

    @property
    def running_paused(self) -> bool:
        return self.running is not None and self._live[self.running].job.state is wire.JobState.PAUSED

    def find(self, job_id: str) -> wire.Job:
        """A job of any age. Raises UnknownJob."""
        entry = self._live.get(job_id)
        job = entry.job if entry else self._journal.find(job_id)
        if job is None:
            raise UnknownJob(f"no job {job_id!r}; {self._journal.near(job_id)}")
        return job

    def newest(self, limit: int, states: tuple[wire.JobState, ...]) -> list[wire.Job]:
        jobs = self._journal.newest(limit, states)
        return [self._live[job.job_id].job if job.job_id in self._live else job for job in jobs]

    def next(self) -> Entry | None:
        """The job to run now, if any."""
        if self.paused or self.running is not None or self.orphans:
            return None
        ready = [entry for entry in self._live.values() if entry.job.state is wire.JobState.QUEUED]
        waiting = [entry for entry in self._live.values() if entry.job.state is wire.JobState.WAITING]
        if not self._virtual_time:
            ready += [entry for entry in waiting if (entry.job.due or 0.0) <= self._clock()]
        elif not ready:
            return min(waiting, key=lambda entry: self.due(entry.job.job_id), default=None)
        return min(ready, key=lambda entry: (-entry.job.priority, entry.position), default=None)

    def kept(self, job_id: str) -> wire.Arrays:
        """What a job that has waited goes on with. Raises JournalError."""
        ended = self._journal.ended(job_id)
        return {} if ended is None else self._journal.arrays.read_all(ended.arrays)

    def due(self, job_id: str) -> float:
        """When a job that waits goes on, s, on the clock that it goes by; -inf: at once, also where that is damaged (it
        then fails when it is started, and holds up no other). Raises JournalError."""
        ended = self._journal.ended(job_id)
        if ended is None or _DUE not in ended.arrays:
            return -math.inf
        try:
            return float(self._journal.arrays.read(ended.arrays[_DUE])[0])
        except JournalCorrupt:
            return -math.inf

    def until_due(self) -> float | None:
        """s until the next job that waits is due; None: none waits."""
        waiting = [e.job.due for e in self._live.values() if e.job.state is wire.JobState.WAITING and e.job.due]
        return max(0.0, min(waiting) - self._clock()) if waiting else None

    # ---- before it runs --------------------------------------------------------------------------------------------

    def add(
        self, submit: wire.Submit, arrays: wire.Arrays, digest: bytes, total: int,
        origin: messages.Origin = messages.NEW,
    ) -> wire.Job:  # fmt: skip
        if self.waiting >= self._limit:
            raise QueueFull(f"{self._limit} jobs are waiting already; wait for some, or raise [daemon] queue_limit")
        job = wire.Job(
            job_id=submit.job_id,
            kind=_kind(submit.spec),
            state=wire.JobState.QUEUED,
            priority=submit.priority,
            label=submit.label,
            submitted=self._clock(),
            total=total,
        )
        self._live[job.job_id] = self._journal.add(job, submit.spec, arrays, digest, origin)
        self._changed(job, "job.queued")
        return job

    def cancel(self, job_id: str) -> wire.Job:
        """A job that does not run is over at once. One that runs is the executor's to stop: it comes back as it is."""
        job = self.find(job_id)
        if job.state.final:
            return job
        if self._under_way(job):
            self._cancelling.add(job_id)
            return job
        over = msgspec.structs.replace(
            job, state=wire.JobState.CANCELLED, finished=self._clock(), due=None, error_code="job.cancelled",
            error="cancelled",
        )  # fmt: skip
        so_far = self._journal.ended(job_id)
        if so_far is None:
            self._journal.update(over)
        else:
            self._journal.finish(over, _without_kept(so_far))
        del self._live[job_id]
        self._changed(over, "job.finished")
        return over

    def hold(self, job_id: str, paused: bool) -> wire.Job:
        """Pauses or resumes a job that does not run. Raises RequestError for one that is over; one that runs: as
        `cancel`."""
        job = self.find(job_id)
        if job.state.final:
            raise RequestError(f"job {job_id} is over ({job.state.value})")
        if self._under_way(job):
            self._pausing[job_id] = paused
            return job
        return self._set_paused(job, paused)

    def hold_all(self, paused: bool) -> None:
        if paused != self.paused:
            self._journal.set_note(_PAUSED, "by a client" if paused else None)
            self.paused = paused
            self._events.publish("job.paused" if paused else "job.resumed", queue=True)

    # ---- while it runs ---------------------------------------------------------------------------------------------

    def start(self, entry: Entry) -> None:
        started = entry.job.started or self._clock()
        job = msgspec.structs.replace(entry.job, state=wire.JobState.RUNNING, started=started, due=None)
        self._journal.update(job)
        self._live[job.job_id] = replaced(entry, job=job)
        self.running = job.job_id
        self._changed(job, "job.started")

    def progress(self, report: messages.Progress) -> None:
        """Kept in memory only: the executor's record of pulses is the durable one."""
        entry = self._live.get(report.job_id)
        if entry is None:
            return
        job = _with_totals(entry.job, report)
        self._live[job.job_id] = replaced(entry, job=job)
        more: dict[str, Any] = {}
        if report.device is not None:
            more = {"device": report.device, "resistance_ohm": report.resistance}
        self._events.publish("job.progress", job.job_id, **job_data(job), **more)

    def held(self, job_id: str, paused: bool) -> None:
        """The executor says that the running job has paused, or gone on."""
        if job_id == self.running:
            self._set_paused(self._live[job_id].job, paused)

    def finish(self, report: messages.Finished, arrays: wire.Arrays) -> wire.Job | None:
        """The end of a job that ran, with its result, or of what it did until it waits. None when it is not one of
        those that are not over."""
        entry = self._live.get(report.job_id)
        if entry is None:
            log.warning("job.unexpected_end", job=report.job_id, state=report.state.value)
            return None
        job = _with_totals(entry.job, report.totals) if report.totals else entry.job
        if report.state is wire.JobState.WAITING:
            return self._wait(job, report, arrays)
        so_far = None if arrays else self._journal.ended(job.job_id)  # of a job that has waited
        job = msgspec.structs.replace(
            job, state=report.state, finished=self._clock(), error_code=report.error_code, error=report.error
        )
        hashes = _without_kept(so_far).arrays if so_far else self._journal.arrays.write_all(arrays)
        devices = getattr(entry.spec, "devices", None) or (entry.spec.device, *entry.spec.others)  # type: ignore[union-attr]
        provenance = report.provenance or (so_far.provenance if so_far else {})
        self._journal.finish(job, Ended(devices, provenance, hashes))
        self._over(job)
        return job

    def _wait(self, job: wire.Job, report: messages.Finished, arrays: wire.Arrays) -> wire.Job:
        """What was measured so far is kept as a result is, together with what the job goes on with."""
        due = report.due if report.due is not None else -math.inf
        hashes = self._journal.arrays.write_all({**arrays, _DUE: np.array([due])})
        devices = self._live[job.job_id].spec.devices  # type: ignore[union-attr]
        moment = self._clock() if self._virtual_time else max(due, 0.0)  # in virtual time: when nothing else is to do
        job = _resting(job, moment)
        self._journal.finish(job, Ended(devices, report.provenance, hashes))
        return self._rests(job)

    def _rests(self, job: wire.Job) -> wire.Job:
        """What was asked of it when it had already read what was due, or when its executor was gone, is done now."""
        self._live[job.job_id] = replaced(self._live[job.job_id], job=job)
        cancelling, paused = job.job_id in self._cancelling, self._pausing.get(job.job_id)
        self._let_go(job.job_id)
        self._changed(job, "job.waiting")
        if cancelling:
            return self.cancel(job.job_id)
        return job if paused is None else self._set_paused(job, paused)

    def interrupt(self, job_id: str, why: str) -> wire.Job:
        """A job that ran and of which no end is known. It has no result, unless it is one that waits: that goes on."""
        if isinstance(self._live[job_id].spec, wire.Retention):
            job = _resting(self._live[job_id].job, self._clock())
            self._journal.update(job)
            return self._rests(job)
        job = msgspec.structs.replace(
            self._live[job_id].job,
            state=wire.JobState.INTERRUPTED,
            finished=self._clock(),
            error_code="job.interrupted",
            error=why,
        )
        self._journal.update(job)
        self._over(job)
        return job

    def orphan_running(self) -> None:
        """The executor is gone: what became of the job that ran is known when the next one has looked."""
        if self.running is not None:
            self.orphans.append(self.running)
            self.running = None

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _over(self, job: wire.Job) -> None:
        del self._live[job.job_id]
        self._let_go(job.job_id)
        self._changed(job, "job.finished")

    def _let_go(self, job_id: str) -> None:
        self._cancelling.discard(job_id)
        self._pausing.pop(job_id, None)
        if self.running == job_id:
            self.running = None
        if job_id in self.orphans:
            self.orphans.remove(job_id)

    def _under_way(self, job: wire.Job) -> bool:
        return job.job_id == self.running or job.job_id in self.orphans

    def _set_paused(self, job: wire.Job, paused: bool) -> wire.Job:
        plain = wire.JobState.QUEUED if job.started is None else wire.JobState.RUNNING
        plain = plain if job.due is None else wire.JobState.WAITING
        state = wire.JobState.PAUSED if paused else plain
        if job.state is state:
            return job
        job = msgspec.structs.replace(job, state=state)
        self._journal.update(job)
        self._live[job.job_id] = replaced(self._live[job.job_id], job=job)
        self._changed(job, "job.paused" if paused else "job.resumed")
        return job

    def _changed(self, job: wire.Job, event: str) -> None:
        log.info(event, job=job.job_id, kind=job.kind, state=job.state.value, error=job.error)
        self._events.publish(event, job.job_id, **job_data(job))
        for listener in self.listeners:
            listener(job)


def _resting(job: wire.Job, due: float) -> wire.Job:
    paused = job.state is wire.JobState.PAUSED
    return msgspec.structs.replace(job, state=job.state if paused else wire.JobState.WAITING, due=due)


def _without_kept(ended: Ended) -> Ended:
    arrays = {name: digest for name, digest in ended.arrays.items() if not name.startswith(messages.KEPT)}
    return msgspec.structs.replace(ended, arrays=arrays)


def _kind(spec: wire.Spec) -> str:
    return str(spec.__struct_config__.tag)


def _with_totals(job: wire.Job, report: messages.Progress) -> wire.Job:
    return msgspec.structs.replace(
        job,
        total=report.total,
        done=report.done,
        pulses=report.pulses,
        reads=report.reads,
        energy=report.energy,
        rig_time=report.rig_time,
        outcomes=report.outcomes,
    )
