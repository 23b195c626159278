"""The asyncio twin of `rheostat.link`: the same rules, awaited."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import zmq
import zmq.asyncio

from rheostat import address as addresses
from rheostat import link, talk, wire
from rheostat.errors import DaemonUnavailable


class Link:
    """As `rheostat.link.Link`, for one task at a time."""

    def __init__(self, context: zmq.asyncio.Context, endpoint: str) -> None:
        self._socket, self._monitor = link.opened(context, endpoint)
        self._poller = zmq.asyncio.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)
        self._numbers = itertools.count(1)
        self._way: link.Way | None = None

    async def exchange(self, call: talk.Call, timeout: float, clock: talk.Clock = time.monotonic) -> talk.Answer:
        number = next(self._numbers)
        await self._socket.send_multipart(wire.pack(call.body, number, call.arrays), copy=not call.arrays)
        end = clock() + timeout
        while (left := end - clock()) > 0:
            ready = dict(await self._poller.poll(int(left * 1000) + 1))
            if self._socket in ready:
                found = link.answer(await self._socket.recv_multipart(), number)
                if found is not None:
                    return found
            elif self._monitor in ready:
                await self._hear()
                if self._way is not link.Way.UP:
                    raise link.NoAnswer(self._way)
        raise link.NoAnswer(self._way)

    async def fresh(self) -> bool:
        while await self._monitor.poll(0):
            await self._hear()
            if self._way is not link.Way.UP:
                return False
        return True

    async def _hear(self) -> None:
        self._way = link.way(await self._monitor.recv_multipart(), self._way)

    def close(self) -> None:
        link.closed(self._socket, self._monitor)


class Links:
    """As `rheostat.link.Links`, for the tasks of one event loop."""

    def __init__(self, where: addresses.Address, timeout: float, patience: float) -> None:
        self.where = where
        self.timeout = timeout
        self.patience = patience
        self._context = zmq.asyncio.Context.instance()
        self._free: list[Link] = []
        self._closed = False

    async def ask(self, call: talk.Call, clock: talk.Clock = time.monotonic) -> talk.Answer:
        tries = link.Tries(self.where, self.patience, self.timeout + call.patience, clock)
        while True:
            one = await self._take()
            try:
                found = await one.exchange(call, self.timeout + call.patience, clock)
            except link.NoAnswer as failed:
                one.close()
                await asyncio.sleep(tries.after(failed))
            except BaseException:
                one.close()
                raise
            else:
                if self._closed:
                    one.close()
                else:
                    self._free.append(one)
                return found

    def subscribe(self, endpoint: str) -> Any:
        return link.subscribed(self._context, endpoint)

    def close(self) -> None:
        self._closed = True
        while self._free:
            self._free.pop().close()

    async def _take(self) -> Link:
        if self._closed:
            raise DaemonUnavailable("this rig was closed; connect again", code="client.closed")
        while self._free:
            one = self._free.pop()
            if await one.fresh():
                return one
            one.close()
        return Link(self._context, self.where.endpoint)
