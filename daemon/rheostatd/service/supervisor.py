"""Keeps the executor alive, and the virtual bench where the bench has one.

Both start at the same time; the executor is told what to open when the virtual bench has its addresses. An executor
that ends by itself is started again, a little later each time, and given up after a few; so is the virtual bench,
whose end takes the executor with it (its instruments are gone).
"""

from __future__ import annotations

import enum
import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import structlog
import zmq

from rheostat import wire
from rheostatd import messages
from rheostatd.locks import Lock
from rheostatd.service.child import ExecutorLink, watch
from rheostatd.service.timers import Mailbox, Timers

if TYPE_CHECKING:
    from rheostat_hal.virtual.launch import VirtualBench

log = structlog.get_logger()

FIRST_PAUSE = 0.2  # s before an executor is started again, doubled each time
STEADY = 60.0  # s without a crash after which earlier ones are forgotten
PATIENCE = 15.0  # s an executor may take to stop by itself before its pipe is closed
LAST_PATIENCE = 30.0  # s until it is killed: whether the rig is safe is then unknown


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
    real_time: bool = False  # of the virtual bench
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
        self._launching = False
        self.virtual: VirtualBench | None = None
        self.link: ExecutorLink | None = None
        self.life = Life.STARTING

    @property
    def pid(self) -> int | None:
        return self.link.process.pid if self.link else None

    def start(self) -> None:
        """Also starts again what has been given up."""
        self.life = Life.STARTING
        self._failure = None
        self._start_executor()
        if self._plan.launch is not None and self.virtual is None and not self._launching:
            self._launching = True
            threading.Thread(target=self._launch, name="virtual-bench", daemon=True).start()

    def try_again(self) -> None:
        """After it was given up: somebody has seen to it."""
        self._crashes = 0
        self.start()

    def send(self, command: messages.Command, arrays: wire.Arrays | None = None) -> None:
        """Only while the executor is ready."""
        assert self.link is not None
        self.link.send(command, arrays)

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
        if self.link is None:
            self._stopped()
            return
        link = self.link
        link.outbox.clear()
        if self._opened:
            link.send(messages.Shutdown())
            self._timers.after(PATIENCE, link.hang_up)
        else:
            link.hang_up()
        self._timers.after(LAST_PATIENCE, functools.partial(self._kill, link))

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
        analyser = self.virtual.analyser if self.virtual else None
        switch = self.virtual.switch if self.virtual else None
        unfinished = self._hooks.unfinished()
        plan = self._plan
        self.link.send(messages.Open(plan.bench, str(plan.data), analyser, switch, unfinished, plan.real_time))
        self._poll(self.link)

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
            self._failure = (report.code, report.reason)
            return True
        if isinstance(report, messages.Ready):
            self.life = Life.READY
            self._was_ready = True
            self._timers.after(STEADY, functools.partial(self._steady, link))
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
        if self._stopping:
            self._stopped()
            return
        self.life = Life.STARTING
        code, why = self._failure or ("executor.failed", f"the executor has ended ({_status(status)})")
        log.error("executor.ended", status=status, code=code, reason=why)
        self._hooks.lost(why)
        self._again(code, why)

    def _again(self, code: str, why: str) -> None:
        self._crashes += 1
        hopeless = self._failure is not None and not self._was_ready  # it has said why, and it is not a crash
        if hopeless or self._crashes > self._plan.restarts:
            self.life = Life.GIVEN_UP
            log.error("executor.given_up", crashes=self._crashes, code=code, reason=why)
            self._hooks.given_up(code, why)
            return
        self._timers.after(FIRST_PAUSE * 2.0 ** (self._crashes - 1), self._restart)

    def _restart(self) -> None:
        if not self._stopping and self.link is None and self.life is Life.STARTING:
            self.start()

    def _stopped(self) -> None:
        self.life = Life.STOPPED
        if self.virtual is not None:
            self.virtual.close()
            self.virtual = None
        self._hooks.stopped()

    def _kill(self, link: ExecutorLink) -> None:
        if self.link is link:
            log.critical("executor.killed", pid=link.process.pid, note="whether the rig is safe is unknown: look")
            link.process.kill()

    # ---- the virtual bench's life ----------------------------------------------------------------------------------

    def _launch(self) -> None:
        """In a thread of its own: starting the virtual bench takes a while."""
        assert self._plan.launch is not None
        try:
            bench = self._plan.launch()
        except Exception as error:  # noqa: BLE001 (whatever it is, the loop's thread has to hear of it)
            why = f"the virtual bench could not be started: {error}"
            self._mailbox.post(lambda: self._virtual_failed(why))
            return
        self._mailbox.post(lambda: self._virtual_ready(bench))

    def _virtual_ready(self, bench: VirtualBench) -> None:
        self._launching = False
        if self.life is Life.STOPPED:
            bench.close()
            return
        log.info("virtual.ready", pid=bench.process.pid, analyser=bench.analyser, switch=bench.switch)
        self.virtual = bench
        watch(bench.process, lambda status: self._mailbox.post(lambda: self._virtual_ended(bench, status)))
        self._open()

    def _virtual_ended(self, bench: VirtualBench, status: int) -> None:
        if self.virtual is bench and not self._stopping:
            self.virtual = None
            self._virtual_failed(f"the virtual bench has ended ({_status(status)})")

    def _virtual_failed(self, why: str) -> None:
        self._launching = False
        log.error("virtual.failed", reason=why)
        self._failure = ("virtual.failed", why)
        if self.link is not None:
            self.link.hang_up()  # it has nothing to talk to; its end starts both again


def _status(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"
