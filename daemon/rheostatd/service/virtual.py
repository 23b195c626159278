"""The virtual bench's life, where the bench has one: its process is started, watched, and ended with the daemon."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from rheostatd.service.child import status_text, watch
from rheostatd.service.timers import Mailbox

if TYPE_CHECKING:
    from rheostat_hal.virtual.launch import VirtualBench

log = structlog.get_logger()


class VirtualKeeper:
    """`launch`: starts it, None when the instruments are real; `ready` and `failed(why)` are called by the loop's
    thread. `bench`: the running one."""

    def __init__(
        self,
        launch: Callable[[], VirtualBench] | None,
        mailbox: Mailbox,
        ready: Callable[[], None],
        failed: Callable[[str], None],
    ) -> None:
        self._launch = launch
        self._mailbox = mailbox
        self._ready = ready
        self._failed = failed
        self._launching = False
        self._closed = False
        self._telling = threading.Lock()
        self.bench: VirtualBench | None = None

    @property
    def missing(self) -> bool:
        """There should be one, and there is none: nothing can be under voltage."""
        return self._launch is not None and (self.bench is None or self.bench.process.poll() is not None)

    def start(self) -> None:
        """Unless it runs already. In a thread of its own: it takes a while."""
        if self._launch is not None and self.bench is None and not self._launching:
            self._launching = True
            threading.Thread(target=self._run, args=(self._launch,), name="virtual-bench", daemon=True).start()

    def let_pass(self, until: float, then: Callable[[float], None]) -> None:
        """Lets the bench's time go on to `until` (s), if it has not come yet; `then` is called with what its clock says
        afterwards. In a thread of its own: nobody else waits for a bench."""
        bench = self.bench
        if bench is None:
            return

        def wait() -> None:
            try:
                with self._telling:
                    now = bench.let_pass(0.0)
                    if until > now:
                        now = bench.let_pass(until - now)
            except Exception as error:  # noqa: BLE001 (whatever it is, the loop's thread has to hear of it)
                why = str(error)
                self._mailbox.post(lambda: None if self._closed else self._gone(why))
                return
            self._mailbox.post(lambda: then(now))

        threading.Thread(target=wait, name="virtual-time", daemon=True).start()

    def close(self) -> None:
        self._closed = True
        if self.bench is not None:
            self.bench.close()
            self.bench = None

    def _run(self, launch: Callable[[], VirtualBench]) -> None:
        try:
            bench = launch()
        except Exception as error:  # noqa: BLE001 (whatever it is, the loop's thread has to hear of it)
            why = f"the virtual bench could not be started: {error}"
            self._mailbox.post(lambda: self._gone(why))
            return
        self._mailbox.post(lambda: self._launched(bench))

    def _launched(self, bench: VirtualBench) -> None:
        self._launching = False
        if self._closed:
            bench.close()
            return
        log.info("virtual.ready", pid=bench.process.pid, **bench.resources)
        self.bench = bench
        watch(bench.process, lambda status: self._mailbox.post(lambda: self._ended(bench, status)))
        self._ready()

    def _ended(self, bench: VirtualBench, status: int) -> None:
        if self.bench is bench and not self._closed:
            self.bench = None
            self._gone(f"the virtual bench has ended ({status_text(status)})")

    def _gone(self, why: str) -> None:
        self._launching = False
        log.error("virtual.failed", reason=why)
        self._failed(why)
