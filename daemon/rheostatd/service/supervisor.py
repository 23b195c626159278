"""Keeps the executor alive, and the virtual bench where the bench has one.

Both start at the same time; the executor is told what to open when the virtual bench has its addresses. An executor
that ends by itself is started again, a little later each time, and given up after a few; so is the virtual bench,
whose end takes the executor with it (its instruments are gone). Only an executor that leaves by the door has left the
rig safe: after any other end that no new start follows, one more is started that does nothing but make it safe.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import structlog
import zmq

from rheostat import wire
from rheostatd import messages
from rheostatd.locks import Lock
from rheostatd.service.child import ExecutorLink, status_text
from rheostatd.service.timers import Mailbox, Timers
from rheostatd.service.virtual import VirtualKeeper

if TYPE_CHECKING:
    from rheostat_hal.virtual.launch import VirtualBench

log = structlog.get_logger()

FIRST_PAUSE = 0.2  # s before an executor is started again, doubled each time
STEADY = 60.0  # s without a crash after which earlier ones are forgotten
PATIENCE = 15.0  # s an executor may take to stop by itself before its pipe is closed
LAST_PATIENCE = 30.0  # s until it is killed
NOTICE = 1.0  # s in which an executor finds out by itself, and says in its own words, that its instruments are gone


class Life(enum.Enum):
    STARTING = "starting"
    READY = "ready"
    GIVEN_UP = "given up"
    STOPPED = "stopped"


class Hooks(Protocol):
    """What the supervisor tells the daemon."""

    def report(self, report: messages.Report, arrays: wire.Arrays) -> None: ...

    def lost(self, why: str) -> None: ...

    def given_up(self, code: str, why: str) -> None: ...

    def stopped(self) -> None: ...

    def unfinished(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Plan:
    """What is to be opened. `bench`: path, "" for the embedded default; `launch`: starts the virtual bench."""

    bench: str
    data: Path
    restarts: int
    lock: Lock | None = None  # held by the executor too: it outlives a service that is killed
    launch: Callable[[], VirtualBench] | None = None
    real_time: bool = False  # the virtual bench waits for real, whatever the file says
    virtual_time: bool = False  # the bench's time is virtual: waiting costs nothing
    record: str = ""  # file for the dialogue with the instruments
    program: tuple[str, ...] = ("-P", "-m", "rheostatd.executor")


class Supervisor:
    def __init__(
        self, plan: Plan, hooks: Hooks, context: zmq.Context[Any], poller: zmq.Poller, timers: Timers, mailbox: Mailbox
    ) -> None:
        self._plan = plan
        self._hooks = hooks
        self._context = context
        self._poller = poller
        self._timers = timers
        self._mailbox = mailbox
        self._crashes = 0
        self._failure: tuple[str, str] | None = None  # why the executor could not start, in its words
        self._opened = False
        self._was_ready = False
        self._stopping = False
        self._touched = False  # the rig has been open since an executor last left it safe
        self._rescuing = False  # the executor that runs is only to make the rig safe
        self._after_rescue: Callable[[], None] = self._stopped
        self.unsafe: str | None = None  # why it is unknown, in the end, whether the rig is safe
        self._keeper = VirtualKeeper(plan.launch, mailbox, self._open, self._virtual_failed)
        self.link: ExecutorLink | None = None
        self.life = Life.STARTING

    @property
    def virtual(self) -> VirtualBench | None:
        return self._keeper.bench

    @property
    def pid(self) -> int | None:
        return self.link.process.pid if self.link else None

    def start(self) -> None:
        """Also starts again what has been given up."""
        self.life = Life.STARTING
        self._failure = None
        self._start_executor()
        self._keeper.start()

    def try_again(self) -> None:
        """After it was given up: somebody has seen to it."""
        self._crashes = 0
        self.start()

    def send(self, command: messages.Command, arrays: wire.Arrays | None = None) -> None:
        """Only while the executor is ready."""
        assert self.link is not None
        self.link.send(command, arrays)

    @property
    def virtual_time(self) -> bool:
        return self._plan.virtual_time

    def let_pass(self, until: float, then: Callable[[float], None]) -> None:
        """Lets the bench's time go on to `until` (s on its clock), unless it is later already; `then` is told what the
        clock says. When the bench has gone, nothing more is told: its end is the executor's."""
        self._keeper.let_pass(until, then)

    def exchange(self) -> None:
        """What the socket has for us, one report at a time; called when the poller says so."""
        link = self.link
        if link is None:
            return
        link.flush()
        self._poll(link)
        while self.link is link and self._receive(link):
            continue

    def stop(self) -> None:
        """The executor stops its job, makes the rig safe and exits; `hooks.stopped` follows."""
        if self._stopping:
            return
        self._stopping = True
        if self._rescuing:
            self._after_rescue = self._stopped
        elif self.link is None:
            self._leave_safe(self._stopped)
        else:
            self.link.outbox.clear()
            self._end(self.link)

    # ---- the executor's life ---------------------------------------------------------------------------------------

    def _start_executor(self) -> None:
        self._opened = False

        def ended(status: int) -> None:
            self._mailbox.post(lambda: self._executor_ended(link, status))

        link = ExecutorLink(self._context, ended, self._plan.lock, self._plan.program)
        self.link = link
        log.info("executor.started", pid=link.process.pid)
        self._poll(link)
        self._open()

    def _open(self) -> None:
        """The first command, as soon as there is an executor and the virtual bench (if any) has its addresses."""
        if self.link is None or self._opened or (self._plan.launch is not None and self.virtual is None):
            return
        self._opened = True
        resources = self.virtual.resources if self.virtual else {}
        unfinished = self._hooks.unfinished()
        plan = self._plan
        opening = messages.Open(plan.bench, str(plan.data), resources, unfinished, plan.real_time, plan.record)
        self.link.send(opening)
        self._poll(self.link)

    def _end(self, link: ExecutorLink) -> None:
        if self._opened:
            link.send(messages.Shutdown())
            self._timers.after(PATIENCE, link.hang_up)
        else:
            link.hang_up()
        self._timers.after(LAST_PATIENCE, functools.partial(self._kill, link))

    def _leave_safe(self, then: Callable[[], None]) -> None:
        """No executor runs and none will be started: if the last one may have left voltages, one more sees to it."""
        if not self._touched or self._keeper.missing:
            then()
            return
        log.warning("rig.rescue", note="the executor has not said that the rig is safe: another one makes it so")
        self._rescuing, self._after_rescue = True, then
        self._start_executor()
        assert self.link is not None
        self._end(self.link)

    def _rescued(self, status: int) -> None:
        self._rescuing = False
        if self._touched:
            _, why = self._failure or ("", status_text(status))
            self.unsafe = f"an executor that was to make it safe has failed: {why}"
            log.critical("rig.unsafe", reason=self.unsafe, note="look at it, switch the instruments off by hand")
        self._after_rescue()

    def _poll(self, link: ExecutorLink) -> None:
        self._poller.register(link.socket, zmq.POLLIN | (zmq.POLLOUT if link.outbox else 0))

    def _receive(self, link: ExecutorLink) -> bool:
        try:
            received = link.receive()
        except wire.WireError as error:
            log.error("executor.unintelligible", error=str(error))
            link.hang_up()
            return True
        if received is None:
            return False
        report, arrays = received
        if isinstance(report, messages.Failed):
            self._failure = self._failure or (report.code, report.reason)
            return True
        if isinstance(report, messages.Ready):
            self._touched = True
            if self._rescuing:
                return True
            self.unsafe = None
            self.life = Life.READY
            self._was_ready = True
            self._timers.after(STEADY, functools.partial(self._steady, link))
        if isinstance(report, messages.Finished) and report.error_code == "job.stopped":
            self.life = Life.STARTING  # this one is on its way out: the next job is for the next one
        self._hooks.report(report, arrays)
        return True

    def _steady(self, link: ExecutorLink) -> None:
        if self.link is link:
            self._crashes = 0

    def _executor_ended(self, link: ExecutorLink, status: int) -> None:
        if self.link is not link:
            return
        while link.settle() and self._receive(link):
            continue
        self._poller.unregister(link.socket)
        link.close()
        self.link = None
        self._touched = self._touched and status != 0
        if self._rescuing:
            self._rescued(status)
            return
        if self._stopping and status == 0:
            self._stopped()
            return
        self.life = Life.STARTING
        code, why = self._failure or ("executor.failed", f"the executor has ended ({status_text(status)})")
        log.error("executor.ended", status=status, code=code, reason=why)
        self._hooks.lost(why)
        if self._stopping:
            self._failure = None
            self._leave_safe(self._stopped)
        else:
            self._again(code, why)

    def _again(self, code: str, why: str) -> None:
        self._crashes += 1
        hopeless = self._failure is not None and not self._was_ready  # it has said why, and it is not a crash
        if hopeless or self._crashes > self._plan.restarts:
            log.error("executor.given_up", crashes=self._crashes, code=code, reason=why)
            self._failure = None
            self._leave_safe(functools.partial(self._give_up, code, why))
            return
        self._timers.after(FIRST_PAUSE * 2.0 ** (self._crashes - 1), self._restart)

    def _give_up(self, code: str, why: str) -> None:
        self.life = Life.GIVEN_UP
        self._hooks.given_up(code, f"{why}; the rig may not be safe: {self.unsafe}" if self.unsafe else why)

    def _restart(self) -> None:
        if not self._stopping and self.link is None and self.life is Life.STARTING:
            self.start()

    def _stopped(self) -> None:
        self.life = Life.STOPPED
        self._keeper.close()
        self._hooks.stopped()

    def _kill(self, link: ExecutorLink) -> None:
        if self.link is link:
            log.critical("executor.killed", pid=link.process.pid, note="it did not stop")
            link.process.kill()

    def _virtual_failed(self, why: str) -> None:
        if self._stopping:
            return
        self._failure = ("virtual.failed", why)
        if self.link is not None:
            self._timers.after(NOTICE, self.link.hang_up)  # it has nothing to talk to; its end starts both again
