"""Between queue and executor: starts jobs, takes in and records what is reported, knows the state of the rig."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog

from rheostat import wire
from rheostatd import messages
from rheostatd.errors import DaemonError, JournalCorrupt, JournalError, JournalFull, NotStarted, RigLatched
from rheostatd.journal.jobs import Entry, JobJournal
from rheostatd.journal.reserve import Reserve
from rheostatd.service.events import Events
from rheostatd.service.queue import JobQueue
from rheostatd.service.supervisor import Life, Supervisor
from rheostatd.service.timers import Timer, Timers
from rheostatd.service.waits import Questions, Reply

log = structlog.get_logger()

ALARM = 1e-3  # s after a due time: it has come then on the other clock, too
LONGEST = 3600.0  # s that an alarm is set ahead: the clocks of the day and of the timers may part
RETRY = 1.0  # s between attempts to record the end of a job on a full disk
_LATCH = "rig.latch"  # note in the journal
_NO_ROOM = "the end of a job waits to be recorded, there is no room on the disk"
_UNTOLD = "the daemon or its executor ended while the job ran; its record holds nothing of it"


@dataclass
class RigKnown:
    """What the executor has told about the rig."""

    instruments: tuple[wire.Instrument, ...] = ()
    devices: dict[str, wire.Device] = field(default_factory=dict)
    tables: tuple[wire.TableInfo, ...] = ()
    schemes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    estop: str = ""


class Conductor:
    """The supervisor's hooks. `on_ready` and `on_stopped` are the daemon's; `supervisor` is set right after."""

    supervisor: Supervisor

    def __init__(self, queue: JobQueue, journal: JobJournal, reserve: Reserve, events: Events, timers: Timers) -> None:
        self._queue = queue
        self._journal = journal
        self._reserve = reserve
        self._events = events
        self._timers = timers
        self._unsaved: deque[tuple[messages.Finished, wire.Arrays]] = deque()
        self._recovering: list[Reply] = []  # waiting for an executor that had been given up
        self._given_up: str | None = None
        self._unstarted: str | None = None  # why the next job could not be recorded as begun
        self._alarm: Timer | None = None  # at the next due time of a job that waits
        self._early: list[messages.Command] | None = None  # to a job that is begun while the bench's time passes
        self.questions = Questions()
        self.rig = RigKnown()
        self.rig_latch = journal.note(_LATCH)
        self.stopping = False
        self.on_ready: Callable[[], None] = lambda: None
        self.on_stopped: Callable[[], None] = lambda: None
        self.on_given_up: Callable[[str, str], None] = lambda code, why: None

    @property
    def latch(self) -> str | None:
        """Why nothing runs, in words."""
        if self._unsaved:
            return f"journal.full: {_NO_ROOM}"
        return self._given_up or self.rig_latch or self._unstarted

    def check(self) -> None:
        """Raises JournalFull, RigLatched or NotStarted when no new job can be taken."""
        if self.stopping:
            raise NotStarted("the daemon is stopping")
        if self._unsaved:
            raise JournalFull(f"{_NO_ROOM}: make room there")
        if self.latch is not None and self._unstarted is None:
            raise RigLatched(f"the rig is latched ({self.latch}): recover it first")

    @property
    def state(self) -> str:
        if self.stopping:
            return "stopping"
        if self.supervisor.life is Life.STARTING:
            return "starting"
        if self.latch is not None:
            return "latched"
        if self._queue.running is not None:
            return "paused" if self._queue.running_paused else "running"
        return "paused" if self._queue.paused else "idle"

    # ---- starting jobs ---------------------------------------------------------------------------------------------

    def dispatch(self) -> None:
        """Starts the next job, if there is one and the rig is free."""
        if self.stopping or self.latch is not None or self.supervisor.life is not Life.READY:
            return
        try:
            entry = self._queue.next()
        except JournalError as error:
            log.error("job.due_unknown", code=error.code, reason=str(error))
            return
        self._set_alarm()
        if entry is None:
            return
        try:
            self._start(entry)
        except JournalError as error:
            log.error("job.not_started", job=entry.job.job_id, code=error.code, reason=str(error))
            self._unstarted = f"{error.code}: {error}"
            self._timers.after(RETRY, self._start_again)

    def _start_again(self) -> None:
        self._unstarted = None
        self.dispatch()

    def _set_alarm(self) -> None:
        """Looks again when a job that waits is due; at least every hour, whatever became of the clocks."""
        if self._alarm is not None:
            self._alarm.cancel()
        left = self._queue.until_due()
        self._alarm = None if not left else self._timers.after(min(left + ALARM, LONGEST), self.dispatch)

    def tell(self, command: messages.Cancel | messages.Pause | messages.Resume) -> None:
        """To the executor, for the job that runs there; kept while the bench's time has to pass before it does."""
        if self._early is not None:
            self._early.append(command)
        else:
            self.supervisor.send(command)

    def _start(self, entry: Entry) -> None:
        waits = isinstance(entry.spec, wire.Retention)
        try:
            arrays = self._journal.arrays.read_all(entry.inputs)
            if waits:
                arrays |= self._queue.kept(entry.job.job_id)
        except JournalCorrupt as error:  # asked for on an earlier day; its targets have been damaged since
            self._queue.start(entry)
            job_id, failed = entry.job.job_id, wire.JobState.FAILED
            self._finished(messages.Finished(job_id, failed, {}, (), error.code, str(error)), {})
            return
        due = self._queue.due(entry.job.job_id) if waits else None
        self._queue.start(entry)
        run = messages.Run(entry.job.job_id, entry.spec, origin=entry.origin)
        if due is not None and self.supervisor.virtual_time:
            early = self._early = []
            self.supervisor.let_pass(due, lambda now: self._sent(msgspec.structs.replace(run, now=now), arrays, early))
        else:
            self.supervisor.send(run, arrays)

    def _sent(self, command: messages.Run, arrays: wire.Arrays, early: list[messages.Command]) -> None:
        """The bench's time has passed. Meanwhile the executor may have gone, and its job with it."""
        if self._early is early and self.supervisor.life is Life.READY:
            self._early = None
            self.supervisor.send(command, arrays)
            for each in early:
                self.supervisor.send(each)

    # ---- questions to the executor ---------------------------------------------------------------------------------

    def ask(self, command: Callable[[int], messages.Command], reply: Reply, arrays: wire.Arrays | None = None) -> None:
        """Sends a numbered command; its answer becomes the reply. Refused at once when there is no executor."""
        if self.supervisor.life is not Life.READY:
            reply(wire.Failure(code="executor.failed", message=f"the executor is not there ({self.state}): try again"))
            return
        self.supervisor.send(command(self.questions.ask(reply)), arrays)

    def recover(self, reply: Reply) -> None:
        if self.supervisor.life is Life.GIVEN_UP:
            self._recovering.append(reply)
            self.supervisor.try_again()
        elif self._queue.running is not None and self.rig_latch is None:
            message = f"job {self._queue.running} is running: there is nothing to recover from"
            reply(wire.Failure(code="request.invalid", message=message))
        else:
            self.ask(messages.Recover, reply)

    # ---- the supervisor's hooks ------------------------------------------------------------------------------------

    def unfinished(self) -> tuple[str, ...]:
        return tuple(self._queue.orphans)

    def report(self, report: messages.Report, arrays: wire.Arrays) -> None:
        match report:
            case messages.Progress():
                self._queue.progress(report)
                self._reading(report)
            case messages.Happened():
                self._happened(report)
            case messages.Finished():
                self._finished(report, arrays)
            case messages.Ready():
                self._ready(report)
            case messages.Latched():
                self._latch(f"{report.code}: {report.reason}")
            case messages.Recovered():
                self._recovered(report)
            case messages.Planned():
                self.questions.answer(report.number, report.plan)
            case messages.Fetched():
                self._fetched(report, arrays)
            case _:
                log.warning("executor.unexpected", report=type(report).__name__)

    def lost(self, why: str) -> None:
        self._early = None
        self._queue.orphan_running()
        self._events.publish("executor.lost", reason=why)
        self.questions.fail_all(wire.Failure(code="executor.failed", message=why))

    def given_up(self, code: str, why: str) -> None:
        self._given_up = f"{code}: {why}"
        if self.rig.devices:  # else the rig was never open: the next daemon may still learn what became of them
            self._settle_orphans(why)
        self._events.publish("rig.latched", reason=self._given_up)
        for reply in self._recovering:
            reply(wire.Failure(code=code, message=why))
        self._recovering.clear()
        self.on_given_up(code, why)

    def stopped(self) -> None:
        self.on_stopped()

    # ---- reports ---------------------------------------------------------------------------------------------------

    def _ready(self, report: messages.Ready) -> None:
        self._given_up = None
        self.rig = RigKnown(
            instruments=report.instruments,
            devices={device.name: device for device in report.devices},
            tables=report.tables,
            schemes=report.schemes,
            estop=report.estop,
        )
        self._settle_orphans(_UNTOLD)
        self._events.publish("executor.ready", devices=len(report.devices))
        for reply in self._recovering:
            reply(wire.Ok())
        self._recovering.clear()
        self.on_ready()
        self.dispatch()

    def _settle_orphans(self, why: str) -> None:
        """Jobs of which the executor's record knows no end."""
        try:
            for job_id in list(self._queue.orphans):
                self._queue.interrupt(job_id, why)
        except JournalError as error:
            log.error("job.end_unrecorded", code=error.code, reason=str(error))
            self._make_room(error)
            self._timers.after(RETRY, lambda: self._settle_orphans(why))
            return
        self.dispatch()

    def _finished(self, report: messages.Finished, arrays: wire.Arrays) -> None:
        self.rig.devices.update((device.name, device) for device in report.devices)
        if report.table is not None:
            self.rig.tables = (report.table, *(t for t in self.rig.tables if t.version != report.table.version))
        self._unsaved.append((report, arrays))
        self._save()

    def _save(self) -> None:
        """Records the ends of jobs. Until that is done they are not seen, and nothing new runs."""
        while self._unsaved:
            try:
                self._queue.finish(*self._unsaved[0])
            except JournalError as error:
                log.error("job.end_unrecorded", job=self._unsaved[0][0].job_id, code=error.code, reason=str(error))
                if not self._make_room(error):
                    self._timers.after(RETRY, self._save)
                    return
            else:
                self._unsaved.popleft()
        self._reserve.keep()
        self.dispatch()

    def _make_room(self, error: JournalError) -> bool:
        return isinstance(error, JournalFull) and self._reserve.give_up()

    def _happened(self, report: messages.Happened) -> None:
        """Events of jobs as a whole come from the queue, which records them; the executor's others pass through."""
        if report.name in ("job.paused", "job.resumed") and report.job_id is not None:
            try:
                self._queue.held(report.job_id, report.name == "job.paused")
            except JournalError as error:
                log.error("job.pause_unrecorded", job=report.job_id, code=error.code, reason=str(error))
        elif not report.name.startswith("job."):
            self._events.publish(report.name, report.job_id, **report.data)

    def _reading(self, report: messages.Progress) -> None:
        device = self.rig.devices.get(report.device or "")
        if device is not None and report.resistance is not None:
            self.rig.devices[device.name] = msgspec.structs.replace(device, resistance=report.resistance)

    def _latch(self, reason: str | None) -> None:
        if reason == self.rig_latch:
            return
        self.rig_latch = reason
        if reason is not None:
            log.error("rig.latched", reason=reason)
            self._events.publish("rig.latched", reason=reason)
        else:
            log.info("rig.recovered")
            self._events.publish("rig.recovered")
        try:
            self._journal.set_note(_LATCH, reason)
        except DaemonError as error:
            log.error("rig.latch_unrecorded", code=error.code, reason=str(error))

    def _recovered(self, report: messages.Recovered) -> None:
        if report.error is None:
            self._latch(None)
            self.questions.answer(report.number, wire.Ok())
            self.dispatch()
        else:
            message = f"the rig could not be recovered: {report.error}"
            self.questions.answer(report.number, wire.Failure(code="rig.latched", message=message))

    def _fetched(self, report: messages.Fetched, arrays: wire.Arrays) -> None:
        body: Any = wire.Failure(code="request.invalid", message=report.error) if report.error else None
        self.questions.answer(report.number, body, arrays)
