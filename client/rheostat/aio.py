"""The asyncio twin of `rheostat.client`: the same conversations, driven over zmq.asyncio.

    async with rheostat.aio.connect() as rig:          # or: rig = await rheostat.aio.connect()
        job = await rig.program([800.0, 790.5], devices=["A1", "A2"])
        result = await job.result()

A Rig belongs to one event loop; any number of its tasks may wait at once. A cancelled await leaves the job going on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Generator, Sequence
from typing import Any, Self, TypeVar

from rheostat import address as addresses
from rheostat import talk, wire
from rheostat.aiojob import Job
from rheostat.aiolink import Links
from rheostat.aiosender import Sender
from rheostat.errors import RheostatError
from rheostat.follow import QUIET, Follower
from rheostat.link import emergency_address

T = TypeVar("T")

__all__ = ["Job", "Rig", "connect", "emergency_stop"]


def connect(address: str | None = None, timeout: float = 5.0, wait: float = 0.0, reconnect: float = 5.0) -> Connecting:
    """As `rheostat.connect`; to be awaited, or used as an asynchronous context manager at once."""
    return Connecting(_connected(address, timeout, wait, reconnect))


class Connecting(Coroutine[Any, Any, "Rig"]):
    """A connection on its way: `rig = await connect()`, or `async with connect() as rig`."""

    def __init__(self, connected: Coroutine[Any, Any, Rig]) -> None:
        self._connected = connected
        self._rig: Rig | None = None

    def send(self, value: Any) -> Any:
        return self._connected.send(value)

    def throw(self, *error: Any) -> Any:
        return self._connected.throw(*error)

    def close(self) -> None:
        self._connected.close()

    def __await__(self) -> Generator[Any, Any, Rig]:
        return self._connected.__await__()

    async def __aenter__(self) -> Rig:
        self._rig = await self._connected
        return self._rig

    async def __aexit__(self, *_: object) -> None:
        if self._rig is not None:
            await self._rig.close()


async def _connected(address: str | None, timeout: float, wait: float, reconnect: float) -> Rig:
    links = Links(addresses.resolve(address), timeout, wait)
    try:
        status = await drive(links, talk.status())
    except RheostatError:
        links.close()
        raise
    links.patience = reconnect
    return Rig(links, status)


async def drive(links: Links, conversation: talk.Talk[T]) -> T:
    """Holds a conversation with the daemon."""
    try:
        call = next(conversation)
        while True:
            try:
                answered = await links.ask(call)
            except RheostatError as error:
                call = conversation.throw(error)
            else:
                call = conversation.send(answered)
    except StopIteration as end:
        value: T = end.value
        return value


class Rig(Sender):
    """As `rheostat.client.Rig`; every method is awaited."""

    def __init__(self, links: Links, status: wire.Status) -> None:
        self._links = links
        self._hello = status

    @property
    def address(self) -> str:
        return self._links.where.endpoint

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        self._links.close()

    def __repr__(self) -> str:
        return f"<aio.Rig {self._hello.bench!r} at {self.address}>"

    async def status(self) -> wire.Status:
        self._hello = await self._do(talk.status())
        return self._hello

    async def devices(self) -> tuple[wire.Device, ...]:
        return await self._do(talk.devices())

    async def jobs(self, limit: int = 50, states: Sequence[wire.JobState | str] = ()) -> tuple[wire.Job, ...]:
        return await self._do(talk.jobs(limit, states))

    async def job(self, job_id: str) -> Job[Any]:
        return Job(self, (await self._do(talk.job(job_id))).job_id)

    async def tables(self) -> tuple[wire.TableInfo, ...]:
        return await self._do(talk.tables())

    async def table(self, version: str | None = None) -> wire.FeedforwardTable:
        return await self._do(talk.table(version))

    async def pause(self) -> None:
        await self._do(talk.change(wire.Pause()))

    async def resume(self) -> None:
        await self._do(talk.change(wire.Resume()))

    async def estop(self, reason: str = "") -> None:
        status = self._hello if self._hello.estop else await self.status()
        await emergency_stop(status.estop, reason, self._links.timeout)

    async def recover(self) -> None:
        await self._do(talk.recover())

    def events(self, after: int | None = None) -> AsyncIterator[wire.Event]:
        return self._follow(None, after)

    async def _do(self, conversation: talk.Talk[T], /) -> T:
        return await drive(self._links, conversation)

    async def _submit(self, conversation: talk.Talk[talk.Submission], wait: bool) -> Job[Any]:
        submission = await self._do(conversation)
        sent = await self._do(talk.submit(submission))
        job: Job[Any] = Job(self, sent.job_id, submission)
        if wait:
            await job.wait()
        return job

    async def _follow(self, job_id: str | None, after: int | None) -> AsyncIterator[wire.Event]:
        before = self._hello
        status = await self.status()
        follower = Follower.begin(job_id, after, before, status)
        socket = self._links.subscribe(status.events)
        try:
            for event in await self._do(follower.catch_up()):
                yield event
            while not follower.done:
                arrived: list[wire.Event] = []
                if await socket.poll(QUIET * 1000):
                    arrived = [wire.unpack_event((await socket.recv_multipart())[-1])]
                if not arrived or follower.misses(arrived[0]):
                    for event in await self._do(follower.catch_up()):
                        yield event
                for event in follower.take(arrived):
                    yield event
        finally:
            socket.close(0)


async def emergency_stop(endpoint: str, reason: str = "", timeout: float = 5.0) -> None:
    """As `rheostat.client.emergency_stop`."""
    links = Links(emergency_address(endpoint), timeout, patience=0.0)
    try:
        await drive(links, talk.emergency_stop(reason))
    finally:
        links.close()
