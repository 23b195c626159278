"""A visit: one device in one routing. Every write pulse is claimed from a lease, all that happens is recorded."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future

from rheostatd import messages
from rheostatd.executor.leases import Ledger
from rheostatd.journal.blocks import pack_event, pack_outcome
from rheostatd.journal.pulses import Block, Lease

_READ_ONLY_BLOCK = 1 << 20  # bytes of events without a pulse that go to disk as a block of their own


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

    def claim(self, pulses: int = 1) -> None:
        """Called before every write pulse (or train of them): when it returns, a lease on disk covers what follows."""
        if self._left < pulses:
            self._next_lease(pulses)
        self._left -= pulses
        self._in_flight = True
        if self._left <= self._low and self._ahead is None:
            self._submit_block([])
            self._ahead = self._ledger.open(*self._scope)

    def unclaim(self, pulses: int = 1) -> None:
        """What was claimed last was refused by the rig and never sent."""
        self._left += pulses
        self._in_flight = False

    def _next_lease(self, least: int) -> None:
        if self._ahead is not None and self._ahead[0].pulses < least:
            self._used.append(self._ahead[0].number)
            self._ahead = None
        if self._ahead is None:
            self._submit_block([])
            self._ahead = self._ledger.open(*self._scope, least)
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
