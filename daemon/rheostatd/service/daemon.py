"""The service process: one thread, one poll loop; assembles the parts, runs them and stops them in order."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import structlog
import zmq

from rheostat_hal import platform
from rheostat_hal.bench import Bench
from rheostatd.config import DAEMON_FILE, Settings, write_daemon_file
from rheostatd.errors import DaemonError, ExecutorFailed, Locked, PortTaken, RigUnsafe
from rheostatd.journal.jobs import JobJournal
from rheostatd.journal.reserve import Reserve
from rheostatd.locks import Lock
from rheostatd.service.answers import Answers
from rheostatd.service.conductor import Conductor
from rheostatd.service.events import Events
from rheostatd.service.front import Front
from rheostatd.service.queue import JobQueue
from rheostatd.service.supervisor import Plan, Supervisor
from rheostatd.service.timers import Mailbox, Timers
from rheostatd.service.waits import JobWaits
from rheostatd.signals import EndSignals

log = structlog.get_logger()


class Daemon:
    """`lock` is the data folder's. Raises JournalError and PortTaken when it cannot even begin."""

    def __init__(self, settings: Settings, bench: Bench, plan: Plan, lock: Lock) -> None:
        self._settings = settings
        self._bench = bench
        self._lock = lock
        self._context = zmq.Context()
        self._poller = zmq.Poller()
        self._timers = Timers(time.monotonic)
        self._mailbox = Mailbox()
        self._running = True
        self._failure: DaemonError | None = None
        self._announced = False
        journal = JobJournal(settings.folder)
        reserve = Reserve(settings.folder, settings.min_free_mb * 1_000_000)
        reserve.keep()
        self._journal = journal
        self._front = self._open_front(settings)
        self._events = Events(self._front.publish, time.time, settings.event_ring)
        self._queue = JobQueue(journal, self._events, time.time, settings.queue_limit, plan.virtual_time)
        self._waits = JobWaits(self._timers, self._queue.find)
        self._queue.listeners.append(self._waits.changed)
        conductor = Conductor(self._queue, journal, reserve, self._events, self._timers)
        conductor.on_ready = self._ready
        conductor.on_stopped = self._stopped
        conductor.on_given_up = self._given_up
        self._conductor = conductor
        self._supervisor = Supervisor(plan, conductor, self._context, self._poller, self._timers, self._mailbox)
        conductor.supervisor = self._supervisor
        self._answers = Answers(
            bench, settings.folder, self._queue, journal, reserve, conductor, self._events, self._waits
        )
        self._answers.events_address = self._front.events_address
        self._said: Callable[[str], Any] = print

    @property
    def address(self) -> str:
        return self._front.address

    def run(self, announce: Callable[[str], Any], signals: EndSignals) -> None:
        """Until a signal or the end of standard input asks for the end. `announce` gets one line when the rig is ready.

        Raises ExecutorFailed when the rig could not be opened at all, RigUnsafe when it could not be left safe.
        """
        self._said = announce
        self._lock.describe(address=self.address)
        previous = signal.set_wakeup_fd(self._mailbox.sender.fileno(), warn_on_full_buffer=False)
        signals.tell(self._asked)
        try:
            self._supervisor.start()
            self._loop()
        finally:
            signal.set_wakeup_fd(previous)
            self._close()
        if self._supervisor.unsafe is not None:
            raise RigUnsafe(f"stopped, but the rig may not be safe: {self._supervisor.unsafe}. Look at it")
        if self._failure is not None:
            raise self._failure

    def _loop(self) -> None:
        front, mailbox = self._front.requests, self._mailbox.receiver
        self._poller.register(front, zmq.POLLIN)
        self._poller.register(mailbox, zmq.POLLIN)
        inbox = mailbox.fileno()
        while self._running:
            found = dict(self._poller.poll(self._timers.next_ms()))
            if front in found:
                self._front.receive()
                if len(found) == 1:
                    continue
            if inbox in found:
                self._guarded(self._mailbox.run)
            link = self._supervisor.link
            if link is not None and link.socket in found:
                self._guarded(self._supervisor.exchange)
            self._guarded(self._timers.run_due)

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception:  # an error in here must not stop what watches over a rig
            log.exception("service.failed", step=getattr(step, "__name__", str(step)))

    # ---- beginning and end -----------------------------------------------------------------------------------------

    def _open_front(self, settings: Settings) -> Front:
        try:
            return Front(self._context, settings.bind, settings.port, settings.events_port, self._request)
        except zmq.ZMQError as error:
            self._journal.close()
            raise PortTaken(
                f"{settings.bind}:{settings.port} cannot be listened on ({error.strerror}): "
                "another program holds it; choose another with --port, 0 for any free one"
            ) from error

    def _request(self, *request: Any) -> None:
        self._answers(*request)

    def _ready(self) -> None:
        if self._conductor.stopping:  # opened, and at once on its way out again
            return
        described = {"address": self.address, "events": self._front.events_address}
        virtual = self._supervisor.virtual
        content = {
            **described,
            "estop": self._conductor.rig.estop,
            "pid": os.getpid(),
            "executor_pid": self._supervisor.pid,
            "virtual": virtual.resources if virtual else None,
        }
        try:
            write_daemon_file(self._settings.folder, content)
        except OSError as error:  # a full disk: who knows the address is served all the same
            log.error("daemon.file_unwritten", file=DAEMON_FILE, reason=error.strerror)
        if not self._announced:
            self._announced = True
            bench = "virtual bench" if virtual else f"bench {self._bench.name}"
            self._said(f"rheostatd ready: {self.address}, {len(self._conductor.rig.devices)} devices, {bench}")
            log.info("daemon.ready", **described, data=self._settings.data, bench=self._bench.name)

    def _given_up(self, code: str, why: str) -> None:
        if not self._announced:
            self._failure = (
                Locked(why) if code == Locked.code else ExecutorFailed(f"the rig cannot be opened: {why} [{code}]")
            )
            self._stop("the rig could not be opened")

    def _asked(self, why: str) -> None:
        """Runs between two steps of the loop's thread. A second signal changes nothing: safety is not skipped."""
        self._mailbox.post(lambda: self._stop(why))

    def _stop(self, why: str) -> None:
        if self._conductor.stopping:
            log.warning("daemon.still_stopping", why=why, note="the rig is being made safe")
            return
        log.info("daemon.stopping", why=why)
        self._conductor.stopping = True
        self._events.publish("daemon.stopping", reason=why)
        self._supervisor.stop()

    def _stopped(self) -> None:
        self._waits.answer_all()
        self._running = False

    def _close(self) -> None:
        platform.remove(self._settings.folder / DAEMON_FILE)
        self._front.close()
        self._journal.close()
        self._context.destroy(linger=500)
        self._mailbox.close()
        self._lock.release()
        log.info("daemon.stopped")
