"""The executor's life: open the rig, safe first; serve commands one after another; leave it safe."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from rheostat import wire
from rheostat_hal.bench import Bench, load, with_resources
from rheostat_hal.bench_rig import open_rig
from rheostat_hal.errors import HalError
from rheostatd import messages
from rheostatd.errors import ConfigError, DaemonError
from rheostatd.executor.answers import answer_dry, fetch_trace
from rheostatd.executor.control import Control
from rheostatd.executor.estop import Guard
from rheostatd.executor.leases import Ledger
from rheostatd.executor.provenance import instruments
from rheostatd.executor.rebuild import rebuild
from rheostatd.executor.runner import run
from rheostatd.executor.station import Station
from rheostatd.executor.warm import warm_behind
from rheostatd.journal.pulses import PulseRecord
from rheostatd.locks import lock_instrument
from rheostatd.recording import Recording
from rheostatd.schemes.registry import SCHEMES, build

log = structlog.get_logger()

JOURNAL_VARIABLE = "RHEOSTAT_JOURNAL"  # "off": no record of pulses, for benchmarks only


def no_time(duration: float) -> None:
    """Virtual time costs nothing."""


@contextlib.contextmanager
def opened(control: Control, guard: Guard, command: messages.Open) -> Iterator[Station]:
    """The station of one bench: instruments locked, record open, rig open and safe. Leaves it safe and let go.

    Raises HalError (also when the rig could not be left safe) and DaemonError."""
    bench = with_resources(load(command.bench), **command.resources)
    check_schemes(bench)
    with contextlib.ExitStack() as stack:
        for resource in dict.fromkeys((bench.analyser.resource, bench.switch.resource)):
            stack.callback(lock_instrument(resource).release)
        journal = os.environ.get(JOURNAL_VARIABLE, "on").lower() != "off"
        ledger = Ledger(Path(command.data), recording=journal)
        stack.callback(ledger.close)
        recording = Recording(Path(command.record), bench) if command.record else None
        if recording is not None:
            stack.callback(recording.close)
        rig = open_rig(bench, recording)
        stack.callback(rig.close)
        if recording is not None:
            recording.identified(rig.identities)
        station = Station(bench, rig, ledger, control, guard, sleep=_sleep_of(bench, command.real_time))
        station.tables.extend(ledger.ask(PulseRecord.tables))
        yield station


def check_schemes(bench: Bench) -> None:
    """The parameters that the bench file gives the schemes. Raises ConfigError, naming the table."""
    for name, parameters in bench.schemes:
        try:
            build(name, dict(parameters))
        except ValueError as error:
            raise ConfigError(f"the bench file: [schemes.{name}]: {error}") from error


def _sleep_of(bench: Bench, real_time: bool) -> Callable[[float], None]:
    virtual = bench.virtual
    return no_time if virtual is not None and not virtual.real_time and not real_time else time.sleep


def serve(station: Station, unfinished: tuple[str, ...]) -> None:
    """Answers commands until Shutdown, the end of the service, or a signal."""
    control, guard = station.control, station.guard
    for job_id in unfinished:
        ended = rebuild(station, job_id)
        if ended is not None:
            control.send(*ended)
    control.send(
        messages.Ready(
            instruments=instruments(station),
            devices=tuple(station.device(name) for name in station.addresses),
            tables=tuple(station.tables),
            estop=guard.endpoint,
            interrupted=station.ledger.interrupted,
            schemes={name: tuple(f.name for f in dataclasses.fields(s.settings)) for name, s in SCHEMES.items()},
        )
    )
    warm_behind(SCHEMES.values(), lambda: guard.ending is not None)
    backlog: deque[tuple[messages.Command, wire.Arrays]] = deque()
    while guard.ending is None:
        if guard.tripped:  # an emergency stop while nothing ran
            station.latch.secure()
        taken = backlog.popleft() if backlog else control.take()
        if taken is None:
            control.wait(None)
            guard.heard()
        elif not _handle(station, *taken, backlog):
            break
    log.info("executor.stopping", why=guard.ending or "shutdown")


def _handle(
    station: Station, command: messages.Command, arrays: wire.Arrays,
    backlog: deque[tuple[messages.Command, wire.Arrays]],
) -> bool:  # fmt: skip
    """False: the last command."""
    match command:
        case messages.Run():
            ended = run(station, command, arrays)
            station.control.send(ended.finished, ended.arrays)
            backlog.extendleft(reversed(ended.backlog))
        case messages.Dry():
            answer_dry(station, command, arrays)
        case messages.FetchTrace():
            fetch_trace(station, command)
        case messages.Recover():
            station.control.send(messages.Recovered(command.number, station.latch.recover()))
        case messages.Shutdown():
            return False
        case messages.Open():
            log.error("command.unexpected", command="open")
        case messages.Cancel() | messages.Pause() | messages.Resume():  # the job has just ended
            log.info("command.late", command=type(command).__name__.lower(), job=command.job_id)
    return True


def failed(control: Control, error: HalError | DaemonError) -> None:
    log.error("executor.failed", code=error.code, error=str(error))
    control.send(messages.Failed(error.code, str(error)))
