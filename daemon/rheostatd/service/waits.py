"""Replies that have to wait: for a job's state, or for what the executor answers. Nobody polls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from rheostat import wire
from rheostatd.service.timers import Timer, Timers

Reply = Callable[..., None]  # (body, arrays=None): sends the one reply of a request
LONGEST_WAIT = 3600.0  # s; a client that wants more asks again


@dataclass(slots=True)
class _Wait:
    states: frozenset[wire.JobState]
    reply: Reply
    timer: Timer | None = None


class JobWaits:
    """Requests to be answered when a job reaches a state, or at their timeout."""

    def __init__(self, timers: Timers, find: Callable[[str], wire.Job]) -> None:
        self._timers = timers
        self._find = find
        self._waits: dict[str, list[_Wait]] = {}

    def add(self, request: wire.Wait, reply: Reply) -> None:
        """Raises UnknownJob."""
        states = frozenset(request.states) or frozenset(state for state in wire.JobState if state.final)
        job = self._find(request.job_id)
        if job.state in states or job.state.final or request.timeout <= 0.0:
            reply(job)
            return
        wait = _Wait(states, reply)
        waits = self._waits.setdefault(request.job_id, [])
        waits.append(wait)

        def late() -> None:
            waits.remove(wait)
            if not waits:
                self._waits.pop(request.job_id, None)
            reply(self._find(request.job_id))

        wait.timer = self._timers.after(min(request.timeout, LONGEST_WAIT), late)

    def changed(self, job: wire.Job) -> None:
        waits = self._waits.get(job.job_id, [])
        for wait in [wait for wait in waits if job.state.final or job.state in wait.states]:
            waits.remove(wait)
            if wait.timer:
                wait.timer.cancel()
            wait.reply(job)
        if not waits:
            self._waits.pop(job.job_id, None)

    def answer_all(self) -> None:
        """Everyone gets the job as it is: the daemon stops."""
        for job_id in list(self._waits):
            job = self._find(job_id)
            for wait in self._waits.pop(job_id):
                if wait.timer:
                    wait.timer.cancel()
                wait.reply(job)


class Questions:
    """Questions to the executor, by number, each with the reply it will become."""

    def __init__(self) -> None:
        self._count = 0
        self._open: dict[int, Reply] = {}

    def ask(self, reply: Reply) -> int:
        self._count += 1
        self._open[self._count] = reply
        return self._count

    def answer(self, number: int, body: msgspec.Struct, arrays: wire.Arrays | None = None) -> None:
        """Unknown numbers are answers that came too late."""
        reply = self._open.pop(number, None)
        if reply is not None:
            reply(body, arrays)

    def fail_all(self, failure: wire.Failure) -> None:
        while self._open:
            self._open.popitem()[1](failure)
