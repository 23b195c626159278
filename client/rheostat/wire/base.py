"""What all messages share: versions and limits, outcome codes, states of jobs, the base class."""

from __future__ import annotations

import enum
from typing import Any

import msgspec
import numpy.typing as npt

VERSION = 1
MAX_HEADER_BYTES = 1 << 20
MAX_ARRAYS = 256
MAX_ARRAY_BYTES = 1 << 30
MAX_DIMENSIONS = 16
DTYPES = frozenset({"<f8", "<f4", "<i8", "<i4", "|u1", "|b1"})

Array = npt.NDArray[Any]
Arrays = dict[str, Array]


class WireError(Exception):
    """A message that is not one of this protocol. `code` is stable."""

    code = "wire.malformed"


class Outcome(enum.IntEnum):
    """How programming one target on one device ended. Numbers are part of the protocol: never reuse one."""

    PENDING = 0  # not attempted yet
    VERIFIED = 1  # the estimate of the true resistance lies within the tolerance with the confidence asked for
    NOT_CONVERGED = 2  # the pulses allowed for one target were used up
    STUCK = 3  # write pulses no longer move the device
    SATURATED = 4  # the device reached the end of what the limits allow, before the target
    OPEN = 5  # no read current
    SHORTED = 6  # far below the window
    COMPLIANCE = 7  # a channel reached its current compliance
    NOISY = 8  # readings scatter so much that the tolerance cannot be verified
    UNREACHABLE = 9  # the target lies outside the window
    LIMIT = 10  # the next write pulse would have passed a limit of the bench
    CANCELLED = 11  # the job was cancelled or stopped before this target was done
    INTERRUPTED = 12  # the daemon or rig died meanwhile: the device may have been pulsed and has to be read again


class JobState(enum.StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    WAITING = "waiting"  # between two readings of a retention job; it goes on by itself at `due`
    DONE = "done"  # every target has an outcome; look at them
    FAILED = "failed"  # the rig or the job itself failed: `error_code`, `error`
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"  # the daemon died while it ran

    @property
    def final(self) -> bool:
        return self not in (JobState.QUEUED, JobState.RUNNING, JobState.PAUSED, JobState.WAITING)


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", kw_only=True):
    """Base of all bodies: frozen, unknown fields refused, told apart by `op`."""
