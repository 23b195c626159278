"""What client and daemon say to each other, without any I/O: written once for the sync and the async client.

A conversation is a generator: it yields a Call, is sent the answer (reply, arrays), and returns its value. Whoever
owns a socket drives it (`rheostat.client`, `rheostat.aio`). Errors of the way there are thrown into it.
"""

from __future__ import annotations

import math
import numbers
import secrets
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar

from rheostat import results, wire
from rheostat.errors import (
    DaemonUnavailable,
    InputError,
    ProtocolError,
    UnknownDevice,
    UnknownJob,
    WaitTimeout,
    ended_badly,
    refusal,
)
from rheostat.targets import LEVELS, Targets, WeightMapping, convert, deal, names

T = TypeVar("T")
R = TypeVar("R", bound=wire.Reply)
Answer = tuple[wire.Reply, wire.Arrays]
Clock = Callable[[], float]

LONG_POLL = 10.0  # s: the daemon answers a Wait at the latest after this long
SLOW = 60.0  # s: requests that reach the instruments or compile may take this much longer than others


@dataclass(frozen=True)
class Call:
    """One request. `patience`: s that the answer may take beyond the client's own timeout."""

    body: wire.Request
    arrays: wire.Arrays | None = None
    patience: float = 0.0


Talk = Generator[Call, Answer, T]


@dataclass(frozen=True)
class Submission:
    """A job as sent: what is needed to send it again, and to give its result the shape of its targets."""

    request: wire.Submit
    arrays: wire.Arrays
    targets: Targets | None = None

    @property
    def traced(self) -> tuple[str, ...]:
        spec = self.request.spec
        return spec.traces if isinstance(spec, wire.Program) else ()


class JobOptions(TypedDict, total=False):
    """What every job may be given."""

    priority: int
    label: str
    job_id: str | None


class ProgramOptions(TypedDict, total=False):
    """What `program` and `plan` take beside targets and devices: see `Rig.program`."""

    unit: str
    mapping: WeightMapping | None
    scheme: str
    tolerance: float | None
    parameters: Mapping[str, float] | None
    confidence: float
    order: str
    max_pulses: int
    table: str | None
    traces: Sequence[str]
    priority: int
    label: str
    job_id: str | None


def ask(
    body: wire.Request, kind: type[R], arrays: wire.Arrays | None = None, patience: float = 0.0
) -> Talk[tuple[R, wire.Arrays]]:
    """One request and its answer of the `kind` expected. A Failure becomes the RequestRefused of its code."""
    reply, answered = yield Call(body, arrays, patience)
    if isinstance(reply, wire.Failure):
        raise refusal(reply.code, reply.message)
    if not isinstance(reply, kind):
        raise ProtocolError(f"asked {type(body).__name__}, expected {kind.__name__}, got {type(reply).__name__}")
    return reply, answered


def status() -> Talk[wire.Status]:
    reply, _ = yield from ask(wire.GetStatus(), wire.Status)
    return reply


def devices() -> Talk[tuple[wire.Device, ...]]:
    reply, _ = yield from ask(wire.ListDevices(), wire.DeviceList)
    return reply.devices


def jobs(limit: int = 50, states: Sequence[wire.JobState | str] = ()) -> Talk[tuple[wire.Job, ...]]:
    try:
        wanted = tuple(wire.JobState(state) for state in states)
    except ValueError as error:
        raise InputError(f"{error}; states: {', '.join(wire.JobState)}") from error
    reply, _ = yield from ask(wire.ListJobs(limit=limit, states=wanted), wire.JobList)
    return reply.jobs


def job(job_id: str) -> Talk[wire.Job]:
    """A snapshot. `job_id` may be the beginning of one, if only one of the latest jobs begins so."""
    try:
        reply, _ = yield from ask(wire.GetJob(job_id=job_id), wire.Job)
    except UnknownJob:
        if not job_id:
            raise
        recent = yield from jobs(limit=1000)
        near = [known for known in recent if known.job_id.startswith(job_id)]
        if len(near) > 1:
            some = ", ".join(known.job_id for known in near[:3])
            raise InputError(f"{len(near)} jobs begin with {job_id!r} ({some}, ...)") from None
        if not near:
            raise
        return near[0]
    return reply


def tables() -> Talk[tuple[wire.TableInfo, ...]]:
    reply, _ = yield from ask(wire.ListTables(), wire.TableList)
    return reply.tables


