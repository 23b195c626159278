"""Time and other threads in a poll loop: callbacks at a moment, and a mailbox that wakes the loop."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import queue
import socket
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Timer:
    moment: float
    callback: Callable[[], None]
    cancelled: bool = field(default=False)

    def cancel(self) -> None:
        self.cancelled = True


class Timers:
    """`clock`: seconds that never go back, for example time.monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()

    def after(self, delay: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(self._clock() + delay, callback)
        heapq.heappush(self._heap, (timer.moment, next(self._count), timer))
        return timer

    def next_ms(self) -> int | None:
        """How long the loop may sleep; None: until something happens."""
        while self._heap and self._heap[0][2].cancelled:
            heapq.heappop(self._heap)
        if not self._heap:
            return None
        return min(max(0, int((self._heap[0][0] - self._clock()) * 1000.0) + 1), 3_600_000)

    def run_due(self) -> None:
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            timer = heapq.heappop(self._heap)[2]
            if not timer.cancelled:
                timer.callback()


class Mailbox:
    """Other threads (and signals, by `signal.set_wakeup_fd`) hand callbacks to the loop's thread."""

    def __init__(self) -> None:
        self.receiver, self.sender = socket.socketpair()
        self.receiver.setblocking(False)
        self.sender.setblocking(False)
        self._callbacks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def post(self, callback: Callable[[], None]) -> None:
        self._callbacks.put(callback)
        try:
            self.sender.send(b"\0")
        except OSError:
            return  # full of wake-ups already: the loop will come; or closed: it has ended

    def run(self) -> None:
        with contextlib.suppress(BlockingIOError):  # emptied
            while self.receiver.recv(4096):
                continue
        while not self._callbacks.empty():
            self._callbacks.get_nowait()()

    def close(self) -> None:
        self.receiver.close()
        self.sender.close()
