"""A real executor process on a real virtual bench process, with the test in the service's place."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import zmq

from rheostat import wire
from rheostatd import messages
from rheostatd.journal.pulses import PulseRecord

R = TypeVar("R")
PATIENCE = 60.0  # s, compiling included


class Executor:
    """`reports`: everything received so far, oldest first, as (report, arrays)."""

    def __init__(self, data: Path, env: dict[str, str] | None = None) -> None:
        self.data = data
        self.reports: list[tuple[messages.Report, wire.Arrays]] = []
        self.ready: messages.Ready | None = None
        self.socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PAIR)
        self.socket.setsockopt(zmq.LINGER, 0)
        port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        self.log = (data.parent / f"executor-{port}.log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "rheostatd.executor", "--control", f"tcp://127.0.0.1:{port}"],
            stdin=subprocess.PIPE,
            stderr=self.log,
            env={**os.environ, **(env or {})},
        )

    def send(self, command: messages.Command, arrays: wire.Arrays | None = None) -> None:
        self.socket.send_multipart(messages.pack(command, arrays))

    def receive(self, timeout: float = PATIENCE) -> tuple[messages.Report, wire.Arrays]:
        """The next report. Fails when none comes in time."""
        deadline = time.monotonic() + timeout
        while not self.socket.poll(50):
            assert time.monotonic() < deadline, f"nothing within {timeout} s; {self.said()}"
            assert self.process.poll() is None or self.socket.poll(200), f"the executor has ended; {self.said()}"
        self.reports.append(messages.unpack_report(self.socket.recv_multipart()))
        return self.reports[-1]

    def until(
        self, kind: type[R], wanted: Callable[[Any], bool] = lambda report: True, timeout: float = PATIENCE
    ) -> tuple[R, wire.Arrays]:
        """The next report of a kind (that is as wanted), with its arrays."""
        while True:
            report, arrays = self.receive(timeout)
            if isinstance(report, kind) and wanted(report):
                return report, arrays
            assert not isinstance(report, messages.Failed), report

    def happened(self, name: str) -> list[messages.Happened]:
        return [r for r, _ in self.reports if isinstance(r, messages.Happened) and r.name == name]

    def open(self, bench: str, analyser: str, switch: str, unfinished: tuple[str, ...] = ()) -> messages.Ready:
        self.send(messages.Open(bench, str(self.data), {"analyser": analyser, "switch": switch}, unfinished))
        return self.until(messages.Ready)[0]

    def run(self, job_id: str, spec: wire.Spec, arrays: wire.Arrays | None = None) -> None:
        self.send(messages.Run(job_id, spec), arrays)

    def finished(self, job_id: str, timeout: float = PATIENCE) -> tuple[messages.Finished, wire.Arrays]:
        return self.until(messages.Finished, lambda report: report.job_id == job_id, timeout)

    def said(self) -> str:
        self.log.flush()
        return Path(self.log.name).read_text()[-3000:]

    def wait(self, timeout: float = 20.0) -> int:
        return self.process.wait(timeout)

    def close(self) -> None:
        if self.process.poll() is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.socket.close()
        self.log.close()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Listener:
    """Between executor and analyser, byte for byte: sees every line that is sent."""

    def __init__(self, resource: str) -> None:
        _, host, port, _ = resource.split("::")
        self._upstream = (host, int(port))
        self._server = socket.create_server(("127.0.0.1", 0))
        self.resource = f"TCPIP0::127.0.0.1::{self._server.getsockname()[1]}::SOCKET"
        self.sent = bytearray()
        threading.Thread(target=self._accept, daemon=True).start()

    def pulses(self) -> int:
        """Write pulses that went to the instrument: XE is used for nothing else."""
        return bytes(self.sent).count(b"XE;")

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            instrument = socket.create_connection(self._upstream)
            for end in (client, instrument):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pump, args=(client, instrument, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(instrument, client, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, heard: bool) -> None:
        try:
            while data := source.recv(65536):
                if heard:
                    self.sent += data
                sink.sendall(data)
        except OSError:
            pass  # one side has gone: so does the other
        for end in (source, sink):
            end.close()

    def close(self) -> None:
        self._server.close()


def table_of(devices: tuple[str, ...], version: str = "paper") -> wire.FeedforwardTable:
    """A feedforward table from the rate equations of the TiO2-x device (0.8 s pulses), for every device the same."""
    voltages = np.linspace(0.3, 7.0, 68)
    resistances = np.linspace(730.0, 890.0, 161)
    v, r = voltages[:, None], resistances[None, :]
    potentiation = np.maximum(0.0, 0.012 * 0.8 * (r - (880.0 - 24.0 * v)))
    depression = np.maximum(0.0, 0.006 * 0.8 * (740.0 + 40.0 * v - r))
    info = wire.TableInfo(
        version=version,
        device=devices[0],
        created=1e9,
        width=0.8,
        window=(740.0, 880.0),
        gains=dict.fromkeys(devices, (1.0, 1.0)),
        noise=0.03,
    )
    return wire.FeedforwardTable(info, voltages, resistances, potentiation, depression)


def program(
    devices: tuple[str, ...], targets: dict[str, list[float]], **options: Any
) -> tuple[wire.Program, wire.Arrays]:
    """A program spec with its arrays. targets: device -> ohm."""
    values = [(ohm, devices.index(name)) for name, given in targets.items() for ohm in given]
    arrays = {
        "targets": np.array([ohm for ohm, _ in values]),
        "device": np.array([number for _, number in values], np.int32),
    }
    return wire.Program(devices=devices, **{"tolerance": 0.137, "order": "sweep", **options}), arrays


class Kit:
    """Starts what a test needs; everything is ended with the test."""

    def __init__(self, folder: Path, shared: Any) -> None:
        self._shared = shared
        self.folder = folder
        self.data = folder / "data"
        self._bench: Any = None
        self._closing: list[Callable[[], None]] = []

    table_of = staticmethod(table_of)
    program = staticmethod(program)

    def bench(self) -> Any:
        """The virtual bench: the one that all tests share, unless this test has started its own."""
        return self._bench or self._shared

    def own_bench(self, real_time: bool = False) -> Any:
        self._bench = started_bench(real_time)
        self._closing.append(self._bench.close)
        return self._bench

    def embedded(self) -> str:
        """The text of the embedded bench file."""
        return (resources.files("rheostat_hal") / "embedded.toml").read_text()

    def real_time(self) -> str:
        """The path of a bench file like the embedded one, in real time."""
        path = self.folder / "real-time.toml"
        path.write_text(self.embedded().replace("real_time = false", "real_time = true"))
        return str(path)

    def listener(self, resource: str) -> Listener:
        listener = Listener(resource)
        self._closing.append(listener.close)
        return listener

    def add_table(self, devices: tuple[str, ...]) -> None:
        """Puts a calibration into the record, as an earlier job would have."""
        record = PulseRecord(self.data)
        record.save_table(table_of(devices))
        record.close()

    def record(self) -> PulseRecord:
        record = PulseRecord(self.data)
        self._closing.append(record.close)
        return record

    def executor(self, bench: str = "", *, unfinished: tuple[str, ...] = (), **env: str) -> Executor:
        """An executor that is ready, on the virtual bench."""
        virtual = self.bench()
        executor = self.process(**env)
        executor.ready = executor.open(bench, virtual.analyser, virtual.switch, unfinished)
        return executor

    def process(self, **env: str) -> Executor:
        """An executor that has not been told anything yet."""
        executor = Executor(self.data, env)
        self._closing.append(executor.close)
        return executor

    def close(self) -> None:
        for close in reversed(self._closing):
            close()


def started_bench(real_time: bool = False) -> Any:
    from rheostat_hal.virtual.launch import launch  # here: tests without a bench need none of it

    return launch("", real_time=real_time, seed=7)


@pytest.fixture(scope="session")
def shared_bench() -> Iterator[Any]:
    """One virtual bench for all tests: like a real one, it keeps its devices' states from test to test."""
    bench = started_bench()
    yield bench
    bench.close()


@pytest.fixture
def kit(tmp_path: Path, shared_bench: Any) -> Iterator[Kit]:
    kit = Kit(tmp_path, shared_bench)
    yield kit
    kit.close()