def table(version: str | None = None) -> Talk[wire.FeedforwardTable]:
    reply, arrays = yield from ask(wire.GetTable(version=version), wire.Table)
    return wire.FeedforwardTable.from_arrays(reply.info, arrays)


def program(
    targets: Any,
    devices_wanted: Any = None,
    *,
    unit: str = "ohm",
    mapping: WeightMapping | None = None,
    scheme: str = "ffp",
    tolerance: float | None = None,
    parameters: Mapping[str, float] | None = None,
    confidence: float = 0.95,
    order: str = "given",
    max_pulses: int = 2000,
    table: str | None = None,
    traces: Sequence[str] = (),
    priority: int = 0,
    label: str = "",
    job_id: str | None = None,
) -> Talk[Submission]:
    """The job that programs `targets`; the devices are asked for only when a default depends on them."""
    wanted = convert(targets, unit, mapping)
    known: tuple[wire.Device, ...] = ()
    if devices_wanted is None or tolerance is None:
        known = yield from devices()
    used, index = deal(wanted.shape, devices_wanted, [device.name for device in known])
    if tolerance is None:
        tolerance = default_tolerance(used, known)
    _positive("tolerance", tolerance)
    if not 0.5 <= confidence < 1:
        raise InputError(f"confidence must be at least 0.5 and less than 1, got {confidence}")
    if order not in ("given", "sweep"):
        raise InputError(f'order must be "given" or "sweep", got {order!r}')
    _count("max_pulses", max_pulses)
    spec = wire.Program(
        devices=used,
        tolerance=float(tolerance),
        scheme=scheme,
        parameters=_parameters(parameters),
        confidence=float(confidence),
        max_pulses=int(max_pulses),
        order=order,
        table=table,
        traces=tuple(names(traces)) if len(traces) else (),
        shape=wanted.shape,
    )
    arrays: wire.Arrays = {"targets": wanted.resistance.reshape(-1), "device": index}
    return Submission(_submit(spec, priority, label, job_id), arrays, wanted)


def default_tolerance(used: Sequence[str], known: Sequence[wire.Device]) -> float:
    """Half a level of 512 of the narrowest window among the devices used, ohm."""
    windows = {device.name: device.window for device in known}
    unknown = [name for name in used if name not in windows]
    if unknown:
        raise UnknownDevice(f"unknown device {unknown[0]!r}; the bench has {', '.join(windows) or 'none'}")
    return min(windows[name][1] - windows[name][0] for name in used) / (LEVELS - 1) / 2


def read(devices_wanted: Any = None, readings: int = 1, **options: Any) -> Talk[Submission]:
    used = yield from _names_or_all(devices_wanted)
    return Submission(_submit(wire.Read(devices=used, readings=_count("readings", readings)), **options), {})


def initialise(devices_wanted: Any, state: str, max_pulses: int = 2000, **options: Any) -> Talk[Submission]:
    used = yield from _names_or_all(devices_wanted)
    if state.upper() not in ("HRS", "LRS"):
        raise InputError(f'state must be "HRS" or "LRS", got {state!r}')
    spec = wire.Initialise(devices=used, state=state.upper(), max_pulses=_count("max_pulses", max_pulses))
    return Submission(_submit(spec, **options), {})


def calibrate(
    device: str,
    others: Any = (),
    *,
    voltages: Sequence[float] | None = None,
    width: float | None = None,
    max_train: int | None = None,
    gain_pulses: int | None = None,
    **options: Any,
) -> Talk[Submission]:
    """The job that measures dR(V, R) on `device`; `others`: names, or "all" for every other device of the bench."""
    if isinstance(others, str) and others == "all":
        known = yield from devices()
        others = [other.name for other in known if other.name != device]
    given: dict[str, Any] = {}
    if voltages is not None:
        given["voltages"] = tuple(_positive("voltage", voltage) for voltage in voltages)
    if width is not None:
        given["width"] = _positive("width", width)
    if max_train is not None:
        given["max_train"] = _count("max_train", max_train)
    if gain_pulses is not None:
        given["gain_pulses"] = _count("gain_pulses", gain_pulses)
    spec = wire.Calibrate(device=device, others=tuple(names(others)) if len(others) else (), **given)
    return Submission(_submit(spec, **options), {})


