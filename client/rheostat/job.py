"""A job of the sync client: its progress, its end, its result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from rheostat import talk, wire
from rheostat.results import Result
from rheostat.trace import Trace

if TYPE_CHECKING:
    from rheostat.client import Rig

R = TypeVar("R", bound=Result)


class Job(Generic[R]):
    """One job at the daemon. It goes on whether or not anybody holds this."""

    def __init__(self, rig: Rig, job_id: str, submission: talk.Submission | None = None) -> None:
        self.id = job_id
        self._rig = rig
        self._submission = submission
        self._result: R | None = None

    def __repr__(self) -> str:
        return f"<Job {self.id} at {self._rig.address}>"

    def progress(self) -> wire.Job:
        """A snapshot: state, targets (or stages) done of total, pulses, reads, energy (J), rig_time (s), outcomes so
        far, and of a job that waits `due`: unix time (s) when it goes on."""
        return self._rig._do(talk.job(self.id))

    def follow(self, after: int | None = None) -> Iterator[wire.Event]:
        """The job's events, each once and in order, until it has ended."""
        return self._rig._follow(self.id, after)

    def wait(self, timeout: float | None = None) -> wire.Job:
        """Blocks until the job has ended, however it did. Raises WaitTimeout after `timeout` s; the job goes on."""
        return self._rig._do(talk.wait(self.id, timeout))

    def result(self, timeout: float | None = None, partial: bool = False) -> R:
        """Waits for the end, then gives the result of the job's kind: a ProgramResult, a StaircaseResult, ...

        Raises JobFailed, JobCancelled or JobInterrupted unless `partial` and there is something to give, and
        WaitTimeout after `timeout` s.
        """
        if self._result is None or self._result.job.state is not wire.JobState.DONE:
            self._result = cast("R", self._rig._do(talk.result(self.id, timeout, partial, self._submission)))
        return self._result

    def trace(self, device: str) -> Trace:
        """Every pulse and reading of one device in this job, from the journal."""
        return self._rig._do(talk.trace(self.id, device))

    def cancel(self) -> None:
        """Stops the job at the next safe place; targets not done get the outcome CANCELLED."""
        self._rig._do(talk.change(wire.Cancel(job_id=self.id)))

    def pause(self) -> None:
        """Pauses the job between two events of a device."""
        self._rig._do(talk.change(wire.Pause(job_id=self.id)))

    def resume(self) -> None:
        self._rig._do(talk.change(wire.Resume(job_id=self.id)))
