"""A daemon as a process of its own, and a plain DEALER to talk to it."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from rheostat import wire

HERE = Path(__file__).parent
READY = re.compile(r"rheostatd ready: (tcp://\S+), (\d+) devices, (.+)\n")


class Caller:
    """One DEALER socket."""

    def __init__(self, address: str) -> None:
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(address)
        self._numbers = itertools.count(1)

    def send(self, body: Any, arrays: wire.Arrays | None = None) -> int:
        number = next(self._numbers)
        self.socket.send_multipart(wire.pack(body, number, arrays))
        return number

    def receive(self, timeout: float = 10.0) -> tuple[int, Any, wire.Arrays]:
        assert self.socket.poll(timeout * 1000), "no answer from the daemon"
        frames = self.socket.recv_multipart()
        if not frames[0]:  # a message that began with an empty frame, as a REQ socket's does, is answered like that
            frames.pop(0)
        header = wire.unpack_header(frames[0])
        return header.number, wire.unpack_reply(header), wire.unpack_arrays(header, frames[1:])

    def __call__(self, body: Any, arrays: wire.Arrays | None = None, timeout: float = 10.0) -> Any:
        number = self.send(body, arrays)
        answered, reply, self.arrays = self.receive(timeout)
        assert answered == number
        return reply

    def wait(self, job_id: str, *states: wire.JobState, timeout: float = 10.0) -> wire.Job:
        job: wire.Job = self(wire.Wait(job_id=job_id, timeout=timeout, states=states), timeout=timeout + 5.0)
        return job


class DaemonProcess:
    """`command`: what to run; it is ready when this has been made. `log`: its stderr, JSON lines."""

    def __init__(self, command: list[str], data: Path, wait: float = 60.0, **environment: str) -> None:
        self.data = data
        self.log_path = data.parent / f"{data.name}.log"
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **environment}
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = READY.fullmatch(line)
        if found is None:
            status = self.process.wait(wait)
            raise AssertionError(f"daemon did not start ({status}): {line!r}\n{self.log_path.read_text()}")
        self.address, self.devices, self.bench = found[1], int(found[2]), found[3]
        self.call = Caller(self.address)

    def stop(self, number: int = signal.SIGTERM, timeout: float = 20.0) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(timeout)
        self.call.socket.close()
        return status

    def behave(self, what: str) -> None:
        """What the stand-in does with the next jobs."""
        (self.data / "behave.txt").write_text(what)

    def executor_pid(self) -> int | None:
        pid: int | None = self.call(wire.GetStatus()).executor_pid
        return pid

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_path.read_text().splitlines() if line.startswith("{")]


@pytest.fixture(scope="session")
def caller() -> type[Caller]:
    return Caller


@pytest.fixture(scope="session")
def daemon_process() -> type[DaemonProcess]:
    """The class, for tests that start one their own way (they stop it themselves)."""
    return DaemonProcess


@pytest.fixture(scope="session")
def start() -> Iterator[Callable[..., DaemonProcess]]:
    """Starts the service with the scripted executor; all that still run are stopped at the end."""
    started: list[DaemonProcess] = []

    def start(folder: Path, *arguments: str, **environment: str) -> DaemonProcess:
        folder.mkdir(exist_ok=True)
        command = [sys.executable, str(HERE / "serve.py"), "--data", str(folder), *arguments]
        started.append(DaemonProcess(command, folder, **environment))
        return started[-1]

    yield start
    for daemon in started:
        if daemon.process.poll() is None:
            daemon.stop()


@pytest.fixture
def serve(start: Callable[..., DaemonProcess], tmp_path: Path) -> Iterator[Callable[..., DaemonProcess]]:
    """The same for one test, on one data folder of its own."""
    started: list[DaemonProcess] = []

    def serve(*arguments: str, **environment: str) -> DaemonProcess:
        started.append(start(tmp_path / "data", *arguments, **environment))
        return started[-1]

    yield serve
    for daemon in started:
        if daemon.process.poll() is None:
            daemon.stop()


@pytest.fixture
def daemon(serve: Callable[..., DaemonProcess]) -> DaemonProcess:
    return serve()


@pytest.fixture
def program() -> Callable[..., tuple[wire.Submit, wire.Arrays]]:
    """A program job with its arrays; keywords replace fields of the spec."""

    def make(
        job_id: str, targets: Any = (800.0, 790.0), device: Any = (0, 1), priority: int = 0, **fields: Any
    ) -> tuple[wire.Submit, wire.Arrays]:
        spec = wire.Program(**{"devices": ("A1", "A2"), "tolerance": 0.137, **fields})
        arrays = {"targets": np.asarray(targets, "<f8"), "device": np.asarray(device, "<i4")}
        return wire.Submit(job_id=job_id, spec=spec, priority=priority), arrays

    return make