def submit(submission: Submission) -> Talk[wire.Job]:
    size = sum(array.nbytes for array in submission.arrays.values())
    reply, _ = yield from ask(submission.request, wire.Job, submission.arrays, patience=size / 10e6)
    return reply


def plan(submission: Submission) -> Talk[wire.Plan]:
    """What the job would do; nothing is done."""
    request = submission.request
    dry = wire.Submit(job_id=request.job_id, spec=request.spec, priority=request.priority, dry_run=True)
    reply, _ = yield from ask(dry, wire.Plan, submission.arrays, patience=SLOW)
    return reply


def wait(job_id: str, timeout: float | None = None, clock: Clock = time.monotonic) -> Talk[wire.Job]:
    """Until the job has ended. Raises WaitTimeout after `timeout` s; the job goes on."""
    end = math.inf if timeout is None else clock() + timeout
    while True:
        patience = max(0.0, min(LONG_POLL, end - clock()))
        try:
            reply, _ = yield from ask(wire.Wait(job_id=job_id, timeout=patience), wire.Job, patience=patience)
        except DaemonUnavailable as error:
            raise DaemonUnavailable(
                f"{error}; this was while waiting for job {job_id}. Its record is in the daemon's journal: once a "
                f"daemon runs again on the same data folder, rig.job({job_id!r}) tells how it ended"
            ) from error
        if reply.state.final:
            return reply
        if clock() >= end:
            raise WaitTimeout(f"job {job_id} is {reply.state} after {timeout:g} s ({reply.done} of {reply.total} done)")


def result(
    job_id: str,
    timeout: float | None = None,
    partial: bool = False,
    submission: Submission | None = None,
    clock: Clock = time.monotonic,
) -> Talk[results.Result]:
    """Waits, then fetches. A job that is not "done" raises the JobFailed of its state unless `partial`."""
    ended = yield from wait(job_id, timeout, clock)
    if ended.state is not wire.JobState.DONE and not partial:
        raise ended_badly(ended)
    reply, arrays = yield from ask(wire.GetResult(job_id=job_id), wire.Result, patience=SLOW)
    if submission is None:
        return results.build(reply, arrays)
    return results.build(reply, arrays, submission.targets, submission.traced)


def trace(job_id: str, device: str) -> Talk[results.Trace]:
    reply, arrays = yield from ask(wire.GetTrace(job_id=job_id, device=device), wire.Trace, patience=SLOW)
    return results.build_trace(reply.device, arrays)


def change(body: wire.Cancel | wire.Pause | wire.Resume) -> Talk[None]:
    """Cancel, pause or resume. The daemon may answer with the job's snapshot or a plain Ok."""
    reply, _ = yield Call(body)
    if isinstance(reply, wire.Failure):
        raise refusal(reply.code, reply.message)
    if not isinstance(reply, wire.Ok | wire.Job):
        raise ProtocolError(f"asked {type(body).__name__}, got {type(reply).__name__}")


def recover() -> Talk[None]:
    yield from ask(wire.Recover(), wire.Ok, patience=SLOW)


def emergency_stop(reason: str) -> Talk[None]:
    yield from ask(wire.EmergencyStop(reason=reason), wire.Ok)


def new_job_id() -> str:
    """Readable, sortable by time, and unique: 20260723-141503-3f9a2c1b."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"


def _submit(spec: wire.Spec, priority: int = 0, label: str = "", job_id: str | None = None) -> wire.Submit:
    return wire.Submit(job_id=job_id or new_job_id(), spec=spec, priority=priority, label=label)


def _names_or_all(wanted: Any) -> Talk[tuple[str, ...]]:
    if wanted is not None:
        return tuple(names(wanted))
    known = yield from devices()
    return tuple(device.name for device in known)


def _parameters(given: Mapping[str, float] | None) -> dict[str, float]:
    checked: dict[str, float] = {}
    for name, value in (given or {}).items():
        if not isinstance(value, numbers.Real) or not math.isfinite(value):
            raise InputError(f"parameter {name} must be a finite number, got {value!r}")
        checked[str(name)] = float(value)
    return checked


def _positive(what: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{what} must be a positive number, got {value}")
    return float(value)


def _count(what: str, value: int) -> int:
    if isinstance(value, bool) or int(value) != value or value < 1:
        raise InputError(f"{what} must be a whole number, at least 1, got {value!r}")
    return int(value)
