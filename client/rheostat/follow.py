"""Following events without losing one: numbered events from the PUB socket, gaps filled from the daemon's memory."""

from __future__ import annotations

from collections.abc import Iterable

from rheostat import talk, wire

QUIET = 1.0  # s without an event after which the daemon is asked


class Follower:
    """The events of one job (of all: None) in order, each once. Pure: fed by whoever owns the sockets."""

    def __init__(self, job_id: str | None, after: int, pid: int) -> None:
        self.done = False
        self._job_id = job_id
        self._last = after
        self._pid = pid

    @classmethod
    def begin(cls, job_id: str | None, after: int | None, before: wire.Status, now: wire.Status) -> Follower:
        """From `after`; else a job from when the daemon was last looked at (`before`), everything from `now`."""
        if after is None:
            after = now.sequence if job_id is None else before.sequence if before.pid == now.pid else 0
        return cls(job_id, after, now.pid)

    def misses(self, event: wire.Event) -> bool:
        """Whether events before this one have not come: ask `catch_up` before `take`."""
        return event.sequence > self._last + 1

    def take(self, events: Iterable[wire.Event]) -> list[wire.Event]:
        """Those of the events that are new and wanted."""
        wanted = []
        for event in events:
            if event.sequence <= self._last or self.done:
                continue
            self._last = event.sequence
            if self._job_id in (None, event.job_id):
                wanted.append(event)
                self.done = self._job_id is not None and event.name == "job.finished"
        return wanted

    def catch_up(self) -> talk.Talk[list[wire.Event]]:
        """New events from the daemon's memory; ends the following when the job has ended and nothing more can come."""
        final = self._job_id is not None and (yield from _has_ended(self._job_id))
        status = yield from talk.status()  # asked after it, so that its events hold the job's end
        if status.pid != self._pid:  # another daemon, which counts anew
            self._pid, self._last = status.pid, 0
        wanted: list[wire.Event] = []
        while self._last < status.sequence and not self.done:
            before = self._last
            reply, _ = yield from talk.ask(wire.ReplayEvents(after=self._last), wire.Events)
            wanted += self.take(reply.events)
            if self._last == before:  # what is missing is gone
                self._last = status.sequence
        self.done = self.done or final
        return wanted


def _has_ended(job_id: str) -> talk.Talk[bool]:
    reply, _ = yield from talk.ask(wire.GetJob(job_id=job_id), wire.Job)
    return reply.state.final
