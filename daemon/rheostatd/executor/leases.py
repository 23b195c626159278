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
from rheostatd.journal.pulses import Block, Known, Lease, PulseRecord, Turn, pack_event, pack_outcome

T = TypeVar("T")
log = structlog.get_logger()

COMMITS_PER_LEASE = 4
LEAST_SPAN = 0.02  # s: a commit costs processor time too, however fast the disk is
MAX_LEASE = 4096
_SMOOTHING = 0.3
_READ_ONLY_BLOCK = 1 << 20  # bytes of events without a pulse that go to disk as a block of their own


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
        self._unsettled.clear()
        self._after.clear()
        if self.recording:
            self.ask(PulseRecord.begin, job, spec, arrays, provenance)

    def finish(
        self, job: str, state: wire.JobState, code: str | None = None, error: str | None = None
    ) -> list[messages.Report]:
        """Everything of the job is durable when this returns, also what the disk refused before, if there is room now.

        Gives the events that may be published now. When it raises, what is not on disk is kept for the next turn."""
        reports = [report for _, _, batch in self._unsettled for report in batch] + self._after
        for future, turn, _ in self._unsettled:
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
        self, job: str, device: str, scheme: str, max_voltage: float, max_width: float
    ) -> tuple[Lease, Future[None]]:
        """Submits the next lease together with everything that has gathered."""
        self._last += 1
        lease = Lease(self._last, job, device, scheme, self.lease_size(), max_voltage, max_width)
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


class Visit:
    """One device within one routing: its leases, its events, its outcomes.

    `pulses`, `reads`, `energy` (J), `rig_time` (s) count what has happened so far.
    """

    def __init__(
        self, ledger: Ledger, job: str, device: str, scheme: str, max_voltage: float, max_width: float,
        *, keep: bool = False, before: int = 0, tick: Callable[[], float] = time.perf_counter,
    ) -> None:  # fmt: skip
        self.device = device
        self.before = before  # write pulses that this device has had in earlier visits of the job
        self.pulses = 0
        self.reads = 0
        self.energy = 0.0
        self.rig_time = 0.0
        self.target = 0  # index of the target in the job that events belong to
        self.resistance: float | None = None
        self.kept: list[bytes] | None = [] if keep else None
        self._ledger = ledger
        self._scope = (job, device, scheme, max_voltage, max_width)
        self._tick = tick
        self._current: Lease | None = None
        self._ahead: tuple[Lease, Future[None]] | None = None
        self._used: list[int] = []  # leases used up, whose last events are not submitted yet
        self._left = 0
        self._low = 0
        self._events = bytearray()
        self._outcomes = bytearray()
        self._block_pulses = 0
        self._block_events = 0
        self._block_start = tick()
        self._read_at = 0.0
        self._in_flight = False  # a pulse was claimed and nothing is known of its end
        self._closed = False

    def prepare(self) -> None:
        """Asks for the first lease already, so that it is committed while the device is routed and read."""
        if self._ahead is None and self._current is None:
            self._ahead = self._ledger.open(*self._scope)

    def claim(self) -> None:
        """Called before every write pulse: when it returns, that pulse is covered by a lease on disk."""
        if not self._left:
            self._next_lease()
        self._left -= 1
        self._in_flight = True
        if self._left <= self._low and self._ahead is None:
            self._submit_block([])
            self._ahead = self._ledger.open(*self._scope)

    def unclaim(self) -> None:
        """The pulse claimed last was refused by the rig and never sent."""
        self._left += 1
        self._in_flight = False

    def _next_lease(self) -> None:
        if self._ahead is None:
            self._submit_block([])
            self._ahead = self._ledger.open(*self._scope)
        lease, future = self._ahead
        if not future.done():
            started = self._tick()
            try:
                future.result()
            finally:
                waited = self._tick() - started
                self._ledger.waited += waited
                self._block_start += waited
        future.result()
        if self._current is not None:
            self._used.append(self._current.number)
        self._current = lease
        self._ahead = None
        self._left = lease.pulses
        self._low = lease.pulses // 2

    def event(
        self, voltage: float, width: float, resistance: float, reads: int, energy: float, duration: float
    ) -> None:
        """Something happened: voltage nan and width 0 for readings only, energy nan without a pulse."""
        if voltage == voltage:
            self._in_flight = False
            self.pulses += 1
            self._block_pulses += 1
            self.energy += energy if energy == energy else 0.0
        self.reads += reads
        self.rig_time += duration
        if reads:
            self.resistance = resistance
            self._read_at = self._ledger.clock()
        self._block_events += 1
        self._events += pack_event(self.target, reads, voltage, width, resistance, energy, duration)
        if len(self._events) > _READ_ONLY_BLOCK:
            self._submit_block([])
            self._ledger.submit()

    def outcome(
        self, target: int, outcome: int, pulses: int, reads: int, achieved: float, uncertainty: float,
        energy: float, rig_time: float, wall_time: float,
    ) -> None:  # fmt: skip
        self._outcomes += pack_outcome(
            target, outcome, pulses, reads, achieved, uncertainty, energy, rig_time, wall_time
        )

    def close(self, after: list[messages.Report]) -> None:
        """The device is left: its leases end with what has happened. It goes to disk with the next turn."""
        if self._closed:
            return
        self._closed = True
        held = [] if self._current is None else [self._current.number]
        if self._ahead is not None:
            held.append(self._ahead[0].number)
        self._used.extend(held)
        self._submit_block(after)

    def _submit_block(self, after: list[messages.Report]) -> None:
        """Gathers the block for the next turn; leases used up end in the same transaction as their events."""
        events = bytes(self._events)
        if self._block_events:
            took = (self._tick() - self._block_start) / self._block_events
            self._ledger.observe(took, self._block_events)
        block = None
        suspect = self._closed and self._in_flight
        if events or self._outcomes or suspect:
            job, device = self._scope[:2]
            block = Block(
                job, device, events, bytes(self._outcomes),
                self.resistance if self._read_at else None, self._read_at, self._block_pulses,
                suspect,
            )  # fmt: skip
            if self._block_pulses:
                after = [applied(block, self.before + self.pulses), *after]
        if self.kept is not None and events:
            self.kept.append(events)
        self._ledger.gather(self._used, block, after)
        self._used = []
        self._events = bytearray()
        self._outcomes = bytearray()
        self._block_pulses = self._block_events = 0
        self._block_start = self._tick()
        self._read_at = 0.0


def applied(block: Block, total: int) -> messages.Happened:
    """The event of a pulse batch; `total`: write pulses of the device in this job so far."""
    data = {"device": block.device, "pulses": block.pulses, "total": total, "resistance_ohm": block.resistance}
    return messages.Happened("pulses.applied", block.job, data)
