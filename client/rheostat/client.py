"""The client: `connect`, `Rig`, `Job`. Every method is one conversation of `rheostat.talk`, driven over real sockets.

Threads: a Rig and its Jobs may be used from any number of threads at once; one that waits holds up no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self, TypeVar

from rheostat import address as addresses
from rheostat import talk, wire
from rheostat.errors import RheostatError
from rheostat.follow import QUIET, Follower
from rheostat.job import Job
from rheostat.link import Links, emergency_address
from rheostat.results import (
    CalibrateResult,
    CheckTableResult,
    IdenticalPulsesResult,
    InitialiseResult,
    IvLoopsResult,
    ProgramResult,
    ReadResult,
    Result,
    RetentionResult,
    StaircaseResult,
    TrainResult,
)
from rheostat.sender import Sender

__all__ = [
    "CalibrateResult",
    "CheckTableResult",
    "IdenticalPulsesResult",
    "InitialiseResult",
    "IvLoopsResult",
    "Job",
    "ProgramResult",
    "ReadResult",
    "Result",
    "RetentionResult",
    "Rig",
    "StaircaseResult",
    "TrainResult",
    "connect",
]

T = TypeVar("T")


def connect(address: str | None = None, timeout: float = 5.0, wait: float = 0.0, reconnect: float = 5.0) -> Rig:
    """The rig of the daemon at `address` (else $RHEOSTAT_ADDRESS, else tcp://127.0.0.1:7431).

    timeout: s for the answer to a request; wait: s to go on trying while nobody listens yet; reconnect: s for which
    later requests go on while a daemon that once answered is away. Use the rig as a context manager, or close() it.
    Raises DaemonUnavailable, saying where it looked and how to start a daemon.
    """
    links = Links(addresses.resolve(address), timeout, wait)
    try:
        status = drive(links, talk.status())
    except RheostatError:
        links.close()
        raise
    links.patience = reconnect
    return Rig(links, status)


def drive(links: Links, conversation: talk.Talk[T]) -> T:
    """Holds a conversation with the daemon."""
    try:
        call = next(conversation)
        while True:
            try:
                answered = links.ask(call)
            except RheostatError as error:
                call = conversation.throw(error)
            else:
                call = conversation.send(answered)
    except StopIteration as end:
        value: T = end.value
        return value


class Rig(Sender):
    """A daemon and what it owns. Made by `connect`. The jobs it can be asked for: `rheostat.sender.Sender`."""

    def __init__(self, links: Links, status: wire.Status) -> None:
        self._links = links
        self._hello = status

    @property
    def address(self) -> str:
        return self._links.where.endpoint

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets the connections go. Jobs go on."""
        self._links.close()

    def __repr__(self) -> str:
        return f"<Rig {self._hello.bench!r} at {self.address}>"

    def status(self) -> wire.Status:
        """The daemon, its instruments, and what they do now."""
        self._hello = self._do(talk.status())
        return self._hello

    def devices(self) -> tuple[wire.Device, ...]:
        """Every device of the bench, with its window and last reading (ohm)."""
        return self._do(talk.devices())

    def jobs(self, limit: int = 50, states: Sequence[wire.JobState | str] = ()) -> tuple[wire.Job, ...]:
        """Snapshots of the latest jobs, of those in `states` if any are named."""
        return self._do(talk.jobs(limit, states))

    def job(self, job_id: str) -> Job[Any]:
        """A job by its id, the beginning of it, or "last", whoever sent it. Raises UnknownJob."""
        return Job(self, self._do(talk.job(job_id)).job_id)

    def tables(self) -> tuple[wire.TableInfo, ...]:
        """The feedforward tables in the journal."""
        return self._do(talk.tables())

    def table(self, version: str | None = None) -> wire.FeedforwardTable:
        """One feedforward table with its arrays; None: the newest."""
        return self._do(talk.table(version))

    def pause(self) -> None:
        """Pauses the whole queue."""
        self._do(talk.change(wire.Pause()))

    def resume(self) -> None:
        """Lets the queue go on."""
        self._do(talk.change(wire.Resume()))

    def estop(self, reason: str = "") -> None:
        """Emergency stop, on a socket of its own that stands behind no queue: 0 V, relays open, the rig latched.

        Returns when the instruments have confirmed it; any error means that this could not be confirmed.
        """
        status = self._hello if self._hello.estop else self.status()
        emergency_stop(status.estop, reason, self._links.timeout)

    def recover(self) -> None:
        """Checks the rig and clears the latch of an error or an emergency stop."""
        self._do(talk.recover())

    def events(self, after: int | None = None) -> Iterator[wire.Event]:
        """Every event from now on (or after that sequence number), without end."""
        return self._follow(None, after)

    def _do(self, conversation: talk.Talk[T], /) -> T:
        return drive(self._links, conversation)

    def _submit(self, conversation: talk.Talk[talk.Submission], wait: bool) -> Job[Any]:
        submission = self._do(conversation)
        sent = self._do(talk.submit(submission))
        job: Job[Any] = Job(self, sent.job_id, submission)
        if wait:
            job.wait()
        return job

    def _follow(self, job_id: str | None, after: int | None) -> Iterator[wire.Event]:
        before = self._hello
        status = self.status()
        follower = Follower.begin(job_id, after, before, status)
        socket = self._links.subscribe(status.events)
        try:
            yield from self._do(follower.catch_up())
            while not follower.done:
                arrived: list[wire.Event] = []
                if socket.poll(QUIET * 1000):
                    arrived = [wire.unpack_event(socket.recv_multipart()[-1])]
                if not arrived or follower.misses(arrived[0]):
                    yield from self._do(follower.catch_up())
                yield from follower.take(arrived)
        finally:
            socket.close(0)


def emergency_stop(endpoint: str, reason: str = "", timeout: float = 5.0) -> None:
    """Stops the rig whose emergency socket is at `endpoint`; see Rig.estop."""
    links = Links(emergency_address(endpoint), timeout, patience=0.0)
    try:
        drive(links, talk.emergency_stop(reason))
    finally:
        links.close()
