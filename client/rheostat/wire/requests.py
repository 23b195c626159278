"""What a client asks the daemon."""

from __future__ import annotations

from rheostat.wire.base import JobState, Message
from rheostat.wire.jobs import Spec


class GetStatus(Message, frozen=True, kw_only=True, tag="status"):
    pass


class ListDevices(Message, frozen=True, kw_only=True, tag="devices"):
    pass


class Submit(Message, frozen=True, kw_only=True, tag="submit"):
    """A job. The client makes `job_id`; the same job sent again gets the same answer. Arrays: the spec's."""

    job_id: str
    spec: Spec
    priority: int = 0  # higher first
    label: str = ""
    dry_run: bool = False  # answer a Plan and do nothing


class Again(Message, frozen=True, kw_only=True, tag="again"):
    """A job like an earlier one: its spec and its arrays, under a new id.

    unfinished: only what that one had not finished; what it had measured is taken over into the new result. For
    iv_loops, identical_pulses, staircase, train (whole cycles) and calibrate jobs that have ended early.
    """

    job_id: str
    of: str
    unfinished: bool = False
    priority: int = 0
    label: str = ""
    dry_run: bool = False


class GetJob(Message, frozen=True, kw_only=True, tag="job"):
    job_id: str


class ListJobs(Message, frozen=True, kw_only=True, tag="jobs"):
    limit: int = 50
    states: tuple[JobState, ...] = ()


class Wait(Message, frozen=True, kw_only=True, tag="wait"):
    """Answered when the job has reached a final state (or any of `states`), or after `timeout` s with what is."""

    job_id: str
    timeout: float = 30.0
    states: tuple[JobState, ...] = ()


class GetResult(Message, frozen=True, kw_only=True, tag="result"):
    job_id: str


class GetTrace(Message, frozen=True, kw_only=True, tag="trace"):
    """Every pulse and reading of one device in one job, from the journal."""

    job_id: str
    device: str


class Cancel(Message, frozen=True, kw_only=True, tag="cancel"):
    job_id: str


class Pause(Message, frozen=True, kw_only=True, tag="pause"):
    """Pause one job, or the whole queue when `job_id` is None. A running job pauses between two devices' events."""

    job_id: str | None = None


class Resume(Message, frozen=True, kw_only=True, tag="resume"):
    job_id: str | None = None


class ListTables(Message, frozen=True, kw_only=True, tag="tables"):
    pass


class GetTable(Message, frozen=True, kw_only=True, tag="table"):
    """A feedforward table; None: the newest. The reply's arrays are those of `FeedforwardTable`."""

    version: str | None = None


class Recover(Message, frozen=True, kw_only=True, tag="recover"):
    """Check the rig and clear the latch that an error or an emergency stop has set."""


class ReplayEvents(Message, frozen=True, kw_only=True, tag="events"):
    """The events after sequence number `after` that the daemon still holds."""

    after: int


class EmergencyStop(Message, frozen=True, kw_only=True, tag="estop"):
    """On the emergency socket only. Stops the line that runs, 0 V, relays open, latches the rig."""

    reason: str = ""


Request = (
    GetStatus
    | ListDevices
    | Submit
    | Again
    | GetJob
    | ListJobs
    | Wait
    | GetResult
    | GetTrace
    | Cancel
    | Pause
    | Resume
    | ListTables
    | GetTable
    | Recover
    | ReplayEvents
    | EmergencyStop
)
