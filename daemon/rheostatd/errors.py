# ruff: noqa: N818  (names say what happened; the tree says that they are errors)
"""What the daemon itself refuses or cannot do. What instruments do wrong is in `rheostat_hal.errors`.

    DaemonError                daemon.failed
    ├── ConfigError            config.bad               the configuration is wrong
    ├── Locked                 daemon.locked            another daemon holds the data folder or the rig
    ├── PortTaken              daemon.port              another program listens where this one should
    ├── RequestError           request.invalid          the request makes no sense here
    │   ├── UnknownDevice      request.unknown_device
    │   ├── UnknownScheme      request.unknown_scheme
    │   ├── UnknownJob         request.unknown_job
    │   ├── UnknownTable       request.unknown_table
    │   ├── BadTargets         request.bad_targets      not finite, outside the window, wrong count or shape
    │   ├── BadParameter       request.bad_parameter
    │   ├── NotReady           request.not_ready        the job has no result yet
    │   └── Conflict           request.conflict         the same id again with other content
    ├── QueueFull              queue.full               as many jobs wait as may wait
    ├── NotStarted             daemon.starting          the rig is not open yet: ask again in a moment
    ├── LimitExceeded          limit.exceeded           a limit of the bench forbids it
    ├── RigLatched             rig.latched              refused until the rig has been recovered
    ├── ExecutorFailed         executor.failed          the executor process is gone or could not start
    └── JournalError           journal.failed           the journal cannot be read or written
        ├── JournalFull        journal.full             no room left on the disk
        ├── JournalBusy        journal.busy             another process holds the file
        └── JournalCorrupt     journal.corrupt          its content is not what was written

Every class has a stable `code`; code and message travel to the client as `wire.Failure`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DaemonError(Exception):
    """Root of the tree. `code` is stable; the message is for people and says what is possible."""

    code = "daemon.failed"


class ConfigError(DaemonError):
    code = "config.bad"


class Locked(DaemonError):
    code = "daemon.locked"


class PortTaken(DaemonError):
    code = "daemon.port"


class RequestError(DaemonError):
    code = "request.invalid"


class UnknownDevice(RequestError):
    code = "request.unknown_device"


class UnknownScheme(RequestError):
    code = "request.unknown_scheme"


class UnknownJob(RequestError):
    code = "request.unknown_job"


class UnknownTable(RequestError):
    code = "request.unknown_table"


class BadTargets(RequestError):
    code = "request.bad_targets"


class BadParameter(RequestError):
    code = "request.bad_parameter"


class NotReady(RequestError):
    code = "request.not_ready"


class Conflict(RequestError):
    code = "request.conflict"


class QueueFull(DaemonError):
    code = "queue.full"


class NotStarted(DaemonError):
    code = "daemon.starting"


class LimitExceeded(DaemonError):
    code = "limit.exceeded"


class RigLatched(DaemonError):
    code = "rig.latched"


class RigUnsafe(DaemonError):
    code = "rig.unsafe"


class ExecutorFailed(DaemonError):
    code = "executor.failed"


class JournalError(DaemonError):
    code = "journal.failed"


class JournalFull(JournalError):
    code = "journal.full"


class JournalBusy(JournalError):
    code = "journal.busy"


class JournalCorrupt(JournalError):
    code = "journal.corrupt"


def possible(name: str, names: Iterable[str], *, most: int = 8) -> str:
    """The end of a sentence about an unknown name: the nearest known one, or what there is.

    >>> possible("fpp", ["ffp", "levels"])
    "did you mean 'ffp'? (ffp, levels)"
    """
    known = list(names)
    listed = ", ".join(known[:most]) + (f", ... {len(known)} in all" if len(known) > most else "")
    by_fold = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), list(by_fold), n=1, cutoff=0.5)
    if near:
        return f"did you mean {by_fold[near[0]]!r}? ({listed})"
    return f"possible: {listed}" if known else "there are none"
