"""A job of the asyncio client: the twin of `rheostat.job`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from rheostat import talk, wire
from rheostat.results import Result
from rheostat.trace import Trace

if TYPE_CHECKING:
    from rheostat.aio import Rig

R = TypeVar("R", bound=Result)


class Job(Generic[R]):
    """As `rheostat.client.Job`; every method is awaited, `follow` is an async iterator."""

    def __init__(self, rig: Rig, job_id: str, submission: talk.Submission | None = None) -> None:
        self.id = job_id
        self._rig = rig
        self._submission = submission

    def __repr__(self) -> str:
        return f"<aio.Job {self.id} at {self._rig.address}>"

    async def progress(self) -> wire.Job:
        return await self._rig._do(talk.job(self.id))

    def follow(self, after: int | None = None) -> AsyncIterator[wire.Event]:
        return self._rig._follow(self.id, after)

    async def wait(self, timeout: float | None = None) -> wire.Job:
        return await self._rig._do(talk.wait(self.id, timeout))

    async def result(self, timeout: float | None = None, partial: bool = False) -> R:
        return cast("R", await self._rig._do(talk.result(self.id, timeout, partial, self._submission)))

    async def trace(self, device: str) -> Trace:
        return await self._rig._do(talk.trace(self.id, device))

    async def cancel(self) -> None:
        await self._rig._do(talk.change(wire.Cancel(job_id=self.id)))

    async def pause(self) -> None:
        await self._rig._do(talk.change(wire.Pause(job_id=self.id)))

    async def resume(self) -> None:
        await self._rig._do(talk.change(wire.Resume(job_id=self.id)))
