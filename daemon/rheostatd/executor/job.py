"""One job while it runs: looks at the control socket between events, keeps the totals, reports progress."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator

import structlog

from rheostat import wire
from rheostatd import messages
from rheostatd.executor.answers import answer_dry, fetch_trace
from rheostatd.executor.plant import RigPlant
from rheostatd.executor.station import Station
from rheostatd.executor.visit import Visit

log = structlog.get_logger()

REPORT_EVERY = 0.2  # s between two progress reports
COMMANDS_EVERY = 0.002  # s between two looks at the control socket; a slower event has one each
LOOK_EVERY = 0.05  # s between two looks at what has become durable


class Cancelled(Exception):  # noqa: N818
    """The job ends here because it was asked to; `stopping`: because the daemon stops."""

    def __init__(self, stopping: bool = False) -> None:
        super().__init__("the daemon was stopped" if stopping else "cancelled")
        self.stopping = stopping


class Job:
    """`total` and `done` count targets (or devices); the other totals include the visit that runs."""

    def __init__(self, station: Station, job_id: str, total: int, traces: tuple[str, ...] = ()) -> None:
        self.station = station
        self.job_id = job_id
        self.total = total
        self.done = 0
        self.outcomes: Counter[str] = Counter()
        self.touched: dict[str, None] = {}  # devices, in order
        self.kept: dict[str, list[bytes]] = {}  # device -> blocks of events, for the traces asked for
        self.backlog: list[tuple[messages.Command, wire.Arrays]] = []  # commands for after the job
        self.pulses = 0
        self.reads = 0
        self.energy = 0.0
        self.rig_time = 0.0
        self._traces = frozenset(traces)
        self._pulses_of: Counter[str] = Counter()
        self._visit: Visit | None = None
        self._paused = False
        self._next_command = 0.0
        self._next_look = 0.0
        self._next_report = 0.0

    # ---- between events ----------------------------------------------------------------------------------------------

    def checkpoint(self) -> None:
        """Called before every exchange with the rig. Raises Stopped, Cancelled and JournalError; waits while paused."""
        if self.station.guard.tripped:
            self.station.guard.check()
        now = time.perf_counter()
        if now < self._next_command:
            return
        self._next_command = now + COMMANDS_EVERY
        if self.station.control.pending():
            self._commands()
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY
            self.publish(self.station.ledger.settled())
            if now >= self._next_report:
                self._next_report = now + REPORT_EVERY
                self.station.control.send(self.progress())

    def _commands(self) -> None:
        control, guard = self.station.control, self.station.guard
        self._take()
        while self._paused:
            self.publish(self.station.ledger.settled())
            control.wait(REPORT_EVERY)
            guard.check()
            guard.heard()
            self._take()

    def _take(self) -> None:
        control = self.station.control
        while (taken := control.take()) is not None:
            command, arrays = taken
            match command:
                case messages.Cancel(job_id=self.job_id):
                    raise Cancelled
                case messages.Shutdown():
                    self.backlog.append(taken)
                    raise Cancelled(stopping=True)
                case messages.Pause(job_id=self.job_id) if not self._paused:
                    self._paused = True
                    control.send(self.progress())
                    control.send(messages.Happened("job.paused", self.job_id))
                case messages.Resume(job_id=self.job_id) if self._paused:
                    self._paused = False
                    control.send(messages.Happened("job.resumed", self.job_id))
                case messages.FetchTrace():
                    fetch_trace(self.station, command)
                case messages.Dry():
                    answer_dry(self.station, command, arrays)
                case messages.Cancel() | messages.Pause() | messages.Resume():
                    log.info("command.late", command=type(command).__name__.lower(), job=command.job_id)
                case _:
                    self.backlog.append((command, arrays))

    def progress(self) -> messages.Progress:
        visit = self._visit
        pulses, reads, energy, rig_time = self.pulses, self.reads, self.energy, self.rig_time
        if visit is not None:
            pulses += visit.pulses
            reads += visit.reads
            energy += visit.energy
            rig_time += visit.rig_time
        return messages.Progress(
            job_id=self.job_id,
            total=self.total,
            done=self.done,
            pulses=pulses,
            reads=reads,
            energy=energy,
            rig_time=rig_time,
            outcomes=dict(self.outcomes),
            device=None if visit is None else visit.device,
            resistance=None if visit is None else visit.resistance,
        )

    def publish(self, reports: list[messages.Report]) -> None:
        """Sends what has become durable; the batches of one device since the last look become one event."""
        batches: dict[str, messages.Happened] = {}
        for report in reports:
            if isinstance(report, messages.Happened) and report.name == "pulses.applied":
                device = report.data["device"]
                before = batches.get(device)
                if before is not None:
                    report.data["pulses"] += before.data["pulses"]
                batches[device] = report
                continue
            for batch in batches.values():
                self.station.control.send(batch)
            batches.clear()
            self.station.control.send(report)
        for batch in batches.values():
            self.station.control.send(batch)

    # ---- devices -----------------------------------------------------------------------------------------------------

    def count(self, outcome: wire.Outcome, number: int = 1) -> None:
        if number:
            self.done += number
            self.outcomes[outcome.name.lower()] += number

    @contextlib.contextmanager
    def visit(
        self, device: str, scheme: str, ends: list[messages.Report], *, pulses: bool = True
    ) -> Iterator[RigPlant]:
        """Routes to a device and gives its plant; when the block is left its leases and events are handed in.

        ends: events to publish once the visit is durable; may be filled inside the block.
        """
        station = self.station
        limits = station.bench.limits
        visit = Visit(
            station.ledger, self.job_id, device, scheme, limits.max_voltage, limits.max_width,
            keep=device in self._traces, before=self._pulses_of[device],
        )  # fmt: skip
        self.touched[device] = None
        self._visit = visit
        try:
            self.checkpoint()
            if pulses:
                visit.prepare()
            station.control.send(messages.Happened("device.started", self.job_id, {"device": device}))
            visit.rig_time += station.rig.route(device)
            plant = RigPlant(station.rig, visit, station.envelope, self.checkpoint, station.sleep)
            yield plant
            station.read_time = plant.read_time or station.read_time
        finally:
            visit.close(ends)
            self._visit = None
            self._pulses_of[device] += visit.pulses
            self.pulses += visit.pulses
            self.reads += visit.reads
            self.energy += visit.energy
            self.rig_time += visit.rig_time
            if visit.kept is not None:
                self.kept.setdefault(device, []).extend(visit.kept)
