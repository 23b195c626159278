"""The processes of the service: each on a pipe whose end tells it that the service is gone, each with a watcher."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import structlog
import zmq

from rheostat import wire
from rheostat_hal import platform
from rheostatd import messages
from rheostatd.locks import Lock

log = structlog.get_logger()


def watch(process: subprocess.Popen[bytes], ended: Callable[[int], None]) -> None:
    """Calls `ended(exit status)` from a thread of its own when a process is over."""

    def wait() -> None:
        ended(process.wait())

    threading.Thread(target=wait, name=f"watch-{process.pid}", daemon=True).start()


def status_text(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"


class ExecutorLink:
    """One life of the executor process and the socket to it. Nothing here blocks.

    Commands wait in `outbox` until the executor has connected.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        ended: Callable[[int], None],
        lock: Lock | None = None,
        program: Sequence[str] = ("-P", "-m", "rheostatd.executor"),
    ) -> None:
        self.socket: zmq.Socket[bytes] = context.socket(zmq.PAIR)
        self.socket.linger = 0
        self.socket.set_hwm(0)
        port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        self.outbox: deque[list[bytes | memoryview]] = deque()
        self.process = subprocess.Popen(
            [sys.executable, *program, "--control", f"tcp://127.0.0.1:{port}"],
            stdin=subprocess.PIPE,
            stdout=sys.stderr.fileno(),  # the service's own stdout carries one line, for whoever started it
            # the service tells it of a Ctrl-C itself; the lock is held until it has ended, too
            **platform.apart((lock.descriptor,) if lock else ()),
        )
        watch(self.process, ended)

    def send(self, command: messages.Command, arrays: wire.Arrays | None = None) -> None:
        self.outbox.append(messages.pack(command, arrays))
        self.flush()

    def flush(self) -> None:
        while self.outbox and self.socket.poll(0, zmq.POLLOUT):
            self.socket.send_multipart(self.outbox.popleft(), zmq.NOBLOCK)

    def receive(self) -> tuple[messages.Report, wire.Arrays] | None:
        """The next report, if one has come. Raises WireError for what is none."""
        if not self.socket.poll(0, zmq.POLLIN):
            return None
        return messages.unpack_report(self.socket.recv_multipart(zmq.NOBLOCK))

    def settle(self, wait_ms: int = 50) -> bool:
        """After the process has ended: whether something it had sent is still to be received."""
        return bool(self.socket.poll(wait_ms, zmq.POLLIN))

    def hang_up(self) -> None:
        """Closes the pipe: whatever the executor does, it stops, makes the rig safe and exits."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()

    def close(self) -> None:
        self.hang_up()
        self.socket.close()
