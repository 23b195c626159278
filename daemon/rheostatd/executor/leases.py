"""Leases: nothing is pulsed that is not on disk as an intent, and the run hardly waits for the disk.

The ledger runs the pulse record on a thread of its own. A visit (one device, one routing, one job) claims every
write pulse from its current lease; while that one is used up, the next is committed, and carries what has happened so
far as one block. The size of a lease follows the measured times: as many events as four commits take (or 20 ms), at
least one.
With 0.8 s pulses every pulse has its own lease; on a fast virtual bench a lease holds tens to hundreds.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import structlog

from rheostat import wire
from rheostatd import messages
from rheostatd.journal.pulses import Begin, Block, Known, Lease, PulseRecord, Turn

T = TypeVar("T")
log = structlog.get_logger()

COMMITS_PER_LEASE = 4
LEAST_SPAN = 0.02  # s: a commit costs processor time too, however fast the disk is
MAX_LEASE = 4096
_SMOOTHING = 0.3


class Ledger:
    """The pulse record as the run uses it. All methods belong to the run's thread. Raises JournalError.

    `recording=False` is for benchmarks only: nothing is written, and a crash would go unnoticed.
    """

    def __init__(self, folder: Path, *, recording: bool = True, clock: Callable[[], float] = time.time) -> None:
        self.recording = recording
        self.clock = clock
        self.event_time = float("inf")  # s of one event, smoothed; unknown at first, so that leases start at one pulse
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="pulse-record")
        self._turn = Turn()
        self._unsettled: deque[tuple[Future[None], Turn, list[messages.Report]]] = deque()
        self._after: list[messages.Report] = []
        self.waited = 0.0  # s that the run has waited for the disk
        try:
            self._record = self._writer.submit(PulseRecord, folder, clock).result()
            self.interrupted = self.ask(PulseRecord.recover)
            self.commit_time = self._record.commit_time  # s from a turn's submission until it is durable, smoothed
            self._last = self.ask(PulseRecord.last_lease)
            self.devices: dict[str, Known] = self.ask(PulseRecord.devices)
        except BaseException:
            self._writer.shutdown()
            raise
        if not recording:
            log.warning("journal.off", consequence="pulses are NOT recorded: for benchmarks only, never on a real rig")

    def ask(self, question: Callable[..., T], *values: Any) -> T:
        """Runs a method of PulseRecord on the writer's thread, after everything submitted before."""
        return self._writer.submit(question, self._record, *values).result()

    def close(self) -> None:
        self._writer.submit(self._record.close).result()
        self._writer.shutdown()

    # ---- jobs ------------------------------------------------------------------------------------------------------

    def begin(self, job: str, spec: wire.Spec, arrays: wire.Arrays, provenance: dict[str, Any]) -> None:
        """Goes to disk together with the job's first lease, or its end: before any pulse."""
        self._unsettled.clear()
        self._after.clear()
        self._turn.begins.append(Begin(job, spec, arrays, provenance))

    def finish(
        self, job: str, state: wire.JobState, code: str | None = None, error: str | None = None
    ) -> list[messages.Report]:
        """Everything of the job is durable when this returns, also what the disk refused before, if there is room now.

        Gives the events that may be published now. When it raises, what is not on disk is kept for the next turn."""
        reports = [report for _, _, batch in self._unsettled for report in batch] + self._after
        for future, turn, _ in reversed(self._unsettled):
            if future.exception() is not None:
                self._owe(turn)
        self._unsettled.clear()
        self._after = []
        self._turn.opens = None
        if self.recording:
            self.ask(PulseRecord.finish, job, state, self._turn, code, error)
        self._turn = Turn()
        return reports

    def _owe(self, turn: Turn) -> None:
        """Puts what the disk has refused back in front of the next turn; its lease was never valid."""
        self._turn.begins[:0] = turn.begins
        self._turn.closes[:0] = turn.closes
        self._turn.blocks[:0] = turn.blocks

    # ---- turns -----------------------------------------------------------------------------------------------------

    def lease_size(self) -> int:
        """Write pulses of the next lease: the events of about four commits."""
        span = max(COMMITS_PER_LEASE * self.commit_time, LEAST_SPAN)
        return max(1, min(MAX_LEASE, round(span / self.event_time)))

    def observe(self, took: float, events: int) -> None:
        """An event takes `took` s at present, as the mean of so many."""
        if events > 8 or self.event_time == float("inf"):
            self.event_time = took
        else:
            self.event_time += (took - self.event_time) * _SMOOTHING

    def open(
        self, job: str, device: str, scheme: str, max_voltage: float, max_width: float, least: int = 1
    ) -> tuple[Lease, Future[None]]:
        """Submits the next lease, of at least `least` write pulses, together with everything that has gathered."""
        self._last += 1
        size = max(least, self.lease_size())
        lease = Lease(self._last, job, device, scheme, size, max_voltage, max_width)
        self._turn.opens = lease
        return lease, self.submit()

    def submit(self) -> Future[None]:
        turn, self._turn = self._turn, Turn()
        if self.recording:
            future = self._writer.submit(self._commit, turn, time.perf_counter())
        else:
            future = Future()
            future.set_result(None)
        self._unsettled.append((future, turn, self._after))
        self._after = []
        return future

    def _commit(self, turn: Turn, submitted: float) -> None:
        """On the writer's thread. The time from submitting to durable is what a lease has to bridge."""
        self._record.commit(turn)
        took = time.perf_counter() - submitted
        self.commit_time += (took - self.commit_time) * _SMOOTHING

    def gather(self, closes: list[int], block: Block | None, after: list[messages.Report]) -> None:
        """Adds to what the next turn carries; `after`: events to publish once that turn is durable."""
        self._turn.closes.extend(closes)
        if block is not None:
            self._turn.blocks.append(block)
            known = self.devices.get(block.device, Known())
            read = block.resistance is not None
            self.devices[block.device] = Known(
                block.resistance if read else known.resistance,
                block.time if read else known.read_at,
                known.pulses + block.pulses,
                block.suspect or (known.suspect and not read),
            )
        self._after.extend(after)

    def settled(self) -> list[messages.Report]:
        """Events whose turns have become durable since the last call. Raises what the disk has refused."""
        if not self._unsettled or not self._unsettled[0][0].done():
            return []
        reports: list[messages.Report] = []
        while self._unsettled and self._unsettled[0][0].done():
            self._unsettled[0][0].result()
            _, _, batch = self._unsettled.popleft()
            reports.extend(batch)
        return reports
