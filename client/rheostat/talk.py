"""What client and daemon say to each other, without any I/O: written once for the sync and the async client.

A conversation is a generator: it yields a Call, is sent the answer (reply, arrays), and returns its value. Whoever
owns a socket drives it (`rheostat.client`, `rheostat.aio`). Errors of the way there are thrown into it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from rheostat import results, units, wire
from rheostat.errors import (
    DaemonUnavailable,
    InputError,
    ProtocolError,
    RigUnsafe,
    UnknownJob,
    WaitTimeout,
    ended_badly,
    refusal,
)
from rheostat.targets import Targets
from rheostat.trace import Trace, build_trace

T = TypeVar("T")
R = TypeVar("R", bound=wire.Reply)
Answer = tuple[wire.Reply, wire.Arrays]
Clock = Callable[[], float]

LONG_POLL = 10.0  # s: the daemon answers a Wait at the latest after this long
LAST = "last"  # instead of an id: the job that was sent last
STOPPING = 10.0  # s: an emergency stop is answered within 8 s, whatever happens
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

    request: wire.Submit | wire.Again
    arrays: wire.Arrays
    targets: Targets | None = None

    @property
    def traced(self) -> tuple[str, ...]:
        spec = self.request.spec if isinstance(self.request, wire.Submit) else None
        return spec.traces if isinstance(spec, wire.Program) else ()


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
    """A snapshot. `job_id` may be the beginning of one, if only one of the latest jobs begins so, or "last": the job
    that was sent last."""
    if job_id == LAST:
        newest = yield from jobs(limit=1)
        if not newest:
            raise UnknownJob("there is no job yet")
        return newest[0]
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


def submit(submission: Submission) -> Talk[wire.Job]:
    size = sum(array.nbytes for array in submission.arrays.values())
    reply, _ = yield from ask(submission.request, wire.Job, submission.arrays, patience=size / 10e6)
    return reply


def plan(submission: Submission) -> Talk[wire.Plan]:
    """What the job would do; nothing is done."""
    dry = msgspec.structs.replace(submission.request, dry_run=True)
    reply, _ = yield from ask(dry, wire.Plan, submission.arrays, patience=SLOW)
    return reply


def planned(conversation: Talk[Submission]) -> Talk[wire.Plan]:
    """What the job that a conversation makes would do."""
    return (yield from plan((yield from conversation)))


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
            goes_on = "" if reply.due is None else f"; it goes on at {units.time_of_day(reply.due)}"
            done = f"{reply.done} of {reply.total} done"
            raise WaitTimeout(f"job {job_id} is {reply.state} after {timeout:g} s ({done}{goes_on})")


def result(
    job_id: str,
    timeout: float | None = None,
    partial: bool = False,
    submission: Submission | None = None,
    clock: Clock = time.monotonic,
) -> Talk[results.Result]:
    """Waits, then fetches. A job that is not "done" raises the JobFailed of its state unless `partial`; one that has
    nothing to give, because it failed before it did anything, raises it in any case."""
    ended = yield from wait(job_id, timeout, clock)
    if ended.state is not wire.JobState.DONE and not partial:
        raise ended_badly(ended)
    reply, arrays = yield from ask(wire.GetResult(job_id=job_id), wire.Result, patience=SLOW)
    if not arrays and ended.state is not wire.JobState.DONE:
        raise ended_badly(ended, empty=True)
    if submission is None:
        return results.build(reply, arrays)
    return results.build(reply, arrays, submission.targets, submission.traced)


def trace(job_id: str, device: str) -> Talk[Trace]:
    reply, arrays = yield from ask(wire.GetTrace(job_id=job_id, device=device), wire.Trace, patience=SLOW)
    return build_trace(reply.device, arrays)


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
    try:
        yield from ask(wire.EmergencyStop(reason=reason), wire.Ok, patience=STOPPING)
    except (DaemonUnavailable, ProtocolError) as error:
        raise RigUnsafe(
            f"the emergency stop is not confirmed; switch the outputs off at the analyser: {error}"
        ) from error
