"""Everything that can go wrong on the client's side of the wire. What a *device* does is never here: it is an outcome.

    RheostatError
    ├── InputError            client.bad_input        found here, before anything was sent (also a ValueError)
    │   └── UnitError         client.unknown_unit
    ├── MissingExtra          client.missing_extra    a package is not installed; the message says which extra brings it
    ├── DaemonUnavailable     daemon.unavailable      nobody answers, or the daemon went away
    ├── ProtocolError         wire.malformed          an answer came that is not one of this protocol
    ├── WaitTimeout           client.timeout          the job had not ended in the time given (also a TimeoutError)
    ├── RequestRefused        (the daemon's code)     the daemon refused; nothing was done
    │   ├── UnknownDevice     request.unknown_device
    │   ├── BadTargets        request.bad_targets
    │   ├── UnknownScheme     request.unknown_scheme
    │   ├── BadParameter      request.bad_parameter
    │   ├── UnknownJob        request.unknown_job
    │   ├── UnknownTable      request.unknown_table
    │   ├── NotReady          request.not_ready       the job has no result yet
    │   ├── Conflict          request.conflict        this job id was used before, with another content
    │   ├── LimitExceeded     limit.*                 the bench does not allow it
    │   ├── RigLatched        rig.latched             after an error or emergency stop; `recover` clears it
    │   ├── RigUnsafe         rig.unsafe              0 V or open relays could not be confirmed
    │   └── JournalFailed     journal.*               the disk is full, or the journal is damaged
    └── JobFailed             (the job's code)        the job ended without being done; `.job` is its last state
        ├── JobCancelled      job.cancelled
        └── JobInterrupted    job.interrupted         the daemon died while it ran

Every error has `.code`, which is stable; the message is for people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rheostat.wire import Job


class RheostatError(Exception):
    """Root of the tree. `code` is stable; the message is for people."""

    code = "client.failed"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), self.args, self.__dict__)


class InputError(RheostatError, ValueError):
    code = "client.bad_input"


class UnitError(InputError):
    code = "client.unknown_unit"


class MissingExtra(RheostatError, ImportError):  # noqa: N818
    code = "client.missing_extra"


class DaemonUnavailable(RheostatError):  # noqa: N818
    code = "daemon.unavailable"


class ProtocolError(RheostatError):
    code = "wire.malformed"


class WaitTimeout(RheostatError, TimeoutError):  # noqa: N818
    code = "client.timeout"


class RequestRefused(RheostatError):  # noqa: N818
    code = "request.refused"


class UnknownDevice(RequestRefused):
    code = "request.unknown_device"


class BadTargets(RequestRefused):
    code = "request.bad_targets"


class UnknownScheme(RequestRefused):
    code = "request.unknown_scheme"


class BadParameter(RequestRefused):
    code = "request.bad_parameter"


class UnknownJob(RequestRefused):
    code = "request.unknown_job"


class UnknownTable(RequestRefused):
    code = "request.unknown_table"


class NotReady(RequestRefused):
    code = "request.not_ready"


class Conflict(RequestRefused):
    code = "request.conflict"


class LimitExceeded(RequestRefused):
    code = "limit.exceeded"


class RigLatched(RequestRefused):
    code = "rig.latched"


class RigUnsafe(RequestRefused):
    code = "rig.unsafe"


class JournalFailed(RequestRefused):
    code = "journal.failed"


class JobFailed(RheostatError):  # noqa: N818
    """The job ended without being done. `job`: its last state; `job.result(partial=True)` gives what it has."""

    code = "job.failed"

    def __init__(self, message: str, *, code: str | None = None, job: Job | None = None) -> None:
        super().__init__(message, code=code)
        self.job = job


class JobCancelled(JobFailed):
    code = "job.cancelled"


class JobInterrupted(JobFailed):
    code = "job.interrupted"


# The first matching beginning of the daemon's code decides the class; the code itself is kept.
_REFUSALS: tuple[tuple[str, type[RequestRefused]], ...] = (
    ("request.unknown_device", UnknownDevice),
    ("request.bad_targets", BadTargets),
    ("request.unknown_scheme", UnknownScheme),
    ("request.bad_parameter", BadParameter),
    ("request.unknown_job", UnknownJob),
    ("request.unknown_table", UnknownTable),
    ("request.not_ready", NotReady),
    ("request.conflict", Conflict),
    ("limit.", LimitExceeded),
    ("rig.latched", RigLatched),
    ("rig.unsafe", RigUnsafe),
    ("journal.", JournalFailed),
)


def refusal(code: str, message: str) -> RequestRefused:
    """The error for a Failure that the daemon answered."""
    kind = next((kind for beginning, kind in _REFUSALS if code.startswith(beginning)), RequestRefused)
    return kind(message, code=code)


def ended_badly(job: Job, empty: bool = False) -> JobFailed:
    """The error for a job whose final state is not "done"; `empty`: nothing came of it."""
    kinds: dict[str, type[JobFailed]] = {"cancelled": JobCancelled, "interrupted": JobInterrupted}
    kind = kinds.get(job.state.value, JobFailed)
    why = f": {job.error}" if job.error else ""
    message = f"job {job.job_id} {job.state.value}{why}"
    if not empty:
        message += f" ({job.done} of {job.total} were done; result(partial=True) gives what it has)"
    return kind(message, code=job.error_code or kind.code, job=job)


def _rebuild(kind: type[RheostatError], args: tuple[Any, ...], state: dict[str, Any]) -> RheostatError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error
